"""imagededup and CleanVision, asked about the same files; installed for that only, in an environment of their own.

Run by the benchmarks' Python it makes that environment and asks; run by the other Python, as a script, it answers.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

PACKAGES = ("imagededup", "cleanvision")
RADIUS = 10
"""imagededup's own default for `max_distance_threshold`."""
WORKERS = 2

PairOfNames = tuple[str, str]


def environment(folder: Path) -> Path:
    """A new environment with both packages below `folder`; its Python."""
    home = folder / "rivals"
    python = home / "bin" / "python"
    if uv := shutil.which("uv"):
        make = [uv, "venv", "-q", "--python", sys.executable, str(home)]
        install = [uv, "pip", "install", "-q", "--python", str(python), *PACKAGES]
    else:
        make = [sys.executable, "-m", "venv", str(home)]
        install = [str(python), "-m", "pip", "install", "-q", *PACKAGES]
    for command in (make, install):
        subprocess.run(command, check=True)
    return python


def called_duplicates(
    python: Path, images: Path, pairs: Sequence[PairOfNames]
) -> dict[str, list[bool]]:
    """By method, whether each pair of files in the folder `images` is called duplicates."""
    request = images.parent / "pairs.json"
    request.write_text(json.dumps(list(pairs)))
    answer: dict[str, list[bool]] = _asked(python, "duplicates", images, request)
    return answer


def encoding(python: Path, images: Path) -> tuple[int, float]:
    """Files that imagededup hashed, and in how many seconds, starting and importing not counted."""
    answer = _asked(python, "encoding", images)
    return int(answer["images"]), float(answer["seconds"])


def versions(python: Path) -> dict[str, str]:
    """What was installed."""
    answer: dict[str, str] = _asked(python, "versions")
    return answer


def _asked(python: Path, question: str, *files: Path) -> Any:
    command = [str(python), str(Path(__file__).resolve()), question, *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


def _duplicates(images: Path, request: Path) -> dict[str, list[bool]]:
    pairs = [(str(first), str(second)) for first, second in json.loads(request.read_text())]
    codes, _ = _encoded(images)
    bits = [(int(codes[a], 16) ^ int(codes[b], 16)).bit_count() for a, b in pairs]
    sets = _cleanvision(images)
    return {
        f"imagededup, PHash within {RADIUS}": [distance <= RADIUS for distance in bits],
        "imagededup, PHash equal": [distance == 0 for distance in bits],
        "CleanVision": [sets.get(a, a) == sets.get(b, b) for a, b in pairs],
    }


def _encoded(images: Path) -> tuple[dict[str, str], float]:
    from imagededup.methods import PHash  # type: ignore[import-not-found]

    hasher = PHash(verbose=False)
    started = time.perf_counter()
    codes: dict[str, str] = hasher.encode_images(image_dir=str(images), num_enc_workers=WORKERS)
    return codes, time.perf_counter() - started


def _cleanvision(images: Path) -> dict[str, str]:
    """Of each file that has duplicates, exact or near, which set it is in."""
    from cleanvision import Imagelab  # type: ignore[import-not-found]

    lab = Imagelab(data_path=str(images))
    issues: dict[str, dict[str, Any]] = {"exact_duplicates": {}, "near_duplicates": {}}
    lab.find_issues(issues, n_jobs=WORKERS, verbose=False)
    found: dict[str, str] = {}
    # A near set is left out if it equals an exact one, and otherwise holds it: the last one that names a file is right.
    for kind in issues:
        for number, names in enumerate(lab.info[kind]["sets"]):
            found.update({Path(name).name: f"{kind} {number}" for name in names})
    return found


def main() -> None:
    """Answer one question on the last line of stdout."""
    from importlib.metadata import version

    question, *rest = sys.argv[1:]
    files = [Path(name) for name in rest]
    answer: dict[str, Any]
    if question == "duplicates":
        answer = _duplicates(*files)
    elif question == "encoding":
        codes, seconds = _encoded(*files)
        answer = {"images": len(codes), "seconds": seconds}
    else:
        answer = {package: version(package) for package in PACKAGES}
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
