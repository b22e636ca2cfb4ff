"""State dicts of any origin: found in a file or a mapping, and without the names that wrappers put before them."""

from __future__ import annotations

import os
import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from cnnlab.errors import reason_of

__all__ = ["ENDINGS", "is_file", "read_state"]

ENDINGS = (".pth", ".pt", ".bin", ".ckpt", ".safetensors")
# What training code calls the weights within a larger checkpoint, ours included.
_CALLED = ("state_dict", "model", "model_state_dict", "state", "net", "weights")
# What DataParallel and torch.compile put before each name.
_WRAPPERS = ("module.", "_orig_mod.")


def is_file(weights: object) -> bool:
    """Whether ``weights`` means a file of the reader's rather than a checkpoint by its library's name."""
    if isinstance(weights, os.PathLike):
        return True
    return isinstance(weights, str) and (weights.lower().endswith(ENDINGS) or "/" in weights or os.sep in weights)


def read_state(source: Mapping[str, Any] | str | os.PathLike) -> dict[str, Tensor]:
    """The tensors of a state dict by their names, on the CPU where they come from a file.

    A state dict within a larger checkpoint is found (``{"state_dict": ..., "epoch": 3}``), and what DataParallel and
    torch.compile put before each name is left out. A file's code never runs.

    Args:
        source: a mapping, or a file of ``torch.save`` (weights and plain values) or of safetensors.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the file cannot be read, or holds no state dict or several.
        ModuleNotFoundError: it is of safetensors, which is not installed.
    """
    if isinstance(source, Mapping):
        said, content = "the mapping", source
    else:
        path = Path(source).expanduser()
        said, content = str(path), _content(path)
    state = {name: value for name, value in _state_in(content, said).items() if isinstance(value, Tensor)}
    while True:
        wrapper = next((w for w in _WRAPPERS if all(name.startswith(w) for name in state)), None)
        if wrapper is None:
            return state
        state = {name.removeprefix(wrapper): value for name, value in state.items()}


def _content(path: Path) -> Any:
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise FileNotFoundError(
            f"{path} {what}: give a file of weights, such as one of torch.save(model.state_dict(), path)."
        )
    if path.suffix.lower() == ".safetensors":
        try:
            from safetensors import SafetensorError
            from safetensors.torch import load_file
        except ModuleNotFoundError:
            raise ModuleNotFoundError(
                f"{path} is a file of safetensors, which is not installed. Run: pip install safetensors",
                name="safetensors",
            ) from None
        refusals: tuple[type[Exception], ...] = (SafetensorError, OSError, ValueError)
    else:
        refusals = (pickle.UnpicklingError, zipfile.BadZipFile, EOFError, OSError, RuntimeError)
        refusals += (LookupError, AttributeError, TypeError, ValueError)
    try:
        if path.suffix.lower() == ".safetensors":
            return load_file(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except refusals as error:
        raise ValueError(
            f"{path} could not be read ({reason_of(error).partition('. ')[0].rstrip('.')}). Give a whole file of "
            "torch.save(model.state_dict(), path) or of safetensors."
        ) from None


def _state_in(content: Any, said: str) -> Mapping[str, Any]:
    """The one state dict in what was read."""
    if _is_state(content):
        return content
    found = {}
    if isinstance(content, Mapping):
        found = {key: value for key, value in content.items() if _is_state(value)}
    for name in _CALLED:
        if name in found:
            return found[name]
    if len(found) == 1:
        return next(iter(found.values()))
    if found:
        names = ", ".join(repr(key) for key in found)
        raise ValueError(
            f"{said} holds {len(found)} state dicts: {names}. Give one of them, such as content[{next(iter(found))!r}]."
        )
    what = f"a {type(content).__name__}"
    if isinstance(content, Mapping):
        what += f" of {', '.join(repr(key) for key in list(content)[:5])}" if content else " that is empty"
    raise ValueError(f"{said} holds no state dict, but {what}. Give names and tensors, as model.state_dict() does.")


def _is_state(value: Any) -> bool:
    """Names and tensors; what some layers keep beside their tensors may be anything."""
    if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in value):
        return False
    tensors = [v for name, v in value.items() if not name.endswith("_extra_state")]
    return bool(tensors) and all(isinstance(v, Tensor) for v in tensors)
