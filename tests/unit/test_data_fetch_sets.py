"""Whole public sets: as published, by one command that says what it is about to do, and the next one imports them."""

from __future__ import annotations

import dataclasses
import json
import shlex
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from inspection.data import public_sets
from inspection.data.download import Remote, download
from inspection.data.fetch import fetch, kaggle_secret, waiting_room
from inspection.data.index import ImageIndex
from inspection.data.public_sets import PUBLIC_SETS, PublicFile, PublicSet
from inspection.errors import DataError, UserError
from pipelines.commands import data_fetch
from tests.severstal_folder import severstal
from tests.unit.archive_material import tarred, zipped
from tests.web_server import Site, serving

NOW = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.fixture
def site() -> Iterator[Site]:
    with serving(Site({})) as made:
        yield made


def dogs() -> dict[str, bytes]:
    """As Stanford's archives: folders of breeds, annotations without a suffix."""
    generator = np.random.default_rng(0)
    names = [
        f"n0208562{i % 2}-{('Chihuahua', 'Maltese_dog')[i % 2]}/n0208562{i % 2}_{i}"
        for i in range(6)
    ]
    files: dict[str, bytes] = {}
    for name in names:
        fine, data = cv2.imencode(".jpg", generator.integers(0, 256, (40, 40, 3), np.uint8))
        assert fine
        files[f"Images/{name}.jpg"] = data.tobytes()
        files[f"Annotation/{name}"] = b"<annotation></annotation>"
    return files


def part_of(files: dict[str, bytes], start: str, folder: Path) -> bytes:
    picked = {name: data for name, data in files.items() if name.startswith(start)}
    return tarred(folder / "pack", dict(picked)).read_bytes()


@pytest.fixture
def local(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """The known sets, but served here."""
    site.files |= {
        "/images.tar": part_of(dogs(), "Images", tmp_path),
        "/annotation.tar": part_of(dogs(), "Annotation", tmp_path),
        "/lists.tar": tarred(tmp_path / "pack", {"train_list.mat": b"1"}).read_bytes(),
    }
    moved = {
        name: dataclasses.replace(
            one,
            files=tuple(
                PublicFile(f"{site.url}/{file.url.rpartition('/')[2]}", file.megabytes)
                for file in one.files
            ),
        )
        for name, one in PUBLIC_SETS.items()
    }
    monkeypatch.setattr(public_sets, "PUBLIC_SETS", moved)
    for name in ("KAGGLE_USERNAME", "KAGGLE_KEY", "KAGGLE_CONFIG_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return site


def test_without_yes_nothing_leaves_the_machine(local: Site, said: Any) -> None:
    listed = said("fetch")
    assert set(listed["sets"]) == set(PUBLIC_SETS)
    for name in PUBLIC_SETS:
        told = said("fetch", name, "somewhere", code=2)
        assert told["fetched"] is False
        assert "NON-COMMERCIAL" in " ".join(told["terms"])
        assert told["next"] == [f"plumbline data fetch {name} somewhere --yes"]
    assert "did you mean 'severstal'" in said("fetch", "severstall", code=2)["faults"][0]
    assert local.asked == []
    assert not Path("somewhere").exists()


def test_dogs_arrive_as_published_and_the_next_command_imports_them_with_clean_names(
    local: Site, said: Any
) -> None:
    local.cut_after = [200]
    made = said("fetch", "stanford-dogs", "dogs", "--yes")
    found = {p.relative_to("dogs").as_posix() for p in Path("dogs").rglob("*") if p.is_file()}
    assert found == {*dogs(), "train_list.mat"}
    record = json.loads(Path(made["record"]).read_bytes())
    assert "NON-COMMERCIAL" in record["terms"][0]
    assert [each["sha256_found"] for each in record["archives"]] == [
        each["sha256_found"] for each in made["archives"]
    ]
    assert not waiting_room(Path("dogs")).exists()
    words = made["next"][0].split()
    assert words[:3] == ["plumbline", "data", "import"]
    imported = said(*shlex.split(made["next"][0])[2:])
    assert imported["labels"] == {"Chihuahua": 3, "Maltese_dog": 3}
    assert "not empty" in said("fetch", "stanford-dogs", "dogs", "--yes", code=2)["faults"][0]


def test_severstal_wants_credentials_and_sends_them_once(
    local: Site, said: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = said("fetch", "severstal", "steel", "--yes", code=2)["faults"][0]
    assert "KAGGLE_USERNAME" in told
    assert local.asked == []
    source = severstal(tmp_path / "source", images=8)
    files = {
        p.relative_to(source).as_posix(): p.read_bytes() for p in source.rglob("*") if p.is_file()
    }
    fresh = next(data for name, data in files.items() if name.startswith("train_images/"))
    files |= {
        "train_images/clean.jpg": fresh,
        "test_images/new.jpg": fresh,
        "sample_submission.csv": b"ImageId_ClassId,EncodedPixels\n",
    }
    path = f"/{public_sets.KAGGLE_COMPETITION}"
    local.files[path] = zipped(tmp_path / "pack", files).read_bytes()
    monkeypatch.setenv("KAGGLE_USERNAME", "me")
    monkeypatch.setenv("KAGGLE_KEY", "secret")
    for status, words in ((401, "does not know your credentials"), (403, "accept the rules first")):
        local.statuses[path] = status
        told = said("fetch", "severstal", "steel", "--yes", code=2)["faults"][0]
        assert words in told
        assert "secret" not in told
    local.statuses.clear()
    made = said("fetch", "severstal", "steel", "--yes")
    assert made["files"] == len(files)
    imported = said(*shlex.split(made["next"][0])[2:])
    assert imported["kind"] == "severstal"
    assert imported["labels"]["(unlabelled)"] == 1
    assert "secret" not in Path(made["record"]).read_text()
    frame = ImageIndex.load(Path("severstal.parquet")).frame
    assert set(frame.loc[frame["label_source"] == "unlabelled", "path"]) == {"test_images/new.jpg"}


def test_kaggle_credentials_come_from_the_environment_or_its_file(tmp_path: Path) -> None:
    wanted = {"Authorization": "Basic bWU6c2VjcmV0"}
    assert kaggle_secret({"KAGGLE_USERNAME": "me", "KAGGLE_KEY": "secret"}, tmp_path) == wanted
    place = tmp_path / ".kaggle" / "kaggle.json"
    place.parent.mkdir()
    place.write_text('{"username": "me", "key": "secret"}')
    assert kaggle_secret({}, tmp_path) == wanted
    place.write_text("{secret")
    with pytest.raises(UserError, match="holds no username and key") as told:
        kaggle_secret({}, tmp_path)
    assert "{secret" not in str(told.value)


def one_file(site: Site) -> PublicSet:
    return PublicSet(
        "t", (PublicFile(f"{site.url}/set.zip", 1),), 1, ("free",), "page", ("FOLDER",)
    )


def test_an_archive_that_would_do_harm_leaves_no_folder_and_is_not_kept(
    site: Site, tmp_path: Path
) -> None:
    site.files["/set.zip"] = zipped(tmp_path / "a", {"x": b"1", "../evil": b"2"}).read_bytes()
    for _ in range(2):
        with pytest.raises(DataError, match="leads out of the folder"):
            fetch(one_file(site), tmp_path / "set", secret={}, now=NOW)
    assert len(site.asked) == 2
    assert not (tmp_path / "set").exists()
    assert not (tmp_path / "evil").exists()
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_archives_that_were_there_are_not_fetched_again_after_a_kill(
    site: Site, tmp_path: Path
) -> None:
    site.files["/set.zip"] = zipped(tmp_path / "a", {"x": b"1"}).read_bytes()
    download(Remote(f"{site.url}/set.zip"), waiting_room(tmp_path / "set") / "set.zip")
    found = fetch(one_file(site), tmp_path / "set", secret={}, now=NOW)
    assert len(site.asked) == 1
    assert (found.folder / "x").read_bytes() == b"1"
    assert [path.name for path in found.folder.iterdir()] == ["x"]


def test_secrets_are_in_no_words_of_ours() -> None:
    assert "hush" not in repr(Remote("https://x", secret={"Authorization": "hush"}))
    assert data_fetch.__doc__ is not None
