"""Transfer learning by strategy on 1,000 photographs of flowers, and two larger networks for an epoch, by the command.

`configs/flowers_grid.yaml` whole: MobileNetV2 and SqueezeNet from given weights x freeze, partial, full x three seeds
on one frozen test set. Wall time is the sum over runs, as each noted it; a killed grid goes on, and finished runs are
not repeated. Then ResNet50 and EfficientNet-B0, from random weights, learn one epoch on the same images at 224 px and
go through export, certificate and registry: a proof that the road holds for networks of that size, not of what they
learn.

Needs PLUMBLINE_TEST_ASSETS: a folder with `data/flowers` and `weights/`. PLUMBLINE_STORE keeps the runs. About an hour
on two cores.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from machine import write_result

ROOT = Path(__file__).resolve().parents[1]
ASSETS = Path(os.environ.get("PLUMBLINE_TEST_ASSETS", ROOT.parent / "shared"))
LARGE = ("resnet50", "efficientnet_b0")
ONE_EPOCH = [
    "data.per_class=200",
    "split.seed=7",
    "teacher.image_size=128",
    "teacher.backbone=mobilenetv2_100",
    f"teacher.weights={ASSETS / 'weights' / 'mobilenetv2_100.imagenet.safetensors'}",
    "student.image_size=224",
    "student.batch_size=16",
    "student.epochs=1",
    "student.distill_logits=0",
    "student.distill_features=0",
    "gate.min_macro_f1=0",
    "gate.max_loss_to_champion=1",
]


def plumbline(store: Path, *arguments: str) -> dict[str, Any]:
    """One command on `store`; its document. A refusal of the gate is an answer too."""
    done = subprocess.run(
        [str(Path(sys.executable).parent / "plumbline"), *arguments, "--json"],
        cwd=ROOT,
        env={
            **os.environ,
            "PLUMBLINE_STORE": str(store),
            "PLUMBLINE_DATA": str(ASSETS / "data"),
            "PLUMBLINE_WEIGHTS": str(ASSETS / "weights"),
        },
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert done.returncode in (0, 3), f"exit code {done.returncode}: {done.stdout[-2000:]}"
    return dict(json.loads(done.stdout))


def grid(store: Path) -> dict[str, Any]:
    """The 18 runs and what the comparison says of their recipes."""
    answer = plumbline(store, "run", "configs/flowers_grid.yaml")
    compared = answer["comparison"]
    return {
        "runs": len(answer["cells"]),
        "finished": sum(cell["status"] in ("completed", "refused") for cell in answer["cells"]),
        "minutes": round(sum(cell["seconds"] for cell in answer["cells"]) / 60, 1),
        "slowest_run_s": round(max(cell["seconds"] for cell in answer["cells"]), 1),
        "sentence": answer["sentence"],
        "recipes": {one["name"]: recipe(one) for one in compared["recipes"]},
        "against_the_best": {
            f"{pair['first']} / {pair['second']}": {
                "verdict": pair["verdict"],
                "difference": pair["difference"],
                "p": pair["p"],
            }
            for pair in compared["pairs"]
            if answer["best"] in (pair["first"], pair["second"])
        },
    }


def recipe(one: dict[str, Any]) -> dict[str, Any]:
    """What of one recipe is quoted."""
    cost = one["cost"]
    return {
        "seeds": len(one["seeds"]),
        "accuracy": one["accuracy"],
        "parameters": cost["parameters"],
        "latency_ms": round(cost["latency_ms"], 3),
    }


def seen(row: dict[str, Any]) -> dict[str, Any]:
    """On how many test images a conversion was measured, and how many labels it flipped."""
    measured = row["measured"] or {}
    return {name: measured.get(name) for name in ("images", "flips")}


def one_epoch(store: Path, network: str) -> dict[str, Any]:
    """A large network through the whole road: learnt, exported, certified, registered."""
    answer = plumbline(
        store,
        "run",
        "configs/folder.yaml",
        f"name={network}",
        f"data.root={ASSETS / 'data' / 'flowers'}",
        f"student.architecture=timm:{network}",
        *ONE_EPOCH,
    )
    bundle = Path(answer["bundle"])
    rows = json.loads((bundle / "certificate.json").read_bytes())["rows"]
    return {
        "accuracy": answer["student"]["accuracy"],
        "onnx_bytes": (bundle / "model.onnx").stat().st_size,
        "certificate": [
            {"conversion": row["conversion"], "status": row["status"], **seen(row)} for row in rows
        ],
        "version": answer.get("version"),
    }


def main() -> None:
    """The grid, then the two."""
    with tempfile.TemporaryDirectory() as folder:
        store = Path(os.environ.get("PLUMBLINE_STORE", folder))
        figures = {
            "grid": grid(store),
            "one_epoch": {network: one_epoch(store, network) for network in LARGE},
        }
    write_result("grid", figures)


if __name__ == "__main__":
    main()
