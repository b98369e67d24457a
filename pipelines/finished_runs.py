"""What finished runs left behind, as models that can be compared: the exported student and the teacher of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from inspection.config import RunConfig
from inspection.errors import UserError
from inspection.evaluation.classifiers import Classifiers, groups_by_image
from inspection.evaluation.latency import Latency
from inspection.evaluation.recipes import measured_cost
from inspection.evaluation.searched import Searched
from inspection.evaluation.trained import Trained
from pipelines.launcher.launch import output
from pipelines.launcher.run_records import RunRecord, all_runs
from pipelines.settings import Settings, nearest

if TYPE_CHECKING:
    from zenml.client import Client
    from zenml.models import PipelineRunResponse, StepRunResponse

    from inspection.data.index import ImageIndex

LATEST = 5
"""Runs named to somebody who misspelt one."""
IDLE = ("seed", "device", "hardware", "gate", "export", "monitor", "report", "name")
"""Parts of a config that do not change what is learnt, or are told apart elsewhere."""


@dataclass(frozen=True, eq=False)
class FinishedRun:
    """A run's two models, its images, and which test image shows which thing."""

    student: Trained
    teacher: Trained
    index: ImageIndex
    groups: Mapping[str, str]
    classifiers: Classifiers | None
    """None for a run from before classifiers were compared."""


def chosen_records(names: Sequence[str], settings: Settings) -> list[RunRecord]:
    """The records of `names`; UserError for one that is unknown, unfinished, or trained nothing."""
    records = {record.name: record for record in all_runs(settings.store)}
    return [_checked(name, records, settings) for name in dict.fromkeys(names)]


def _checked(name: str, records: Mapping[str, RunRecord], settings: Settings) -> RunRecord:
    if name not in records:
        meant = nearest(name, list(records)[: -1 - LATEST : -1]) if records else ""
        raise UserError(
            f"no run '{name}' in {settings.store.root}{meant}; `plumbline runs` has all"
        )
    record = records[name]
    if record.pipeline != "train":
        raise UserError(f"run '{name}' trained nothing ({record.pipeline}): name a `plumbline run`")
    # A run that the last gate refused has its models and figures all the same.
    if record.status not in ("completed", "refused") or "digest" not in record.made:
        raise UserError(
            f"run '{name}' is not finished ({record.status}): run its config again, then compare"
        )
    return record


def finished_run(record: RunRecord, client: Client) -> FinishedRun:
    """Load what the run made; every value comes back through its own materializer."""
    run = client.get_pipeline_run(record.name)
    asked = _config(run)
    searched: Searched | None = output(run, "searched") if asked.search else None
    config = _as_found(asked, searched)
    index, release = output(run, "split_index"), output(run, "release")
    hashes = release.certificate.hashes
    shared: dict[str, Any] = {
        "run": record.name,
        "seed": config.seed,
        "data_digest": str(hashes["index_digest"]),
    }
    fitted, learned = output(run, "teacher"), output(run, "student")
    head = next(score.parameters for score in fitted.heads if score.chosen)
    teacher = Trained(
        label="teacher",
        settings=_settings(config, without=("student", *IDLE)),
        evaluation=output(run, "assessment").teacher,
        cost=measured_cost(
            output(run, "teacher_latency"), head, _seconds(run, client, "train_teacher")
        ),
        weights_sha256=str(hashes["teacher"]["digest"]),
        licence=str(hashes["teacher"]["licence"]),
        **shared,
    )
    fast: Latency = output(run, "student_latency")
    student = Trained(
        label=record.recipe or config.name,
        settings=_settings(config, without=IDLE),
        evaluation=release.evaluation,
        cost=measured_cost(
            fast, learned.trained_parameters or None, _training_seconds(run, client, searched)
        ),
        weights_sha256=str(hashes["student"]["weights_sha256"]),
        licence=str(hashes["student"]["licence"]),
        curve=tuple((float(e.epoch), e.validation.macro_f1) for e in learned.history),
        **shared,
    )
    return FinishedRun(student, teacher, index, groups_by_image(index), _classifiers(run))


def _classifiers(run: PipelineRunResponse) -> Classifiers | None:
    if not any("classifiers" in step.outputs for step in run.steps.values()):
        return None
    found: Classifiers = output(run, "classifiers")
    return found


def _config(run: PipelineRunResponse) -> RunConfig:
    return RunConfig.model_validate(run.steps["register_model"].config.parameters["config"])


def _as_found(config: RunConfig, searched: Searched | None) -> RunConfig:
    """Of a run that searched: the config with what it found, in place of the search."""
    if searched is None:
        return config
    return config.model_copy(update={"student": searched.recipe, "search": None})


def _training_seconds(
    run: PipelineRunResponse, client: Client, searched: Searched | None
) -> float | None:
    """Of the student that ships; after a search it was trained as a trial, and the step had nothing left to do."""
    if searched and searched.trials and searched.trials[searched.chosen].state == "complete":
        return searched.trials[searched.chosen].seconds
    return _seconds(run, client, "train_student")


def _settings(config: RunConfig, *, without: Sequence[str]) -> dict[str, Any]:
    said = config.model_dump(mode="json", exclude=set(without))
    # A recipe's name says nothing beside the settings that came from it.
    said.get("student", {}).pop("recipe", None)
    return said


def _seconds(run: PipelineRunResponse, client: Client, name: str) -> float | None:
    """How long the step took when it was really run; a cached step names the one it was taken from."""
    step: StepRunResponse = run.steps[name]
    if step.original_step_run_id is not None:
        try:
            step = client.get_run_step(step.original_step_run_id)
        except KeyError:  # somebody deleted the run that did the work
            return None
    if step.start_time is None or step.end_time is None:
        return None
    return (step.end_time - step.start_time).total_seconds()
