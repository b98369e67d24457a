"""Why a batch drifted, and what to do: the physical number that moved furthest on most images names the cause.

Each number is held against reference images of the same predicted class, by its median, in units of their spread. A
fault of the camera moves nearly every image, so it moves medians and the far end with them; a new kind of defect on
some images does not, nor do pictures of nothing in half of the batch. Each fault has a number that the others leave
alone: a lamp scales grey levels and nothing else; a lens takes fine structure; JPEG puts edges on a grid of 8 pixels; a
moved camera changes the picture's sides or the direction of its texture. A number that never moved in the reference has
no spread to be measured in; it counts as moved, never by how far.
Covered: one cause, in most of the batch. Not covered: two at once (the larger is named), causes without a number here.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np

from data_checks.drift_measures import CLOUD, SHARES, SIGNALS, STRANGE, Measures
from data_checks.two_samples import Labels, Matrix

LIGHT, FOCUS, COMPRESSION, CAMERA, UNKNOWN_LOOK, STALE, UNKNOWN = (
    "light",
    "focus or lens",
    "compression",
    "camera moved",
    "unknown appearance",
    "model stale",
    "unknown",
)
REMEDIES: Mapping[str, str] = {
    LIGHT: "check lamps, exposure time and stray light",
    FOCUS: "clean the lens, then focus again",
    COMPRESSION: "set the camera or the transport back to its former image quality",
    CAMERA: "check the mount, and put camera and fixture back in place",
    UNKNOWN_LOOK: "look at the strangest images and label them: a defect or product the model has not learned",
    STALE: "images are taken as before, but answers differ: label a sample of the batch, then retrain",
    UNKNOWN: "compare images of the batch with those of the reference",
}
MOST = 0.32
"""Spreads by which a median must move: strangers that fill 20 % of a batch move it by less."""
WHOLE, LEAP = 0.5, 2.0
"""A median that moves by more than LEAP spreads while the decile that moves last makes less than this share of it: part
of the batch is another thing, and its number says nothing of how the rest was taken."""
FAR = 10
"""Percentile that a move upwards reaches last; 100 less it for one downwards."""
STILL = 1e-6
"""A spread of logarithms, ratios and shares that is rounding: the reference never moved."""
STANDS = "where the reference stands still"
COUNTLESS = 1000
"""Spreads from which on their number tells people nothing."""
FEWEST = 8
"""Reference images of a class below which all classes together are its standard."""


@dataclass(frozen=True)
class Trace:
    """What a fault moves: one of `signals` must have drifted, one of `numbers` moved furthest of all, by `weight`."""

    signals: frozenset[str]
    numbers: tuple[str, ...]
    weight: float = 1.0


TRACES: Mapping[str, Trace] = {
    LIGHT: Trace(frozenset({"brightness", "exposure"}), ("brightness",)),
    # Half, because whatever happens to a picture softens it too: compression, haze, a turn.
    FOCUS: Trace(frozenset({"sharpness", "focus"}), ("coarseness",), 0.5),
    COMPRESSION: Trace(frozenset({"compression"}), ("blocks",)),
    CAMERA: Trace(frozenset({"place", "direction"}), (*SIGNALS["direction"], *SIGNALS["place"])),
}


@dataclass(frozen=True)
class Shift:
    """How a number's median moved, in `spreads` of the reference; `whole`: unless it leapt without most of the images.

    `new`: it moved where the reference never did; then there is no spread to count in, and `spreads` is 0.
    """

    spreads: float
    whole: bool
    new: bool

    @property
    def countless(self) -> bool:
        """Whether to say that it moved, and not by how much."""
        return self.new or abs(self.spreads) >= COUNTLESS

    @property
    def order(self) -> tuple[bool, float]:
        """Grows with what there is to tell."""
        return self.new, abs(self.spreads)


@dataclass(frozen=True)
class Cause:
    """`name`: one of the constants above, with its remedy and what speaks for it; all empty without drift."""

    name: str
    remedy: str
    evidence: str


NO_CAUSE = Cause("", "", "")


def likely_cause(batch: Measures, reference: Measures, drifted: Collection[str]) -> Cause:
    """Of a batch whose signals `drifted`; `unknown` where neither images nor answers tell."""
    if not drifted:
        return NO_CAUSE
    fault = _fault(typical_shifts(batch, reference), drifted)
    if fault is not None:
        return fault
    if STRANGE in drifted:
        return _cause(
            UNKNOWN_LOOK,
            "some images look like none of the reference, the others are taken as before",
        )
    if {SHARES, CLOUD, "confidence"} & set(drifted):
        return _cause(STALE, "images are taken as before, what the model makes of them is not")
    return _cause(UNKNOWN, f"{', '.join(drifted)} moved, on no typical image by much")


def typical_shifts(batch: Measures, reference: Measures) -> dict[str, Shift]:
    """How each number moved, against reference images of the same predicted class."""
    return {
        name: _shift(*_centred(reference.numbers[name], values, reference.labels, batch.labels))
        for name, values in batch.numbers.items()
    }


def _shift(there: Matrix, here: Matrix) -> Shift:
    low, middle, high = np.percentile(there, [25, 50, 75])
    moved = float(np.median(here) - middle)
    end = FAR if moved > 0 else 100 - FAR
    last = float(np.percentile(here, end) - np.percentile(there, end))
    spread = float(high - low) / 1.349
    if spread < STILL:  # most of the reference is one value; the rest may tell how far it goes
        spread = float(there.std())
    new = spread < STILL and abs(moved) >= STILL
    spreads = 0.0 if spread < STILL else moved / spread
    along = last * np.sign(moved) >= WHOLE * abs(moved)
    return Shift(spreads, bool(along) or not (new or abs(spreads) > LEAP), new)


def _centred(
    there: Matrix, here: Matrix, labels_there: Labels, labels_here: Labels
) -> tuple[Matrix, Matrix]:
    """Both less the reference's median of the class that the model gave the image."""
    there, here, all_of_it = there.copy(), here.copy(), float(np.median(there))
    for label in np.union1d(labels_there, labels_here):
        mine = labels_there == label
        middle = float(np.median(there[mine])) if mine.sum() >= FEWEST else all_of_it
        there[mine] -= middle
        here[labels_here == label] -= middle
    return there, here


def _fault(shifts: Mapping[str, Shift], drifted: Collection[str]) -> Cause | None:
    """The fault of light, lens, transport or mount that moved its number furthest, on nearly every image."""
    found = [
        (MOST if shifts[number].new else trace.weight * abs(shifts[number].spreads), cause, number)
        for cause, trace in TRACES.items()
        if trace.signals & set(drifted)
        for number in trace.numbers
        if number in shifts and shifts[number].whole
    ]
    moved, cause, number = max(found, default=(0.0, UNKNOWN, ""))
    if moved < MOST:
        return None
    shift = shifts[number]
    by = "moved" if shift.countless else f"moved by {shift.spreads:+.1f} spreads"
    where = f", {STANDS}" if shift.countless else ""
    return _cause(cause, f"{number} {by} on the typical image{where}")


def _cause(name: str, evidence: str) -> Cause:
    return Cause(name, REMEDIES[name], evidence)
