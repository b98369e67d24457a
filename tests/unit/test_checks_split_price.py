"""A probe that knows parts by heart shines under a random split; where there is nothing to know by heart, no gap."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from data_checks.embeddings import Embeddings, load_embeddings
from data_checks.split_price import Measured, SplitPrice, split_price
from inspection.config import SplitConfig
from inspection.data.index import ImageIndex
from inspection.errors import DataError

CONFIG = SplitConfig()


def parts(
    *, count: int = 40, views: int = 8, truth: float = 0.3, heart: float = 1.0, seed: int = 0
) -> tuple[ImageIndex, Embeddings]:
    """`count` parts seen `views` times: vectors tell the part well and, by `truth`, the class."""
    rng = np.random.default_rng(seed)
    rows, vectors = [], []
    for part in range(count):
        label, centre = "ab"[part % 2], rng.normal(0, heart, 24)
        centre[0] = truth * (1 if label == "a" else -1)
        for _ in range(views):
            rows.append(
                {
                    "image_id": f"{len(rows):04x}",
                    "path": f"{label}/{len(rows)}.png",
                    "label": label,
                    "session": f"part {part}",
                }
            )
            vectors.append(centre + rng.normal(0, 0.2, 24))
    index = ImageIndex.from_rows(Path("root"), rows)
    ids = tuple(str(row["image_id"]) for row in rows)
    return index, Embeddings(ids, np.array(vectors, np.float32))


SESSIONS = SplitConfig(keep_together=("session",))


def test_what_is_known_by_heart_is_called_leakage() -> None:
    found = split_price(*parts(), SESSIONS, seed=1)
    assert found.random.value > 0.9
    assert found.grouped.value < 0.8
    assert found.gap.low > 0.1
    assert found.gap.value == pytest.approx(found.random.value - found.grouped.value, abs=1e-5)
    assert found.sentence == (
        f"random split says {found.random.value:.1%}, grouped split says {found.grouped.value:.1%}: "
        f"{100 * found.gap.value:.1f} points are leakage "
        f"({100 * found.gap.low:.1f} to {100 * found.gap.high:.1f})"
    )
    assert (found.images, found.groups, found.shared, found.repeats) == (320, 40, 320, 5)
    assert SplitPrice.from_json(found.to_json()) == found


def test_truth_costs_nothing() -> None:
    found = split_price(*parts(truth=0.4, heart=0.0), SESSIONS, seed=1)
    assert found.grouped.value > 0.9
    assert found.gap.low <= 0
    assert "no leakage is proven" in found.sentence


def test_without_groups_both_splits_are_the_same() -> None:
    found = split_price(*parts(count=160, views=2), CONFIG, seed=1)
    assert found.shared == 0
    assert found.groups == found.images == 320
    assert "its own group" in found.sentence
    assert abs(found.gap.value) < 0.1


def test_intervals_hold_their_values_and_fewer_parts_know_less() -> None:
    few, many = (split_price(*parts(count=n), SESSIONS, seed=3) for n in (12, 120))
    for found in (few, many):
        for name in ("random", "grouped", "gap"):
            for measured in (getattr(found, name), getattr(found, f"{name}_balanced")):
                assert measured.low <= measured.value <= measured.high
    assert many.grouped.high - many.grouped.low < few.grouped.high - few.grouped.low
    assert "% (" in many.grouped.percent


def test_balanced_accuracy_counts_classes_alike() -> None:
    index, embeddings = parts(count=60)
    rare = index.frame["label"].eq("a") | index.frame["session"].isin(
        [f"part {n}" for n in range(1, 20, 2)]
    )
    found = split_price(index.where(rare), embeddings, SESSIONS, seed=2)
    assert found.grouped_balanced.value < found.grouped.value
    assert found.gap_balanced.value > 0.1
    # Where one class is most of the set, only the mean over classes shows the price.
    hidden = dataclasses.replace(found, gap=Measured(0.01, -0.01, 0.03))
    assert "in the mean over classes" in hidden.sentence
    assert f"{100 * found.gap_balanced.value:.1f} points are leakage" in hidden.sentence


def test_the_same_seed_gives_the_same_price_in_any_order_of_rows() -> None:
    index, embeddings = parts(count=20, views=4)
    mixed = index.where(np.random.default_rng(5).permutation(len(index)))
    first = split_price(index, embeddings, SESSIONS, seed=1, repeats=2)
    assert split_price(mixed, embeddings, SESSIONS, seed=1, repeats=2) == first
    assert split_price(index, embeddings, SESSIONS, seed=2, repeats=2) != first


def test_embeddings_come_from_a_file(tmp_path: Path) -> None:
    index, embeddings = parts(count=20, views=4)
    path = tmp_path / "vectors.npz"
    np.savez(path, image_ids=np.array(embeddings.image_ids), matrix=embeddings.matrix)
    loaded = split_price(index, load_embeddings(path, index), SESSIONS, seed=1, repeats=1)
    assert loaded == split_price(index, embeddings, SESSIONS, seed=1, repeats=1)


def test_quarantined_and_unlabelled_images_are_left_out() -> None:
    index, embeddings = parts(count=20, views=4)
    marked = index.with_columns(
        quarantine=["x", *[None] * 79], label=[*index.frame["label"][:79], None]
    )
    assert split_price(marked, embeddings, SESSIONS, seed=1, repeats=1).images == 78


def test_what_cannot_be_priced_is_said() -> None:
    index, embeddings = parts(count=20, views=2)
    with pytest.raises(DataError, match="a probe needs 2"):
        split_price(index.with_columns(label="a"), embeddings, SESSIONS, seed=1)
    with pytest.raises(DataError, match="ask for at least 1"):
        split_price(index, embeddings, SESSIONS, seed=1, repeats=0)
    lacking = Embeddings(embeddings.image_ids[:1], embeddings.matrix[:1])
    with pytest.raises(DataError, match="lack 39 of 40 images"):
        split_price(index, lacking, SESSIONS, seed=1)
    with pytest.raises(DataError, match="has 1 independent group"):
        split_price(index.with_columns(group="one"), embeddings, CONFIG, seed=1)
