"""`plumbline-edge`: verify, predict, bench, certify, compile. Answers on stdout, everything said to people on stderr.

Exit codes: 0 well; 1 a fault of ours or the runtime; 2 something the user can mend, or an image without answer;
130 stopped by Ctrl-C; 141 the reader of our output went away.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version

from deploy.edge.commands import bench, certify, compile, predict, verify
from deploy.edge.commands.common import say
from deploy.edge.errors import PlumblineError

BROKEN_PIPE = 141
"""What a shell reports of a program that SIGPIPE ended."""
COMMANDS = (verify, predict, bench, certify, compile)
"""To add a command, add its module here."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and give its exit code; every error leaves as one line."""
    options = _parser().parse_args(arguments)
    try:
        code: int = options.run(options)
        if sys.stdout is not None:  # as under `>&-`
            sys.stdout.flush()
    except PlumblineError as error:
        return _refused(options, type(error).__name__, str(error), error.exit_code)
    except BrokenPipeError:  # `| head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except OSError as error:
        sentence = f"{error}: check the path, its permissions and the disk"
        return _refused(options, type(error).__name__, sentence, 2)
    except KeyboardInterrupt:
        say("stopped; what was answered so far stands")
        return 130
    return code


def _refused(options: argparse.Namespace, kind: str, sentence: str, code: int) -> int:
    """The error for people, and with `--json` the same document that `plumbline --json` gives."""
    say(f"error: {sentence}")
    if getattr(options, "json", False):
        print(json.dumps({"error": kind, "faults": [sentence], "exit_code": code}))
    return code


def _version() -> str:
    try:
        return version("plumbline")
    except PackageNotFoundError:
        return "from a checkout"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="plumbline-edge",
        description="Run a certified inspection bundle on this device.",
        epilog="start with: plumbline-edge verify BUNDLE",
    )
    parser.add_argument("--version", action="version", version=f"plumbline {_version()}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    for command in COMMANDS:
        command.add(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
