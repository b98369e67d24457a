"""Which pictures to show: those of a decision (image ids to paths), or a few that stand for many."""

from __future__ import annotations

from inspection.data.index import ImageIndex


def paths_by_id(index: ImageIndex) -> dict[str, str]:
    """The first path of each image id; byte copies share one."""
    found: dict[str, str] = {}
    for image_id, path in zip(index.frame["image_id"], index.frame["path"], strict=True):
        found.setdefault(str(image_id), str(path))
    return found


def labels_by_id(index: ImageIndex) -> dict[str, str]:
    """The label of each image id."""
    frame = index.frame[index.frame["label"].notna()]
    return dict(zip(frame["image_id"].astype(str), frame["label"].astype(str), strict=True))


def rows_by_path(index: ImageIndex) -> dict[str, dict[str, str]]:
    """Label and split of each file, where it has them."""
    rows = index.frame[["path", "label", "split"]].to_dict(orient="records")
    return {
        str(row["path"]): {str(k): v for k, v in row.items() if isinstance(v, str)} for row in rows
    }


def spread(total: int, most: int) -> list[int]:
    """At most `most` of the positions 0..total-1, evenly, the first and the last among them."""
    if total <= most:
        return list(range(total))
    return [round(i * (total - 1) / max(1, most - 1)) for i in range(most)]
