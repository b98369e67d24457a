"""A production line in a folder: a config, a store, and `plumbline` in processes of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

DOOR = "import sys; from pipelines.entry import main; sys.exit(main())"
EDGE = "import sys; from deploy.edge.cli import main; sys.exit(main())"


class Line:
    """`config` is the text of its YAML file."""

    def __init__(self, folder: Path, config: str) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        self.store = folder / "store"
        self.config = folder / "line.yaml"
        self.config.write_text(config)

    @property
    def environment(self) -> dict[str, str]:
        """As a user's: nothing of the test process' own ZenML."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("ZENML_", "PLUMBLINE_"))}
        return {**kept, "PLUMBLINE_STORE": str(self.store)}

    def start(self, *arguments: str, door: str = DOOR) -> subprocess.Popen[str]:
        """The command, under way."""
        return subprocess.Popen(
            [sys.executable, "-c", door, *arguments],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def say(self, *arguments: str, door: str = DOOR) -> tuple[int, str, str]:
        """Exit code, stdout and stderr of the command."""
        process = self.start(*arguments, door=door)
        out, err = process.communicate(timeout=600)
        return process.returncode, out, err

    def json(self, *arguments: str, code: int = 0) -> dict[str, Any]:
        """The one document that the command prints; nothing else is on stdout."""
        found, out, err = self.say(*arguments, "--json")
        assert found == code, err
        document: dict[str, Any] = json.loads(out)
        assert document["exit_code"] == code
        return document

    def run(self, *changes: str, code: int = 0) -> dict[str, Any]:
        """`plumbline run` of its config."""
        return self.json("run", str(self.config), *changes, code=code)
