"""Work on many images at once, answers in order, few of them in memory.

Threads, not processes: decoding, hashing and OpenCV free the interpreter, and nothing has to be carried between
processes. What multiplies matrices must be held to one thread of its own (`one_thread_each`): two threads that each
start two more are slower than one.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from threadpoolctl import threadpool_limits

Item = TypeVar("Item")
Answer = TypeVar("Answer")

MAX_THREADS = 16
"""Each may hold one image of `checks.max_megapixels`: three bytes a pixel, and about as much again while it is read."""
IN_FLIGHT = 4
"""Answers waiting per thread: enough to keep the cores busy."""


def in_order(
    work: Callable[[Item], Answer], items: Iterable[Item], *, workers: int | None = None
) -> Iterator[Answer]:
    """`work` of every item, a thread per core; of a million items a few dozen are under way at a time."""
    workers = workers or min(os.cpu_count() or 1, MAX_THREADS)
    with ThreadPoolExecutor(workers) as pool:
        waiting: deque[Future[Answer]] = deque()
        try:
            for item in items:
                waiting.append(pool.submit(work, item))
                if len(waiting) >= workers * IN_FLIGHT:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for late in waiting:
                late.cancel()


@contextmanager
def one_thread_each() -> Iterator[None]:
    """Inside, a product of matrices uses the thread that asks for it, and no other."""
    with threadpool_limits(limits=1, user_api="blas"):
        yield
