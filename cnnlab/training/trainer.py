"""The engine: :class:`Trainer` trains a step at a time; :func:`fit` drives it to the end.

Randomness. Nothing here draws from the global generators: the order of the images depends on (seed,
epoch), a batch's augmentation and its dropout on (seed, epoch, batch). Two trainings with equal
arguments and equal initial weights are therefore equal bit for bit on a CPU with the same number of
threads, whatever runs between their steps, and a training that was killed and resumed ends where
the undisturbed one does. On CUDA some kernels add in any order;
``torch.use_deterministic_algorithms(True)`` makes them repeatable, and slower.
"""

from __future__ import annotations

import math
import os
import signal
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cnnlab.data.batching import batches, mixed_seed
from cnnlab.environment import device as default_device
from cnnlab.training import checkpoint as checkpoint_file
from cnnlab.training.errors import CheckpointError, OutOfMemory, TrainingDiverged
from cnnlab.training.evaluation import Evaluation, Evaluator, Loss, autocast, main_output
from cnnlab.training.optimizers import OptimizerSpec, make_optimizer
from cnnlab.training.provenance import provenance
from cnnlab.training.run import Run
from cnnlab.training.schedules import Schedule, make_schedule

if TYPE_CHECKING:
    from cnnlab.data import Dataset
    from cnnlab.data.augment import Augmentation
    from cnnlab.training.callbacks import Callback

EpochEnd = Callable[[Run, "Trainer"], None]

# How many batches' losses may wait on a GPU before they are looked at: reading each would stall it.
_LOSSES_IN_FLIGHT = 20


class Trainer:
    """Trains ``model`` on ``data`` in steps of one batch, so that whoever drives it can stop or look at any moment.

        trainer = Trainer(model, data, epochs=5)
        while trainer.run_for(0.2):   # or: while trainer.step()
            draw(trainer.live)
        trainer.run.final

    The arguments are those of :func:`fit`.

    Attributes:
        run: the record; its history grows by a row at the end of each epoch.
        epoch, batch: where the training is (from 0); ``batches`` is the number of batches in an epoch.
        live: the epoch in progress as numbers.
        fraction, seconds_left: progress of the whole training.
        last_evaluation: the :class:`Evaluation` on the test set after the last finished epoch, or None.
    """

    def __init__(
        self,
        model: nn.Module,
        data: Dataset,
        *,
        epochs: int,
        batch_size: int = 128,
        optimizer: str | torch.optim.Optimizer = "sgd",
        lr: float | None = None,
        momentum: float = 0.9,
        nesterov: bool = False,
        weight_decay: float = 0.0,
        schedule: str | Schedule | None = None,
        augment: Augmentation | None = None,
        label_smoothing: float = 0.0,
        clip_norm: float | None = None,
        seed: int = 0,
        device: torch.device | str | None = None,
        amp: bool | None = None,
        loss: Loss | None = None,
        callbacks: Sequence[Callback | EpochEnd] = (),
        checkpoint: str | Path | None = None,
        resume: bool = True,
        checkpoint_seconds: float = 60.0,
    ) -> None:
        _check_whole("epochs", epochs)
        _check_whole("batch_size", batch_size)
        if not 0.0 <= label_smoothing < 1.0:
            raise ValueError(f"label_smoothing={label_smoothing!r} must lie in [0, 1).")
        if clip_norm is not None and not clip_norm > 0:
            raise ValueError(f"clip_norm={clip_norm!r} must be greater than 0, or None for no clipping.")
        if not isinstance(model, nn.Module):
            remedy = f" Build it first: cnnlab.create_model({model!r})." if isinstance(model, str) else ""
            raise TypeError(f"model must be a torch.nn.Module, not {type(model).__name__}.{remedy}")
        _check_data(data)

        self.device = _resolve_device(device)
        self.amp_dtype = _resolve_amp(amp, self.device)
        self.channels_last = self.device.type == "cuda"
        self.model, self.data = model, data
        self.epochs, self.batch_size, self.seed = epochs, batch_size, seed
        self.schedule = make_schedule(schedule)
        self.augment, self.loss = augment, loss
        self.label_smoothing, self.clip_norm = label_smoothing, clip_norm
        self.callbacks = [_epoch_end(callback) for callback in callbacks]
        self.checkpoint = None if checkpoint is None else Path(checkpoint)
        self.checkpoint_seconds = checkpoint_seconds

        if self.device.type == "cpu":
            _keep_freed_memory()
        model.to(self.device)
        if self.channels_last:
            model.to(memory_format=torch.channels_last)
        self._probe()
        name = optimizer if isinstance(optimizer, str) else type(optimizer).__name__
        spec = OptimizerSpec(name, lr=lr, momentum=momentum, nesterov=nesterov, weight_decay=weight_decay)
        self.optimizer = make_optimizer(optimizer, model, spec)
        for group in self.optimizer.param_groups:
            group.setdefault("initial_lr", group["lr"])  # an optimizer used before keeps its first rate
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=self.amp_dtype is torch.float16)

        n = len(data.train)
        # Batch norm cannot train on one image whose feature map is a single pixel.
        self._drop_last = n > batch_size and n % batch_size == 1 and _has_batch_norm(model)
        self.batches = n // batch_size if self._drop_last else math.ceil(n / batch_size)
        self._test_batch_size = max(2 * batch_size, 256)
        self._test_batches = math.ceil(len(data.test) / self._test_batch_size)

        self.epoch = self.batch = 0
        self.last_evaluation: Evaluation | None = None
        self._source: Iterator[tuple[Tensor, Tensor]] | None = None
        self._evaluator: Evaluator | None = None
        self._pending: list[tuple[int, int, Tensor, Tensor]] = []
        self._loss_sum, self._correct, self._seen = 0.0, 0, 0
        self._epoch_seconds = self._seconds = 0.0
        self._stop = self._finished = self._failed = self._in_step = False
        self._saved_at = time.perf_counter()
        self._good_state = _copy_state(model)

        self.run = Run(config=self._config(spec, name), provenance=self._provenance())
        if self.checkpoint is not None and resume and self.checkpoint.exists():
            self.restore(self.checkpoint)

    # ------------------------------------------------------------------ driving

    @property
    def done(self) -> bool:
        """True when no work is left: all epochs done, stopped, or failed."""
        return self.epoch >= self.epochs or self._stop or self._finished or self._failed

    def step(self) -> bool:
        """One batch of training, or of the test at the end of an epoch. True while work is left.

        An interrupt that would raise KeyboardInterrupt waits for the end of the batch; a second one breaks into it.
        After the first, the next step goes on as if nothing had happened.

        Raises:
            TrainingDiverged: the loss became NaN or infinite.
            OutOfMemory: the device had no memory left for the batch.
        """
        if self.done:
            return False
        with _interrupt_waits():
            self._in_step, self._began = True, time.perf_counter()
            try:
                if self.batch < self.batches:
                    self._train_batch()
                else:
                    self._test_batch()
            except BaseException as error:
                self._source = self._evaluator = None  # a next step takes the same batch again
                if not _is_out_of_memory(error):
                    raise
                self._out_of_memory(error)
            finally:
                self._in_step = False
                self._count_time()
        if self.checkpoint is not None and (
            self._stop or time.perf_counter() - self._saved_at > self.checkpoint_seconds
        ):
            self.save(self.checkpoint)
        return not self.done

    def run_for(self, seconds: float) -> bool:
        """Train for about ``seconds`` (one batch at least). True while work is left."""
        end = time.perf_counter() + seconds
        while self.step():
            if time.perf_counter() >= end:
                return True
        return False

    def stop(self) -> None:
        """End after the batch in progress; calling it again does nothing.

        The finished epochs stay in ``run``, and ``run.stopped`` is True. With ``checkpoint=`` the same
        call of :func:`fit` goes on from here.
        """
        if self.done:
            return
        self._stop = self.run.stopped = True
        self.run.provenance["wall_seconds"] = round(self._seconds, 3)
        if self.checkpoint is not None and not self._in_step:
            self.save(self.checkpoint)

    def finish(self) -> None:
        """End after the epoch in progress for good, as early stopping does: resuming does not go on."""
        self._finished = True

    # ----------------------------------------------------------------- progress

    @property
    def live(self) -> dict[str, Any]:
        """The epoch in progress: "epoch" (from 1), "epochs", "batch", "batches", "train_loss", "train_accuracy"
        (None before the first batch), "lr", "testing".
        """
        return {
            "epoch": min(self.epoch + 1, self.epochs),
            "epochs": self.epochs,
            "batch": self.batch,
            "batches": self.batches,
            "train_loss": self._loss_sum / self._seen if self._seen else None,
            "train_accuracy": self._correct / self._seen if self._seen else None,
            "lr": self.optimizer.param_groups[0]["lr"],
            "testing": self._evaluator is not None,
        }

    @property
    def fraction(self) -> float:
        """How much of the whole training is done, from 0 to 1."""
        # A test batch holds at least twice the images and needs no backward pass: it counts as one.
        each = self.batches + self._test_batches
        tested = self._evaluator.batch if self._evaluator is not None else 0
        return min(1.0, (self.epoch * each + self.batch + tested) / (self.epochs * each))

    @property
    def seconds_left(self) -> float | None:
        """An estimate from the time spent so far; None before the first batch."""
        return self._seconds * (1.0 - self.fraction) / self.fraction if self.fraction and self._seconds else None

    # ----------------------------------------------------------------- training

    def _train_batch(self) -> None:
        if self._source is None:
            self._open_epoch()
        x, y = next(self._source)
        if self.channels_last:
            x = x.contiguous(memory_format=torch.channels_last)
        if not self.model.training:
            self.model.train()
        self._set_learning_rate()
        with self._own_randomness():
            with autocast(self.device, self.amp_dtype):
                output = self.model(x)
            total, loss, logits = self._losses(output, y)
            if self.device.type == "cpu" and not math.isfinite(total.item()):
                self._diverged(total.item(), self.batch)  # before the weights take part
            self.optimizer.zero_grad(set_to_none=True)
            self.scaler.scale(total).backward()
        if self.clip_norm is not None:
            self.scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.model.parameters(), self.clip_norm)
        self.scaler.step(self.optimizer)
        self.scaler.update()

        right = y.argmax(dim=1) if y.ndim == 2 else y
        correct = (logits.detach().argmax(dim=1) == right).sum()
        self._pending.append((self.batch, len(y), loss.detach(), correct))
        self.batch += 1
        in_flight = 1 if self.device.type == "cpu" else _LOSSES_IN_FLIGHT
        if len(self._pending) >= in_flight or self.batch == self.batches:
            self._read_pending()

    def _open_epoch(self) -> None:
        self._source = iter(
            batches(
                self.data.train,
                self.batch_size,
                mean=self.data.mean,
                std=self.data.std,
                shuffle=True,
                seed=self.seed,
                epoch=self.epoch,
                augment=self.augment,
                device=self.device,
            )
        )
        for _ in range(self.batch):  # resumed within the epoch: these were trained on before
            next(self._source)

    def _set_learning_rate(self) -> None:
        factor = self.schedule((self.epoch * self.batches + self.batch) / (self.epochs * self.batches))
        for group in self.optimizer.param_groups:
            group["lr"] = group["initial_lr"] * factor

    @contextmanager
    def _own_randomness(self) -> Iterator[None]:
        """Dropout and the like draw from a stream of (seed, epoch, batch); the caller's stream is left alone."""
        seed = mixed_seed(self.seed, self.epoch, self.batch, 0x5EED)
        generators = [torch.default_generator]
        if self.device.type == "cuda":
            generators.append(torch.cuda.default_generators[self.device.index or 0])
        before = [generator.get_state() for generator in generators]
        for generator in generators:
            generator.manual_seed(seed)
        if self.device.type == "mps":  # whose generator is not public
            before_there = torch.mps.get_rng_state()
            torch.mps.manual_seed(seed)
        try:
            yield
        finally:
            for generator, state in zip(generators, before, strict=True):
                generator.set_state(state)
            if self.device.type == "mps":
                torch.mps.set_rng_state(before_there)

    def _criterion(self, logits: Tensor, y: Tensor) -> Tensor:
        logits = logits.float()
        if self.loss is not None:
            return self.loss(logits, y)
        return F.cross_entropy(logits, y, label_smoothing=self.label_smoothing)

    def _losses(self, output: Any, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(loss to minimize, loss of the main head, main logits); they differ by the auxiliary heads."""
        logits = main_output(output)
        loss = self._criterion(logits, y)
        if loss.ndim != 0:
            raise ValueError(
                f"loss must return one number for the batch and returned a tensor of shape {tuple(loss.shape)}: "
                "take the mean over the images."
            )
        if isinstance(output, Tensor):
            return loss, loss, logits
        rest = output[1] if len(output) == 2 and isinstance(output[1], list | tuple) else output[1:]
        heads = [head for head in rest if head is not None]
        weights = tuple(getattr(self.model, "auxiliary_weights", ()))
        if len(weights) != len(heads):
            raise ValueError(
                f"The model returned {len(heads)} auxiliary outputs in training mode, and its auxiliary_weights "
                f"are {weights!r}. Give it one weight for each, in order: model.auxiliary_weights = (0.3, 0.3)."
            )
        total = loss
        for weight, head in zip(weights, heads, strict=True):
            total = total + weight * self._criterion(head, y)
        return total, loss, logits

    def _read_pending(self) -> None:
        """Bring the waiting losses into the sums; the first that is not finite ends the training."""
        pending, self._pending = self._pending, []
        if not pending:
            return
        losses = torch.stack([loss for _, _, loss, _ in pending]).tolist()
        corrects = torch.stack([correct for _, _, _, correct in pending]).tolist()
        for (batch, count, _, _), loss, correct in zip(pending, losses, corrects, strict=True):
            if not math.isfinite(loss):
                self._diverged(loss, batch)
            self._loss_sum += loss * count
            self._correct += correct
            self._seen += count

    # ------------------------------------------------------- end of an epoch

    def _test_batch(self) -> None:
        if self._evaluator is None:
            self._evaluator = Evaluator(
                self.model,
                self.data.test,
                mean=self.data.mean,
                std=self.data.std,
                batch_size=self._test_batch_size,
                device=self.device,
                amp_dtype=self.amp_dtype,
                channels_last=self.channels_last,
                loss=self.loss,
            )
        if not self._evaluator.step():
            evaluation, self._evaluator = self._evaluator.result(), None
            self._end_epoch(evaluation)

    def _end_epoch(self, evaluation: Evaluation) -> None:
        if math.isnan(evaluation.loss):
            self._diverged(evaluation.loss, self.batches - 1)
        self._count_time()
        self.last_evaluation = evaluation
        self.run.history.append(
            {
                "epoch": self.epoch + 1,
                "train_loss": self._loss_sum / self._seen,
                "train_accuracy": self._correct / self._seen,
                "test_loss": evaluation.loss,
                "test_accuracy": evaluation.accuracy,
                "lr": self.optimizer.param_groups[0]["lr"],
                "seconds": round(self._epoch_seconds, 3),
            }
        )
        improved = self.run.best["epoch"] == self.epoch + 1
        self.epoch, self.batch, self._source = self.epoch + 1, 0, None
        self._loss_sum, self._correct, self._seen, self._epoch_seconds = 0.0, 0, 0, 0.0
        self.run.provenance["wall_seconds"] = round(self._seconds, 3)
        if improved:
            self._good_state = self.run.best_state = _copy_state(self.model)
        for callback in self.callbacks:
            callback(self.run, self)
        if self.checkpoint is not None:
            if improved:
                checkpoint_file.write(best_path(self.checkpoint), {"epoch": self.epoch, "model": self.run.best_state})
            self.save(self.checkpoint)

    def _count_time(self) -> None:
        now = time.perf_counter()
        self._epoch_seconds += now - self._began
        self._seconds += now - self._began
        self._began = now

    # ------------------------------------------------------------- what can fail

    def _diverged(self, loss: float, batch: int) -> None:
        self._failed = True
        rate = self.optimizer.param_groups[0]["lr"]
        self.model.load_state_dict(self._good_state)
        best = f"of epoch {self.run.best['epoch']}" if self.run.best_state is not None else "it started from"
        kept = f" The last checkpoint is {self.checkpoint}." if self.checkpoint and self.checkpoint.exists() else ""
        raise TrainingDiverged(
            f"The loss became {loss} in epoch {self.epoch + 1}, batch {batch + 1} of {self.batches}, at "
            f"lr={rate:.3g} ({self.run.config['optimizer']}). Try lr={rate / 10:.1g}, a warm-up "
            f"(schedule='warmup_cosine') or clip_norm=1.0. The model holds the weights {best} again, and this "
            f"error's .run has the {len(self.run.history)} finished epochs.{kept}",
            self.run,
        )

    def _out_of_memory(self, error: BaseException) -> None:
        self._failed = True
        self.optimizer.zero_grad(set_to_none=True)
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        smaller = f"Try batch_size={max(1, self.batch_size // 2)}"
        smaller += ", amp=True" if self.device.type == "cuda" and self.amp_dtype is None else ""
        raise OutOfMemory(
            f"{self.device} ran out of memory in epoch {self.epoch + 1}, batch {self.batch + 1} of {self.batches}, "
            f"with batch_size={self.batch_size} images of {tuple(self.data.train.images.shape[1:])}. {smaller} "
            f"or a smaller model, and delete models that you no longer need. This error's .run has the "
            f"{len(self.run.history)} finished epochs.",
            self.run,
        ) from error

    # -------------------------------------------------------------- checkpoints

    def save(self, path: str | Path) -> None:
        """Write everything that the rest of the training depends on to ``path``, atomically."""
        self._read_pending()
        content = {
            "identity": self._identity(),
            "epochs": self.epochs,
            "epoch": self.epoch,
            "batch": self.batch,
            "sums": [self._loss_sum, self._correct, self._seen],
            "seconds": [self._epoch_seconds, self._seconds],
            "finished": self._finished,
            "history": self.run.history,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            # The seed is the whole state of the random streams: see the module's first lines.
            "seed": self.seed,
        }
        checkpoint_file.write(Path(path), content)
        self._saved_at = time.perf_counter()

    def restore(self, path: str | Path) -> None:
        """Go on from where :meth:`save` was called, here or in a process that is gone.

        Raises:
            CheckpointError: damaged, or of another model, data set or set of arguments.
        """
        path = Path(path)
        content = checkpoint_file.read(path)
        remedy = "Pass resume=False to start again (it will be overwritten), or give another file as checkpoint=."
        theirs, ours = content["identity"], self._identity()
        differing = [key for key in ours if theirs.get(key) != ours[key]]
        if self.run.config["schedule"] is not None and content["epochs"] != self.epochs:
            differing.append("epochs")
            theirs, ours = {**theirs, "epochs": content["epochs"]}, {**ours, "epochs": self.epochs}
        if differing:
            said = "; ".join(f"{key}: {theirs.get(key)!r} there, {ours[key]!r} here" for key in differing)
            raise CheckpointError(f"The checkpoint {path} belongs to another training ({said}). {remedy}")
        try:
            self.model.load_state_dict(content["model"])
            self.optimizer.load_state_dict(content["optimizer"])
            self.scaler.load_state_dict(content["scaler"])
        except (RuntimeError, ValueError, KeyError) as error:
            reason = str(error).strip().splitlines()[0]
            raise CheckpointError(f"The checkpoint {path} does not fit this model ({reason}). {remedy}") from error
        self.epoch, self.batch = content["epoch"], content["batch"]
        self._loss_sum, self._correct, self._seen = content["sums"]
        self._epoch_seconds, self._seconds = content["seconds"]
        self._finished = content["finished"]
        self.run.history[:] = content["history"]
        self.run.provenance["wall_seconds"] = round(self._seconds, 3)
        self._pending, self._source, self._evaluator = [], None, None
        self._stop = self._failed = self.run.stopped = False
        self._good_state = _copy_state(self.model)
        if self.run.history and best_path(path).exists():
            best = checkpoint_file.read(best_path(path))
            # Killed between the two files, the best is of an epoch that is still to be repeated.
            if best["epoch"] == self.run.best["epoch"]:
                self.run.best_state = self._good_state = best["model"]

    # -------------------------------------------------------------- descriptions

    def _probe(self) -> None:
        """Two images through the model before anything else: a wrong shape should not wait for the first epoch."""
        x, _ = next(batches(self.data.train[:2], 2, mean=self.data.mean, std=self.data.std, device=self.device))
        modes = [(module, module.training) for module in self.model.modules()]
        self.model.eval()
        try:
            with torch.no_grad():
                logits = main_output(self.model(x))
        except (RuntimeError, IndexError) as error:
            if _is_out_of_memory(error):
                raise
            shape = tuple(self.data.train.images.shape[1:])
            raise ValueError(
                f"The model cannot take the images of {self.data.name!r}, which are (C, H, W) = {shape}: {error} "
                f"Build it for them (create_model(..., in_channels={shape[0]})), or load the data at another size."
            ) from error
        finally:
            for module, mode in modes:
                module.training = mode
        classes = len(self.data.classes)
        if logits.ndim != 2 or logits.shape[1] != classes:
            raise ValueError(
                f"The model's output for 2 images has shape {tuple(logits.shape)}; {self.data.name!r} has {classes} "
                f"classes and needs (2, {classes}). Build the model with num_classes={classes}."
            )

    def _config(self, spec: OptimizerSpec, name: str) -> dict[str, Any]:
        group = self.optimizer.param_groups[0]
        return {
            "model": getattr(self.model, "name", type(self.model).__name__),
            "parameters": sum(p.numel() for p in self.model.parameters()),
            "data": self.data.name,
            "train_images": len(self.data.train),
            "test_images": len(self.data.test),
            "image_shape": list(self.data.train.images.shape[1:]),
            "epochs": self.epochs,
            "batch_size": self.batch_size,
            "optimizer": name,
            "lr": group["initial_lr"],
            "momentum": group.get("momentum", None),
            "nesterov": spec.nesterov,
            "weight_decay": group.get("weight_decay", 0.0),
            "schedule": None if self.schedule is make_schedule(None) else _describe(self.schedule),
            "augment": _describe(self.augment),
            "label_smoothing": self.label_smoothing,
            "clip_norm": self.clip_norm,
            "loss": "cross_entropy" if self.loss is None else _describe(self.loss),
            "seed": self.seed,
            "precision": "float32" if self.amp_dtype is None else str(self.amp_dtype).removeprefix("torch."),
        }

    def _identity(self) -> dict[str, Any]:
        """What must be equal for a checkpoint to be of this training. Epochs may grow where no schedule counts them."""
        identity = {key: value for key, value in self.run.config.items() if key != "epochs"}
        identity["data_fingerprint"] = _fingerprint(self.data)
        return identity

    def _provenance(self) -> dict[str, Any]:
        return {
            **provenance(self.device),
            "data": self.data.name,
            "data_source": getattr(self.data, "source", ""),
            "seed": self.seed,
            "wall_seconds": 0.0,
        }


def fit(
    model: nn.Module,
    data: Dataset,
    *,
    epochs: int,
    batch_size: int = 128,
    optimizer: str | torch.optim.Optimizer = "sgd",
    lr: float | None = None,
    momentum: float = 0.9,
    nesterov: bool = False,
    weight_decay: float = 0.0,
    schedule: str | Schedule | None = None,
    augment: Augmentation | None = None,
    label_smoothing: float = 0.0,
    clip_norm: float | None = None,
    seed: int = 0,
    device: torch.device | str | None = None,
    amp: bool | None = None,
    loss: Loss | None = None,
    callbacks: Sequence[Callback | EpochEnd] = (),
    checkpoint: str | Path | None = None,
    resume: bool = True,
    checkpoint_seconds: float = 60.0,
    progress: bool = True,
) -> Run:
    """Train ``model`` on ``data.train`` and measure it on ``data.test`` after each epoch.

    The model is trained in place and keeps the weights of the last epoch;
    ``run.restore_best(model)`` brings back those of the best.

    Args:
        model: takes normalized images, (N, C, H, W) -> (N, K) with K the number of classes. In training mode
            it may return (logits, [auxiliary logits, ...]) if it has ``auxiliary_weights``, a weight for each.
        epochs: passes over the training images.
        batch_size: images in a batch.
        optimizer: "sgd", "adam", "adamw", "rmsprop", or a torch optimizer made from ``model.parameters()``.
        lr: base learning rate; None for the optimizer's default (SGD 0.05, the others 0.001).
        momentum, nesterov: of SGD.
        weight_decay: L2 penalty added to the gradient; decoupled in AdamW.
        schedule: None (constant), "cosine", "warmup_cosine", "step", "onecycle", one of the dataclasses in
            ``cnnlab.training.schedules``, or any function of the progress in [0, 1] that returns a factor.
        augment: from ``cnnlab.data.augment``.
        label_smoothing: share of the target that is spread over all classes (Szegedy et al., 2015).
        clip_norm: the gradient is scaled down to at most this L2 norm; None leaves it.
        seed: of order, augmentation and dropout. The initial weights are the caller's.
        device: None for CUDA, else MPS, else the CPU.
        amp: mixed precision: bfloat16 where the device has it, else float16 with loss scaling. None means on
            CUDA only; True on a CPU means bfloat16.
        loss: ``loss(logits, y) -> scalar``; None is cross-entropy. y holds class numbers (N,), or after
            mixup and CutMix probabilities (N, K).
        callbacks: objects with ``on_epoch_end(run, trainer)``, or functions of (run, trainer).
        checkpoint: a file that is written after each epoch and every ``checkpoint_seconds``; a second one
            beside it, named ``*.best.pt``, holds the best epoch's weights.
        resume: go on from ``checkpoint`` if it exists, at the very batch.
        progress: show a bar with the time left where somebody is looking: in a terminal or a notebook, not
            in a log, and not under CNNLAB_SCALE=smoke, so that executed chapters hold no bars.

    Returns:
        The record. Interrupted (Ctrl-C, or the notebook's stop button) it ends after the batch in progress
        and returns the epochs so far, with ``run.stopped`` True.

    Raises:
        ValueError: an argument, the data, or the model's output does not fit; the message says what would.
        TrainingDiverged, OutOfMemory: with ``.run``.
        CheckpointError: ``checkpoint`` is damaged or belongs to another training.
    """
    trainer = Trainer(
        model,
        data,
        epochs=epochs,
        batch_size=batch_size,
        optimizer=optimizer,
        lr=lr,
        momentum=momentum,
        nesterov=nesterov,
        weight_decay=weight_decay,
        schedule=schedule,
        augment=augment,
        label_smoothing=label_smoothing,
        clip_norm=clip_norm,
        seed=seed,
        device=device,
        amp=amp,
        loss=loss,
        callbacks=callbacks,
        checkpoint=checkpoint,
        resume=resume,
        checkpoint_seconds=checkpoint_seconds,
    )
    with _interrupt_stops(trainer), _progress_bar(trainer, progress) as bar:
        try:
            while trainer.step():
                bar()
        except KeyboardInterrupt:
            # Pressed twice, or raised by something else than our handler: the run is kept all the same.
            trainer._stop = trainer.run.stopped = True
        bar()
    if trainer.run.stopped:
        print(
            f"Stopped in epoch {trainer.epoch + 1} of {epochs}; the run has {len(trainer.run.history)} finished epochs."
        )
    return trainer.run


def best_path(checkpoint: Path) -> Path:
    """The file beside a checkpoint that holds the best epoch's weights."""
    return checkpoint.with_name(f"{checkpoint.stem}.best.pt")


@contextmanager
def _interrupt_stops(trainer: Trainer) -> Iterator[None]:
    """The first interrupt lets the batch in progress end; a second one breaks into it."""
    if threading.current_thread() is not threading.main_thread():
        yield  # Python delivers signals to the main thread only
        return
    before = signal.getsignal(signal.SIGINT)
    if not callable(before):  # ignored or not Python's: leave it so
        yield
        return

    def handle(number: int, frame: Any) -> None:
        if trainer._stop:
            before(number, frame)
        trainer.stop()

    signal.signal(signal.SIGINT, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _interrupt_waits() -> Iterator[None]:
    """Hold back the first KeyboardInterrupt to the end of the block: half a batch cannot be taken back.

    Where somebody else handles the signal (as `fit` does), or outside the main thread, nothing changes.
    """
    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    pressed = False

    def handle(number: int, frame: Any) -> None:
        nonlocal pressed
        if pressed:
            raise KeyboardInterrupt
        pressed = True

    signal.signal(signal.SIGINT, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if pressed:
        raise KeyboardInterrupt


@contextmanager
def _progress_bar(trainer: Trainer, wanted: bool) -> Iterator[Callable[[], None]]:
    """A function that brings the bar up to date; one that does nothing where nobody is looking."""
    notebook = "ipykernel" in sys.modules
    watched = notebook or sys.stdout.isatty()
    if not wanted or not watched or os.environ.get("CNNLAB_SCALE", "").strip().lower() == "smoke":
        yield lambda: None
        return
    from tqdm.auto import tqdm

    each = trainer.batches + trainer._test_batches

    def position() -> int:
        return round(trainer.fraction * trainer.epochs * each)

    def description() -> str:
        return f"epoch {min(trainer.epoch + 1, trainer.epochs)}/{trainer.epochs}"

    bar = tqdm(
        desc=description(),
        total=trainer.epochs * each,
        initial=position(),
        file=sys.stdout,
        ascii=True,
        leave=False,
        mininterval=0.2,
        miniters=0,
        unit="batch",
        bar_format="{desc} {percentage:3.0f}%|{bar}| {elapsed} spent, {remaining} left{postfix}",
    )
    shown = trainer.epoch

    def update() -> None:
        nonlocal shown
        if trainer.epoch != shown:
            shown = trainer.epoch
            bar.set_description_str(description(), refresh=False)
            if trainer.run.history:
                bar.set_postfix_str(f"test accuracy {trainer.run.final['test_accuracy']:.1%}", refresh=False)
        bar.update(position() - bar.n)

    try:
        yield update
    finally:
        bar.close()


def _check_whole(argument: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"{argument}={value!r} must be a whole number, 1 or more.")


def _check_data(data: Any) -> None:
    for part in ("train", "test"):
        images = getattr(data, part, None)
        if images is None:
            raise TypeError(
                f"data must be a data set with .train and .test, not {type(data).__name__}. "
                "cnnlab.load_dataset(name) and cnnlab.data.load_images(folder) make one."
            )
        if len(images) == 0:
            raise ValueError(
                f"data.{part} of {data.name!r} holds no images. "
                f"fit needs some to {'train' if part == 'train' else 'measure'} on."
            )
        low, high = int(images.labels.min()), int(images.labels.max())
        if low < 0 or high >= len(data.classes):
            raise ValueError(
                f"data.{part} of {data.name!r} has labels from {low} to {high}, and {len(data.classes)} classes allow "
                f"0 to {len(data.classes) - 1}. Number the labels from 0, or name all classes."
            )


def _resolve_device(device: torch.device | str | None) -> torch.device:
    chosen = default_device() if device is None else torch.device(device)
    if chosen.type == "cuda" and (not torch.cuda.is_available() or (chosen.index or 0) >= torch.cuda.device_count()):
        raise ValueError(
            f"device={str(device)!r} is not here: torch sees {torch.cuda.device_count()} CUDA devices. "
            "Leave device out to take the best there is."
        )
    if chosen.type == "mps" and not torch.backends.mps.is_available():
        raise ValueError(f"device={str(device)!r} is not here. Leave device out to take the best there is.")
    return chosen


def _resolve_amp(amp: bool | None, device: torch.device) -> torch.dtype | None:
    """The type of mixed precision, or None for float32 throughout."""
    if amp is False or (amp is None and device.type != "cuda"):
        return None
    if device.type == "cuda":
        # Compute capability 8.0 (Ampere) brought bfloat16; before it (Colab's T4 is 7.5) it is only emulated.
        return torch.bfloat16 if torch.cuda.get_device_capability(device) >= (8, 0) else torch.float16
    return torch.bfloat16 if device.type == "cpu" else torch.float16


@cache
def _keep_freed_memory() -> None:
    """Ask glibc to keep what each step frees for the next one, instead of handing it back to the system.

    By default the activations of every batch are fresh pages, which the kernel must clear: 1700 page faults
    a step for LeNet-5 with 128 images, a sixth of the time or more. The process keeps its largest size.
    """
    if not sys.platform.startswith("linux"):
        return
    import ctypes

    trim_threshold, mmap_threshold = -1, -3  # M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of malloc.h
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # another C library
        return
    mallopt(trim_threshold, 2**31 - 1)
    mallopt(mmap_threshold, 32 * 2**20)  # the most that glibc allows


def _has_batch_norm(model: nn.Module) -> bool:
    return any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in model.modules())


def _copy_state(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().cpu().clone() for name, value in model.state_dict().items()}


def _epoch_end(callback: Any) -> EpochEnd:
    if hasattr(callback, "on_epoch_end"):
        return callback.on_epoch_end
    if callable(callback):
        return callback
    raise TypeError(
        f"callbacks: {callback!r} has no method on_epoch_end(run, trainer) and is not a function of (run, trainer)."
    )


def _is_out_of_memory(error: BaseException) -> bool:
    if isinstance(error, (torch.cuda.OutOfMemoryError, MemoryError)):
        return True
    # MPS and the CPU have no class of their own for it.
    return isinstance(error, RuntimeError) and any(
        said in str(error) for said in ("out of memory", "can't allocate memory")
    )


def _describe(value: Any) -> str | None:
    """A text that is the same in another process: no memory addresses."""
    if value is None:
        return None
    text = repr(value)
    if " at 0x" in text:
        return getattr(value, "__qualname__", type(value).__qualname__)
    return text


def _fingerprint(data: Dataset) -> int:
    """A checksum of all labels and of some images: another subset or another order changes it."""
    images, labels = data.train.images, data.train.labels
    some: Iterable[Tensor] = images[:: max(1, len(images) // 64)].cpu().contiguous()
    return zlib.crc32(some.numpy().tobytes(), zlib.crc32(labels.cpu().numpy().tobytes()))
