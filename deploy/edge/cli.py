"""`plumbline-edge`: verify, predict, bench. Answers on stdout, everything said to people on stderr.

Exit codes: 0 well; 1 a fault of ours or the runtime; 2 something the user can mend, or an image without answer;
130 stopped by Ctrl-C; 141 the reader of our output went away.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import os
import shlex
import sys
from collections import Counter
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from deploy.edge.errors import PlumblineError, TamperedBundle

BROKEN_PIPE = 141
"""What a shell reports of a program that SIGPIPE ended."""
BUNDLE_HELP = "folder of the bundle (it holds manifest.json)"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and give its exit code; every error leaves as one line."""
    options = _parser().parse_args(arguments)
    try:
        code: int = options.run(options)
        if sys.stdout is not None:  # as under `>&-`
            sys.stdout.flush()
    except PlumblineError as error:
        return _refused(options, type(error).__name__, str(error), error.exit_code)
    except BrokenPipeError:  # `| head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except OSError as error:
        sentence = f"{error}: check the path, its permissions and the disk"
        return _refused(options, type(error).__name__, sentence, 2)
    except KeyboardInterrupt:
        _say("stopped; what was answered so far stands")
        return 130
    return code


def _refused(options: argparse.Namespace, kind: str, sentence: str, code: int) -> int:
    """The error for people, and with `--json` the same document that `plumbline --json` gives."""
    _say(f"error: {sentence}")
    if getattr(options, "json", False):
        print(json.dumps({"error": kind, "faults": [sentence], "exit_code": code}))
    return code


def _verify(options: argparse.Namespace) -> int:
    from deploy.edge.inspector import Inspector

    inspector = Inspector.open(options.bundle, engine=options.engine, threads=options.threads)
    bundle, manifest = inspector.bundle, inspector.bundle.manifest
    if not bundle.digest.startswith(options.digest):
        raise TamperedBundle(f"'{bundle.folder}' is bundle {bundle.digest}, not {options.digest}")
    facts: dict[str, Any] = {
        "bundle": str(bundle.folder),
        "name": manifest.name,
        "digest": bundle.digest,
        "classes": list(manifest.classes),
        "input": [manifest.preprocessing.height, manifest.preprocessing.width, 3],
        "files": len(manifest.files),
        "golden_images": len(bundle.golden),
        "golden_gap": inspector.golden_gap,
        "golden_tolerance": manifest.golden_tolerance,
        "engine": inspector.engine.describe(),
    }
    if options.json:
        print(json.dumps(facts))
    else:
        rows = {
            "bundle": f"{manifest.name}  {bundle.digest}",
            "classes": ", ".join(manifest.classes),
            "input": "{} x {} RGB, {}".format(*facts["input"][:2], manifest.preprocessing.resize),
            "decision": _decision(manifest.decision),
            "files": f"{len(manifest.files)} match their hashes",
            "golden": f"{len(bundle.golden)} images, same labels, largest change of a probability "
            f"{inspector.golden_gap:.1e} (allowed {manifest.golden_tolerance:.0e})",
            "engine": _engine(facts["engine"]),
        }
        for name, text in rows.items():
            print(f"{name:<10}{text}")
    _say("verified: this bundle may run here")
    _say(f"next: plumbline-edge predict {options.bundle} IMAGES --log log/")
    return 0


def _predict(options: argparse.Namespace) -> int:
    from deploy.edge.batch import find_images, inspect_files
    from deploy.edge.inspector import Inspector
    from deploy.edge.prediction_log import PredictionLog
    from deploy.edge.progress import Progress

    paths = find_images(options.images)
    log = PredictionLog(options.log) if options.log else None
    inspector = Inspector.open(options.bundle, engine=options.engine, threads=options.threads)
    classes, model = inspector.bundle.manifest.classes, inspector.bundle.digest
    counts: Counter[str] = Counter()
    try:
        with Progress(len(paths)) as progress:
            for answer in inspect_files(
                inspector, paths, log=log, max_megapixels=options.max_megapixels
            ):
                print(json.dumps(answer.line(classes, model)))
                found = answer.inspection
                counts[found.verdict.outcome if found else "without answer"] += 1
                progress.advance()
    finally:
        if log is not None:
            log.close()
    _say(f"{len(paths)} images: " + ", ".join(f"{n} {name}" for name, n in counts.most_common()))
    _say_next(options)
    return 2 if counts["without answer"] else 0


def _bench(options: argparse.Namespace) -> int:
    from deploy.edge.batch import find_images
    from deploy.edge.bench import bench
    from deploy.edge.bundle import load_golden
    from deploy.edge.decode import read_image
    from deploy.edge.inspector import Inspector

    inspector = Inspector.open(options.bundle, engine=options.engine, threads=options.threads)
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
        print(f"{_engine(result.engine)}, {result.machine['architecture']}")
    _say("latency = preprocess + engine + decide, batch 1, warm, decoding excluded;")
    _say(f"{result.repetitions} repetitions over {result.images} images")
    _say(f"next: plumbline-edge predict {options.bundle} IMAGES --log log/")
    return 0


def _decision(decision: Any) -> str:
    if decision.ok_class is None:
        text = "the label alone"
    else:
        text = f"reject when 1 - P({decision.ok_class}) >= {decision.reject_at:g}"
    return f"{text}; review below {decision.review_below:g}" if decision.review_below else text


def _engine(facts: Any) -> str:
    where = ", ".join(f"{n} nodes on {name}" for name, n in facts["placement"].items())
    return f"{facts['engine']} {facts['version']}, threads {facts['threads']}, {where or 'CPU'}"


def _say_next(options: argparse.Namespace) -> None:
    if options.log:
        _say(f"logged to {options.log}")
        _say(f"next (in the workshop): plumbline monitor CONFIG {options.log}")
    else:
        images = shlex.join(options.images)
        _say(
            f"next, to keep what was found: plumbline-edge predict {options.bundle} {images} --log log/"
        )


def _say(text: str) -> None:
    print(" ".join(text.split()), file=sys.stderr)


def _version() -> str:
    try:
        return version("plumbline")
    except PackageNotFoundError:
        return "from a checkout"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="plumbline-edge",
        description="Run a certified inspection bundle on this device.",
        epilog="start with: plumbline-edge verify BUNDLE",
    )
    parser.add_argument("--version", action="version", version=f"plumbline {_version()}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    verify = _command(commands, "verify", _verify, "check every hash, repeat the golden images")
    verify.add_argument(
        "--digest",
        default="",
        metavar="HEX",
        help="refuse any bundle whose digest begins otherwise",
    )
    verify.add_argument("--json", action="store_true", help="one JSON document on stdout")

    predict = _command(commands, "predict", _predict, "inspect images: one JSON line each")
    predict.add_argument(
        "images", metavar="IMAGE", nargs="+", help="file, folder or quoted glob, any number of them"
    )
    predict.add_argument(
        "--log", type=_folder, metavar="FOLDER", help="append to this prediction log"
    )
    predict.add_argument(
        "--max-megapixels",
        type=_positive,
        default=100.0,
        metavar="N",
        help="refuse larger images before decoding (default: %(default)g)",
    )

    timing = _command(commands, "bench", _bench, "time one image after the other, stage by stage")
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
    return parser


def _folder(text: str) -> Path:
    if not text.strip():  # else it would be the current folder
        raise argparse.ArgumentTypeError("empty: is the shell variable behind it set?")
    return Path(text)


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"must be above 0, got {text}")
    return value


def _command(commands: Any, name: str, run: Any, summary: str) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(
        name, help=summary, description=f"{summary[0].upper()}{summary[1:]}."
    )
    command.add_argument("bundle", metavar="BUNDLE", type=Path, help=BUNDLE_HELP)
    command.add_argument("--engine", default="onnxruntime", help="runtime (default: %(default)s)")
    command.add_argument(
        "--threads", type=int, metavar="N", help="threads (default: cores, at most 4)"
    )
    command.set_defaults(run=run)
    return command


if __name__ == "__main__":
    sys.exit(main())
