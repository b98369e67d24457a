"""The console command's first breath: standard library only, so that a bare device gets an answer too."""

from __future__ import annotations

import sys
from importlib.util import find_spec

NEEDED = ("typer", "rich", "pydantic", "yaml", "dotenv")
"""What the command line itself imports; single commands ask for more and say so."""

INSTALL = "pip install '.[pipeline]'"


def main() -> int:
    """Run `plumbline`; without its extra print the install command and return 2."""
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        print(
            f"plumbline needs the 'pipeline' extra ({', '.join(missing)} not installed): "
            f"{INSTALL} in Plumbline's folder\n"
            "The device's own command needs nothing more: plumbline-edge --help",
            file=sys.stderr,
        )
        return 2
    from pipelines.cli import run_command_line

    return run_command_line(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
