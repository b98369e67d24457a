"""`plumbline-edge bench`: how long one image takes here, and with --compare what else this bundle could run on."""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deploy.edge.commands.common import (
    add_command,
    engine_line,
    open_inspector,
    origin_words,
    say,
    say_engine,
    trust_of,
)

if TYPE_CHECKING:
    from deploy.edge.comparison import Contender


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
    timing.add_argument(
        "--compare", action="store_true", help="every precision on every runtime, side by side"
    )
    timing.add_argument(
        "--batches",
        type=int,
        nargs="+",
        default=[1, 8],
        metavar="N",
        help="with --compare: throughput at these batch sizes (default: 1 8)",
    )
    timing.add_argument(
        "--picture", type=Path, metavar="FILE.svg", help="with --compare: draw it here"
    )
    timing.add_argument("--json", action="store_true", help="one JSON document on stdout")


def _bench(options: argparse.Namespace) -> int:
    from deploy.edge.batch import find_images
    from deploy.edge.bundle import load_golden, open_bundle
    from deploy.edge.decode import read_image

    images = [read_image(path).pixels for path in find_images(options.images)[:100]]
    if options.compare:
        bundle = open_bundle(options.bundle, trust_of(options))
        return _compare(options, images or list(load_golden(bundle).pixels))
    inspector = open_inspector(options)
    return _time(options, inspector, images or list(load_golden(inspector.bundle).pixels))


def _time(options: argparse.Namespace, inspector: Any, images: list[Any]) -> int:
    from deploy.edge.bench import bench

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


def _compare(options: argparse.Namespace, images: list[Any]) -> int:
    from deploy.edge.bench_picture import picture
    from deploy.edge.bundle import open_bundle
    from deploy.edge.comparison import compare, pairs_of
    from deploy.edge.files import write_bytes

    trust = trust_of(options)
    bundle = open_bundle(options.bundle, trust)
    found = compare(
        options.bundle,
        pairs_of(bundle.manifest),
        images,
        repetitions=options.repetitions,
        batches=options.batches,
        trust=trust,
    )
    if options.picture:
        write_bytes(options.picture, picture(found, f"{bundle.manifest.name} here").encode())
    if options.json:
        rows = [dataclasses.asdict(one) for one in found]
        print(json.dumps({"model": bundle.digest, "contenders": rows}))
    else:
        _print_table(found, [str(size) for size in options.batches])
    say(f"{options.repetitions} rounds over {len(images)} images, taking turns; times in ms")
    if options.picture:
        say(f"drawn in {options.picture}")
    return 0


def _print_table(found: list[Contender], batches: list[str]) -> None:
    heads = ["p50", "p95", "p99", "cold", "MB", *(f"img/s x{size}" for size in batches)]
    print(f"{'':<30}" + "".join(f"{head:>11}" for head in heads))
    for one in (row for row in found if not row.reason):
        figures = [one.p50_ms, one.p95_ms, one.p99_ms]
        cells = [f"{value:.3f}" for value in figures] + [
            f"{one.cold_start_ms:.0f}",
            f"{one.memory_mb:.0f}",
            *(f"{one.images_per_second[size]:.0f}" for size in batches),
        ]
        print(f"{one.name:<30}" + "".join(f"{cell:>11}" for cell in cells))
    for one in (row for row in found if row.reason):
        print(f"{one.name:<30}{one.reason}")
