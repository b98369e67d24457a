"""The stages of a network, from the first layers to the last: what a fine-tuning strategy counts in.

A stage is what timm calls a coarse layer group (a stage of a CNN, a block of a transformer), or what our own networks
name as theirs. Layers behind the last stage (a final norm, a neck) belong to it: alone they would be a stage that
hardly learns. Not covered: timm networks whose groups are a function instead of patterns; those layers are a stage.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol, runtime_checkable

from torch import nn

from inspection.models.student import Student

BEHIND = "~"
"""A name no pattern matches: it falls into the group of the layers that no stage claims."""


@runtime_checkable
class Staged(Protocol):
    """A network that names its own stages."""

    def own_stages(self) -> list[list[nn.Module]]:
        """Modules of each stage, first layers first; together they hold every parameter."""
        ...


def network_stages(network: nn.Module) -> tuple[tuple[str, ...], ...]:
    """Names of a network's parameters by stage, first layers first."""
    return tuple(map(tuple, _stages(network, dict(network.named_parameters()))))


def student_stages(student: Student) -> tuple[tuple[str, ...], ...]:
    """Names of the body's parameters (as the student names them) by stage, first layers first."""
    return tuple(tuple(f"body.{name}" for name in stage) for stage in network_stages(student.body))


def _stages(body: nn.Module, named: Mapping[str, nn.Parameter]) -> list[list[str]]:
    for prefix, module in body.named_modules():
        start = f"{prefix}." if prefix else ""
        if isinstance(module, Staged):
            groups = [_names(stage, named) for stage in module.own_stages()]
        elif hasattr(module, "group_matcher"):
            groups = _timm_groups(module, start)
        else:
            continue
        return _complete(groups, named)
    return _complete([_names([block], named) for block in _blocks(body)], named)


def _timm_groups(network: Any, start: str) -> list[list[str]]:
    """timm's coarse groups, with what lies behind the last one joined to it."""
    from timm.models import group_parameters  # timm takes seconds: our own networks do without

    matcher = network.group_matcher(coarse=True)
    names = [name for name, _ in network.named_parameters()]
    if isinstance(matcher, dict):  # a function may not know what to say of a made-up name
        names.append(BEHIND)
    listed: Any = _Named(names)
    number = dict(group_parameters(listed, matcher, reverse=True))
    behind = number.pop(BEHIND, None)
    groups: dict[int, list[str]] = {}
    for name, group in number.items():
        groups.setdefault(group, []).append(start + name)
    if behind in groups and behind - 1 in groups:
        groups[behind - 1].extend(groups.pop(behind))
    return [groups[group] for group in sorted(groups)]


class _Named:
    """Names alone, in the shape in which timm asks a network for its parameters."""

    def __init__(self, names: Iterable[str]) -> None:
        self.names = tuple(names)

    def named_parameters(self) -> Iterator[tuple[str, None]]:
        """Each name, with nothing behind it."""
        return ((name, None) for name in self.names)


def _blocks(module: nn.Module) -> list[nn.Module]:
    """The children that hold parameters, of the first module downwards that has several."""
    holding = [child for child in module.children() if any(True for _ in child.parameters())]
    if not holding:
        return [module]
    return _blocks(holding[0]) if len(holding) == 1 else holding


def _names(modules: Iterable[nn.Module], named: Mapping[str, nn.Parameter]) -> list[str]:
    held = {id(parameter) for module in modules for parameter in module.parameters()}
    return [name for name, parameter in named.items() if id(parameter) in held]


def _complete(groups: list[list[str]], named: Mapping[str, nn.Parameter]) -> list[list[str]]:
    """`groups` without empty ones; parameters that no group holds join the last, nearest the classifier."""
    groups = [group for group in groups if group]
    held = {name for group in groups for name in group}
    rest = [name for name in named if name not in held]
    if rest and groups:
        groups[-1].extend(rest)
    return groups or ([rest] if rest else [])
