"""`plumbline-edge bench`: how long one image takes."""

from __future__ import annotations

import argparse
import dataclasses
import json
from typing import Any

from deploy.edge.commands.common import (
    add_command,
    engine_line,
    open_inspector,
    origin_words,
    say,
    say_engine,
)


def add(commands: Any) -> None:
    """Its arguments."""
    timing = add_command(
        commands, "bench", _bench, "time one image after the other, stage by stage"
    )
    timing.add_argument(
        "--images",
        nargs="+",
        default=[],
        metavar="IMAGE",
        help="time these (default: the golden images)",
    )
    timing.add_argument(
        "--repetitions", type=int, default=200, metavar="N", help="(default: %(default)s)"
    )
    timing.add_argument("--json", action="store_true", help="one JSON document on stdout")


def _bench(options: argparse.Namespace) -> int:
    from deploy.edge.batch import find_images
    from deploy.edge.bench import bench
    from deploy.edge.bundle import load_golden
    from deploy.edge.decode import read_image

    inspector = open_inspector(options)
    images = [read_image(path).pixels for path in find_images(options.images)[:100]]
    images = images or list(load_golden(inspector.bundle).pixels)
    result = bench(inspector, images, repetitions=options.repetitions)
    if options.json:
        document = dataclasses.asdict(result)
        print(json.dumps({**document, "images_per_second": round(result.images_per_second, 1)}))
    else:
        print(f"{'stage':<12}{'median ms':>12}{'95 % ms':>12}{'min ms':>12}")
        for name, spread in {**result.stages, "latency": result.latency}.items():
            row = (spread.median_ms, spread.p95_ms, spread.min_ms)
            print(f"{name:<12}" + "".join(f"{value:>12.3f}" for value in row))
        print(f"\n{result.images_per_second:.0f} images/s, model {result.model_bytes / 1e6:.2f} MB")
        print(f"{engine_line(result.engine)}, {result.machine['architecture']}")
    say_engine(inspector)
    say("latency = preprocess + engine + decide, batch 1, warm, decoding excluded;")
    say(f"{result.repetitions} repetitions over {result.images} images")
    say(f"next: plumbline-edge predict {options.bundle}{origin_words(options)} IMAGES --log log/")
    return 0
