"""A small real bundle for the edge's tests: an ONNX graph under the graph contract, and its answers by plain numpy."""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from deploy.edge.engines.base import Outputs
from deploy.edge.preprocess import preprocess
from deploy.edge.spec import Decision, Manifest, Preprocessing

HEIGHT, WIDTH = 12, 16
CLASSES = ("crack", "ok", "scratch")
EMBEDDING = 8
SPEC = Preprocessing(HEIGHT, WIDTH)
DECISION = Decision(ok_class="ok", reject_at=0.5, review_below=0.4)


def weights() -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Of the first and the second layer."""
    random = np.random.default_rng(11)
    first = random.normal(size=(HEIGHT * WIDTH * 3, EMBEDDING)) / 10
    return first.astype(np.float32), random.normal(size=(EMBEDDING, 3)).astype(np.float32)


def by_numpy(images: npt.NDArray[np.uint8]) -> Outputs:
    """What the graph must answer, computed without it."""
    first, second = weights()
    flat = images.reshape(len(images), -1).astype(np.float64) / 255
    embedding = np.maximum(flat @ first, 0)
    logits = embedding @ second
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities = powers / powers.sum(axis=1, keepdims=True)
    return Outputs(probabilities.astype(np.float32), embedding.astype(np.float32))


def graph(
    *,
    image: str = "image",
    kind: int = TensorProto.UINT8,
    shape: tuple[Any, ...] = ("batch", HEIGHT, WIDTH, 3),
    outputs: tuple[str, ...] = ("probabilities", "embedding"),
) -> onnx.ModelProto:
    """The graph by the contract, or with one clause of it broken."""
    first, second = weights()
    constants = [
        numpy_helper.from_array(first, "first"),
        numpy_helper.from_array(second, "second"),
        numpy_helper.from_array(np.float32(1 / 255), "scale"),
        numpy_helper.from_array(np.array([-1, first.shape[0]]), "flat_shape"),
    ]
    nodes = [
        helper.make_node("Cast", [image], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["float", "scale"], ["scaled"]),
        helper.make_node("Reshape", ["scaled", "flat_shape"], ["flat"]),
        helper.make_node("MatMul", ["flat", "first"], ["hidden"]),
        helper.make_node("Relu", ["hidden"], ["embedding"]),
        helper.make_node("MatMul", ["embedding", "second"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    sizes = {"probabilities": len(CLASSES), "embedding": EMBEDDING, "logits": len(CLASSES)}
    values = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", sizes[name]])
        for name in outputs
    ]
    inputs = [helper.make_tensor_value_info(image, kind, list(shape))]
    body = helper.make_graph(nodes, "tiny", inputs, values, constants)
    return helper.make_model(body, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def pictures(count: int, *, seed: int = 0) -> list[npt.NDArray[np.uint8]]:
    """Decoded images of several sizes, each with a colour of its own so that classes differ."""
    random = np.random.default_rng(seed)
    sizes = [(24, 32), (12, 16), (40, 20), (9, 50)]
    found = []
    for i in range(count):
        tint = random.integers(0, 200, 3)
        noise = random.integers(0, 56, (*sizes[i % len(sizes)], 3))
        found.append((tint + noise).astype(np.uint8))
    return found


def png(pixels: npt.NDArray[np.uint8]) -> bytes:
    """A PNG, by Pillow."""
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


def npz(**arrays: npt.NDArray[Any]) -> bytes:
    """An uncompressed npz."""
    out = io.BytesIO()
    np.savez(out, **arrays)
    return out.getvalue()


def write_bundle(folder: Path, **changes: Any) -> Path:
    """A sound bundle in `folder`; `changes` go into its manifest."""
    golden = pictures(16)
    answers = by_numpy(np.stack([preprocess(pixels, SPEC) for pixels in golden]))
    drift = {"probabilities": answers.probabilities, "embedding": answers.embedding}
    files = {
        "model.onnx": graph().SerializeToString(),
        "certificate.json": b'{"rows": []}',
        "drift_reference.npz": npz(statistics=np.ones((16, 3), np.float32), **drift),
        "golden/outputs.npz": npz(**drift),
        **{f"golden/{i:03d}.png": png(pixels) for i, pixels in enumerate(golden)},
    }
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    manifest = Manifest(
        name="tiny",
        model="model.onnx",
        classes=CLASSES,
        preprocessing=SPEC,
        decision=DECISION,
        temperature=1.0,
        embedding_size=EMBEDDING,
        golden_tolerance=1e-4,
        files={name: hashlib.sha256(data).hexdigest() for name, data in files.items()},
        provenance={"data": "none"},
    )
    (folder / "manifest.json").write_bytes(replace(manifest, **changes).to_json())
    return folder


def resign(folder: Path, **changes: Any) -> None:
    """Make the manifest fit the files as they are now, then apply `changes` to its JSON: a skilled forger."""
    raw = json.loads((folder / "manifest.json").read_bytes())
    present = (
        path
        for path in folder.rglob("*")
        if path.is_file() and path.name not in ("manifest.json", "signature.json")
    )
    raw["files"] = {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in present
    }
    raw.update(changes)
    text = json.dumps(raw, sort_keys=True, separators=(",", ":"))
    (folder / "manifest.json").write_bytes(text.encode())
