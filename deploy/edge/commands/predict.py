"""`plumbline-edge predict`: a JSON line per image."""

from __future__ import annotations

import argparse
import json
import shlex
from collections import Counter
from typing import Any

from deploy.edge.commands.common import (
    add_command,
    folder_path,
    open_inspector,
    origin_words,
    positive,
    say,
    say_engine,
    stream_name,
)

ORIGIN = ("camera", "line", "session")


def add(commands: Any) -> None:
    """Its arguments."""
    predict = add_command(commands, "predict", _predict, "inspect images: one JSON line each")
    predict.add_argument(
        "images", metavar="IMAGE", nargs="+", help="file, folder or quoted glob, any number of them"
    )
    predict.add_argument(
        "--log", type=folder_path, metavar="FOLDER", help="append to this prediction log"
    )
    for name in ORIGIN:
        predict.add_argument(
            f"--{name}",
            type=stream_name,
            metavar="NAME",
            help=f"the {name} these images come from, for the log: drift is judged for each apart",
        )
    predict.add_argument(
        "--max-megapixels",
        type=positive,
        default=100.0,
        metavar="N",
        help="refuse larger images before decoding (default: %(default)g)",
    )


def _predict(options: argparse.Namespace) -> int:
    from deploy.edge.batch import NO_ANSWER, counted, find_images, inspect_files
    from deploy.edge.prediction_log import PredictionLog
    from deploy.edge.progress import Progress

    paths = find_images(options.images)
    log = PredictionLog(options.log, origin=_origin(options)) if options.log else None
    inspector = open_inspector(options)
    say_engine(inspector)
    classes, model = inspector.bundle.manifest.classes, inspector.bundle.digest
    counts: Counter[str] = Counter()
    try:
        with Progress(len(paths)) as progress:
            for answer in inspect_files(
                inspector, paths, log=log, max_megapixels=options.max_megapixels
            ):
                print(json.dumps(answer.line(classes, model)))
                found = answer.inspection
                counts[found.verdict.outcome if found else NO_ANSWER] += 1
                progress.advance()
    finally:
        if log is not None:
            log.close()
    say(counted(counts))
    _say_next(options)
    return 2 if counts[NO_ANSWER] else 0


def _origin(options: argparse.Namespace) -> dict[str, str]:
    """What was said about where the images come from."""
    said = {name: getattr(options, name) for name in ORIGIN}
    return {name: value for name, value in said.items() if value}


def _say_next(options: argparse.Namespace) -> None:
    if options.log:
        say(f"logged to {options.log}")
        say(f"next (in the workshop): plumbline monitor CONFIG {options.log}")
    else:
        images = shlex.join(options.images)
        say(
            "next, to keep what was found: "
            f"plumbline-edge predict {options.bundle}{origin_words(options)} {images} --log log/"
        )
