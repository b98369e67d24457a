"""Champion and challenger side by side on today's gate set, both run as the device runs them: what the gate asks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from deploy.edge.bundle import Bundle, load_golden
from deploy.edge.inspector import Inspector
from deploy.registry.champion import evaluate_champion
from deploy.registry.models import champion_bundle
from deploy.registry.training_images import champion_training_images, learned_from
from inspection.config import EconomicsConfig, GateConfig
from inspection.data.index import ImageIndex
from inspection.evaluation.corruptions import corrupted_answers
from inspection.evaluation.economics import Rule
from inspection.evaluation.gate_evidence import Cost, Evidence, seen
from inspection.evaluation.latency import Contender, measure
from inspection.evaluation.metrics import Evaluation
from inspection.store import Store

MAX_SECONDS = 5.0
"""Of timing."""


@dataclass(frozen=True)
class Contest:
    """The champion on the challenger's gate set, None without one, and everything else the gate is told."""

    champion: Evaluation | None
    evidence: Evidence


def hold_contest(
    store: Store,
    name: str,
    bundle: Path,
    challenger: Evaluation,
    index: ImageIndex,
    config: GateConfig,
    economics: EconomicsConfig,
    *,
    max_megapixels: float = 100.0,
) -> Contest:
    """The challenger's `bundle` against the champion of `name`; `index` holds the splits and groups of today."""
    ours = Inspector.open(bundle)
    folder = champion_bundle(store, name)
    same = folder is not None and folder.name == ours.bundle.digest
    theirs = Inspector.open(folder) if folder is not None and not same else None
    champion = evaluate_champion(
        store, name, index, challenger, ours.bundle.digest, max_megapixels=max_megapixels
    )
    groups = groups_of(index)
    trained_on = None if same else champion_training_images(store, name)
    costs = _costs(ours, theirs)
    evidence = Evidence(
        groups=groups,
        same_bundle=same,
        same_student=theirs is not None and _student(ours.bundle) == _student(theirs.bundle) != "",
        cost=costs["challenger"],
        champion_cost=costs.get("champion"),
        corrupted=corrupted_answers(
            index.split("test"), ours, theirs, groups, config, max_megapixels=max_megapixels
        ),
        certificate=certificate_fault(ours.bundle, challenger.test_digest),
        seen_by_challenger=seen(challenger.image_ids, groups, learned_from(index)),
        seen_by_champion=None
        if trained_on is None
        else seen(challenger.image_ids, groups, trained_on),
        rule=Rule.of(ours.bundle.manifest.decision),
        champion_rule=Rule.of(theirs.bundle.manifest.decision) if theirs else None,
        economics=economics,
    )
    used = {row: groups[row] for row in challenger.image_ids if row in groups}
    return Contest(champion, replace(evidence, groups=used))


def groups_of(index: ImageIndex) -> dict[str, str]:
    """Which thing each image shows, by image id; images in no group are left out."""
    frame = index.frame[index.frame["group"].notna()]
    return dict(zip(frame["image_id"], frame["group"], strict=True))


def certificate_fault(bundle: Bundle, test_digest: str) -> str:
    """What is wrong with the bundle's certificate for this gate set; empty where nothing is."""
    document = bundle.certificate()
    if document.get("test_digest") != test_digest:
        return f"it was made on test set {str(document.get('test_digest'))[:12]}"
    runs = f"onnxruntime {bundle.manifest.plan('onnxruntime').variant}"
    status = {row["conversion"]: row["status"] for row in document.get("rows", [])}.get(runs)
    return "" if status == "passed" else f"its row '{runs}' is {status or 'missing'}"


def _costs(ours: Inspector, theirs: Inspector | None) -> dict[str, Cost]:
    """Timed in turns on the challenger's golden images, each with the threads of its own plan."""
    both = {"challenger": ours, **({"champion": theirs} if theirs else {})}
    contenders = {name: _contender(one) for name, one in both.items()}
    images = load_golden(ours.bundle).pixels
    found = measure(contenders, images, max_seconds=MAX_SECONDS)
    return {name: Cost(row.median_ms, row.bytes) for name, row in found.items()}


def _contender(one: Inspector) -> Contender:
    plan = one.bundle.manifest.plan(one.engine.name)
    size = one.graph.stat().st_size
    return Contender(one.verdict, one.engine.name, plan.threads or 0, 0, size)


def _student(bundle: Bundle) -> str:
    """The hash of the student's weights, before any conversion; empty where the bundle does not say."""
    said: Any = bundle.manifest.provenance.get("student")
    return str(said.get("weights_sha256", "")) if isinstance(said, dict) else ""
