"""What learning can be told: teacher, student, the search for a recipe, and the devices."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

from pydantic import Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from inspection.durations import Duration
from inspection.recipes import laid_under, unknown_recipe
from inspection.strict import Fraction, Strict


class SelfSupervisionConfig(Strict):
    """Fine-tuning of a backbone without labels, on the training split (`inspection/training/self_supervision.py`)."""

    method: Literal["dino", "ibot"] = "dino"
    """`ibot` also guesses masked patches; for vision transformers only."""
    epochs: int = Field(30, ge=1)
    batch_size: int = Field(32, ge=2)
    learning_rate: float = Field(5e-4, gt=0)
    weight_decay: float = Field(0.04, ge=0)
    warm_up: Fraction = 0.1
    """Share of the steps in which the learning rate climbs."""
    clip: float = Field(3.0, gt=0)
    """Norm of the gradient, at most."""
    global_size: int | None = Field(None, ge=16, le=1024)
    """Side in pixels of the two large crops; null: `teacher.image_size`."""
    local_size: int | None = Field(None, ge=16, le=1024)
    """Side in pixels of the small crops; null: half of the large ones, in whole patches."""
    local_crops: int = Field(4, ge=0, le=16)
    global_scale: tuple[Fraction, Fraction] = (0.4, 1.0)
    """Share of the image's area that a large crop shows: least, most."""
    local_scale: tuple[Fraction, Fraction] = (0.1, 0.4)
    mirror: bool = True
    turn: bool = True
    momentum: float = Field(0.99, ge=0, le=1)
    """Of the moving average that teaches, at the first step; a cosine brings it to 1."""
    centre_momentum: Fraction = 0.9
    """Of the mean that is taken out of the teacher's outputs; 1 never learns it, and invites collapse."""
    student_temperature: float = Field(0.1, gt=0)
    teacher_temperature: float = Field(0.04, gt=0)
    """Warmer (0.07) pays in long runs; in a few hundred steps it blurs what the teacher says."""
    teacher_temperature_start: float = Field(0.04, gt=0)
    teacher_warm_up: Fraction = 0.3
    """Share of the steps in which the teacher's temperature climbs."""
    freeze_blocks: int = Field(0, ge=0)
    """So many first blocks, and the stem before them, stay as they are (timm's layer groups)."""
    freeze_last_layer_epochs: int = Field(1, ge=0)
    outputs: int = Field(1024, ge=2)
    hidden: int = Field(512, ge=1)
    bottleneck: int = Field(128, ge=1)
    masked_images: Fraction = 0.5
    """Share of the large crops whose patches are masked (`ibot`)."""
    masked_patches: tuple[Fraction, Fraction] = (0.1, 0.5)
    patch_weight: float = Field(1.0, ge=0)
    check_every_epochs: int = Field(5, ge=1)
    """How often nearest neighbours name the validation images; the first and the last time in any case."""
    keep: Literal["last", "best"] = "last"
    """`best`: of the start and the checked epochs, what validation images' nearest neighbours prefer."""
    min_information: float = Field(0.02, ge=0)
    """Nats that the teacher's outputs must tell about which image it was; below it the outputs have collapsed."""
    min_spread: float = Field(0.01, ge=0)
    """Spread of normalised embeddings (0: all equal, 1: all directions alike); below it they have collapsed."""
    collapse_patience: int = Field(30, ge=1)
    """Steps in a row below a limit that stop the run, counted from the end of the learning rate's warm-up."""


class TeacherConfig(Strict):
    """A frozen timm backbone and the head trained on its features."""

    backbone: str = "resnet18"
    """A plain name (`dinov2_vits14`, `dinov3_vitb16`, … `inspection/features/names.py`) or any of timm's."""
    weights: str = "none"
    """`hub`, `none` (random), or the path of a local .safetensors file."""
    pad_same: bool = False
    """TensorFlow-style padding, for weights converted from there (timm's `pad_type="same"`)."""
    image_size: int = Field(224, ge=32, le=1024)
    pooling: Literal["levels", "cls", "patches", "cls+patches"] = "levels"
    """What the vector is: the network's embedding beside the statistics of its inner maps, or a transformer's class
    token, the mean of its patch tokens (of a CNN: of the last map), or both side by side."""
    batch_size: Annotated[int, Field(ge=1)] | Literal["auto"] = 32
    """At most so many images in the network at once; `auto`: as many as fit. Too many is halved, and said."""
    precision: Literal["auto", "float32"] = "float32"
    """`auto`: bfloat16 where the device is a GPU that has it."""
    features_engine: Literal["local", "ray"] = "local"
    """`ray`: on the machines of a Ray cluster, which all see the images under the same paths."""
    head: Literal["auto", "linear", "mlp"] = "auto"
    tune: SelfSupervisionConfig | None = None
    """Fine-tune the backbone on the training images first, without labels."""


class StudentConfig(Strict):
    """The tiny network that ships."""

    recipe: str | None = None
    """Settings that belong together, by name (`plumbline recipes`); what is given beside it goes before them."""
    architecture: str = "plumbnet_s"
    """A name of `inspection/models/registry.py` or `timm:<model>`."""
    weights: str = "none"
    """`none`, `hub`, `teacher` (the teacher's weights, same network), or a local .safetensors file to start from."""
    image_size: int = Field(128, ge=32, le=1024)
    resize: Literal["stretch", "pad", "crop"] = "stretch"
    epochs: int = Field(40, ge=1)
    batch_size: int = Field(64, ge=2)
    learning_rate: float = Field(3e-3, gt=0)
    weight_decay: float = Field(1e-4, ge=0)
    distill_logits: Fraction = 0.5
    distill_features: float = Field(0.1, ge=0)
    distill_temperature: float = Field(3.0, gt=0)
    label_smoothing: Fraction = 0.05
    mirror: bool = True
    """Learn from mirror images too; switch off where left and right differ (print, keyed parts)."""
    turn: bool = True
    """Learn from quarter turns too; switch off where parts always lie the same way and that matters."""
    balance_classes: bool = True
    patience: int = Field(12, ge=1)
    checkpoint_every_steps: int = Field(0, ge=0)
    """Also checkpoint inside an epoch, every so many steps (0: at epoch ends only)."""
    strategy: Literal["full", "partial", "freeze"] = "full"
    """What learns: everything, the classifier and the last stages, or the classifier alone."""
    last_stages: int = Field(1, ge=1)
    """How many stages learn under `partial`."""
    layer_decay: float = Field(1.0, gt=0, le=1)
    """Each stage learns this much slower than the one above it; the classifier at the full rate."""
    schedule: Literal["cosine", "plateau"] = "cosine"
    """How the learning rate falls: to a plan, or each time validation no longer improves."""
    mix: Literal["none", "mixup", "cutmix"] = "none"
    """Also learn from two images blended, or one pasted into the other, and from their labels in that proportion."""
    jitter: Fraction = 0.0
    """Brightness, contrast and colour as factors 1 +- jitter, beside the small changes of light always made."""
    rotate: float = Field(0.0, ge=0, le=45)
    """Degrees either way by which an image may be turned, beside quarter turns."""
    mirror_axes: Literal["both", "horizontal"] = "both"
    """With `mirror`: left-right and up-down, or left-right alone (things that stand upright)."""
    unlabelled: bool = False
    """Learn from unlabelled images of the train split too, from what the teacher says of them."""
    consistent: bool = False
    """Learn of a mirrored or turned image what the teacher sees in that very view, not in the upright image; the
    teacher has up to eight times as much to look at, once (`inspection/training/second_looks.py`)."""

    @property
    def listens(self) -> bool:
        """Whether it learns from a teacher at all."""
        return self.distill_logits > 0 or self.distill_features > 0

    @model_validator(mode="before")
    @classmethod
    def _by_recipe(cls, said: Any) -> Any:
        return laid_under(said) if isinstance(said, dict) else said

    @field_validator("recipe")
    @classmethod
    def _known(cls, name: str | None) -> str | None:
        if name is not None and (fault := unknown_recipe(name)):
            raise PydanticCustomError("recipe", "{fault}", {"fault": fault})
        return name


Varied = Literal[
    "learning_rate", "weight_decay", "schedule", "mix", "label_smoothing", "distill_logits", "strategy"
]  # fmt: skip


class SearchConfig(Strict):
    """Look for a better student on the validation images, in a given time (`inspection/training/search.py`)."""

    budget: Duration = "20m"
    """For the search and for training what it finds: `90s`, `20m`, `1h30m`. More of it later goes on from there."""
    trials: int | None = Field(None, ge=1)
    """At most so many, the config as given being the first; with time to spare, such a search repeats exactly."""
    vary: tuple[Varied, ...] = get_args(Varied)
    """What may differ from the config; `strategy` (with `last_stages`) does only where the student has weights."""
    learning_rate: tuple[float, float] = (3e-5, 3e-2)
    """Least and most; the config's own, which is tried first, may lie outside."""
    strategies: tuple[Literal["full", "partial", "freeze"], ...] = ("full", "partial", "freeze")
    architectures: tuple[str, ...] = ()
    """Networks to try beside the config's; larger ones are slower on the device."""
    image_sizes: tuple[Annotated[int, Field(ge=32, le=1024)], ...] = ()
    """Sides in pixels to try beside the config's."""


class HardwareConfig(Strict):
    """On how many devices a student learns (`inspection/training/crew.py`); one is today's single process."""

    devices: Annotated[int, Field(ge=1, le=64)] | Literal["auto"] = 1
    """Of each machine, one process each; `auto`: every GPU there is, else one."""
    nodes: int = Field(1, ge=1, le=64)
    """Machines; they share the store's folder, and the run says what to start on the others."""
    address: str = ""
    """Under which the other machines find this one; needed with more than one."""
    port: int = Field(0, ge=0, le=65535)
    """0: any that is free."""
