"""Exercises of the chapter "Three strategies"."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import nn

from cnnlab.exercises import exercise, expect, judged


@exercise(
    "three_strategies/rates",
    "A rate for each part",
    cases=[(0.1, 0.5, 4), (1.0, 0.1, 3), (0.003, 1.0, 5), (0.2, 0.3, 1)],
)
def rates(lr: float, factor: float, parts: int) -> list[float]:
    """Ten parts and a factor of 0.5 leave the first layer a five-hundredth: a factor is felt more the deeper it is."""
    return [lr * factor ** (parts - 1 - part) for part in range(parts)]


rates.mistake(
    "That is the other way round: the last part, the head, has the full rate.",
    lambda lr, factor, parts: [lr * factor**part for part in range(parts)],
)
rates.mistake(
    "The head already gets less than lr. How many steps lie between the head and itself?",
    lambda lr, factor, parts: [lr * factor ** (parts - part) for part in range(parts)],
)
rates.mistake(
    "The rates fall by equal amounts. Each part is to have factor times the rate of the next.",
    lambda lr, factor, parts: [lr - (lr - lr * factor) * (parts - 1 - part) for part in range(parts)],
)
rates.hints(
    "Begin at the end: the last part has lr, the one before it factor times that.",
    "Part number i, from 0, is parts - 1 - i steps below the head: lr * factor ** (parts - 1 - i).",
)
rates.wrong(lambda lr, factor, parts: [lr] * parts)


@rates.right
def from_the_end(lr: float, factor: float, parts: int) -> list[float]:
    found = [lr]
    while len(found) < parts:
        found.insert(0, found[0] * factor)
    return found


def _network() -> nn.Sequential:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = nn.Sequential()
        model.add_module("conv", nn.Conv2d(1, 4, 3))
        model.add_module("norm", nn.BatchNorm2d(4))
        model.add_module("pool", nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.5)))
        model.add_module("fc", nn.Linear(4, 3))
        return model


def _returned(model: object) -> nn.Module:
    expect(isinstance(model, nn.Module), f"Your function gives a {type(model).__name__}: let it return the model.")
    return model


@judged("three_strategies/mended", "The line that does nothing", function=True)
def mended(answer: Callable[[nn.Module], object]) -> None:
    """A module has no requires_grad of its own; its parameters have, and requires_grad_(), with _, sets them all."""
    model = _returned(answer(_network()))
    flags = {name: parameter.requires_grad for name, parameter in model.named_parameters()}
    trained = [name for name, flag in flags.items() if flag]
    expect(
        bool(trained) or "requires_grad" not in vars(model.fc),
        "Nothing trains at all: you have put an attribute on the module fc, of which torch knows nothing. What has "
        "requires_grad are its parameters.",
    )
    expect(bool(trained), "Nothing trains at all. After everything is frozen, the head is to be let go again.")
    expect(len(trained) < len(flags), "Everything still trains: freeze the parameters of the whole network first.")
    expect(
        "fc.bias" in trained and "fc.weight" in trained, "A part of the head is still frozen: it has weight and bias."
    )
    expect(trained == ["fc.weight", "fc.bias"], f"These train too, and should not: {', '.join(trained[:-2])}.")


mended.hints(
    "Two steps: the whole model, then its head.",
    "model.requires_grad_(False) sets every parameter of a module at once; the same with True for model.fc.",
)


def _loops(model: nn.Module) -> nn.Module:
    for parameter in model.parameters():
        parameter.requires_grad = False
    for parameter in model.fc.parameters():
        parameter.requires_grad = True
    return model


def _as_taught(model: nn.Module) -> nn.Module:
    model.requires_grad_(False)
    model.fc.requires_grad = True
    return model


mended.right(_loops)
mended.right(lambda model: (model.requires_grad_(False), model.fc.requires_grad_(True), model)[-1])
mended.wrong(lambda model: 3, "let it return the model")
mended.wrong(_as_taught, "an attribute on the module fc")
mended.wrong(lambda model: model.requires_grad_(False), "Nothing trains at all. After")
mended.wrong(lambda model: model, "Everything still trains")
mended.wrong(
    lambda model: (model.requires_grad_(False), model.fc.weight.requires_grad_(True), model)[-1],
    "A part of the head is still frozen",
)
mended.wrong(
    lambda model: (model.requires_grad_(False), model.fc.requires_grad_(True), model.norm.requires_grad_(True), model)[
        -1
    ],
    "These train too",
)


@judged("three_strategies/norms", "Train, but leave the averages alone", function=True)
def norms(answer: Callable[[nn.Module], object]) -> None:
    """This must be called again after every model.train(), which is why cnnlab.transfer.freeze hangs a hook there."""
    model = _returned(answer(_network().eval()))
    expect(
        model.training and model.pool[2].training,
        "The dropout does not drop: put the model into training mode first, and then make exceptions.",
    )
    expect(not model.norm.training, "The batch norm is in training mode: the next batch would move its averages.")
    expect(
        all(parameter.requires_grad for parameter in model.norm.parameters()),
        "You froze the norm's weights. They may train; its running averages are what is to stay.",
    )


norms.hints(
    "Evaluation mode is not one switch for the whole model: every module has its own.",
    "model.train() first; then for each module of model.modules() that is an nn.BatchNorm2d: module.eval().",
)


def _in_order(model: nn.Module) -> nn.Module:
    model.train()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()
    return model


def _too_early(model: nn.Module) -> nn.Module:
    model.norm.eval()
    return model.train()


def _weights_too(model: nn.Module) -> nn.Module:
    _in_order(model)
    model.norm.requires_grad_(False)
    return model


norms.right(_in_order)
norms.right(lambda model: (model.train(), model.norm.train(False), model)[-1])
norms.wrong(_too_early, "The batch norm is in training mode")
norms.wrong(lambda model: model.eval(), "The dropout does not drop")
norms.wrong(_weights_too, "You froze the norm's weights")
norms.wrong(lambda model: model.train(), "The batch norm is in training mode")


@exercise(
    "three_strategies/honest",
    "What to report",
    cases=[
        ([0.80, 0.86, 0.83], [0.81, 0.82, 0.85]),
        ([0.5, 0.4], [0.45, 0.5]),
        ([0.7, 0.9, 0.9, 0.6], [0.7, 0.8, 0.85, 0.9]),
        ([0.6], [0.55]),
    ],
)
def honest(validation: Sequence[float], test: Sequence[float]) -> float:
    """The best of many numbers flatters. One that took no part in the choice does not."""
    return test[max(range(len(validation)), key=lambda run: validation[run])]


honest.mistake(
    "That is the validation accuracy of the best run: it is best partly by luck, and the luck is in the number.",
    lambda validation, test: max(validation),
)
honest.mistake(
    "You chose by the test set. Then it is a validation set too, and nothing is left to report.",
    lambda validation, test: max(test),
)
honest.mistake(
    "That is the average over all runs. You will hand over one of them.",
    lambda validation, test: sum(test) / len(test),
)
honest.hints(
    "Two steps: choose a run by the one list, report from the other.",
    "best = the index of max(validation), the first of several; the answer is test[best].",
)
honest.wrong(lambda validation, test: min(test))
honest.right(lambda validation, test: test[list(validation).index(max(validation))])
