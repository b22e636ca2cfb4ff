"""The best epoch's weights out of a checkpoint, in a session that did not train them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor, nn

from cnnlab.errors import reason_of
from cnnlab.meta import on_meta
from cnnlab.models.factory import create_model
from cnnlab.models.registry import list_models, model_info
from cnnlab.training.checkpoint import best_path, read
from cnnlab.training.errors import CheckpointError

__all__ = ["load_best"]


def load_best(checkpoint: str | Path, model: nn.Module | None = None) -> nn.Module:
    """The best epoch's weights of a training, from the files that ``fit(..., checkpoint=)`` has written.

        model = cnnlab.training.load_best("run.pt")

    Args:
        checkpoint: what was given to :func:`cnnlab.fit` as ``checkpoint=``, ``run.pt``; the weights are those of the
            file beside it, ``run.best.pt``, which may be given as well. That file is a dict whose "model" is the state
            dict, "epoch" the number of the best epoch, and "identity" what the training was asked for.
        model: takes the weights, in place. None builds the network that the file names, if it is one of ours.

    Returns:
        The model, in evaluation mode if it was built here.

    Raises:
        FileNotFoundError: no such file.
        CheckpointError: no epoch was finished, the file beside it is missing or of another training, it is damaged, or
            the weights are not the model's.
    """
    path = Path(checkpoint).expanduser()
    beside = best_path(path)
    if not path.is_file() and not beside.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise FileNotFoundError(f"checkpoint={str(path)!r} {what}: give the file that was given to fit as checkpoint=.")
    whole = read(path) if path.is_file() else {}
    if "history" not in whole and "model" in whole:
        beside, content = path, whole  # the best file itself
    elif not beside.is_file():
        if not whole.get("history"):
            raise CheckpointError(f"{path} has no finished epoch yet, so there is no best one: train on with fit.")
        raise CheckpointError(
            f"{beside}, the file of the best epoch's weights beside {path}, is missing. The last epoch's are in "
            f"{path}: call fit with the same arguments, and the model holds them."
        )
    else:
        content = read(beside)
    ours, theirs = whole.get("identity"), content.get("identity")
    if ours and theirs and ours != theirs:
        raise CheckpointError(f"{beside} belongs to another training than {path}: give the best file of this one.")
    state = content.get("model")
    if not isinstance(state, dict):
        raise CheckpointError(f"{beside} holds no weights. Give the file that was given to fit as checkpoint=.")
    built = _network(beside, theirs or {}, state).eval() if model is None else model
    try:
        built.load_state_dict(state)
    except RuntimeError as error:
        raise CheckpointError(
            f"{beside} holds the weights of another model than this {type(built).__name__} ({reason_of(error)}). "
            "Build it as it was trained."
        ) from None
    return built


def _network(path: Path, identity: dict[str, Any], state: dict[str, Tensor]) -> nn.Module:
    """A fresh network of ours whose parameters have these shapes."""
    name = str(identity.get("model", ""))
    if name in list_models(own=False):
        info = model_info(name)
        rows = next((len(value) for key, value in state.items() if key.startswith(f"{info.head}.")), info.num_classes)
        channels = (identity.get("image_shape") or info.input_size)[0]
        for small in (False, True) if hasattr(info.variant, "small_input") else (False,):
            asked = {"num_classes": rows, "in_channels": channels, "small_input": small}
            with on_meta():
                twin = create_model(name, **asked).state_dict()
            if {key: value.shape for key, value in twin.items()} == {key: value.shape for key, value in state.items()}:
                return create_model(name, **asked)
        raise CheckpointError(f"{path}: its {name} was changed after it was made: give it as model=.")
    raise CheckpointError(
        f"{path}: its {name or 'model'} is no network of cnnlab's own: build it and give it as model=."
    )
