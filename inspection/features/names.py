"""Which network is meant: the plain names people know, timm's own, and the nearest of both for a typing error."""

from __future__ import annotations

import difflib
from collections.abc import Mapping

from inspection.errors import WeightsError

PLAIN: Mapping[str, str] = {
    "dinov2_vits14": "vit_small_patch14_dinov2",
    "dinov2_vitb14": "vit_base_patch14_dinov2",
    "dinov2_vitl14": "vit_large_patch14_dinov2",
    "dinov2_vitg14": "vit_giant_patch14_dinov2",
    "dinov2_vits14_reg": "vit_small_patch14_reg4_dinov2",
    "dinov2_vitb14_reg": "vit_base_patch14_reg4_dinov2",
    "dinov2_vitl14_reg": "vit_large_patch14_reg4_dinov2",
    "dinov2_vitg14_reg": "vit_giant_patch14_reg4_dinov2",
    "dinov3_vits16": "vit_small_patch16_dinov3",
    "dinov3_vits16plus": "vit_small_plus_patch16_dinov3",
    "dinov3_vitb16": "vit_base_patch16_dinov3",
    "dinov3_vitl16": "vit_large_patch16_dinov3",
    "dinov3_vith16plus": "vit_huge_plus_patch16_dinov3",
    "dinov3_convnext_tiny": "convnext_tiny.dinov3_lvd1689m",
    "dinov3_convnext_small": "convnext_small.dinov3_lvd1689m",
    "dinov3_convnext_base": "convnext_base.dinov3_lvd1689m",
    "dinov3_convnext_large": "convnext_large.dinov3_lvd1689m",
}
"""The names their makers gave these networks, and timm's names of them."""

TERMS: Mapping[str, str] = {
    "dinov3-license": "dinov3-license (Meta's own terms, no open-source licence; read them before use: "
    "https://ai.meta.com/resources/models-and-libraries/dinov3-license/)",
}
"""Licences that need more than their short name."""


def timm_name(name: str) -> str:
    """timm's name of a network given by its plain name; any other name as it is."""
    return PLAIN.get(name, name)


def check_name(name: str) -> None:
    """Refuse a name that is neither plain nor timm's, with the nearest ones."""
    import timm  # six seconds, mostly torchvision's; a run that finds everything finished never pays them

    if timm.is_model(timm_name(name)):
        return
    known = [*PLAIN, *timm.list_models()]
    near = difflib.get_close_matches(name.partition(".")[0], known, n=3)
    hint = f"did you mean {' or '.join(near)}?" if near else "see timm.list_models()"
    raise WeightsError(f"timm knows no network '{name}': {hint}")


def licence_of_release(name: str) -> str:
    """The licence under which the network's makers give their weights away, as timm has it; empty if unsaid."""
    import timm

    config = timm.get_pretrained_cfg(timm_name(name), allow_unregistered=True)
    short = str((config and config.license) or "")
    return TERMS.get(short, short)
