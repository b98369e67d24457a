"""Every measure is tripped by its own planted fault and by nothing else; clean and real sets raise next to nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from data_checks.quality import (
    QualityReport,
    check_quality,
    measure_images,
    measure_quality,
    quality_report,
)
from data_checks.quality_measures import MEASURES, OTHERS, outliers, usual_range
from deploy.edge.quality import image_quality
from inspection.config import ChecksConfig
from inspection.data.index import ImageIndex
from tests.unit.checks_material import Pixels, indexed, surface

pytestmark = pytest.mark.thorough

Fault = Callable[[Pixels], Pixels]
IMAGES = 40
FAULTY = "ok/07.png"


def grey(values: npt.NDArray[np.floating]) -> Pixels:
    return np.repeat(np.clip(np.rint(values), 0, 255).astype(np.uint8)[:, :, None], 3, axis=2)


def of(change: Callable[[npt.NDArray[np.float64]], npt.NDArray[np.floating]]) -> Fault:
    """A fault told in grey levels."""
    return lambda pixels: grey(change(pixels[..., 0].astype(np.float64)))


def spots(level: int) -> Fault:
    """A quarter of the pixels lost, evenly over the image."""

    def planted(pixels: Pixels) -> Pixels:
        lost = pixels.copy()
        for top in range(0, 96, 16):
            for left in range(0, 96, 16):
                lost[top : top + 8, left : left + 8] = level
        return lost

    return planted


def noise(grey_levels: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return grey_levels + np.random.default_rng(4).normal(0, 25, grey_levels.shape)


PLANTED: dict[str, tuple[str, Fault]] = {
    "dark": ("brightness", of(lambda g: g * 0.35)),
    "over-exposed": ("brightness", of(lambda g: g + 85)),
    "fog": ("contrast", of(lambda g: g * 0.25 + 100)),
    "blurred": ("focus", lambda p: cv2.GaussianBlur(p, (0, 0), 4).astype(np.uint8)),
    "noisy": ("noise", of(noise)),
    "gradient": ("gradient", of(lambda g: g + np.linspace(-60, 60, 96)[None])),
    "clipped dark": ("clipped_dark", spots(0)),
    "clipped bright": ("clipped_bright", spots(255)),
    "blank": ("information", of(lambda g: np.full_like(g, 90.0))),
    "a dead frame with a time stamp": ("information", lambda p: stamped(np.zeros_like(p))),
    "other size": ("size", lambda p: np.ascontiguousarray(p[:80])),
}


def stamped(pixels: Pixels) -> Pixels:
    pixels[:3, :3] = 255
    return pixels


def images(**faults: Fault) -> dict[str, Pixels]:
    """Forty surfaces by path; `n07` is what happens to number 07."""
    made = {}
    for number in range(IMAGES):
        fault = faults.get(f"n{number:02d}")
        made[f"ok/{number:02d}.png"] = fault(surface(number)) if fault else surface(number)
    return made


def report_of(root: Path, pictures: dict[str, Pixels]) -> QualityReport:
    index = indexed(root, pictures)
    return quality_report(index, {path: image_quality(p) for path, p in pictures.items()})


def test_every_measure__has_a_planted_fault() -> None:
    assert {measure for measure, _ in PLANTED.values()} == {*MEASURES, *OTHERS}


@pytest.mark.parametrize("name", PLANTED)
def test_planted_fault__trips_its_own_measure_only(name: str, tmp_path: Path) -> None:
    measure, fault = PLANTED[name]

    report = report_of(tmp_path, images(n07=fault))

    assert [(one.path, one.measure) for one in report.outliers] == [(FAULTY, measure)]
    assert FAULTY in report.outliers[0].sentence
    assert "usual in all" in report.outliers[0].sentence or name == "blank"
    failed = [result for result in check_quality(report) if not result.passed]
    assert [result.name for result in failed] == [f"quality_{measure}"]
    assert failed[0].rows == (FAULTY,)
    assert failed[0].severity == "warning"
    assert failed[0].advice
    assert len(failed[0].sentence.splitlines()) == 1


def test_clean_set__trips_nothing(tmp_path: Path) -> None:
    report = measure_quality(indexed(tmp_path, images()), ChecksConfig())

    assert report.outliers == ()
    assert report.images == IMAGES
    assert all(result.passed for result in check_quality(report))
    assert "none stands out" in report.sentence


def test_many_clean_images__raise_no_false_alarm() -> None:
    seen = {f"{seed}.png": image_quality(surface(seed, size=64)) for seed in range(400)}

    assert outliers("all", seen, frozenset(seen)) == []


@pytest.mark.parametrize("name", MEASURES)
def test_usual_range__is_never_narrower_than_the_floor(name: str) -> None:
    measure = MEASURES[name]

    low, high = usual_range(measure, np.full(50, 0.3))

    middle = measure.compared(0.3)
    assert low in (-np.inf, pytest.approx(middle - measure.floor))
    assert high in (np.inf, pytest.approx(middle + measure.floor))
    assert measure.shown(middle) == pytest.approx(0.3)


def test_equal_images__have_no_spread_and_no_outliers(tmp_path: Path) -> None:
    one = surface(1)
    nudged = grey(one[..., 0] * 0.97)
    pictures = {f"ok/{n:02d}.png": one for n in range(30)} | {"ok/30.png": nudged}

    assert report_of(tmp_path, pictures).outliers == ()


def test_binary_images__are_no_clipping(tmp_path: Path) -> None:
    made = {
        f"ok/{n:02d}.png": grey(np.where(surface(n)[..., 0] > 120, 255.0, 0.0)) for n in range(30)
    }

    assert report_of(tmp_path, made).outliers == ()


def test_two_kinds_of_part__are_both_usual(tmp_path: Path) -> None:
    made = images()
    for path in list(made)[:5]:
        made[path] = grey(made[path][..., 0] * 0.3)

    assert report_of(tmp_path, made).outliers == ()


def test_image__is_held_against_its_own_camera(tmp_path: Path) -> None:
    dim = of(lambda g: g * 0.3)
    pictures = images(**{f"n{number:02d}": dim for number in (*range(20), 25)})
    index = indexed(tmp_path, pictures).with_columns(
        camera=["dim"] * 20 + ["lit"] * 20, session=["monday", "tuesday"] * 20
    )

    report = quality_report(index, {path: image_quality(p) for path, p in pictures.items()})

    assert [(o.path, o.measure, o.group) for o in report.outliers] == [
        ("ok/25.png", "brightness", "camera lit")
    ]
    assert [(g.kind, g.name, g.images) for g in report.groups] == [
        ("all", "all", 40),
        ("camera", "dim", 20),
        ("camera", "lit", 20),
        ("session", "monday", 20),
        ("session", "tuesday", 20),
    ]
    medians = {g.name: g.measures[0].median for g in report.groups}
    assert medians["dim"] < 50 < 100 < medians["lit"]


def test_few_images__tell_blank_ones_only(tmp_path: Path) -> None:
    few = dict(list(images(n01=PLANTED["blank"][1], n02=PLANTED["dark"][1]).items())[:6])

    report = report_of(tmp_path, few)

    assert [(o.path, o.measure) for o in report.outliers] == [("ok/01.png", "information")]


def test_report__survives_json_and_ignores_row_order(tmp_path: Path) -> None:
    pictures = images(n07=PLANTED["noisy"][1])
    index = indexed(tmp_path, pictures)
    measured = measure_images(index, ChecksConfig())

    report = quality_report(index, measured)
    turned = ImageIndex(index.root, index.frame.iloc[::-1].reset_index(drop=True))

    assert list(measured) == list(pictures)
    assert QualityReport.from_json(report.to_json()) == report
    assert quality_report(turned, measured) == report


def test_quarantined_and_vanished_files__are_left_out(tmp_path: Path) -> None:
    index = indexed(tmp_path, images())
    reasons = ["truncated", *[None] * (IMAGES - 1)]
    (tmp_path / "ok/03.png").unlink()

    report = measure_quality(index.with_columns(quarantine=reasons), ChecksConfig())

    assert report.images == IMAGES - 2
    assert report.unreadable == ("ok/03.png",)


def test_no_images__is_an_empty_report(tmp_path: Path) -> None:
    report = measure_quality(indexed(tmp_path, images()).where([False] * IMAGES), ChecksConfig())

    assert (report.images, report.groups, report.outliers) == (0, (), ())


@pytest.mark.assets
@pytest.mark.parametrize("folder", ["neu_det/images", "magnetic_tile"])
def test_real_images__are_seldom_flagged(assets: Path, folder: str) -> None:
    root = assets / "data" / folder
    files = sorted(path for path in root.rglob("*.jpg"))[::4]
    rows = [{"path": f.relative_to(root).as_posix(), "image_id": f.name} for f in files]

    report = measure_quality(ImageIndex.from_rows(root, rows), ChecksConfig())

    assert report.images == len(files) > 200
    assert report.unreadable == ()
    assert len(report.flagged) <= 0.02 * len(files), report.sentence
