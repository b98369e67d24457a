"""Chapter: the test images the student got wrong, the surest mistakes first."""

from __future__ import annotations

from collections import Counter

from inspection.reporting.blocks import Section, card, filters, gallery, path, shot
from inspection.reporting.look_up import paths_by_id
from inspection.reporting.markup import Html, join, tag
from inspection.reporting.run_report import RunReport
from inspection.reporting.thumbnails import Pictures
from inspection.reporting.wording import count, percent

SHOWN = 48


def mistakes(run: RunReport, pictures: Pictures) -> Section | None:
    """Each wrong answer with what it is, what it was called, and how sure the model was."""
    model = run.student or run.teacher
    if model is None:
        return None
    wrong = sorted(model.wrong, key=lambda i: -max(model.probabilities[i]))
    if not wrong:
        lead = f"{model.name} called every one of {count(model.count, 'test image')} what it is."
        return Section("mistakes", "Mistakes", "Mistakes", lead, Html(""))
    lead = (
        f"{count(len(wrong), 'image')} of {model.count:,} called something else by {model.name}. "
        "The surest mistakes come first: look for wrong labels there."
    )
    paths = paths_by_id(run.index)
    teacher = _answers(run)
    shots = []
    for i in wrong[:SHOWN]:
        true, called = model.labels[i], model.predictions[i]
        name = paths.get(model.image_ids[i], "")
        words = [
            tag("p", tag("b", true), " called ", tag("b", called, class_="miss"), class_="verdict"),
            tag("p", _sure(max(model.probabilities[i]), teacher.get(model.image_ids[i]))),
            path(name),
        ]
        alt = f"Wrongly classified: {name}, {true} called {called}"
        shots.append(shot(pictures.of(name), alt, *words, true=true))
    counts = Counter(model.labels[i] for i in wrong[:SHOWN])
    options = [(label, f"{label} ({n})") for label, n in counts.most_common()]
    note = f"The surest {SHOWN} of {len(wrong):,}." if len(wrong) > SHOWN else ""
    body = card(
        filters("true", options, label="Show one true class"),
        gallery(shots, label="Wrongly classified images", kind="told"),
        note=note,
    )
    return Section("mistakes", "Mistakes", "Mistakes", lead, join([body]))


def _answers(run: RunReport) -> dict[str, str]:
    """What the teacher said, when it is the student that is shown."""
    if run.teacher is None or run.student is None:
        return {}
    return dict(zip(run.teacher.image_ids, run.teacher.predictions, strict=True))


def _sure(confidence: float, teacher: str | None) -> str:
    sure = f"{percent(confidence, 0)} sure"
    return f"{sure}; teacher: {teacher}" if teacher is not None else sure
