"""Ingest opens every file once, writes down what it is, and finds every fault that the generator planted."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from deploy.edge.decode import read_image
from deploy.edge.statistics import image_statistics
from inspection import parallel
from inspection.config import ChecksConfig, DataConfig, SyntheticConfig
from inspection.data import ingest as ingest_module
from inspection.data.index import ImageIndex
from inspection.data.ingest import ingest, source_fingerprint, synthetic_folder
from inspection.data.inspect_item import describe
from inspection.data.readers.base import RawItem
from inspection.data.synthetic import SyntheticTruth, generate
from inspection.errors import DataError
from inspection.store import Store

SMALL = SyntheticConfig(
    images_per_class=5, size=48, near_duplicates=0.3, corrupt_files=8, label_conflicts=2
)
CONFIG = DataConfig(kind="synthetic", ok_class="ok", synthetic=SMALL)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def index(store: Store) -> ImageIndex:
    return ingest(CONFIG, ChecksConfig(), store=store, seed=3)


@pytest.fixture(scope="module")
def truth(store: Store, index: ImageIndex) -> SyntheticTruth:
    return generate(synthetic_folder(CONFIG, store, seed=3), SMALL, seed=3)


def column(index: ImageIndex, name: str) -> dict[str, object]:
    return {row["path"]: row[name] for row in index.table().to_pylist()}


def test_ingest__every_corrupt_file_has_its_reason(
    index: ImageIndex, truth: SyntheticTruth
) -> None:
    expected = {"truncated": "truncated", "empty": "empty", "text": "unknown_format"}
    expected["header_only"] = "truncated"
    reasons = {path: code for path, code in column(index, "quarantine").items() if code}
    assert reasons == {path: expected[kind] for path, kind in truth.corrupt.items()}
    assert len(reasons) == 8


def test_ingest__renamed_images_are_read_by_content(
    index: ImageIndex, truth: SyntheticTruth
) -> None:
    renamed = {path for path, kind in column(index, "format").items() if kind == "png"}
    assert renamed == set(truth.renamed)
    assert len(renamed) == 4
    for path, warnings in column(index, "warnings").items():
        named = any(str(text).startswith("wrong_extension") for text in warnings)  # type: ignore[attr-defined]
        assert named == (path in renamed)


def test_ingest__conflicts_and_copies_show_in_pixel_id(
    index: ImageIndex, truth: SyntheticTruth
) -> None:
    pixels, labels = column(index, "pixel_id"), column(index, "label")
    for one, two in truth.conflicts:
        assert pixels[one] == pixels[two] is not None
        assert labels[one] != labels[two]
    for one, two in truth.near_duplicates:
        assert pixels[one] != pixels[two]


def test_ingest__facts_are_those_of_the_file(index: ImageIndex) -> None:
    """Against an independent decoder, and against the device's own statistics."""
    for row in index.usable().table().to_pylist()[:12]:
        path = index.root / row["path"]
        data = path.read_bytes()
        assert row["image_id"] == hashlib.sha256(data).hexdigest()
        assert row["bytes"] == len(data)
        with Image.open(io.BytesIO(data)) as image:
            assert (row["width"], row["height"]) == image.size
            assert row["format"] == str(image.format).lower()
            assert (row["channels"], row["bit_depth"]) == (len(image.getbands()), 8)
        stated = image_statistics(read_image(path).pixels)
        assert row["sharpness"] == pytest.approx(stated.sharpness, rel=1e-6)
        with Image.open(io.BytesIO(data)) as image:
            assert row["brightness"] == pytest.approx(np.asarray(image).mean(), abs=1)


def test_ingest__pixel_id_ignores_the_container_not_the_shape(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (20, 30, 3), np.uint8)
    folder = tmp_path / "data" / "a"
    folder.mkdir(parents=True)
    Image.fromarray(pixels).save(folder / "1.png")
    Image.fromarray(pixels).save(folder / "2.bmp")
    Image.fromarray(pixels.reshape(30, 20, 3)).save(folder / "3.png")
    config = DataConfig(kind="folder", root=tmp_path / "data")
    one, two, three = ingest(config, ChecksConfig(), store=Store(tmp_path), seed=0).frame[
        "pixel_id"
    ]
    assert one == two != three


def test_ingest__one_thread_or_many_give_the_same_index(
    index: ImageIndex, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parallel, "MAX_THREADS", 1)
    alone = ingest(CONFIG, ChecksConfig(), store=store, seed=3)
    assert alone.table().to_pylist() == index.table().to_pylist()


def test_ingest__every_file_is_described_once(
    store: Store, index: ImageIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []

    def counted(item: RawItem, *rest: object) -> object:
        seen.append(item.path)
        return describe(item, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(ingest_module, "describe", counted)
    ingest(CONFIG, ChecksConfig(), store=store, seed=3)
    assert sorted(seen) == sorted(index.frame["path"])


def test_ingest__seed_and_config_name_the_folder(store: Store) -> None:
    folders = {
        synthetic_folder(config, store, seed=seed)
        for seed in (1, 2)
        for config in (CONFIG, DataConfig(kind="synthetic"))
    }
    assert len(folders) == 4
    other_class = CONFIG.model_copy(update={"ok_class": None})
    assert synthetic_folder(other_class, store, seed=1) in folders, "the images are the same"


@pytest.mark.parametrize("kind", ["folder", "mask_pairs", "voc"])
def test_ingest__needs_a_root(kind: str, store: Store) -> None:
    config = DataConfig.model_validate({"kind": kind})
    for call in (
        lambda: source_fingerprint(config),
        lambda: ingest(config, ChecksConfig(), store=store, seed=0),
    ):
        with pytest.raises(DataError, match=r"data\.root: kind '.*' reads a folder"):
            call()


def test_ingest__min_side_is_the_configured_one(store: Store) -> None:
    strict = ingest(CONFIG, ChecksConfig(min_side=49), store=store, seed=3)
    assert set(strict.frame["quarantine"]) >= {"too_small"}
    assert len(strict.usable()) == 0
    assert strict.frame["detail"].str.contains("48 x 48 px, checks.min_side is 49").any()


def test_ingest__megapixels_bound_images_and_masks(tmp_path: Path) -> None:
    """A mask larger than allowed is refused from its header, like an image."""
    place = tmp_path / "data" / "dent"
    place.mkdir(parents=True)
    Image.new("RGB", (100, 100)).save(place / "a.jpg")
    Image.new("L", (400, 400)).save(place / "a.png")
    Image.new("RGB", (400, 400)).save(place / "b.jpg")
    Image.new("L", (400, 400)).save(place / "b.png")
    config = DataConfig(kind="mask_pairs", root=tmp_path / "data")
    found = ingest(config, ChecksConfig(max_megapixels=0.1), store=Store(tmp_path), seed=0)
    assert column(found, "quarantine") == {
        "dent/a.jpg": "mask_undecodable",
        "dent/b.jpg": "too_large",
    }
    assert "0.16 megapixels" in str(column(found, "detail")["dent/a.jpg"])


def test_fingerprint__of_synthetic_data_is_its_recipe(monkeypatch: pytest.MonkeyPatch) -> None:
    before = source_fingerprint(CONFIG)
    more = SMALL.model_copy(update={"images_per_class": 6})
    assert source_fingerprint(CONFIG.model_copy(update={"synthetic": more})) != before
    monkeypatch.setattr(ingest_module, "RECIPE", -1)
    assert source_fingerprint(CONFIG) != before
