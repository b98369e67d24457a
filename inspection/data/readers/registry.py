"""Every annotation format by the name that a config uses."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from inspection.data.readers.base import Reader
from inspection.data.readers.coco import read_coco
from inspection.data.readers.folder import read_folder
from inspection.data.readers.index_masks import read_index_masks
from inspection.data.readers.manifest import read_manifest
from inspection.data.readers.mask_pairs import read_mask_pairs
from inspection.data.readers.severstal import read_severstal
from inspection.data.readers.template_pairs import read_template_pairs
from inspection.data.readers.voc import read_voc
from inspection.data.readers.yolo import read_yolo

READERS: Mapping[str, Reader] = MappingProxyType(
    {
        "folder": read_folder,
        "mask_pairs": read_mask_pairs,
        "voc": read_voc,
        "severstal": read_severstal,
        "index_masks": read_index_masks,
        "template_pairs": read_template_pairs,
        "manifest": read_manifest,
        "coco": read_coco,
        "yolo": read_yolo,
    }
)
