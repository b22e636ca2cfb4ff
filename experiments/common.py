"""What every experiment shares: the command line, the budget, resuming, and the recorded file.

An experiment is a list of *cases* (which model on which data), each trained with every seed. Seeds
come round one after another, so that an experiment stopped early has every case with the same seeds.
A training that was finished is never repeated, one that was interrupted goes on at its last batch,
and the JSON file is written after each, so that it can be read while the rest is running.
"""

from __future__ import annotations

import argparse
import copy
import itertools
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, is_dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from cnnlab.analysis import summarize
from cnnlab.data import Dataset, ImageSet, load_dataset
from cnnlab.environment import SCALES, device, seed_everything
from cnnlab.environment import scale as default_scale
from cnnlab.results import recorded_folder
from cnnlab.training import Cosine, Run, Trainer, TrainingDiverged, evaluate, fit
from cnnlab.training.provenance import command_line, provenance
from cnnlab.training.run import read_json, write_json

Case = dict[str, Any]


@dataclass(frozen=True)
class Experiment:
    """One experiment, at any scale.

    Attributes:
        name: of the module and of the recorded file.
        question: what it should answer, in a sentence.
        settings: scale -> frozen dataclass.
        cases: settings -> what is trained, as plain dicts; their keys and the seed name a result.
        prepare: (case, seed, settings) -> everything that :func:`cnnlab.fit` needs.
        measure: (prepared, run) -> what is recorded of a finished training.
        measures: the keys of that whose mean and range over the seeds go into "summary".
        diverged: prepared -> what is recorded of a training whose loss is no longer a number; None where that is a
            fault, which stops the experiment.
    """

    name: str
    question: str
    settings: dict[str, Any]
    cases: Callable[[Any], list[Case]]
    prepare: Callable[[Case, int, Any], Prepared]
    measure: Callable[[Prepared, Run], dict[str, Any]]
    measures: tuple[str, ...]
    diverged: Callable[[Prepared], dict[str, Any]] | None = None


@dataclass(frozen=True)
class Prepared:
    """A training about to start."""

    model: nn.Module
    data: Dataset
    fit: dict[str, Any]  # keyword arguments of fit


@dataclass(frozen=True)
class Watched(Prepared):
    """A training about to start, and the test pictures that are for its end."""

    test: ImageSet


def watched(model: nn.Module, data: Dataset, training: dict[str, Any], count: int) -> Watched:
    """A training that looks at ``count`` test pictures after each epoch, and at all of them at its end."""
    # Some sets are sorted by class.
    order = torch.randperm(len(data.test), generator=torch.Generator().manual_seed(0))
    return Watched(model, data.subset(test=min(count, len(data.test))), training, data.test[order])


def training_of(settings: Any) -> dict[str, Any]:
    """The arguments of fit that most settings name alike."""
    return {name: getattr(settings, name) for name in ("epochs", "batch_size", "optimizer", "lr", "schedule")}


def sgd_of(settings: Any) -> dict[str, Any]:
    """The arguments of fit for SGD on a cosine with warm-up, of settings that name them as fit does."""
    named = ("epochs", "batch_size", "lr", "momentum", "weight_decay", "clip_norm")
    own = {name: getattr(settings, name) for name in named if hasattr(settings, name)}
    return {**own, "optimizer": "sgd", "schedule": Cosine(warmup=settings.warmup)}


def one_cycle(build: Callable[[], nn.Module], data: Dataset, case: Case, seed: int, settings: Any) -> Prepared:
    """One of a chapter's small networks, named by its case, for as many epochs as that says: Adam in one cycle."""
    model = fresh_model(build, seed)
    model.name = " ".join(str(value) for name, value in case.items() if name != "epochs")
    training = {"batch_size": settings.batch_size, "optimizer": "adam", "lr": settings.lr, "schedule": "onecycle"}
    return Prepared(model, data, {"epochs": case["epochs"], **training})


@dataclass(frozen=True, kw_only=True)
class AdamOnCosine:
    """The settings of the trainings of LeNet-5 and its rivals."""

    epochs: int
    batch_size: int = 128
    optimizer: str = "adam"
    lr: float = 1e-3
    schedule: str = "cosine"
    train_images: int | None = None  # None: all


def load(name: str, train: int | None = None, test: int | None = None, size: int | None = None) -> Dataset:
    """A data set cut to size, with the same images for every seed; kept in memory, since cases share them."""
    key = (name, train, test, size)
    if key not in _LOADED:
        _LOADED[key] = load_dataset(name, root=_ROOT[0], size=size).subset(train=train, test=test, seed=0)
    return _LOADED[key]


_LOADED: dict[tuple[Any, ...], Dataset] = {}
_ROOT: list[str | None] = [None]


def accuracies(prepared: Prepared, run: Run) -> dict[str, Any]:
    """What most experiments record: the last epoch's accuracies (never the best on the test set), and every epoch's."""
    return {
        "parameters": run.config["parameters"],
        "test_accuracy": run.final["test_accuracy"],
        "train_accuracy": run.final["train_accuracy"],
        "test_accuracy_by_epoch": [round(row["test_accuracy"], 5) for row in run.history],
        "train_accuracy_by_epoch": [round(row["train_accuracy"], 5) for row in run.history],
    }


def costs_at_the_end(prepared: Watched, run: Run) -> dict[str, Any]:
    """The accuracies, that on the test pictures asked of all of them, and the multiply-accumulates of a picture."""
    data = prepared.data
    return accuracies(prepared, run) | {
        "macs": summarize(prepared.model, data.shape).macs,
        "test_accuracy": evaluate(prepared.model, prepared.test, mean=data.mean, std=data.std).accuracy,
    }


def costs_and_losses(prepared: Prepared, run: Run) -> dict[str, Any]:
    """The accuracies, the multiply-accumulates of a picture, and the training loss, at the end and every epoch's."""
    return accuracies(prepared, run) | {
        "macs": summarize(prepared.model, prepared.data.shape).macs,
        "train_loss": run.final["train_loss"],
        "train_loss_by_epoch": [round(row["train_loss"], 5) for row in run.history],
    }


def step_ms(model: nn.Module, shape: tuple[int, ...], batch_size: int = 64, repeats: int = 7) -> float:
    """Milliseconds of a CPU for one picture, forward and back: the fastest of several batches.

    Processor time, not the clock's: another process on the same core takes its share of the clock, and not of this.
    """
    twin = copy.deepcopy(model).cpu().train()
    with torch.random.fork_rng(devices=[]):
        images = torch.randn(batch_size, *shape)
        labels = torch.arange(batch_size) % 10
    taken = []
    for _ in range(repeats):
        began = time.process_time()
        F.cross_entropy(twin(images), labels).backward()
        taken.append(time.process_time() - began)
    return round(1000 * min(taken) / batch_size, 5)


def main(experiment: Experiment, arguments: Sequence[str] | None = None) -> dict[str, Any]:
    """Run ``experiment`` as the command line says. Returns what was recorded."""
    options = _parse(experiment, arguments)
    if options.threads:
        torch.set_num_threads(options.threads)
    _ROOT[0] = options.data
    settings = experiment.settings[options.scale]
    output = Path(options.output) if options.output else _default_output(experiment, options.scale)
    cases = experiment.cases(settings)
    work = [(case, seed) for seed in options.seeds for case in cases]

    record = _open_record(experiment, options, settings, output)
    done = {_key(result, result["seed"], cases): result for result in record["results"]}
    left = [(case, seed) for case, seed in work if _key(case, seed, cases) not in done]
    print(f"{experiment.name} at scale {options.scale!r}: {experiment.question}")
    print(f"{len(work)} trainings ({len(cases)} cases, seeds {options.seeds}), {len(work) - len(left)} of them done.")
    if left:
        seconds = sum(_estimate(experiment, case, settings, [s for c, s in left if c is case]) for case in cases)
        print(f"The rest should take about {_duration(seconds)} on this machine. Results: {output}", flush=True)

    own = record["provenance"]
    for number, (case, seed) in enumerate(left, 1):
        prepared = experiment.prepare(case, seed, settings)
        began = time.perf_counter()
        checkpoint = _checkpoint(experiment, options.scale, case, seed)
        try:
            run = fit(prepared.model, prepared.data, **prepared.fit, seed=seed, checkpoint=checkpoint)
        except TrainingDiverged:
            if experiment.diverged is None:
                raise
            measured, seconds, commit = experiment.diverged(prepared), time.perf_counter() - began, own["commit"]
        else:
            if run.stopped:
                print("Stopped. The same command goes on from here.")
                break
            measured = experiment.measure(prepared, run)
            seconds, commit = run.provenance["wall_seconds"], run.provenance["commit"]
        result = {
            **case,
            "seed": seed,
            **measured,
            "seconds": seconds,
            "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "commit": commit,
        }
        record = _open_record(experiment, options, settings, output)  # a second process may have added to it
        record["results"].append(result)
        _note_source(record["provenance"]["data"], prepared.data)
        _close_record(experiment, record, cases, output)
        for leftover in checkpoint.parent.glob(f"{checkpoint.stem}*"):
            leftover.unlink()
        label = " ".join(str(value) for value in case.values())
        shown = ", ".join(f"{key} {result[key]:.4f}" for key in experiment.measures if isinstance(result[key], float))
        took = _duration(time.perf_counter() - began)
        print(f"[{number}/{len(left)}] {label}, seed {seed}: {shown} ({took})", flush=True)
    _print_summary(record["summary"])
    return record


def _parse(experiment: Experiment, arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=f"python -m experiments.{experiment.name}", description=experiment.question)
    parser.add_argument("--scale", choices=SCALES, default=None, help="the budget (default: by the hardware)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--data", default=None, help="folder of the data sets (default: CNNLAB_DATA, or download)")
    parser.add_argument("--output", default=None, help="JSON file to write and to resume from")
    parser.add_argument("--threads", type=int, default=None, help="CPU threads")
    options = parser.parse_args(arguments)
    options.scale = options.scale or default_scale()
    # The folder of the data is the machine's own business; the record names the data set and its source.
    given = sys.argv[1:] if arguments is None else arguments
    options.command = command_line(f"python -m experiments.{experiment.name}", given, private=("--data", "--output"))
    return options


def _default_output(experiment: Experiment, scale: str) -> Path:
    # A smoke run proves that the code runs; it must not take the place of a recorded result.
    if scale == "smoke":
        return _work_folder() / f"{experiment.name}-smoke.json"
    return recorded_folder() / f"{experiment.name}.json"


def _work_folder() -> Path:
    return Path(os.environ.get("CNNLAB_WORK", "checkpoints")) / "experiments"


def _checkpoint(experiment: Experiment, scale: str, case: Case, seed: int) -> Path:
    label = "-".join(str(value) for value in case.values())
    return _work_folder() / f"{experiment.name}-{scale}-{label}-{seed}.pt"


def _key(entry: dict[str, Any], seed: int, cases: list[Case]) -> tuple[Any, ...]:
    return (*(entry.get(name) for name in cases[0]), seed)


def _open_record(experiment: Experiment, options: argparse.Namespace, settings: Any, output: Path) -> dict[str, Any]:
    """The record at ``output`` if it is of the same scale and settings; else a new one."""
    plain = asdict(settings) if is_dataclass(settings) else dict(settings)
    if output.exists():
        record = read_json(output)
        if record.get("scale") == options.scale and record.get("settings") == _as_json(plain):
            return record
        # Never silently thrown away: a recorded result may have taken days.
        aside = output.with_name(f"{output.stem}.{record.get('scale', 'old')}.bak")
        print(f"{output} holds a result of other settings; it is kept as {aside.name}.")
        os.replace(output, aside)
    return {
        "name": experiment.name,
        "question": experiment.question,
        "scale": options.scale,
        "settings": plain,
        "provenance": {
            **provenance(device()),
            "command": options.command,
            "data": {},
            "wall_seconds": 0.0,
        },
        "seeds": [],
        "planned": 0,
        "complete": False,
        "summary": [],
        "results": [],
    }


def _note_source(sources: dict[str, str], data: Dataset) -> None:
    """One line for each data set; one more where a case uses it in another shape."""
    if sources.setdefault(data.name, data.source) != data.source:
        _, height, width = data.shape
        sources[f"{data.name} {height}x{width}"] = data.source


def _as_json(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_as_json(item) for item in value]
    return {k: _as_json(v) for k, v in value.items()} if isinstance(value, dict) else value


def _close_record(experiment: Experiment, record: dict[str, Any], cases: list[Case], output: Path) -> None:
    results = record["results"]
    results.sort(
        key=lambda result: (result["seed"], [_key(case, 0, cases) for case in cases].index(_key(result, 0, cases)))
    )
    record["seeds"] = sorted({result["seed"] for result in results})
    record["planned"] = len(cases) * max(3, len(record["seeds"]))
    record["complete"] = len(results) >= record["planned"]
    record["provenance"]["wall_seconds"] = round(sum(result["seconds"] for result in results), 1)
    record["provenance"]["date"] = results[-1]["date"] if len(results) == 1 else max(r["date"] for r in results)
    record["provenance"]["commit"] = results[-1]["commit"]
    summary = []
    for case in cases:
        mine = [result for result in results if _key(result, 0, cases) == _key(case, 0, cases)]
        if mine:
            row: dict[str, Any] = {**case, "runs": len(mine)}
            if "parameters" in mine[0]:
                row["parameters"] = mine[0]["parameters"]
            for name in experiment.measures:
                row[name] = _spread([result[name] for result in mine])
            summary.append(row)
    record["summary"] = summary
    write_json(output, record)


def _spread(values: list[Any]) -> Any:
    """Mean, least and greatest; element by element for lists."""
    if isinstance(values[0], list):
        return [_spread(list(column)) for column in zip(*values, strict=True)]
    return {
        "mean": round(sum(values) / len(values), 6),
        "min": round(min(values), 6),
        "max": round(max(values), 6),
    }


def _estimate(experiment: Experiment, case: Case, settings: Any, seeds: list[int]) -> float:
    """Seconds for a case with these seeds, from a few batches of its own training."""
    if not seeds:
        return 0.0
    prepared = experiment.prepare(case, seeds[0], settings)
    trainer = Trainer(prepared.model, prepared.data, **prepared.fit, seed=seeds[0])
    try:
        trainer.step()  # the first batch pays for set-up
        batches, began = 0, time.perf_counter()
        while batches < 5 and trainer.epoch == 0 and trainer.batch < trainer.batches:
            trainer.step()
            batches += 1
    except TrainingDiverged:  # so will the training itself, in as many batches
        return 0.0
    each = (time.perf_counter() - began) / max(1, batches)
    # A pass over the test images costs about a third of as many training batches.
    tested = len(prepared.data.test) / trainer.batch_size / 3
    return each * (trainer.batches + tested) * trainer.epochs * len(seeds)


def fresh_model(build: Callable[[], nn.Module], seed: int) -> nn.Module:
    """A model whose initial weights depend on ``seed`` alone."""
    seed_everything(seed)
    return build()


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _print_summary(summary: list[dict[str, Any]]) -> None:
    for row in summary:
        case = itertools.takewhile(lambda item: item[0] != "runs", row.items())  # what stands before it, as it was put
        label = " ".join(str(value) for _, value in case)
        means = []
        for name, value in row.items():
            if isinstance(value, dict):
                means.append(f"{name} {value['mean']:.4f} ({value['min']:.4f} to {value['max']:.4f})")
            elif isinstance(value, list):
                means.append(f"{name} " + " ".join(f"{item['mean']:.3f}" for item in value))
        print(f"{label}: {'; '.join(means)}, {row['runs']} runs")
