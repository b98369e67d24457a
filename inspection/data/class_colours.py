"""A colour for each class: told apart with any kind of colour vision, the same in every picture.

Okabe and Ito's palette without black; beyond seven classes colours repeat, and the names written beside them decide.
"""

from __future__ import annotations

from collections.abc import Iterable

from deploy.edge.files import sha256_bytes

Colour = tuple[int, int, int]
"""Red, green, blue; 0 to 255."""

PALETTE: tuple[Colour, ...] = (
    (230, 159, 0),
    (86, 180, 233),
    (0, 158, 115),
    (240, 228, 66),
    (0, 114, 178),
    (213, 94, 0),
    (204, 121, 167),
)


def colour_of(name: str) -> Colour:
    """The colour that a class has by its name alone."""
    return PALETTE[_place(name)]


def class_colours(names: Iterable[str]) -> dict[str, Colour]:
    """A colour for each of the classes of one data set, no two alike while there are enough.

    A class has the colour of its name unless one before it in the alphabet has taken it.
    """
    found: dict[str, Colour] = {}
    for number, name in enumerate(sorted(set(names))):
        used = set(list(found.values())[number - number % len(PALETTE) :])
        order = [PALETTE[(_place(name) + step) % len(PALETTE)] for step in range(len(PALETTE))]
        found[name] = next(colour for colour in order if colour not in used)
    return found


def hexadecimal(colour: Colour) -> str:
    """As pages spell it: `#e69f00`."""
    return "#{:02x}{:02x}{:02x}".format(*colour)


def _place(name: str) -> int:
    return int(sha256_bytes(name.encode("utf-8", "surrogatepass"))[:8], 16) % len(PALETTE)
