"""Test images before and after the backbone was tuned, as points for the report."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from inspection.data.index import ImageIndex
from inspection.evaluation.neighbour_map import neighbour_map
from inspection.evaluation.representation_maps import FeatureMaps, Pairs, pca_maps
from inspection.features.extract import Features, extract_features
from inspection.learning_config import TeacherConfig
from inspection.store import Store
from inspection.training.labels import rows_of
from inspection.training.prepared_teacher import PreparedTeacher

SHOWN = 2000
"""Points on a map; more would be a blot."""
FITTED = 4000
"""Training images that place the axes; two directions need no more."""


def tuning_maps(
    index: ImageIndex,
    after: Features,
    prepared: PreparedTeacher,
    config: TeacherConfig,
    *,
    store: Store,
    seed: int,
    device: str,
    umap: bool,
) -> FeatureMaps:
    """Maps of the test split, on axes of the train split; `after` is of the tuned backbone, `config` from before.

    Empty where nothing was tuned. The features from before come out of the cache, where tuning put them.
    """
    if prepared.tuned is None:
        return FeatureMaps()
    untuned = config.model_copy(update={"tune": None})
    before = extract_features(index, untuned, store=store, seed=seed, device=device)
    return draw_maps(index, before, after, seed=seed, umap=umap)


def draw_maps(
    index: ImageIndex, before: Features, after: Features, *, seed: int, umap: bool
) -> FeatureMaps:
    """Both sets of features of the test split of `index`, on one basis."""
    train, test = (
        _some(rows_of(index, part, index.classes).image_ids, most, seed)
        for part, most in (("train", FITTED), ("test", SHOWN))
    )
    shown = before.rows(test), after.rows(test)
    found = pca_maps(*shown, fitted_on=(before.rows(train), after.rows(train)))
    near = [neighbour_map(rows, seed=seed) if umap else None for rows in shown]
    return FeatureMaps(
        image_ids=test,
        before=_pairs(found.before),
        after=_pairs(found.after),
        explained_before=found.explained_before,
        explained_after=found.explained_after,
        near_before=None if near[0] is None else _pairs(near[0]),
        near_after=None if near[1] is None else _pairs(near[1]),
        train_images=len(train),
    )


def _some(image_ids: tuple[str, ...], most: int, seed: int) -> tuple[str, ...]:
    """At most `most` of the distinct ids, drawn by `seed`, in their own order."""
    names = tuple(dict.fromkeys(image_ids))
    if len(names) <= most:
        return names
    chosen = np.random.default_rng(seed).choice(len(names), most, replace=False)
    return tuple(names[k] for k in sorted(chosen))


def _pairs(points: npt.NDArray[np.floating]) -> Pairs:
    return tuple((float(x), float(y)) for x, y in points)
