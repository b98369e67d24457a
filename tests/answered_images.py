"""Images that are labelled as the small bundle of `edge_bundles` answers them, or otherwise where a test wants that."""

from __future__ import annotations

from pathlib import Path

from deploy.edge.decode import decode
from deploy.edge.files import sha256_bytes
from deploy.edge.preprocess import preprocess
from inspection.data.index import ImageIndex
from tests.edge_bundles import CLASSES, SPEC, by_numpy, pictures, png


def photographed(root: Path, *, wrong: int = 0) -> ImageIndex:
    """24 images, 12 of them for the test, labelled as the graph answers by numpy; but `wrong` of the test images."""
    rows = []
    for i, pixels in enumerate(pictures(24, seed=5)):
        data = png(pixels)
        (root / f"{i:02d}.png").write_bytes(data)
        answers = by_numpy(preprocess(decode(data).pixels, SPEC)[None])
        called = int(answers.probabilities.argmax())
        split = ("train", "test", "val", "test")[i % 4]
        off = split == "test" and i < 2 * wrong
        row = {"path": f"{i:02d}.png", "image_id": sha256_bytes(data), "split": split}
        rows.append({**row, "label": CLASSES[(called + off) % 3]})
    return ImageIndex.from_rows(root, rows)
