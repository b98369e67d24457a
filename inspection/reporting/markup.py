"""HTML and SVG that cannot be broken by data: every plain string is escaped, only `Html` passes as it is.

Covered: file names with markup, quotes, control and direction-changing characters, lone surrogates. Not covered: URLs
in `href` and scripts; those come from code only.
"""

from __future__ import annotations

import html
from collections.abc import Iterable

VOID = frozenset({"br", "img", "input", "link", "meta"})


class Html(str):
    """Markup that is already safe."""

    __slots__ = ()


Child = Html | str | int | float | None | Iterable["Child"]
Attribute = str | int | float | bool | None


def text(value: str) -> Html:
    """Data as visible text: markup escaped, invisible characters spelt out."""
    shown = value if value.isprintable() else "".join(_visible(char) for char in value)
    return Html(html.escape(shown, quote=True))


def tag(name: str, *children: Child, **attributes: Attribute) -> Html:
    """One element; `class_` becomes ``class``, other underscores hyphens; None and False are left out."""
    shown = "".join(_attribute(key, value) for key, value in attributes.items())
    if name in VOID:
        return Html(f"<{name}{shown}>")
    return Html(f"<{name}{shown}>{join(children)}</{name}>")


def join(children: Iterable[Child]) -> Html:
    """Children one after the other, each made safe."""
    return Html("".join(_child(child) for child in children))


def _child(child: Child) -> str:
    if child is None:
        return ""
    if isinstance(child, Html):
        return child
    if isinstance(child, str):
        return text(child)
    if isinstance(child, int | float):
        return str(child)
    return join(child)


def _attribute(key: str, value: Attribute) -> str:
    if value is None or value is False:
        return ""
    name = key.rstrip("_").replace("_", "-")
    if value is True:
        return f" {name}"
    shown = f"{value:.6g}" if isinstance(value, float) else text(str(value))
    return f' {name}="{shown}"'


def _visible(char: str) -> str:
    if char.isprintable() or char in "\n\t\u200d":
        return char
    return char.encode("unicode_escape").decode()
