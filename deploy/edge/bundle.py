"""A bundle, opened only if every byte is what its manifest promises and its golden images get the promised answers.

Covered: changed, missing, added and linked files, paths that lead out, a swapped model, a runtime that computes
something else; with keys to trust, also a bundle forged whole, manifest included (see signing.py).
"""

from __future__ import annotations

import json
import os
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt

from deploy.edge.decode import read_image
from deploy.edge.engines.base import Engine, Outputs
from deploy.edge.errors import BundleError, ImageError, TamperedBundle
from deploy.edge.files import sha256_file
from deploy.edge.preprocess import preprocess
from deploy.edge.signing import SIGNATURE, PublicKey, Signature, Trust, read_signatures
from deploy.edge.spec import (
    CERTIFICATE,
    DRIFT_REFERENCE,
    FP32,
    GOLDEN_FOLDER,
    GOLDEN_OUTPUTS,
    MANIFEST,
    Manifest,
)

MAX_MANIFEST_BYTES = 2**24
GOLDEN_BATCH = 8
_DIGEST = re.compile(r"[0-9a-f]{64}")
_REMEDY = "copy it again from the registry, do not run it"


@dataclass(frozen=True)
class Bundle:
    """A verified folder and what it says about itself.

    `signatures` are those it carries, `signers` the trusted keys that were found to have signed it.
    """

    folder: Path
    manifest: Manifest
    signatures: tuple[Signature, ...] = ()
    signers: tuple[PublicKey, ...] = ()

    @property
    def digest(self) -> str:
        """Hex SHA-256 of the manifest: the bundle's name."""
        return self.manifest.digest

    @property
    def model(self) -> Path:
        """The ONNX file."""
        return self.folder / self.manifest.model

    def graph(self, variant: str) -> Path:
        """The ONNX file of a precision, such as `fp32`."""
        return self.folder / self.manifest.variant(variant).file

    @property
    def golden(self) -> tuple[Path, ...]:
        """The golden images, in the order of their outputs."""
        names = (name for name in self.manifest.files if name.startswith(f"{GOLDEN_FOLDER}/"))
        return tuple(self.folder / name for name in sorted(names) if name.endswith(".png"))

    def certificate(self) -> dict[str, Any]:
        """What conversion did to decisions, as the exporting side certified it."""
        document = json.loads((self.folder / CERTIFICATE).read_bytes())
        return dict(document)


@dataclass(frozen=True)
class Golden:
    """Aligned: pixels as stored (uint8 (H, W, 3), sizes differ) and the outputs promised for them."""

    pixels: tuple[npt.NDArray[np.uint8], ...]
    outputs: Outputs


def open_bundle(folder: Path, trust: Trust | None = None) -> Bundle:
    """The bundle in `folder`, every file held against its hash; the error names all that is wrong.

    With `trust` one of its keys must have signed the manifest, which is not parsed before. Without, the caller answers
    for where the bundle comes from, as on the workshop's own shelf.
    """
    data, signatures = _read_manifest(folder), read_signatures(folder)
    signers = () if trust is None else trust.signers(folder, data, signatures)
    manifest = _parse_manifest(folder, data)
    _check_names(folder, manifest)
    present = {path.relative_to(folder).as_posix(): path for path in _walk(folder)}
    present.pop(SIGNATURE, None)
    expected = {MANIFEST, *manifest.files}
    changed = [
        name
        for name in sorted(expected & present.keys() - {MANIFEST})
        if sha256_file(present[name]) != manifest.files[name]
    ]
    faults = [
        *(f"{name} is missing" for name in sorted(expected - present.keys())),
        *(f"{name} was added" for name in sorted(present.keys() - expected)),
        *(f"{name} was changed" for name in changed),
    ]
    if faults:
        raise TamperedBundle(f"bundle '{folder}': {', '.join(faults)}; {_REMEDY}")
    bundle = Bundle(folder, manifest, signatures, signers)
    _check_classes(bundle)
    if not bundle.golden:
        raise BundleError(f"bundle '{folder}' carries no golden images: export it again")
    return bundle


def load_golden(bundle: Bundle) -> Golden:
    """The golden images, decoded, and their promised outputs."""
    arrays = _load_arrays(bundle.folder / GOLDEN_OUTPUTS, ("probabilities", "embedding"))
    try:
        pixels = tuple(read_image(path).pixels for path in bundle.golden)
    except ImageError as error:
        raise TamperedBundle(f"a golden image is no image ({error}); {_REMEDY}") from error
    manifest = bundle.manifest
    sizes = {"probabilities": len(manifest.classes), "embedding": manifest.embedding_size}
    for name, size in sizes.items():
        if arrays[name].shape != (len(pixels), size):
            raise TamperedBundle(
                f"golden '{name}' is {arrays[name].shape}, must be {(len(pixels), size)}; {_REMEDY}"
            )
    return Golden(pixels, Outputs(arrays["probabilities"], arrays["embedding"]))


def self_test(bundle: Bundle, engine: Engine, variant: str = FP32) -> float:
    """Run the golden images as any image is run; largest change of a probability, or TamperedBundle.

    `variant` says which tolerance holds; `engine` runs it.
    """
    golden = load_golden(bundle)
    outputs = _answers(bundle, engine, golden)
    expected = golden.outputs.probabilities
    sizes = (outputs.probabilities.shape, outputs.embedding.shape)
    if sizes != (expected.shape, golden.outputs.embedding.shape):
        raise TamperedBundle(f"the graph answers {sizes}, not as the manifest says; {_REMEDY}")
    gap = float(np.abs(outputs.probabilities.astype(np.float64) - expected).max())
    flips = int((outputs.probabilities.argmax(axis=1) != expected.argmax(axis=1)).sum())
    tolerance = bundle.manifest.variant(variant).golden_tolerance
    if flips or not gap <= tolerance:  # written so that NaN fails
        raise TamperedBundle(
            f"golden self-test of '{bundle.folder}' by {engine.name}: {flips} of {len(expected)} labels differ, "
            f"largest change of a probability {gap:.2g}, allowed {tolerance:.2g}; {_REMEDY}"
        )
    return gap


def load_drift_reference(bundle: Bundle) -> dict[str, npt.NDArray[Any]]:
    """`statistics` (N, K), `probabilities` (N, C), `embedding` (N, D) of the validation images, float.

    And `groups` (N,), int64, where the bundle names them: which of the images show one part.
    """
    path = bundle.folder / DRIFT_REFERENCE
    arrays = _load_arrays(path, ("statistics", "probabilities", "embedding"))
    groups = _load_groups(path)
    if groups is None:
        return arrays
    if groups.shape != (len(arrays["statistics"]),) or groups.dtype.kind not in "iu":
        raise BundleError(f"'{path}': groups must be a number per image: export the bundle again")
    return {**arrays, "groups": groups}


def _answers(bundle: Bundle, engine: Engine, golden: Golden) -> Outputs:
    spec = bundle.manifest.preprocessing
    parts = [
        engine.run(
            np.stack([preprocess(pixels, spec) for pixels in golden.pixels[i : i + GOLDEN_BATCH]])
        )
        for i in range(0, len(golden.pixels), GOLDEN_BATCH)
    ]
    return Outputs(
        np.concatenate([part.probabilities for part in parts]),
        np.concatenate([part.embedding for part in parts]),
    )


def _read_manifest(folder: Path) -> bytes:
    path = folder / MANIFEST
    if not folder.is_dir():
        raise BundleError(f"no bundle folder '{folder}': check the path")
    if path.is_symlink() or not path.is_file():
        raise BundleError(f"'{folder}' has no {MANIFEST}: give the folder that holds one")
    if path.stat().st_size > MAX_MANIFEST_BYTES:
        raise BundleError(f"'{path}' is larger than {MAX_MANIFEST_BYTES} bytes: export it again")
    return path.read_bytes()


def _parse_manifest(folder: Path, data: bytes) -> Manifest:
    path = folder / MANIFEST
    try:
        manifest = Manifest.from_json(data)
    except BundleError as error:
        raise type(error)(f"'{path}': {error}") from error
    if data != manifest.to_json():
        raise TamperedBundle(f"'{path}' is not in canonical form, somebody edited it; {_REMEDY}")
    name = folder.resolve().name
    if _DIGEST.fullmatch(name) and name != manifest.digest:
        raise TamperedBundle(f"folder '{name}' holds bundle {manifest.digest}; {_REMEDY}")
    return manifest


def _check_names(folder: Path, manifest: Manifest) -> None:
    for name in manifest.files:
        path = PurePosixPath(name)
        plain = name == path.as_posix() and not path.is_absolute() and ".." not in path.parts
        if (
            not plain
            or name in ("", ".", MANIFEST, SIGNATURE)
            or re.search(r"[\\\x00-\x1f:]", name)
        ):
            raise TamperedBundle(f"bundle '{folder}': {name!r} is no path inside it; {_REMEDY}")
    required = (CERTIFICATE, DRIFT_REFERENCE, GOLDEN_OUTPUTS)
    if missing := [name for name in required if name not in manifest.files]:
        raise BundleError(f"bundle '{folder}' lists no {', '.join(missing)}: export it again")


def _check_classes(bundle: Bundle) -> None:
    """Golden outputs have no names: two classes exchanged in the manifest would pass every other test."""
    try:
        stated = bundle.certificate().get("classes")
        certified = None if stated is None else tuple(map(str, stated))
    except (ValueError, TypeError) as error:
        raise BundleError(f"'{bundle.folder / CERTIFICATE}' cannot be read: {_REMEDY}") from error
    if certified is not None and certified != bundle.manifest.classes:
        raise TamperedBundle(
            f"bundle '{bundle.folder}': certified for classes {', '.join(certified)}, the manifest "
            f"says {', '.join(bundle.manifest.classes)}; {_REMEDY}"
        )


def _walk(folder: Path) -> Iterator[Path]:
    """Every file below; links are refused, wherever they lead."""
    with os.scandir(folder) as entries:
        found = sorted(entries, key=lambda entry: entry.name)
    for entry in found:
        path = folder / entry.name
        if entry.is_symlink():
            raise TamperedBundle(f"bundle file '{path}' is a link; {_REMEDY}")
        if entry.is_dir():
            yield from _walk(path)
        elif entry.is_file():
            yield path
        else:
            raise TamperedBundle(f"bundle file '{path}' is no regular file; {_REMEDY}")


def _load_groups(path: Path) -> npt.NDArray[Any] | None:
    """None where an older bundle names none."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            groups: npt.NDArray[Any] | None = archive.get("groups")
            return groups
    except (OSError, ValueError, EOFError, MemoryError, zipfile.BadZipFile) as error:
        raise BundleError(f"'{path}' cannot be read ({error}): export the bundle again") from error


def _load_arrays(path: Path, names: tuple[str, ...]) -> dict[str, npt.NDArray[Any]]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in names}
    except (OSError, ValueError, KeyError, EOFError, MemoryError, zipfile.BadZipFile) as error:
        raise BundleError(f"'{path}' cannot be read ({error}): export the bundle again") from error
    bad = [
        name
        for name, array in arrays.items()
        if array.ndim != 2 or array.dtype.kind != "f" or not np.isfinite(array).all()
    ]
    if bad:
        raise BundleError(f"'{path}': {bad} must be finite float tables: export the bundle again")
    return arrays
