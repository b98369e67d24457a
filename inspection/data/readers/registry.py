"""Every annotation format by the name that a config uses."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from inspection.data.readers.base import Reader
from inspection.data.readers.folder import read_folder
from inspection.data.readers.mask_pairs import read_mask_pairs
from inspection.data.readers.voc import read_voc

READERS: Mapping[str, Reader] = MappingProxyType(
    {"folder": read_folder, "mask_pairs": read_mask_pairs, "voc": read_voc}
)
