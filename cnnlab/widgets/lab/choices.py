"""What may be asked of a lab, and what is said when a training does not work."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cnnlab.errors import unknown_name
from cnnlab.widgets.lab.panel import BATCH_SIZES

if TYPE_CHECKING:
    from cnnlab.data import Dataset
    from cnnlab.widgets.lab.runs import Settings


def known_models(names: Sequence[str]) -> list[str]:
    """The names, if all are of `cnnlab.list_models`.

    Raises:
        ValueError: one is not; names the nearest.
    """
    from cnnlab.models import model_info

    chosen = _list("models", names)
    for name in chosen:
        model_info(name)
    return chosen


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
    from cnnlab.training import OutOfMemory, TrainingDiverged

    said = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, DatasetUnavailable):
        remedy = "Choose digits here: they come with cnnlab and need no network."
        if "digits" not in datasets:
            remedy = "digits and shapes come with cnnlab: TrainingLab(datasets=['digits'])."
        return f"{said} {remedy}"
    if isinstance(error, TrainingDiverged):
        return f"{said} In this lab: choose a learning rate below {settings.lr:g} and train again."
    if isinstance(error, OutOfMemory) or "out of memory" in said.lower():
        return f"{said} In this lab: choose a batch size below {settings.batch_size} and train again."
    if isinstance(error, MemoryError):
        return f"The computer has no memory left. {said} Choose a smaller network, or limit=... for fewer pictures."
    return f"{settings.model} could not be trained on {settings.data}: {said}"


def _list(argument: str, names: Sequence) -> list:
    if isinstance(names, str) or not names:
        raise ValueError(f"{argument}={names!r}: give a list of one or more names.")
    return list(names)
