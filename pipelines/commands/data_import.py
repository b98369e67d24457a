"""`plumbline data import`: a folder of images as an index."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inspection.errors import ConfigError, UserError
from pipelines.commands.target import checked_target
from pipelines.output import Answer, Table

if TYPE_CHECKING:
    from inspection.config import DataConfig
    from inspection.data.index import ImageIndex


def import_images(
    source: Path,
    out: Path,
    *,
    kind: str | None,
    settings: Mapping[str, Any],
    class_names: Sequence[str],
    edits: Sequence[Path],
) -> Answer:
    """Read `source` and write the index to `out`; edits are applied to it before."""
    from data_checks.contradictions import label_conflicts
    from data_checks.edit_files import with_edits
    from inspection.config import ChecksConfig
    from inspection.data.ingest import ingest
    from inspection.data.journal import journal_file
    from inspection.data.readers.guess import guess_kind
    from inspection.store import Store

    target = checked_target(out, ".parquet")
    if journal_file(target).exists():
        raise UserError(
            f"'{target}' has edits that can be taken back ({journal_file(target).name}): "
            "remove that file, or give another --out"
        )
    given = kind or guess_kind(source)
    config = data_config({"kind": given, "root": source.resolve(), **settings}, class_names)
    index = ingest(config, ChecksConfig(), store=Store(Path(".plumbline")), seed=0)
    index = with_edits(index, edits)
    index.save(target)
    conflicts = len(label_conflicts(index.usable().frame))
    return _answer(index, given, target, conflicts)


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
        said = (f"--{str(f['loc'][-1]).replace('_', '-')}: {f['msg']}" for f in error.errors())
        raise ConfigError([*faults, *said]) from error
    faults += contradictions(config)
    if faults:
        raise ConfigError(faults)
    return config.data


def _numbered(class_names: Sequence[str]) -> tuple[dict[int, str], list[str]]:
    """From NUMBER=NAME."""
    names: dict[int, str] = {}
    faults = []
    for text in class_names:
        number, equals, name = text.partition("=")
        if equals and name and number.isdigit():
            names[int(number)] = name
        else:
            faults.append(f"--class-name '{text}': give NUMBER=NAME, for example 1=scratch")
    return names, faults


def _answer(index: ImageIndex, kind: str, target: Path, conflicts: int) -> Answer:
    usable = index.usable()
    labels = Counter("(no label)" if x is None else str(x) for x in usable.frame["label"])
    set_aside = Counter(str(code) for code in index.frame["quarantine"].dropna())
    warned = Counter(w.partition(":")[0] for ws in index.frame["warnings"] for w in ws)
    rows = [(name, str(count)) for name, count in sorted(labels.items())]
    lines = [f"Read as {kind}: {len(usable)} of {len(index)} images usable"]
    lines += [f"Set aside    {count} x {code}" for code, count in sorted(set_aside.items())]
    lines += [f"Warning      {count} x {code}" for code, count in sorted(warned.items())]
    if conflicts:
        lines.append(f"Warning      {conflicts} pictures lie under more than one label")
    lines.append(f"Index        {target}")
    return Answer(
        document={
            "index": str(target),
            "kind": kind,
            "images": len(index),
            "usable": len(usable),
            "labels": dict(labels),
            "set_aside": dict(set_aside),
            "warnings": dict(warned),
            "label_conflicts": conflicts,
        },
        lines=lines,
        table=Table(("class", "images"), rows),
        next=[f"plumbline data check {target}", f"plumbline data dedupe {target}"],
    )
