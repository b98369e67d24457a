"""`plumbline-edge` as an operator meets it: what it prints where, what it makes, and how it ends."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from deploy.edge import batch
from deploy.edge.bench import bench
from deploy.edge.bundle import open_bundle
from deploy.edge.cli import main
from deploy.edge.errors import EngineError, UserError
from deploy.edge.files import sha256_file
from deploy.edge.inspector import Inspector
from deploy.edge.prediction_log import read_predictions, segments
from deploy.edge.preprocess import preprocess
from deploy.edge.progress import Progress
from deploy.edge.spec import Decision
from tests.edge_bundles import CLASSES, SPEC, by_numpy, pictures, png, write_bundle

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return write_bundle(tmp_path / "bundle")


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Four parts, in two folders, one under a name that lies and one under none."""
    folder = tmp_path / "images"
    (folder / "second").mkdir(parents=True)
    names = ("a.png", "b_is_a_png.jpg", "second/c.PNG", "second/no_suffix")
    for name, pixels in zip(names, pictures(4, seed=5), strict=True):
        (folder / name).write_bytes(png(pixels))
    (folder / "notes.txt").write_text("not an image, and nobody said it was")
    (folder / ".thumbnail.png").write_bytes(b"hidden")
    return folder


def lines(captured: Captured) -> tuple[list[dict[str, Any]], str]:
    """Parsed stdout and raw stderr."""
    found = captured.readouterr()
    return [json.loads(line) for line in found.out.splitlines()], found.err


def test_verify__tells_what_the_bundle_is_and_what_comes_next(
    bundle: Path, capsys: Captured
) -> None:
    assert main(["verify", str(bundle)]) == 0
    found = capsys.readouterr()
    for text in (open_bundle(bundle).digest, "crack, ok, scratch", "12 x 16", "P(ok) >= 0.5"):
        assert text in found.out
    assert "16 images, same labels" in found.out
    assert "nodes on CPUExecutionProvider" in found.out
    assert f"next: plumbline-edge predict {bundle}" in found.err


def test_verify__as_one_json_document(bundle: Path, capsys: Captured) -> None:
    assert main(["verify", str(bundle), "--json", "--threads", "1"]) == 0
    ((facts,), _) = lines(capsys)
    assert facts["digest"] == open_bundle(bundle).digest
    assert facts["classes"] == list(CLASSES)
    assert 0 <= facts["golden_gap"] <= facts["golden_tolerance"]
    assert facts["engine"]["threads"] == 1


@pytest.mark.parametrize("command", [["verify"], ["predict"], ["bench"]])
def test_tampered_bundle__is_refused_by_every_command(
    command: list[str], bundle: Path, images: Path, capsys: Captured
) -> None:
    with (bundle / "model.onnx").open("ab") as stream:
        stream.write(b"\0")
    rest = [str(images), "--log", str(bundle.parent / "log")] if command == ["predict"] else []
    assert main([*command, str(bundle), *rest]) == 2
    found = capsys.readouterr()
    assert found.out == ""
    assert found.err.count("\n") == 1
    assert found.err.startswith("error: ")
    assert "model.onnx was changed" in found.err


def test_predict__answers_as_numpy_does(bundle: Path, images: Path, capsys: Captured) -> None:
    assert main(["predict", str(bundle), str(images)]) == 0
    answers, said = lines(capsys)
    assert [Path(answer["path"]).name for answer in answers] == [
        "a.png", "b_is_a_png.jpg", "c.PNG", "no_suffix",
    ]  # fmt: skip
    for answer, pixels in zip(answers, pictures(4, seed=5), strict=True):
        expected = by_numpy(preprocess(pixels, SPEC)[None]).probabilities[0]
        assert answer["image_id"] == sha256_file(Path(answer["path"]))
        assert answer["label"] == CLASSES[int(expected.argmax())]
        assert list(answer["probabilities"].values()) == pytest.approx(expected, abs=1e-5)
        assert answer["p_defect"] == pytest.approx(1 - expected[1], abs=1e-5)
        assert answer["latency_ms"] > 0
    assert "4 images" in said
    assert "--log log/" in said


@pytest.mark.parametrize("pattern", ["*.png", "**/*.*g", "second/*", "a.png"])
def test_predict__takes_files_and_globs(
    pattern: str, bundle: Path, images: Path, capsys: Captured
) -> None:
    expected = sorted(path for path in images.glob(pattern) if not path.name.startswith("."))
    main(["predict", str(bundle), str(images / pattern)])
    answers, _ = lines(capsys)
    assert [answer["path"] for answer in answers] == [str(path) for path in expected]


def test_predict__takes_each_file_once(bundle: Path, images: Path, capsys: Captured) -> None:
    assert main(["predict", str(bundle), str(images / "a.png"), str(images)]) == 0
    assert len(lines(capsys)[0]) == 4


def test_predict__appends_to_the_log(bundle: Path, images: Path, capsys: Captured) -> None:
    log = images.parent / "log"
    for _ in range(2):
        assert main(["predict", str(bundle), str(images), "--log", str(log)]) == 0
    answers, said = lines(capsys)
    logged = list(read_predictions(log))
    assert [record["image_id"] for record in logged] == [answer["image_id"] for answer in answers]
    assert {record["model"] for record in logged} == {open_bundle(bundle).digest}
    assert all(len(record["embedding"]) == 8 for record in logged)
    assert f"plumbline monitor CONFIG {log}" in said
    assert len(segments(log)) == 1


def bad_images(folder: Path) -> dict[str, str]:
    """One of each kind that lines produce, and the reason each must get; '' for those that are images after all."""
    good = pictures(1)[0]
    jpeg = folder / "truncated.jpg"
    Image.fromarray(good).save(jpeg, quality=90)
    jpeg.write_bytes(jpeg.read_bytes()[:-300])
    (folder / "empty.png").write_bytes(b"")
    (folder / "text.png").write_text("the camera was not there")
    (folder / "named.jpg").write_bytes(png(good))
    huge = bytearray(png(good))
    struct.pack_into(">II", huge, 16, 12000, 12000)
    (folder / "huge.png").write_bytes(huge)
    (folder / "pixel.png").write_bytes(png(good[:1, :1]))
    deep = np.arange(900, dtype=np.uint16).reshape(30, 30) * 70
    Image.fromarray(deep).save(folder / "sixteen.png")
    Image.fromarray(good).convert("CMYK").save(folder / "cmyk.jpg")
    Image.fromarray(good).convert("P").save(folder / "palette.png")
    Image.fromarray(good).convert("RGBA").save(folder / "alpha.png")
    wrong = {
        "truncated.jpg": "truncated",
        "empty.png": "empty",
        "text.png": "unknown_format",
        "huge.png": "too_large",
    }
    fine = ("named.jpg", "pixel.png", "sixteen.png", "cmyk.jpg", "palette.png", "alpha.png")
    return {**wrong, **dict.fromkeys(fine, "")}


def test_bad_images__get_a_reason_and_the_batch_goes_on(
    bundle: Path, tmp_path: Path, capsys: Captured
) -> None:
    folder = tmp_path / "line"
    folder.mkdir()
    expected = bad_images(folder)
    missing = str(folder / "missing.png")
    log = tmp_path / "log"
    assert main(["predict", str(bundle), str(folder), missing, "--log", str(log)]) == 2
    answers, said = lines(capsys)
    found = {Path(answer["path"]).name: answer.get("reason", "") for answer in answers}
    assert found == {**expected, "missing.png": "missing"}
    assert all("label" not in answer for answer in answers if "error" in answer)
    assert "5 without answer" in said
    assert len(list(read_predictions(log))) == 6


def test_limit__is_given_on_the_command_line(bundle: Path, images: Path, capsys: Captured) -> None:
    arguments = ["predict", str(bundle), str(images / "a.png"), "--max-megapixels", "0.0001"]
    assert main(arguments) == 2
    ((answer,), _) = lines(capsys)
    assert answer["reason"] == "too_large"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["predict", "BUNDLE", "no/*.png"], "no file matches"),
        (["predict", "BUNDLE", "EMPTY"], "no images in"),
        (["predict", "EMPTY", "IMAGES"], "manifest.json"),
        (["predict", "BUNDLE", "IMAGES", "--log", "IMAGES/a.png"], "prediction log"),
        (["verify", "absent"], "no bundle folder"),
        (["verify", "BUNDLE", "--digest", "0123456789ab"], "not 0123456789ab"),
        (["verify", "BUNDLE", "--engine", "onnxrutime"], "did you mean 'onnxruntime'"),
        (["verify", "BUNDLE", "--threads", "0"], "threads must be 1"),
        (["verify", "BUNDLE", "--threads", "99999"], "threads must be 1 to 256"),
        (["predict", "BUNDLE", ""], "empty path"),
        (["bench", "BUNDLE", "--repetitions", "0"], "1 repetition"),
        (["bench", "BUNDLE", "--images", "absent.png"], "absent.png"),
    ],
)
def test_mistakes__are_one_line_and_code_2(
    arguments: list[str], says: str, bundle: Path, images: Path, capsys: Captured
) -> None:
    empty = images.parent / "empty"
    empty.mkdir()
    places = {"BUNDLE": str(bundle), "EMPTY": str(empty), "IMAGES": str(images)}
    for name, place in places.items():
        arguments = [argument.replace(name, place) for argument in arguments]
    assert main(arguments) == 2
    found = capsys.readouterr()
    assert found.out == ""
    assert found.err.count("\n") == 1
    assert says in found.err


def test_bench__shows_every_stage(bundle: Path, capsys: Captured) -> None:
    assert main(["bench", str(bundle), "--repetitions", "5", "--threads", "1"]) == 0
    found = capsys.readouterr()
    for text in ("preprocess", "engine", "decide", "statistics", "latency", "images/s"):
        assert text in found.out
    assert "5 repetitions over 16 images" in found.err
    assert "next: " in found.err


def test_bench__as_one_json_document_over_given_images(
    bundle: Path, images: Path, capsys: Captured
) -> None:
    arguments = ["bench", str(bundle), "--repetitions", "20", "--json", "--images", str(images)]
    assert main(arguments) == 0
    ((facts,), _) = lines(capsys)
    assert facts["images"] == 4
    assert facts["repetitions"] == 20
    assert facts["model_bytes"] == (bundle / "model.onnx").stat().st_size
    spread = facts["latency"]
    assert 0 < spread["min_ms"] <= spread["median_ms"] <= spread["p95_ms"]
    assert facts["images_per_second"] == pytest.approx(1000 / spread["median_ms"], rel=0.01)
    parts = sum(facts["stages"][name]["min_ms"] for name in ("preprocess", "engine", "decide"))
    assert parts <= spread["median_ms"] + 1e-3


def test_bench__without_images_is_refused(bundle: Path) -> None:
    with pytest.raises(UserError, match="1 image"):
        bench(Inspector.open(bundle, threads=1), [], repetitions=3)


@pytest.mark.parametrize("command", [[], ["verify"], ["predict"], ["bench"]])
def test_help__is_there_for_every_command(command: list[str], capsys: Captured) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*command, "--help"])
    assert ended.value.code == 0
    said = capsys.readouterr().out
    assert "BUNDLE" in said
    assert "usage: plumbline-edge" in said


@pytest.mark.parametrize("command", ["verify", "bench"])
def test_mistakes__are_a_json_document_for_who_asked_for_one(
    command: str, capsys: Captured
) -> None:
    assert main([command, "absent", "--json"]) == 2
    found = capsys.readouterr()
    document = json.loads(found.out)
    assert document["exit_code"] == 2
    assert document["error"] == "BundleError"
    assert "no bundle folder 'absent'" in document["faults"][0]
    assert found.err.startswith("error: no bundle folder")


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["inspect"],
        ["predict", "bundle"],
        *(["predict", "bundle", "a.png", "--max-megapixels", n] for n in ("nan", "0", "-1", "x")),
        ["predict", "bundle", "a.png", "--log", ""],
    ],
)
def test_wrong_command_line__shows_the_usage(arguments: list[str], capsys: Captured) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "usage: plumbline-edge" in capsys.readouterr().err


def test_version(capsys: Captured) -> None:
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out.startswith("plumbline ")


def test_label_alone__is_told_as_the_decision(tmp_path: Path, capsys: Captured) -> None:
    folder = write_bundle(tmp_path / "bundle", decision=Decision())
    (tmp_path / "a.png").write_bytes(png(pictures(1)[0]))
    assert main(["verify", str(folder)]) == 0
    assert "the label alone\n" in capsys.readouterr().out
    assert main(["predict", str(folder), str(tmp_path / "a.png")]) == 0
    ((answer,), _) = lines(capsys)
    assert (answer["outcome"], answer["p_defect"]) == ("classified", None)


def test_failing_engine__stops_the_batch_with_code_1(
    bundle: Path, images: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: Inspector, pixels: Any) -> None:
        raise EngineError("the accelerator fell off the bus")

    monkeypatch.setattr(Inspector, "inspect", fail)
    assert main(["predict", str(bundle), str(images)]) == 1
    assert capsys.readouterr() == ("", "error: the accelerator fell off the bus\n")


def test_interrupt__says_what_stands(
    bundle: Path, images: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(self: Inspector, pixels: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Inspector, "inspect", interrupt)
    assert main(["predict", str(bundle), str(images)]) == 130
    assert "stands" in capsys.readouterr().err


def test_system_error__is_one_line(
    bundle: Path, images: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: Path, *_: Any) -> None:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "rglob", fail)
    assert main(["predict", str(bundle), str(images)]) == 2
    assert "Permission denied" in capsys.readouterr().err


def test_file_that_vanishes_or_is_closed_to_us__is_no_image_of_the_folder(tmp_path: Path) -> None:
    assert not batch._is_image(tmp_path / "gone")


def test_reader_that_has_seen_enough__is_no_error(bundle: Path, images: Path) -> None:
    for i in range(300):
        (images / f"more{i}.png").symlink_to(images / "a.png")
    predict = f"{sys.executable} -m deploy.edge.cli predict {bundle} {images}"
    command = f"{predict} | head -n 1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60)
    answer, code = done.stdout.splitlines()
    assert json.loads(answer)["path"].endswith("a.png")
    assert code == "141"
    closed = subprocess.run(
        ["bash", "-c", f"{predict} >&-"], capture_output=True, text=True, timeout=60
    )
    assert closed.returncode == 0, closed.stderr
    assert "Traceback" not in done.stderr
    assert "Error" not in done.stderr


def test_progress__is_shown_to_people_only(monkeypatch: pytest.MonkeyPatch) -> None:
    class Screen:
        def __init__(self, person: bool) -> None:
            self.person, self.text = person, ""

        def isatty(self) -> bool:
            return self.person

        def write(self, text: str) -> None:
            self.text += text

        def flush(self) -> None:
            pass

    monkeypatch.setattr("deploy.edge.progress.INTERVAL", 0.0)
    for person in (True, False):
        screen = Screen(person)
        monkeypatch.setattr(sys, "stderr", screen)
        with Progress(4) as progress:
            progress.advance()
            line = progress.line(progress._start + 2.0)
        assert line == "1/4, 0/s, 6 s left"
        assert ("1/4" in screen.text) == person


def test_help__imports_nothing_heavy() -> None:
    program = (
        "import sys, contextlib\n"
        "from deploy.edge.cli import main\n"
        "with contextlib.suppress(SystemExit): main(['--help'])\n"
        "assert not {'cv2', 'onnxruntime', 'numpy'} & set(sys.modules)"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr
