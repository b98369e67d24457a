"""The exported file, opened by ONNX and ONNX Runtime themselves."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from deploy.edge.spec import Preprocessing
from deploy.export.errors import ExportError
from deploy.export.onnx_graph import OPSET, check_contract, export_onnx, strip

pytestmark = pytest.mark.training

SIZE = Preprocessing(height=24, width=32)


class Tiny(nn.Module):
    """uint8 NHWC -> probabilities (N, 3), embedding (N, 6); normalisation inside."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 6, 3, stride=2), nn.BatchNorm2d(6), nn.ReLU())
        self.head = nn.Linear(6, 3)

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        scaled = image.permute(0, 3, 1, 2).to(torch.float32) / 127.5 - 1.0
        embedding = self.body(scaled).mean(dim=(2, 3))
        return torch.softmax(self.head(embedding), dim=1), embedding


class Swapped(Tiny):
    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        probabilities, embedding = super().forward(image)
        return probabilities.flatten(), embedding


def seeded(kind: type[nn.Module] = Tiny) -> nn.Module:
    torch.manual_seed(3)
    return kind().eval()


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    graph = seeded()
    return graph, export_onnx(graph, SIZE, tmp_path_factory.mktemp("onnx") / "model.onnx")


@pytest.mark.parametrize("batch", [1, 2, 5])
def test_any_batch_answers_as_torch_does(exported, batch):
    graph, path = exported
    images = np.random.default_rng(batch).integers(0, 256, (batch, 24, 32, 3), dtype=np.uint8)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    probabilities, embedding = session.run(["probabilities", "embedding"], {"image": images})
    with torch.inference_mode():
        expected = graph(torch.from_numpy(images))
    np.testing.assert_allclose(probabilities, expected[0].numpy(), atol=1e-5)
    np.testing.assert_allclose(embedding, expected[1].numpy(), atol=1e-5)


def test_one_file_of_the_pinned_opset(exported):
    _, path = exported
    model = onnx.load(path)
    assert {entry.domain: entry.version for entry in model.opset_import}[""] == OPSET == 20
    assert [p.name for p in path.parent.iterdir()] == ["model.onnx"]


def test_nothing_of_the_machine_is_in_the_file(exported):
    _, path = exported
    data = path.read_bytes()
    for trace in (b"stack_trace", b"site-packages", b".py", b"test_export", b"class_hierarchy"):
        assert trace not in data


def test_equal_weights_give_equal_bytes(exported, tmp_path):
    _, path = exported
    again = export_onnx(seeded(), SIZE, tmp_path / "again.onnx")
    assert again.read_bytes() == path.read_bytes()
    torch.manual_seed(4)
    other = export_onnx(Tiny().eval(), SIZE, tmp_path / "other.onnx")
    assert other.read_bytes() != path.read_bytes()


def test_exporting_leaves_the_module_as_it_was(exported, tmp_path):
    graph = seeded().train()
    before = {name: value.clone() for name, value in graph.state_dict().items()}
    export_onnx(graph, SIZE, tmp_path / "model.onnx")
    assert graph.training
    assert all(torch.equal(before[name], value) for name, value in graph.state_dict().items())


def test_outputs_of_another_shape_are_refused_and_nothing_is_written(tmp_path):
    with pytest.raises(ExportError, match="probabilities is FLOAT"):
        export_onnx(seeded(Swapped), SIZE, tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []


def rename_output(model: onnx.ModelProto) -> None:
    model.graph.output[1].name = "features"
    for node in model.graph.node:
        node.output[:] = ["features" if name == "embedding" else name for name in node.output]
        node.input[:] = ["features" if name == "embedding" else name for name in node.input]


def fix_batch(model: onnx.ModelProto) -> None:
    for value in (*model.graph.input, *model.graph.output, *model.graph.value_info):
        for side in value.type.tensor_type.shape.dim:
            if side.dim_param:
                side.dim_value = 2


def newer_opset(model: onnx.ModelProto) -> None:
    for entry in model.opset_import:
        if entry.domain == "":
            entry.version = 21


@pytest.mark.parametrize(
    ("fault", "complaint"),
    [(rename_output, "features"), (fix_batch, r"image is UINT8 \[2, 24"), (newer_opset, "opset")],
)
def test_planted_breaches_of_the_contract_are_named(exported, fault, complaint):
    model = onnx.load(exported[1])
    check_contract(model, SIZE)
    fault(model)
    with pytest.raises(ExportError, match=complaint):
        check_contract(model, SIZE)


def test_another_size_than_promised_is_refused(exported):
    with pytest.raises(ExportError, match=r"image is UINT8 \[batch, 24, 32, 3\]"):
        check_contract(onnx.load(exported[1]), Preprocessing(height=32, width=32))


def test_traces_inside_branches_are_dropped_too():
    inner = onnx.helper.make_node("Identity", ["x"], ["y"], doc_string="/somewhere/someone/code")
    inner.metadata_props.add(key="pkg.torch.onnx.stack_trace", value="/somewhere/someone/code")
    body = onnx.helper.make_graph([inner], "then", [], [])
    node = onnx.helper.make_node("If", ["c"], ["y"], then_branch=body)
    model = onnx.helper.make_model(onnx.helper.make_graph([node], "g", [], []))
    assert b"someone" in model.SerializeToString()
    strip(model)
    assert b"someone" not in model.SerializeToString()
