"""What the detection and the segmentation lab have in common: pictures of shapes, and networks of any kind for them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch

from cnnlab.errors import unknown_name, whole_number
from cnnlab.widgets.lab.base import Lab
from cnnlab.widgets.lab.choices import known_models
from cnnlab.widgets.lab.runs import LabRun, Settings, make_augmentation

if TYPE_CHECKING:
    from torch import Tensor, nn

    from cnnlab.data import Dataset, ImageSet
    from cnnlab.models import ModelInfo

__all__ = ["SCENES", "Maker", "SceneLab", "outputs", "reached"]

# How many shapes a picture shows.
SCENES: dict[str, int | tuple[int, int]] = {"one shape": 1, "one to three shapes": (1, 3), "crowded shapes": (4, 6)}
_CLASSES = ("circle", "cross", "star")

# A network of (data set) -> module.
Maker = Callable[["Dataset"], "nn.Module"]


class SceneLab(Lab):
    """A lab whose pictures show objects. Subclasses say by ``teaches`` what is taught, and how a network is trained.

    Args:
        named: the networks that may be asked for by name.
        models, datasets: as the subclass offers them.
        pictures: of shapes to train on; a quarter as many are measured.
        size: of these, in pixels.
    """

    teaches: str

    def __init__(
        self,
        named: dict[str, Maker],
        models: Sequence[Any],
        datasets: Sequence[str | Dataset],
        optimizers: Sequence[str],
        *,
        epochs: int,
        batch_size: int,
        pictures: int,
        size: int,
        seed: int,
    ) -> None:
        self._pictures = whole_number("pictures", pictures, "Give the number of training pictures, such as 400.")
        self._size = whole_number("size", size, "Give pixels on a side, such as 64.")
        if size % 16:
            raise ValueError(f"size={size!r} must be a multiple of 16, since networks here halve pictures 4 times: 64.")
        self._named, self._own = named, self._given(named, models)
        self._sets = self._scenes(datasets)
        names = [entry if isinstance(entry, str) else None for entry in models]
        own = iter(self._own)
        menu = [name or next(own) for name in names]
        super().__init__(menu, list(self._sets), optimizers, epochs=epochs, batch_size=batch_size, seed=seed)

    def _trainer_options(self, model: nn.Module, data: Dataset) -> dict[str, Any]:
        """Loss and measures.

        Raises:
            ValueError: the network cannot be trained so.
        """
        raise NotImplementedError

    def _classes(self, data: Dataset) -> int:
        """How many a network tells apart."""
        return data.num_classes

    @staticmethod
    def _given(named: dict[str, Maker], models: Sequence[Any]) -> dict[str, ModelInfo]:
        """The reader's own networks by their names."""
        if isinstance(models, str) or not models:
            raise ValueError(f"models={models!r}: give a list of one or more.")
        for place, entry in enumerate(models):
            if isinstance(entry, str) and entry not in named:
                remedy = "Give one of these names, or a class or function of your own itself."
                raise unknown_name(f"models[{place}]", entry, tuple(named), remedy)
        own = [entry for entry in models if not isinstance(entry, str)]
        return known_models(own) if own else {}

    def _scenes(self, datasets: Sequence[str | Dataset]) -> dict[str, Dataset | None]:
        """The reader's own data sets, and None for those that are drawn when they are asked for."""
        from cnnlab.data import Dataset

        if isinstance(datasets, str) or not datasets:
            raise ValueError(f"datasets={datasets!r}: give a list of one or more.")
        found: dict[str, Dataset | None] = {}
        for place, entry in enumerate(datasets):
            if isinstance(entry, Dataset):
                name, data = entry.name, entry.teaching(self.teaches)
            elif entry in SCENES:
                name, data = entry, None
            else:
                remedy = "Give one of these names, or a cnnlab.data.Dataset."
                raise unknown_name(f"datasets[{place}]", entry, tuple(SCENES), remedy)
            if name in found:
                raise ValueError(
                    f"datasets: two are called {name!r}. Rename one: dataclasses.replace(data, name='...')."
                )
            found[name] = data
        return found

    def _load(self, name: str) -> Dataset:
        from cnnlab.data.shapes import load_shapes

        if self._sets[name] is None:
            # Large and turned little, so that a small network learns them in a minute or two.
            way = {
                "objects": SCENES[name],
                "classes": _CLASSES,
                "rotation": 20.0,
                "scale": (0.3, 0.46),
                "seed": self.seed,
            }
            self._sets[name] = load_shapes(self._pictures, self._size, **way).teaching(self.teaches)
        return self._sets[name]

    def _make(self, number: int, settings: Settings) -> LabRun:
        from cnnlab.models.factory import build_model
        from cnnlab.training import Trainer

        data = self._load(settings.data)
        # Equal settings start from equal parameters.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            if settings.model in self._own:
                own = self._own[settings.model]
                model = build_model(own, num_classes=self._classes(data), in_channels=data.shape[0])
            else:
                model = self._named[settings.model](data)
        trainer = Trainer(
            model,
            data,
            epochs=settings.epochs,
            batch_size=settings.batch_size,
            optimizer=settings.optimizer,
            lr=settings.lr,
            augment=make_augmentation(settings.augmentation, data.shape[1]),
            seed=self.seed,
            **self._trainer_options(model, data),
        )
        return LabRun(number, settings, model, data, trainer, self.task)


def outputs(run: LabRun, count: int) -> tuple[ImageSet, Tensor]:
    """The first pictures that are measured, and what the run's network says of them now."""
    from cnnlab.data import batches
    from cnnlab.modes import evaluating

    some = run.measured[:count]
    device = next(run.model.parameters()).device
    x, _ = next(batches(some, len(some), mean=run.data.mean, std=run.data.std, device=device))
    with evaluating(run.model), torch.no_grad():
        return some, run.model(x).float().cpu()


def reached(run: LabRun) -> str:
    """Such as "Run 1 after 3 of 20 epochs, mAP 0.412"."""
    done = len(run.history)
    value = run.task.value(run.history[-1][f"{run.part}_{run.task.measure}"]) if done else ""
    said = f"Run {run.number} after {done} of {run.settings.epochs} epochs"
    return f"{said}, {run.task.said} {value}" if value else said
