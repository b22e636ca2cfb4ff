"""What may be asked of a lab, and what is said when a training does not work."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from cnnlab.errors import unknown_name, whole_number
from cnnlab.widgets.lab.panel import BATCH_SIZES
from cnnlab.widgets.lab.runs import STARTS, TRAINS

if TYPE_CHECKING:
    from torch import nn

    from cnnlab.data import Dataset
    from cnnlab.models import ModelInfo
    from cnnlab.widgets.lab.runs import Settings

__all__ = [
    "known_models",
    "having_weights",
    "known_datasets",
    "known_optimizers",
    "check_start",
    "check_transfer",
    "explain",
]


def known_models(entries: Sequence[str | Callable[..., nn.Module] | nn.Module]) -> dict[str, ModelInfo]:
    """What is known of each by its name: of registered ones, classes, functions and networks that are built.

    Raises:
        ValueError: a name is unknown, a class cannot be built as it is, one has no name, or two have the same.
        TypeError: an entry is nothing of these.
    """
    from torch import nn

    from cnnlab.models import OwnModel, list_models, model_info
    from cnnlab.models.own import Builder, called, copies_of, size_of

    chosen: dict[str, ModelInfo] = {}
    for place, entry in enumerate(_list("models", entries)):
        argument = f"models[{place}]"
        if isinstance(entry, str):
            names = list_models()
            if entry not in names:
                remedy = "Give a name of cnnlab.list_models(), or a class of your own itself."
                raise unknown_name(argument, entry, names, remedy)
            info = model_info(entry)
        elif isinstance(entry, nn.Module):
            own = getattr(entry, "name", None)
            name = own if isinstance(own, str) and own else type(entry).__name__
            info = OwnModel(name=name, network=copies_of(entry), input_size=size_of(entry))
        else:
            builder, name = Builder(entry, argument), called(entry) or f"model {place + 1}"
            info = OwnModel(name=name, network=builder, input_size=size_of(entry))
        if info.name in chosen:
            raise ValueError(
                f"models: two are called {info.name!r}, and the menu could not tell them apart. Give one another name: "
                "cnnlab.register(MyNet, 'another')."
            )
        chosen[info.name] = info
    return chosen


def having_weights(known: dict[str, ModelInfo]) -> list[str]:
    """The names of those that somebody publishes weights for: in an installed package, or behind a network."""
    from cnnlab.models import OwnModel
    from cnnlab.weights.table import libraries_of

    return [name for name, info in known.items() if not isinstance(info, OwnModel) and libraries_of(name)]


def check_transfer(start: str, trains: str, size: int | None) -> int | None:
    """The size, if the panel can start with these.

    Raises:
        ValueError: it cannot; says what it offers.
    """
    for argument, value, offered in (("start", start, STARTS), ("trains", trains, TRAINS)):
        if value not in offered:
            raise unknown_name(argument, value, offered)
    return None if size is None else whole_number("size", size, "Give pixels on a side, or None for the network's own.")


def known_datasets(entries: Sequence[str | Dataset]) -> tuple[list[str], dict[str, Dataset]]:
    """The names of all, and those that are data sets themselves by their name.

    Raises:
        ValueError: a name is unknown, or two are equal.
    """
    from cnnlab.data import Dataset, dataset_info

    names: list[str] = []
    own: dict[str, Dataset] = {}
    for entry in _list("datasets", entries):
        if isinstance(entry, Dataset):
            own[entry.name] = entry
            name = entry.name
        else:
            dataset_info(entry)
            name = entry
        if name in names:
            raise ValueError(
                f"datasets: two are called {name!r}, and the menu could not tell them apart. Rename one: "
                "dataclasses.replace(data, name='...')."
            )
        names.append(name)
    return names, own


def known_optimizers(names: Sequence[str]) -> list[str]:
    """The names, if `cnnlab.fit` takes all.

    Raises:
        ValueError: one is unknown; names the nearest.
    """
    from cnnlab.training.optimizers import DEFAULT_LR

    chosen = _list("optimizers", names)
    for name in chosen:
        if name not in DEFAULT_LR:
            raise unknown_name("optimizers", name, DEFAULT_LR)
    return chosen


def check_start(epochs: int, batch_size: int) -> None:
    """Whether the panel can start with these.

    Raises:
        ValueError: it cannot; says what it offers.
    """
    if batch_size not in BATCH_SIZES:
        offered = ", ".join(map(str, BATCH_SIZES))
        raise ValueError(f"batch_size={batch_size!r} is not on the panel; it offers {offered}.")
    if not 1 <= epochs <= 200:
        raise ValueError(f"epochs={epochs!r} is not on the panel; give 1 to 200.")


def explain(error: Exception, settings: Settings, datasets: Sequence[str]) -> str:
    """An error in words, with what can be done about it.

    Args:
        error: what ended a training, or kept it from beginning.
        settings: of that training.
        datasets: what the panel offers.
    """
    from cnnlab.data import DatasetUnavailable
    from cnnlab.download import DownloadError
    from cnnlab.training import OutOfMemory, TrainingDiverged

    said = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, DatasetUnavailable):
        remedy = "Choose digits here: they come with cnnlab and need no network."
        if "digits" not in datasets:
            remedy = "digits and shapes come with cnnlab: TrainingLab(datasets=['digits'])."
        return f"{said} {remedy}"
    if isinstance(error, DownloadError | ModuleNotFoundError) and settings.start == "pretrained":
        return f"{said} Choose fresh weights here, or tf_efficientnet_lite0, whose own come with cnnlab."
    if isinstance(error, TrainingDiverged):
        return f"{said} In this lab: choose a learning rate below {settings.lr:g} and train again."
    if isinstance(error, OutOfMemory) or "out of memory" in said.lower():
        return f"{said} In this lab: choose a batch size below {settings.batch_size} and train again."
    if isinstance(error, MemoryError):
        return f"The computer has no memory left. {said} Choose a smaller network, or limit=... for fewer pictures."
    return f"{settings.model} could not be trained on {settings.data}: {said}"


def _list(argument: str, names: Sequence) -> list:
    if isinstance(names, str) or not names:
        raise ValueError(f"{argument}={names!r}: give a list of one or more.")
    return list(names)
