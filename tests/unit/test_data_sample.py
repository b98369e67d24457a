"""At most so many images per class: balanced, the same each time, and no key of an older run changed by it."""

from __future__ import annotations

from pathlib import Path

import pytest

from inspection.config import RunConfig
from inspection.data.index import ImageIndex
from inspection.data.sample import at_most_per_class
from inspection.data.test_set import test_set_path
from inspection.store import Store


def index(count: int = 60) -> ImageIndex:
    rows = [
        {
            "path": f"{number}.png",
            "image_id": f"{number:03d}",
            "label": None if number % 10 == 9 else ("a", "b", "b")[number % 3],
            "quarantine": "empty" if number % 10 == 8 else None,
        }
        for number in range(count)
    ]
    return ImageIndex.from_rows(Path("images"), rows)


def kept(found: ImageIndex) -> set[str]:
    return set(found.frame["image_id"])


def test_each_class_has_at_most_so_many_and_a_small_one_stays_whole() -> None:
    found = at_most_per_class(index(), 18, seed=1)
    assert found.usable().frame["label"].value_counts().to_dict() == {"b": 18, "a": 16}
    # What belongs to no class is nobody's surplus.
    assert found.frame["label"].isna().sum() == index().frame["label"].isna().sum()
    assert found.frame["quarantine"].notna().sum() == 6


def test_order_of_rows_does_not_matter_and_the_seed_does() -> None:
    whole = index()
    turned = ImageIndex(whole.root, whole.frame[::-1].reset_index(drop=True))
    first = kept(at_most_per_class(whole, 5, seed=1))
    assert first == kept(at_most_per_class(turned, 5, seed=1))
    assert first != kept(at_most_per_class(whole, 5, seed=2))


def test_more_images_replace_no_more_than_they_are() -> None:
    before, after = (kept(at_most_per_class(index(n), 5, seed=1)) for n in (60, 63))
    assert len(before - after) <= 3


@pytest.mark.parametrize("seed", [None, 5])
def test_the_frozen_set_is_found_where_it_always_was(seed: int | None) -> None:
    plain = {"name": "line", "seed": 7, "data": {"kind": "folder", "root": "x"}}
    config = RunConfig.model_validate({**plain, "split": {"seed": seed}})
    # Names that the code before `per_class` gave.
    expected = {None: "line-4db1948e506f.json", 5: "line-3e1b0dbc5e84.json"}
    path = test_set_path(Store(Path("s")), config)
    assert path.name == expected[seed]
    data = {**plain["data"], "per_class": 9}  # type: ignore[dict-item]
    limited = RunConfig.model_validate({**plain, "data": data, "split": {"seed": seed}})
    assert test_set_path(Store(Path("s")), limited) != path


def test_what_draws_the_images_is_the_splits_seed_where_there_is_one() -> None:
    plain = {"name": "line", "seed": 7, "data": {"kind": "synthetic"}}
    assert RunConfig.model_validate(plain).images_seed == 7
    assert RunConfig.model_validate({**plain, "split": {"seed": 0}}).images_seed == 0
