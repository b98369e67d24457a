"""`plumbline-edge certify`: what this device's runtime does to decisions, measured on the frozen test set."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from deploy.edge.commands.common import add_command, engine_line, open_inspector, say, say_engine


def add(commands: Any) -> None:
    """Its arguments."""
    command = add_command(
        commands, "certify", _certify, "measure on the frozen test set what this runtime changes"
    )
    command.add_argument(
        "set", metavar="SET", type=Path, help="the bundle's certification set, an .npz"
    )
    command.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="FILE",
        help="write the evidence here, for `plumbline certify` in the workshop",
    )
    command.add_argument("--json", action="store_true", help="the evidence on stdout too")


def _certify(options: argparse.Namespace) -> int:
    from deploy.edge.certification import DEVICE, SHOWN, evidence, load_set, measure_parity
    from deploy.edge.files import write_json

    inspector = open_inspector(options)
    held = load_set(options.set, inspector.bundle)
    found = measure_parity(inspector.bundle, inspector.engine, held)
    document = evidence(inspector.bundle, inspector.variant, inspector.engine, found)
    write_json(options.out, document)
    if options.json:
        print(json.dumps(document))
    else:
        rows = {
            "runtime": f"{engine_line(document['runtime'])}, {inspector.variant}",
            "images": f"{found.images} of the frozen test set",
            "labels": f"{found.flips} changed, {found.crossings} thresholds crossed",
            "device": document["machine"][DEVICE][:SHOWN],
            "change": f"largest {found.max_delta:.2g}, mean {found.mean_delta:.2g} of a probability",
        }
        for name, text in rows.items():
            print(f"{name:<10}{text}")
    say_engine(inspector)
    say(
        f"written to {options.out}; in the workshop: plumbline certify {options.bundle} {options.out}"
    )
    return 0
