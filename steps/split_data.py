"""Split by group, freeze the test set, and count what leaks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from zenml import log_metadata, step

from data_checks.duplicates import DuplicateReport
from data_checks.leaks import LeakReport, leak_report
from data_checks.split_audit import check_kept
from inspection.config import SplitConfig
from inspection.data.index import ImageIndex
from inspection.data.own_split import place
from inspection.data.test_set import TestSet, freeze, frozen_ids
from inspection.evaluation.head_to_head import check_margins


@step
def split_data(
    index: ImageIndex,
    duplicates: DuplicateReport,
    split_config: SplitConfig,
    seed: int,
    name: str,
    test_set_file: str,
    margins: dict[str, float],
) -> tuple[
    Annotated[ImageIndex, "split_index"],
    Annotated[TestSet, "test_set"],
    Annotated[LeakReport, "leak_report"],
]:
    """Images that an earlier run froze into the test set stay there; the first run freezes.

    A split that came with the data goes no further when it leaks; nor do `margins` of classes that are not there.
    """
    check_margins(margins, index.classes)
    path = Path(test_set_file)
    placed = place(index, split_config, seed=seed, frozen=frozen_ids(path))
    check_kept(placed, split_config)
    test_set = freeze(placed, name=name)
    if not path.exists():
        test_set.save(path)
    leaks = leak_report(placed, duplicates, seed=seed)
    log_metadata({"leak_rate": leaks.rate, "random_leak_rate": leaks.random_rate})
    return placed, test_set, leaks
