"""`plumbline data embed` makes the very vectors that a run with the same teacher makes, in its own words."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from inspection.data.index import ImageIndex
from inspection.features.extract import Features, extract_features
from inspection.learning_config import TeacherConfig
from inspection.store import Store
from tests.unit.checks_material import surface

pytestmark = pytest.mark.training

VIT = ("embed", "index.parquet", "feat", "--backbone", "test_vit", "--image-size", 32)


@pytest.fixture
def images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: Any) -> Path:
    monkeypatch.chdir(tmp_path)
    for number in range(6):
        folder = tmp_path / "images" / "ab"[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / f"{number}.png"), surface(number, size=48))
    said("import", "images")
    return tmp_path / "images"


def fault(document: dict[str, Any]) -> str:
    (only,) = document["faults"]
    return str(only)


@pytest.mark.parametrize("pooling", ["levels", "cls", "patches", "cls+patches"])
@pytest.mark.parametrize("batch", ["2", "auto"])
def test_options_mean_what_a_teachers_keys_mean(
    images: Path, said: Any, tmp_path: Path, pooling: str, batch: str
) -> None:
    made = said(*VIT, "--pooling", pooling, "--batch-size", batch, "--precision", "auto")
    config = TeacherConfig.model_validate(
        {
            "backbone": "test_vit",
            "image_size": 32,
            "pooling": pooling,
            "precision": "auto",
            "batch_size": batch if batch == "auto" else int(batch),
        }
    )
    index = ImageIndex.load(Path("index.parquet"))
    wanted = extract_features(index, config, store=Store(tmp_path / "other"), seed=7)
    found = Features.load(Path("feat"))
    assert made["size"] == wanted.matrix.shape[1]
    assert found.backbone == wanted.backbone
    assert made["pooling"] == wanted.backbone.pooling
    np.testing.assert_allclose(found.matrix, wanted.matrix, rtol=1e-5, atol=1e-5)


def test_features_of_another_pooling_are_kept(images: Path, said: Any) -> None:
    said(*VIT, "--pooling", "cls")
    said(*VIT, "--pooling", "cls", "--batch-size", 3)
    kept = Path("feat/features.safetensors").read_bytes()
    assert "another --pooling" in fault(said(*VIT, "--pooling", "patches", code=2))
    assert Path("feat/features.safetensors").read_bytes() == kept
    said(*VIT, "--pooling", "patches", "--force")
    assert Path("feat/features.safetensors").read_bytes() != kept


@pytest.mark.parametrize(
    ("wrong", "start"),
    [
        (("--pooling", "clss"), "--pooling: "),
        (("--batch-size", "many"), "--batch-size many: give a number from 1, or auto"),
        (("--batch-size", "0"), "--batch-size 0: "),
        (("--precision", "int8"), "--precision: "),
        (("--engine", "dask"), "--engine: "),
    ],
)
def test_what_no_teacher_takes_is_refused_by_the_options_name(
    images: Path, said: Any, wrong: tuple[str, str], start: str
) -> None:
    assert fault(said(*VIT, *wrong, code=2)).startswith(start)
    assert not Path("feat").exists()


def test_what_the_network_cannot_do_is_said_in_options(images: Path, said: Any) -> None:
    cnn = ("embed", "index.parquet", "feat", "--backbone", "test_resnet", "--image-size", 64)
    told = fault(said(*cnn, "--pooling", "cls", code=2))
    assert "give --pooling 'patches' or 'levels'" in told
    assert "teacher." not in told


@pytest.mark.skipif(find_spec("ray") is not None, reason="Ray is here")
def test_without_ray_the_engine_says_what_to_install(images: Path, said: Any) -> None:
    assert "plumbline data embed --engine ray needs the 'ray' extra" in fault(
        said(*VIT, "--engine", "ray", code=2)
    )
