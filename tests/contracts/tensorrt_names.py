"""Which of TensorRT's names a program uses, read from its text, and which releases of the binding have them.

The releases are lists of names and signatures (`tensorrt_surface/*.json`), so no TensorRT is needed. A name is followed
from `trt`, from annotations such as `trt.Builder`, and through what calls return; what cannot be followed is left to
mypy and the stub, whose every line is held against the same lists.
"""

from __future__ import annotations

import ast
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).with_name("tensorrt_surface")
STUB = FOLDER / "stubs" / "tensorrt" / "__init__.pyi"
BASICS = {"name", "value"}
"""Every member of an enumeration has these."""


@dataclass(frozen=True)
class Release:
    """One release of the binding."""

    version: str
    module: dict[str, str]
    classes: dict[str, Any]

    def has(self, owner: str, member: str) -> bool:
        """Whether a class (dotted inside the module) has a member, its own or inherited."""
        known = self.classes.get(owner)
        if known is None:
            return False
        if "enum" in known:
            return member in known["enum"] or member in BASICS or member.startswith("__")
        own = member.startswith("__") or member in known["members"]
        return own or any(self.has(base, member) for base in known["bases"])

    def result(self, owner: str, member: str) -> str | None:
        """The class that a property holds or a method returns, where the signature tells."""
        text = str(self.classes.get(owner, {}).get("members", {}).get(member, ""))
        found = re.search(r"-> ([\w.]+)", text.split("\n")[0])
        return found[1] if found and found[1] in self.classes else None


def releases() -> list[Release]:
    """Those that the adapter promises to run on, oldest first."""
    documents = (json.loads(path.read_text()) for path in FOLDER.glob("tensorrt-*.json"))
    found = [Release(raw["version"], raw["module"], raw["classes"]) for raw in documents]
    return sorted(found, key=lambda release: [int(part) for part in release.version.split(".")])


class Names(ast.NodeVisitor):
    """Collects `(class, member)` for each use; class '' is the module itself."""

    def __init__(self, release: Release) -> None:
        self.release = release
        self.used: set[tuple[str, str]] = set()
        self._kinds: dict[str, str] = {}

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        outer = dict(self._kinds)
        for argument in [*node.args.args, *node.args.kwonlyargs]:
            self._remember(argument.arg, argument.annotation)
        self.generic_visit(node)
        self._kinds = outer

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self._remember(ast.unparse(node.target), node.annotation)
        self._remember(f"self.{ast.unparse(node.target)}", node.annotation)
        self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> None:
        kind = self._kind(node.value)
        self.generic_visit(node)
        if kind:
            self._kinds.update({ast.unparse(target): kind for target in node.targets})

    def visit_Attribute(self, node: ast.Attribute) -> None:
        self._kind(node)
        self.generic_visit(node)

    def _remember(self, name: str, annotation: ast.expr | None) -> None:
        found = re.match(r"trt\.(\w+)", ast.unparse(annotation)) if annotation else None
        if found:
            self._kinds[name] = found[1]

    def _kind(self, node: ast.expr) -> str | None:
        """The class of an expression; notes the names on the way."""
        if isinstance(node, ast.Name):
            return "" if node.id == "trt" else self._kinds.get(node.id)
        if isinstance(node, ast.Call):
            return self._kind(node.func)
        if not isinstance(node, ast.Attribute):
            return None
        if (known := self._kinds.get(ast.unparse(node))) is not None:
            return known
        owner = self._kind(node.value)
        if owner is None:
            return None
        self.used.add((owner, node.attr))
        if owner == "":
            return node.attr
        inner = f"{owner}.{node.attr}"
        return inner if inner in self.release.classes else self.release.result(owner, node.attr)


def uses(source: str, release: Release) -> set[tuple[str, str]]:
    """What a program uses, as far as `release` lets it be followed."""
    names = Names(release)
    names.visit(ast.parse(source))
    return names.used


def missing(used: set[tuple[str, str]], release: Release) -> list[str]:
    """The dotted names that a release does not have."""
    return sorted(
        f"trt.{owner}.{member}" if owner else f"trt.{member}"
        for owner, member in used
        if not (
            release.has(owner, member)
            if owner
            else member.startswith("__") or member in release.module
        )
    )


def stub_lines() -> set[tuple[str, str]]:
    """Each class and member that the stub declares."""
    found: set[tuple[str, str]] = set()
    for node in ast.parse(STUB.read_text()).body:
        if isinstance(node, ast.FunctionDef):
            found.add(("", node.name))
        if isinstance(node, ast.ClassDef):
            found.add(("", node.name))
            for line in node.body:
                if isinstance(line, ast.FunctionDef):
                    found.add((node.name, line.name))
                elif isinstance(line, ast.AnnAssign):
                    found.add((node.name, ast.unparse(line.target)))
    return found
