"""Public data sets that `plumbline data fetch` knows: where they lie, how large, under which terms, how to import them.

Sizes are what the publishers' pages say, not checked here; no checksum is known for sure, so none is stated: the one
found is written down. Not covered: whether the real servers still answer so; written from their documentation, and
tested against a local server only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

KAGGLE_COMPETITION = "severstal-steel-defect-detection"


@dataclass(frozen=True)
class PublicFile:
    """An archive: where it lies, and about how many megabytes it has."""

    url: str
    megabytes: float

    @property
    def name(self) -> str:
        """As a file on disk."""
        last = self.url.rpartition("/")[2]
        return last if "." in last else f"{last}.zip"


@dataclass(frozen=True)
class PublicSet:
    """Archives that are unpacked into one folder; `importing`: words of `plumbline data import`, FOLDER in place."""

    title: str
    files: tuple[PublicFile, ...]
    unpacked_megabytes: float
    terms: tuple[str, ...]
    page: str
    importing: tuple[str, ...]
    kaggle: bool = False
    """Wants the user's own Kaggle credentials, and the competition's rules accepted on its page."""

    @property
    def megabytes(self) -> float:
        """About so much is downloaded."""
        return sum(file.megabytes for file in self.files)


_DOGS = "https://vision.stanford.edu/aditya86/ImageNetDogs"

PUBLIC_SETS: Mapping[str, PublicSet] = MappingProxyType(
    {
        "severstal": PublicSet(
            title="Severstal: steel defect detection (12,568 training images with run lengths, 4 classes)",
            files=(
                PublicFile(
                    f"https://www.kaggle.com/api/v1/competitions/data/download-all/{KAGGLE_COMPETITION}",
                    1700,
                ),
            ),
            unpacked_megabytes=1800,
            terms=(
                "The competition's rules, which you accept on its page with your own account. Read there what use they "
                "allow; unless they say otherwise, take it as NON-COMMERCIAL: research and teaching, no product.",
            ),
            page=f"https://www.kaggle.com/c/{KAGGLE_COMPETITION}/rules",
            importing=(
                *("FOLDER", "--kind", "severstal", "--annotations", "train.csv"),
                *(
                    "--ok-class",
                    "no_defect",
                    "--unlabelled",
                    "test_images",
                    "--out",
                    "severstal.parquet",
                ),
            ),
            kaggle=True,
        ),
        "stanford-dogs": PublicSet(
            title="Stanford Dogs (20,580 images of 120 breeds, with boxes)",
            files=(
                PublicFile(f"{_DOGS}/images.tar", 757),
                PublicFile(f"{_DOGS}/annotation.tar", 21),
                PublicFile(f"{_DOGS}/lists.tar", 0.5),
            ),
            unpacked_megabytes=900,
            terms=(
                "Images from ImageNet, whose terms are NON-COMMERCIAL: research and education only; the rights in the "
                "images stay with their owners. The page names no licence of its own.",
            ),
            page="http://vision.stanford.edu/aditya86/ImageNetDogs/",
            importing=(
                *("FOLDER/Images", "--kind", "folder", "--label-pattern", "n[0-9]+-([^/]+)/"),
                *("--out", "stanford-dogs.parquet"),
            ),
        ),
    }
)
