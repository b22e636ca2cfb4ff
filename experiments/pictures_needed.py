"""How many pictures does a Vision Transformer need before it does as well as a convolutional network?

Dosovitskiy et al. (2021), section 4.3 and figure 4: with few pictures to learn from, the ResNets are ahead, with
hundreds of millions the transformers. This is the left end of that picture: 100 to 6,400 pictures of CIFAR-10, and
networks of about two million multiplications. A stem of convolutions in place of the patches is that of Xiao et al.
(2021). Every kind has AdamW, at the rate that did best in a training of its own, on pictures and with a seed that no
case uses.

When a network is trained, it is asked again: about pictures whose patches were shuffled, and about pictures moved by a
few pixels, which is what locality and equivariance mean. One ViT's weights are kept, for the chapter to look inside.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from cnnlab.analysis import summarize
from cnnlab.chapters.vit.small import KINDS, PATCH, SIZE, packed, shifted, shuffled_patches, small
from cnnlab.data import Dataset, ImageSet
from cnnlab.data.augment import Compose, Crop, Flip
from cnnlab.training import Cosine, Run, evaluate, fit
from experiments.common import Case, Experiment, Prepared, accuracies, fresh_model, load, main

SHIFTS = range(1, PATCH + 1)
BOTH = ("CNN", "ViT")  # these are trained without augmentation too
ONCE = ("ViT, no positions", "ViT, average")  # these with the most pictures alone


@dataclass(frozen=True, kw_only=True)
class Settings:
    data: str
    # Pictures to learn from, how often each comes in an epoch, and epochs: the more pictures, the more steps.
    plans: tuple[tuple[int, int, int], ...]
    test_images: int | None = None
    watched: int = 250  # of them, measured after each epoch; all are at the end
    batch_size: int = 32
    weight_decay: float = 0.05
    warmup: float = 0.1
    clip_norm: float = 1.0
    kinds: tuple[str, ...] = KINDS
    rates: tuple[float, ...] = (1e-3, 3e-3, 1e-2)  # of which each kind gets its best
    tuned_on: int = 1_600  # pictures, one of the plans
    tuned_by: int = 1_000  # pictures set aside to judge by


@dataclass(frozen=True)
class Watched(Prepared):
    """A training about to start.

    Attributes:
        test: the test pictures, for its end.
        tried: accuracy with each rate that was tried for its kind.
        kept: whether its weights are recorded.
    """

    test: ImageSet
    tried: dict[str, float]
    kept: bool


def cases(settings: Settings) -> list[Case]:
    most = settings.plans[-1][0]
    return [
        {"kind": kind, "pictures": pictures, "augment": augment}
        for pictures, _, _ in settings.plans
        for kind in settings.kinds
        for augment in ((False, True) if kind in BOTH else (True,))
        if kind not in ONCE or pictures == most
    ]


def prepare(case: Case, seed: int, settings: Settings) -> Watched:
    data = load(settings.data, test=settings.test_images, size=SIZE)
    # A kind that is a ViT with one thing less has the ViT's rate, so that nothing else differs.
    kind = "ViT" if case["kind"] in ONCE else case["kind"]
    rate, tried = tuned(kind, settings)
    kept = case == {"kind": "ViT", "pictures": settings.plans[-1][0], "augment": True} and seed == 0
    watched = replace(data, test=data.test.subset(min(settings.watched, len(data.test))))
    model, own, training = made(case, seed, settings, watched, rate)
    return Watched(model, own, training, data.test, tried, kept)


def made(
    case: Case, seed: int, settings: Settings, data: Dataset, rate: float
) -> tuple[nn.Module, Dataset, dict[str, Any]]:
    """A network, the pictures that its seed draws, as often as its plan says, and the arguments of fit."""
    pictures, repeats, epochs = next(plan for plan in settings.plans if plan[0] == case["pictures"])
    own = data.train.subset(pictures, seed=seed)
    again = own[torch.arange(len(own)).repeat(repeats)]
    shape = {"in_channels": data.shape[0], "num_classes": data.num_classes}
    model = fresh_model(lambda: small(case["kind"], **shape), seed)
    model.name = case["kind"]
    training = {
        "epochs": epochs,
        "optimizer": "adamw",
        "lr": rate,
        "schedule": Cosine(warmup=settings.warmup),
        "augment": Compose([Flip(), Crop(padding=SIZE // 8)]) if case["augment"] else None,
        **{name: getattr(settings, name) for name in ("batch_size", "weight_decay", "clip_norm")},
    }
    return model, replace(data, train=again), training


@cache
def tuned(kind: str, settings: Settings, seed: int = 100) -> tuple[float, dict[str, float]]:
    """The best of the rates and the accuracy with each, on training pictures that the network was not trained on."""
    whole = load(settings.data, test=settings.test_images, size=SIZE)
    aside = whole.split(settings.tuned_by / len(whole.train), seed=seed)
    data = replace(aside, validation=None, test=aside.validation)
    tried = {}
    for rate in settings.rates:
        case = {"kind": kind, "pictures": settings.tuned_on, "augment": True}
        model, own, training = made(case, seed, settings, data, rate)
        run = fit(model, own, **training, seed=seed, progress=False)
        tried[f"{rate:g}"] = run.final["test_accuracy"]
    return float(max(tried, key=tried.__getitem__)), tried


def measure(prepared: Watched, run: Run) -> dict[str, Any]:
    """The accuracies, those on shuffled patches, and how many answers outlive a shift."""
    model, data, test = prepared.model.eval(), prepared.data, prepared.test
    usual = {"mean": data.mean, "std": data.std}
    mixed = replace(test, images=shuffled_patches(test.images))
    some = test.subset(min(300, len(test))).images

    def answers(images: Tensor) -> Tensor:
        with torch.no_grad():
            return model(data.preprocess.normalized(images).to(next(model.parameters()).device)).argmax(dim=1)

    plain = answers(some)
    measured = accuracies(prepared, run) | {
        "lr": run.config["lr"],
        "rates_tried": prepared.tried,
        "macs": summarize(model, data.shape).macs,
        "test_accuracy": evaluate(model, test, **usual).accuracy,
        "shuffled_accuracy": evaluate(model, mixed, **usual).accuracy,
        "same_answer_shifted": [round((answers(shifted(some, by)) == plain).float().mean().item(), 4) for by in SHIFTS],
    }
    if prepared.kept:
        seen = {"classes": list(data.classes), "mean": list(data.mean), "std": list(data.std)}
        measured |= {"weights": packed(model), **seen}
    return measured


EXPERIMENT = Experiment(
    name="pictures_needed",
    question="How many pictures does a Vision Transformer need before it does as well as a convolutional network?",
    settings={
        "smoke": Settings(
            data="shapes",
            plans=((64, 1, 1),),
            test_images=32,
            batch_size=32,
            rates=(1e-3, 3e-3),
            tuned_on=64,
            tuned_by=32,
        ),
        "laptop": Settings(
            data="cifar10", plans=((100, 16, 4), (400, 8, 3), (1_600, 2, 5), (6_400, 1, 5)), test_images=1_500
        ),
        "gpu": Settings(
            data="cifar10",
            plans=((100, 64, 50), (1_000, 10, 50), (10_000, 1, 60), (50_000, 1, 100)),
            batch_size=128,
            tuned_on=10_000,
        ),
    },
    cases=cases,
    prepare=prepare,
    measure=measure,
    measures=("test_accuracy", "train_accuracy", "shuffled_accuracy", "same_answer_shifted"),
)

if __name__ == "__main__":
    main(EXPERIMENT)
