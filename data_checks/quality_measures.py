"""The measures images are compared by, and how one stands out from its own kind.

Covered: blur, wrong exposure, clipping, noise, uneven light, fog, blank frames, odd sizes. A range is never narrower
than a measure's `floor`, and what one image in twenty shows is usual: neither an even set nor a second kind of part
raises trifles. Not covered: which images are of one kind (`quality.py` says); a dark image in a set whose light varies
as much by itself.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np
import numpy.typing as npt

from data_checks.questions import BLANK_CONTRAST
from deploy.edge.quality import NORMAL, ImageQuality
from inspection.records import Record

FAR = 3.5
"""Robust standard deviations (median, and the median deviation of each side) beyond which an image stands out: the
usual limit of the modified z-score (Iglewicz and Hoaglin, 1993); at most 2 % of real, mixed textures lie there."""
TAIL = 0.05
"""What a larger share of the images shows, at either end, is usual."""
STANDARD_SHARE, COMMON_SHARE, COMMON_IMAGES = 0.9, 0.02, 3
"""Sizes are a standard where those of at least so large a share and so many images make up `STANDARD_SHARE`."""
BLANK_ENTROPY, ENTROPY_LOST = 1.0, 2.0
"""Bits: below the first an image is blank, if the usual one of its kind has at least the second more."""

Side = Literal["low", "high", "both"]
Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Measure:
    """One number that is compared between images. `offset`: compared as log2(value + offset), None: as it is.

    `floor`: the least distance from the usual that counts, in compared units (one is a factor of two for logarithms).
    """

    name: str
    of: Callable[[ImageQuality], float]
    side: Side
    offset: float | None
    floor: float
    unit: str
    low_words: str
    high_words: str
    advice: str
    most: float = math.inf
    """The highest value there is."""

    def compared(self, value: float) -> float:
        """The scale on which distances are judged."""
        return value if self.offset is None else math.log2(value + self.offset)

    def shown(self, compared: float) -> float:
        """Back to the measure's own unit."""
        value = compared if self.offset is None else 2.0**compared - self.offset
        return min(max(0.0, value), self.most)


_TABLE = (
    Measure("brightness", lambda q: q.brightness, "both", 16.0, 0.5, "grey levels", "too dark", "too bright",
            "check lamp, exposure and trigger; set the image aside if it is no longer made that way", 255.0),
    Measure("contrast", lambda q: q.relative_contrast, "low", 0.02, 1.0, "of the brightness", "washed out", "",
            "look for fog, stray light or a dirty window before the lens"),
    Measure("focus", lambda q: q.focus, "low", 0.002, 1.5, "of the contrast", "blurred", "",
            "check focus and motion; set the image aside if the defect cannot be seen"),
    Measure("noise", lambda q: q.noise, "high", 1.0, 1.0, "grey levels", "", "noisy",
            "check gain and cable; a long exposure is better than a high gain"),
    Measure("gradient", lambda q: q.gradient, "high", 12.0, 1.0, "grey levels", "", "unevenly lit",
            "check whether a lamp is out or has moved"),
    Measure("clipped_dark", lambda q: q.clipped_dark, "high", None, 0.1, "of the pixels", "",
            "black in places", "raise exposure or black level: what is 0 is lost", 1.0),
    Measure("clipped_bright", lambda q: q.clipped_bright, "high", None, 0.1, "of the pixels", "",
            "burnt out in places", "lower the exposure or turn the glare away: what is 255 is lost", 1.0),
)  # fmt: skip

MEASURES: Mapping[str, Measure] = MappingProxyType({row.name: row for row in _TABLE})
"""What images are compared by."""
OTHERS: Mapping[str, str] = MappingProxyType(
    {
        "information": "look at the image: a capped lens or a dead frame teaches nothing",
        "size": "find out which camera or crop made it; the model sees it stretched otherwise than the rest",
    }
)
"""Questions beside the measures, each with its advice."""


@dataclass(frozen=True)
class Outlier(Record):
    """An image that stands out in one measure; `low` and `high` bound what is usual in `group`."""

    path: str
    group: str
    measure: str
    value: float
    low: float | None
    high: float | None
    sentence: str


def outliers(
    group: str, images: Mapping[str, ImageQuality], judged: frozenset[str]
) -> list[Outlier]:
    """Those of `judged` that stand out among `images`, both by path; a blank image is told as nothing else."""
    found = _blank(group, images, judged)
    blank = {outlier.path for outlier in found}
    found += _odd_sizes(group, images, judged)
    seen = {path: quality for path, quality in images.items() if path not in blank}
    for measure in MEASURES.values():
        found += _far_off(group, measure, seen, judged) if seen else []
    blurred = {outlier.path for outlier in found if outlier.measure == "focus"}
    # Blur takes fine contrast away: one cause, one sentence.
    return [one for one in found if one.measure != "contrast" or one.path not in blurred]


def blank_images(group: str, images: Mapping[str, ImageQuality]) -> list[Outlier]:
    """Images that show nothing by any standard; needs no others to compare with."""
    return [
        Outlier(
            path,
            group,
            "information",
            quality.entropy,
            None,
            None,
            f"'{path}' shows nothing: contrast {quality.contrast:.2g} grey levels, "
            f"{quality.dominant:.0%} of its pixels are equal",
        )
        for path, quality in images.items()
        if quality.contrast < BLANK_CONTRAST
    ]


def _blank(group: str, images: Mapping[str, ImageQuality], judged: frozenset[str]) -> list[Outlier]:
    found = blank_images(group, {path: images[path] for path in images if path in judged})
    known = {outlier.path for outlier in found}
    usual = float(np.median([quality.entropy for quality in images.values()]))
    if usual < BLANK_ENTROPY + ENTROPY_LOST:
        return found
    return found + [
        Outlier(
            path,
            group,
            "information",
            quality.entropy,
            BLANK_ENTROPY,
            None,
            f"'{path}' shows next to nothing: {quality.entropy:.2g} bits, "
            f"usual in {group} are {usual:.2g}",
        )
        for path, quality in images.items()
        if path in judged and path not in known and quality.entropy < BLANK_ENTROPY
    ]


def _odd_sizes(
    group: str, images: Mapping[str, ImageQuality], judged: frozenset[str]
) -> list[Outlier]:
    sizes = {path: (quality.width, quality.height) for path, quality in images.items()}
    counts = Counter(sizes.values())
    least = max(COMMON_SHARE * len(images), COMMON_IMAGES)
    common = {size for size, n in counts.items() if n >= least}
    if sum(counts[size] for size in common) < STANDARD_SHARE * len(images):
        return []
    usual = " or ".join(f"{width} x {height}" for width, height in sorted(common)[:3])
    return [
        Outlier(
            path,
            group,
            "size",
            width * height / 1e6,
            None,
            None,
            f"'{path}' is {width} x {height} px, usual in {group} is {usual}",
        )
        for path, (width, height) in sizes.items()
        if (width, height) not in common and path in judged
    ]


def _far_off(
    group: str, measure: Measure, images: Mapping[str, ImageQuality], judged: frozenset[str]
) -> list[Outlier]:
    values = {path: measure.of(quality) for path, quality in images.items()}
    low, high = usual_range(measure, np.array(list(values.values())))
    found = []
    for path, value in values.items():
        compared = measure.compared(value)
        if path not in judged or low <= compared <= high:
            continue
        words = measure.low_words if compared < low else measure.high_words
        least, most = (measure.shown(x) if math.isfinite(x) else None for x in (low, high))
        sentence = (
            f"'{path}' is {words}: {measure.name.replace('_', ' ')} {value:.3g} {measure.unit}, "
            f"usual in {group} is {_range(least, most)}"
        )
        found.append(Outlier(path, group, measure.name, value, least, most, sentence))
    return found


def _range(low: float | None, high: float | None) -> str:
    if low is None:
        return f"at most {high:.3g}"
    return f"at least {low:.3g}" if high is None else f"{low:.3g} to {high:.3g}"


def usual_range(measure: Measure, values: Values) -> tuple[float, float]:
    """Bounds in compared units; infinite on the side that is no fault."""
    compared = np.array([measure.compared(float(value)) for value in values])
    middle = float(np.median(compared))
    low, high = -math.inf, math.inf
    if measure.side != "high":
        reach = max(FAR * _spread(middle - compared), measure.floor)
        low = min(middle - reach, float(np.quantile(compared, TAIL)) - measure.floor)
    if measure.side != "low":
        reach = max(FAR * _spread(compared - middle), measure.floor)
        high = max(middle + reach, float(np.quantile(compared, 1 - TAIL)) + measure.floor)
    return low, high


def _spread(beyond: Values) -> float:
    """Standard deviation of one side of the median, were it half of a normal distribution."""
    return float(np.median(beyond[beyond >= 0])) / NORMAL
