"""Spoils small valid files again and again and reads them: a clean result or one clear sentence, or it is a finding.

    python tests/fuzz/fuzz_parsers.py --seconds 60 [--parser coco] [--seed N] [--jobs 2]
    python tests/fuzz/fuzz_parsers.py --parser coco --seed 0 --iteration 4711      # one input again

A finding (another exception, a message that is not one short line, over 5 s of work, over 1 GB, a process that dies)
is saved with its traceback, printed with what reproduces it, and ends with exit code 1. Every input follows from seed,
parser and iteration alone. Each parser has a process of its own. Linux only: memory is read from /proc.
"""

from __future__ import annotations

import argparse
import faulthandler
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from inspection.errors import PlumblineError  # noqa: E402
from tests.fuzz.mutations import misplace, spoilt  # noqa: E402
from tests.fuzz.tables import other_npz, other_parquet  # noqa: E402
from tests.fuzz.targets import TARGETS, Finding, Target, check_lines, lines_of  # noqa: E402

MEMORY = Path("/dev/shm")
MAX_SECONDS = 5.0
"""Of the processor, so that a busy machine finds nothing."""
MAX_WAIT = 30.0
"""By the clock: nothing may wait for a pipe."""
MAX_BYTES = 2**30
MISPLACED = 0.06
"""Share of inputs in which a file has an odd name or is no file, instead of odd content."""
RESTRUCTURED = 0.5
"""Share of Parquet and NumPy inputs whose structure is sound and whose values are not."""


@dataclass(frozen=True)
class Result:
    """What one parser came to; `found` says what was wrong, `saved` where the input lies."""

    parser: str
    iterations: int
    refused: int
    seconds: float
    found: str = ""
    saved: str = ""


class _TooSlow(BaseException):
    """Raised by the timer; nothing that parses catches it."""


class Fuzz:
    """One parser, its valid files in memory, and the folder in which they are spoilt."""

    def __init__(self, target: Target, folder: Path, seed: int) -> None:
        self.target, self.root, self.seed = target, folder, seed
        folder.mkdir(parents=True)
        target.build(folder)
        self.clean = {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }
        places = [[*folder.glob(pattern)] for pattern in target.spoil]
        self.names = [[path.relative_to(folder).as_posix() for path in sorted(p)] for p in places]

    def input(self, iteration: int) -> str:
        """Spoil the files as this iteration does; the name of the one that was spoilt."""
        rng = random.Random(f"{self.seed}/{self.target.name}/{iteration}")
        name = rng.choice(rng.choice(self.names))
        path = self.root / name
        if rng.random() < MISPLACED:
            misplace(rng, path)
        elif path.suffix in (".parquet", ".npz") and rng.random() < RESTRUCTURED:
            (other_npz if path.suffix == ".npz" else other_parquet)(rng, path)
        else:
            path.write_bytes(spoilt(rng, name, self.clean[name]))
        return name

    def restore(self, name: str) -> None:
        """The valid files again."""
        path = self.root / name
        if self.target.settled and path.is_file() and not path.is_symlink():
            path.write_bytes(self.clean[name])
            return
        shutil.rmtree(self.root)
        for each, data in self.clean.items():
            (self.root / each).parent.mkdir(parents=True, exist_ok=True)
            (self.root / each).write_bytes(data)

    def read(self, name: str) -> bool:
        """Whether the input was refused; Finding, or whatever the parser raised, when it did neither."""
        before, started = _resident(), time.process_time()
        peak = _peak()
        try:
            self.target.read(self.root, name)
        except PlumblineError as error:
            check_lines(lines_of(error), "a message")
            refused = True
        else:
            refused = False
        if (seconds := time.process_time() - started) > MAX_SECONDS:
            raise Finding(f"took {seconds:.1f} s, the limit is {MAX_SECONDS:g}")
        if _peak() > max(peak, before + MAX_BYTES):
            raise Finding(f"needed {(_peak() - before) / 2**30:.1f} GiB, the limit is 1")
        return refused


def fuzz(
    parser: str, seconds: float, seed: int, folder: Path, *, first: int = 0, most: int = 10**12
) -> Result:
    """Inputs `first`, `first` + 1, … until `seconds` of the processor are spent, `most` are read, or one is faulty."""
    fuzzing = Fuzz(TARGETS[parser], folder / parser, seed)
    started, refused, iteration = time.process_time(), 0, first
    name = ""
    try:
        while time.process_time() - started < seconds and iteration - first < most:
            (folder / f"{parser}.at").write_text(str(iteration))
            name = fuzzing.input(iteration)
            with _Timer():
                refused += fuzzing.read(name)
            fuzzing.restore(name)
            iteration += 1
    except (Exception, _TooSlow) as error:
        found = f"iteration {iteration}, '{name}': {type(error).__name__}: {error}"[:900]
        (folder / f"{parser}.txt").write_text(traceback.format_exc(), errors="backslashreplace")
        spent = time.process_time() - started
        return Result(parser, iteration - first, refused, spent, found, str(fuzzing.root))
    return Result(parser, iteration - first, refused, time.process_time() - started)


class _Timer:
    """Stops what takes too long, as far as Python can."""

    def __enter__(self) -> None:
        self.before = signal.signal(signal.SIGALRM, _stop)
        signal.setitimer(signal.ITIMER_REAL, MAX_WAIT)

    def __exit__(self, *_: object) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, self.before)


def _stop(_number: int, _frame: FrameType | None) -> None:
    raise _TooSlow(f"no answer after {MAX_WAIT:g} s")


def _resident() -> int:
    pages = Path("/proc/self/statm").read_text("ascii").split()[1]
    return int(pages) * resource.getpagesize()


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _child(options: argparse.Namespace) -> int:
    """One parser in this process; the result as the last line."""
    faulthandler.enable()
    # What needs far more than the limit must not take the machine with it.
    size = int(Path("/proc/self/statm").read_text("ascii").split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + 4 * MAX_BYTES, resource.RLIM_INFINITY))
    first, most = (0, 10**12) if options.iteration is None else (options.iteration, 1)
    found = fuzz(
        options.parser, options.seconds, options.seed, options.folder, first=first, most=most
    )
    print(json.dumps(asdict(found)))
    return 0


def _run(parser: str, options: argparse.Namespace) -> Result:
    """A process for the parser; one that dies is a finding like any other."""
    command = [sys.executable, __file__, "--child", "--parser", parser, "--seed", str(options.seed)]
    command += ["--seconds", str(options.seconds), "--folder", str(options.folder)]
    command += [] if options.iteration is None else ["--iteration", str(options.iteration)]
    # A busy machine gives a process less than a second each second.
    limit = 4 * options.seconds + 120
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit, check=False)
    except subprocess.TimeoutExpired:
        return _died(parser, options.folder, f"no answer after {limit:g} s")
    if done.returncode == 0 and done.stdout.strip():
        return Result(**json.loads(done.stdout.strip().splitlines()[-1]))
    (options.folder / f"{parser}.txt").write_text(done.stderr)
    return _died(parser, options.folder, f"the process ended with {done.returncode}")


def _died(parser: str, folder: Path, what: str) -> Result:
    place = folder / f"{parser}.at"
    iteration = int(place.read_text() or 0) if place.exists() else 0
    return Result(parser, iteration, 0, 0.0, f"iteration {iteration}: {what}", str(folder / parser))


def _counted(parser: str, options: argparse.Namespace) -> Result:
    """Read one parser's inputs, and say so at once: the whole may take hours."""
    one = _run(parser, options)
    rate = one.iterations / one.seconds if one.seconds else 0.0
    columns = f"{one.parser:18}{one.iterations:9}{one.refused:9}{rate:9.0f}{one.seconds:9.0f}"
    print(f"{columns}  {'FOUND' * bool(one.found)}".rstrip(), flush=True)
    return one


def _print_found(found: list[Result], seed: int) -> None:
    for one in found:
        iteration = one.found.split(",")[0].split(":")[0].removeprefix("iteration ")
        print(f"\n{one.parser}: {one.found}\n  input: {one.saved}\n  trace: {one.saved}.txt")
        print(
            f"  again: python tests/fuzz/fuzz_parsers.py --parser {one.parser} "
            f"--seed {seed} --iteration {iteration}"
        )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--seconds", type=float, default=60.0, help="of the processor, for each parser"
    )
    parser.add_argument("--parser", choices=TARGETS, help="one of them instead of all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--iteration", type=int, help="this input alone")
    parser.add_argument("--jobs", type=int, default=1, help="parsers at a time")
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> int:
    """Every parser, a table of what was read, and 1 when anything was found."""
    options = _options()
    if options.child:
        return _child(options)
    # In memory where there is such a place: every input is written, read and removed.
    memory = MEMORY if os.access(MEMORY, os.W_OK) else None
    options.folder = Path(tempfile.mkdtemp(prefix="plumbline-fuzz-", dir=memory))
    names = [options.parser] if options.parser else list(TARGETS)
    print(f"{'parser':18}{'inputs':>9}{'refused':>9}{'a second':>9}{'seconds':>9}", flush=True)
    with ThreadPoolExecutor(options.jobs) as pool:
        results = list(pool.map(lambda name: _counted(name, options), names))
    found = [one for one in results if one.found]
    _print_found(found, options.seed)
    if found:
        return 1
    shutil.rmtree(options.folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
