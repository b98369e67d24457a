"""From a finished run to a bundle for the device: precisions planned, certified, gated, registered, compiled."""

from __future__ import annotations

from zenml import pipeline
from zenml.client import Client
from zenml.enums import ExecutionMode

from inspection.config import RunConfig
from inspection.strict import Strict
from materializers.image_index import ImageIndexMaterializer
from materializers.records import RecordMaterializer
from materializers.student import StudentMaterializer
from materializers.teacher import TeacherMaterializer
from pipelines.launcher.hooks import say_failure, say_start
from steps.certify import certify
from steps.compile_tensorrt import compile_tensorrt
from steps.export_onnx import export_onnx
from steps.gate_model import gate_model
from steps.plan_precision import plan_precision
from steps.register_export import register_export
from steps.write_export_report import write_export_report

MATERIALIZERS = (
    ImageIndexMaterializer,
    RecordMaterializer,
    StudentMaterializer,
    TeacherMaterializer,
)
"""Importing them teaches ZenML our types."""


class Told(Strict):
    """What the page says of its own making, and the folder it is written to."""

    folder: str
    created: str
    command: str


class Made(Strict):
    """Artifacts of a finished train run, by id."""

    index: str
    test_set: str
    teacher: str
    student: str


@pipeline(
    name="export",
    enable_cache=False,
    execution_mode=ExecutionMode.FAIL_FAST,
    on_start=say_start,
    on_failure=say_failure,
)
def export(config: RunConfig, made: Made, store: str, code: str, run: str, told: Told) -> None:
    """Nothing is cached: speed is this machine's, and a gate is asked anew."""
    c, megapixels, ok_class = config, config.checks.max_megapixels, config.data.ok_class
    known = Client()
    index, test_set, teacher, student = (
        known.get_artifact_version(found)
        for found in (made.index, made.test_set, made.teacher, made.student)
    )
    fp32 = export_onnx(student, store)
    planned = plan_precision(fp32, student, index, ok_class, c.export, megapixels)
    named = (c.name, ok_class, c.economics, megapixels, store)
    release = certify(planned, index, test_set, teacher, student, *named, code)
    verdict = gate_model(release, index, c.gate, c.economics, c.name, megapixels, store)
    register_export(release, index, planned, verdict, c, run, store)
    compiled = compile_tensorrt(release)
    write_export_report(planned, release, verdict, compiled, c.name, store, **told.model_dump())
