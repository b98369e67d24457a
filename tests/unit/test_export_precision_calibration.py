"""Calibration images: which are chosen, and what is refused as calibration."""

from __future__ import annotations

import dataclasses
import shutil

import cv2
import numpy as np
import pytest

from deploy.edge.preprocess import preprocess
from deploy.edge.spec import Preprocessing
from deploy.export.precision.calibration import (
    Calibration,
    calibration_digest,
    calibration_images,
    check_calibration,
)
from inspection.data.index import ImageIndex
from inspection.errors import DataError
from tests.unit.precision_material import CALIBRATED, KINDS, SIZE, surfaces


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    return surfaces(tmp_path_factory.mktemp("surfaces"))


@pytest.fixture(scope="module")
def chosen(index):
    return calibration_images(index, SIZE, count=24)


def refused(calibration: Calibration, index: ImageIndex, says: str) -> None:
    with pytest.raises(DataError, match=says) as caught:
        check_calibration(calibration, index)
    assert "\n" not in str(caught.value)


def replaced(calibration: Calibration, **changes) -> Calibration:
    """Changed, with a digest that fits: a forger would do as much."""
    made = dataclasses.replace(calibration, **changes)
    return dataclasses.replace(made, digest=calibration_digest(made.image_ids, made.images))


def test_train_images_only_as_many_of_each_class_and_as_the_device_sees_them(index, chosen):
    train = index.split("train").frame.set_index("image_id")
    assert set(chosen.image_ids) <= set(train.index)
    assert chosen.counts == dict.fromkeys(KINDS, 8)
    assert len(chosen) == len(set(chosen.image_ids)) == 24
    first = cv2.imread(str(index.root / train.loc[chosen.image_ids[0], "path"]))
    np.testing.assert_array_equal(chosen.images[0], preprocess(first[..., ::-1].copy(), SIZE))
    check_calibration(chosen, index)


def test_the_order_of_the_index_changes_nothing(index, chosen):
    turned = ImageIndex(index.root, index.frame.iloc[::-1].reset_index(drop=True))
    again = calibration_images(turned, SIZE, count=24)
    assert (again.image_ids, again.digest) == (chosen.image_ids, chosen.digest)
    assert chosen.digest != calibration_images(index, SIZE, count=25).digest


def test_all_there_are_when_there_are_fewer_than_asked_for(index):
    everything = calibration_images(index, SIZE)
    assert len(everything) == CALIBRATED
    assert everything.counts == dict.fromkeys(KINDS, 12)


def test_a_rare_class_is_not_crowded_out(index):
    frame = index.frame
    rare = (frame["label"] == "plain") & (frame["split"] == "train")
    few = index.where(~rare | (rare.cumsum() <= 2))
    assert calibration_images(few, SIZE, count=16).counts == {"columns": 7, "plain": 2, "rows": 7}


def test_copies_of_test_images_and_images_without_label_are_passed_over(index):
    frame = index.frame.copy()
    train = frame.index[frame["split"] == "train"]
    test = frame.index[frame["split"] == "test"]
    frame.loc[train[0], "image_id"] = frame.loc[test[0], "image_id"]
    frame.loc[train[1], "label"] = None
    frame.loc[train[2], "quarantine"] = "truncated"
    chosen = calibration_images(ImageIndex(index.root, frame), SIZE)
    assert len(chosen) == CALIBRATED - 3
    assert frame.loc[test[0], "image_id"] not in chosen.image_ids


@pytest.mark.parametrize(("per_class", "found"), [(5, 9), (0, 0)])
def test_too_few_images_are_an_error_that_counts_them(tmp_path, per_class, found):
    with pytest.raises(
        DataError, match=f"at least 16 labelled train images, the data have {found}"
    ):
        calibration_images(surfaces(tmp_path, per_class), SIZE)


def test_asking_for_too_few_is_an_error(index):
    with pytest.raises(DataError, match="at least 16 images, 15 were asked for"):
        calibration_images(index, SIZE, count=15)


def test_a_file_that_changed_since_is_an_error(index, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(index.root, folder)
    moved = ImageIndex(folder, index.frame)
    calibration = calibration_images(moved, SIZE)
    path = folder / moved.split("train").frame.iloc[0]["path"]
    path.write_bytes(path.read_bytes() + b" ")
    refused(calibration, moved, "has changed since it was indexed")


def test_noise_under_the_ids_of_real_images_is_refused(index, chosen):
    noise = np.random.default_rng(0).integers(0, 256, chosen.images.shape, np.uint8)
    refused(
        replaced(chosen, images=noise),
        index,
        "the pixels of 24 of 24 do not match the files of the index",
    )
    refused(dataclasses.replace(chosen, images=noise), index, "digest does not match")


def test_noise_under_ids_of_its_own_is_refused(index, chosen):
    ids = tuple(f"{i:064x}" for i in range(24))
    noise = np.random.default_rng(0).integers(0, 256, chosen.images.shape, np.uint8)
    forged = replaced(chosen, images=noise, image_ids=ids)
    refused(forged, index, "24 are not from the index")


@pytest.mark.parametrize(
    ("column", "value", "says"),
    [
        ("split", "test", "1 are in the test split"),
        ("split", "val", "1 are in the val split"),
        ("split", None, "1 are in no split"),
        ("quarantine", "blurred", "1 are not from the index"),
    ],
)
def test_an_image_that_may_no_longer_calibrate_is_refused(index, chosen, column, value, says):
    frame = index.frame.copy()
    frame.loc[frame["image_id"] == chosen.image_ids[5], column] = value
    refused(chosen, ImageIndex(index.root, frame), says)


def test_one_changed_pixel_another_order_and_another_size_are_refused(index, chosen):
    pixels = chosen.images.copy()
    pixels[3, 0, 0, 0] ^= 1
    refused(replaced(chosen, images=pixels), index, "the pixels of 1 of 24")
    turned = replaced(chosen, image_ids=chosen.image_ids[::-1])
    refused(turned, index, "do not match the files")
    refused(replaced(chosen, preprocessing=Preprocessing(24, 24)), index, r"\(24, 24, 24, 3\)")
    doubled = replaced(chosen, image_ids=chosen.image_ids[:1] * 24)
    refused(doubled, index, "at least 16 different images, it has 1")
