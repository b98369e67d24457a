"""`plumbline-edge` as an operator meets it: what it prints where, how it is measured, and how it ends."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.edge.bench import bench
from deploy.edge.bundle import open_bundle
from deploy.edge.cli import main
from deploy.edge.errors import UserError
from deploy.edge.inspector import Inspector
from deploy.edge.progress import Progress
from tests.edge_bundles import CLASSES, write_bundle
from tests.unit.edge_cli_material import Captured, lay_images, lines


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return write_bundle(tmp_path / "bundle")


@pytest.fixture
def images(tmp_path: Path) -> Path:
    return lay_images(tmp_path / "images")


def test_verify__tells_what_the_bundle_is_and_what_comes_next(
    bundle: Path, capsys: Captured
) -> None:
    assert main(["verify", str(bundle), "--unsigned"]) == 0
    found = capsys.readouterr()
    for text in (open_bundle(bundle).digest, "crack, ok, scratch", "12 x 16", "P(ok) >= 0.5"):
        assert text in found.out
    assert "16 images, same labels" in found.out
    assert "nodes on CPUExecutionProvider" in found.out
    assert f"next: plumbline-edge predict {bundle} --unsigned IMAGES" in found.err


def test_verify__as_one_json_document(bundle: Path, capsys: Captured) -> None:
    assert main(["verify", str(bundle), "--unsigned", "--json", "--threads", "1"]) == 0
    ((facts,), _) = lines(capsys)
    assert facts["digest"] == open_bundle(bundle).digest
    assert facts["classes"] == list(CLASSES)
    assert 0 <= facts["golden_gap"] <= facts["golden_tolerance"]
    assert facts["engine"]["threads"] == 1


def test_verify__tells_what_the_thresholds_promise(tmp_path: Path, capsys: Captured) -> None:
    said = ["at most 1 % escape", "1 % cannot be promised with 9 good images"]
    one, two = (
        write_bundle(tmp_path / str(count), provenance={"thresholds": said[:count]})
        for count in (1, 2)
    )
    assert main(["verify", str(one), "--unsigned"]) == 0
    assert re.search(r"^promise +at most 1 % escape$", capsys.readouterr().out, re.MULTILINE)
    assert main(["verify", str(two), "--unsigned"]) == 0
    shown = capsys.readouterr().out
    assert re.search(r"^promise 1 +at most 1 % escape$", shown, re.MULTILINE)
    assert re.search(r"^promise 2 +1 % cannot be promised with 9", shown, re.MULTILINE)
    assert main(["verify", str(two), "--unsigned", "--json"]) == 0
    ((facts,), _) = lines(capsys)
    assert facts["promises"] == said
    assert facts["decision"]["reject_at"] == 0.5


@pytest.mark.parametrize(
    "said", [None, [], "at most 1 %", {"a": "b"}, [7, ["nested"]], ["\x1b[2Jat most 0 %"]]
)
def test_verify__makes_no_promise_of_what_is_none(
    said: object, tmp_path: Path, capsys: Captured
) -> None:
    folder = write_bundle(tmp_path / "bundle", provenance={"thresholds": said})
    assert main(["verify", str(folder), "--unsigned"]) == 0
    assert "promise" not in capsys.readouterr().out


def test_verify__of_a_bundle_without_promises_says_nothing(bundle: Path, capsys: Captured) -> None:
    assert main(["verify", str(bundle), "--unsigned"]) == 0
    assert "promise" not in capsys.readouterr().out
    assert main(["verify", str(bundle), "--unsigned", "--json"]) == 0
    assert lines(capsys)[0][0]["promises"] == []


@pytest.mark.parametrize("command", [["verify"], ["predict"], ["bench"]])
def test_tampered_bundle__is_refused_by_every_command(
    command: list[str], bundle: Path, images: Path, capsys: Captured
) -> None:
    with (bundle / "model.onnx").open("ab") as stream:
        stream.write(b"\0")
    rest = [str(images), "--log", str(bundle.parent / "log")] if command == ["predict"] else []
    assert main([*command, str(bundle), "--unsigned", *rest]) == 2
    found = capsys.readouterr()
    assert found.out == ""
    assert found.err.count("\n") == 1
    assert found.err.startswith("error: ")
    assert "model.onnx was changed" in found.err


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
    assert main([*arguments, "--unsigned"]) == 2
    found = capsys.readouterr()
    assert found.out == ""
    assert found.err.count("\n") == 1
    assert says in found.err


def test_bench__shows_every_stage(bundle: Path, capsys: Captured) -> None:
    assert main(["bench", str(bundle), "--unsigned", "--repetitions", "5", "--threads", "1"]) == 0
    found = capsys.readouterr()
    for text in ("preprocess", "engine", "decide", "statistics", "latency", "images/s"):
        assert text in found.out
    assert "5 repetitions over 16 images" in found.err
    assert "next: " in found.err


def test_bench__as_one_json_document_over_given_images(
    bundle: Path, images: Path, capsys: Captured
) -> None:
    arguments = ["bench", str(bundle), "--repetitions", "20", "--json", "--images", str(images)]
    assert main([*arguments, "--unsigned"]) == 0
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
    assert main([command, "absent", "--unsigned", "--json"]) == 2
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
