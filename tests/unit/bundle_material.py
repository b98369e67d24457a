"""What every refusal of a bundle must look like: one line, the right error, and what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.edge.errors import BundleError, TamperedBundle
from deploy.edge.inspector import Inspector


def refused(folder: Path, *says: str, kind: type[BundleError] = TamperedBundle) -> None:
    """Refused by the runtime as a whole, in one line that says what."""
    with pytest.raises(BundleError) as caught:
        Inspector.open(folder, threads=1)
    assert type(caught.value) is kind
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)
    for text in says:
        assert text in str(caught.value)
