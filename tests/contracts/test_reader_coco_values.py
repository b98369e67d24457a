"""COCO: labels, shapes and run lengths come through, and no bytes give anything but items or one clear sentence."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspection.config import ChecksConfig, DataConfig
from inspection.data.ingest import ingest
from inspection.data.readers.base import RawItem
from inspection.data.readers.coco import read_coco
from inspection.data.readers.coco_shapes import counts_of_text
from inspection.data.shapes import Region
from inspection.errors import DataError
from inspection.store import Store
from tests.reader_layouts import coco_document, coco_layout

FILE = "annotations/instances_train.json"
NAMES = [f"crack_{i}.jpg" for i in range(3)] + [f"dent_{i}.png" for i in range(3)]
Document = dict[str, Any]


def rows(root: Path, document: Document | None = None, **more: object) -> dict[str, dict[str, Any]]:
    if document is not None:
        (root / FILE).write_text(json.dumps(document))
    config = DataConfig.model_validate({"kind": "coco", "root": root, **more})
    index = ingest(config, ChecksConfig(), store=Store(root / "store"), seed=0)
    return {row["path"]: row for row in index.table().to_pylist()}


def items(root: Path, data: bytes) -> dict[str, RawItem]:
    (root / FILE).write_bytes(data)
    return {item.path: item for item in read_coco(root, DataConfig(kind="coco", root=root))}


def one_more(category: int, **geometry: object) -> Document:
    """The clean document with a second annotation of crack_0.jpg."""
    document = coco_document(NAMES)
    head = {"id": 99, "image_id": 0, "category_id": category}
    document["annotations"].append({**head, **geometry})
    return document


def test_values__boxes_and_regions_come_through(tmp_path: Path) -> None:
    coco_layout(tmp_path)
    found = rows(tmp_path)
    assert found["images/crack_1.jpg"]["boxes"] == [
        {"x0": 2.0, "y0": 3.0, "x1": 22.0, "y1": 13.0, "label": "crack"}
    ]
    last = found["images/dent_2.png"]
    assert last["regions"] == [{"label": "dent", "counts": [5, 10, 1265]}]
    mask = Region("crack", tuple(found["images/crack_0.jpg"]["regions"][0]["counts"])).mask(32, 40)
    wanted = np.zeros((32, 40), bool)
    wanted[3:13, 2:22] = True
    assert (mask == wanted).all()


def test_label__is_the_largest_area_not_the_largest_box(tmp_path: Path) -> None:
    coco_layout(tmp_path)
    thin = [[0, 0, 39, 0, 39, 31, 38, 31, 38, 1, 0, 1]]
    document = one_more(2, bbox=[0, 0, 40, 32], segmentation=thin)
    first = rows(tmp_path, document)["images/crack_0.jpg"]
    assert (first["label"], first["label_source"]) == ("crack", "shape")
    assert [text.split(":")[0] for text in first["warnings"]] == ["box_label_differs"]
    document = one_more(2, bbox=[0, 0, 40, 32])
    first = rows(tmp_path, document)["images/crack_0.jpg"]
    assert first["label"] == "dent"


def test_label__of_an_image_without_annotations(tmp_path: Path) -> None:
    coco_layout(tmp_path)
    document = coco_document(NAMES)
    document["annotations"].pop()
    path = "images/dent_2.png"
    plain = rows(tmp_path, document)[path]
    assert (plain["label"], plain["quarantine"]) == (None, None)
    good = rows(tmp_path, document, ok_class="fine")[path]
    assert (good["label"], good["label_source"]) == ("fine", "no_boxes")
    document["images"][5]["label"] = "stain"
    own = rows(tmp_path, document)[path]
    assert (own["label"], own["label_source"]) == ("stain", "image")
    named = rows(tmp_path, document, label_pattern=r"^([a-z]+)_")[path]
    assert (named["label"], named["label_source"]) == ("dent", "filename")


@pytest.mark.parametrize("label", [3, None, [], " ", "\ud800"])
def test_label__of_an_image_that_is_no_name_counts_as_none(label: object, tmp_path: Path) -> None:
    coco_layout(tmp_path)
    document = coco_document(NAMES)
    document["images"][5]["label"] = label
    assert rows(tmp_path, document)["images/dent_2.png"]["label"] == "dent"


def test_boxes__that_our_export_derived_are_not_read(tmp_path: Path) -> None:
    coco_layout(tmp_path)
    document = coco_document(NAMES)
    document["annotations"][5]["bbox_derived"] = True
    document["annotations"][4]["bbox_derived"] = True  # without a region it is the only thing
    found = rows(tmp_path, document)
    assert found["images/dent_2.png"]["boxes"] == []
    assert len(found["images/dent_1.png"]["boxes"]) == 1


SIDES = st.integers(1, 12)


@given(height=SIDES, width=SIDES, seed=st.integers(0, 10**6), share=st.floats(0, 1))
def test_compressed_runs__are_what_pycocotools_writes(
    height: int, width: int, seed: int, share: float
) -> None:
    judge = pytest.importorskip("pycocotools.mask")
    mask = np.random.default_rng(seed).random((height, width)) < share
    text = judge.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"].decode()
    counts = counts_of_text(text)
    assert (Region("a", tuple(counts)).mask(height, width) == mask).all()


def test_compressed_runs__large_numbers_and_differences() -> None:
    judge = pytest.importorskip("pycocotools.mask")
    mask = np.zeros((2000, 1500), np.uint8, order="F")
    mask[100:1900, 7] = mask[3:5, 900] = mask[::7, 1200] = 1
    counts = counts_of_text(judge.encode(mask)["counts"].decode())
    assert (Region("a", tuple(counts)).mask(2000, 1500) == (mask > 0)).all()


def test_compressed_runs__come_through_the_reader(tmp_path: Path) -> None:
    coco_layout(tmp_path)
    document = coco_document(NAMES)
    document["annotations"][5]["segmentation"]["counts"] = "5:aW1"
    plain = rows(tmp_path)["images/dent_2.png"]["regions"]
    assert rows(tmp_path, document)["images/dent_2.png"]["regions"] == plain


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("coco")
    coco_layout(root)
    return root


def only_items_or_data_errors(root: Path, data: bytes) -> None:
    found, sentence = {}, ""
    try:
        found = items(root, data)
    except DataError as error:
        sentence = str(error)
    assert "\n" not in sentence
    assert bool(found) != bool(sentence)
    for item in found.values():
        item.path.encode()
        assert item.fault is None or "\n" not in item.fault[1]
        assert all(np.isfinite([box.x0, box.y0, box.x1, box.y1]).all() for box in item.boxes)


@pytest.mark.fuzz
@given(data=st.binary(max_size=300))
def test_random_bytes__give_items_or_a_sentence(clean: Path, data: bytes) -> None:
    only_items_or_data_errors(clean, data)


ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-3, 1300),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["NaN", "../x", "/x", "5:aW1", "ooo", "\ud800", 10**400, -(10**18), {}, []]),
    st.lists(st.one_of(st.floats(), st.integers(-5, 99), st.text(max_size=2)), max_size=8),
    st.lists(st.lists(st.integers(-9, 99), max_size=8), max_size=2),
    st.fixed_dictionaries({"size": st.just([32, 40]), "counts": st.text("05:aWo1P", max_size=9)}),
    st.fixed_dictionaries({"size": st.just([32, 40]), "counts": st.lists(st.integers(-9, 1300))}),
)


def places(value: object, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place inside a document, by its keys."""
    inner = value.items() if isinstance(value, dict) else enumerate(value)  # type: ignore[arg-type]
    found = []
    for key, child in inner:
        found.append((*path, key))
        if isinstance(child, dict | list):
            found += places(child, (*path, key))
    return found


PLACES = places(coco_document(NAMES))


def spoilt(document: Document, path: tuple[Any, ...], value: object, *, remove: bool) -> None:
    """One value replaced or taken away, where an earlier change has left the place."""
    holder: Any = document
    with contextlib.suppress(LookupError, TypeError):
        for key in path[:-1]:
            holder = holder[key]
        if remove:
            del holder[path[-1]]
        else:
            holder[path[-1]] = value


@pytest.mark.fuzz
@given(changes=st.lists(st.tuples(st.sampled_from(PLACES), ODD, st.booleans()), max_size=4))
def test_changed_documents__give_items_or_a_sentence(clean: Path, changes: list[Any]) -> None:
    document = coco_document(NAMES)
    for path, value, remove in changes:
        spoilt(document, path, value, remove=remove)
    only_items_or_data_errors(clean, json.dumps(document).encode())


@pytest.mark.fuzz
@given(text=st.text(st.characters(min_codepoint=40, max_codepoint=120), max_size=30))
def test_compressed_runs__any_text_gives_counts_or_a_sentence(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert len(counts_of_text(text)) <= len(text)
