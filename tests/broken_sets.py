"""Small data sets with every fault that a plant has shown us, and what must be said of each file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

PER_CLASS = 12
SIDE = 64


def surface(number: int, *, scratched: bool) -> npt.NDArray[np.uint8]:
    """A grey surface of 64 x 64; scratched ones are coarser and carry a bright line."""
    random = np.random.default_rng(number)
    noise = random.integers(0, 255, (SIDE, SIDE)).astype(np.uint8)
    picture = cv2.GaussianBlur(noise, (0, 0), 5 if scratched else 2)
    if scratched:
        start, end = (int(random.integers(SIDE)), 0), (int(random.integers(SIDE)), SIDE)
        cv2.line(picture, start, end, 255, 2)
    return np.asarray(picture, np.uint8)


def _good(folder: Path, *, scratched: bool, prefix: str = "") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(PER_CLASS):
        picture = surface(1000 * scratched + number, scratched=scratched)
        cv2.imwrite(str(folder / f"{prefix}{number:02d}.jpg"), picture)


def folder_set(root: Path) -> dict[str, str]:
    """Folder per class; the code that quarantines, or warns about, each planted file."""
    _good(root / "ok", scratched=False)
    _good(root / "scratch", scratched=True)
    plain = surface(1, scratched=False)
    jpeg = cv2.imencode(".jpg", plain)[1].tobytes()
    rgba = np.dstack([plain, plain, plain, np.full_like(plain, 200)])
    planted: dict[str, tuple[str, Callable[[Path], object]]] = {
        "cut.jpg": ("truncated", lambda p: p.write_bytes(jpeg[: len(jpeg) // 2])),
        "empty.jpg": ("empty", lambda p: p.write_bytes(b"")),
        "text.jpg": ("unknown_format", lambda p: p.write_bytes(b"The camera was busy.\n")),
        "png.jpg": (
            "wrong_extension",
            lambda p: p.write_bytes(cv2.imencode(".png", surface(2, scratched=False))[1].tobytes()),
        ),
        "deep.png": ("sixteen_bit", lambda p: cv2.imwrite(str(p), plain.astype(np.uint16) * 257)),
        "cmyk.jpg": ("cmyk", lambda p: Image.fromarray(rgba, "CMYK").save(p)),
        "palette.png": ("palette", lambda p: Image.fromarray(255 - plain).convert("P").save(p)),
        "alpha.png": ("alpha_dropped", lambda p: Image.fromarray(rgba[::-1].copy()).save(p)),
        "dot.png": ("too_small", lambda p: cv2.imwrite(str(p), plain[:1, :1])),
        "huge.png": (
            "too_large",
            lambda p: cv2.imwrite(str(p), np.zeros((12_000, 12_000), np.uint8)),
        ),
        "escape.jpg": ("path_escapes_root", lambda p: p.symlink_to("/etc/hostname")),
    }
    for name, (_, plant) in planted.items():
        plant(root / "ok" / name)
    return {f"ok/{name}": code for name, (code, _) in planted.items()}


def mask_set(root: Path) -> dict[str, str]:
    """Image and mask pairs as the Magnetic-tile set has them."""
    planted = {
        "MT_Crack/Imgs/00.jpg": "mask_size",
        "MT_Crack/Imgs/01.jpg": "mask_missing",
        "MT_Crack/Imgs/02.png": "label_without_image",
    }
    for label, scratched in (("MT_Free", False), ("MT_Crack", True)):
        folder = root / label / "Imgs"
        _good(folder, scratched=scratched)
        mask = np.zeros((SIDE, SIDE), np.uint8)
        mask[20:40, 20:23] = 255 * scratched
        for number in range(PER_CLASS):
            cv2.imwrite(str(folder / f"{number:02d}.png"), mask)
    crack = root / "MT_Crack" / "Imgs"
    cv2.imwrite(str(crack / "00.png"), np.zeros((SIDE // 2, SIDE // 2), np.uint8))
    (crack / "01.png").unlink()
    (crack / "02.jpg").unlink()
    return planted


def voc_set(root: Path) -> dict[str, str]:
    """Pascal VOC boxes, as the NEU surface-defect set has them."""
    folder = root / "ANNOTATIONS"
    folder.mkdir(parents=True)
    for label, scratched in (("patches", False), ("scratches", True)):
        _good(root / "IMAGES", scratched=scratched, prefix=f"{label}_")
        for number in range(PER_CLASS):
            _annotate(folder / f"{label}_{number:02d}.xml", label, (5, 5, 20, 20))
    boxes = {"00": (5, 5, 200, 20), "01": (20, 20, 20, 40), "02": (40, 20, 10, 40)}
    for number, box in boxes.items():
        _annotate(folder / f"patches_{number}.xml", "patches", box)
    _annotate(folder / "patches_03.xml", "patches", (5, 5, 20, 20), side=128)
    (folder / "patches_04.xml").write_text("<annotation><filename>")
    (folder / "patches_05.xml").unlink()
    _annotate(folder / "patches_06.xml", "patches", (5, 5, 20, 20), name="../../../etc/shadow.jpg")
    _annotate(folder / "ghost.xml", "patches", (5, 5, 20, 20))
    return {
        "IMAGES/patches_00.jpg": "box_out_of_bounds",
        "IMAGES/patches_01.jpg": "box_degenerate",
        "IMAGES/patches_02.jpg": "box_degenerate",
        "IMAGES/patches_03.jpg": "annotation_size",
        "IMAGES/patches_04.jpg": "annotation_unreadable",
        "IMAGES/patches_05.jpg": "annotation_missing",
        "IMAGES/patches_06.jpg": "path_escapes_root",
        "ANNOTATIONS/ghost.xml": "label_without_image",
    }


def _annotate(
    path: Path, label: str, box: tuple[int, int, int, int], *, side: int = SIDE, name: str = ""
) -> None:
    corners = "".join(
        f"<{key}>{value}</{key}>"
        for key, value in zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True)
    )
    path.write_text(
        f"<annotation><filename>{name or path.with_suffix('.jpg').name}</filename>"
        f"<size><width>{side}</width><height>{side}</height><depth>1</depth></size>"
        f"<object><name>{label}</name><bndbox>{corners}</bndbox></object></annotation>"
    )
