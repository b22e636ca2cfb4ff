"""Training on what others load: PyTorch's loaders and data sets, any iterable, and targets that are no classes."""

from __future__ import annotations

import csv
import os
import random
import signal
import sys
import types
from pathlib import Path

import numpy
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset, TensorDataset
from torch.utils.data import Dataset as TorchDataset

from cnnlab.data import Dataset, ImageSet, batches
from cnnlab.data.augment import ColorShift, Flip, Mixup
from cnnlab.training import (
    CheckpointError,
    CSVLogger,
    DataError,
    EarlyStopping,
    Run,
    TensorBoardLogger,
    Trainer,
    evaluate,
    fit,
)
from tests.test_training import interruptible as interruptible
from tests.test_training import make_data, make_model, same_weights, without_times


@pytest.fixture(scope="module")
def data() -> Dataset:
    return make_data()


def normalized(data: Dataset, part: str = "train") -> TensorDataset:
    """A part as a loader would give it."""
    return TensorDataset(*next(batches(getattr(data, part), 10**6, mean=data.mean, std=data.std)))


def rows(run: Run, *names: str) -> list[list[float]]:
    return [[row[name] for name in names] for row in run.history]


def images(n: int = 40, size: int = 8, seed: int = 0) -> Tensor:
    return torch.rand(n, 1, size, size, generator=torch.Generator().manual_seed(seed))


class Drawing(TorchDataset):
    """Augments by all three global random streams, as other people's data sets do."""

    def __init__(self, data: Dataset) -> None:
        self.x, self.y = normalized(data).tensors

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        noise = torch.randn(1).item() + numpy.random.rand() + random.random()
        return self.x[index] + 0.1 * noise, self.y[index]


# --- loaders as good as memory ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["loader", "torch data set", "own map"])
def test_a_loader_trains_as_the_set_in_memory_does(data: Dataset, kind: str) -> None:
    held = normalized(data)
    given = {
        "loader": DataLoader(held, 20, shuffle=True),
        "torch data set": held,
        "own map": types.SimpleNamespace(),
    }[kind]
    if kind == "own map":

        class Own:
            def __len__(self) -> int:
                return len(held)

            def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
                return held[index]

        given = Own()
    ours, theirs = make_model(dropout=0.2), make_model(dropout=0.2)
    expected = fit(ours, data, epochs=3, batch_size=20, seed=7, schedule="cosine")
    run = fit(theirs, given, validation=normalized(data, "test"), epochs=3, batch_size=20, seed=7, schedule="cosine")
    for a, b in zip(rows(expected, "train_loss", "test_loss"), rows(run, "train_loss", "validation_loss"), strict=True):
        assert a == pytest.approx(b, abs=1e-6)
    assert rows(expected, "train_accuracy", "test_accuracy") == rows(run, "train_accuracy", "validation_accuracy")
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-6)
    assert run.config["batch_size"] == 20 and run.config["train_images"] == 96 and run.config["validation_images"] == 48
    assert "test_images" not in run.config and run.tested is None and "not_repeatable" not in run.provenance


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, pytest.param(2, marks=pytest.mark.slow)])
@pytest.mark.parametrize("generator", [False, True])
def test_a_loader_that_draws_repeats_and_resumes(data: Dataset, tmp_path: Path, workers: int, generator: bool) -> None:
    def loader() -> DataLoader:
        own = torch.Generator().manual_seed(torch.randint(99, ()).item()) if generator else None
        return DataLoader(Drawing(data), 20, shuffle=True, num_workers=workers, generator=own)

    arguments = {"epochs": 3, "batch_size": 20, "optimizer": "adam", "validation": normalized(data, "test")}
    whole, again, second = make_model(dropout=0.3), make_model(dropout=0.3), loader()
    expected = fit(whole, loader(), **arguments)
    torch.manual_seed(5)
    numpy.random.seed(5)
    random.seed(5)
    here = torch.rand(1).item(), numpy.random.rand(), random.random()
    for module in (torch.manual_seed, numpy.random.seed, random.seed):
        module(5)
    assert without_times(fit(again, second, **arguments)) == without_times(expected)
    assert here == (torch.rand(1).item(), numpy.random.rand(), random.random())  # the caller's streams are his
    interrupted = Trainer(make_model(dropout=0.3), loader(), checkpoint=tmp_path / "run.pt", **arguments)
    for _ in range(8):
        interrupted.step()
    assert (interrupted.epoch, interrupted.batch) == (1, 2)
    interrupted.stop()
    resumed = make_model(dropout=0.3, seed=9)
    run = fit(resumed, loader(), checkpoint=tmp_path / "run.pt", **arguments)
    assert without_times(run) == without_times(expected) and same_weights(whole, resumed)
    with pytest.raises(CheckpointError, match="data_fingerprint"):
        fit(resumed, DataLoader(Drawing(make_data(seed=1)), 20), checkpoint=tmp_path / "run.pt", **arguments)


def test_epochs_and_seeds_shuffle_differently(data: Dataset) -> None:
    seen: list[list[int]] = []

    class Watching(TorchDataset):
        def __len__(self) -> int:
            return 12

        def __getitem__(self, index: int) -> tuple[Tensor, int]:
            seen.append(index)
            return torch.zeros(1, 8, 8), index % 3

    for seed in (0, 0, 1):
        fit(make_model(), DataLoader(Watching(), 12, shuffle=True), epochs=2, seed=seed)
    first, again, other = seen[:24], seen[24:48], seen[48:]
    assert first == again != other and first[:12] != first[12:]
    assert sorted(first[:12]) == sorted(first[12:]) == list(range(12))


def test_lists_and_iterators_are_sources(data: Dataset, capsys: pytest.CaptureFixture[str]) -> None:
    held = list(DataLoader(normalized(data), 32))
    run = fit(make_model(), held, epochs=2)
    assert run.config["data"] == "list" and [row["epoch"] for row in run.history] == [1, 2]
    assert run.measured_part == "train" and run.best["train_loss"] == min(row["train_loss"] for row in run.history)
    assert capsys.readouterr().out == ""

    def endless():
        while True:
            yield from held

    run = fit(make_model(), endless(), epochs=2, batches_per_epoch=5)
    assert len(run.history) == 2 and "iterator" in run.provenance["not_repeatable"]
    assert capsys.readouterr().out.startswith("Not repeatable: an iterator")
    seen = []
    counted = fit(make_model(), held, epochs=3, batches_per_epoch=2, callbacks=Batches(seen))
    assert len(counted.history) == 3 and seen == [(0, 1), (0, 2), (1, 1), (1, 2), (2, 1), (2, 2)]
    # In memory as well.
    assert Trainer(make_model(), data, epochs=1, batch_size=16, batches_per_epoch=2).batches == 2
    with pytest.raises(ValueError, match="batches_per_epoch=9 is more than the 3 batches"):
        fit(make_model(), held, epochs=1, batches_per_epoch=9)


class Batches:
    def __init__(self, seen: list) -> None:
        self.seen = seen

    def on_batch_end(self, run: Run, trainer: Trainer) -> None:
        self.seen.append((trainer.epoch, trainer.batch))


def test_a_loader_that_ends_early_ends_its_epoch(data: Dataset, tmp_path: Path) -> None:
    held = list(DataLoader(normalized(data), 32))

    class Promising:
        def __len__(self) -> int:
            return 5

        def __iter__(self):
            return iter(held)

    model, whole = make_model(), make_model()
    arguments = {"epochs": 2, "validation": held}
    expected = fit(whole, Promising(), **arguments)
    assert [len(expected.history), expected.final["epoch"]] == [2, 2]
    trainer = Trainer(model, Promising(), checkpoint=tmp_path / "run.pt", **arguments)
    for _ in range(4):  # three batches, and the step that finds no fourth
        trainer.step()
    trainer.stop()
    run = fit(model, Promising(), checkpoint=tmp_path / "run.pt", **arguments)
    assert without_times(run) == without_times(expected) and same_weights(model, whole)


def test_what_cannot_be_repeated_is_said(data: Dataset) -> None:
    class Stream(IterableDataset):
        def __iter__(self):
            yield from normalized(data)

    run = fit(make_model(), Stream(), epochs=1, batch_size=16, batches_per_epoch=6)
    assert "IterableDataset" in run.provenance["not_repeatable"]
    with pytest.raises(ValueError, match="no length.*batches_per_epoch=100"):
        fit(make_model(), DataLoader(Stream(), 16), epochs=1)


# --- targets ---------------------------------------------------------------------------------------------------------


def ending(*layers: nn.Module) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), *layers)


@pytest.mark.slow
def test_several_labels() -> None:
    x = images()
    y = torch.stack([x.mean((1, 2, 3)) > 0.5, x[:, 0, 0, 0] > 0.5], 1).float()
    model = ending(nn.Flatten(), nn.Linear(256, 2))
    run = fit(model, TensorDataset(x, y), validation=[(x, y)], epochs=2, loss=nn.BCEWithLogitsLoss())
    output = model.eval()(x)
    assert run.final["validation_label_accuracy"] == pytest.approx(((output > 0) == (y > 0.5)).float().mean().item())
    assert run.final["validation_loss"] == pytest.approx(F.binary_cross_entropy_with_logits(output, y).item(), rel=1e-5)
    assert run.best["validation_loss"] == min(row["validation_loss"] for row in run.history)
    assert [axis.get_title() for axis in run.plot().axes] == ["Loss", "Label accuracy"]
    assert "validation label accuracy" in repr(run) and "validation label accuracy" in run._repr_html_()
    assert "Two line charts of loss and label accuracy" in run.alt
    for wrong in ("predictions", "confusion", "mistakes"):
        with pytest.raises(ValueError, match="no classes"):
            getattr(evaluate(model, [(x, y)], loss=nn.BCEWithLogitsLoss()), wrong)


@pytest.mark.parametrize("d", [None, 3])
def test_measured_values(d: int | None) -> None:
    x = images()
    y = x.mean((1, 2, 3)) if d is None else x.mean((1, 2, 3))[:, None].repeat(1, d)
    model = ending(nn.Flatten(), nn.Linear(256, d or 1), *([nn.Flatten(0)] if d is None else []))
    run = fit(model, TensorDataset(x, y), validation=TensorDataset(x, y), epochs=3, lr=0.01, loss=nn.MSELoss())
    error = (model.eval()(x) - y).abs().mean().item()
    assert run.final["validation_absolute_error"] == pytest.approx(error, rel=1e-5)
    assert list(run.final) == [
        "epoch", "train_loss", "train_absolute_error", "validation_loss", "validation_absolute_error", "lr", "seconds",
    ]  # fmt: skip
    found = evaluate(model, TensorDataset(x, y), loss=nn.MSELoss())
    assert found.accuracy is None and found.measures == {"absolute_error": pytest.approx(error, rel=1e-5)}
    assert "absolute_error=" in repr(found) and "of 40 images" in repr(found)
    stop = EarlyStopping(patience=1, metric="validation_absolute_error", minimum=9.0)
    short = fit(model, TensorDataset(x, y), validation=[(x, y)], epochs=9, loss=nn.MSELoss(), callbacks=stop)
    assert len(short.history) == 2


def test_a_falling_error_is_no_reason_to_stop(data: Dataset) -> None:
    for metric, better in (("test_absolute_error", -1), ("test_loss", -1), ("test_accuracy", 1), ("test_iou", 1)):
        trainer = Trainer(make_model(), data, epochs=1)
        stop = EarlyStopping(patience=2, metric=metric)
        stop.on_epoch_end(Run(history=[{metric: 9.0 + better * epoch} for epoch in range(5)]), trainer)
        assert not trainer.done, metric
        stop.on_epoch_end(Run(history=[{metric: 9.0 - better * epoch} for epoch in range(5)]), trainer)
        assert trainer.done, metric


def test_masks_need_no_loss() -> None:
    x = images()
    y = (x[:, 0] > 0.5).long()
    y[:, :2] = -100  # what is not known
    model = ending(nn.Conv2d(4, 2, 1))
    run = fit(model, DataLoader(TensorDataset(x, y), 16), validation=DataLoader(TensorDataset(x, y), 16), epochs=2)
    right = (model.eval()(x).argmax(1) == y)[:, 2:].float().mean().item()
    assert run.final["validation_pixel_accuracy"] == pytest.approx(right, rel=1e-5)
    found = evaluate(model, DataLoader(TensorDataset(x, y), 16))
    assert found.loss == pytest.approx(F.cross_entropy(model(x), y).item(), rel=1e-5)
    assert found.logits is None and found.count == 40  # maps of all pictures are not kept
    with pytest.raises(ValueError, match=r"shape \(2, 4, 4\) has shape \(2, 2, 8, 8\).*\(N, K, 4, 4\)"):
        fit(model, TensorDataset(x, y[:, ::2, ::2]), epochs=1)
    with pytest.raises(ValueError, match=r"drop the axis of one, y.squeeze\(1\)"):
        fit(model, TensorDataset(x, y[:, None]), epochs=1)


def test_boxes_in_dicts_and_outputs_of_several_tensors() -> None:
    class Detector(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = ending(nn.Flatten(), nn.Linear(256, 6))

        def forward(self, x: Tensor) -> dict[str, Tensor]:
            y = self.body(x)
            return {"scores": y[:, :2], "boxes": y[:, 2:]}

    def loss(output: dict[str, Tensor], y: dict[str, Tensor]) -> Tensor:
        return F.cross_entropy(output["scores"], y["labels"]) + F.l1_loss(output["boxes"], y["boxes"])

    def box_error(output: dict[str, Tensor], y: dict[str, Tensor]) -> Tensor:
        return (output["boxes"] - y["boxes"]).abs().mean(1)

    x = images(32)
    held = [(x[i : i + 8], {"labels": torch.arange(8) % 2, "boxes": torch.rand(8, 4)}) for i in range(0, 32, 8)]
    run = fit(Detector(), held, validation=held, epochs=2, loss=loss, metrics={"box_error": box_error})
    assert run.final["validation_box_error"] > 0 and "validation_accuracy" not in run.final
    assert run.final["train_loss"] < run.history[0]["train_loss"]
    with pytest.raises(ValueError, match="targets of dict .* knows no loss"):
        fit(make_model(), held, epochs=1)


def test_metrics_are_named_and_checked(data: Dataset) -> None:
    def top2(output: Tensor, y: Tensor) -> Tensor:
        return (output.topk(2, 1).indices == y[:, None]).any(1)

    run = fit(make_model(), data, epochs=2, metrics={"top2": top2, "share": lambda output, y: torch.tensor(0.25)})
    assert run.final["test_share"] == run.final["train_share"] == 0.25
    assert run.final["test_top2"] > 0.3 and "test_accuracy" not in run.final and "top2" in run.config["metrics"]
    assert run.best["test_loss"] == min(row["test_loss"] for row in run.history)
    with pytest.raises(ValueError, match=r"'wrong' returned a tensor of shape \(2,\) for 96 pictures"):
        fit(make_model(), data, epochs=1, metrics={"wrong": lambda output, y: torch.zeros(2)})
    with pytest.raises(ValueError, match="not 'loss'"):
        fit(make_model(), data, epochs=1, metrics={"loss": top2})
    with pytest.raises(TypeError, match="must be a dict"):
        fit(make_model(), data, epochs=1, metrics=[top2])
    trained = make_model()
    trained.register_forward_hook(lambda module, x, y: pytest.fail("trained first") if module.training else None)
    with pytest.raises(ValueError, match="Did you mean 'test_top2'"):
        fit(trained, data, epochs=1, metrics={"top2": top2}, callbacks=EarlyStopping(metric="test_top3"))


@pytest.mark.parametrize(
    ("y", "loss", "said"),
    [
        (torch.rand(40), None, "many things.*BCEWithLogitsLoss.*MSELoss"),
        (torch.rand(40, 3), None, "CrossEntropyLoss"),
        (torch.arange(40).int() % 3, None, r"must be torch.int64: y.long\(\)"),
        (torch.rand(40), nn.MSELoss(), r"\(2, 3\) and the targets .* \(2,\).*y\[:, None\]"),
        (torch.rand(40, 3).double(), nn.MSELoss(), r"torch.float64.*y.float\(\)"),
        (torch.ones(40, 3).bool(), nn.BCEWithLogitsLoss(), r"floats: y.float\(\)"),
        (torch.rand(40, 2), nn.BCEWithLogitsLoss(), r"cannot take the model's output .*\(2, 3\)"),
    ],
)
def test_targets_that_do_not_suit_say_what_would(y: Tensor, loss, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        fit(make_model(), TensorDataset(images(), y), epochs=1, loss=loss)


def test_a_checkpoint_from_when_accuracy_was_the_only_measure(data: Dataset, tmp_path: Path) -> None:
    arguments = {"epochs": 2, "batch_size": 16}
    trainer = Trainer(make_model(), data, checkpoint=tmp_path / "run.pt", **arguments)
    for _ in range(3):
        trainer.step()
    trainer.stop()
    content = torch.load(tmp_path / "run.pt", weights_only=True)
    content["sums"][1] = content["sums"][1]["accuracy"]
    for later in ("accumulate", "metrics", "batches_per_epoch"):
        del content["identity"][later]
    del content["tested"]
    torch.save(content, tmp_path / "run.pt")
    run = fit(make_model(), data, checkpoint=tmp_path / "run.pt", **arguments)
    assert without_times(run) == without_times(fit(make_model(), data, **arguments))


# --- a validation set ------------------------------------------------------------------------------------------------


def test_the_test_set_is_measured_once_by_the_best_weights(data: Dataset, tmp_path: Path) -> None:
    parted = data.split(validation=0.25, seed=3)
    snapshots: list[dict] = []
    passes: list[int] = []
    model = make_model()
    model.register_forward_hook(lambda module, x, y: None if module.training else passes.append(len(x[0])))

    def keep(run: Run, trainer: Trainer) -> None:
        snapshots.append({name: value.clone() for name, value in model.state_dict().items()})

    arguments = {"epochs": 5, "batch_size": 8, "optimizer": "adam", "lr": 0.02, "checkpoint": tmp_path / "run.pt"}
    run = fit(model, parted, callbacks=[keep], **arguments)
    assert passes == [2] + [24] * 5 + [48]  # the check, each epoch's validation, the test
    assert run.best["epoch"] < 5 and "test_loss" not in run.final
    assert run.config["validation_images"] == 24 and run.config["train_images"] == 72
    assert run.best["validation_accuracy"] == max(row["validation_accuracy"] for row in run.history)
    assert all(torch.equal(model.state_dict()[name], value) for name, value in snapshots[-1].items())
    best = make_model()
    best.load_state_dict(snapshots[run.best["epoch"] - 1])
    found = evaluate(best, parted).row("test")
    assert run.tested == {"epoch": run.best["epoch"], **found}
    assert Run.load(run.save(tmp_path / "run.json")).tested == run.tested
    assert fit(make_model(), parted, **arguments).tested == run.tested
    assert fit(make_model(), data, epochs=1).tested is None


def test_a_stopped_training_does_not_touch_the_test_set_and_a_finished_one_does(data: Dataset, tmp_path: Path) -> None:
    parted = data.split(validation=0.25)
    arguments = {"epochs": 4, "batch_size": 24, "checkpoint": tmp_path / "run.pt"}
    expected = fit(make_model(), parted, **{**arguments, "checkpoint": None})
    trainer = Trainer(make_model(), parted, **arguments)
    for _ in range(8):
        trainer.step()
    trainer.stop()
    assert trainer.run.tested is None and len(trainer.run.history) == 2
    run = fit(make_model(seed=4), parted, **arguments)
    assert without_times(run) == without_times(expected) and run.tested == expected.tested
    longer = fit(make_model(seed=4), parted, **{**arguments, "epochs": 6})
    assert len(longer.history) == 6 and longer.tested["epoch"] == longer.best["epoch"]
    early = fit(make_model(), parted, epochs=9, lr=1e-9, callbacks=EarlyStopping(patience=2))
    assert len(early.history) == 3 and early.tested["epoch"] == early.best["epoch"]


def test_two_validation_sets_or_one_of_no_use_are_refused(data: Dataset) -> None:
    with pytest.raises(ValueError, match="leave one out"):
        fit(make_model(), data.split(0.2), validation=data.test, epochs=1)
    with pytest.raises(TypeError, match="give its part"):
        fit(make_model(), data.train, validation=data, epochs=1)
    with pytest.raises(ValueError, match="image set in memory and data a loader"):
        fit(make_model(), normalized(data), validation=data.test, epochs=1)
    with pytest.raises(ValueError, match="validation .* has no length"):
        fit(make_model(), data, validation=iter([]), epochs=1)
    run = fit(make_model(), data.train, validation=data.test, epochs=1)
    assert run.final["validation_accuracy"] == fit(make_model(), data, epochs=1).final["test_accuracy"]


# --- gradients of several batches ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("train", "clip"), [(96, None), (90, 0.5)])  # 90: the last update is of fewer and smaller ones
def test_accumulated_gradients_are_those_of_one_large_batch(train: int, clip: float | None) -> None:
    data = make_data(train=train)
    ours, theirs = make_model(), make_model()
    seen: list = []
    arguments = {"epochs": 2, "clip_norm": clip, "lr": 0.05, "seed": 2}
    many = fit(ours, data, batch_size=8, accumulate=4, callbacks=[Batches(seen)], **arguments)
    one = fit(theirs, data, batch_size=32, **arguments)
    assert len(seen) == 2 * 3
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)
    assert [r["train_loss"] for r in many.history] == pytest.approx([r["train_loss"] for r in one.history], rel=1e-5)


def test_accumulation_resumes_at_an_update(data: Dataset, tmp_path: Path) -> None:
    arguments = {"epochs": 2, "batch_size": 8, "accumulate": 5, "augment": Flip()}
    whole = make_model(dropout=0.2)
    expected = fit(whole, data, **arguments)
    trainer = Trainer(make_model(dropout=0.2), data, checkpoint=tmp_path / "run.pt", **arguments)
    trainer.step()
    trainer.step()
    assert trainer.batch == 10
    trainer.stop()
    resumed = make_model(dropout=0.2, seed=3)
    assert without_times(fit(resumed, data, checkpoint=tmp_path / "run.pt", **arguments)) == without_times(expected)
    assert same_weights(whole, resumed)


# --- callbacks -------------------------------------------------------------------------------------------------------


def test_a_callback_at_batches_may_stop_the_training(data: Dataset, tmp_path: Path) -> None:
    class Third:
        def on_batch_end(self, run: Run, trainer: Trainer) -> None:
            assert trainer.live["train_loss"] > 0
            if trainer.batch == 3:
                trainer.stop()

    arguments = {"epochs": 2, "batch_size": 16, "checkpoint": tmp_path / "run.pt"}
    run = fit(make_model(), data, callbacks=[Third()], **arguments)
    assert run.stopped and torch.load(tmp_path / "run.pt", weights_only=True)["batch"] == 3
    whole = fit(make_model(), data, epochs=2, batch_size=16)
    assert without_times(fit(make_model(), data, **arguments)) == without_times(whole)


def test_the_history_as_csv(data: Dataset, tmp_path: Path) -> None:
    run = fit(make_model(), data, epochs=3, callbacks=[CSVLogger(tmp_path / "deep" / "run.csv")])
    with open(tmp_path / "deep" / "run.csv", newline="") as file:
        read = list(csv.DictReader(file))
    assert [{key: float(value) for key, value in row.items()} for row in read] == run.history


def test_the_history_for_tensorboard(data: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(ImportError, match="pip install tensorboard"):
        TensorBoardLogger(tmp_path)
    written: list[tuple] = []

    class Writer:
        def __init__(self, folder: str, purge_step: int) -> None:
            written.append((folder, purge_step))

        def add_scalar(self, name: str, value: float, step: int) -> None:
            written.append((name, value, step))

        def flush(self) -> None:
            pass

    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", types.SimpleNamespace(SummaryWriter=Writer))
    arguments = {"checkpoint": tmp_path / "run.pt", "batch_size": 32}
    fit(make_model(), data, epochs=1, **arguments)
    run = fit(make_model(), data, epochs=3, callbacks=TensorBoardLogger(tmp_path / "logs"), **arguments)
    assert written[0] == (str(tmp_path / "logs"), 2)  # the first epoch was another process's
    assert [step for name, _, step in written[1:] if name == "loss/train"] == [2, 3]
    assert ("accuracy/test", run.final["test_accuracy"], 3) in written and ("lr", 0.05, 3) in written


# --- bad input -------------------------------------------------------------------------------------------------------

GOOD = (torch.zeros(4, 1, 8, 8), torch.zeros(4, dtype=torch.int64))


@pytest.mark.parametrize(
    ("batch", "said"),
    [
        ((*GOOD, 1), r"a tuple of 3\. Batches must be \(x, y\).*collate_fn"),
        ({"image": GOOD[0], "label": GOOD[1]}, "a dict with 'image', 'label'"),
        (GOOD[0], r"a tensor of \(4, 1, 8, 8\)"),
        ((GOOD[0].byte(), GOOD[1]), r"torch.uint8.*x.float\(\) / 255.*ImageSet"),
        ((GOOD[0].numpy(), GOOD[1]), "x as ndarray.*from_numpy"),
        ((GOOD[0], GOOD[1][:3]), r"4 pictures and targets of shape \(3,\)"),
        ((GOOD[0], "cat"), "y as str"),
        ((GOOD[0][:0], GOOD[1][:0]), "a batch of no pictures"),
        ((GOOD[0].double(), GOOD[1]), r"images are torch.float64: call x.float\(\)"),
    ],
)
def test_what_is_no_batch_is_named(batch, said: str) -> None:
    for call in (lambda: fit(make_model(), [batch], epochs=1), lambda: evaluate(make_model(), [batch])):
        if "float64" in said and call.__code__.co_names[0] == "evaluate":
            continue  # the model says so itself
        with pytest.raises(ValueError, match=said):
            call()


def test_a_loader_that_gives_nothing_is_named(data: Dataset) -> None:
    with pytest.raises(ValueError, match="no batch at all"):
        fit(make_model(), [], epochs=1)
    with pytest.raises(ValueError, match="is empty"):
        fit(make_model(), TensorDataset(torch.zeros(0, 1, 8, 8), torch.zeros(0)), epochs=1)
    with pytest.raises(DataError, match=r"no batch at all.*epoch 1, the test"):
        fit(make_model(), data.train, validation=[], epochs=1)
    with pytest.raises(ValueError, match="no batch at all"):
        evaluate(make_model(), [])
    with pytest.raises(DataError, match="gone through once.*epoch 2, batch 1") as caught:
        fit(make_model(), iter([GOOD] * 3), epochs=2, batches_per_epoch=3)
    assert len(caught.value.run.history) == 1
    for wrong in ((GOOD[0], GOOD[1]), GOOD[0], "mnist", {"x": 1}, numpy.zeros(3), data.name):
        with pytest.raises(TypeError, match="TensorDataset"):
            fit(make_model(), wrong, epochs=1)


class Failing(TorchDataset):
    """A file that cannot be read, until it can."""

    broken = True

    def __init__(self, data: Dataset) -> None:
        self.held = Drawing(data)

    def __len__(self) -> int:
        return 96

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        if self.broken and index == 77:
            raise OSError("cannot identify image file '77.jpg'")
        return self.held[index]


def test_a_loader_that_raises_loses_nothing(data: Dataset, tmp_path: Path) -> None:
    held = Failing(data)
    loader = DataLoader(held, 16, sampler=torch.utils.data.SequentialSampler(held))
    arguments = {"epochs": 2, "checkpoint": tmp_path / "run.pt"}
    model = make_model()
    with pytest.raises(DataError, match=r"OSError: cannot identify.*epoch 1, batch 5 of 6") as caught:
        fit(model, loader, **arguments)
    assert isinstance(caught.value.__cause__, OSError) and caught.value.run.history == []
    assert all(value.isfinite().all() for value in model.state_dict().values())
    assert torch.load(tmp_path / "run.pt", weights_only=True)["batch"] == 4
    held.broken = False
    resumed, whole = make_model(seed=8), make_model()
    run = fit(resumed, loader, **arguments)
    assert without_times(run) == without_times(fit(whole, loader, epochs=2)) and same_weights(resumed, whole)


@pytest.mark.usefixtures("interruptible")
def test_workers_that_an_interrupt_ends_do_not_make_an_error_of_it(tmp_path: Path) -> None:
    class Pressed:
        def __len__(self) -> int:
            return 4

        def __iter__(self):
            yield GOOD
            os.kill(os.getpid(), signal.SIGINT)
            raise RuntimeError("DataLoader worker (pid 7) exited unexpectedly")

    run = fit(make_model(), Pressed(), epochs=2, checkpoint=tmp_path / "run.pt")
    assert run.stopped and torch.load(tmp_path / "run.pt", weights_only=True)["batch"] == 1


def test_a_loader_that_changes_its_shapes_is_named(data: Dataset) -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 3))
    held = [GOOD, GOOD, (torch.zeros(4, 1, 9, 8), GOOD[1])]
    with pytest.raises(DataError, match=r"batch 3 of 3 are \(1, 9, 8\), those of the first batch \(1, 8, 8\)"):
        fit(model, held, epochs=1)
    fit(make_model(), held, epochs=1)  # a model that takes any size


def test_targets_outside_the_classes_are_named_before_the_loss_sees_them() -> None:
    held = [GOOD, GOOD, (GOOD[0], torch.tensor([0, 1, 5, 2]))]
    with pytest.raises(DataError, match=r"class 5, and the model tells 3 classes.*epoch 1, batch 3"):
        fit(make_model(), held, epochs=1)
    with pytest.raises(DataError, match="class 5.*the test"):
        fit(make_model(), held[:2], validation=held, epochs=1)
    with pytest.raises(ValueError, match="class 5"):
        evaluate(make_model(), held)
    ignoring = nn.CrossEntropyLoss(ignore_index=5)
    fit(make_model(), held, epochs=1, loss=ignoring)


@pytest.mark.parametrize("where", ["targets", "pictures"])
def test_nan_in_the_data_is_not_blamed_on_the_learning_rate(where: str) -> None:
    x, y = images(), torch.rand(40, 3)
    (y if where == "targets" else x)[33] = float("nan")
    model = make_model()
    with pytest.raises(DataError, match=r"epoch 1, batch 5 of 5 hold NaN") as caught:
        fit(model, [(x[i : i + 8], y[i : i + 8]) for i in range(0, 40, 8)], epochs=1, loss=nn.MSELoss())
    assert caught.value.run.history == [] and all(v.isfinite().all() for v in model.state_dict().values())


def test_a_loss_that_skips_missing_targets_may_have_them() -> None:
    def known(output: Tensor, y: Tensor) -> Tensor:
        return (output - y)[~y.isnan()].square().mean()

    y = torch.rand(40, 3)
    y[::3, 1] = float("nan")
    run = fit(make_model(), TensorDataset(images(), y), epochs=1, loss=known, metrics={})
    assert run.final["train_loss"] > 0


def test_augmentation_of_a_loader(data: Dataset) -> None:
    held = normalized(data)
    run = fit(make_model(), held, epochs=2, batch_size=16, augment=Mixup(0.3), optimizer="adam")
    assert 0 < run.final["train_loss"] < 2
    with pytest.raises(ValueError, match=r"needs pixels in \[0, 1\].*before it normalizes"):
        fit(make_model(), held, epochs=1, augment=ColorShift())
    masks = TensorDataset(images(), torch.zeros(40, 8, 8, dtype=torch.int64))
    assert "train_pixel_accuracy" in fit(ending(nn.Conv2d(4, 2, 1)), masks, epochs=1, augment=Flip()).final
    with pytest.raises(ValueError, match="Mixup.* does not move masks"):
        fit(ending(nn.Conv2d(4, 2, 1)), masks, epochs=1, augment=Mixup())
    soft = TensorDataset(images(), torch.zeros(40, 2, 8, 8))
    with pytest.raises(ValueError, match="not boxes or other targets with a place"):
        fit(ending(nn.Conv2d(4, 2, 1)), soft, epochs=1, augment=Flip(), loss=nn.BCEWithLogitsLoss())


def test_smoothing_beside_a_loss_is_refused(data: Dataset) -> None:
    with pytest.raises(ValueError, match=r"CrossEntropyLoss\(label_smoothing=0.3\)"):
        fit(make_model(), data, epochs=1, label_smoothing=0.3, loss=nn.CrossEntropyLoss())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"schedule": "cosine_warmup"}, "Did you mean 'warmup_cosine'"),
        ({"optimizer": "AdamW"}, "Did you mean 'adamw'"),
        ({"accumulate": 0}, "accumulate=0"),
        ({"batches_per_epoch": 0.5}, "batches_per_epoch=0.5"),
    ],
)
def test_near_misses(data: Dataset, arguments: dict, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        fit(make_model(), data, epochs=1, **arguments)
    with pytest.raises(ValueError, match="Did you mean 'validation_loss'"):
        EarlyStopping(metric="val_loss")


# --- evaluate --------------------------------------------------------------------------------------------------------


def test_evaluate_knows_the_statistics_of_a_data_set(data: Dataset) -> None:
    model = make_model()
    by_hand = evaluate(model, data.test, mean=data.mean, std=data.std)
    whole, loaded = evaluate(model, data), evaluate(model, DataLoader(normalized(data, "test"), 7))
    assert whole.loss == by_hand.loss and torch.equal(whole.logits, by_hand.logits)
    assert loaded.loss == pytest.approx(by_hand.loss, abs=1e-6) and loaded.accuracy == by_hand.accuracy
    assert torch.equal(loaded.confusion, by_hand.confusion) and loaded.classes == ("0", "1", "2")
    with pytest.raises(ValueError, match=r"evaluate\(model, data\)"):
        evaluate(model, data.test)
    with pytest.raises(ValueError, match="'grays' has its own"):
        evaluate(model, data, mean=data.mean, std=data.std)
    with pytest.raises(TypeError, match="TensorDataset"):
        evaluate(model, "mnist")


def test_pictures_of_floats_are_pictures(data: Dataset) -> None:
    def floats(part: ImageSet) -> ImageSet:
        return ImageSet(part.pixels, part.labels, part.classes)

    same = Dataset.from_sets("grays", floats(data.train), floats(data.test))
    assert same.mean == pytest.approx(data.mean, abs=1e-6) and same.std == pytest.approx(data.std, abs=1e-6)
    for augment in (None, Flip()):
        ours, theirs = make_model(), make_model()
        expected = fit(ours, data, epochs=2, batch_size=20, augment=augment)
        run = fit(theirs, same, epochs=2, batch_size=20, augment=augment)
        assert [r["train_loss"] for r in run.history] == pytest.approx(
            [r["train_loss"] for r in expected.history], abs=1e-5
        )
    whole = same.train.images.clone()
    evaluate(ours, same)
    fit(ours, same, epochs=1, batch_size=96)
    assert torch.equal(same.train.images, whole)  # no batch is changed in place
    assert same.resized(4).shape == (1, 4, 4) and same.train.nbytes == 4 * data.train.nbytes
