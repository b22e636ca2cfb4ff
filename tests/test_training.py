"""Training: repeatable, resumable after a kill, and clear about what went wrong."""

from __future__ import annotations

import inspect
import json
import math
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import MISSING, fields
from functools import partial
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cnnlab.data import Dataset, ImageSet, batches
from cnnlab.data.augment import Flip, Mixup
from cnnlab.meta import on_meta
from cnnlab.models import create_model
from cnnlab.training import (
    SCHEDULES,
    CheckpointError,
    Cosine,
    EarlyStopping,
    Evaluation,
    OneCycle,
    OutOfMemory,
    Recipe,
    Run,
    Step,
    Trainer,
    TrainingDiverged,
    devices,
    evaluate,
    failures,
    fit,
)
from cnnlab.training.devices import prefers_channels_last, resolve_amp, resolve_device
from cnnlab.training.provenance import command_line

CLASSES = ("dark", "medium", "bright")


def make_data(train: int = 96, test: int = 48, size: int = 8, channels: int = 1, seed: int = 0) -> Dataset:
    """Noise around three levels of gray: learnable in a few steps."""
    generator = torch.Generator().manual_seed(seed)

    def part(n: int) -> ImageSet:
        labels = torch.arange(n) % 3
        noise = torch.randint(0, 60, (n, channels, size, size), generator=generator)
        return ImageSet((labels.view(-1, 1, 1, 1) * 80 + noise).to(torch.uint8), labels, CLASSES)

    return Dataset.from_sets("grays", part(train), part(test), source="drawn by the test")


def make_model(channels: int = 1, classes: int = 3, dropout: float = 0.0, seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(channels, 4, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Dropout(dropout),
        nn.Linear(16, classes),
    )


@pytest.fixture(scope="module")
def data() -> Dataset:
    return make_data()


def without_times(run: Run) -> list[dict]:
    return [{key: value for key, value in row.items() if key != "seconds"} for row in run.history]


def same_weights(a: nn.Module, b: nn.Module) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


# --- learning --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw", "rmsprop"])
def test_every_optimizer_learns(data: Dataset, optimizer: str) -> None:
    run = fit(make_model(), data, epochs=8, batch_size=16, optimizer=optimizer, lr=0.01)
    assert run.final["test_accuracy"] > 0.9
    assert run.history[-1]["train_loss"] < run.history[0]["train_loss"]
    assert [row["epoch"] for row in run.history] == list(range(1, 9))


def test_matches_a_plain_torch_loop() -> None:
    """One epoch, in the order of ``batches``, written out by hand."""
    from cnnlab.data import batches

    data = make_data()
    ours, theirs = make_model(), make_model()
    fit(ours, data, epochs=2, batch_size=20, lr=0.05, weight_decay=0.01, seed=3)
    optimizer = torch.optim.SGD(theirs.parameters(), lr=0.05, momentum=0.9, weight_decay=0.01)
    for epoch in range(2):
        for x, y in batches(data.train, 20, mean=data.mean, std=data.std, shuffle=True, seed=3, epoch=epoch):
            optimizer.zero_grad()
            F.cross_entropy(theirs(x), y).backward()
            optimizer.step()
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)


def test_history_agrees_with_evaluate(data: Dataset) -> None:
    model = make_model()
    run = fit(model, data, epochs=2, batch_size=32)
    again = evaluate(model, data.test, mean=data.mean, std=data.std, batch_size=7)
    assert run.final["test_accuracy"] == again.accuracy
    assert run.final["test_loss"] == pytest.approx(again.loss, rel=1e-5)


def test_two_runs_are_equal_whatever_happens_between_their_steps(data: Dataset) -> None:
    arguments = {"epochs": 3, "batch_size": 20, "augment": Flip(), "optimizer": "adam", "seed": 5}
    first, second = make_model(dropout=0.3), make_model(dropout=0.3)
    one = fit(first, data, **arguments)
    trainer = Trainer(second, data, **arguments)
    while trainer.step():
        torch.rand(3)  # somebody else draws from torch's stream
    assert without_times(one) == without_times(trainer.run)
    assert same_weights(first, second)
    other = fit(make_model(dropout=0.3), data, **{**arguments, "seed": 6})
    assert without_times(one) != without_times(other)


def test_the_callers_random_stream_is_left_alone(data: Dataset) -> None:
    model = make_model(dropout=0.5)
    torch.manual_seed(11)
    expected = torch.rand(1)
    torch.manual_seed(11)
    fit(model, data, epochs=1)
    assert torch.equal(torch.rand(1), expected)


def test_soft_labels_and_label_smoothing(data: Dataset) -> None:
    run = fit(
        make_model(),
        data,
        epochs=6,
        batch_size=16,
        augment=Mixup(alpha=0.2, num_classes=3),
        label_smoothing=0.1,
        optimizer="adam",
        lr=0.01,
    )
    assert run.final["test_accuracy"] > 0.9
    assert 0.0 <= run.final["train_accuracy"] <= 1.0


def test_custom_loss(data: Dataset) -> None:
    def brier(logits: Tensor, y: Tensor) -> Tensor:
        return (logits.softmax(1) - F.one_hot(y, 3)).square().sum(1).mean()

    run = fit(make_model(), data, epochs=4, batch_size=16, loss=brier, optimizer="adam", lr=0.02)
    assert run.final["test_loss"] < run.history[0]["test_loss"] < 2
    assert run.config["loss"].endswith("brier")
    with pytest.raises(ValueError, match="one number"):
        fit(make_model(), data, epochs=1, loss=lambda logits, y: F.cross_entropy(logits, y, reduction="none"))


def test_gradient_clipping_bounds_the_step(data: Dataset) -> None:
    model = make_model()
    before = torch.cat([p.detach().flatten().clone() for p in model.parameters()])
    trainer = Trainer(model, data, epochs=1, momentum=0.0, lr=1.0, clip_norm=0.01)
    trainer.step()
    after = torch.cat([p.detach().flatten() for p in model.parameters()])
    assert 0.009 < (after - before).norm() < 0.0101


def test_optimizer_instance(data: Dataset) -> None:
    model = make_model()
    groups = [{"params": model[0].parameters(), "lr": 0.001}, {"params": model[5].parameters(), "lr": 0.1}]
    optimizer = torch.optim.SGD(groups, momentum=0.5)
    trainer = Trainer(model, data, epochs=2, optimizer=optimizer, schedule="cosine")
    rates = []
    while trainer.step():
        rates.append([group["lr"] for group in optimizer.param_groups])
    assert rates[0] == [0.001, 0.1] and rates[-1][1] < 0.1
    assert all(b == pytest.approx(100 * a) for a, b in rates)
    assert trainer.run.config["optimizer"] == "SGD"
    with pytest.raises(ValueError, match="belong to the optimizer"):
        fit(model, data, epochs=1, optimizer=optimizer, lr=0.1)
    with pytest.raises(ValueError, match="none of this model's parameters"):
        fit(make_model(), data, epochs=1, optimizer=optimizer)


def test_nesterov_reaches_torch(data: Dataset) -> None:
    assert Trainer(make_model(), data, epochs=1, nesterov=True).optimizer.param_groups[0]["nesterov"]
    with pytest.raises(ValueError, match="nesterov"):
        Trainer(make_model(), data, epochs=1, nesterov=True, optimizer="adam")


class TwoHeads(nn.Module):
    """As GoogLeNet does: in training mode (logits, [auxiliary logits])."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten())
        self.main, self.auxiliary = nn.Linear(4, 3), nn.Linear(4, 3)
        self.auxiliary_weights = (0.3,)

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, list[Tensor]]:
        x = self.trunk(x)
        return (self.main(x), [self.auxiliary(x)]) if self.training else self.main(x)


def test_auxiliary_heads_are_weighted(data: Dataset) -> None:
    torch.manual_seed(0)
    model = TwoHeads()
    expected = TwoHeads()
    expected.load_state_dict(model.state_dict())
    trainer = Trainer(model, data, epochs=1, batch_size=96, momentum=0.0, lr=0.1)
    x, y = next(batches(data.train, 96, mean=data.mean, std=data.std, shuffle=True, seed=0, epoch=0))
    trainer.step()
    logits, (auxiliary,) = expected(x)
    (F.cross_entropy(logits, y) + 0.3 * F.cross_entropy(auxiliary, y)).backward()
    for moved, start in zip(model.parameters(), expected.parameters(), strict=True):
        torch.testing.assert_close(moved, start - 0.1 * start.grad)
    assert trainer.live["train_loss"] == pytest.approx(F.cross_entropy(logits, y).item())
    model.auxiliary_weights = ()
    with pytest.raises(ValueError, match="auxiliary_weights"):
        fit(model, data, epochs=1)


def test_a_last_batch_of_one_image_is_left_out_under_batch_norm() -> None:
    data = make_data(train=33)
    model = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.BatchNorm2d(1), nn.Flatten(), nn.Linear(1, 3))
    assert Trainer(model, data, epochs=1, batch_size=16).batches == 2
    fit(model, data, epochs=1, batch_size=16)
    assert Trainer(make_model(), data, epochs=1, batch_size=16).batches == 3


def test_modes_of_submodules_survive_evaluation(data: Dataset) -> None:
    model = nn.Sequential(nn.BatchNorm2d(1), make_model())
    model.train()
    model[0].eval()
    evaluate(model, data.test, mean=data.mean, std=data.std)
    assert model.training and not model[0].training and model[1].training


# --- schedules -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(SCHEDULES))
def test_schedules_stay_between_zero_and_one(name: str) -> None:
    values = [SCHEDULES[name](i / 1000) for i in range(1000)]
    assert all(0.0 <= value <= 1.0 for value in values)
    assert max(values) == pytest.approx(1.0, abs=1e-4)


def test_schedules_by_their_formulas() -> None:
    assert Cosine()(0.5) == pytest.approx(0.5)
    assert Cosine(warmup=0.2)(0.1) == pytest.approx(0.505)
    assert Cosine(warmup=0.2)(0.2) == 1.0
    assert [Step((0.5, 0.75))(t) for t in (0, 0.49, 0.5, 0.74, 0.75)] == pytest.approx([1, 1, 0.1, 0.1, 0.01])
    assert OneCycle(peak=0.3)(0.3) == 1.0 and OneCycle()(0) == pytest.approx(0.04)


@pytest.mark.parametrize("name", ["cosine", "onecycle"])
def test_schedules_against_torch(name: str) -> None:
    steps = 50
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    if name == "cosine":
        theirs = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    else:
        # torch peaks at step pct_start * total_steps - 1, and ends at its last step instead of after it.
        theirs = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, 1.0, total_steps=steps + 1, pct_start=16 / 51, div_factor=25, cycle_momentum=False
        )
    ours = Cosine() if name == "cosine" else OneCycle(peak=0.3, final=1 / 25e4)
    for step in range(steps):
        assert ours(step / steps) == pytest.approx(optimizer.param_groups[0]["lr"], abs=1e-6)
        optimizer.step()
        theirs.step()


def test_schedule_is_applied_at_every_iteration(data: Dataset) -> None:
    trainer = Trainer(make_model(), data, epochs=2, batch_size=32, lr=0.4, schedule=lambda progress: 1 - progress)
    rates = []
    while not trainer.done:
        if trainer.batch < trainer.batches:
            trainer.step()
            rates.append(trainer.live["lr"])
        else:
            trainer.step()
    assert rates == pytest.approx([0.4 * (1 - i / 6) for i in range(6)])


@pytest.mark.parametrize(
    "wrong",
    [lambda: Cosine(warmup=3), lambda: Step(milestones=(10, 20)), lambda: OneCycle(peak=0), lambda: Step(warmup=1)],
)
def test_schedule_positions_are_fractions(wrong) -> None:
    with pytest.raises(ValueError, match="fraction"):
        wrong()


# --- bad input -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"epochs": 0}, "epochs=0"),
        ({"epochs": -3}, "1 or more"),
        ({"epochs": 2.5}, "whole number"),
        ({"batch_size": 0}, "batch_size=0"),
        ({"lr": 0.0}, "lr=0.0"),
        ({"lr": -1}, "greater than 0"),
        ({"momentum": 1.0}, "momentum"),
        ({"weight_decay": -0.1}, "weight_decay"),
        ({"label_smoothing": 1.0}, "label_smoothing"),
        ({"clip_norm": 0}, "clip_norm"),
        ({"optimizer": "adma"}, "Did you mean 'adam'"),
        ({"schedule": "cosin"}, "Did you mean 'cosine'"),
        ({"device": "cuda:7"}, "CUDA devices"),
    ],
)
def test_wrong_arguments_are_named(data: Dataset, arguments: dict, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        fit(make_model(), data, **{"epochs": 1, **arguments})


def test_wrong_kinds(data: Dataset) -> None:
    with pytest.raises(TypeError, match="create_model"):
        fit("lenet5", data, epochs=1)
    with pytest.raises(TypeError, match="load_dataset"):
        fit(make_model(), "mnist", epochs=1)
    with pytest.raises(TypeError, match="on_epoch_end"):
        fit(make_model(), data, epochs=1, callbacks=[3])
    with pytest.raises(TypeError, match="schedule"):
        fit(make_model(), data, epochs=1, schedule=0.1)


def test_model_and_data_must_fit() -> None:
    data = make_data()
    with pytest.raises(ValueError, match=r"num_classes=3"):
        fit(make_model(classes=10), data, epochs=1)
    with pytest.raises(ValueError, match=r"\(1, 8, 8\).*in_channels=1"):
        fit(make_model(channels=3), data, epochs=1)
    with pytest.raises(ValueError, match="channels differ"):
        fit(create_model("resnet20_cifar", num_classes=3), data, epochs=1)
    frozen = make_model()
    frozen.requires_grad_(False)
    with pytest.raises(ValueError, match="no trainable parameters"):
        fit(frozen, data, epochs=1)


def test_empty_sets_and_labels_outside_the_classes() -> None:
    data = make_data()
    object.__setattr__(data, "test", data.test[:0])
    with pytest.raises(ValueError, match=r"data.test .* no images"):
        fit(make_model(), data, epochs=1)
    data = make_data()
    data.train.labels[5] = 3
    with pytest.raises(ValueError, match=r"0 to 3, and 3 classes"):
        fit(make_model(), data, epochs=1)
    with pytest.raises(ValueError, match="no images"):
        evaluate(make_model(), data.test[:0], mean=data.mean, std=data.std)


# --- what fails while training ---------------------------------------------------------------------------------------


def test_divergence_is_named_and_nothing_is_lost(data: Dataset, tmp_path: Path) -> None:
    model = make_model()
    file = tmp_path / "run.pt"

    def spoil(run: Run, trainer: Trainer) -> None:
        if len(run.history) == 2:
            with torch.no_grad():
                model[5].weight.fill_(math.nan)

    with pytest.raises(TrainingDiverged, match=r"nan in epoch 3, batch 1 of 6, at lr=0.05") as caught:
        fit(model, data, epochs=4, batch_size=16, callbacks=[spoil], checkpoint=file)
    assert "warmup_cosine" in str(caught.value) and str(file) in str(caught.value)
    assert len(caught.value.run.history) == 2
    assert all(value.isfinite().all() for value in model.state_dict().values())
    best = caught.value.run.best["epoch"]
    assert f"epoch {best} again" in str(caught.value)
    kept = torch.load(tmp_path / "run.best.pt", weights_only=True)
    assert kept["epoch"] == best and all(torch.equal(kept["model"][k], v) for k, v in model.state_dict().items())


def test_too_high_a_learning_rate_ends_in_divergence() -> None:
    with pytest.raises(TrainingDiverged, match=r"lr=1e\+30"):
        fit(make_model(), make_data(), epochs=20, lr=1e30, batch_size=16)


class Hungry(nn.Module):
    """Asks for too much at its n-th training batch."""

    def __init__(self, batches: int) -> None:
        super().__init__()
        self.inner, self.left = make_model(), batches

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            self.left -= 1
            if self.left < 0:
                raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")
        return self.inner(x)


def test_out_of_memory_names_batch_size_and_keeps_history(data: Dataset) -> None:
    model = Hungry(batches=7)
    with pytest.raises(OutOfMemory, match=r"batch 2 of 6, with batch_size=16 .* Try batch_size=8") as caught:
        fit(model, data, epochs=3, batch_size=16)
    assert len(caught.value.run.history) == 1
    assert isinstance(caught.value.__cause__, torch.cuda.OutOfMemoryError)


def test_an_error_of_the_model_is_let_through(data: Dataset) -> None:
    class Broken(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = make_model()

        def forward(self, x: Tensor) -> Tensor:
            if self.training:
                raise ZeroDivisionError("mine")
            return self.inner(x)

    with pytest.raises(ZeroDivisionError, match="mine"):
        fit(Broken(), data, epochs=1)


def test_the_arguments_are_written_once() -> None:
    """``fit`` spells them for completion; their defaults, what is recorded and what is compared are Recipe's."""
    spelled = inspect.signature(fit).parameters
    for argument in fields(Recipe):
        default = inspect.Parameter.empty if argument.default is MISSING else argument.default
        assert spelled[argument.name].default is default or spelled[argument.name].default == default
    driving = inspect.signature(Trainer.__init__).parameters
    ways = {name for name, p in driving.items() if p.kind is inspect.Parameter.KEYWORD_ONLY}
    assert set(spelled) == {"model", "data", "progress"} | ways | {argument.name for argument in fields(Recipe)}
    assert all(spelled[name].default == driving[name].default for name in ways)


def test_a_recipe_is_checked_when_it_is_made_and_serves_a_trainer(data: Dataset) -> None:
    with pytest.raises(ValueError, match="batch_size=0"):
        Recipe(epochs=1, batch_size=0)
    recipe = Recipe(epochs=1, batch_size=32, optimizer="adam", augment=Flip())
    run = Trainer(make_model(), data, recipe).run
    assert (
        run.config == Trainer(make_model(), data, epochs=1, batch_size=32, optimizer="adam", augment=Flip()).run.config
    )
    assert (run.config["lr"], run.config["augment"], run.config["loss"]) == (0.001, "Flip(p=0.5)", "cross_entropy")
    with pytest.raises(TypeError, match="leave epochs, lr out"):
        Trainer(make_model(), data, recipe, epochs=2, lr=0.1)


# --- stop and resume -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_within_a_step_is_a_step_not_taken(data: Dataset, stop: type[BaseException]) -> None:
    whole = make_model(dropout=0.3)
    expected = fit(whole, data, epochs=2, batch_size=20, augment=Flip())
    model = make_model(dropout=0.3)
    trainer = Trainer(model, data, epochs=2, batch_size=20, augment=Flip())
    for _ in range(3):
        trainer.step()

    def interrupt(*_: object) -> None:
        raise stop

    hook = model[-1].register_forward_hook(interrupt)
    with pytest.raises(stop):
        trainer.step()
    hook.remove()
    while trainer.step():
        pass
    assert without_times(trainer.run) == without_times(expected)
    assert same_weights(whole, model)


@pytest.fixture
def interruptible() -> Iterator[None]:
    """SIGINT raises KeyboardInterrupt, also where the tests were started with it ignored (in the background, say)."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_interrupt_returns_the_run_so_far(data: Dataset, capsys: pytest.CaptureFixture[str]) -> None:
    def press(run: Run, trainer: Trainer) -> None:
        if len(run.history) == 2:
            os.kill(os.getpid(), signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    run = fit(make_model(), data, epochs=50, callbacks=[press])
    assert run.stopped and len(run.history) == 2
    assert "Stopped" in capsys.readouterr().out
    assert signal.getsignal(signal.SIGINT) is before


def test_keyboard_interrupt_raised_inside_a_step(data: Dataset) -> None:
    class Pressed(Hungry):
        def forward(self, x: Tensor) -> Tensor:
            try:
                return super().forward(x)
            except torch.cuda.OutOfMemoryError:
                raise KeyboardInterrupt from None

    run = fit(Pressed(batches=8), data, epochs=9, batch_size=16)
    assert run.stopped and len(run.history) == 1


@pytest.mark.usefixtures("interruptible")
def test_interrupted_twice_nothing_is_lost(data: Dataset) -> None:
    class Pressed(Hungry):
        def forward(self, x: Tensor) -> Tensor:
            if self.left == 2:
                os.kill(os.getpid(), signal.SIGINT)
                os.kill(os.getpid(), signal.SIGINT)
            return super().forward(x)

    model = Pressed(batches=11)
    run = fit(model, data, epochs=9, batch_size=16)
    assert run.stopped and len(run.history) == 1 and model.left >= 1


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_interrupts_of_a_trainer_driven_by_hand_change_nothing(data: Dataset, optimizer: str) -> None:
    """A loop in a cell that is interrupted at any moment and run again ends bit for bit where it would have."""
    arguments = {"epochs": 3, "batch_size": 20, "optimizer": optimizer, "augment": Flip()}
    whole = with_batch_norm()
    expected = fit(whole, data, **arguments)
    model = with_batch_norm()
    trainer = Trainer(model, data, **arguments)
    presses = []

    def press(*_: object) -> None:
        if len(presses) < turn:
            presses.append(turn)
            os.kill(os.getpid(), signal.SIGINT)

    places = (
        lambda: model[0].register_forward_hook(press),
        lambda: model[4].register_full_backward_hook(press),
        lambda: trainer.optimizer.register_step_post_hook(press),
        lambda: model.register_forward_hook(lambda module, *_: None if module.training else press()),
    )
    for turn, place in enumerate(places, start=1):  # noqa: B007 (press reads it)
        hook = place()
        with pytest.raises(KeyboardInterrupt):
            while trainer.step():
                pass
        hook.remove()
    assert presses == [1, 2, 3, 4] and not trainer.done
    while trainer.step():
        pass
    assert without_times(trainer.run) == without_times(expected)
    assert same_weights(whole, model)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize("testing", [False, True])
def test_keyboard_interrupt_inside_a_batch_repeats_it(data: Dataset, testing: bool) -> None:
    """One that broke into a batch, as a second press does: the next step takes the same batch again."""
    whole = make_model()
    expected = fit(whole, data, epochs=2, batch_size=20)
    model = make_model()
    trainer = Trainer(model, data, epochs=2, batch_size=20)
    for _ in range(2):
        trainer.step()

    def break_in(module: nn.Module, _: object) -> None:
        if module.training is not testing:
            raise KeyboardInterrupt

    hook = model.register_forward_pre_hook(break_in)
    with pytest.raises(KeyboardInterrupt):
        while trainer.step():
            pass
    hook.remove()
    while trainer.step():
        pass
    assert without_times(trainer.run) == without_times(expected)
    assert same_weights(whole, model)


def test_fit_works_outside_the_main_thread(data: Dataset) -> None:
    runs: list[Run] = []
    thread = threading.Thread(target=lambda: runs.append(fit(make_model(), data, epochs=1)))
    thread.start()
    thread.join()
    assert len(runs[0].history) == 1


def test_stop_twice_and_run_for(data: Dataset) -> None:
    trainer = Trainer(make_model(), data, epochs=1000)
    assert trainer.run_for(0.05) is True
    trainer.stop()
    trainer.stop()
    at = trainer.epoch, trainer.batch
    assert trainer.run.stopped and trainer.done
    assert trainer.step() is False and trainer.run_for(0.05) is False
    assert (trainer.epoch, trainer.batch) == at


def test_live_figures(data: Dataset) -> None:
    trainer = Trainer(make_model(), data, epochs=2, batch_size=32)
    assert trainer.live["train_loss"] is None and trainer.fraction == 0 and trainer.seconds_left is None
    fractions = []
    while trainer.step():
        fractions.append(trainer.fraction)
        assert trainer.seconds_left is not None and trainer.seconds_left >= 0
    assert fractions == sorted(fractions) and trainer.fraction == 1.0
    assert trainer.last_evaluation.accuracy == trainer.run.final["test_accuracy"]


def test_early_stopping_holds_after_resuming(data: Dataset, tmp_path: Path) -> None:
    arguments = {
        "epochs": 30,
        "batch_size": 32,
        "lr": 1e-9,
        "callbacks": [EarlyStopping(patience=2, metric="test_accuracy")],
        "checkpoint": tmp_path / "run.pt",
    }
    first = fit(make_model(), data, **arguments)
    assert len(first.history) == 3 and not first.stopped
    assert without_times(fit(make_model(), data, **arguments)) == without_times(first)


@pytest.mark.parametrize(("steps", "channels"), [(1, 1), (4, 1), (6, 1), (7, 1), (8, 1), (4, 3)])
def test_resuming_at_any_step_ends_at_the_same_result(tmp_path: Path, steps: int, channels: int) -> None:
    data, make = make_data(channels=channels), partial(make_model, channels)  # color is trained with channels last
    arguments = {
        "epochs": 3,
        "batch_size": 20,
        "optimizer": "adam",
        "schedule": "cosine",
        "augment": Flip(),
        "checkpoint": tmp_path / "run.pt",
    }
    whole = make(dropout=0.3)
    expected = fit(whole, data, **{**arguments, "checkpoint": None})
    interrupted = Trainer(make(dropout=0.3), data, **arguments)
    for _ in range(steps):
        interrupted.step()
    interrupted.stop()
    resumed = make(dropout=0.3, seed=99)  # its own weights do not matter
    run = fit(resumed, data, **arguments)
    assert without_times(run) == without_times(expected)
    assert same_weights(whole, resumed)
    assert not run.stopped
    finished = fit(make(seed=5), data, **arguments)
    assert finished.history == run.history  # nothing is trained again
    finished.restore_best(resumed)


def with_batch_norm() -> nn.Module:
    """Whose forward pass leaves a trace (running means), so that a batch taken twice is seen."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Dropout(0.2),
        nn.Linear(16, 3),
    )


VICTIM = """
import sys, time, torch
sys.path.insert(0, {tests!r})
from test_training import make_data, make_model, victim_arguments
from cnnlab.training import fit
torch.set_num_threads({threads})
model = make_model(dropout=0.3)
model.register_forward_hook(lambda *_: time.sleep(0.02))  # long enough to be killed in
fit(model, make_data(), checkpoint={file!r}, checkpoint_seconds=0.05, **victim_arguments())
"""


def victim_arguments() -> dict:
    return {"epochs": 4, "batch_size": 8, "optimizer": "sgd", "schedule": "onecycle", "augment": Flip()}


@pytest.mark.slow
def test_killed_in_mid_epoch_it_ends_bit_for_bit_the_same(data: Dataset, tmp_path: Path) -> None:
    undisturbed = make_model(dropout=0.3)
    expected = fit(undisturbed, data, **victim_arguments())

    file = tmp_path / "run.pt"
    code = VICTIM.format(tests=str(Path(__file__).parent), threads=torch.get_num_threads(), file=str(file))
    process = subprocess.Popen([sys.executable, "-c", code])
    try:
        deadline = time.monotonic() + 300
        while time.monotonic() < deadline and process.poll() is None:
            if file.exists():
                state = torch.load(file, weights_only=True)
                if state["epoch"] >= 1 and 0 < state["batch"] < 12:
                    break
            time.sleep(0.01)
    finally:
        process.kill()  # SIGKILL: no handler runs
    assert process.wait() == -signal.SIGKILL
    left = torch.load(file, weights_only=True)
    assert 1 <= left["epoch"] < 4, "killed too early or too late to prove anything"

    resumed = make_model(dropout=0.3, seed=99)
    run = fit(resumed, data, checkpoint=file, **victim_arguments())
    assert without_times(run) == without_times(expected)
    assert same_weights(undisturbed, resumed)


@pytest.mark.parametrize(
    "changed",
    [{"batch_size": 8}, {"seed": 1}, {"optimizer": "adam"}, {"lr": 0.2}, {"augment": Flip()}, {"label_smoothing": 0.1}],
)
def test_a_checkpoint_of_other_arguments_is_refused(data: Dataset, tmp_path: Path, changed: dict) -> None:
    file = tmp_path / "run.pt"
    fit(make_model(), data, epochs=1, checkpoint=file)
    with pytest.raises(CheckpointError, match=f"{next(iter(changed))}.*resume=False"):
        fit(make_model(), data, epochs=1, checkpoint=file, **changed)
    fit(make_model(), data, epochs=1, checkpoint=file, resume=False, **changed)


def test_a_checkpoint_of_other_data_or_model_is_refused(data: Dataset, tmp_path: Path) -> None:
    file = tmp_path / "run.pt"
    fit(make_model(), data, epochs=1, checkpoint=file)
    with pytest.raises(CheckpointError, match="data_fingerprint"):
        fit(make_model(), make_data(seed=1), epochs=1, checkpoint=file)
    other = nn.Sequential(nn.Flatten(), nn.Linear(64, 3))
    with pytest.raises(CheckpointError, match="another training"):
        fit(other, data, epochs=1, checkpoint=file)
    twisted = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d((4, 1)), nn.Flatten())
    twisted.append(nn.Linear(16, 3))  # as many parameters, another place
    with pytest.raises(CheckpointError, match="does not fit this model"):
        fit(twisted, data, epochs=1, checkpoint=file)


def test_a_checkpoint_from_before_an_argument_existed_is_one_with_its_default(data: Dataset, tmp_path: Path) -> None:
    file = tmp_path / "run.pt"
    fit(make_model(), data, epochs=1, checkpoint=file)
    content = torch.load(file, weights_only=True)
    del content["identity"]["clip_norm"]
    torch.save(content, file)
    assert len(fit(make_model(), data, epochs=2, checkpoint=file).history) == 2
    torch.save(content, file)
    with pytest.raises(CheckpointError, match="clip_norm: None there, 1.0 here"):
        fit(make_model(), data, epochs=2, clip_norm=1.0, checkpoint=file)


def test_more_epochs_may_follow_without_a_schedule_only(data: Dataset, tmp_path: Path) -> None:
    file = tmp_path / "run.pt"
    fit(make_model(), data, epochs=1, checkpoint=file)
    assert len(fit(make_model(), data, epochs=2, checkpoint=file).history) == 2
    file = tmp_path / "scheduled.pt"
    fit(make_model(), data, epochs=1, schedule="cosine", checkpoint=file)
    with pytest.raises(CheckpointError, match="epochs: 1 there, 2 here"):
        fit(make_model(), data, epochs=2, schedule="cosine", checkpoint=file)


def test_damaged_checkpoints_name_the_remedy(data: Dataset, tmp_path: Path) -> None:
    file = tmp_path / "run.pt"
    fit(make_model(), data, epochs=1, checkpoint=file)
    whole = file.read_bytes()
    for content in (whole[: len(whole) // 2], b"", b"not a checkpoint"):
        file.write_bytes(content)
        with pytest.raises(CheckpointError, match=r"damaged.*Delete"):
            fit(make_model(), data, epochs=1, checkpoint=file)
    torch.save({"weights": torch.zeros(2)}, file)
    with pytest.raises(CheckpointError, match="not a checkpoint of"):
        fit(make_model(), data, epochs=1, checkpoint=file)
    torch.save({"cnnlab_checkpoint": 1, "code": make_model()}, file)  # would run code if it were unpickled
    with pytest.raises(CheckpointError, match="damaged"):
        fit(make_model(), data, epochs=1, checkpoint=file)
    assert not list(tmp_path.glob("*.part"))


# --- precision, device -----------------------------------------------------------------------------------------------


def test_bfloat16_autocast_on_the_cpu(data: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "computes_bfloat16", lambda: True)  # those that do not, emulate it
    model = make_model()
    seen = []
    model[0].register_forward_hook(lambda module, inputs, output: seen.append(output.dtype))
    run = fit(model, data, epochs=4, batch_size=16, amp=True, device="cpu", optimizer="adam", lr=0.02)
    assert torch.bfloat16 in seen
    assert run.config["precision"] == "bfloat16"
    assert all(p.dtype is torch.float32 for p in model.parameters())
    assert run.final["test_accuracy"] > 0.8


def test_a_processor_without_bfloat16_stays_in_float32(data: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "computes_bfloat16", lambda: False)
    asked, plain = make_model(), make_model()
    run = fit(asked, data, epochs=1, amp=True, device="cpu")
    fit(plain, data, epochs=1, device="cpu")
    assert run.config["precision"] == "float32" and same_weights(asked, plain)


@pytest.mark.parametrize(
    ("name", "channels", "last"),
    [
        ("resnet20_cifar", 3, True),
        ("mobilenet_v2", 3, True),
        ("resnet18", 3, False),  # wide 3x3 layers gain nothing
        ("vgg11", 3, False),
        ("resnet20_cifar", 1, False),  # one channel has one order
        ("mlp_cifar10", 3, False),  # no convolution
    ],
)
def test_layout_follows_the_shapes(name: str, channels: int, last: bool) -> None:
    with on_meta():
        model = create_model(name)
    assert prefers_channels_last(model, (channels, 32, 32), torch.device("cpu")) is last
    assert prefers_channels_last(model, (channels, 32, 32), torch.device("cuda"))
    assert not prefers_channels_last(model, (channels, 4, 32, 32), torch.device("cuda"))


@pytest.mark.parametrize(
    ("conv", "last"),
    [
        (nn.Conv2d(5, 10, 1, stride=2), False),
        (nn.Conv2d(15, 10, 1, stride=(1, 3)), False),
        (nn.Conv2d(32, 64, 1, stride=2, groups=4), False),
        (nn.Conv2d(16, 10, 1, stride=2), True),
        (nn.Conv2d(5, 10, 1), True),
        (nn.Conv2d(5, 10, 3, stride=2), True),
    ],
)
def test_no_layout_in_which_a_layer_spoils_memory(conv: nn.Conv2d, last: bool) -> None:
    """PyTorch's gradient of the first, channels last, ended Python: "free(): invalid next size"."""
    model = nn.Sequential(nn.Conv2d(3, conv.in_channels, 3), conv)
    assert prefers_channels_last(model, (3, 12, 12), torch.device("cpu")) is last


@pytest.mark.slow
def test_a_network_of_few_channels_survives_its_training() -> None:
    code = """
import torch
from torch import nn
import cnnlab
from cnnlab.data import Dataset, ImageSet
images = torch.randint(0, 256, (192, 3, 24, 24), dtype=torch.uint8)
part = ImageSet(images, torch.arange(192) % 4, tuple("abcd"))
net = nn.Sequential(nn.Conv2d(3, 5, 3, 2, 1), nn.Conv2d(5, 10, 1, 2), nn.Flatten(), nn.Linear(360, 4))
cnnlab.fit(net, Dataset.from_sets("noise", part, part), epochs=3, batch_size=64, device="cpu")
print("trained")
"""
    environment = {**os.environ, "MALLOC_CHECK_": "3"}
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert found.stdout.strip() == "trained", found.stderr


def test_channels_last_changes_rounding_alone_and_not_the_callers_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    data = make_data(channels=3)
    arguments = {"epochs": 2, "batch_size": 20, "augment": Flip(), "lr": 0.02}
    ours, theirs = make_model(channels=3), make_model(channels=3)
    layouts = set()
    ours[0].register_forward_hook(
        lambda module, inputs, output: layouts.add(output.is_contiguous(memory_format=torch.channels_last))
    )
    trainer = Trainer(ours, data, **arguments)
    layouts.clear()  # the two images of the check came as they were
    while trainer.step():
        pass
    assert layouts == {True} and trainer.run.provenance["memory_format"] == "channels_last"
    assert all(parameter.is_contiguous() for parameter in ours.parameters())
    monkeypatch.setattr("cnnlab.training.trainer.prefers_channels_last", lambda *_: False)
    plain = fit(theirs, data, **arguments)
    assert plain.provenance["memory_format"] == "contiguous"
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


def test_precision_follows_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    resolve, cuda, cpu = resolve_amp, torch.device("cuda"), torch.device("cpu")
    assert resolve(None, cpu) is None and resolve(False, cuda) is None
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (7, 5))  # Colab's T4
    assert resolve(None, cuda) is torch.float16
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (8, 0))
    assert resolve(None, cuda) is torch.bfloat16


def test_default_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert resolve_device(None) == torch.device("cpu")
    with pytest.raises(ValueError, match="mps"):
        resolve_device("mps")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_cuda(data: Dataset, tmp_path: Path) -> None:
    model = make_model()
    run = fit(model, data, epochs=6, batch_size=16, optimizer="adam", lr=0.02, checkpoint=tmp_path / "run.pt")
    assert next(model.parameters()).is_cuda and run.provenance["device"] == "cuda"
    assert run.config["precision"] in ("float16", "bfloat16")
    assert run.final["test_accuracy"] > 0.9
    assert all(not value.is_cuda for value in run.best_state.values())


# --- callbacks and Run -----------------------------------------------------------------------------------------------


def test_callbacks_are_called_after_each_epoch(data: Dataset) -> None:
    seen = []

    class Watcher:
        def on_epoch_end(self, run: Run, trainer: Trainer) -> None:
            seen.append((len(run.history), trainer.epoch))

    fit(make_model(), data, epochs=3, callbacks=[Watcher(), lambda run, trainer: seen.append("function")])
    assert seen == [(1, 1), "function", (2, 2), "function", (3, 3), "function"]


def test_run_json_round_trip(data: Dataset, tmp_path: Path) -> None:
    run = fit(make_model(), data, epochs=2, augment=Flip(), schedule=lambda progress: 1.0)
    path = run.save(tmp_path / "deep" / "run.json")
    again = Run.load(path)
    assert again.to_dict() == run.to_dict()
    assert again.final == run.final and again.best == run.best
    content = json.loads(path.read_text())
    for key in ("date", "commit", "device", "cpu_threads", "versions", "wall_seconds", "data_source", "seed"):
        assert key in content["provenance"], key
    assert content["provenance"]["data_source"] == "drawn by the test"
    assert " at 0x" not in path.read_text()
    with pytest.raises(ValueError, match="no weights"):
        again.restore_best(make_model())
    path.write_text("{half")
    with pytest.raises(ValueError, match="not a saved run"):
        Run.load(path)
    path.write_text("[]")
    with pytest.raises(ValueError, match="not a saved run"):
        Run.load(path)


def test_run_shows_itself(data: Dataset) -> None:
    run = fit(make_model(), data, epochs=9)
    figure = run.plot()
    assert [axis.get_title() for axis in figure.axes] == ["Loss", "Accuracy"]
    assert len(figure.axes[0].lines) == 2 and "Two line charts" in run.alt
    html = run._repr_html_()
    assert html.count("<tr>") == 1 + 5 and "Sequential on grays" in html
    assert "9 epochs" in repr(run)
    empty = Run(config={"model": "<b>", "data": "d"})
    assert "&lt;b&gt;" in empty._repr_html_() and "no finished epoch" in repr(empty)
    empty.plot()
    for name in ("final", "best"):
        with pytest.raises(ValueError, match="no finished epoch"):
            getattr(empty, name)


def test_best_epoch_is_the_first_of_the_highest() -> None:
    rows = [{"epoch": i + 1, "test_accuracy": a} for i, a in enumerate((0.5, 0.9, 0.9, 0.7))]
    assert Run(history=rows).best["epoch"] == 2 and Run(history=rows).final["epoch"] == 4


def test_restore_best_brings_back_the_best_weights(data: Dataset) -> None:
    model = make_model()
    snapshots = []
    run = fit(
        model,
        data,
        epochs=4,
        batch_size=16,
        callbacks=[lambda run, trainer: snapshots.append({k: v.clone() for k, v in model.state_dict().items()})],
    )
    run.restore_best(model)
    best = snapshots[run.best["epoch"] - 1]
    assert all(torch.equal(best[k], v) for k, v in model.state_dict().items())


def test_nothing_is_printed_where_nobody_looks(data: Dataset, capsys: pytest.CaptureFixture[str]) -> None:
    fit(make_model(), data, epochs=1)
    assert capsys.readouterr() == ("", "")


def test_progress_bar_in_a_terminal(data: Dataset, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.delenv("CNNLAB_SCALE", raising=False)
    monkeypatch.delitem(sys.modules, "ipykernel", raising=False)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    fit(make_model(), data, epochs=2)
    out = capsys.readouterr().out
    assert "epoch 1/2" in out and "left" in out and out.isascii()
    monkeypatch.setenv("CNNLAB_SCALE", "smoke")
    fit(make_model(), data, epochs=1)
    assert capsys.readouterr().out == ""


# --- evaluation ------------------------------------------------------------------------------------------------------


def test_evaluation_measures() -> None:
    class Fixed(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return logits

    logits = torch.tensor([[3.0, 2.0, 1.0], [3.0, 2.0, 1.0], [1.0, 2.0, 3.0], [0.0, 5.0, 1.0]])
    labels = torch.tensor([0, 1, 0, 1])
    images = ImageSet(torch.zeros(4, 1, 2, 2, dtype=torch.uint8), labels, CLASSES)
    result = evaluate(Fixed(), images, mean=(0.0,), std=(1.0,))
    assert result.accuracy == 0.5 and result.predictions.tolist() == [0, 0, 2, 1]
    assert result.confusion.tolist() == [[1, 0, 1], [1, 1, 0], [0, 0, 0]]
    assert result.top_k(1) == 0.5 and result.top_k(2) == 0.75 and result.top_k(3) == 1.0
    assert result.class_accuracy[:2].tolist() == [0.5, 0.5] and result.class_accuracy[2].isnan()
    assert result.mistakes.tolist() == [1, 2]
    assert result.loss == pytest.approx(F.cross_entropy(logits, labels).item())
    assert "50.00%" in repr(result)
    with pytest.raises(ValueError, match="k=4"):
        result.top_k(4)


def test_recorded_commands_leave_out_paths_of_one_machine():
    given = ["--data", "/somewhere", "--seeds", "0", "1", "--output=/there.json", "--models", "resnet*"]
    said = command_line("python -m x", given, private=("--data", "--output"))
    assert said == "python -m x --seeds 0 1 --models 'resnet*'"
    assert command_line("python -m x", ["--data"], private=("--data",)) == "python -m x"


# --- files that fail -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("names", [("net.v1", "net.v2"), ("lr0.1", "lr0.01"), ("run", "run.pt"), ("run.pt", "run.pth")])
def test_every_checkpoint_has_a_best_file_of_its_own(data: Dataset, tmp_path: Path, names: tuple[str, str]) -> None:
    how = {"epochs": 2, "batch_size": 32, "optimizer": "adam", "lr": 0.02}
    best = []
    for seed, name in enumerate(names):
        best.append(fit(make_model(seed=seed), data, checkpoint=tmp_path / name, **how).best_state)
    resumed = fit(make_model(seed=9), data, checkpoint=tmp_path / names[0], **how)
    assert all(torch.equal(resumed.best_state[key], value) for key, value in best[0].items())


def test_a_best_file_of_another_training_is_not_taken(data: Dataset, tmp_path: Path) -> None:
    for lr in (0.1, 0.01):
        fit(make_model(), data, epochs=1, lr=lr, checkpoint=tmp_path / f"{lr}.pt")
    os.replace(tmp_path / "0.01.best.pt", tmp_path / "0.1.best.pt")
    assert fit(make_model(), data, epochs=1, lr=0.1, checkpoint=tmp_path / "0.1.pt").best_state is None


def test_a_place_that_cannot_be_written_is_noticed_before_the_first_batch(
    data: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Trainer, "step", lambda self: pytest.fail("a batch was trained"))
    (tmp_path / "file").write_text("a file where a folder is wanted")
    for wrong, said in (
        (tmp_path / "file" / "run.pt", "cannot be written: (Not a directory|File exists).* Give a file"),
        (tmp_path, "is a folder: give a file in it"),
        ("", "is a folder: give a file in it"),
    ):
        with pytest.raises(CheckpointError, match=said):
            fit(make_model(), data, epochs=1, checkpoint=wrong)
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 100}))
    with pytest.raises(CheckpointError, match="100 are free there"):
        fit(make_model(), data, epochs=1, checkpoint=tmp_path / "run.pt")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file"]


def test_a_checkpoint_that_fails_later_leaves_run_model_and_older_file(
    data: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, write = tmp_path / "run.pt", torch.save
    fit(make_model(), data, epochs=1, checkpoint=file)
    older, calls = file.read_bytes(), []

    def full(content: dict, where: object) -> None:
        calls.append(1)
        if len(calls) == 1:
            with open("/dev/full", "wb") as disk:
                write(content, disk)
        write(content, where)

    monkeypatch.setattr(torch, "save", full)
    trainer = Trainer(make_model(), data, epochs=3, checkpoint=file)
    with pytest.raises(CheckpointError, match=r"could not be written: No space left.*2 finished epochs") as caught:
        while trainer.step():
            pass
    assert "\n" not in str(caught.value)
    assert len(caught.value.run.history) == 2 and file.read_bytes() == older
    assert not list(tmp_path.glob("*.part"))
    while trainer.step():  # there is room again
        pass
    whole = make_model()
    fit(whole, data, epochs=3)
    assert same_weights(trainer.model, whole)


@pytest.mark.parametrize("share", [0.02, 0.3, 0.7, 0.95, 0.999])
def test_a_truncated_checkpoint_is_named(data: Dataset, tmp_path: Path, share: float) -> None:
    file = tmp_path / "run.pt"
    fit(make_model(), data, epochs=1, checkpoint=file)
    file.write_bytes(file.read_bytes()[: int(share * file.stat().st_size)])
    with pytest.raises(CheckpointError, match=r"run\.pt is damaged.*Delete .*run\.pt") as caught:
        fit(make_model(), data, epochs=2, checkpoint=file)
    assert "\n" not in str(caught.value) and "weights_only" not in str(caught.value)


def test_the_best_file_is_no_checkpoint_and_what_differs_is_said(data: Dataset, tmp_path: Path) -> None:
    fit(make_model(), data, epochs=1, checkpoint=tmp_path / "run.pt")
    with pytest.raises(CheckpointError, match=r"run\.best\.pt is no whole checkpoint.*best weights alone"):
        fit(make_model(), data, epochs=1, checkpoint=tmp_path / "run.best.pt")
    content = torch.load(tmp_path / "run.pt", weights_only=True)
    content["model"]["extra.weight"] = torch.zeros(1)
    torch.save(content, tmp_path / "run.pt")
    with pytest.raises(CheckpointError, match=r"Unexpected key.*extra\.weight"):
        fit(make_model(), data, epochs=1, checkpoint=tmp_path / "run.pt")
    torch.save({"cnnlab_checkpoint": 1, "code": make_model()}, tmp_path / "run.pt")
    with pytest.raises(CheckpointError, match="something else than tensors") as caught:
        fit(make_model(), data, epochs=1, checkpoint=tmp_path / "run.pt")
    assert "weights_only" not in str(caught.value)


def test_what_a_killed_writer_left_is_removed(data: Dataset, tmp_path: Path) -> None:
    left = [tmp_path / name for name in ("run.pt.123-4.part", "run.pt.99.part", "run.best.pt.123-5.part")]
    others = [tmp_path / name for name in ("run.pt.mine.part", "other.pt.123-4.part", "run.pt.7-8.part")]
    for part in left + others:
        part.write_bytes(b"half")
        os.utime(part, (0, 0))
    os.utime(others[-1])  # somebody is writing it
    fit(make_model(), data, epochs=1, checkpoint=tmp_path / "run.pt")
    assert not any(part.exists() for part in left) and all(part.exists() for part in others)


def test_home_is_expanded(data: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    run = fit(make_model(), data, epochs=1, checkpoint="~/run.pt")
    assert (tmp_path / "home" / "run.pt").is_file()
    assert run.save("~/run.json") == tmp_path / "home" / "run.json"
    assert len(Run.load("~/run.json").history) == 1
    assert not (tmp_path / "~").exists()


# --- models and arguments that do not fit ----------------------------------------------------------------------------


class Answering(nn.Module):
    """A model that returns something made of its logits."""

    def __init__(self, answer) -> None:
        super().__init__()
        self.body, self.answer = make_model(), answer

    def forward(self, x: Tensor):
        return self.answer(self.body(x))


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda y: {"out": y, "aux": y}, "returned a dict with 'out', 'aux'"),
        (lambda y: None, "returned None"),
        (lambda y: (), "returned a tuple"),
        (lambda y: [{"scores": y}], "returned a list"),
        (lambda y: (None, y), "returned a tuple"),
    ],
)
def test_what_is_no_logits_is_said(data: Dataset, answer, said: str) -> None:
    model = Answering(answer)
    for call in (
        lambda: fit(model, data, epochs=1),
        lambda: evaluate(model, data.test, mean=data.mean, std=data.std),
    ):
        with pytest.raises(ValueError, match=f"{said}.*Wrap the model"):
            call()


def test_what_a_model_keeps_while_it_is_measured_serves_in_training(data: Dataset) -> None:
    class Keeping(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body, self.scale = make_model(), None

        def forward(self, x: Tensor) -> Tensor:
            y = self.body(x)
            self.scale = torch.ones(3, device=y.device) if self.scale is None else self.scale
            return y * self.scale

    model = Keeping()
    evaluate(model, data.test, mean=data.mean, std=data.std)
    assert len(fit(model, data, epochs=1).history) == 1


def test_models_that_cannot_be_measured_or_trained_say_why(data: Dataset) -> None:
    with pytest.raises(ValueError, match=r"shape \(48, 2\), and the labels go up to 2.*num_classes=3"):
        evaluate(make_model(classes=2), data.test, mean=data.mean, std=data.std)
    for wrong in (make_model().double(), make_model().half()):
        with pytest.raises(ValueError, match=r"call model\.float\(\)"):
            fit(wrong, data, epochs=1)
    with pytest.raises(ValueError, match="0.weight is on the meta device"):
        fit(make_model().to("meta"), data, epochs=1)
    normed = nn.Sequential(nn.Flatten(), nn.Linear(64, 3), nn.BatchNorm1d(3))
    with pytest.raises(ValueError, match="batch of one image.*batch_size=2"):
        fit(normed, data, epochs=1, batch_size=1)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"callbacks": print}, r"callbacks=\[it\]"),
        ({"device": "gpu"}, "device='gpu' is not known"),
        ({"device": "meta"}, "has no numbers"),
        ({"schedule": lambda progress: None}, "gave None for the progress 0.*finite number"),
        ({"lr": math.inf}, "lr=inf must be finite"),
        ({"weight_decay": math.nan}, "weight_decay=nan must be 0 or more"),
        ({"lr": "0.1"}, "lr='0.1' must be a number"),
        ({"seed": 0.5}, "seed=0.5 must be a whole number"),
        ({"batch_size": 2.0}, "batch_size=2.0 is not allowed: it must be a positive whole number"),
    ],
)
def test_odd_arguments_are_named(data: Dataset, arguments: dict, said: str) -> None:
    with pytest.raises((ValueError, TypeError), match=said):
        fit(make_model(), data, epochs=1, **arguments)


def test_numpys_numbers_are_numbers_and_a_checkpoint_with_them_is_read(data: Dataset, tmp_path: Path) -> None:
    import numpy

    wanted = {"batch_size": 32, "lr": 0.25, "momentum": 0.5, "weight_decay": 0.0, "clip_norm": 2.0, "seed": 3}
    given = {name: numpy.float32(v) if isinstance(v, float) else numpy.int64(v) for name, v in wanted.items()}
    one = fit(make_model(), data, epochs=1, schedule=lambda p: 1 - p / 2, **wanted)
    for epochs in (numpy.int64(1), 1):
        two = fit(
            make_model(),
            data,
            epochs=epochs,
            schedule=lambda p: numpy.float64(1 - p / 2),
            checkpoint=tmp_path / "run.pt",
            **given,
        )
    assert without_times(one) == without_times(two)
    assert {key: two.config[key] for key in wanted} == wanted


def test_a_loss_that_json_cannot_hold_is_a_dash(tmp_path: Path) -> None:
    row = {"epoch": 1, "train_loss": 0.5, "train_accuracy": 0.5, "test_loss": math.inf, "test_accuracy": 0.25}
    run = Run.load(Run(history=[row, {**row, "epoch": 2, "train_loss": math.nan}]).save(tmp_path / "run.json"))
    assert "–" in run._repr_html_() and "25.0%" in run._repr_html_()
    assert "loss goes from 0.50 to –" in run.alt
    run.plot()


# --- faults that were planted and not noticed ------------------------------------------------------------------------


def test_a_failed_trainer_is_done(data: Dataset) -> None:
    trainer = Trainer(make_model(), data, epochs=3, batch_size=48, lr=1e30)
    with pytest.raises(TrainingDiverged):
        while trainer.step():
            pass
    assert trainer.done and trainer.step() is False and trainer.run_for(0.1) is False


def test_run_for_takes_as_many_batches_as_fit(data: Dataset) -> None:
    trainer = Trainer(make_model(), data, epochs=1, batch_size=8)
    assert trainer.run_for(60.0) is False  # all twelve, and the test
    assert len(trainer.run.history) == 1
    trainer = Trainer(make_model(), data, epochs=1, batch_size=8)
    assert trainer.run_for(0.0) is True and trainer.batch == 1


def test_divergence_on_the_test_set_names_the_epochs_last_batch(data: Dataset) -> None:
    class Breaking(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body, self.seen = make_model(), 0

        def forward(self, x: Tensor) -> Tensor:
            y = self.body(x)
            self.seen += self.training
            return y if self.training or not self.seen else y * math.nan

    with pytest.raises(TrainingDiverged, match="epoch 1, batch 3 of 3"):
        fit(Breaking(), data, epochs=1, batch_size=32)


def test_amp_is_advised_on_a_gpu_only(data: Dataset) -> None:
    trainer = Trainer(make_model(), data, epochs=1)
    for device, dtype, advised in (("cpu", None, False), ("cuda", None, True), ("cuda", torch.bfloat16, False)):
        trainer.device, trainer.amp_dtype = torch.device(device), dtype
        with pytest.raises(OutOfMemory) as caught:
            raise failures.out_of_memory(trainer)
        assert ("amp=True" in str(caught.value)) == advised


def test_equally_confident_mistakes_keep_their_order() -> None:
    n = 64  # an unstable sort leaves so many out of order
    found = Evaluation(0.0, 0.0, torch.tensor([[0.0, 5.0]]).repeat(n, 1), torch.zeros(n, dtype=torch.long), ("a", "b"))
    assert found.mistakes.tolist() == list(range(n))


def test_the_default_batch_size_is_one_number() -> None:
    assert inspect.signature(fit).parameters["batch_size"].default == Recipe(epochs=1).batch_size == 128
