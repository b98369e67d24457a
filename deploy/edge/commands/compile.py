"""`plumbline-edge compile`: build the bundle's TensorRT engine here, on the machine that will run it."""

from __future__ import annotations

import argparse
from typing import Any

from deploy.edge.commands.common import add_command, folder_path, origin_words, say, trust_of


def add(commands: Any) -> None:
    """Its arguments."""
    command = add_command(
        commands, "compile", _compile, "build the TensorRT engine for this GPU", engine=False
    )
    command.add_argument(
        "--batch", type=int, default=8, metavar="N", help="most images at a time (default: 8)"
    )
    command.add_argument(
        "--cache",
        type=folder_path,
        metavar="FOLDER",
        help="keep engines here (default: $PLUMBLINE_ENGINES, else ~/.cache/plumbline/engines)",
    )
    command.add_argument(
        "--workspace",
        type=int,
        default=1024,
        metavar="MB",
        help="scratch memory the engine may use (default: %(default)s)",
    )


def _compile(options: argparse.Namespace) -> int:
    from deploy.edge.bundle import open_bundle
    from deploy.edge.compilation import ENGINE, compile_bundle
    from deploy.edge.engines.tensorrt_key import BuildOptions

    made = compile_bundle(
        open_bundle(options.bundle, trust_of(options)),
        say=say,
        variant=options.variant,
        options=BuildOptions(batch=options.batch, workspace_mb=options.workspace),
        cache=options.cache,
    )
    built = "earlier, found in the cache" if made.seconds is None else f"in {made.seconds:.0f} s"
    rows = {
        "engine": str(made.path),
        "for": made.target,
        "from": f"{made.variant}, batches of 1 to {options.batch}",
        "built": built,
        "golden": f"same labels, largest change of a probability {made.golden_gap:.1e}",
    }
    for name, text in rows.items():
        print(f"{name:<10}{text}")
    setting = f"PLUMBLINE_ENGINES={options.cache} " if options.cache else ""
    say(
        f"next: {setting}plumbline-edge verify {options.bundle}{origin_words(options)} --require {ENGINE}"
    )
    return 0
