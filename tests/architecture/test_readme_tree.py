"""README's tree lists every folder that exists at the top, and none that does not; its commands are real."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path


def tree_lines(root: Path) -> list[str]:
    text = (root / "README.md").read_text()
    block = re.search(r"```\n(configs/.*?)```", text, re.DOTALL)
    assert block, "README has no tree that starts with configs/"
    return block.group(1).splitlines()


def test_readme__tree_lists_what_exists(root: Path) -> None:
    named = {line.split()[0].rstrip("/") for line in tree_lines(root) if line.strip()}
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=root, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    folders = {path.split("/")[0] for path in tracked if "/" in path} - {".ci"}
    top = {name.split("/")[0] for name in named}
    assert folders <= top, f"missing from README's tree: {folders - top}"
    for name in named:
        assert (root / name).exists(), f"README names {name}, which does not exist"


def test_readme__every_folder_has_a_phrase(root: Path) -> None:
    for line in tree_lines(root):
        assert len(line.split()) >= 3, f"no phrase: {line!r}"


def test_readme__make_targets_exist(root: Path) -> None:
    text = (root / "README.md").read_text()
    makefile = (root / "Makefile").read_text()
    for target in set(re.findall(r"`make ([a-z-]+)`", text)) | set(
        re.findall(r"^make ([a-z-]+)", text, re.MULTILINE)
    ):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_commits__name_no_machine(root: Path) -> None:
    """No path of a machine and no index host in anything tracked."""
    pattern = r"(^|[^A-Za-z0-9_.])/(root|work|farm|home)/[a-z]|index-url|://[^ ]*(pypi|simple/)"
    found = subprocess.run(
        ["git", "grep", "-nIE", pattern, "--", "."],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    own = [
        line
        for line in found.stdout.splitlines()
        if "tests/architecture/test_readme_tree" not in line
    ]
    assert not own, own
