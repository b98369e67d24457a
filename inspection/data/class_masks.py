"""Masks whose values are class numbers, read as stored: the index of a palette, not its colour.

Covered: grey of 1 to 16 bits, palettes; 0 is background, 255 means "not judged" unless it has a name. Not covered:
colour codes (RGB), JPEG, which blurs the numbers, numbers per object instead of per class.
"""

from __future__ import annotations

import io
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from PIL import Image

from deploy.edge.headers import sniff
from inspection.data.shapes import Region, ShapeError

Numbers = npt.NDArray[np.integer]
VOID = 255
STORED_AS_NUMBERS = frozenset({"1", "L", "P", "I", "I;16", "I;16B"})
"""Pillow's modes with one whole number per pixel."""


def class_numbers(data: bytes) -> Numbers:
    """(H, W) of class numbers from an image file's bytes; ShapeError `mask_not_indexed` for colours."""
    header = sniff(data)
    if header.format in ("jpeg", "webp"):
        raise ShapeError(
            "mask_not_indexed",
            f"{header.format.upper()} does not keep class numbers: export the mask as PNG",
        )
    try:
        with Image.open(io.BytesIO(data)) as image:
            mode, stored = image.mode, np.asarray(image)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        # Pillow's own sentences name objects in memory.
        sentence = f"damaged inside ({type(error).__name__}): export it again"
        raise ShapeError("mask_undecodable", sentence) from error
    if mode not in STORED_AS_NUMBERS:
        raise ShapeError(
            "mask_not_indexed",
            f"colours ({mode}), not class numbers: export it as grey or palette PNG",
        )
    # Decoders stretch 2 and 4 bits of grey to 0..255.
    stretched = mode == "L" and header.bit_depth < 8
    return stored // (255 // (2**header.bit_depth - 1)) if stretched else stored.astype(np.int32)


def class_regions(numbers: Numbers, names: Mapping[int, str]) -> list[Region]:
    """One region per class, by number; ShapeError for a number without a name where others have one."""
    present = [int(number) for number in np.unique(numbers)]
    classes = [number for number in present if number != 0 and (number != VOID or VOID in names)]
    if unknown := [number for number in classes if names and number not in names]:
        known = ", ".join(map(str, sorted(names)))
        raise ShapeError(
            "mask_class_unknown",
            f"class {unknown[0]} has no name, --class-name (data.class_names) has {known}: add it or mend the mask",
        )
    if VOID in present and not classes and VOID not in names:
        raise ShapeError(
            "mask_not_indexed",
            "0 and 255 only, and 255 means 'not judged': number the classes from 1, "
            "or read black-and-white masks as kind 'mask_pairs'",
        )
    return [
        Region.of(names.get(number, f"class_{number}"), numbers == number) for number in classes
    ]
