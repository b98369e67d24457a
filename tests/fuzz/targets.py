"""Everything that parses a file from outside, each with small valid files, which of them to spoil, and how it is read.

Covered: every annotation format through `ingest`, so down to the pixels; edits, journals, label decisions, profiles,
embeddings, run configs. Not covered: image formats themselves (`tests/unit/test_edge_decode.py`), bundles.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from safetensors.numpy import save_file

from data_checks.embeddings import load_embeddings
from data_checks.label_decisions import decisions_to_edits, read_decisions
from data_checks.profile import diff, load_profile, profile_of
from inspection.config import ChecksConfig, DataConfig
from inspection.data.edits import Edit, Edits, edited
from inspection.data.index import ImageIndex
from inspection.data.ingest import ingest
from inspection.data.journal import apply_edits, history, revert_edits
from inspection.errors import ConfigError, PlumblineError
from inspection.store import Store
from pipelines.door import load_config
from tests.parquet_layout import parquet_layout
from tests.reader_layouts import LAYOUTS

CHECKS = ChecksConfig(min_side=1, max_megapixels=4.0)
LONGEST = 3000
"""Characters of one message: people have to read it."""
NOT_ONE_LINE = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Control characters, halves of characters, line ends: what breaks a line, a terminal or a table."""


class Finding(Exception):
    """What a parser must never do; the text says what it did."""


@dataclass(frozen=True)
class Target:
    """`build` writes valid files below an empty folder; `read` parses them, given the one that was spoilt."""

    name: str
    build: Callable[[Path], object]
    spoil: tuple[str, ...]
    read: Callable[[Path, str], object]
    settled: bool = True
    """Reading leaves the files as they are."""


def check_lines(lines: Iterable[str], what: str) -> None:
    """Finding when one of them is not a short line that any terminal and table can hold."""
    for line in lines:
        if len(line) > LONGEST:
            raise Finding(f"{what} of {len(line)} characters: {line[:80]!r}…")
        if any(unicodedata.category(letter) in NOT_ONE_LINE for letter in line):
            raise Finding(f"{what} is not one line of text: {line[:300]!r}")


def lines_of(error: PlumblineError) -> list[str]:
    """The lines that the error means to have: one, or one per fault where it collects them."""
    text = str(error)
    if isinstance(error, ConfigError):
        return list(error.faults)
    first, *rest = text.split("\n")
    listed = first.endswith(f"({len(rest)}):") and all(line.startswith("  ") for line in rest)
    return [first, *rest] if listed else [text]


def _reader(kind: str, **more: object) -> Callable[[Path, str], None]:
    def read(root: Path, _spoilt: str) -> None:
        config = DataConfig.model_validate({"kind": kind, "root": root, **more})
        index = ingest(config, CHECKS, store=Store(root / ".store"), seed=0)
        index.to_bytes()
        frame = index.frame
        sentences = [*frame["detail"].dropna(), *chain.from_iterable(frame["warnings"])]
        check_lines(sentences, "a row's sentence")
        if (lost := frame["quarantine"].isna() & frame["pixel_id"].isna()).any():
            raise Finding(f"a row neither read nor set aside: {frame['path'][lost].iloc[0]!r}")

    return read


def _yolo_names(root: Path) -> None:
    LAYOUTS["yolo"](root)
    (root / "data.yaml").write_text("names:\n  0: crack\n  1: dent\nnc: 2\ntrain: images\n")


def small_index(root: Path) -> ImageIndex:
    """Three images of two classes, as an import describes them."""
    facts = {"width": 40, "height": 32, "channels": 3, "bit_depth": 8, "format": "png"}
    light = {"brightness": 100.0, "contrast": 20.0, "sharpness": 5.0}
    rows = [
        {
            "path": path,
            "image_id": letter * 64,
            "pixel_id": letter,
            "label": label,
            **facts,
            **light,
        }
        for path, letter, label in zip(
            ("ok/1.png", "ok/2.png", "bad/3.png"), "abc", ("ok", "ok", "bad"), strict=True
        )
    ]
    return ImageIndex.from_rows(root, rows)


INDEX = small_index(Path("images"))
EDITS = Edits(
    "labels", (Edit("ok/1.png", "label", "ok", "bad", "seen"), Edit("ok/2.png", "boxes", [], []))
)


def _read_edits(root: Path, _spoilt: str) -> None:
    edited(INDEX, Edits.read(root / "edits.json")).to_bytes()


def _build_journal(root: Path) -> None:
    INDEX.save(root / "index.parquet")
    apply_edits(root / "index.parquet", EDITS)


def _read_journal(root: Path, _spoilt: str) -> None:
    history(root / "index.parquet")
    revert_edits(root / "index.parquet")


def _build_decisions(root: Path) -> None:
    rows = [{"path": "ok/1.png", "decision": "relabel", "label": "bad"}]
    rows += [{"path": "ok/2.png", "decision": "keep", "label": ""}]
    (root / "decisions.json").write_text(json.dumps({"decisions": rows}))
    lines = ["path,decision,label", *(",".join(row.values()) for row in rows)]
    (root / "decisions.csv").write_text("\n".join(lines) + "\n")


def _read_decisions(root: Path, spoilt: str) -> None:
    edits = decisions_to_edits(INDEX, read_decisions(root / spoilt))
    edited(INDEX, edits).to_bytes()


def _read_profile(root: Path, _spoilt: str) -> None:
    profile = load_profile(root / "profile.json")
    check_lines(diff(profile_of(INDEX), profile), "a difference")


def _build_embeddings(root: Path) -> None:
    ids = [str(image) for image in INDEX.frame["image_id"]]
    matrix = np.arange(12, dtype=np.float32).reshape(3, 4)
    np.savez(root / "vectors.npz", image_ids=np.array(ids), matrix=matrix)
    pq.write_table(pa.table({"image_id": ids, "embedding": matrix.tolist()}), root / "v.parquet")
    (root / "features").mkdir()
    save_file({"matrix": matrix}, root / "features" / "features.safetensors")
    (root / "features" / "features.json").write_text(json.dumps({"image_ids": ids, "backbone": {}}))


def _read_embeddings(root: Path, spoilt: str) -> None:
    load_embeddings(root / spoilt.partition("/")[0], INDEX)


def _build_config(root: Path) -> None:
    (root / "run.yaml").write_text(
        "name: line_one\nseed: 7\ndata:\n  kind: voc\n  root: ${IMAGES}/set\n  label_pattern: '^(.+)_[0-9]+$'\n"
        "  class_names: {1: crack, 2: dent}\nchecks: {max_quarantined: 0.2}\nsplit:\n  test: 0.2\n  val: 0.1\n"
        "teacher: &t {backbone: resnet18, weights: none}\nstudent: {epochs: 3, learning_rate: 1e-3}\n"
    )


def _read_config(root: Path, _spoilt: str) -> None:
    load_config(root / "run.yaml", [], {"IMAGES": "images"})


TARGETS = {
    target.name: target
    for target in (
        Target("folder", LAYOUTS["folder"], ("good/*.png",), _reader("folder")),
        Target("mask_pairs", LAYOUTS["mask_pairs"], ("*/Imgs/*.png", "*/Imgs/*.jpg"), _reader("mask_pairs")),
        Target("voc", LAYOUTS["voc"], ("annotations/*.xml",), _reader("voc")),
        Target("coco", LAYOUTS["coco"], ("annotations/*.json",), _reader("coco")),
        Target("yolo", _yolo_names, ("labels/*.txt", "data.yaml"), _reader("yolo")),
        Target("severstal", LAYOUTS["severstal"], ("train.csv",), _reader("severstal")),
        Target("index_masks", LAYOUTS["index_masks"], ("masks/*.png",), _reader("index_masks")),
        Target("template_pairs", LAYOUTS["template_pairs"], ("*/*/*.txt",), _reader("template_pairs")),
        Target("manifest_csv", LAYOUTS["manifest"], ("manifest.csv",), _reader("manifest")),
        Target("manifest_parquet", parquet_layout, ("manifest.parquet",), _reader("manifest")),
        Target("edits", lambda root: EDITS.save(root / "edits.json"), ("edits.json",), _read_edits),
        Target("journal", _build_journal, ("index.parquet.edits.json", "index.parquet"), _read_journal, False),
        Target("decisions", _build_decisions, ("decisions.json", "decisions.csv"), _read_decisions),
        Target("profile", lambda root: profile_of(INDEX).save(root / "profile.json"), ("profile.json",), _read_profile),
        Target("embeddings", _build_embeddings, ("vectors.npz", "v.parquet", "features/*"), _read_embeddings),
        Target("config", _build_config, ("run.yaml",), _read_config),
    )
}  # fmt: skip
