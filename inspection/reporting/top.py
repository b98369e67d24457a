"""The top of a run's report: what was decided, and the six figures it rests on."""

from __future__ import annotations

from inspection.data.index import SPLITS, ImageIndex
from inspection.evaluation.score_intervals import macro_f1_interval
from inspection.reporting.blocks import tile, tiles
from inspection.reporting.chapters.speed import faster
from inspection.reporting.figures import retention
from inspection.reporting.markup import Html, join, tag
from inspection.reporting.run_report import RunReport
from inspection.reporting.shell import stamp
from inspection.reporting.wording import (
    between,
    count,
    milliseconds,
    parameters,
    percent,
    score,
    size,
    small,
    times,
)

SIGNS = {
    "good": '<path d="M7 12.5l3.4 3.4L17 8.6"/>',
    "bad": '<path d="M8 8l8 8M16 8l-8 8"/>',
    "idle": '<path d="M7.5 12h9"/>',
}


def top(run: RunReport) -> Html:
    """Name, date, verdict, key figures, the command that made them."""
    kind, headline, sentence = verdict(run)
    command = tag("p", tag("code", f"$ {run.command}"), class_="command") if run.command else None
    following = (
        tag("p", "Next: ", tag("code", run.next_command), class_="next")
        if run.next_command
        else None
    )
    return heading(
        run.name,
        stamp(run.created),
        kind,
        headline,
        sentence,
        _figures(run),
        _journey(run.index),
        command,
        following,
    )


def heading(
    name: str, date: str, kind: str, headline: str, sentence: str, *rest: Html | None
) -> Html:
    """The verdict at a glance; `kind` is good, bad or idle."""
    sign = Html(
        f'<svg class="sign" viewBox="0 0 24 24" aria-hidden="true"><circle cx="12" cy="12" r="11"/>{SIGNS[kind]}</svg>'
    )
    return tag(
        "header",
        tag("p", date, class_="date"),
        tag("h1", name),
        tag(
            "div",
            sign,
            tag(
                "div", tag("p", headline, class_="headline"), tag("p", sentence, class_="sentence")
            ),
            class_=f"outcome {kind}",
        ),
        *rest,
    )


def verdict(run: RunReport) -> tuple[str, str, str]:
    """How it ended: kind, headline and the sentence behind it."""
    if run.stopped:
        return "bad", "Stopped", run.stopped
    if run.gate is not None:
        return (
            ("good", "Passed the gate", run.gate.sentence)
            if run.gate.passed
            else ("bad", "Refused by the gate", run.gate.sentence)
        )
    if run.checks is not None and not run.checks.passed:
        failed = sum(not r.passed and r.severity == "critical" for r in run.checks.results)
        return (
            "bad",
            "Refused by the data gate",
            f"{count(failed, 'data check')} failed; nothing was trained.",
        )
    return "idle", "No verdict", "This run did not reach the gate."


def _figures(run: RunReport) -> Html | None:
    found = [_quality(run), _retention(run), _latency(run), _size(run), _leaks(run), _parity(run)]
    shown = [figure for figure in found if figure is not None]
    return tiles(shown) if shown else None


def _journey(index: ImageIndex) -> Html:
    """From files to a test set in one line."""
    usable = index.usable().frame
    steps = [_amount(len(index), "files read"), _amount(len(usable), "usable")]
    if usable["group"].notna().any():
        steps.append(_amount(int(usable["group"].nunique()), "groups"))
    sizes = {name: int((usable["split"] == name).sum()) for name in SPLITS}
    if any(sizes.values()):
        *first, last = [_amount(amount, name) for name, amount in sizes.items()]
        steps.append(join([[part, " · "] for part in first] + [last]))
    return tag("ol", *(tag("li", step) for step in steps), class_="journey")


def _amount(amount: int, words: str) -> Html:
    return join([tag("b", f"{amount:,}"), f" {words}"])


def _quality(run: RunReport) -> Html | None:
    model = run.student or run.teacher
    if model is None:
        return None
    low, high = macro_f1_interval(model)
    return tile(
        "Student macro-F1" if run.student else "Teacher macro-F1",
        score(model.macro_f1),
        f"95 % interval {between(low, high)}",
        f"accuracy {score(model.accuracy.value)}, {count(model.count, 'test image')}",
    )


def _retention(run: RunReport) -> Html | None:
    if run.student is None or run.teacher is None:
        return None
    return tile(
        "Kept of the teacher's macro-F1",
        percent(retention(run.student, run.teacher)),
        f"teacher macro-F1 {score(run.teacher.macro_f1)}",
        f"accuracy {score(run.teacher.accuracy.value)}",
    )


def _latency(run: RunReport) -> Html | None:
    latency = run.latencies.get("student") or run.latencies.get("teacher")
    if latency is None:
        return None
    gain = faster(run)
    threads = count(latency.threads, "thread")
    return tile(
        "Latency, one image",
        milliseconds(latency.median_ms),
        f"{times(gain)} faster than the teacher" if gain else "",
        f"median, {latency.runtime}, {threads}",
    )


def _size(run: RunReport) -> Html | None:
    latency = run.latencies.get("student")
    if latency is None:
        return None
    teacher = run.latencies.get("teacher")
    against = f"teacher {size(teacher.bytes)}" if teacher else ""
    return tile(
        "Size", size(latency.bytes), f"{parameters(latency.parameters)} parameters", against
    )


def _leaks(run: RunReport) -> Html | None:
    if run.leaks is None:
        return None
    return tile(
        "Leaked test images",
        percent(run.leaks.rate),
        f"a random split: {percent(run.leaks.random_rate)}",
        "near-duplicate in train",
    )


def _parity(run: RunReport) -> Html | None:
    rows = run.certificate.rows if run.certificate else ()
    measured = next((row for row in rows if row.measured is not None), None)
    if measured is None or measured.measured is None:
        return None
    seen = measured.measured
    return tile(
        "Decisions flipped by export",
        f"{seen.flips} of {seen.images:,}",
        f"max |Δp| {small(seen.max_delta)}",
        measured.conversion,
    )
