"""The pictures for MLflow: real PNG files, and every figure in them is one of the evaluation's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import matplotlib
import numpy as np
import numpy.typing as npt
import pytest
from matplotlib.figure import Figure

from inspection.evaluation.metrics import Evaluation, evaluate
from inspection.reporting.pictures import write_pictures

CLASSES = ("crack", "ok", "scratch")
CONFUSION = ((9, 1, 0), (2, 7, 0), (0, 3, 4))
"""Is not its own mirror image: rows are what a part is, columns what it was called."""
DPI = 110
MATRIX = "confusion_teacher.png"
CURVE = "student_validation.png"


@dataclass(frozen=True)
class Scores:
    macro_f1: float
    accuracy: float = 0.5


@dataclass(frozen=True)
class Epoch:
    epoch: int
    validation: Scores


def history(*macro_f1: float) -> list[Epoch]:
    return [Epoch(k, Scores(value)) for k, value in enumerate(macro_f1, start=1)]


def evaluation(name: str, confusion: Sequence[Sequence[int]] = CONFUSION) -> Evaluation:
    """Scored by the real metrics, from images that fill `confusion` exactly."""
    pairs = [
        (i, j)
        for i, row in enumerate(confusion)
        for j, count in enumerate(row)
        for _ in [0] * count
    ]
    classes = CLASSES[: len(confusion)]
    return evaluate(
        name,
        [classes[i] for i, _ in pairs],
        np.eye(len(classes))[[j for _, j in pairs]],
        classes,
        image_ids=[str(n) for n in range(len(pairs))],
        test_digest="t" * 64,
    )


def pixels(path: Path) -> npt.NDArray[np.uint8]:
    """Decoded by another library than the one that drew it."""
    assert path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    return cv2.imread(str(path), cv2.IMREAD_COLOR)[:, :, ::-1]


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """Every figure that is saved, as it was saved."""
    seen: list[Figure] = []
    save = Figure.savefig

    def watched(figure: Figure, *args: object, **settings: object) -> None:
        seen.append(figure)
        save(figure, *args, **settings)

    monkeypatch.setattr(Figure, "savefig", watched)
    return seen


def test_each_evaluation_gets_its_matrix_and_the_student_its_curve(tmp_path: Path) -> None:
    folder = tmp_path / "run" / "pictures"
    both = (evaluation("teacher"), evaluation("student", ((5, 0), (1, 2))))
    found = write_pictures(both, history(0.2, 0.6), folder)
    assert found == (folder / MATRIX, folder / "confusion_student.png", folder / CURVE)
    assert {path.name for path in folder.iterdir()} == {path.name for path in found}
    sizes = [pixels(path).shape[:2] for path in found]  # 5.2 inches wide
    assert sizes == [(506, 572), (506, 572), (352, 572)]
    assert not np.array_equal(pixels(found[0]), pixels(found[1]))


def test_names_become_file_names_that_do_not_collide(tmp_path: Path) -> None:
    names = ("champion 0123", "champion 4567", "../$a^$b", "…")
    found = write_pictures([evaluation(name) for name in names], history(0.5), tmp_path)
    wanted = ["champion_0123", "champion_4567", "a_b", "model"]
    assert [path.stem.removeprefix("confusion_") for path in found[:-1]] == wanted


def test_a_class_may_be_called_like_a_formula(
    tmp_path: Path, drawn: list[Figure], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(globals(), "CLASSES", ("ok", "a$^$b", "50$_{x"))
    write_pictures([evaluation("teacher")], history(0.5), tmp_path)
    assert [label.get_text() for label in drawn[0].axes[0].get_xticklabels()][1] == "a$^$b"


def test_one_epoch_is_seen(tmp_path: Path) -> None:
    low, high = (
        write_pictures([], history(value), tmp_path / name)[0]
        for name, value in (("low", 0.2), ("high", 0.9))
    )
    assert low.read_bytes() != high.read_bytes()


def test_without_evaluations_the_curve_stands_alone(tmp_path: Path) -> None:
    assert write_pictures([], history(0.3, 0.5), tmp_path) == (tmp_path / CURVE,)


def test_rows_are_what_a_part_is_and_columns_what_it_was_called(
    tmp_path: Path, drawn: list[Figure]
) -> None:
    write_pictures([evaluation("teacher")], history(0.5), tmp_path)
    (axes,) = drawn[0].axes
    counts = {text.get_position(): text.get_text() for text in axes.texts}
    assert counts == {(j, i): str(CONFUSION[i][j]) for i in range(3) for j in range(3)}
    np.testing.assert_array_equal(axes.images[0].get_array(), CONFUSION)
    assert (axes.get_ylabel(), axes.get_xlabel()) == ("is", "called")
    for axis in (axes.xaxis, axes.yaxis):
        assert axis.get_ticklocs().tolist() == [0, 1, 2]
        assert tuple(text.get_text() for text in axis.get_ticklabels()) == CLASSES


def test_the_title_names_the_model_and_its_macro_f1(tmp_path: Path, drawn: list[Figure]) -> None:
    f1 = (18 / 21, 14 / 20, 8 / 11)  # 2 * hits / (images of the class + images called so)
    write_pictures([evaluation("teacher of today")], history(0.1), tmp_path)
    assert drawn[0].axes[0].get_title() == f"teacher of today: macro-F1 {sum(f1) / 3:.3f}"


def test_a_fuller_cell_is_a_darker_one(tmp_path: Path, drawn: list[Figure]) -> None:
    (path, _) = write_pictures([evaluation("teacher")], history(0.5), tmp_path)
    shades = cell_shades(pixels(path), drawn[0])
    order = np.argsort(np.array(CONFUSION).ravel(), kind="stable")
    assert (np.diff(shades.ravel()[order]) <= 0).all()
    assert shades.max() - shades.min() > 150


def test_every_count_can_be_read_on_its_cell(tmp_path: Path, drawn: list[Figure]) -> None:
    (path, _) = write_pictures([evaluation("teacher")], history(0.5), tmp_path)
    shades = cell_shades(pixels(path), drawn[0])
    for text in drawn[0].axes[0].texts:
        j, i = text.get_position()
        ink = 255 * np.mean(matplotlib.colors.to_rgb(text.get_color()))
        assert abs(ink - shades[i, j]) > 80, f"{text.get_text()} in cell {i}, {j}"


def cell_shades(image: npt.NDArray[np.uint8], figure: Figure) -> npt.NDArray[np.float64]:
    """Grey of each cell's upper left quarter, where no count is written."""
    (axes,) = figure.axes
    shades = np.empty((3, 3))
    for i in range(3):
        for j in range(3):
            x, y = axes.transData.transform((j - 0.3, i - 0.3)) * DPI / figure.dpi
            shades[i, j] = image[len(image) - 1 - round(y), round(x)].mean()
    return shades


def test_the_curve_is_the_validation_macro_f1_by_epoch(tmp_path: Path, drawn: list[Figure]) -> None:
    write_pictures([], history(0.25, 0.75, 0.5, 1.0), tmp_path)
    (axes,) = drawn[0].axes
    (line,) = axes.lines
    assert line.get_xydata().tolist() == [[1, 0.25], [2, 0.75], [3, 0.5], [4, 1.0]]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("epoch", "validation macro-F1")
    # The whole range of a score, always: two runs can be laid side by side, and 1.0 is inside.
    low, high = axes.get_ylim()
    assert low == 0
    assert 1 < high < 1.1


def test_drawing_again_replaces_the_old_picture(tmp_path: Path) -> None:
    write_pictures([], history(0.1, 0.2), tmp_path)
    before = pixels(tmp_path / CURVE)
    write_pictures([], history(0.9, 0.3), tmp_path)
    assert not np.array_equal(before, pixels(tmp_path / CURVE))
    assert [path.name for path in tmp_path.iterdir()] == [CURVE]


def test_a_full_disk_leaves_the_old_picture_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_pictures([], history(0.1, 0.2), tmp_path)
    before = (tmp_path / CURVE).read_bytes()

    def full(figure: Figure, path: Path, **settings: object) -> None:
        path.write_bytes(b"\x89PNG half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Figure, "savefig", full)
    with pytest.raises(OSError, match="No space"):
        write_pictures([], history(0.9, 0.3), tmp_path)
    assert (tmp_path / CURVE).read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == [CURVE]


def test_no_window_and_no_figure_is_left_behind(tmp_path: Path) -> None:
    from matplotlib import pyplot

    write_pictures([evaluation("teacher")], history(0.5), tmp_path)
    assert pyplot.get_fignums() == []
