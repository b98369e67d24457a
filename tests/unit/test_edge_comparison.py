"""Precisions and runtimes side by side on a real bundle: the table, the picture, and what cannot run here."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from deploy.edge.bench_picture import picture
from deploy.edge.bundle import open_bundle
from deploy.edge.cli import main
from deploy.edge.cold_start import measure_cold_start
from deploy.edge.comparison import Contender, compare, pairs_of
from deploy.edge.errors import EngineError, UserError
from tests.edge_bundles import pictures, resign, write_bundle

pytestmark = pytest.mark.process
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With one more precision: the same graph again under another name."""
    folder = write_bundle(tmp_path_factory.mktemp("comparison") / "bundle")
    (folder / "half.onnx").write_bytes((folder / "model.onnx").read_bytes())
    resign(folder, variants={"fp16": {"file": "half.onnx", "golden_tolerance": 0.01}})
    return folder


def test_pairs_are_every_runtime_with_what_it_can_run(bundle: Path) -> None:
    manifest = open_bundle(bundle).manifest
    assert pairs_of(manifest, ["onnxruntime", "tensorrt"]) == [
        ("onnxruntime", "fp32"),
        ("onnxruntime", "fp16"),
        ("tensorrt", "fp32"),
        ("tensorrt", "fp16"),
    ]


def test_all_are_timed_and_one_that_cannot_run_says_why(bundle: Path) -> None:
    pairs = [("onnxruntime", "fp32"), ("onnxruntime", "fp16"), ("onnxruntime", "int4")]
    plain, half, absent = compare(bundle, pairs, pictures(4), repetitions=20, batches=(1, 4))
    for one in (plain, half):
        assert 0 < one.p50_ms <= one.p95_ms <= one.p99_ms
        assert list(one.images_per_second) == ["1", "4"]
        assert min(one.images_per_second.values()) > 0
        # An interpreter, NumPy, OpenCV and ONNX Runtime: neither instant nor small, and not the test's own memory.
        assert one.cold_start_ms > 50
        assert 20 < one.memory_mb < 400
        assert one.runtime["engine"] == "onnxruntime"
    assert "no variant 'int4', it has fp32, fp16" in absent.reason
    assert absent.p50_ms == 0


@pytest.mark.parametrize(
    ("images", "more"),
    [(0, {}), (2, {"repetitions": 0}), (2, {"batches": (0,)}), (2, {"batches": ()})],
)
def test_a_comparison_of_nothing_is_refused(
    bundle: Path, images: int, more: dict[str, object]
) -> None:
    with pytest.raises(UserError, match="needs an image"):
        compare(bundle, [("onnxruntime", "fp32")], pictures(images), **more)  # type: ignore[arg-type]


def test_the_picture_shows_each_and_escapes_names() -> None:
    ran = Contender("onnxruntime", "fp32", 10, "", 1.0, 2.0, 4.0, {"1": 900.0}, 500.0, 90.0)
    quick = Contender("onnxruntime", "<b>", 10, "", 0.5, 0.6, 0.7, {"1": 1900.0}, 400.0, 80.0)
    absent = Contender("tensorrt", "fp16", 0, "no NVIDIA driver & no GPU")
    root = ElementTree.fromstring(picture([ran, quick, absent], "a & b"))
    words = ["".join(node.itertext()) for node in root.iter(f"{SVG}text")]
    assert words.index("onnxruntime <b>") < words.index("onnxruntime fp32")
    assert "tensorrt fp16: no NVIDIA driver & no GPU" in words
    widths = [float(node.attrib["width"]) for node in root.iter(f"{SVG}rect")][1:]
    tail_quick, quick_bar, tail_ran, ran_bar = widths
    assert ran_bar == pytest.approx(2 * quick_bar, rel=0.01)
    assert tail_ran == pytest.approx(4 * ran_bar, rel=0.01)
    assert tail_quick < tail_ran
    assert float(root.attrib["width"]) >= tail_ran + 200


def test_command__table_picture_and_json(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    drawn = tmp_path / "bench.svg"
    line = ["bench", str(bundle), "--unsigned", "--compare", "--repetitions", "5", "--batches", "2"]
    assert main([*line, "--picture", str(drawn)]) == 0
    out = capsys.readouterr().out
    assert "img/s x2" in out
    assert "onnxruntime fp16" in out
    assert ElementTree.parse(drawn).getroot().tag == f"{SVG}svg"
    assert main([*line, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["model"] == open_bundle(bundle).digest
    assert {row["engine"] for row in document["contenders"]} >= {"onnxruntime", "tensorrt"}


def test_a_cold_start_that_fails_gives_its_last_words(bundle: Path) -> None:
    with pytest.raises(EngineError, match="no variant 'int4'"):
        measure_cold_start(bundle, "onnxruntime", "int4")
