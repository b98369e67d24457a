"""Does NVIDIA's parser take our files, and does the adapter's own build path go through? A lint without a GPU.

FP32, FP16 and INT8 (S8S8, explicit Q/DQ) files of every network that `bench_export.py --keep FOLDER` left, each through
the tool's check and through `deploy.edge.engines.tensorrt_build`; and the names the adapter uses against NVIDIA's
bindings 10.16 and 11.4. The parser and builder are those of TensorRT-RTX: a pass is no evidence that anything runs on
TensorRT.

Usage: python benchmarks/bench_tensorrt_checks.py FOLDER
Needs TRT_ON_CPU_TOOL (the folder of check.py and run_in.sh) and TRT_ON_CPU_DIR (its environments); without them it says
so and ends.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import onnx
from machine import write_result

ROOT = Path(__file__).resolve().parents[1]
PRECISIONS = ("fp32", "fp16", "int8_tensorrt")
CLAIM = (
    "lint by TensorRT-RTX's parser and builder on a CPU; nothing ran on TensorRT, and TensorRT itself (10 or 11) was "
    "not asked"
)
# Run inside the tool's environment, which has NVIDIA's binding and numpy.
BUILD = """
import json, sys
from pathlib import Path
import tensorrt
from deploy.edge.engines.tensorrt_build import build_engine
from deploy.edge.engines.tensorrt_key import BuildOptions
from deploy.edge.errors import PlumblineError
try:
    made = build_engine(Path(sys.argv[1]).read_bytes(), BuildOptions(batch=8))
    again = build_engine(Path(sys.argv[1]).read_bytes(), BuildOptions(batch=1), timings=made.timings)
    result = {"built": True, "layers": made.layers, "engine_bytes": len(made.engine),
              "timing_bytes": len(made.timings), "one_profile_bytes": len(again.engine),
              "seconds": round(made.seconds, 3)}
except PlumblineError as error:
    result = {"built": False, "error": f"{type(error).__name__}: {error}"}
print(json.dumps({"binding": tensorrt.__version__, **result}))
"""
NAMES = """
import json, sys
import tensorrt as trt
from deploy.edge.engines import tensorrt_build, tensorrt_report
names = json.loads(sys.argv[1])
absent = [f"{owner}.{name}" for owner, name in names
          if not hasattr(getattr(trt, owner) if owner else trt, name)]
for kind, interface in (("Log", "ILogger"), ("Recorder", "IErrorRecorder"), ("BuildProgress", "IProgressMonitor")):
    tensorrt_report.bound(getattr(tensorrt_report, kind), getattr(trt, interface))
print(json.dumps({"binding": trt.__version__, "names": len(names), "absent": absent}))
"""
PLANTED = """
import json, sys
from deploy.edge.engines.tensorrt_build import build_engine
from deploy.edge.engines.tensorrt_key import BuildOptions
from deploy.edge.errors import PlumblineError
try:
    build_engine(sys.stdin.buffer.read(), BuildOptions())
    print(json.dumps({"error": None}))
except PlumblineError as error:
    print(json.dumps({"error": f"{type(error).__name__}: {error}"}))
"""


# Ctrl-C in the middle of a build, damaged timings, and a second build in one process.
STOPPED = """
import json, sys
from deploy.edge.engines import tensorrt_build
from deploy.edge.engines.tensorrt_key import BuildOptions
from deploy.edge.engines.tensorrt_report import BuildProgress
model, steps = sys.stdin.buffer.read(), []
class Interrupted(BuildProgress):
    def _show(self):
        steps.append(1)
        if len(steps) == 5:
            raise KeyboardInterrupt
tensorrt_build.BuildProgress = Interrupted
try:
    tensorrt_build.build_engine(model, BuildOptions())
    ended = "went on"
except KeyboardInterrupt:
    ended = f"stopped at step {len(steps)}"
tensorrt_build.BuildProgress = BuildProgress
after = tensorrt_build.build_engine(model, BuildOptions(), timings=b"damaged")
print(json.dumps({"ctrl_c": ended, "then_built_with_damaged_timings": bool(after.engine)}))
"""


def files(folder: Path) -> dict[str, Path]:
    """The files of one network that are meant for TensorRT, by precision."""
    found = {name: folder / f"{name}.onnx" for name in PRECISIONS}
    return {name: path for name, path in found.items() if path.is_file()}


def run_in(tool: Path, level: str, program: str, *words: str, data: bytes = b"") -> dict[str, Any]:
    """What a program printed last in one of the tool's environments, or how it ended."""
    done = subprocess.run(
        [tool / "run_in.sh", level, "python", "-c", program, *words],
        input=data,
        capture_output=True,
        cwd=ROOT,
        env={**os.environ, "PROJECT": str(ROOT)},
        check=False,
        timeout=600,
    )
    if done.returncode:
        return {"error": f"ended with {done.returncode}", "stderr": done.stderr.decode()[-300:]}
    return dict(json.loads(done.stdout.decode().splitlines()[-1]))


def check(tool: Path, model: Path, folder: Path) -> dict[str, Any]:
    """The tool's own verdict."""
    told = folder / "verdict.json"
    shape = onnx.load(model, load_external_data=False).graph.input[0].type.tensor_type.shape
    height, width = (shape.dim[axis].dim_value for axis in (1, 2))
    span = ":".join(f"{count}x{height}x{width}x3" for count in (1, 8, 8))
    subprocess.run(
        [tool / "check.py", model, "--profile", f"image={span}", "--json", told],
        capture_output=True,
        check=False,
    )
    verdict = json.loads(told.read_text())
    kept = ("verdict", "layers", "layer_dtypes", "engine_bytes")
    first = verdict["error"][0].splitlines()[-1][:200] if verdict["error"] else ""
    return {**{name: verdict[name] for name in kept if name in verdict}, "error": first}


def planted(tool: Path, model: Path) -> dict[str, Any]:
    """Files that must be refused with a sentence by the adapter's build path."""
    renamed = onnx.load(model)
    renamed.graph.output[0].name = renamed.graph.node[-1].output[0] = "answers"
    unknown = onnx.load(model)
    unknown.graph.node[-1].op_type = "Det"
    faults = {
        "not ONNX": b"not an ONNX file",
        "an empty model": onnx.ModelProto(ir_version=10).SerializeToString(),
        "an output of another name": renamed.SerializeToString(),
        "an operator it does not know": unknown.SerializeToString(),
    }
    return {name: run_in(tool, "l4", PLANTED, data=data) for name, data in faults.items()}


def main() -> int:
    tool, environments = os.environ.get("TRT_ON_CPU_TOOL"), os.environ.get("TRT_ON_CPU_DIR")
    if not tool or not environments or len(sys.argv) != 2:
        print("skipped: give a folder, and set TRT_ON_CPU_TOOL and TRT_ON_CPU_DIR")
        return 0
    sys.path.insert(0, str(ROOT))
    from tests.contracts.tensorrt_names import stub_lines

    names = json.dumps([name for name in sorted(stub_lines()) if not name[1].startswith("__")])
    figures: dict[str, Any] = {
        "claim": CLAIM,
        "names": [run_in(Path(tool), level, NAMES, names) for level in ("l3-10", "l3-11", "l4")],
        "files": {},
    }
    sound = None
    with tempfile.TemporaryDirectory() as scratch:
        for network in sorted(path for path in Path(sys.argv[1]).iterdir() if path.is_dir()):
            figures["files"][network.name] = {
                name: {
                    "check": check(Path(tool), path, Path(scratch)),
                    "adapter": run_in(Path(tool), "l4", BUILD, str(path)),
                }
                for name, path in files(network).items()
            }
            print(network.name, file=sys.stderr, flush=True)
            sound = sound or files(network).get("fp32")
    if sound is None:
        print(f"no fp32.onnx below {sys.argv[1]}: run bench_export.py --keep first")
        return 2
    figures["refused"] = planted(Path(tool), sound)
    figures["stopped"] = run_in(Path(tool), "l4", STOPPED, data=sound.read_bytes())
    figures["without_a_gpu"] = [
        run_in(Path(tool), level, PLANTED, data=sound.read_bytes()) for level in ("l3-10", "l3-11")
    ]
    write_result("tensorrt_checks", figures)
    return 0


if __name__ == "__main__":
    sys.exit(main())
