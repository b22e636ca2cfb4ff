"""From a network to a file: its name or class, its weights, and how pictures are prepared for it."""

from __future__ import annotations

import inspect
import json
import warnings
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from cnnlab.files import write_tensors
from cnnlab.meta import on_meta
from cnnlab.models.factory import create_model
from cnnlab.models.network import Network
from cnnlab.models.own import OwnModel
from cnnlab.models.registry import list_models, model_info
from cnnlab.prediction import unwrapped
from cnnlab.preprocessing import Preprocess
from cnnlab.saving.content import FORMAT, KEY, answer_of, shapes_of
from cnnlab.training.run import Run

if TYPE_CHECKING:
    from cnnlab.data import Dataset

__all__ = ["save"]

_PLAIN = (bool, int, float, str, type(None))
# A network's names for what the data decide, so that a class that does not keep them can be built all the same.
_COUNTS = {"num_classes": "classes", "n_classes": "classes", "classes": "classes"}
_COUNTS |= {"in_channels": "channels", "in_chans": "channels", "channels": "channels"}


def save(model: nn.Module, path: str | Path, data: Dataset | None = None, run: Run | None = None) -> Path:
    """Write a network, and all that it takes to use it, into one file that :func:`load` reads.

    The file holds the weights, the network's name and variant (or its class and, as far as they can be known, its
    arguments), the names of the classes, how pictures are cut, resized and normalized for it, how it was trained, and
    what it answers to one made-up picture, by which :func:`load` knows that it has built the same network. It holds no
    code and no pictures, and needs neither the training data nor this program to be read.

    Args:
        model: any module. After :func:`cnnlab.fit` it has its last weights; ``run.restore_best(model)`` first saves
            the best ones.
        path: the file, by custom ``name.pt``. An older one is replaced when the new one is complete.
        data: the data set that it was trained on, for its classes and preprocessing. A network of
            :func:`cnnlab.create_model` that :func:`cnnlab.fit` has trained has them already; another module needs it.
        run: how it was trained: what :func:`cnnlab.fit` returned.

    Returns:
        The path. A warning says so if classes and preprocessing are not known, or if :func:`load` will need ``build=``:
        where a class of yours takes arguments that it does not keep under their names, or a network of ours was changed
        after it was made.

    Raises:
        TypeError: ``model`` is no module, ``data`` no data set, or ``run`` no run.
        ValueError: the model does not answer with a number for each class, its state holds something else than tensors
            and plain values, or ``path`` is a folder.
        OSError: the file cannot be written.
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"model must be a torch.nn.Module, not {type(model).__name__}: cnnlab.save(model, path).")
    if run is not None and not isinstance(run, Run):
        raise TypeError(f"run must be what cnnlab.fit returned, not {type(run).__name__}.")
    if data is not None and not isinstance(getattr(data, "preprocess", None), Preprocess):
        raise TypeError(f"data must be the cnnlab Dataset that the model was trained on, not {type(data).__name__}.")
    file = Path(path).expanduser()
    if not str(path) or file.is_dir():
        raise ValueError(f"path={str(path)!r} is a folder: give a file in it, such as {file / 'model.pt'}.")
    model = unwrapped(model)
    source = model if data is None else data
    classes, preprocess = getattr(source, "classes", None), getattr(source, "preprocess", None)
    classes = list(map(str, classes)) if isinstance(classes, list | tuple) and classes else None
    preprocess = preprocess if isinstance(preprocess, Preprocess) else None
    answer = answer_of(model, preprocess)
    if answer is not None and classes and answer.shape[1] != len(classes):
        raise ValueError(
            f"The model answers with {answer.shape[1]} numbers, and there are {len(classes)} classes. Give the data "
            f"set that it was trained on as data=, or build it with num_classes={len(classes)}."
        )
    state = {name: _plain_tensor(name, value) for name, value in model.state_dict().items()}
    network = _described(model, state, classes, preprocess)
    if network["why_not"]:
        warnings.warn(f"{file} is written, and cnnlab.load will need build=: {network['why_not']}.", stacklevel=2)
    if classes is None or preprocess is None:
        warnings.warn(
            f"{file} is written without classes or preprocessing, which the model does not know: give data=, the data "
            "set that it was trained on, so that the loaded one can predict.",
            stacklevel=2,
        )
    import cnnlab

    content = {
        KEY: FORMAT,
        "version": cnnlab.__version__,
        "network": network,
        "state": state,
        "classes": classes,
        "preprocess": None if preprocess is None else _listed(asdict(preprocess)),
        "run": None if run is None else json.loads(json.dumps(run.to_dict())),  # no class but Python's own
        "answer": answer,
    }
    write_tensors(file, content)
    return file


def _plain_tensor(name: str, value: Any) -> Any:
    """On the CPU, without what else its memory holds; tied weights stay tied."""
    if not isinstance(value, Tensor):
        if not _is_plain(value):
            raise ValueError(
                f"The model's state {name!r} is a {type(value).__name__}, and a safe file holds tensors and plain "
                "values: let get_extra_state() give such."
            )
        return value
    value = value.detach().as_subclass(Tensor).cpu()
    return value if value.untyped_storage().nbytes() == value.nbytes else value.clone()


def _described(
    model: nn.Module, state: dict[str, Any], classes: list[str] | None, preprocess: Preprocess | None
) -> dict[str, Any]:
    """The network in plain values, and in words why it cannot be built from them ("" where it can)."""
    if isinstance(model, Network) and hasattr(model, "info") and not isinstance(model.info, OwnModel):
        variant = model.info.variant
        found = {
            "name": model.name,
            "num_classes": _outputs(model, classes),
            "in_channels": model.input_size[0],
            "small_input": bool(getattr(variant, "small_input", False)),
        }
        build: Callable[[], nn.Module] = partial(create_model, **found)
        kind, said = {"registered": found, "variant": repr(variant)}, f"its {model.name} was changed after it was made"
    elif (found := _registered(model, state, classes, preprocess)) is not None:
        return {"registered": found, "variant": "", "why_not": ""}
    else:
        cls = type(model)
        said = f"its class {cls.__qualname__} cannot be built from what it keeps of its arguments"
        arguments = _arguments(model, classes, preprocess)
        kind = {"class": f"{cls.__module__}:{cls.__qualname__}", "arguments": arguments}
        if "<locals>" in cls.__qualname__:
            return kind | {"why_not": f"its class {cls.__qualname__} is defined inside a function"}
        build = partial(cls, **arguments)
    return kind | {"why_not": "" if _fits(build, state) else said}


def _registered(
    model: nn.Module, state: dict[str, Any], classes: list[str] | None, preprocess: Preprocess | None
) -> dict[str, Any] | None:
    """What `create_model` is to be asked for a network of `cnnlab.register`; None if it is none."""
    name = getattr(model, "name", None)
    if not isinstance(name, str) or name in list_models(own=False) or name not in list_models():
        return None
    counts = {"num_classes": classes and len(classes), "in_channels": preprocess and preprocess.channels}
    found = {"name": name, **{key: n for key, n in counts.items() if n and key in model_info(name).takes}}
    return found if _fits(partial(create_model, **found), state) else None


def _outputs(model: Network, classes: list[str] | None) -> int:
    for tensor in chain(model.head.parameters(), model.head.buffers()):
        return len(tensor)  # a row for each class
    return len(classes or ()) or model.info.num_classes


def _arguments(model: nn.Module, classes: list[str] | None, preprocess: Preprocess | None) -> dict[str, Any]:
    """What a module was made with, as far as it says: attributes of its arguments' names, and counts of the data."""
    counts = {"classes": len(classes) if classes else None, "channels": preprocess.channels if preprocess else None}
    found = {}
    for name, parameter in inspect.signature(type(model)).parameters.items():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
            continue
        value = getattr(model, name, inspect.Parameter.empty)
        if _is_plain(value):
            found[name] = value
        elif (count := counts.get(_COUNTS.get(name, ""))) is not None:
            found[name] = count
    return found


def _is_plain(value: Any) -> bool:
    return type(value) in _PLAIN or (type(value) in (list, tuple) and all(map(_is_plain, value)))


def _fits(build: Callable[[], nn.Module], state: dict[str, Any]) -> bool:
    """Whether what is built anew has the same parameters and buffers."""
    for place in (on_meta, None):  # without memory if it goes
        try:
            with torch.random.fork_rng(devices=[]):
                if place is None:
                    there = build().state_dict()
                else:
                    with place():
                        there = build().state_dict()
        except Exception:  # whatever somebody's constructor raises
            continue
        return shapes_of(there) == shapes_of(state)
    return False


def _listed(value: Any) -> Any:
    """Tuples as lists and NumPy's numbers as Python's, which any reader of the file knows."""
    if isinstance(value, dict):
        return {name: _listed(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_listed(item) for item in value]
    return value.item() if hasattr(value, "item") else value
