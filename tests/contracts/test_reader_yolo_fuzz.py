"""YOLO: no bytes in a label file or `data.yaml` give anything but items or one clear sentence."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspection.config import DataConfig
from inspection.data.readers.base import RawItem
from inspection.data.readers.yolo import read_yolo
from inspection.data.readers.yolo_lines import parse_lines
from inspection.data.readers.yolo_names import parse_names
from inspection.errors import DataError
from tests.reader_layouts import yolo_layout

FAULTS = {"annotation_missing", "annotation_unreadable"}
FAULTS |= {"box_degenerate", "box_out_of_bounds", "shape_out_of_bounds"}


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("yolo")
    yolo_layout(root)
    return root


def item(root: Path, data: bytes) -> RawItem:
    """What is said of dent_1.png when its label file holds `data`; the others stay as they are."""
    (root / "labels" / "dent_1.txt").write_bytes(data)
    items = read_yolo(root, DataConfig(kind="yolo", root=root))
    assert [each.path for each in items if each.fault] in ([], ["images/dent_1.png"])
    return next(each for each in items if each.path == "images/dent_1.png")


def checked(found: RawItem) -> None:
    if found.fault is not None:
        assert found.fault[0] in FAULTS
        assert "\n" not in found.fault[1]
        found.fault[1].encode()
    assert all(0 <= box.x0 < box.x1 <= 1 and 0 <= box.y0 < box.y1 <= 1 for box in found.boxes)
    assert found.relative or found.fault


@pytest.mark.fuzz
@given(data=st.binary(max_size=200))
def test_random_bytes__give_an_item(clean: Path, data: bytes) -> None:
    checked(item(clean, data))


WORDS = st.one_of(
    st.sampled_from(["0", "1", "7", "-1", "nan", "1e999", "0,5", "1.0000001", "\ufeff", "\0", "½"]),
    st.floats(-0.1, 1.1).map(str),
    st.floats().map(str),
    st.text(max_size=3),
)
TEXTS = st.lists(st.lists(WORDS, max_size=9).map(" ".join), max_size=4).map("\n".join)


@pytest.mark.fuzz
@given(text=TEXTS)
def test_odd_lines__give_an_item(clean: Path, text: str) -> None:
    checked(item(clean, text.encode("utf-8", "surrogatepass")))


SHARES = st.lists(st.integers(0, 1000).map(lambda n: n / 1000), min_size=6, max_size=12)


@pytest.mark.fuzz
@given(values=SHARES)
def test_numbers__any_even_count_from_six_is_a_polygon(values: list[float]) -> None:
    line = f"1 {' '.join(map(str, values))}".encode()
    if len(values) % 2:
        with pytest.raises(ValueError, match="neither a box"):
            parse_lines(line, {})
    else:
        shape = parse_lines(line, {})[0].shape
        assert shape is not None
        assert [value for point in shape.rings[0] for value in point] == values  # type: ignore[union-attr]


YAML = st.one_of(
    st.binary(max_size=120),
    st.text("nams: [],{}&*!0123456789-'\"\n\t|>%@`?<", max_size=60).map(str.encode),
    st.text("abc[]{}:, &*!'\"0-9bool int", max_size=30).map(lambda text: f"names: {text}".encode()),
    st.sampled_from([b"names: !!int ''", b"names: !!float x", b"names: !!timestamp x", b"a: 0b_"]),
)


@pytest.mark.fuzz
@given(data=YAML)
def test_names__any_bytes_give_names_or_a_sentence(data: bytes) -> None:
    with contextlib.suppress(ValueError):
        names = parse_names(data)
        assert names is None or all(name.isprintable() and name for name in names.values())


@pytest.mark.fuzz
@given(data=YAML)
def test_names__any_bytes_give_items_or_a_data_error(clean: Path, data: bytes) -> None:
    (clean / "my.yaml").write_bytes(data)
    config = DataConfig(kind="yolo", root=clean, annotations=Path("my.yaml"))
    sentence = ""
    try:
        assert len(read_yolo(clean, config)) == 6
    except DataError as error:
        sentence = str(error)
    assert "\n" not in sentence
