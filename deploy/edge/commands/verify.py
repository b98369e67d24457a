"""`plumbline-edge verify`: may this bundle run here?"""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from deploy.edge.commands.common import (
    add_command,
    engine_line,
    open_inspector,
    origin_words,
    say,
    say_engine,
)
from deploy.edge.errors import TamperedBundle

if TYPE_CHECKING:
    from deploy.edge.bundle import Bundle


def add(commands: Any) -> None:
    """Its arguments."""
    verify = add_command(commands, "verify", _verify, "check every hash, repeat the golden images")
    verify.add_argument(
        "--digest",
        default="",
        metavar="HEX",
        help="refuse any bundle whose digest begins otherwise",
    )
    verify.add_argument("--json", action="store_true", help="one JSON document on stdout")


def _verify(options: argparse.Namespace) -> int:
    inspector = open_inspector(options)
    bundle, manifest = inspector.bundle, inspector.bundle.manifest
    if not bundle.digest.startswith(options.digest):
        raise TamperedBundle(f"'{bundle.folder}' is bundle {bundle.digest}, not {options.digest}")
    facts: dict[str, Any] = {
        "bundle": str(bundle.folder),
        "name": manifest.name,
        "digest": bundle.digest,
        "signed_by": [{"name": key.name, "key": key.fingerprint} for key in bundle.signers],
        "signatures": [signature.key for signature in bundle.signatures],
        "signature_checked": not options.unsigned,
        "classes": list(manifest.classes),
        "input": [manifest.preprocessing.height, manifest.preprocessing.width, 3],
        "decision": dataclasses.asdict(manifest.decision),
        "promises": list(manifest.promises),
        "files": len(manifest.files),
        "golden_images": len(bundle.golden),
        "golden_gap": inspector.golden_gap,
        "variant": inspector.variant,
        "golden_tolerance": manifest.variant(inspector.variant).golden_tolerance,
        "engine": inspector.describe(),
    }
    if options.json:
        print(json.dumps(facts))
    else:
        rows = {
            "bundle": f"{manifest.name}  {bundle.digest}",
            "signed": _signed(bundle),
            "classes": ", ".join(manifest.classes),
            "input": "{} x {} RGB, {}".format(*facts["input"][:2], manifest.preprocessing.resize),
            "decision": _decision(manifest.decision),
            **_promises(manifest.promises),
            "files": f"{len(manifest.files)} match their hashes",
            "golden": f"{len(bundle.golden)} images, same labels, largest change of a probability "
            f"{inspector.golden_gap:.1e} (allowed {facts['golden_tolerance']:.0e})",
            "engine": f"{engine_line(facts['engine'])}, {inspector.variant}",
            **{f"not {passed.engine}": passed.reason for passed in inspector.passed_over},
        }
        width = max(10, *(len(name) + 2 for name in rows))
        for name, text in rows.items():
            print(f"{name:<{width}}{text}")
    say_engine(inspector)
    say("verified: this bundle may run here")
    say(f"next: plumbline-edge predict {options.bundle}{origin_words(options)} IMAGES --log log/")
    return 0


def _signed(bundle: Bundle) -> str:
    if bundle.signers:
        return "by " + ", ".join(f"{key.name} {key.fingerprint}" for key in bundle.signers)
    if bundle.signatures:
        return "not checked; it says by " + ", ".join(s.key for s in bundle.signatures)
    return "by nobody, and --unsigned allowed it"


def _promises(said: Sequence[str]) -> dict[str, str]:
    """A row each, numbered where there are several."""
    if len(said) == 1:
        return {"promise": said[0]}
    return {f"promise {number}": text for number, text in enumerate(said, 1)}


def _decision(decision: Any) -> str:
    if decision.ok_class is None:
        text = "the label alone"
    else:
        text = f"reject when 1 - P({decision.ok_class}) >= {decision.reject_at:g}"
        if decision.accept_below is not None:
            text += f", accept below {decision.accept_below:g}, review between"
    return f"{text}; review below {decision.review_below:g}" if decision.review_below else text
