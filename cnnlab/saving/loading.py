"""From a file to a network that can be asked; nothing that the file holds is run."""

from __future__ import annotations

import inspect
import sys
import warnings
from collections.abc import Callable, Mapping
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from cnnlab.errors import reason_of
from cnnlab.files import Damaged, read_tensors
from cnnlab.meta import on_meta
from cnnlab.models.factory import create_model
from cnnlab.models.network import Network
from cnnlab.prediction import predict, unwrapped
from cnnlab.preprocessing import Preprocess
from cnnlab.saving.content import CONTENT, FORMAT, KEY, SavedModelError, answer_of, shapes_of
from cnnlab.training.run import Run

__all__ = ["load"]

# What `create_model` is asked for.
_ASKED = {"name", "num_classes", "in_channels", "small_input"}
# How far the answer of a network that was built anew may be from the one that was saved, as a share of the largest
# number in it. Devices and libraries differ by a thousandth; another stride or another activation, by much more.
_TOLERANCE = 0.01


def load(path: str | Path, build: nn.Module | Callable[..., nn.Module] | None = None) -> nn.Module:
    """A network that :func:`save` has written, ready to be asked.

        model = cnnlab.load("flowers.pt")
        model.predict("garden/1.jpg")

    Nothing that the file holds is run, so a file of unknown origin does no harm. Networks of ours are built by their
    name. A class of yours is built if your program has imported it; whatever else it needs, ``build=`` gives.

    Args:
        path: the file.
        build: what makes the network, if it is none of ours: a class or a function that returns it (called with
            ``num_classes`` and ``in_channels`` where it takes them), or a module that takes the weights.

    Returns:
        The module on the CPU, in evaluation mode, with ``.classes`` (names, or None), ``.preprocess`` (turns any
        picture into its input, or None), ``.predict(pictures)`` (see :func:`cnnlab.predict`) and ``.run`` (its training
        as a :class:`cnnlab.Run`, or None).

    Raises:
        FileNotFoundError: no such file.
        SavedModelError: (a ValueError) the file is none of :func:`save`, is damaged, or belongs to another network; or
            the network cannot be built without ``build=``.
    """
    file = Path(path).expanduser()
    content = _read(file)
    classes = None if content["classes"] is None else tuple(map(str, content["classes"]))
    preprocess = _preprocess(file, content["preprocess"])
    network, state = content["network"], content["state"]
    model = _built(file, network, state, build, classes, preprocess)
    _same_shapes(file, model.state_dict(), state)
    types = {value.dtype for value in state.values() if isinstance(value, Tensor) and value.is_floating_point()}
    if len(types) == 1:
        model.to(next(iter(types)))  # half precision stays half
    model.load_state_dict(state)
    model.eval()
    _check_answer(file, model, content["answer"], preprocess)
    run = content["run"]
    attributes = {"classes": classes, "preprocess": preprocess, "run": None if run is None else _run(file, run)}
    if not isinstance(model, Network):
        attributes["predict"] = partial(predict, model)
    for name, value in attributes.items():
        if hasattr(type(model), name) or name in model._modules or name in model._parameters or name in model._buffers:
            warnings.warn(
                f"{type(model).__name__} has its own {name}, which stays; the file's is left out.", stacklevel=2
            )
        else:
            setattr(model, name, value)
    return model


def _read(file: Path) -> dict[str, Any]:
    if not file.is_file():
        what = "is a folder" if file.is_dir() else "does not exist"
        raise FileNotFoundError(f"path={str(file)!r} {what}; give a file that cnnlab.save has written.")
    try:
        content = read_tensors(file)
    except Damaged as error:
        raise SavedModelError(
            f"{file} is damaged or no file of cnnlab.save ({error}). Copy or save it again; nothing in it was run."
        ) from None
    if not isinstance(content, dict) or KEY not in content:
        raise SavedModelError(f"{file} is no file of cnnlab.save. {_told(content)}")
    if content[KEY] != FORMAT:
        import cnnlab

        raise SavedModelError(
            f"{file} was written by cnnlab {content.get('version', '(unknown)')} in format {content[KEY]!r}; this is "
            f"{cnnlab.__version__}, which reads format {FORMAT}. Update cnnlab, or save it again with this version."
        )
    for name, kinds in CONTENT.items():
        if not isinstance(content.get(name, ...), kinds):
            raise SavedModelError(
                f"{file} is no whole file of cnnlab.save: its {name!r} is missing or of another kind."
            )
    return content


def _told(content: Any) -> str:
    """What the file is instead, and what reads it."""
    if isinstance(content, dict) and "cnnlab_checkpoint" in content:
        return (
            "It is a checkpoint of cnnlab.fit: cnnlab.training.load_best(path, model) takes the best weights from it."
        )
    if isinstance(content, dict) and content and all(isinstance(value, Tensor) for value in content.values()):
        return "It holds weights alone: cnnlab.create_model(name, weights=path) takes them, if the network is of ours."
    return "It was written by something else: build the network there, and call cnnlab.save(model, path, data)."


def _preprocess(file: Path, given: dict[str, Any] | None) -> Preprocess | None:
    if given is None:
        return None
    names = {f.name for f in fields(Preprocess)}
    try:
        made = Preprocess(**{name: tuple(v) if isinstance(v, list) else v for name, v in given.items()})
        whole = set(given) == names and made.size and len(made.mean) == len(made.std) > 0 and min(made.std) > 0
    except (TypeError, ValueError):
        whole = False
    if not whole:
        raise SavedModelError(f"{file} does not say how pictures are prepared, but {str(given)[:80]}. Save it again.")
    return made


def _run(file: Path, content: dict[str, Any]) -> Run:
    """Raises: SavedModelError: it is no record of a training."""
    wanted = {"history": list, "config": dict, "provenance": dict, "stopped": bool}
    if not all(isinstance(content.get(name), kind) for name, kind in wanted.items()):
        raise SavedModelError(f"{file} holds no record of its training, but {str(content)[:80]}. Save it again.")
    tested = content.get("tested")
    return Run(**{name: content[name] for name in wanted}, tested=tested if isinstance(tested, dict) else None)


def _built(
    file: Path,
    network: dict[str, Any],
    state: dict[str, Any],
    build: Any,
    classes: tuple[str, ...] | None,
    preprocess: Preprocess | None,
) -> nn.Module:
    if isinstance(build, nn.Module):
        return unwrapped(build)
    if build is not None:
        if not callable(build):
            raise TypeError(f"build={build!r} must be a module, or a class or function that makes one.")
        counts = {"num_classes": classes and len(classes), "in_channels": preprocess and preprocess.channels}
        made = _called(file, build, {name: n for name, n in counts.items() if n and name in _names(build)})
        if not isinstance(made, nn.Module):
            raise TypeError(f"build={_name(build)} returned {type(made).__name__}, and a torch.nn.Module is needed.")
        return unwrapped(made)
    why = network.get("why_not")
    if why:
        raise SavedModelError(f"{file}: {why}. Give build=: the module, or a function that makes it.")
    if isinstance(asked := network.get("registered"), dict):
        try:
            if not {"name"} <= set(asked) <= _ASKED:  # weights= would fetch a file
                raise ValueError(f"it asks for {', '.join(map(str, asked))}.")
            build = partial(create_model, **asked)
            with on_meta():  # an absurd number of classes should not cost its memory
                _same_shapes(file, build().state_dict(), state)
            return build()
        except SavedModelError:
            raise
        except (TypeError, ValueError) as error:
            raise SavedModelError(
                f"{file} holds a network that this cnnlab cannot build ({reason_of(error)}) If it is one of your own, "
                "import the module that registers it, or give build=."
            ) from None
    where, _, qualname = str(network.get("class", "")).partition(":")
    found: Any = sys.modules.get(where)  # never imported because a file says so
    for part in qualname.split("."):
        found = getattr(found, part, None)
    if not (isinstance(found, type) and issubclass(found, nn.Module)):
        raise SavedModelError(
            f"{file} holds a {qualname or 'network'} of the module {where!r}, which is not there: import it first, or "
            "give the class as build=."
        )
    arguments = network.get("arguments")
    return _called(file, found, arguments if isinstance(arguments, dict) else {})


def _same_shapes(file: Path, wanted: Mapping[str, Any], state: Mapping[str, Any]) -> None:
    """Raises: SavedModelError: the weights belong to another network."""
    ours, theirs = shapes_of(wanted), shapes_of(state)
    if ours != theirs:
        name = next(name for name in (*ours, *theirs) if ours.get(name, "") != theirs.get(name, ""))
        sizes = [f"{shapes[name]}" if name in shapes else "nothing" for shapes in (theirs, ours)]
        raise SavedModelError(
            f"{file} holds the weights of another network ({name}: {sizes[0]} there, {sizes[1]} is wanted). Give the "
            "network that it was saved from as build=."
        )


def _names(build: Callable[..., Any]) -> frozenset[str]:
    try:
        return frozenset(inspect.signature(build).parameters)
    except (TypeError, ValueError):
        return frozenset()


def _name(build: Any) -> str:
    return getattr(build, "__qualname__", type(build).__qualname__)


def _called(file: Path, build: Callable[..., Any], arguments: dict[str, Any]) -> Any:
    try:
        return build(**arguments)
    except TypeError as error:
        given = ", ".join(f"{name}={value!r}" for name, value in arguments.items()) or "nothing"
        raise SavedModelError(
            f"{file}: {_name(build)} could not be built from {given} ({reason_of(error)}). Give build=, a function "
            f"without arguments that makes it: build=lambda: {_name(build)}(...)."
        ) from error


def _check_answer(file: Path, model: nn.Module, wanted: Tensor | None, preprocess: Preprocess | None) -> None:
    """Raises: SavedModelError: the same weights give another answer, so that this is another network."""
    if wanted is None:
        return
    given = answer_of(model, preprocess)
    rough = any(p.dtype in (torch.float16, torch.bfloat16) for p in model.parameters())
    alike = given is not None and given.shape == wanted.shape
    if alike and (given - wanted).abs().max() <= (5 if rough else 1) * _TOLERANCE * wanted.abs().max() + 1e-6:
        return
    raise SavedModelError(
        f"{file}: the {type(model).__name__} that was built takes the weights and answers otherwise than the saved "
        "one: its arguments or its code have changed. Give build= with those that it was saved with."
    )
