"""The table of timm's checkpoints for the networks that we have, read from timm itself, which is an optional extra.

Most of them lie on the Hugging Face hub, which tells the checksum of a file when asked for its metadata. The file we
fetch like any other: resumed after an interruption, verified, and kept under a name that carries the checksum, so
that it is found and verified again without a network.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import floor
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from cnnlab.download import DownloadError, download, verify
from cnnlab.errors import reason_of
from cnnlab.meta import on_meta
from cnnlab.models.registry import model_info
from cnnlab.weights.source import Source, mark_default

__all__ = ["published", "rows", "fetch", "reference", "bare", "current_names"]


def _timm(name: str) -> ModuleType:
    try:
        import timm
    except ModuleNotFoundError as error:
        if error.name != "timm":
            raise
        raise ModuleNotFoundError(
            f"The official weights of {name} are timm's, and timm is not installed. Run: pip install timm", name="timm"
        ) from None
    return timm


def published(name: str) -> set[str]:
    """All checkpoints that timm has for the model, also those that are no rows of the table."""
    return {full.partition(".")[2] for full in _timm(name).list_pretrained(f"{name}.*")}


def rows(name: str) -> list[Source]:
    """The rows of the table for one model. timm's own choice first, as it marks it, the others by name.

    Raises:
        ModuleNotFoundError: timm is not installed.
    """
    timm, info = _timm(name), model_info(name)
    found = []
    for tag in sorted(published(name)):
        config = timm.get_pretrained_cfg(f"{name}.{tag}")
        url, digest = _where(config)
        if url is None or config.num_classes != info.num_classes:  # not verifiable, or no classifier of 1,000 classes
            continue
        channels, height, width = config.input_size
        if height != width or (info.fixed_size and height != info.input_size[1]):
            continue
        # As timm's own evaluation: the crop is this part of what the picture is resized to.
        size = floor(height / config.crop_pct)
        found.append(
            Source(
                name=name,
                library="timm",
                weights=tag,
                default=False,
                url=url,
                sha256=digest,
                params=None,
                macs=None,
                top1=None,
                top5=None,
                crop=height,
                resize=(size, size) if config.crop_mode == "squash" else size,
                interpolation=config.interpolation,
                mean=tuple(config.mean),
                std=tuple(config.std),
                num_classes=config.num_classes,
                in_channels=channels,
                license=config.license,
            )
        )
    return mark_default(found, timm.get_pretrained_cfg(name).tag)


def _where(config: Any) -> tuple[str | None, str | None]:
    """(address, leading digits of the checksum if they are in it); no address if the file could not be verified."""
    if config.hf_hub_id:
        from huggingface_hub import hf_hub_url

        repository, _, revision = config.hf_hub_id.partition("@")
        return hf_hub_url(repository, config.hf_hub_filename or "model.safetensors", revision=revision or None), None
    digest = re.search(r"-([0-9a-f]{8,64})\.pth$", config.url or "")
    return (config.url, digest[1]) if digest else (None, None)


def fetch(source: Source, folder: Path, *, progress: bool, what: str) -> Path:
    """The verified file, downloaded unless it is already in the folder.

    Raises:
        DownloadError: it could not be had.
    """
    if source.sha256 is not None:
        path = folder / source.url.rpartition("/")[2]
        return download([source.url], path, sha256=source.sha256, progress=progress, what=what)
    stem, suffix = f"{source.name}.{source.weights}", Path(source.url).suffix
    for path in sorted(folder.glob(f"{stem}-*{suffix}")):
        digest = path.name[len(stem) + 1 : -len(suffix)]
        if re.fullmatch("[0-9a-f]{16}", digest) and verify(path, sha256=digest) is None:
            return path
    sha256, size = _ask_hub(source.url, what)
    path = folder / f"{stem}-{sha256[:16]}{suffix}"
    return download([source.url], path, sha256=sha256, size=size, progress=progress, what=what)


def _ask_hub(url: str, what: str) -> tuple[str, int | None]:
    """Checksum and length of a file on the hub, by its metadata: the hub names large files by their sha256."""
    from huggingface_hub import get_hf_file_metadata

    try:
        found = get_hf_file_metadata(url)
    except Exception as error:  # of whichever HTTP library this version of the hub's client uses
        raise DownloadError(
            f"{what} could not be downloaded: {url} did not answer ({reason_of(error)}). "
            "Check the network connection and try again."
        ) from None
    if not re.fullmatch("[0-9a-f]{64}", found.etag or ""):
        raise DownloadError(f"{what} could not be verified: {url} came without a checksum. Try again later.")
    return found.etag, found.size


def reference(source: Source, path: Path) -> nn.Module:
    """timm's module with the checkpoint in it, loaded by timm, which knows the older formats of its own files."""
    timm = _timm(source.name)
    from safetensors import SafetensorError

    if path.suffix != ".safetensors":
        torch.load(path, map_location="cpu", weights_only=True)  # timm of 2024 would run code that a file contains
    overlay = {"file": str(path), "custom_load": False}
    full = f"{source.name}.{source.weights}"
    try:
        return timm.create_model(full, pretrained=True, pretrained_cfg_overlay=overlay)
    except SafetensorError as error:
        raise RuntimeError(str(error)) from None


def bare(name: str) -> nn.Module:
    """timm's module on the meta device.

    Raises:
        ModuleNotFoundError: timm is not installed.
    """
    timm = _timm(name)
    with on_meta():
        return timm.create_model(name, pretrained=False)


def current_names(name: str, state: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """A state dict with the names that the module has today."""
    return state
