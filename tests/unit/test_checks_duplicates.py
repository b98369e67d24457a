from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from data_checks import duplicates
from data_checks.duplicates import DuplicateReport, candidates, check_groups, group_duplicates
from data_checks.similarity import common_scale, similarity, spectrum
from deploy.edge.errors import ImageError
from inspection.data.index import ImageIndex
from tests.unit.checks_material import Pixels, indexed, recaptured, surface


def grey(pixels: Pixels) -> Pixels:
    return np.ascontiguousarray(pixels[:, :, 0])


def alike(first: Pixels, second: Pixels, scale: float = 1.0) -> float:
    spectra = [spectrum(grey(image), scale)[None] for image in (first, second)]
    return float(similarity(spectra[0], spectra[1])[0])


def noisy(pixels: Pixels, sigma: float) -> Pixels:
    noise = np.random.default_rng(3).normal(0, sigma, pixels.shape)
    return np.clip(pixels + noise, 0, 255).astype(np.uint8)


def jpeg(pixels: Pixels, quality: int) -> Pixels:
    _, data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


def scratched(pixels: Pixels) -> Pixels:
    marked = np.ascontiguousarray(pixels.copy())
    cv2.line(marked, (20, 30), (70, 60), (235, 235, 235), 2)
    return marked


def lit_from_the_side(pixels: Pixels) -> Pixels:
    ramp = np.linspace(0.6, 1.2, pixels.shape[1])[None, :, None]
    return np.clip(pixels * ramp, 0, 255).astype(np.uint8)


RECAPTURES: dict[str, Callable[[Pixels], Pixels]] = {
    "shift of 2 px": lambda image: np.roll(image, (2, -2), axis=(0, 1)),
    "other crop margins": lambda image: image[5:-3, 7:-1],
    "brighter": lambda image: np.clip(image * 1.3, 0, 255).astype(np.uint8),
    "darker": lambda image: (image * 0.5).astype(np.uint8),
    "uneven light": lit_from_the_side,
    "noise": lambda image: noisy(image, 6),
    "JPEG 50": lambda image: jpeg(image, 50),
    "slight blur": lambda image: cv2.GaussianBlur(image, (0, 0), 0.8).astype(np.uint8),
    "a scratch added": scratched,
    "all at once": lambda image: jpeg(recaptured(image, 5), 80),
}


@pytest.mark.parametrize("name", RECAPTURES)
def test_similarity__holds_under(name: str) -> None:
    scores = [alike(surface(seed), RECAPTURES[name](surface(seed))) for seed in range(8)]

    assert min(scores) >= duplicates.ALIKE


def plain(seed: int) -> Pixels:
    noise = np.random.default_rng(seed).normal(120, 3, (96, 96, 1))
    return np.repeat(noise, 3, axis=2).astype(np.uint8)


def striped(seed: int) -> Pixels:
    rng = np.random.default_rng(seed)
    wave = 10 * np.sin(2 * np.pi * np.arange(160) / 7.9 + rng.uniform(0, 6))
    woven = 120 + wave[None, :] + wave[:, None] + rng.normal(0, 5, (160, 160))
    return np.repeat(woven[:, :, None], 3, axis=2).astype(np.uint8)


@pytest.mark.parametrize("make", [surface, plain, striped], ids=["brushed", "plain", "woven"])
def test_similarity__tells_other_parts_of_the_same_product_apart(
    make: Callable[[int], Pixels],
) -> None:
    spectra = np.stack([spectrum(grey(make(seed)), 0.8) for seed in range(40)])
    first, second = np.triu_indices(40, 1)

    assert similarity(spectra[first], spectra[second]).max() < duplicates.ALIKE - 0.05


def test_similarity__is_one_for_equal_views_and_zero_for_blank_ones() -> None:
    blank = np.full((96, 96, 3), 128, np.uint8)

    assert alike(surface(1), surface(1)) == pytest.approx(1.0, abs=1e-5)
    assert alike(blank, blank) == 0.0


def test_common_scale__never_enlarges() -> None:
    assert common_scale([(64, 48)] * 3) == 1.0
    assert common_scale([(512, 256)] * 3) == 0.25


@pytest.mark.parametrize("shape", [(20, 300), (300, 20), (9, 9), (500, 500)])
def test_spectrum__takes_any_size(shape: tuple[int, int]) -> None:
    image = np.random.default_rng(1).integers(0, 256, shape).astype(np.uint8)

    found = spectrum(image, 0.9)

    assert float(similarity(found[None], found[None])[0]) == pytest.approx(1.0, abs=1e-5)


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> ImageIndex:
    """Twelve parts; part 0 three times, part 1 twice and byte-copied, part 2 with a defect added."""
    images = {f"ok/{seed:02d}.png": surface(seed) for seed in range(12)}
    images["ok/00_again.png"] = recaptured(surface(0), 1)
    images["bad/00_third.png"] = recaptured(surface(0), 2)
    images["ok/01_copy.bmp"] = surface(1)
    images["ok/01_again.png"] = recaptured(surface(1), 3)
    images["bad/02_scratched.png"] = scratched(surface(2))
    return indexed(tmp_path_factory.mktemp("parts"), images)


def test_groups__hold_what_belongs_together(parts: ImageIndex) -> None:
    grouped, report = group_duplicates(parts)

    assert set(report.groups) == {
        ("bad/00_third.png", "ok/00.png", "ok/00_again.png"),
        ("ok/01.png", "ok/01_again.png", "ok/01_copy.bmp"),
        ("bad/02_scratched.png", "ok/02.png"),
    }
    assert report.exact_groups == (("ok/01.png", "ok/01_copy.bmp"),)
    assert (report.images, report.largest_group) == (17, 3)
    assert all(pair.path_a < pair.path_b for pair in report.pairs)
    assert grouped.frame["group"].nunique() == 12
    assert DuplicateReport.from_json(report.to_json()) == report


def test_group__is_the_smallest_image_id_of_its_members(parts: ImageIndex) -> None:
    frame = group_duplicates(parts)[0].frame

    for name, rows in frame.groupby("group"):
        assert name == min(rows["image_id"])


def test_groups__do_not_depend_on_the_order_of_rows(parts: ImageIndex) -> None:
    turned = parts.where(list(range(len(parts)))[::-1])

    grouped, report = group_duplicates(parts)
    other, again = group_duplicates(turned)

    assert report == again
    assert dict(zip(grouped.frame["path"], grouped.frame["group"], strict=True)) == dict(
        zip(other.frame["path"], other.frame["group"], strict=True)
    )


def test_quarantined_images__get_no_group_and_link_nothing(parts: ImageIndex) -> None:
    marks = ["undecodable" if "again" in path else None for path in parts.frame["path"]]
    grouped, report = group_duplicates(parts.with_columns(quarantine=marks, detail=marks))

    assert grouped.frame.loc[grouped.frame["quarantine"].notna(), "group"].isna().all()
    assert report.images == 15
    assert not any("again" in path for group in report.groups for path in group)


def test_groups_and_pairs_of_the_reader__are_kept(parts: ImageIndex) -> None:
    given = [{"ok/05.png": "shift 1", "ok/06.png": "shift 1"}.get(p) for p in parts.frame["path"]]
    pairs = [{"ok/07.png": "x", "ok/08.png": "x"}.get(p) for p in parts.frame["path"]]

    _, report = group_duplicates(parts.with_columns(group=given, pair_id=pairs))

    assert {("ok/05.png", "ok/06.png"), ("ok/07.png", "ok/08.png")} <= set(report.groups)


@pytest.mark.parametrize("count", [0, 1])
def test_tiny_index__has_no_pairs(parts: ImageIndex, count: int) -> None:
    grouped, report = group_duplicates(parts.where(list(range(count))))

    assert len(grouped) == count
    assert (report.pairs, report.groups, report.largest_group) == ((), (), count)


def test_image_gone_since_it_was_read__is_named(parts: ImageIndex) -> None:
    with pytest.raises(ImageError, match=r"ok/00\.png: no such file"):
        group_duplicates(ImageIndex(parts.root / "elsewhere", parts.frame))


def test_candidates__of_a_large_set_hold_every_recapture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duplicates, "ALL_PAIRS", 10)
    images = [surface(seed, size=64) for seed in range(150)]
    images += [recaptured(surface(seed, size=64), seed) for seed in range(50)]
    spectra = np.stack([spectrum(grey(image), 1.0) for image in images])

    found = {tuple(pair) for pair in candidates(spectra)}

    assert {(seed, 150 + seed) for seed in range(50)} <= found
    assert len(found) < 200 * 199 / 2 * 0.25


@pytest.mark.parametrize(
    ("largest", "images", "passed"),
    [(3, 100, True), (20, 100, True), (21, 100, False), (2, 4, True), (0, 0, True)],
)
def test_check_groups__warns_of_one_that_swallows_the_set(
    largest: int, images: int, passed: bool
) -> None:
    group = tuple(f"{number:02d}.png" for number in range(largest))
    report = DuplicateReport(images, (), (), (group,) if largest > 1 else (), largest)

    result = check_groups(report)

    assert result.passed is passed
    assert result.severity == "warning"
    assert bool(result.rows) is not passed


def test_group_duplicates__near_copies_can_be_left_apart_and_are_reported_all_the_same(
    tmp_path: Path,
) -> None:
    part = surface(1)
    index = indexed(tmp_path, {"a.png": part, "b.png": recaptured(part, 2), "c.png": part})
    together, _ = group_duplicates(index)
    apart, report = group_duplicates(index, near_copies=False)
    assert together.frame["group"].nunique() == 1
    assert apart.frame["group"].nunique() == 2  # the exact copies stay together
    assert len(report.pairs) >= 1
