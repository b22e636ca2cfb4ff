"""What is a pruned network worth: its weights, its shape, or the training it had?

LeNet-5 is trained, made smaller and trained again, in ways that are all given the same number of epochs in the end:

- "dense": nothing goes; the rest of the training alone.
- "one-shot": the weights of smallest magnitude go at once, and the rest is trained (Han et al., 2015, section 3).
- "iterative": they go in three rounds, with a third of the training after each.
- "channels": whole channels go, and a smaller dense network is left.
- "mask, new weights" and "channels, new weights": what was left by "iterative" and by "channels", from new random
  weights and with all of the epochs (Liu et al., 2019, whose control this is).
- "shared": after "iterative" the weights of each layer share a codebook of so many bits, which is trained (Han et al.,
  2016, section 3). Four bits are 16 numbers, zero among them.

Of each the file is written in four forms: every number; without zeros; by codebook; and in Huffman codes.

Han, Pool, Tran, Dally: Learning both weights and connections for efficient neural networks. NIPS 2015.
https://arxiv.org/abs/1506.02626
Han, Mao, Dally: Deep compression. ICLR 2016. https://arxiv.org/abs/1510.00149
Liu, Sun, Zhou, Huang, Darrell: Rethinking the value of network pruning. ICLR 2019. https://arxiv.org/abs/1810.05270
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from cnnlab import compress
from cnnlab.data import Dataset
from cnnlab.models import create_model
from cnnlab.training import Run, evaluate, fit
from experiments.common import Case, Experiment, Prepared, fresh_model, load, main

NONE = {"share": 0.0, "bits": 32}


@dataclass(frozen=True, kw_only=True)
class Settings:
    data: str
    epochs: int  # of the first training
    again: int  # epochs after something went, a multiple of the rounds
    rounds: int = 3
    batch_size: int = 64
    lr: float = 3e-3
    lr_again: float = 1e-3
    train_images: int | None = None
    test_images: int | None = None
    one_shot: tuple[float, ...] = (0.8, 0.9, 0.95, 0.98)
    iterative: tuple[float, ...] = (0.9, 0.95, 0.98)
    new_weights: tuple[float, ...] = (0.95,)
    channels: tuple[float, ...] = (0.5, 0.75)
    shared: float = 0.9
    bits: tuple[int, ...] = (2, 3, 4, 5)


def cases(settings: Settings) -> list[Case]:
    ways = [
        ("dense", (0.0,)),
        ("one-shot", settings.one_shot),
        ("iterative", settings.iterative),
        ("mask, new weights", settings.new_weights),
        ("channels", settings.channels),
        ("channels, new weights", settings.channels),
    ]
    found = [{"data": settings.data, "way": way, **NONE, "share": share} for way, shares in ways for share in shares]
    shared = {"data": settings.data, "way": "shared", "share": settings.shared}
    return [*found, *({**shared, "bits": bits} for bits in settings.bits)]


@dataclass(frozen=True)
class Smaller(Prepared):
    """A training about to start, and the accuracy before it."""

    before: float


def prepare(case: Case, seed: int, settings: Settings) -> Prepared:
    # A case is prepared twice: for the estimate of its time, which trains a little, and for itself.
    data = load(settings.data, settings.train_images, settings.test_images, 28)
    way = case["way"]
    share = case["share"]
    training = _training(settings, settings.again, settings.lr_again)
    model = _trained(data, seed, settings)
    if way == "one-shot":
        training["callbacks"] = [compress.prune(model, share)]
    elif way in ("iterative", "mask, new weights", "shared"):
        model, masks = _in_rounds(data, share, seed, settings)
        training["epochs"] = settings.again // settings.rounds
        training["callbacks"] = [masks]
        if way == "shared":
            # The last round's training, and then the codebook's.
            fit(model, data, **training, seed=seed, progress=False)
            compress.share_weights(model, case["bits"])
            training = _training(settings, settings.again // settings.rounds, settings.lr_again)
    elif way.startswith("channels"):
        model = compress.remove_channels(model, share, torch.rand(2, *data.shape))
    if way.endswith("new weights"):
        training = _training(settings, settings.epochs + settings.again, settings.lr)
        _draw_anew(model, seed + 1000)
        if way.startswith("mask"):
            masks.apply(model)
            training["callbacks"] = [masks]
    model.name = way
    before = evaluate(model, data.test, mean=data.mean, std=data.std).accuracy
    return Smaller(model, data, training, before)


def measure(prepared: Smaller, run: Run) -> dict[str, Any]:
    model = compress.settle(copy.deepcopy(prepared.model))
    sizes = {form: compress.size_on_disk(model, form) for form in compress.FORMS}
    weights = [m.weight for m in model.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    return {
        "parameters": sum(p.numel() for p in model.parameters()),
        "weights": sum(int((w != 0).sum()) for w in weights),
        "before_accuracy": round(prepared.before, 5),
        "test_accuracy": run.final["test_accuracy"],
        "train_accuracy": run.final["train_accuracy"],
        "bytes": [sizes[form].total for form in compress.FORMS],
        "distance_bytes": sizes["huffman"].distances,
    }


def _training(settings: Settings, epochs: int, lr: float) -> dict[str, Any]:
    return {
        "epochs": epochs,
        "batch_size": settings.batch_size,
        "optimizer": "adam",
        "lr": lr,
        "schedule": "cosine",
    }


_KEPT: dict[tuple[Any, ...], tuple[nn.Module, compress.Masks | None]] = {}


def _trained(data: Dataset, seed: int, settings: Settings) -> nn.Module:
    """The network that all cases of a seed begin with."""
    key = (seed, settings)
    if key not in _KEPT:
        model = fresh_model(
            lambda: create_model("lenet5_28", num_classes=data.num_classes, in_channels=data.shape[0]), seed
        )
        fit(model, data, **_training(settings, settings.epochs, settings.lr), seed=seed, progress=False)
        _KEPT[key] = model.cpu(), None
    return copy.deepcopy(_KEPT[key][0])


def _in_rounds(data: Dataset, share: float, seed: int, settings: Settings) -> tuple[nn.Module, compress.Masks]:
    """Pruned in rounds and trained after all of them but the last, which the case itself trains."""
    key = (seed, settings, share)
    if key not in _KEPT:
        model = _trained(data, seed, settings)
        each = _training(settings, settings.again // settings.rounds, settings.lr_again)
        found: list[compress.Masks] = []

        def train(masks: compress.Masks) -> None:
            found.append(masks)
            if len(found) < settings.rounds:
                fit(model, data, **each, callbacks=[masks], seed=seed, progress=False)

        compress.iterative(model, share, train, rounds=settings.rounds)
        _KEPT[key] = model.cpu(), found[-1]
    model, masks = _KEPT[key]
    return copy.deepcopy(model), masks


def _draw_anew(model: nn.Module, seed: int) -> None:
    torch.manual_seed(seed)
    for module in model.modules():
        if hasattr(module, "reset_parameters"):
            module.reset_parameters()


EXPERIMENT = Experiment(
    name="compression",
    question="After pruning, what does the accuracy come from: the weights that are left, their number, or training?",
    settings={
        "smoke": Settings(
            data="digits",
            epochs=1,
            again=2,
            rounds=2,
            train_images=64,
            test_images=32,
            one_shot=(0.5,),
            iterative=(0.5,),
            new_weights=(0.5,),
            channels=(0.5,),
            shared=0.5,
            bits=(3,),
        ),
        "laptop": Settings(data="fashion_mnist", epochs=8, again=6, train_images=8_000, test_images=2_000),
        "gpu": Settings(data="mnist", epochs=20, again=30, one_shot=(0.8, 0.9, 0.95, 0.98, 0.99)),
    },
    cases=cases,
    prepare=prepare,
    measure=measure,
    measures=("test_accuracy", "before_accuracy", "bytes"),
)

if __name__ == "__main__":
    main(EXPERIMENT)
