"""``python -m cnnlab.train CONFIG.toml``: the training that a file describes, resumed where it was interrupted."""

from __future__ import annotations

import argparse
import math
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cnnlab.errors import reason_of
from cnnlab.train.settings import Settings, example, examples, read_settings

if TYPE_CHECKING:
    from cnnlab.train.files import Inputs
    from cnnlab.training.run import Run
    from cnnlab.training.trainer import Trainer

__all__ = ["plan", "train", "main"]


def plan(settings: Settings) -> list[str]:
    """What a training will take, in lines: nothing is trained, no picture decoded and no file written.

    Of several processes each counts its own part.

    Raises:
        ValueError, OSError: it would fail at once.
    """
    from cnnlab.analysis import summarize
    from cnnlab.data.shards import check_enough, per_process
    from cnnlab.processes import joined
    from cnnlab.tables import human, human_bytes
    from cnnlab.train.files import inputs_of
    from cnnlab.training.devices import resolve_amp, resolve_device

    recipe, processes = settings.recipe, joined()
    inputs = inputs_of(settings, _own_size(settings))
    mine = per_process(recipe.batch_size, processes, "[recipe] batch_size")
    check_enough(inputs.train_size, processes, inputs.where)
    device = resolve_device(recipe.device, processes)
    precision = str(resolve_amp(recipe.amp, device) or "float32").removeprefix("torch.")
    model = _network(settings, inputs)
    summary = summarize(model, (1, *inputs.shape))
    batches = recipe.batches_per_epoch or -(-inputs.train_size // recipe.batch_size)
    updates = -(-batches // recipe.accumulate)
    weights = sum(p.numel() * 4 for p in model.parameters())
    # Twice the multiply-accumulates forward, and twice that backward.
    operations = 6 * summary.macs * inputs.train_size * recipe.epochs
    shape = " x ".join(map(str, inputs.shape))
    kept = {"sgd": 1 if recipe.momentum else 0, "adam": 2, "adamw": 2, "rmsprop": 1}.get(recipe.optimizer_name, 1)
    out = Path(settings.output.folder).expanduser()
    there = "there is a checkpoint, from which it goes on" if (out / "checkpoint.pt").exists() else "nothing yet"
    parts = f", {mine} of each batch for each" if processes.several else ""
    maps = mine * (summary.activation_bytes + 4 * math.prod(inputs.shape))
    return [
        f"model      {settings.model.name}: {human(summary.params)} parameters, {human(summary.macs)} MACs a picture",
        f"data       {inputs.where}: {inputs.train_size:,} pictures to train on ({human_bytes(inputs.nbytes)}), "
        f"{inputs.measured_size:,} to measure, {len(inputs.classes)} classes, {shape} as the network sees them",
        f"processes  {processes.size} on {device.type} in {precision}{parts}",
        f"training   {recipe.epochs} epochs of {batches:,} batches and {updates:,} updates: "
        f"{recipe.epochs * updates:,} updates, {operations:.2g} operations",
        f"memory     {human_bytes(weights)} of weights, as much of gradients, {human_bytes(kept * weights)} of the "
        f"optimizer's, and about {human_bytes(maps)} of pictures and maps in each process",
        f"output     {out}: {there}; a checkpoint takes {human_bytes((1 + kept) * weights)}",
    ]


def train(settings: Settings, say: Callable[[str], None] = lambda line: None) -> Run:
    """Train what the settings describe, from its checkpoint if there is one, and save what came out.

    Returns:
        The run; ``[output] folder`` holds it as ``run.json``, the history as ``history.csv``, the settings as
        ``config.toml``, and ``model.pt`` with the best epoch's weights, which :func:`cnnlab.load` reads.

    Raises:
        ValueError, OSError, cnnlab.training.TrainingError: what :func:`cnnlab.fit` raises, and files that cannot be
            read or written.
    """
    from cnnlab.processes import joined
    from cnnlab.saving import save
    from cnnlab.train.files import inputs_of
    from cnnlab.training import CSVLogger, fit

    processes, out = joined(), Path(settings.output.folder).expanduser()
    inputs = inputs_of(settings, _own_size(settings))
    model = _network(settings, inputs)

    def tell(run: Run, trainer: Trainer) -> None:
        row = run.final
        if processes.main:
            pictures = round(inputs.train_size / max(row["seconds"], 1e-3))
            say(
                f"epoch {row['epoch']} of {settings.recipe.epochs}: training loss {row['train_loss']:.4g}, "
                f"{run.headline(2)}, {row['seconds']:.0f} s, {pictures:,} pictures/s"
            )

    recipe = {name: getattr(settings.recipe, name) for name in settings.recipe.__dataclass_fields__}
    run = fit(
        model,
        inputs.data,
        validation=inputs.validation,
        **{**recipe, "augment": inputs.augment},
        callbacks=[tell, CSVLogger(out / "history.csv")],
        checkpoint=out / "checkpoint.pt",
        checkpoint_seconds=settings.output.checkpoint_seconds,
    )
    if processes.main and not run.stopped:
        run.save(out / "run.json")
        (out / "config.toml").write_text(settings.text, encoding="utf-8")
        if run.best_state is not None:
            run.restore_best(model)
        model.classes, model.preprocess = inputs.classes, inputs.preprocess
        path = save(model, out / "model.pt", run=run)
        say(f"{path}: epoch {run.best['epoch']} of {len(run.history)}, the best. cnnlab.load({str(path)!r}) reads it.")
    return run


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit code: 0, 1 where a training failed, 2 for what was wrong in what was given, 130
    when it was stopped.
    """
    parser = argparse.ArgumentParser(
        prog="python -m cnnlab.train",
        description="Trains what a TOML file describes; called again, it goes on where it was.",
        epilog="In several processes, each on its own GPU: torchrun --nproc-per-node=8 -m cnnlab.train CONFIG.toml",
    )
    parser.add_argument("config", metavar="CONFIG.toml", nargs="?", help="the training; --example prints one")
    parser.add_argument("--dry-run", action="store_true", help="check everything and say what it would take")
    parser.add_argument(
        "--example",
        nargs="?",
        const="resnet50_imagenet",
        metavar="NAME",
        help=f"print a recipe: {', '.join(examples())}",
    )
    options = parser.parse_args(arguments)
    first = os.environ.get("RANK", "0") == "0"
    try:
        if options.example is not None:
            print(example(options.example), end="")
            return 0
        if options.config is None:
            raise ValueError("give a file, CONFIG.toml; `python -m cnnlab.train --example > CONFIG.toml` makes one.")
        settings = read_settings(options.config)
        if options.dry_run:
            lines = plan(settings)
            if first:
                print("\n".join(lines))
            return 0
        stopped = train(settings, lambda line: print(line, flush=True)).stopped
    except KeyboardInterrupt:
        print("Stopped. The same command goes on from the last checkpoint.", file=sys.stderr)
        return 130
    except (ValueError, OSError, RuntimeError, ModuleNotFoundError) as error:
        failed = isinstance(error, RuntimeError)
        if first or failed:  # what is wrong in the file is so for all processes
            print(f"cnnlab.train: {_one_line(error)}", file=sys.stderr, flush=True)
        return 1 if failed else 2
    return 130 if stopped else 0


def _own_size(settings: Settings) -> tuple[int, ...] | None:
    from cnnlab.models.registry import model_info

    return model_info(settings.model.name).input_size


def _network(settings: Settings, inputs: Inputs) -> Any:
    """The network, drawn from the recipe's seed; the caller's random stream stays."""
    import torch

    from cnnlab.models.factory import create_model

    table = settings.model
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.recipe.seed)
        model = create_model(
            table.name,
            num_classes=len(inputs.classes),
            in_channels=inputs.shape[0],
            small_input=table.small_input,
            weights=table.weights,
        )
    return model.train()


def _one_line(error: Exception) -> str:
    """What was wrong; of the system's own errors the file too."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename or ''}: {reason_of(error)}".removeprefix(": ")
    return " ".join(str(error).split())
