"""What each precision may do to decisions: at the limit it passes, beyond it the sentence says by how much."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from deploy.export.bars import bar_of, faults_of


@dataclass(frozen=True)
class Row:
    label: str
    support: int
    hits_before: int
    hits_after: int
    recall_delta_low: float = -0.1


@dataclass(frozen=True)
class Found:
    images: int
    flips: int
    crossings: int
    max_delta: float
    per_class: tuple[Row, ...] = ()


def lost(images: int, *rows: tuple[int, int, int]) -> Found:
    named = tuple(Row(f"class {k}", *row) for k, row in enumerate(rows))
    return Found(images, 0, 0, 0.2, named)


INT8 = {"max_loss": 0.005, "max_class_loss": 0.02}


@pytest.mark.parametrize(
    ("precision", "found", "says"),
    [
        ("fp32", Found(500, 0, 0, 1e-4), []),
        ("fp32", Found(500, 1, 0, 0.0), ["1 labels flip in 500 test images, allowed 0"]),
        ("fp32", Found(500, 0, 2, 0.0), ["2 thresholds are crossed in 500"]),
        ("fp32", Found(500, 0, 0, 1.1e-4), ["a probability moves by 0.00011, allowed 0.0001"]),
        ("fp32", Found(500, 0, 0, float("nan")), ["moves by nan"]),
        ("fp16", Found(999, 0, 0, 0.3), []),
        ("fp16", Found(999, 1, 0, 0.0), ["1 labels flip in 999 test images, allowed 0"]),
        ("fp16", Found(1000, 1, 1, 0.0), []),
        ("fp16", Found(1999, 2, 0, 0.0), ["allowed 1"]),
        ("int8_cpu", lost(1000, (500, 450, 446), (500, 450, 449)), []),
        ("int8_cpu", lost(1000, (500, 450, 446), (500, 450, 448)), ["accuracy falls by 0.60%"]),
        ("int8_cpu", lost(1000, (50, 50, 49), (950, 900, 903)), []),
        (
            "int8_cpu",
            lost(1000, (50, 50, 48), (950, 900, 903)),
            ["recall of 'class 0' falls by 4.0% of 50 images (at worst 10.0%), allowed 2.0%"],
        ),
        ("int8_tensorrt", lost(10, (0, 0, 0)), []),
    ],
)
def test_bars(precision: str, found: Found, says: list[str]) -> None:
    faults = faults_of(found, bar_of(precision, **INT8))
    assert len(faults) == len(says)
    for fault, text in zip(faults, says, strict=True):
        assert text in fault
        assert "\n" not in fault


@pytest.mark.parametrize(("images", "allowed"), [(1, 0), (999, 0), (1000, 1), (20_000, 20)])
def test_fp16_may_flip_a_thousandth(images: int, allowed: int) -> None:
    assert bar_of("fp16").flips_allowed(images) == allowed
    assert bar_of("int8_cpu").flips_allowed(images) is None
