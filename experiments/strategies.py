"""How much of a pretrained network should train, for how many pictures, and how much like ImageNet's?

The question of every course on transfer learning, whose usual answer is a table: hundreds of pictures, the head alone;
thousands, the top; ten thousand and more, everything. Here each strategy is tried with each number of pictures on data
that are more and less like photographs:

- "head": the trunk is frozen; a linear head learns on its features, which are computed once.
- "top": the last third of the parts trains too.
- "all": every layer trains, below the head at a tenth of its rate, and in the first layers at a hundredth.
- "all, norms move": the same, and batch norms go by the batch and move their statistics, as is usual.
- "probe, then all": the head is that of "head", and then all trains (Kumar et al., 2022).

Only in "all, norms move" do running statistics change. Every strategy but "head" sees the same number of pictures in
training. Each is measured on the test pictures, and again on the same pictures in half the contrast and with noise, of
which none was trained on. Which pictures are trained on depends on the seed, as the fresh head does.

Kumar, Raghunathan, Jones, Ma, Liang: Fine-tuning can distort pretrained features and underperform out-of-distribution.
ICLR 2022. https://arxiv.org/abs/2202.10054
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

import cnnlab
from cnnlab.data import Dataset, ImageSet, dataset_info
from cnnlab.models import Network
from cnnlab.training import Run, evaluate, fit
from cnnlab.transfer import for_weights, prepare
from cnnlab.transfer.probes import folded
from experiments.common import Case, Experiment, Prepared, load, main

STRATEGIES = ("head", "top", "all", "all, norms move", "probe, then all")


@dataclass(frozen=True)
class Task:
    """A network, its data, and the sides of their pictures when loaded; None for the set's own."""

    network: str
    data: str
    side: int | None = None


@dataclass(frozen=True)
class Settings:
    tasks: tuple[Task, ...]
    amounts: tuple[tuple[int, int], ...]  # pictures in all, and how often each is seen in training
    size: int  # pixels on a side that the network sees
    test_images: int
    pool: int | None = None  # pictures that the training ones are chosen from; None: all
    strategies: tuple[str, ...] = STRATEGIES
    batch_size: int = 10
    lr: float = 3e-3  # of a fresh head; right below it a tenth
    lr_after_probe: float = 1e-3  # a head that is right already needs smaller steps


def cases(settings: Settings) -> list[Case]:
    return [
        {"network": task.network, "data": task.data, "pictures": pictures, "strategy": strategy}
        for task in settings.tasks
        for pictures, _ in settings.amounts
        if pictures <= dataset_info(task.data).train
        for strategy in settings.strategies
    ]


@dataclass(frozen=True)
class Transferred(Prepared):
    """A training, the whole network of which it trains a part, and what to test that on."""

    network: Network
    test: Dataset
    scale: tuple[float, float] = (0.0, 1.0)  # of features as pictures: what was taken off, and divided by


def prepare_case(case: Case, seed: int, settings: Settings) -> Prepared:
    task = next(task for task in settings.tasks if (task.network, task.data) == (case["network"], case["data"]))
    data = chosen(task, case["pictures"], seed, settings)
    network = copy.deepcopy(pretrained(case["network"]))
    network.new_head(data.num_classes, generator=torch.Generator().manual_seed(seed))
    usual = {"epochs": 1, "batch_size": settings.batch_size, "schedule": "onecycle"}
    strategy = case["strategy"]
    if strategy in ("head", "probe, then all"):
        known, scale = features_as_pictures(network, data)
        probe = nn.Sequential(nn.Flatten(), nn.Linear(known.shape[0], known.num_classes))
        nn.init.zeros_(probe[1].weight), nn.init.zeros_(probe[1].bias)
        training = {**usual, "epochs": 30, "optimizer": "adamw", "lr": 1e-3, "weight_decay": 0.1}
        if strategy == "head":
            return Transferred(probe, known, training, network, data, scale)
        fit(probe, known, **training, seed=seed, progress=False)
        network.head = as_head(probe, known, scale)
    visits = dict(settings.amounts)[case["pictures"]]
    again = torch.arange(len(data.train)).repeat(visits)
    optimizer = prepare(
        network,
        "top" if strategy == "top" else "all",
        lr=settings.lr_after_probe if strategy == "probe, then all" else settings.lr,
        batch_norm="moving" if strategy == "all, norms move" else "frozen",
    )
    # One epoch in which each picture comes several times: so the test pictures are measured once.
    return Transferred(
        network, replace(data, train=data.train[again]), {**usual, "optimizer": optimizer}, network, data
    )


def measure(prepared: Transferred, run: Run) -> dict[str, Any]:
    network, data = prepared.network, prepared.test
    if prepared.model is not network:
        network.head = as_head(prepared.model, prepared.data, prepared.scale)
    found = {
        name: evaluate(network, part, mean=data.mean, std=data.std).accuracy
        for name, part in (("train", data.train), ("test", data.test), ("shifted", shifted(data.test)))
    }
    trained = sum(p.numel() for p in prepared.model.parameters() if p.requires_grad)
    return {"parameters": trained, **{f"{name}_accuracy": round(value, 5) for name, value in found.items()}}


@cache
def pretrained(name: str) -> Network:
    return cnnlab.create_model(name, weights="imagenet")


@cache
def whole(task: Task, settings: Settings) -> Dataset:
    data = load(task.data, settings.pool, settings.test_images, task.side)
    return for_weights(data, pretrained(task.network), settings.size)


def chosen(task: Task, pictures: int, seed: int, settings: Settings) -> Dataset:
    data = whole(task, settings)
    return replace(data, train=data.train.subset(pictures, seed))


def features_as_pictures(network: Network, data: Dataset) -> tuple[Dataset, tuple[float, float]]:
    """Each picture as what enters the head: one pixel of many channels, which ``fit`` can train on; and their scale."""
    network.eval()
    parts = {
        name: torch.cat([_features(network, data.preprocess.normalized(some)) for some in part.images.split(64)])
        for name, part in (("train", data.train), ("test", data.test))
    }
    low, high = parts["train"].min(), parts["train"].max()
    train, test = (
        ImageSet(((parts[name] - low) / (high - low)).clamp(0, 1)[:, :, None, None], part.labels, part.classes)
        for name, part in (("train", data.train), ("test", data.test))
    )
    made = Dataset.from_sets(data.name, train, test, f"{data.source}, as features")
    return made, (low.item(), (high - low).item())


def _features(network: Network, x: Tensor) -> Tensor:
    with torch.no_grad():
        return network.features(x.to(next(network.parameters()).device)).flatten(1).cpu()


def as_head(probe: nn.Sequential, known: Dataset, scale: tuple[float, float]) -> nn.Linear:
    """The layer that says of features what the probe says of them as pictures."""
    low, span = scale
    mean, std = (torch.tensor(numbers, dtype=torch.float64) for numbers in (known.mean, known.std))
    return folded(probe[1].weight.detach().cpu(), probe[1].bias.detach().cpu(), low + span * mean, span * std)


def shifted(part: ImageSet) -> ImageSet:
    """Half the contrast, and noise: what a poor camera makes of the same pictures."""
    noise = 15 * torch.randn(
        part.images.shape[0], 1, *part.images.shape[2:], generator=torch.Generator().manual_seed(0)
    )
    return replace(part, images=(64 + part.images / 2 + noise).round().clamp(0, 255).to(torch.uint8))


LITE = "tf_efficientnet_lite0"
EXPERIMENT = Experiment(
    name="strategies",
    question="Head, top or all: how much of a pretrained network should train, by number of pictures and likeness?",
    settings={
        "smoke": Settings((Task(LITE, "digits"),), ((20, 1),), size=32, test_images=20, pool=100),
        "laptop": Settings(
            (Task(LITE, "textures", 64), Task(LITE, "fashion_mnist"), Task(LITE, "cifar10"), Task(LITE, "digits")),
            ((20, 24), (100, 12), (400, 6)),
            size=64,
            test_images=150,
        ),
        "gpu": Settings(
            (
                Task(LITE, "flowers102", 224),
                Task(LITE, "oxford_iiit_pet", 224),
                Task(LITE, "imagenette", 224),
                Task(LITE, "cifar10"),
                Task("vgg16", "cifar10"),
            ),
            ((100, 40), (1000, 20), (2000, 20), (10_000, 8)),
            size=224,
            test_images=2000,
            pool=10_000,
            batch_size=64,
        ),
    },
    cases=cases,
    prepare=prepare_case,
    measure=measure,
    measures=("test_accuracy", "shifted_accuracy", "train_accuracy"),
)

if __name__ == "__main__":
    main(EXPERIMENT)
