"""Weights from the hub or its local cache; a hub that cannot be reached is told within seconds."""

from __future__ import annotations

import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from inspection.errors import WeightsError
from inspection.features.names import check_name

TIMEOUT_S = 5.0
"""How long the hub may take to answer at all: the hub client itself retries for a minute."""
FILE = "model.safetensors"


def hub_config(name: str) -> Any:
    """timm's record of a network's weights on the hub: `hf_hub_id`, `license`; WeightsError if there are none."""
    import timm

    check_name(name)
    try:
        config = timm.get_pretrained_cfg(name)
    except RuntimeError as error:
        tags = ", ".join(timm.list_pretrained(name.partition(".")[0])[:3])
        raise WeightsError(f"timm knows no weights '{name}': use {tags}") from error
    if config is None or not config.hf_hub_id:
        raise WeightsError(f"the hub has no weights of '{name}': use a local file or 'none'")
    return config


def cached_file(repository: str) -> Path | None:
    """The weights file of a hub repository if it was downloaded before; the network is not asked."""
    from huggingface_hub import try_to_load_from_cache

    cached = try_to_load_from_cache(repository, FILE)
    return Path(cached) if isinstance(cached, str) else None


def hub_file(repository: str, name: str) -> Path:
    """The weights file, downloaded if need be; WeightsError when the hub cannot be reached."""
    from huggingface_hub import hf_hub_download

    if (cached := cached_file(repository)) is not None:
        return cached
    _probe(name)
    try:
        return Path(hf_hub_download(repository, FILE))
    except OSError as error:
        raise _unreachable(name, error) from error


def _probe(name: str) -> None:
    """Ask the hub once, quickly, before its client starts a minute of retries."""
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        raise _unreachable(name, OSError("HF_HUB_OFFLINE is set"))
    request = urllib.request.Request(constants.ENDPOINT, method="HEAD")
    try:
        urllib.request.urlopen(request, timeout=TIMEOUT_S).close()
    except urllib.error.HTTPError:
        return  # an answer, if not a kind one: the download will say more
    except OSError as error:
        raise _unreachable(name, error) from error


def _unreachable(name: str, error: Exception) -> WeightsError:
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return WeightsError(
        f"weights of '{name}' are not in the local cache and the hub cannot be reached ({reason}): "
        "give a local file (teacher.weights=PATH.safetensors), set HF_HOME to a filled cache, or use 'none'"
    )
