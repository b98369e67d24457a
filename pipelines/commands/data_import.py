"""`plumbline data import`: a folder of images as an index."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inspection.errors import CheckFailed, ConfigError, DataError, UserError
from pipelines.commands.target import checked_target, outside_images, replaceable
from pipelines.data_options import by_option, option_faults
from pipelines.output import Answer, Table, data_command
from pipelines.settings import nearest

if TYPE_CHECKING:
    from inspection.config import DataConfig
    from inspection.data.index import ImageIndex

WITH_FILE = ("coco", "manifest", "severstal", "yolo")
"""Kinds that read one annotation file for all images, which --annotations may name."""
NAMED = 5
"""Files that are set aside and named in the terminal."""
LISTED = 200
"""Those in the document; the index has all."""


def import_images(
    source: Path,
    out: Path,
    *,
    kind: str | None,
    settings: Mapping[str, Any],
    class_names: Sequence[str],
    edits: Sequence[Path],
    force: bool = False,
) -> Answer:
    """Read `source` and write the index to `out`; edits are applied to it before.

    Exit code 3 when no image is usable.
    """
    from data_checks.contradictions import label_conflicts
    from data_checks.edit_files import with_edits
    from inspection.config import ChecksConfig
    from inspection.data.ingest import ingest
    from inspection.data.journal import journal_file
    from inspection.data.readers.guess import LAYOUTS, guess_kind, passed_over
    from inspection.store import Store

    target = checked_target(out, ".parquet")
    _check_journal(target, force=force)
    if kind is not None and kind not in LAYOUTS:
        raise UserError(f"--kind {kind}: no such layout{nearest(kind, list(LAYOUTS))}")
    with _by_option():
        given = kind or guess_kind(source)
    if settings.get("annotations") is not None and given not in WITH_FILE:
        raise UserError(
            f"--annotations: kind '{given}' reads no such file; give --kind {', '.join(WITH_FILE)}, or leave it out"
        )
    config = data_config({"kind": given, "root": source.resolve(), **settings}, class_names)
    if source.is_dir():
        outside_images(target, source)
    replaced = _replaced(target, source, given, force=force)
    with _by_option():
        index = ingest(config, ChecksConfig(), store=Store(Path(".plumbline")), seed=0)
    index = with_edits(index, edits)
    index.save(target)
    journal_file(target).unlink(missing_ok=True)
    notes = [f"Note         {said}" for said in passed_over(source, given)]
    notes += [f"Replaced     the earlier {target}"] if replaced else []
    return _answer(index, given, target, len(label_conflicts(index.usable().frame)), notes)


@contextmanager
def _by_option() -> Iterator[None]:
    """Errors of readers, which name keys of a config, in the words of the command line."""
    try:
        yield
    except DataError as error:
        raise by_option(error) from error


def _check_journal(target: Path, *, force: bool) -> None:
    """UserError for an index that somebody has worked on: what was applied would be lost, and the way back with it."""
    from inspection.data.journal import journal_file

    if journal_file(target).exists() and not force:
        raise UserError(
            f"'{target}' has edits that can be taken back ({journal_file(target).name}): "
            "revert them, or give --force or another --out"
        )


def _replaced(target: Path, source: Path, kind: str, *, force: bool) -> bool:
    """Whether an index of the same folder, read as the same kind, is written anew; anything else needs `force`."""
    if not target.exists():
        return False
    return replaceable(target, own=not (why := _other(target, source, kind)), force=force, why=why)


def _other(target: Path, source: Path, kind: str) -> str:
    """What tells the file from an earlier reading of the folder."""
    from inspection.data.index import ImageIndex

    try:
        earlier = ImageIndex.load(target)
    except DataError:
        return "is no index of this version"
    if earlier.root != source.resolve():
        return f"is the index of '{earlier.root}'"
    kinds = sorted(set(earlier.frame["source"].dropna()) - {kind})
    return f"was read as {kinds[0]}" if kinds else ""


def data_config(settings: Mapping[str, Any], class_names: Sequence[str]) -> DataConfig:
    """The strict config of these settings; every fault at once."""
    from pydantic import ValidationError

    from inspection.config import RunConfig
    from pipelines.door import contradictions

    names, faults = _numbered(class_names)
    try:
        config = RunConfig.model_validate(
            {"name": "data", "data": {**settings, "class_names": names}}
        )
    except ValidationError as error:
        raise ConfigError([*faults, *option_faults(error, sections=1)]) from error
    faults += [
        said.replace("data.label_pattern", "--label-pattern") for said in contradictions(config)
    ]
    if faults:
        raise ConfigError(faults)
    return config.data


def _numbered(class_names: Sequence[str]) -> tuple[dict[int, str], list[str]]:
    """From NUMBER=NAME."""
    names: dict[int, str] = {}
    faults = []
    for text in class_names:
        number, equals, name = text.partition("=")
        if equals and name and number.isdecimal():
            if names.setdefault(int(number), name) != name:
                faults.append(
                    f"--class-name {number}: is '{names[int(number)]}' and '{name}'; give one"
                )
        else:
            faults.append(f"--class-name '{text}': give NUMBER=NAME, for example 1=scratch")
    return names, faults


def _answer(
    index: ImageIndex, kind: str, target: Path, conflicts: int, notes: Sequence[str]
) -> Answer:
    from inspection.data.unlabelled import UNLABELLED, is_unlabelled

    usable = index.usable()
    meant = is_unlabelled(usable.frame)
    told = usable.frame["label"].mask(meant, f"({UNLABELLED})").fillna("(no label)")
    labels = Counter(map(str, told))
    aside = _set_aside(index)
    codes = Counter(each["code"] for each in aside)
    lines = [f"Read as {kind}: {len(usable)} of {len(index)} images usable"]
    lines += [f"Set aside    {count} x {code}" for code, count in sorted(codes.items())]
    lines += [f"             {o['path']}: {o['detail']}" for o in aside[:NAMED]]
    if len(aside) > NAMED:
        lines.append(
            f"             … and {len(aside) - NAMED} more: {data_command('view', target)}"
        )
    warned, said = _warnings(index)
    lines += said
    if conflicts:
        lines.append(f"Warning      {conflicts} pictures lie under more than one label")
    lines += [*notes, f"Index        {target}"]
    if not len(usable):
        lines.append(
            "Refused: no image is usable; see what is said of the files that are set aside"
        )
    return Answer(
        document={
            "index": str(target),
            "kind": kind,
            "images": len(index),
            "usable": len(usable),
            "labels": dict(labels),
            "set_aside": dict(codes),
            "set_aside_files": aside[:LISTED],
            "warnings": warned,
            "label_conflicts": conflicts,
            "notes": [note.partition(" ")[2].strip() for note in notes],
        },
        lines=lines,
        table=Table(("class", "images"), [(k, str(n)) for k, n in sorted(labels.items())]),
        next=_following(target, usable=len(usable)),
        exit_code=0 if len(usable) else CheckFailed.exit_code,
    )


def _set_aside(index: ImageIndex) -> list[dict[str, str]]:
    """Path, code and sentence of every file in quarantine, as they lie in the index."""
    frame = index.frame[index.frame["quarantine"].notna()]
    detail = frame["detail"].fillna(frame["quarantine"])
    columns = zip(frame["path"], frame["quarantine"], detail, strict=True)
    return [
        {"path": str(path), "code": str(code), "detail": str(why)} for path, code, why in columns
    ]


def _warnings(index: ImageIndex) -> tuple[dict[str, int], list[str]]:
    """Warnings by code, and a line of each: what it says, and of how many rows."""
    said = [warning for warnings in index.frame["warnings"] for warning in warnings]
    counts = Counter(warning.partition(":")[0] for warning in said)
    first = {warning.partition(":")[0]: warning for warning in reversed(said)}
    lines = [
        f"Warning      {first[code]}"
        if count == 1
        else f"Warning      {count} x {code}, such as:{first[code].partition(':')[2]}"
        for code, count in sorted(counts.items())
    ]
    return dict(counts), lines


def _following(target: Path, *, usable: int) -> list[str]:
    if not usable:
        return [data_command("view", target)]
    return [data_command("check", target), data_command("dedupe", target)]
