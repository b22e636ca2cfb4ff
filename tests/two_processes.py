"""What two processes say, for test_parallel.py: ``python tests/two_processes.py FOLDER``.

They are forked, so that torch is imported once, with the environment that torchrun gives. Each writes what it found to
FOLDER/<work>-<rank>.pt, and its exit status and output to FOLDER/<work>.json.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch._dynamo  # which DistributedDataParallel imports, for two seconds, when it is first made
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, DistributedSampler, TensorDataset

import cnnlab
from cnnlab.data import Dataset, ImageSet
from cnnlab.processes import joined
from cnnlab.train.command import main
from cnnlab.training import Trainer, TrainingError, evaluate

CLASSES = ("dark", "medium", "bright")
# 99 pictures in batches of 32: the last batch of an epoch holds three, two for one process and one for the other.
PLAIN = {"epochs": 2, "batch_size": 32, "lr": 0.05, "progress": False, "device": "cpu"}
ACCUMULATED = {**PLAIN, "accumulate": 2, "clip_norm": 0.5, "ema": 0.9, "weight_decay": 0.01}

TINY = """
[model]
name = "lenet5"
[data]
folder = "{folder}/tiny"
workers = 0
crop_scale = [0.5, 1.0]
[recipe]
epochs = 2
batch_size = 8
device = "cpu"
[output]
folder = "{folder}/out"
"""


def make_data(train: int = 99, test: int = 13) -> Dataset:
    """Noise around three levels of gray; the first pixel is the picture's number."""
    generator = torch.Generator().manual_seed(0)

    def part(n: int) -> ImageSet:
        labels = torch.arange(n) % 3
        images = labels.view(-1, 1, 1, 1) * 80 + torch.randint(0, 60, (n, 1, 8, 8), generator=generator)
        images[:, 0, 0, 0] = torch.arange(n) % 256
        return ImageSet(images.to(torch.uint8), labels, CLASSES)

    return Dataset.from_sets("levels", part(train), part(test))


def make_model(*, norm: bool = False, dropout: float = 0.0) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        middle = nn.BatchNorm2d(4) if norm else nn.Identity()
        return nn.Sequential(
            nn.Conv2d(1, 4, 3), middle, nn.ReLU(), nn.Flatten(), nn.Dropout(dropout), nn.Linear(4 * 36, 3)
        )


def tensors(data: Dataset) -> TensorDataset:
    """The training set, normalized: what a loader gives."""
    return TensorDataset(data.train.images.float() / 255 - 0.5, data.train.labels)


def write_pictures(folder: Path) -> Path:
    """Twelve dark and twelve bright pictures to learn from, three of each to measure; the file that says so."""
    for part, count in (("train", 12), ("val", 3)):
        for number, name in enumerate(("bright", "dark")):
            (folder / "tiny" / part / name).mkdir(parents=True)
            for at in range(count):
                noise = torch.randint(0, 60, (20, 24, 3), generator=torch.Generator().manual_seed(at))
                picture = Image.fromarray((noise + 180 * (1 - number)).to(torch.uint8).numpy())
                picture.save(folder / "tiny" / part / name / f"{at}.png")
    config = folder / "tiny.toml"
    config.write_text(TINY.format(folder=folder))
    return config


class Gradients:
    """Those of each update."""

    def __init__(self) -> None:
        self.of: list[Tensor] = []

    def on_batch_end(self, run: Any, trainer: Trainer) -> None:
        self.of.append(torch.cat([p.grad.flatten().clone() for p in trainer.model.parameters()]))


class StopAt:
    """Where only one process wants to stop."""

    def __init__(self, epoch: int, batch: int, rank: int = 0) -> None:
        self.at, self.rank = (epoch, batch), rank

    def on_batch_end(self, run: Any, trainer: Trainer) -> None:
        if trainer.processes.rank == self.rank and (trainer.epoch, trainer.batch) == self.at:
            trainer.stop()


def trained(model: nn.Module, data: Any, **arguments: Any) -> dict[str, Any]:
    run = cnnlab.fit(model, data, **arguments)
    history = [{name: value for name, value in row.items() if name != "seconds"} for row in run.history]
    return {"history": history, "weights": model.state_dict(), "ema": run.ema_state, "processes": run.provenance}


def said(call: Callable[[], Any]) -> str:
    try:
        call()
    except (ValueError, TrainingError) as error:
        return f"{type(error).__name__}: {error}"
    return "nothing"


# --- what the processes do -------------------------------------------------------------------------------------------


def learning(folder: Path) -> dict[str, Any]:
    data, found, gradients = make_data(), {}, Gradients()
    found["plain"] = trained(make_model(), data, callbacks=[gradients], **PLAIN) | {"gradients": gradients.of}
    found["accumulated"] = trained(make_model(), data, **ACCUMULATED)
    found["norm"] = trained(make_model(norm=True), data, **PLAIN, ema=0.9)
    found["norm96"] = trained(make_model(norm=True), make_data(96), **PLAIN)
    found["dropout"] = trained(make_model(dropout=0.5), data, **PLAIN)
    loader = DataLoader(tensors(data), 32, shuffle=True)
    found["loader"] = trained(make_model(), loader, validation=tensors(data), **PLAIN)
    sampled = DataLoader(tensors(data), 16, sampler=DistributedSampler(tensors(data), drop_last=True))
    found["sampled"] = trained(make_model(), sampled, **PLAIN)

    draws: list[Tensor] = []

    def augment(x: Tensor, y: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        draws.append(torch.rand(1, generator=generator))
        return x, y

    trainer = Trainer(make_model(), data, epochs=1, batch_size=32, augment=augment, device="cpu")
    orders = []
    for epoch in (0, 1):
        x = torch.cat([x for x, _ in trainer.parts.train.open(epoch)])[:, 0, 0, 0]
        orders.append((x * data.std[0] + data.mean[0]).mul(255).round().long())
    found |= {"orders": orders, "draws": torch.cat(draws)}
    return found


def measuring(folder: Path) -> dict[str, Any]:
    data, model = make_data(), make_model(norm=True)
    found = {"memory": evaluate(model, data, batch_size=3)}
    test = TensorDataset(data.test.images.float() / 255, data.test.labels)
    found["loader"] = evaluate(model, DataLoader(test, 4))
    found["one"] = evaluate(model, data.test[:1], mean=data.mean, std=data.std)
    maps = TensorDataset(torch.arange(13.0)[:, None, None, None].repeat(1, 1, 4, 4), torch.zeros(13, 4, 4))
    found["maps"] = evaluate(nn.Conv2d(1, 1, 1, bias=False), maps, loss=lambda output, y: output.mean())
    return {name: (one.loss, one.measures, one.count, one.logits) for name, one in found.items()}


def refused(folder: Path) -> dict[str, Any]:
    data, rank = make_data(), joined().rank
    few = ImageSet(data.train.images[:1], data.train.labels[:1], CLASSES)
    batches = [(torch.zeros(4, 1, 8, 8), torch.zeros(4, dtype=torch.int64))]
    foreign = DataLoader(tensors(data), 16, sampler=DistributedSampler(tensors(data), num_replicas=3, rank=0))
    padded = DataLoader(tensors(data), 16, sampler=DistributedSampler(tensors(data), shuffle=False))
    odd = make_data(train=98 + rank)
    other = nn.Sequential(nn.Flatten(), nn.Linear(64, 3 + rank))
    tries = {
        "indivisible": lambda: cnnlab.fit(make_model(), data, **{**PLAIN, "batch_size": 33}),
        "loader_indivisible": lambda: cnnlab.fit(make_model(), DataLoader(tensors(data), 7, shuffle=True), **PLAIN),
        "too_few": lambda: cnnlab.fit(make_model(), few, **PLAIN),
        "list": lambda: cnnlab.fit(make_model(), batches, **PLAIN),
        "foreign_sampler": lambda: cnnlab.fit(make_model(), foreign, **PLAIN),
        "padded": lambda: cnnlab.fit(make_model(), tensors(data), validation=padded, **PLAIN),
        "sync_batch_norm": lambda: cnnlab.fit(make_model(norm=True), data, sync_batch_norm=True, **PLAIN),
        "other_data": lambda: cnnlab.fit(make_model(), odd, **PLAIN),
        "other_model": lambda: cnnlab.fit(other, data, **PLAIN),
        "other_place": lambda: cnnlab.fit(
            make_model(), data, checkpoint=folder / ("none.pt" if rank else "one.pt"), **PLAIN
        ),
    }
    return {name: said(call) for name, call in tries.items()}


def resuming(folder: Path) -> dict[str, Any]:
    data, rank = make_data(), joined().rank
    found = {"from_one": trained(make_model(), data, checkpoint=folder / "one.pt", **PLAIN)}
    # Only the second process asks for the stop, in the second epoch, and only the first writes.
    stopped = trained(make_model(), data, checkpoint=folder / "two.pt", callbacks=[StopAt(1, 2, rank=1)], **PLAIN)
    found["stopped"] = stopped
    found["best"] = (folder / "two.best.pt").exists()

    def finish(run: Any, trainer: Trainer) -> None:
        if trainer.processes.rank == 1:
            trainer.finish()

    found["finished"] = trained(make_model(), data, callbacks=[finish], **{**PLAIN, "epochs": 9})
    return {**found, "rank": rank}


class Spoilt(TensorDataset):
    """One picture is NaN, or cannot be read; one of the processes gets it."""

    def __init__(self, data: TensorDataset, number: int, error: bool) -> None:
        super().__init__(*data.tensors)
        self.number, self.error = number, error

    def __getitem__(self, index: int) -> Any:
        if index != self.number:
            return super().__getitem__(index)
        if self.error:
            raise OSError("picture 40 is damaged")
        return torch.full((1, 8, 8), torch.nan), torch.tensor(0)


def failing(folder: Path) -> dict[str, Any]:
    data = tensors(make_data())
    kept = {"checkpoint": folder / "damaged.pt", "checkpoint_seconds": 1e9}
    return {
        "nan": said(lambda: cnnlab.fit(make_model(), Spoilt(data, 40, False), **PLAIN)),
        "damaged": said(lambda: cnnlab.fit(make_model(), Spoilt(data, 40, True), **kept, **PLAIN)),
    }


def living(folder: Path) -> dict[str, Any]:
    return {work.__name__: work(folder) for work in (learning, measuring, refused, resuming, failing, commanded)}


def commanded(folder: Path) -> dict[str, Any]:
    return {"code": main([str(folder / "tiny.toml")]), "again": main([str(folder / "tiny.toml")])}


class Killed:
    """The second process is gone in the midst of the second epoch, without a word."""

    def on_batch_end(self, run: Any, trainer: Trainer) -> None:
        if trainer.processes.rank == 1 and (trainer.epoch, trainer.batch) == (1, 2):
            os._exit(9)


def killed(folder: Path) -> dict[str, Any]:
    cnnlab.fit(make_model(), make_data(), checkpoint=folder / "killed.pt", callbacks=[Killed()], **PLAIN)
    return {}


# --- starting them ---------------------------------------------------------------------------------------------------


def start(work: Callable[[Path], dict[str, Any]], folder: Path, size: int = 2) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    children = []
    for rank in range(size):
        child = os.fork()
        if child == 0:
            status = 1
            try:
                told = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": size, "MASTER_PORT": port}
                os.environ |= {name: str(value) for name, value in told.items()} | {"MASTER_ADDR": "127.0.0.1"}
                torch.save(work(folder), folder / f"{work.__name__}-{rank}.pt")
                status = 0
            except BaseException:
                (folder / f"{work.__name__}-{rank}.txt").write_text(traceback.format_exc())
            finally:
                os._exit(status)
        children.append(child)
    ends = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    (folder / f"{work.__name__}.json").write_text(json.dumps(ends))


if __name__ == "__main__":
    torch.set_num_threads(1)
    for each in (living, killed):
        start(each, Path(sys.argv[1]))
