"""A trained network in one file, with all that it takes to use it: ``cnnlab.save(model, path)``, ``cnnlab.load(path)``.

The file is one of ``torch.save`` that holds tensors and plain values alone and is read as such (``weights_only``): it
can come from anybody, since nothing in it is ever run. It names the network; ours are built by their name, and a class
of yours is taken if your program has imported it, never imported because a file says so.
"""

from __future__ import annotations

import inspect
import json
import sys
import warnings
from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from cnnlab.errors import reason_of
from cnnlab.files import Damaged, read_tensors, write_tensors
from cnnlab.meta import on_meta
from cnnlab.models.factory import create_model
from cnnlab.models.network import Network
from cnnlab.models.own import OwnModel
from cnnlab.models.registry import list_models, model_info
from cnnlab.modes import evaluating
from cnnlab.prediction import predict, unwrapped
from cnnlab.preprocessing import Preprocess
from cnnlab.training.run import Run

if TYPE_CHECKING:
    from cnnlab.data import Dataset

__all__ = ["FORMAT", "SavedModelError", "save", "load"]

FORMAT = 1
_KEY = "cnnlab_model"
# What a file of this format holds, and what each of these may be.
_CONTENT: dict[str, type | tuple[type, ...]] = {
    "version": str,
    "network": dict,
    "state": dict,
    "classes": (list, type(None)),
    "preprocess": (dict, type(None)),
    "run": (dict, type(None)),
    "answer": (Tensor, type(None)),
}
_PLAIN = (bool, int, float, str, type(None))
# What `create_model` is asked for.
_ASKED = {"name", "num_classes", "in_channels", "small_input"}
# A network's names for what the data decide, so that a class that does not keep them can be built all the same.
_COUNTS = {"num_classes": "classes", "n_classes": "classes", "classes": "classes"}
_COUNTS |= {"in_channels": "channels", "in_chans": "channels", "channels": "channels"}
# How far the answer of a network that was built anew may be from the one that was saved, as a share of the largest
# number in it. Devices and libraries differ by a thousandth; another stride or another activation, by much more.
_TOLERANCE = 0.01


class SavedModelError(ValueError):
    """A file that is no saved model, or one that cannot be brought back to life; the message says what would help."""


# --- saving ----------------------------------------------------------------------------------------------------------


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
    answer = _answer(model, preprocess)
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
        _KEY: FORMAT,
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
        return _shapes(there) == _shapes(state)
    return False


def _shapes(state: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(value.shape) if isinstance(value, Tensor) else None for name, value in state.items()}


def _answer(model: nn.Module, preprocess: Preprocess | None) -> Tensor | None:
    """What the model says of one made-up picture, by which a network that is built anew is known; None if it cannot."""
    if preprocess is not None:
        shape = (preprocess.channels, *preprocess.size)
    elif isinstance(size := getattr(model, "input_size", None), tuple) and len(size) == 3:
        shape = size
    else:
        return None
    count = torch.arange(shape[0] * shape[1] * shape[2], dtype=torch.float64)
    picture = (count * 0.6180339887498949).frac().sub(0.5).mul(2).reshape(1, *shape)  # no generator: the same for ever
    like = next((p for p in model.parameters() if p.is_floating_point()), picture.float())
    try:
        with evaluating(model), torch.no_grad(), torch.random.fork_rng(devices=[]):
            first, again = (model(picture.to(like.device, like.dtype)) for _ in range(2))
    except Exception:  # a model of another input: it is saved all the same
        return None
    whole = isinstance(first, Tensor) and first.ndim == 2 and bool(first.isfinite().all())
    return first.float().cpu() if whole and torch.equal(first, again) else None


# --- loading ---------------------------------------------------------------------------------------------------------


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
    if not isinstance(content, dict) or _KEY not in content:
        raise SavedModelError(f"{file} is no file of cnnlab.save. {_told(content)}")
    if content[_KEY] != FORMAT:
        import cnnlab

        raise SavedModelError(
            f"{file} was written by cnnlab {content.get('version', '(unknown)')} in format {content[_KEY]!r}; this is "
            f"{cnnlab.__version__}, which reads format {FORMAT}. Update cnnlab, or save it again with this version."
        )
    for name, kinds in _CONTENT.items():
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
    ours, theirs = _shapes(wanted), _shapes(state)
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
    given = _answer(model, preprocess)
    rough = any(p.dtype in (torch.float16, torch.bfloat16) for p in model.parameters())
    alike = given is not None and given.shape == wanted.shape
    if alike and (given - wanted).abs().max() <= (5 if rough else 1) * _TOLERANCE * wanted.abs().max() + 1e-6:
        return
    raise SavedModelError(
        f"{file}: the {type(model).__name__} that was built takes the weights and answers otherwise than the saved "
        "one: its arguments or its code have changed. Give build= with those that it was saved with."
    )


def _listed(value: Any) -> Any:
    """Tuples as lists and NumPy's numbers as Python's, which any reader of the file knows."""
    if isinstance(value, dict):
        return {name: _listed(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_listed(item) for item in value]
    return value.item() if hasattr(value, "item") else value
