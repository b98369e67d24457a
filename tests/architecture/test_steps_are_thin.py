"""Steps hold no work: one step per file, named as its file, at most 15 statements, no loop, try, with or class."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
STEPS = sorted(path for path in (ROOT / "steps").glob("*.py") if path.name != "__init__.py")
MAX_STATEMENTS = 15
FORBIDDEN = (
    ast.For,
    ast.AsyncFor,
    ast.While,
    ast.Try,
    ast.TryStar,
    ast.With,
    ast.AsyncWith,
    ast.ClassDef,
    ast.Lambda,
    ast.ListComp,
    ast.SetComp,
    ast.DictComp,
    ast.GeneratorExp,
)
NUMERIC = {
    "torch",
    "torchvision",
    "timm",
    "lightning",
    "numpy",
    "pandas",
    "onnx",
    "onnxruntime",
    "cv2",
    "sklearn",
    "scipy",
}


def faults(source: str, name: str) -> Iterator[str]:
    """What makes a step file too thick."""
    tree = ast.parse(source)
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    steps = [node for node in functions if any(_is_step(mark) for mark in node.decorator_list)]
    if [node.name for node in steps] != [name] or len(functions) != 1:
        yield f"holds {[node.name for node in functions]}, wanted one step '{name}'"
    for node in functions:
        body = [part for part in ast.walk(node) if isinstance(part, ast.stmt) and part is not node]
        docless = [part for part in body if not _is_docstring(part)]
        if len(docless) > MAX_STATEMENTS:
            yield f"{len(docless)} statements, at most {MAX_STATEMENTS}"
    for node in ast.walk(tree):
        if isinstance(node, FORBIDDEN):
            yield f"line {node.lineno}: {type(node).__name__}"
        if (imported := _imported(node)) & NUMERIC:
            yield f"imports {imported & NUMERIC}"


def _is_step(mark: ast.expr) -> bool:
    called = mark.func if isinstance(mark, ast.Call) else mark
    return isinstance(called, ast.Name) and called.id == "step"


def _is_docstring(part: ast.stmt) -> bool:
    return isinstance(part, ast.Expr) and isinstance(part.value, ast.Constant)


def _imported(node: ast.AST) -> set[str]:
    if isinstance(node, ast.Import):
        return {alias.name.split(".")[0] for alias in node.names}
    if isinstance(node, ast.ImportFrom):
        return {(node.module or "").split(".")[0]}
    return set()


def test_there_are_steps() -> None:
    assert len(STEPS) >= 15


@pytest.mark.parametrize("path", STEPS, ids=lambda path: path.stem)
def test_step_is_thin(path: Path) -> None:
    assert list(faults(path.read_text(), path.stem)) == []


GOOD = "@step\ndef a(n: int) -> int:\n    '''One.'''\n    return n\n"


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (GOOD, None),
        (GOOD.replace("def a", "def b"), "wanted one step 'a'"),
        (GOOD + "def helper() -> None: ...\n", "wanted one step 'a'"),
        (GOOD.replace("@step\n", ""), "wanted one step"),
        (GOOD.replace("return n", "for i in (1,):\n        n += i\n    return n"), "For"),
        (GOOD.replace("return n", "return sum(i for i in (n,))"), "GeneratorExp"),
        (GOOD.replace("return n", "try:\n        return n\n    finally:\n        pass"), "Try"),
        (GOOD.replace("return n", "with open('x'):\n        return n"), "With"),
        (GOOD.replace("return n", "n = 1\n    " * 15 + "return n"), "16 statements"),
        ("import numpy as np\n" + GOOD, "numpy"),
        (GOOD.replace("return n", "import torch\n    return n"), "torch"),
        ("class A: ...\n" + GOOD, "ClassDef"),
    ],
)
def test_the_rule_catches(source: str, said: str | None) -> None:
    found = list(faults(source, "a"))
    assert found == [] if said is None else any(said in fault for fault in found)
