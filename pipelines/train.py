"""The main job: from a folder of images to a certified bundle in the registry, and the page that shows it."""

from __future__ import annotations

from zenml import pipeline
from zenml.config.cache_policy import CachePolicy
from zenml.enums import ExecutionMode

from inspection.config import RunConfig
from inspection.strict import Strict
from materializers.bundle import BundleMaterializer
from materializers.features import FeaturesMaterializer
from materializers.image_index import ImageIndexMaterializer
from materializers.records import RecordMaterializer
from materializers.student import StudentMaterializer
from materializers.teacher import TeacherMaterializer
from pipelines.caching import code_fingerprint
from pipelines.launcher.hooks import say_failure, say_start
from steps.check_data import check_data
from steps.check_networks import check_networks
from steps.compare_classifiers import compare_classifiers
from steps.cut_patches import cut_patches
from steps.evaluate_models import evaluate_models
from steps.explain_predictions import explain_predictions
from steps.export_bundle import export_bundle
from steps.extract_features import extract_features
from steps.find_duplicates import find_duplicates
from steps.gate_model import gate_model
from steps.ingest_images import ingest_images
from steps.map_features import map_features
from steps.measure_latency import measure_latency
from steps.register_model import register_model
from steps.sample_images import sample_images
from steps.search_recipe import search_recipe
from steps.split_data import split_data
from steps.train_student import train_student
from steps.train_teacher import train_teacher
from steps.tune_teacher import tune_teacher
from steps.write_report import write_report

MATERIALIZERS = (
    BundleMaterializer,
    FeaturesMaterializer,
    ImageIndexMaterializer,
    RecordMaterializer,
    StudentMaterializer,
    TeacherMaterializer,
)
"""Importing them teaches ZenML our types; it would refuse one that it has not met."""


class Surroundings(Strict):
    """What a run needs besides its config: places, and the fingerprints that keep ZenML's cache honest."""

    store: str
    source: str
    test_set_file: str
    teacher_weights: str
    student_weights: str
    code: str
    folder: str
    created: str
    command: str


@pipeline(
    name="train",
    enable_cache=True,
    cache_policy=CachePolicy(cache_func=code_fingerprint),
    execution_mode=ExecutionMode.FAIL_FAST,
    on_start=say_start,
    on_failure=say_failure,
)
def train(config: RunConfig, around: Surroundings) -> None:
    """Gates in order: the data (inside `find_duplicates`), the leaks (`tune_teacher`), parity (`export_bundle`).

    What can be known without an image comes before the first one is read. A model that the last gate refuses is still
    written up; only the registry does without it.
    """
    c, megapixels, store = config, config.checks.max_megapixels, around.store
    drawn, weights = config.images_seed, (around.teacher_weights, around.student_weights)
    check_networks(c.teacher, c.student, c.seed, *weights, c.search)
    raw = ingest_images(c.data, c.checks, drawn, store, around.source, after="check_networks")
    checked, gate_report = check_data(raw, c.checks)
    if c.data.per_class is not None:
        checked = sample_images(checked, c.data.per_class, drawn)
    grouped, duplicates = find_duplicates(checked, gate_report, c.split)
    if c.data.patches is not None:
        grouped, duplicates = cut_patches(grouped, c.data, drawn, store)
    index, test_set, leaks = split_data(
        grouped, duplicates, c.split, drawn, c.name, around.test_set_file, c.gate.class_margins
    )
    learning = (c.seed, c.device, store)
    prepared = tune_teacher(index, leaks, c.split, c.teacher, *learning, around.teacher_weights)
    features = extract_features(index, prepared, *learning)
    maps = map_features(index, features, prepared, c.teacher, *learning, c.report.umap)
    teacher = train_teacher(index, features, prepared, c.seed)
    started = (*learning, around.student_weights, around.code)
    recipe, searched = c.student, None
    if c.search is not None:
        recipe, searched = search_recipe(
            index, features, teacher, prepared, recipe, c.search, *started
        )
    student = train_student(index, features, teacher, prepared, recipe, c.hardware, *started)
    assessment = evaluate_models(index, test_set, features, teacher, student, c.device)
    explanations = explain_predictions(index, student, c.data.mask_threshold, c.seed, c.device)
    release, bundle = export_bundle(
        index,
        test_set,
        teacher,
        student,
        c.name,
        c.data.ok_class,
        c.economics,
        megapixels,
        store,
        around.code,
    )
    slow, fast = measure_latency(bundle, teacher, prepared, c.seed)
    learnt = (features, prepared, teacher, student)
    classifiers = compare_classifiers(
        index, *learnt, release, slow, fast, c.teacher, recipe, *learning
    )
    verdict = gate_model(release, index, c.gate, c.economics, c.name, megapixels, store)
    found = (assessment, explanations, release, slow, fast, classifiers, maps, verdict, searched)
    told = (c, around.folder, around.created, around.command)
    page = write_report(index, gate_report, duplicates, leaks, *learnt, *found, *told)
    register_model(release, index, assessment, student, verdict, searched, page, c, store)
