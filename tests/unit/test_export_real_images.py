"""The product's own student over real images of steel: exported, certified, shelved, opened."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from deploy.edge.files import sha256_file
from deploy.edge.inspector import Inspector
from deploy.edge.spec import Decision, Preprocessing
from deploy.export.bundle_writer import BundleSpec
from deploy.export.release import export_bundle
from inspection.data.index import ImageIndex
from inspection.evaluation.answers import read_indexed
from inspection.models.graph import DeployGraph
from inspection.models.registry import build_student
from inspection.store import Store


def steel(root: Path) -> ImageIndex:
    """Every 15th image of NEU-DET, its label the first part of its name."""
    files = sorted(root.rglob("*.jpg"))[::15]
    rows = [
        {
            "path": path.relative_to(root).as_posix(),
            "label": path.stem.rsplit("_", 1)[0],
            "image_id": sha256_file(path),
            "split": ("val", "test", "train")[i % 3],
        }
        for i, path in enumerate(files)
    ]
    return ImageIndex.from_rows(root, rows)


@pytest.mark.assets
def test_a_real_student_survives_conversion_on_real_images(assets, tmp_path):
    index = steel(assets / "data" / "neu_det")
    assert len(index.classes) == 6
    student = build_student("plumbnet_s", 6, seed=2)
    with torch.no_grad():
        # Untrained, it hardly decides; louder, its decisions are far enough apart to be compared.
        student.classifier.weight *= 50.0
    graph = DeployGraph(student.eval(), student.mean, student.std, 1.3)
    size = Preprocessing(96, 96)
    spec = BundleSpec("steel", index.classes, size, Decision(), 1.3, "t" * 64, {})
    released = export_bundle(graph, spec, index=index, store=Store(tmp_path))
    measured = released.certificate.rows[0].measured
    assert measured is not None
    assert (measured.images, measured.flips) == (len(index.split("test")), 0)
    assert 0.0 < measured.max_delta <= 1e-4
    inspector = Inspector.open(released.folder)
    row = index.split("test").frame.iloc[0]
    seen = inspector.inspect(read_indexed(index.root / row["path"], row["image_id"]))
    assert seen.verdict.label == released.evaluation.predictions[0]
