"""`plumbline data`, from a folder of images to every page, plan and export, and back to the first index."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from deploy.edge.files import sha256_file
from inspection.data.index import ImageIndex
from tests.unit.checks_material import surface
from tests.unit.test_checks_dedupe import again, part

pytestmark = pytest.mark.thorough


@pytest.fixture
def images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two classes; copies, a scratched copy, one picture under both labels, a file that is none."""
    monkeypatch.chdir(tmp_path)
    root = tmp_path / "images"
    for label in ("ok", "scratch"):
        (root / label).mkdir(parents=True)
    for seed in range(6):
        cv2.imwrite(str(root / "ok" / f"{seed}.png"), part(seed))
        cv2.imwrite(str(root / "scratch" / f"{seed}.png"), part(50 + seed))
    cv2.imwrite(str(root / "ok" / "0 again.png"), again(0))
    cv2.imwrite(str(root / "ok" / "1 scratched.png"), again(1, defect=True))
    cv2.imwrite(str(root / "scratch" / "two.png"), part(2))
    (root / "ok" / "broken.png").write_bytes(b"no image")
    return root


def test_from_images_to_a_plan_and_back(images: Path, said: Any) -> None:
    sources = {path: sha256_file(path) for path in images.rglob("*.png")}
    read = said("import", images, "--ok-class", "ok")
    assert (read["kind"], read["images"], read["usable"]) == ("folder", 16, 15)
    assert read["set_aside"] == {"undecodable": 1} or sum(read["set_aside"].values()) == 1
    assert read["label_conflicts"] == 1
    index = Path("index.parquet")
    first = index.read_bytes()
    plan = said("dedupe", index, "--page", "dedupe.html")
    assert (plan["drop"], plan["conflict"]) == (1, 2)
    assert index.read_bytes() == first
    assert "contradict a copy" in Path("dedupe.html").read_text("utf-8")
    applied = said("apply", index, plan["plan"])
    assert applied["usable"] == 14
    assert set(ImageIndex.load(index).frame["quarantine"].dropna()) >= {"duplicate"}
    assert said("apply", index, plan["plan"], code=2)["error"] == "DataError"
    assert said("revert", index)["left"] == 0
    assert index.read_bytes() == first
    assert {path: sha256_file(path) for path in images.rglob("*.png")} == sources


def test_checks_pages_and_profiles(images: Path, said: Any) -> None:
    said("import", images)
    (images / "scratch" / "two.png").unlink()
    said("import", images)
    checked = said(
        "check", "index.parquet", "--write-profile", "profile.json", "--page", "q.html", code=3
    )
    assert not checked["passed"]  # six of each class are fewer than the gate's eight
    assert Path("q.html").stat().st_size > 10_000
    same = said("check", "index.parquet", "--profile", "profile.json", "--no-quality", code=3)
    refused = {check["name"] for check in same["checks"] if check["state"] == "refused"}
    assert refused == {check["name"] for check in checked["checks"] if check["state"] == "refused"}
    assert said("check", "index.parquet", "--page", "q.html", "--no-quality", code=2)


def test_audits_decisions_and_their_end(images: Path, said: Any) -> None:
    said("import", images)
    first = Path("index.parquet").read_bytes()
    rng = np.random.default_rng(0)
    index = ImageIndex.load(Path("index.parquet")).usable()
    matrix = rng.normal(size=(len(index), 4)).astype(np.float32)
    np.savez("vectors.npz", paths=index.frame["path"].to_numpy(str), matrix=matrix)
    found = said("audit", "index.parquet", "--page", "audit.html", "--out", "queue.json")
    assert found["kinds"]["label_conflict"] == 2
    assert any("embeddings" in note for note in found["notes"])
    assert "decisions" in Path("audit.html").read_text("utf-8")
    said("audit", "index.parquet", "--embeddings", "vectors.npz")
    decided = [{"path": "scratch/two.png", "decision": "relabel", "label": "ok"}]
    Path("decisions.json").write_text(json.dumps({"decisions": decided}))
    said("apply", "index.parquet", "decisions.json")
    frame = ImageIndex.load(Path("index.parquet")).frame.set_index("path")
    assert frame.loc["scratch/two.png", "label"] == "ok"
    again_read = said("import", images, "--out", "second.parquet", "--edits", "decisions.json")
    assert again_read["label_conflicts"] == 0
    said("revert", "index.parquet")
    assert Path("index.parquet").read_bytes() == first


def test_patches_exports_and_the_view(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    root = tmp_path / "tiles"
    for label, value in (("MT_Free", 0), ("MT_Crack", 255)):
        folder = root / label / "Imgs"
        folder.mkdir(parents=True)
        for i in range(3):
            mask = np.zeros((90, 120), np.uint8)
            mask[30:40, 50 + i : 70] = value
            cv2.imwrite(str(folder / f"{i}.jpg"), surface(i, size=120)[:90])
            cv2.imwrite(str(folder / f"{i}.png"), mask)
    assert said("import", root)["kind"] == "mask_pairs"
    cut = said("patches", "index.parquet", "patches", "--size", 64, "--pictures", "drawn")
    assert cut["made"] == {"Crack": 3} or sum(cut["made"].values()) == 3
    assert len(list(Path("drawn").rglob("*.jpg"))) == 6
    assert said("view", "index.parquet")["images"] == 6
    assert said("view", Path(cut["folder"]) / "index.parquet", "--page", "p.html")["images"] == 3
    for to, target in (("coco", "c.json"), ("yolo", "y"), ("manifest", "m.csv")):
        assert said("export", "index.parquet", target, "--to", to)["images"] == 6


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("import", "nowhere"), "nowhere"),
        (("import", "."), "does not look like any layout"),
        (("import", ".", "--kind", "cocoo"), "--kind"),
        (("import", ".", "--out", "x.csv", "--kind", "folder"), "ends in .parquet"),
        (("import", ".", "--kind", "yolo", "--class-name", "x"), "NUMBER=NAME"),
        (("check", "none.parquet"), "none.parquet"),
        (("dedupe", "none.parquet"), "none.parquet"),
        (("audit", "none.parquet"), "none.parquet"),
        (("apply", "none.parquet", "plan.json"), "none.parquet"),
        (("revert", "none.parquet"), "none.parquet"),
        (("view", "none.parquet"), "none.parquet"),
        (("patches", "none.parquet", "out"), "none.parquet"),
        (("export", "none.parquet", "out.json"), "none.parquet"),
        (("export", "none.parquet", "out.txt"), "ends in .json"),
        (("export", "none.parquet", "out", "--to", "cocoo"), "did you mean 'coco'?"),
        (("export", "none.parquet", "o.json", "--part", "all"), "train, val, test"),
    ],
)
def test_mistakes_are_told_in_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    said: Any,
    arguments: tuple[str, ...],
    told: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    faults = said(*arguments, code=2)["faults"]
    assert all("\n" not in fault for fault in faults)
    assert told in " ".join(faults)
    assert not list(tmp_path.rglob("*.*"))


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", '{"planned": 3}', '{"edits": 3}', "\x00", "[" * 9999]
)
def test_files_that_hold_no_edits_are_refused(images: Path, said: Any, text: str) -> None:
    said("import", images)
    first = Path("index.parquet").read_bytes()
    Path("bad.json").write_text(text)
    said("apply", "index.parquet", "bad.json", code=2)
    assert Path("index.parquet").read_bytes() == first


def test_an_index_with_edits_is_not_read_over(images: Path, said: Any) -> None:
    said("import", images)
    plan = said("dedupe", "index.parquet")
    said("apply", "index.parquet", plan["plan"])
    assert "can be taken back" in said("import", images, code=2)["faults"][0]
    said("revert", "index.parquet")
    said("import", images)


@pytest.mark.training
def test_vectors_of_a_network_feed_the_audit_and_the_price(images: Path, said: Any) -> None:
    for label in ("ok", "scratch"):
        for seed in range(6, 12):
            cv2.imwrite(str(images / label / f"{seed}.png"), part(seed + 50 * (label == "scratch")))
    (images / "scratch" / "two.png").unlink()
    said("import", images)
    made = said("embed", "index.parquet", "vectors", "--image-size", 64)
    assert made["images"] == 26
    assert made["size"] >= 512
    assert said("embed", "index.parquet", "vectors", "--image-size", 64)["images"] == 26
    assert said("audit", "index.parquet", "--embeddings", "vectors")["judged"] == 26
    plan = said("dedupe", "index.parquet")
    said("apply", "index.parquet", plan["plan"])
    price = said("split", "index.parquet", "--compare", "--embeddings", "vectors")
    assert "split" in price["price"]
    assert said("split", "index.parquet", "--audit")["passed"]
    assert "--embeddings" in said("split", "index.parquet", "--compare", code=2)["faults"][0]
    assert said("embed", "index.parquet", "images", code=2)
    assert said("embed", "index.parquet", "v2", "--image-size", 3, code=2)


def test_leaks_of_a_given_split_are_refused(images: Path, said: Any) -> None:
    said("import", images)
    index = ImageIndex.load(Path("index.parquet"))
    split = ["train" if path.endswith("0.png") else "test" for path in index.frame["path"]]
    index.with_columns(split=split).save(Path("index.parquet"))
    found = said("split", "index.parquet", "--audit", code=3)
    assert found["rates"]["train-test"] > 0
    assert {leak["path"] for leak in found["leaks"]} >= {"ok/0 again.png"}
    assert "plumbline data dedupe" in found["refused"]
    assert said("split", "index.parquet", "--audit", "--max-leak-rate", 0.9)["passed"]
    fresh = said("split", "index.parquet", "--together", "sessions", code=2)
    assert "--" in fresh["faults"][0]
