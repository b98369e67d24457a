"""`plumbline data split`: whole groups into train, val and test; the audit of a split; the price of a random one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from inspection.errors import CheckFailed, ConfigError, UserError
from pipelines.data_options import option_faults
from pipelines.output import Answer, Table, data_command

if TYPE_CHECKING:
    from data_checks.split_audit import SplitAudit
    from inspection.config import SplitConfig
    from inspection.data.index import ImageIndex

PARTS = ("train", "val", "test")
SHOWN = 12
"""Leaking images named in the terminal."""


def split_index(
    index: Path, settings: dict[str, Any], *, seed: int, embeddings: Path | None, compare: bool
) -> Answer:
    """Write `split` into the index, which `revert` takes back; with `compare` also what a random split promises."""
    from data_checks.embeddings import load_embeddings
    from data_checks.split_audit import check_kept
    from data_checks.split_price import split_price
    from inspection.data.edits import Edits, changes
    from inspection.data.index import ImageIndex
    from inspection.data.journal import apply_edits
    from inspection.data.own_split import place

    if compare and embeddings is None:
        raise UserError(
            "--compare trains a probe on vectors of the images: give --embeddings FILE; "
            "a run with the 'pipeline' extra makes them (pip install '.[pipeline]')"
        )
    config = split_config(settings)
    before = ImageIndex.load(index)
    vectors = None if embeddings is None else load_embeddings(embeddings, before)
    after = place(before, config, seed=seed)
    check_kept(after, config)
    made = Edits("split", changes(before, after, reason=f"seed {seed}"))
    if made.edits:
        apply_edits(index, made)
    lines = [*_notes(before), *_left_out(after)]
    document: dict[str, Any] = {"index": str(index), "images": _images(after)}
    if compare and vectors is not None:
        price = split_price(after, vectors, config, seed=seed)
        lines.append(f"Price        {price.sentence}")
        document["price"] = price.sentence
    return Answer(
        document=document,
        table=_table(after),
        lines=[*lines, f"Index        {index}"],
        next=[data_command("split", index, "--audit"), data_command("revert", index)],
    )


def audit_split_of(index: Path, settings: dict[str, Any]) -> Answer:
    """What leaks between the splits of the index; exit code 3 above the limit."""
    from data_checks.split_audit import audit_split
    from inspection.data.index import ImageIndex

    config = split_config(settings)
    found = audit_split(ImageIndex.load(index), config)
    rows = [(f"{p.seen} → {p.judged}", f"{p.rate:.1%}", p.sentence) for p in found.pairs]
    examples = [one for pair in found.pairs for one in pair.examples]
    refused, lines = "", [f"Leak         {one.named}" for one in examples[:SHOWN]]
    if len(examples) > SHOWN:
        lines.append(f"             … and {len(examples) - SHOWN} more")
    try:
        found.require(config.max_leak_rate)
    except CheckFailed as refusal:
        refused = str(refusal)
        lines.append(f"Refused: {refusal}")
    return Answer(
        document={
            "passed": not refused,
            "rates": {f"{p.seen}-{p.judged}": p.rate for p in found.pairs},
            "leaks": [
                {"path": o.path, "seen": o.seen_path, "cause": o.cause, "why": o.sentence}
                for o in examples
            ],
            "refused": refused,
        },
        table=Table(("between", "rate", "what was seen"), rows),
        lines=lines,
        next=_regrouping(index, found) if refused else [],
        exit_code=CheckFailed.exit_code if refused else 0,
    )


def _regrouping(index: Path, found: SplitAudit) -> list[str]:
    turned = ["--symmetries"] if any("turned" in pair.causes for pair in found.pairs) else []
    plan = index.with_suffix(".dedupe.json")
    return [
        data_command("dedupe", index, *turned),
        data_command("apply", index, plan),
        data_command("split", index),
    ]


def split_config(settings: dict[str, Any]) -> SplitConfig:
    """The strict config of these settings; every fault at once."""
    from pydantic import ValidationError

    from inspection.config import RunConfig
    from pipelines.door import contradictions

    try:
        config = RunConfig.model_validate(
            {"name": "split", "data": {"kind": "synthetic"}, "split": settings}
        )
    except ValidationError as error:
        raise ConfigError(option_faults(error, sections=1)) from error
    if faults := list(contradictions(config)):
        raise ConfigError(faults)
    return config.split


def _notes(index: ImageIndex) -> list[str]:
    if index.frame["group"].isna().all():
        return [
            "Note         nothing is grouped: where plumbline data dedupe finds copies, apply its plan before"
        ]
    return []


def _left_out(after: ImageIndex) -> list[str]:
    from inspection.data.unlabelled import left_out

    left = left_out(after)
    said = "unlabelled images in no split: they are grouped with images of val or test"
    return [f"Left out     {left} {said}"] if left else []


def _images(index: ImageIndex) -> dict[str, int]:
    return {part: len(index.split(part)) for part in PARTS}


def _table(index: ImageIndex) -> Table:
    frame = index.usable().frame
    labels = sorted(frame["label"].dropna().unique())
    rows = [
        (
            label,
            *(str(int(((frame["label"] == label) & (frame["split"] == p)).sum())) for p in PARTS),
        )
        for label in labels
    ]
    bare = frame["label"].isna()
    if (frame["split"].notna() & bare).any():
        rows.append(
            ("(no label)", *(str(int((bare & (frame["split"] == p)).sum())) for p in PARTS))
        )
    return Table(("class", *PARTS), rows)
