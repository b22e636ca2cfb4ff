"""The engine: :class:`Trainer` trains a step at a time; :func:`cnnlab.fit` drives it to the end.

Randomness. Nothing here draws from the global generators: the order of the images depends on (seed,
epoch), a batch's augmentation and its dropout on (seed, epoch, batch). Two trainings with equal
arguments and equal initial weights are therefore equal bit for bit on a CPU with the same number of
threads, whatever runs between their steps, and a training that was killed and resumed ends where
the undisturbed one does. On CUDA some kernels add in any order;
``torch.use_deterministic_algorithms(True)`` makes them repeatable, and slower.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from cnnlab.data.batching import batches, mixed_seed
from cnnlab.devices import keep_freed_memory
from cnnlab.training import checkpoint as checkpoint_file
from cnnlab.training.callbacks import EpochEnd, epoch_ends
from cnnlab.training.checkpoint import Progress
from cnnlab.training.checks import check_data, check_fit, check_model, has_batch_norm
from cnnlab.training.devices import is_out_of_memory, own_randomness, prefers_channels_last, resolve_amp, resolve_device
from cnnlab.training.errors import CheckpointError, OutOfMemory, TrainingDiverged
from cnnlab.training.evaluation import Evaluation, Evaluator, autocast, loss_on
from cnnlab.training.interrupts import interrupt_waits
from cnnlab.training.losses import losses
from cnnlab.training.optimizers import make_optimizer
from cnnlab.training.provenance import provenance
from cnnlab.training.recipe import Recipe
from cnnlab.training.run import Run
from cnnlab.training.schedules import make_schedule

if TYPE_CHECKING:
    from cnnlab.data import Dataset
    from cnnlab.training.callbacks import Callback

# How many batches' losses may wait on a GPU before they are looked at: reading each would stall it.
_LOSSES_IN_FLIGHT = 20


class Trainer:
    """Trains ``model`` on ``data`` in steps of one batch, so that whoever drives it can stop or look at any moment.

        trainer = Trainer(model, data, epochs=5)
        while trainer.run_for(0.2):   # or: while trainer.step()
            draw(trainer.live)
        trainer.run.final

    The arguments are those of :func:`cnnlab.fit`; those that a :class:`Recipe` holds are given by name or as one.

    Attributes:
        run: the record; its history grows by a row at the end of each epoch.
        recipe: what was asked for.
        progress: where the training is; ``epoch`` and ``batch`` (from 0) are short for its own.
        batches, test_batches: in an epoch, and in the test at its end.
        live: the epoch in progress as numbers.
        fraction, seconds_left: progress of the whole training.
        last_evaluation: the :class:`Evaluation` on the test set after the last finished epoch, or None.
    """

    def __init__(
        self,
        model: nn.Module,
        data: Dataset,
        recipe: Recipe | None = None,
        *,
        callbacks: Sequence[Callback | EpochEnd] = (),
        checkpoint: str | Path | None = None,
        resume: bool = True,
        checkpoint_seconds: float = 60.0,
        **arguments: Any,
    ) -> None:
        if recipe is not None and arguments:
            raise TypeError(f"recipe holds the arguments of the training: leave {', '.join(arguments)} out here.")
        recipe = recipe or Recipe(**arguments)
        check_model(model)
        check_data(data)

        self.recipe = recipe
        self.device = resolve_device(recipe.device)
        self.amp_dtype = resolve_amp(recipe.amp, self.device)
        self.channels_last = prefers_channels_last(model, data.train.images.shape[1:], self.device)
        self.model, self.data = model, data
        self.epochs, self.batch_size = recipe.epochs, recipe.batch_size
        self.schedule = make_schedule(recipe.schedule)
        self.callbacks = epoch_ends(callbacks)
        self.checkpoint = None if checkpoint is None else _checkpoint_file(checkpoint)
        self.checkpoint_seconds = checkpoint_seconds

        if self.device.type == "cpu":
            keep_freed_memory()
        model.to(self.device)
        if recipe.loss is not None:
            loss_on(recipe.loss, self.device)
        if self.channels_last and self.device.type == "cuda":
            # On a processor the images' layout decides, and the caller's weights keep theirs.
            model.to(memory_format=torch.channels_last)
        check_fit(model, data, self.device)
        self.optimizer = make_optimizer(model, recipe)
        for group in self.optimizer.param_groups:
            # An optimizer used before has its first rate; if its rate was set since then, that is meant.
            if group.get("cnnlab_lr") != group["lr"]:
                group["initial_lr"] = group["lr"]
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=self.amp_dtype is torch.float16)

        n = len(data.train)
        # Batch norm cannot train on one image whose feature map is a single pixel.
        drop_last = n > self.batch_size and n % self.batch_size == 1 and has_batch_norm(model)
        self.batches = n // self.batch_size if drop_last else math.ceil(n / self.batch_size)
        self._test_batch_size = max(2 * self.batch_size, 256)
        self.test_batches = math.ceil(len(data.test) / self._test_batch_size)

        self.progress = Progress()
        self.last_evaluation: Evaluation | None = None
        self._source: Iterator[tuple[Tensor, Tensor]] | None = None
        self._evaluator: Evaluator | None = None
        self._pending: list[tuple[int, int, Tensor, Tensor]] = []
        self._failed = self._in_step = False
        self._saved_at = time.perf_counter()
        self._good_state = _copy_state(model)

        self.run = Run(config=self._config(), provenance=self._provenance())
        if self.checkpoint is not None and resume and self.checkpoint.exists():
            self.restore(self.checkpoint)
        if self.checkpoint is not None and not self.done:
            weights = sum(value.nbytes for value in self._good_state.values())
            checkpoint_file.check_place(self.checkpoint, 2 * weights)  # the last ones and the best

    @property
    def epoch(self) -> int:
        """The epoch in progress, from 0."""
        return self.progress.epoch

    @property
    def batch(self) -> int:
        """The next batch of the epoch, from 0."""
        return self.progress.batch

    # --- driving -----------------------------------------------------------------------------------------------------

    @property
    def done(self) -> bool:
        """True when no work is left: all epochs done, stopped, or failed."""
        return self.epoch >= self.epochs or self.run.stopped or self.progress.finished or self._failed

    def step(self) -> bool:
        """One batch of training, or of the test at the end of an epoch. True while work is left.

        Raises:
            TrainingDiverged: the loss became NaN or infinite.
            OutOfMemory: the device had no memory left for the batch.
        """
        if self.done:
            return False
        with interrupt_waits():
            self._in_step, self._began = True, time.perf_counter()
            try:
                if self.batch < self.batches:
                    self._train_batch()
                else:
                    self._test_batch()
            except BaseException as error:  # an interrupt too, which is no Exception
                self._source = self._evaluator = None  # a next step takes the same batch again
                if not is_out_of_memory(error):
                    raise
                self._out_of_memory(error)
            finally:
                self._in_step = False
                self._count_time()
        due = time.perf_counter() - self._saved_at > self.checkpoint_seconds
        if self.checkpoint is not None and (self.run.stopped or due):
            self.save(self.checkpoint)
        return not self.done

    def run_for(self, seconds: float) -> bool:
        """Train for about ``seconds`` (one batch at least). True while work is left."""
        end = time.perf_counter() + seconds
        while self.step():
            if time.perf_counter() >= end:
                return True
        return False

    def stop(self, *, save: bool = True) -> None:
        """End after the batch in progress; calling it again does nothing.

        The finished epochs stay in ``run``, and ``run.stopped`` is True. With ``checkpoint=`` the same
        call of :func:`cnnlab.fit` goes on from here; ``save=False`` leaves that file as it is.
        """
        if self.done:
            return
        self.run.stopped = True
        self.run.provenance["wall_seconds"] = round(self.progress.seconds, 3)
        if save and self.checkpoint is not None and not self._in_step:
            self.save(self.checkpoint)

    def finish(self) -> None:
        """End after the epoch in progress for good, as early stopping does: resuming does not go on."""
        self.progress.finished = True

    # --- progress ----------------------------------------------------------------------------------------------------

    @property
    def live(self) -> dict[str, Any]:
        """The epoch in progress: "epoch" (from 1), "epochs", "batch", "batches", "train_loss", "train_accuracy"
        (None before the first batch), "lr", "testing".
        """
        done = self.progress
        return {
            "epoch": min(self.epoch + 1, self.epochs),
            "epochs": self.epochs,
            "batch": self.batch,
            "batches": self.batches,
            "train_loss": done.loss_sum / done.seen if done.seen else None,
            "train_accuracy": done.correct / done.seen if done.seen else None,
            "lr": self.optimizer.param_groups[0]["lr"],
            "testing": self._evaluator is not None,
        }

    @property
    def fraction(self) -> float:
        """How much of the whole training is done, from 0 to 1."""
        # A test batch holds at least twice the images and needs no backward pass: it counts as one.
        each = self.batches + self.test_batches
        tested = self._evaluator.batch if self._evaluator is not None else 0
        return min(1.0, (self.epoch * each + self.batch + tested) / (self.epochs * each))

    @property
    def seconds_left(self) -> float | None:
        """An estimate from the time spent so far; None before the first batch."""
        spent, done = self.progress.seconds, self.fraction
        return spent * (1.0 - done) / done if done and spent else None

    # --- training ----------------------------------------------------------------------------------------------------

    def _train_batch(self) -> None:
        if self._source is None:
            self._open_epoch()
        x, y = next(self._source)
        if self.channels_last:
            x = x.contiguous(memory_format=torch.channels_last)
        if not self.model.training:
            self.model.train()
        self._set_learning_rate()
        # Dropout and the like draw from a stream of (seed, epoch, batch).
        with own_randomness(self.device, mixed_seed(self.recipe.seed, self.epoch, self.batch, 0x5EED)):
            with autocast(self.device, self.amp_dtype):
                output = self._forward(x)
            total, loss, logits = losses(self.model, output, y, self.recipe)
            if self.device.type == "cpu" and not math.isfinite(total.item()):
                self._diverged(total.item(), self.batch)  # before the weights take part
            self.optimizer.zero_grad(set_to_none=True)
            self.scaler.scale(total).backward()
        if self.recipe.clip_norm is not None:
            self.scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.clip_norm)
        self.scaler.step(self.optimizer)
        self.scaler.update()

        right = y.argmax(dim=1) if y.ndim == 2 else y
        correct = (logits.detach().argmax(dim=1) == right).sum()
        self._pending.append((self.batch, len(y), loss.detach(), correct))
        self.progress.batch += 1
        in_flight = 1 if self.device.type == "cpu" else _LOSSES_IN_FLIGHT
        if len(self._pending) >= in_flight or self.batch == self.batches:
            self._read_pending()

    def _forward(self, x: Tensor) -> Any:
        try:
            return self.model(x)
        except ValueError as error:
            if len(x) > 1 or "more than 1 value per channel" not in str(error):
                raise
            raise ValueError(
                f"The model's batch norm cannot train on a batch of one image (batch_size={self.batch_size}, "
                f"{len(self.data.train)} training images): it needs more than one number for each channel. "
                "Give batch_size=2 or more, and two images or more."
            ) from error

    def _open_epoch(self) -> None:
        self._source = iter(
            batches(
                self.data.train,
                self.batch_size,
                mean=self.data.mean,
                std=self.data.std,
                shuffle=True,
                seed=self.recipe.seed,
                epoch=self.epoch,
                augment=self.recipe.augment,
                device=self.device,
            )
        )
        for _ in range(self.batch):  # resumed within the epoch: these were trained on before
            next(self._source)

    def _set_learning_rate(self) -> None:
        progress = (self.epoch * self.batches + self.batch) / (self.epochs * self.batches)
        given = self.schedule(progress)
        try:
            factor = float(given)  # a plain number: NumPy's would not be read back from a checkpoint
        except (TypeError, ValueError):
            factor = math.nan
        if not math.isfinite(factor):
            raise ValueError(
                f"schedule={self.recipe.schedule!r} gave {given!r} for the progress {progress:.3g}: it must return a "
                "finite number, the factor of the learning rate there."
            )
        for group in self.optimizer.param_groups:
            group["lr"] = group["cnnlab_lr"] = group["initial_lr"] * factor

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
            self.progress.loss_sum += loss * count
            self.progress.correct += correct
            self.progress.seen += count

    # --- end of an epoch ---------------------------------------------------------------------------------------------

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
                loss=self.recipe.loss,
            )
        if not self._evaluator.step():
            evaluation, self._evaluator = self._evaluator.result(), None
            self._end_epoch(evaluation)

    def _end_epoch(self, evaluation: Evaluation) -> None:
        if math.isnan(evaluation.loss):
            self._diverged(evaluation.loss, self.batches - 1)
        self._count_time()
        self.last_evaluation = evaluation
        done = self.progress
        self.run.history.append(
            {
                "epoch": self.epoch + 1,
                "train_loss": done.loss_sum / done.seen,
                "train_accuracy": done.correct / done.seen,
                "test_loss": evaluation.loss,
                "test_accuracy": evaluation.accuracy,
                "lr": self.optimizer.param_groups[0]["lr"],
                "seconds": round(done.epoch_seconds, 3),
            }
        )
        improved = self.run.best["epoch"] == self.epoch + 1
        done.end_epoch()
        self._source = None
        self.run.provenance["wall_seconds"] = round(done.seconds, 3)
        if improved:
            self._good_state = self.run.best_state = _copy_state(self.model)
        for callback in self.callbacks:
            callback(self.run, self)
        if self.checkpoint is not None:
            if improved:
                checkpoint_file.save_best(self.checkpoint, self)
            self.save(self.checkpoint)

    def _count_time(self) -> None:
        now = time.perf_counter()
        self.progress.epoch_seconds += now - self._began
        self.progress.seconds += now - self._began
        self._began = now

    # --- what can fail -----------------------------------------------------------------------------------------------

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

    # --- checkpoints -------------------------------------------------------------------------------------------------

    def save(self, path: str | Path) -> None:
        """Write everything that the rest of the training depends on to ``path``, atomically.

        Raises:
            CheckpointError: it cannot be written; an older file is as it was, and the training can go on.
        """
        self._read_pending()
        checkpoint_file.save(_checkpoint_file(path), self)
        self._saved_at = time.perf_counter()

    def restore(self, path: str | Path) -> None:
        """Go on from where :meth:`save` was called, here or in a process that is gone.

        Raises:
            CheckpointError: damaged, or of another model, data set or set of arguments.
        """
        self.progress = checkpoint_file.restore(_checkpoint_file(path), self)
        self.run.provenance["wall_seconds"] = round(self.progress.seconds, 3)
        self._pending, self._source, self._evaluator = [], None, None
        self._failed = self.run.stopped = False
        self._good_state = self.run.best_state or _copy_state(self.model)

    # --- descriptions ------------------------------------------------------------------------------------------------

    def _config(self) -> dict[str, Any]:
        group = self.optimizer.param_groups[0]
        return {
            "model": getattr(self.model, "name", type(self.model).__name__),
            "parameters": sum(p.numel() for p in self.model.parameters()),
            "data": self.data.name,
            "train_images": len(self.data.train),
            "test_images": len(self.data.test),
            "image_shape": list(self.data.train.images.shape[1:]),
            **self.recipe.config(),
            # What was left to the optimizer, or decided in one that was passed.
            "lr": group["initial_lr"],
            "momentum": group.get("momentum", None),
            "weight_decay": group.get("weight_decay", 0.0),
            "precision": "float32" if self.amp_dtype is None else str(self.amp_dtype).removeprefix("torch."),
        }

    def _provenance(self) -> dict[str, Any]:
        return {
            **provenance(self.device),
            "memory_format": "channels_last" if self.channels_last else "contiguous",
            "data": self.data.name,
            "data_source": getattr(self.data, "source", ""),
            "seed": self.recipe.seed,
            "wall_seconds": 0.0,
        }


def _checkpoint_file(path: str | Path) -> Path:
    """Raises: CheckpointError: it names a folder."""
    file = Path(path).expanduser()
    if not str(path) or file.is_dir():
        raise CheckpointError(f"checkpoint={str(path)!r} is a folder: give a file in it, such as {file / 'run.pt'}.")
    return file


def _copy_state(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().cpu().clone() for name, value in model.state_dict().items()}
