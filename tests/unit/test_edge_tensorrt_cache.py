"""Engines on disk: which are believed, which are built anew and why. No TensorRT."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deploy.edge.engines.tensorrt_cache import engine_folder, read_header
from deploy.edge.engines.tensorrt_key import BuildOptions
from deploy.edge.engines.tensorrt_ready import Machine
from deploy.edge.errors import BundleError, EngineError, TamperedBundle
from tests.edge_bundles import HEIGHT, WIDTH, by_numpy, graph
from tests.unit.engine_cache_material import (
    MARK,
    OTHER_DRIVER,
    OTHER_GPU,
    OTHER_TENSORRT,
    Workshop,
    engines,
    key_of,
)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.onnx"
    path.write_bytes(graph().SerializeToString())
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "engines"


@pytest.fixture
def shop(tmp_path: Path) -> Workshop:
    return Workshop(tmp_path)


def test_first_time__is_built_proven_and_kept_and_then_found(
    shop: Workshop, model: Path, folder: Path
) -> None:
    first = shop.ready(model, folder)
    assert first.built is not None
    assert first.path == folder / key_of(model).file
    images = np.full((2, HEIGHT, WIDTH, 3), 90, np.uint8)
    assert np.allclose(
        first.engine.run(images).probabilities, by_numpy(images).probabilities, atol=1e-4
    )
    second = shop.ready(model, folder)
    assert second.built is None
    assert (second.path, second.facts) == (first.path, {"golden_gap": 0.25})
    assert shop.builds == 1


def flip(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


DAMAGE: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "a bit of the engine flipped": (lambda data: flip(data, len(data) - 100), "bytes were changed"),
    "its first byte flipped": (
        lambda data: flip(data, data.index(b"\n") + 1),
        "bytes were changed",
    ),
    "cut short": (lambda data: data[:-1], "were written"),
    "cut in the header": (lambda data: data[:100], "does not begin with a header"),
    "longer": (lambda data: data + b"x", "were written"),
    "empty": (lambda data: data[:0], "does not begin with a header"),
    "an engine without a header": (lambda data: data[data.index(b"\n") + 1 :], "a header"),
    "a header of another schema": (
        lambda data: data.replace(b"plumbline engine 1", b"plumbline engine 2"),
        "no engine file of this version",
    ),
    "a header that is a list": (lambda data: b"[]\n" + data, "does not begin with a header"),
    "nothing but brackets": (
        lambda data: data[:0] + b"[" * 60000 + b"\n",
        "does not begin with a header",
    ),
    "zeros": (lambda data: bytes(len(data)), "does not begin with a header"),
    "another key under our name": (
        lambda data: data.replace(b'"gpu":"Orin"', b'"gpu":"Thor"'),
        "built for another gpu 'Thor' (here 'Orin')",
    ),
    "a key without a GPU": (
        lambda data: data.replace(b'"gpu":"Orin",', b""),
        "built for another gpu 'unnamed' (here 'Orin')",
    ),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_file__is_told_and_built_anew_and_never_loaded(
    damage: str, shop: Workshop, model: Path, folder: Path
) -> None:
    path = shop.ready(model, folder).path
    assert path is not None
    change, says = DAMAGE[damage]
    damaged = change(path.read_bytes())
    assert damaged != path.read_bytes()
    path.write_bytes(damaged)
    shop.loaded.clear()
    again = shop.ready(model, folder)
    assert again.built is not None
    assert [payload[: len(MARK) + 2] for payload in shop.loaded] == [MARK + b"2\n"]
    (told,) = [line for line in shop.said if "is not used" in line]
    assert says in told
    assert "\n" not in told
    assert shop.ready(model, folder).built is None  # mended


@pytest.mark.parametrize(
    ("machine", "says"),
    [
        (OTHER_GPU, "gpu 'Orin' (here 'Thor'), compute capability '8.7' (here '11.0')"),
        (OTHER_DRIVER, "driver '540.4.0, CUDA 12060' (here '580.1.0, CUDA 13000')"),
        (OTHER_TENSORRT, "tensorrt '10.3.0' (here '11.4.0')"),
    ],
)
def test_engine_of_another_machine__is_told_and_never_loaded(
    machine: Machine, says: str, shop: Workshop, model: Path, folder: Path
) -> None:
    shop.ready(model, folder)
    shop.loaded.clear()
    here = shop.ready(model, folder, machine)
    assert here.built is not None
    assert len(shop.loaded) == 1
    assert any(says in line for line in shop.said)
    assert len(engines(folder)) == 2  # the other machine still finds its own
    assert shop.ready(model, folder).built is None


def test_another_model__is_another_engine(shop: Workshop, model: Path, folder: Path) -> None:
    shop.ready(model, folder)
    model.write_bytes(graph().SerializeToString() + b"\x9a\x03\x04note")  # an unknown field
    assert shop.ready(model, folder).built is not None
    assert not [line for line in shop.said if "is not used" in line]


def test_engine_with_other_batches__serves_who_opens_but_not_who_compiles(
    shop: Workshop, model: Path, folder: Path
) -> None:
    shop.ready(model, folder, options=BuildOptions(batch=3))
    assert shop.ready(model, folder).built is None
    assert shop.ready(model, folder, any_options=False).built is not None
    assert shop.builds == 2


def test_engine_that_fails_the_golden_images__is_not_kept(
    shop: Workshop, model: Path, folder: Path
) -> None:
    def wrong(engine: Any) -> float:
        raise TamperedBundle("golden self-test: 3 of 16 labels differ")

    with pytest.raises(TamperedBundle, match="3 of 16"):
        shop.ready(model, folder, prove=wrong)
    assert engines(folder) == []
    assert list(folder.glob(".*.engine")) == []


def test_kept_engine_that_answers_wrongly_now__is_built_anew(
    shop: Workshop, model: Path, folder: Path
) -> None:
    shop.ready(model, folder)
    verdicts = iter([TamperedBundle("golden self-test: 1 of 16 labels differ")])

    def wrong_once(engine: Any) -> float:
        for verdict in verdicts:
            raise verdict
        return 0.0

    assert shop.ready(model, folder, prove=wrong_once).built is not None
    assert any("1 of 16 labels differ" in line for line in shop.said)


def test_engine_that_does_not_load__is_built_anew(
    shop: Workshop, model: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.unit.engine_cache_material.MARK", b"other\n")
    path = shop.ready(model, folder).path
    monkeypatch.undo()
    assert shop.ready(model, folder).built is not None
    assert any("no engine" in line for line in shop.said)
    assert path in engines(folder)


def test_without_a_proof__nothing_is_kept(shop: Workshop, model: Path, folder: Path) -> None:
    ready = shop.ready(model, folder, prove=None)
    assert (ready.path, shop.builds) == (None, 1)
    assert not folder.exists()
    assert any("nothing proves it" in line for line in shop.said)


def test_folder_that_cannot_be_made__still_gives_an_engine(shop: Workshop, model: Path) -> None:
    ready = shop.ready(model, model / "below a file")
    assert ready.path is None
    assert any("cannot be written" in line for line in shop.said)


def test_absent_model__is_a_bundle_error(shop: Workshop, model: Path, folder: Path) -> None:
    with pytest.raises(BundleError, match="no model file"):
        shop.ready(model.with_name("absent.onnx"), folder)


def test_failed_build__leaves_nothing(shop: Workshop, model: Path, folder: Path) -> None:
    def fails(*_: Any) -> Any:
        raise EngineError("TensorRT built no engine (out of memory)")

    shop.build = fails  # type: ignore[method-assign]
    with pytest.raises(EngineError, match="out of memory"):
        shop.ready(model, folder)
    assert engines(folder) == []


def test_timings__shorten_the_next_build_on_this_machine_alone(
    shop: Workshop, model: Path, folder: Path
) -> None:
    shop.ready(model, folder)
    shop.ready(model, folder, options=BuildOptions(batch=2), any_options=False)
    shop.ready(model, folder, OTHER_GPU)
    assert shop.timings == [b"", b"timings", b""]


def test_damaged_timings__are_told_and_not_used(shop: Workshop, model: Path, folder: Path) -> None:
    shop.ready(model, folder)
    (timing,) = folder.glob("*.timing")
    timing.write_bytes(timing.read_bytes()[:-1])
    shop.ready(model, folder, options=BuildOptions(batch=2), any_options=False)
    assert shop.timings == [b"", b""]
    assert any(timing.name in line for line in shop.said)


def test_header__names_everything_the_engine_depends_on(
    shop: Workshop, model: Path, folder: Path
) -> None:
    path = shop.ready(model, folder).path
    assert path is not None
    header: Any = read_header(path)
    assert header["key"] == json.loads(json.dumps(key_of(model).document))
    assert set(header["key"]) == {
        "model", "tensorrt", "gpu", "compute_capability", "driver", "platform", "options", "adapter",
    }  # fmt: skip
    assert header["facts"] == {"golden_gap": 0.25}


def test_folder__is_the_services_own_or_the_users_cache() -> None:
    assert engine_folder({"PLUMBLINE_ENGINES": "/var/lib/line3"}) == Path("/var/lib/line3")
    assert engine_folder({"XDG_CACHE_HOME": "/c"}) == Path("/c/plumbline/engines")
    assert engine_folder({"PLUMBLINE_ENGINES": " "}) == Path.home() / ".cache/plumbline/engines"
