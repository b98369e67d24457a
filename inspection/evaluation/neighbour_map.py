"""Features on a plane by UMAP, for the eye.

Source: McInnes, Healy and Melville, UMAP (arXiv 1802.03426). Importing and compiling it costs a new process about 16 s
on an idle core, and 2,000 points another 4 s: callers ask for it only where somebody wants to look.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import numpy.typing as npt

from inspection.errors import MissingExtra

NEIGHBOURS = 15
"""The library's own default: local structure without breaking a class into crumbs."""
FEWEST = 8
"""Fewer points have no neighbourhoods to keep."""


def neighbour_map(
    matrix: npt.NDArray[np.floating[Any]], *, seed: int
) -> npt.NDArray[np.float64] | None:
    """Points (N, 2) of features (N, D), equal for equal inputs and seeds; None for fewer than 8. MissingExtra."""
    if len(matrix) < FEWEST:
        return None
    with warnings.catch_warnings():
        # On generated images classes lie far apart; that the graph falls into pieces is then the finding.
        warnings.filterwarnings("ignore", category=UserWarning)
        warnings.filterwarnings("ignore", category=ImportWarning)
        try:
            import umap
        except ModuleNotFoundError as error:
            raise MissingExtra("pipeline", "the UMAP map of features (report.umap)") from error
        near = min(NEIGHBOURS, len(matrix) - 1)
        # Spectral starts fail on graphs that fall apart, which those of small sets do.
        start = "spectral" if len(matrix) > 4 * near else "random"
        # One thread and a seed: with more, the same features would give another picture each time.
        mapper = umap.UMAP(n_neighbors=near, random_state=seed, n_jobs=1, init=start)
        points = mapper.fit_transform(np.ascontiguousarray(matrix, dtype=np.float32))
    return np.asarray(points, dtype=np.float64)
