"""What a run can be told, and nothing else: unknown keys are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from inspection.durations import Duration
from inspection.learning_config import HardwareConfig, SearchConfig, StudentConfig, TeacherConfig
from inspection.strict import Fraction, Strict, spelled


class SyntheticConfig(Strict):
    """What the generator draws (`inspection/data/synthetic.py`)."""

    images_per_class: int = Field(120, ge=4, le=100_000)
    size: int = Field(128, ge=32, le=2048)
    near_duplicates: Fraction = 0.10
    corrupt_files: int = Field(4, ge=0)
    label_conflicts: int = Field(3, ge=0)
    shuffle_labels: bool = False


class PatchConfig(Strict):
    """Learn from squares around defects instead of whole images (`inspection/data/patches.py`)."""

    size: int = Field(128, ge=8, le=4096)
    context: float = Field(0.5, ge=0, le=10)
    """Surroundings, in sides of the defect."""
    per_image: int = Field(20, ge=1)
    min_area: float = Field(4.0, ge=1)
    """Smallest defect in pixels."""
    ok_per_image: int = Field(0, ge=0)
    """Patches without a defect from each image of `data.ok_class`."""


class DataConfig(Strict):
    """Where the images are and how their labels are to be read."""

    kind: Literal[
        "synthetic",
        "folder",
        "mask_pairs",
        "voc",
        "coco",
        "yolo",
        "severstal",
        "index_masks",
        "template_pairs",
        "manifest",
    ]
    root: Path | None = None
    ok_class: str | None = None
    label_pattern: str | None = None
    """Regular expression with one group, searched in the file's stem; overrides the reader's own label. With a slash in
    it, kind `folder` searches the path below the root: `n[0-9]+-([^/]+)/`."""
    annotations: Path | None = None
    """The annotation file below the root, for formats that have one; without it the only one that fits."""
    class_names: dict[int, str] = Field({})
    """Names for class numbers, in formats that have numbers only (Severstal, YOLO, index masks, DeepPCB)."""
    unlabelled: str | None = Field(None, min_length=1)
    """Images nobody has labelled: a folder below the root, or a pattern such as `*/new_*.png`. Nothing that is drawn
    or written down of one is lost; the others have no label, and only training sees them."""
    mask_threshold: int = Field(128, ge=1, le=255)
    edits: tuple[Path, ...] = ()
    """Plans, edits and audit decisions to apply to the index as it is read, in order."""
    per_class: int | None = Field(None, ge=2)
    """At most so many images of each class, the same ones each time; the others are left out (`data/sample.py`)."""
    patches: PatchConfig | None = None
    """Cut patches around drawn defects, after duplicates were grouped; each stays in its image's group."""
    synthetic: SyntheticConfig = SyntheticConfig()


class ChecksConfig(Strict):
    """The gate on the data."""

    max_megapixels: float = Field(100.0, gt=0)
    min_side: int = Field(16, ge=1)
    min_images_per_class: int = Field(8, ge=2)
    max_quarantined: Fraction = 0.25
    profile: Path | None = None
    """What the data set is agreed to look like, as JSON that people have reviewed (`data_checks/profile.py`)."""
    data_docs: bool = False
    """Also write Great Expectations' own pages (they load styles from the network)."""


class SplitConfig(Strict):
    """Grouped, stratified; the test set is frozen by the content of its groups."""

    test: float = Field(0.25, gt=0, lt=0.9)
    val: float = Field(0.15, gt=0, lt=0.9)
    max_leak_rate: Fraction = 0.0
    group_near_copies: bool = True
    """Off: only exact copies and given groups stay together, for different parts that look alike in a fixture."""
    symmetries: bool = False
    """Look for turned and mirrored copies too, in 8 views; for parts that may lie in any direction."""
    keep_together: tuple[Literal["session", "camera", "line", "folder"], ...] = ()
    """Images with equal values of these stay in one split: nothing of a session, camera … is in train and in test."""
    part_pattern: str | None = None
    """Regular expression with one group, searched in the path: the part's id; one part stays in one split."""
    keep: bool = False
    """Use the split that the data came with (folders train, val, test; a manifest's column); refused when it leaks."""
    seed: int | None = Field(None, ge=0, lt=2**32)
    """Places the split, and draws the images where they are drawn (generated, sampled, cut); null: the run's seed.
    Give it, and runs of several seeds share one test set."""


class GateConfig(Strict):
    """Absolute floors; and ways past the champion on the same frozen test set, of which one must lead through."""

    min_accuracy: Fraction = 0.0
    min_macro_f1: Fraction = 0.0
    min_balanced_accuracy: Fraction = 0.0
    ways: tuple[Literal["accuracy", "cheaper"], ...] = ("accuracy", "cheaper")
    """accuracy: shown to be right more often; cheaper: shown to be no worse than `margin`, and faster or smaller. Both
    also need every class shown to lose less than its margin. `[]`: floors alone decide, as a comparison wants it."""
    margin: float = Field(0.02, gt=0, lt=1)
    """Accuracy that a cheaper model may lose."""
    class_margin: float = Field(0.10, gt=0, le=1)
    """Recall that any class may lose."""
    class_margins: dict[str, Annotated[float, Field(gt=0, le=1)]] = Field({})
    """Other margins for classes by name; 1 waives a class."""
    min_speedup: float = Field(1.2, gt=1.0)
    """A cheaper model runs so many times as fast as the champion …"""
    min_shrink: float = Field(1.2, gt=1.0)
    """… or its files are so many times smaller."""
    max_slowdown: float | None = Field(1.5, ge=1.0)
    """No model may take more than so many times the champion's time; null: any."""
    max_growth: float | None = Field(2.0, ge=1.0)
    max_latency_ms: float | None = Field(None, gt=0)
    max_megabytes: float | None = Field(None, gt=0)
    max_ece: Fraction = 1.0
    max_ece_rise: Fraction = 0.05
    """Calibration error above the champion's, where that is more than chance."""
    max_corruption_loss: Fraction = 0.10
    """Accuracy below the champion's on blurred, dark, noisy or compressed images, where that is more than chance."""
    corruption_images: int = Field(96, ge=0, le=10_000)
    """Of the test set, each class in its turn; 0: do not ask."""
    max_conversion_loss: Fraction = 0.0
    """Any metric may fall so far when the champion's own student comes in another export."""
    promotion: Literal["auto", "human"] = "auto"
    """`human`: a model that passed is registered as challenger, and `plumbline promote` makes it champion."""


class EconomicsConfig(Strict):
    """What a wrong decision costs, and what the device's thresholds have to promise; needs `data.ok_class`."""

    defect_rate: float | None = Field(None, gt=0, lt=1)
    """Share of defective parts on the line; without it escapes are told per million defective parts."""
    max_escape: float | None = Field(None, gt=0, lt=1)
    """Share of defective parts that may be accepted: places the threshold by validation images; the gate holds it."""
    review_error: float | None = Field(None, gt=0, lt=0.5)
    """Show doubtful parts to a person, so that unseen at most this share of defective parts is accepted and of good
    ones rejected."""
    confidence: float = Field(0.95, ge=0.5, lt=1)
    escape_cost: float = Field(100.0, ge=0)
    overkill_cost: float = Field(1.0, ge=0)
    review_cost: float = Field(0.2, ge=0)
    """Per part, in any one currency."""

    @property
    def sets_thresholds(self) -> bool:
        """Whether the device's thresholds come from validation images."""
        return self.max_escape is not None or self.review_error is not None


class ExportConfig(Strict):
    """Which precisions `plumbline export` tries beside FP32, what INT8 may cost, and when it is worth it."""

    precisions: tuple[Literal["fp16", "int8_cpu", "int8_tensorrt"], ...] = (
        "fp16",
        "int8_cpu",
        "int8_tensorrt",
    )
    calibration_images: int = Field(128, ge=16, le=4096)
    """Of the training split, each class in its turn."""
    max_loss: Fraction = 0.005
    """Accuracy that INT8 may cost, on validation and on test images."""
    max_class_loss: Fraction = 0.02
    """Recall that INT8 may cost any class."""
    min_speedup: float = Field(1.05, ge=1.0)
    """A lower precision must run so many times as fast as FP32 on this machine to be chosen."""
    float_layers: int = Field(8, ge=0)
    """Where INT8 costs too much: leave at most so many of the most sensitive layers in float, then try again."""
    max_seconds: float = Field(60.0, gt=0)
    """For measuring speed, and once more for measuring sensitivity."""


class MonitorConfig(Strict):
    """What the monitor may cost: so many false alarms a month, all lines, cameras and signals together."""

    false_alarms_per_month: float = Field(1.0, gt=0)
    batches_per_month: int = Field(500, ge=1)
    """Of each stream; one false alarm in 500 batches is a level of 0.2 % per batch."""
    streams: tuple[Literal["line", "camera", "session"], ...] = ("line", "camera")
    """Where the log names these, each combination is judged apart."""
    batch_images: int | None = Field(None, ge=5)
    """Judge only the newest so many images of each stream; null: all that the log holds."""
    min_images: int = Field(30, ge=5)

    def level(self, streams: int = 1) -> float:
        """Chance of a false alarm that one batch may have, of `streams` that share the budget; at most a half."""
        return min(0.5, self.false_alarms_per_month / self.batches_per_month / max(1, streams))


DriftCause = Literal[
    "light",
    "focus or lens",
    "compression",
    "camera moved",
    "unknown appearance",
    "model stale",
    "unknown",
]
"""As `data_checks/drift_cause.py` names them: a misspelt one would never train, and nobody would be told."""


class LoopConfig(Strict):
    """When drift leads to a new model, and who lets it in (`inspection/evaluation/loop.py`)."""

    confirm: int = Field(2, ge=1)
    """Drift is confirmed when so many of a stream's last `window` batches drifted."""
    window: int = Field(3, ge=1)
    calm: int = Field(3, ge=1)
    """Batches in a row without drift that end it; fewer would switch the loop on and off at a stream's edge."""
    retrain_for: tuple[DriftCause, ...] = ("unknown appearance", "model stale", "unknown")
    """Causes that new images can mend. A dim lamp is not among them: a model taught on it would hide the fault."""
    new_labels: int = Field(50, ge=0)
    """Labelled images since the last training, at least."""
    cooldown: Duration = "72h"
    """From the end of one training to the next one's beginning."""
    trainings_per_month: int = Field(4, ge=1)
    """In any 30 days."""
    approval: Literal["human", "auto"] = "human"
    """`human`: a model of the loop that passed its gate waits for `plumbline promote`; `auto`: it becomes champion."""

    @model_validator(mode="after")
    def _can_confirm(self) -> LoopConfig:
        if self.confirm > self.window:
            raise PydanticCustomError(
                "confirm",
                "{confirm} of {window} batches can never drift: lower loop.confirm or raise loop.window",
                {"confirm": self.confirm, "window": self.window},
            )
        return self


class ReportConfig(Strict):
    """What the run's page shows beyond the usual."""

    umap: bool = False
    """Also draw the features by UMAP; off, because compiling it costs a new process a quarter of a minute."""


class RunConfig(Strict):
    """One file in `configs/`: one run you can name."""

    name: Annotated[
        str,
        spelled(
            "[a-z][a-z0-9_]{1,40}",
            "write 2 to 41 small letters a to z, digits and '_', a letter first, such as 'line_3'",
        ),
    ]
    seed: int = Field(7, ge=0, lt=2**32)
    device: Literal["auto", "cpu", "cuda"] = "auto"
    data: DataConfig
    checks: ChecksConfig = ChecksConfig()
    split: SplitConfig = SplitConfig()
    teacher: TeacherConfig = TeacherConfig()
    student: StudentConfig = StudentConfig()
    hardware: HardwareConfig = HardwareConfig()
    search: SearchConfig | None = None
    """Find a better recipe for the student first; on the command line `budget=20m` is enough."""
    gate: GateConfig = GateConfig()
    economics: EconomicsConfig = EconomicsConfig()
    export: ExportConfig = ExportConfig()
    monitor: MonitorConfig = MonitorConfig()
    loop: LoopConfig = LoopConfig()
    report: ReportConfig = ReportConfig()

    @property
    def images_seed(self) -> int:
        """Decides which images there are and what they are for; `seed` decides how is learnt from them."""
        return self.seed if self.split.seed is None else self.split.seed
