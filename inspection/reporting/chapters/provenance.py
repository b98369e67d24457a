"""Chapter: what this run was made from, so that it can be made again."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from inspection.reporting.blocks import Section, card, columns, facts
from inspection.reporting.markup import Html, join, tag
from inspection.reporting.run_report import RunReport
from inspection.reporting.shell import stamp
from inspection.reporting.wording import plain


def provenance(run: RunReport) -> Section:
    """Hashes, versions, licences and the whole config."""
    pairs = [("run", run.name), ("written", stamp(run.created)), ("data", str(run.index.root))]
    pairs += [("index digest", run.index.digest())]
    model = run.student or run.teacher
    if model is not None:
        pairs.append(("test set", model.test_digest))
    known: list[tuple[Html, Html]] = [(join([k]), _value(v)) for k, v in pairs]
    known += [(join([plain(k)]), _value(v)) for k, v in _flat(run.provenance)]
    config = yaml.safe_dump(run.config.model_dump(mode="json"), sort_keys=False)
    body = columns(
        card(facts(known), title="Where it comes from"),
        card(tag("pre", tag("code", config), tabindex=0), title="Config, defaults included"),
    )
    lead = "Hashes of data, weights and code, versions of the tools, licences of the weights, and the config."
    return Section("provenance", "Provenance", "Provenance", lead, body)


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            yield from _flat(value, f"{name} · ")
        else:
            yield name, value


def _value(value: Any) -> Html:
    words = value if isinstance(value, str) else json.dumps(value, default=str)
    return tag("code", words)
