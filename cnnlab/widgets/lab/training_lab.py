"""The training lab: classifiers. What Train, Stop and their like do is in ``base``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from cnnlab.widgets.lab.base import Lab
from cnnlab.widgets.lab.choices import check_transfer, having_weights, known_datasets, known_models
from cnnlab.widgets.lab.pictures import CLASSIFICATION
from cnnlab.widgets.lab.poster import poster
from cnnlab.widgets.lab.runs import LabRun, Settings, make_run

if TYPE_CHECKING:
    from torch import nn

    from cnnlab.data import Dataset

__all__ = ["TrainingLab"]


class TrainingLab(Lab):
    """A panel that trains networks while you watch.

    Args:
        models: names of `cnnlab.list_models`, classes of your own, or functions that build a network. Each is built for
            the data's channels and classes: a class or function is called with ``in_channels=`` and ``num_classes=``
            where its signature has them. A network that is built already may be given too: each run trains a copy of
            it as it was then, with its parameters, and the network itself stays as it is.
        datasets: names of `cnnlab.data.list_datasets`, or data sets of your own (`cnnlab.data.Dataset`).
            Named ones are loaded at the network's size, where it says one (``input_size``).
        optimizers: names that `cnnlab.fit` takes.
        epochs, batch_size: what the panel starts with.
        limit: at most this many training and as many test pictures of a named set; None for all.
        size: pixels on a side that networks see; None for each network's own. A pretrained network takes smaller ones
            than it was trained on, a little worse and much quicker.
        start, trains: what the panel starts with for a network that there are weights for: "fresh" or "pretrained", and
            "all", "all, slower below", "the top" or "the head". Frozen parts keep the statistics of their batch norms;
            so do all of a pretrained network, unless "all" trains alike.
        seed: of the parameters and of the order of the pictures, the same for every run.

    Attributes:
        runs: a `LabRun` for each training; ``lab.runs[-1].run.plot()`` goes on in code.
        panel: the widgets, an ipywidgets box.
        clock: what makes the training go on in the front end at hand.

    Raises:
        ValueError: an unknown model, data set or optimizer (the message names the nearest ones), or two data sets of
            or models of one name.
    """

    task = CLASSIFICATION

    def __init__(
        self,
        models: Sequence[str | Callable[..., nn.Module] | nn.Module] = ("lenet5_28", "mlp_mnist"),
        datasets: Sequence[str | Dataset] = ("mnist", "fashion_mnist", "digits"),
        *,
        optimizers: Sequence[str] = ("sgd", "adam", "rmsprop"),
        epochs: int = 5,
        batch_size: int = 128,
        limit: int | None = None,
        seed: int = 0,
        size: int | None = None,
        start: str = "fresh",
        trains: str = "all",
    ) -> None:
        self.limit, self.size = limit, check_transfer(start, trains, size)
        self._loaded: dict[tuple[str, int | None], Dataset] = {}
        self._known = known_models(models)
        names, self._own = known_datasets(datasets)
        super().__init__(
            list(self._known),
            names,
            optimizers,
            epochs=epochs,
            batch_size=batch_size,
            seed=seed,
            pretrained=having_weights(self._known),
            start=start,
            trains=trains,
        )

    def _make(self, number: int, settings: Settings) -> LabRun:
        info = self._known[settings.model]
        data = self._load(settings.data, self.size or (info.input_size[1] if info.input_size else None))
        return make_run(number, settings, info, data, self.seed)

    def _load(self, name: str, size: int | None) -> Dataset:
        from cnnlab.data import load_dataset

        if (name, size) not in self._loaded:
            own = self._own.get(name)
            if own is None:
                data = load_dataset(name, size=size, limit=self.limit)
            else:
                data = own if size is None or own.shape[1:] == (size, size) else own.resized(size)
            self._loaded[name, size] = data
        return self._loaded[name, size]

    def _poster(self) -> str:
        chosen = bool(self.panel.start.layout.display != "none")
        return poster(self._offer(), transfer=chosen)
