"""`plumbline-edge predict`: an answer or a reason for every image, and what ends the batch."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from deploy.edge import batch
from deploy.edge.bundle import open_bundle
from deploy.edge.cli import main
from deploy.edge.errors import EngineError
from deploy.edge.files import sha256_file
from deploy.edge.inspector import Inspector
from deploy.edge.prediction_log import read_predictions, segments
from deploy.edge.preprocess import preprocess
from deploy.edge.spec import Decision
from tests.edge_bundles import CLASSES, SPEC, by_numpy, pictures, png, write_bundle
from tests.unit.edge_cli_material import Captured, lay_images, lines


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return write_bundle(tmp_path / "bundle")


@pytest.fixture
def images(tmp_path: Path) -> Path:
    return lay_images(tmp_path / "images")


def test_predict__answers_as_numpy_does(bundle: Path, images: Path, capsys: Captured) -> None:
    assert main(["predict", str(bundle), "--unsigned", str(images)]) == 0
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
    main(["predict", str(bundle), "--unsigned", str(images / pattern)])
    answers, _ = lines(capsys)
    assert [answer["path"] for answer in answers] == [str(path) for path in expected]


def test_predict__says_how_many_were_accepted_and_rejected(
    tmp_path: Path, images: Path, capsys: Captured
) -> None:
    told = []
    for reject_at in (0.0, 1.0):
        decision = Decision("ok", reject_at)
        folder = write_bundle(tmp_path / f"bundle-{reject_at}", decision=decision)
        assert main(["predict", str(folder), "--unsigned", str(images)]) == 0
        told.append(lines(capsys)[1])
    assert "4 images: 0 accepted (0.0%), 4 rejected (100.0%)\n" in told[0]
    assert "4 images: 4 accepted (100.0%), 0 rejected (0.0%)\n" in told[1]


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        (
            {"review": 1, "accept": 5, "reject": 2, "without answer": 1},
            "9 images: 5 accepted (62.5%), 2 rejected (25.0%), 1 for review (12.5%), 1 without answer",
        ),
        ({"classified": 3}, "3 images: 3 classified (100.0%)"),
        ({"classified": 3, "review": 1}, "4 images: 1 for review (25.0%), 3 classified (75.0%)"),
        ({"without answer": 2}, "2 images: 2 without answer"),
    ],
)
def test_counts__are_shares_of_what_was_answered(counts: dict[str, int], said: str) -> None:
    assert batch.counted(counts) == said


def test_predict__takes_each_file_once(bundle: Path, images: Path, capsys: Captured) -> None:
    assert main(["predict", str(bundle), "--unsigned", str(images / "a.png"), str(images)]) == 0
    assert len(lines(capsys)[0]) == 4


def test_predict__appends_to_the_log(bundle: Path, images: Path, capsys: Captured) -> None:
    log = images.parent / "log"
    for _ in range(2):
        assert main(["predict", str(bundle), "--unsigned", str(images), "--log", str(log)]) == 0
    answers, said = lines(capsys)
    logged = list(read_predictions(log))
    assert [record["image_id"] for record in logged] == [answer["image_id"] for answer in answers]
    assert {record["model"] for record in logged} == {open_bundle(bundle).digest}
    assert all(len(record["embedding"]) == 8 for record in logged)
    assert f"plumbline monitor CONFIG {log}" in said
    assert len(segments(log)) == 1


def test_origin__is_logged_and_a_nameless_one_refused(
    bundle: Path, tmp_path: Path, capsys: Captured
) -> None:
    folder, log = tmp_path / "line", tmp_path / "log"
    folder.mkdir()
    (folder / "one.png").write_bytes(png(pictures(1)[0]))
    asked = ["predict", str(bundle), "--unsigned", str(folder), "--log", str(log)]

    assert main([*asked, "--line", " 3 ", "--camera", "left"]) == 0

    (record,) = read_predictions(log)
    assert (record["line"], record["camera"], "session" in record) == ("3", "left", False)
    with pytest.raises(SystemExit):
        main([*asked, "--line", " "])
    assert "1 to 100 printable characters" in capsys.readouterr().err


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
    assert (
        main(["predict", str(bundle), "--unsigned", str(folder), missing, "--log", str(log)]) == 2
    )
    answers, said = lines(capsys)
    found = {Path(answer["path"]).name: answer.get("reason", "") for answer in answers}
    assert found == {**expected, "missing.png": "missing"}
    assert all("label" not in answer for answer in answers if "error" in answer)
    assert "5 without answer" in said
    assert len(list(read_predictions(log))) == 6


def test_limit__is_given_on_the_command_line(bundle: Path, images: Path, capsys: Captured) -> None:
    arguments = [
        "predict",
        str(bundle),
        "--unsigned",
        str(images / "a.png"),
        "--max-megapixels",
        "0.0001",
    ]
    assert main(arguments) == 2
    ((answer,), _) = lines(capsys)
    assert answer["reason"] == "too_large"


def test_label_alone__is_told_as_the_decision(tmp_path: Path, capsys: Captured) -> None:
    folder = write_bundle(tmp_path / "bundle", decision=Decision())
    (tmp_path / "a.png").write_bytes(png(pictures(1)[0]))
    assert main(["verify", str(folder), "--unsigned"]) == 0
    assert "the label alone\n" in capsys.readouterr().out
    assert main(["predict", str(folder), "--unsigned", str(tmp_path / "a.png")]) == 0
    ((answer,), _) = lines(capsys)
    assert (answer["outcome"], answer["p_defect"]) == ("classified", None)


def test_failing_engine__stops_the_batch_with_code_1(
    bundle: Path, images: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: Inspector, pixels: Any) -> None:
        raise EngineError("the accelerator fell off the bus")

    monkeypatch.setattr(Inspector, "inspect", fail)
    arguments = ["predict", str(bundle), "--unsigned", str(images), "--engine", "onnxruntime"]
    assert main(arguments) == 1
    assert capsys.readouterr() == ("", "error: the accelerator fell off the bus\n")


def test_interrupt__says_what_stands(
    bundle: Path, images: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(self: Inspector, pixels: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Inspector, "inspect", interrupt)
    assert main(["predict", str(bundle), "--unsigned", str(images)]) == 130
    assert "stands" in capsys.readouterr().err


def test_system_error__is_one_line(
    bundle: Path, images: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: Path, *_: Any) -> None:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "rglob", fail)
    assert main(["predict", str(bundle), "--unsigned", str(images)]) == 2
    assert "Permission denied" in capsys.readouterr().err


def test_file_that_vanishes_or_is_closed_to_us__is_no_image_of_the_folder(tmp_path: Path) -> None:
    assert not batch._is_image(tmp_path / "gone")


def test_reader_that_has_seen_enough__is_no_error(bundle: Path, images: Path) -> None:
    for i in range(300):
        (images / f"more{i}.png").symlink_to(images / "a.png")
    predict = f"{sys.executable} -m deploy.edge.cli predict {bundle} --unsigned {images}"
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
