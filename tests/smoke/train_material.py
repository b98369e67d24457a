"""A run that is over in seconds: its config, the steps that are cached when it is asked for again."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable

CONFIG = """
name: tiny
data:
  kind: synthetic
  ok_class: ok
  synthetic: {images_per_class: 24, size: 64}
teacher: {backbone: resnet10t, weights: none, image_size: 64}
student: {image_size: 64, epochs: 4, batch_size: 16}
monitor: {min_images: 20}
"""
CACHED = {
    "check_networks",
    "ingest_images",
    "check_data",
    "find_duplicates",
    "split_data",
    "tune_teacher",
    "extract_features",
    "map_features",
    "train_teacher",
    "train_student",
    "evaluate_models",
    "explain_predictions",
    "measure_latency",
    "compare_classifiers",
}


def wait_until(come: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    limit = time.monotonic() + 300
    while not come():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < limit
        time.sleep(0.05)
