"""What is worth having: recipes that nothing faster ties with or beats."""

from __future__ import annotations

from collections.abc import Mapping

Rival = tuple[float, float, frozenset[str]]
"""Latency, accuracy, and the names of those that it is better than."""


def front_of(rivals: Mapping[str, Rival]) -> tuple[str, ...]:
    """Names on the front, fastest first.

    A recipe is off the front when a recipe *on* it is at least as fast and better, or faster and tied with it. Only the
    front counts because ties do not add up: small may tie with middle and middle with large while large beats small,
    and large must then not be lost to the middle one, which is itself off the front.
    """
    front: list[str] = []
    # The slower never drives off the faster; equally fast ones are met best first.
    for name in sorted(rivals, key=lambda n: (rivals[n][0], -rivals[n][1])):
        if not any(_drives_off(other, name, rivals) for other in front):
            front.append(name)
    return tuple(front)


def _drives_off(other: str, name: str, rivals: Mapping[str, Rival]) -> bool:
    if other in rivals[name][2]:
        return False
    return name in rivals[other][2] or rivals[other][0] < rivals[name][0]
