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
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from cnnlab.data.loaders import LoaderError
from cnnlab.devices import keep_freed_memory
from cnnlab.models.network import learned_from
from cnnlab.processes import is_lost, joined
from cnnlab.training import checkpoint as checkpoint_file
from cnnlab.training import ema, failures, records, states
from cnnlab.training.callbacks import EpochEnd, ask_columns, batch_ends, epoch_ends
from cnnlab.training.checkpoint import Progress
from cnnlab.training.checks import check_fit, check_model
from cnnlab.training.devices import is_out_of_memory, prefers_channels_last, resolve_amp, resolve_device
from cnnlab.training.errors import CheckpointError, TrainingError
from cnnlab.training.evaluation import Evaluation, loss_on
from cnnlab.training.interrupts import interrupt_waits
from cnnlab.training.objective import Objective
from cnnlab.training.optimizers import make_optimizer
from cnnlab.training.parallel import Together, Told, bare
from cnnlab.training.parts import make_parts, whole_set
from cnnlab.training.recipe import Recipe
from cnnlab.training.run import Run
from cnnlab.training.schedules import make_schedule
from cnnlab.training.updates import Read, brought_in, update

if TYPE_CHECKING:
    from cnnlab.data.sources import Source
    from cnnlab.training.callbacks import Callback

__all__ = ["Trainer"]

# How many batches' losses may wait on a GPU before they are looked at: reading each would stall it.
_LOSSES_IN_FLIGHT = 20


class Trainer:
    """Trains ``model`` on ``data`` in steps of one batch, so that whoever drives it can stop or look at any moment::

        trainer = Trainer(model, data, epochs=5)
        while trainer.run_for(0.2):   # or: while trainer.step()
            draw(trainer.live)
        trainer.run.final

    The arguments are those of :func:`cnnlab.fit`; those that a :class:`Recipe` holds are given by name or as one.

    Attributes:
        run: the record; its history grows by a row at the end of each epoch.
        recipe: what was asked for.
        progress: where the training is; ``epoch`` and ``batch`` (from 0) are short for its own.
        parts: the sources of the batches.
        batches, test_batches: in an epoch, and in the test at its end.
        image_shape: (C, H, W), of the first batch.
        live: the epoch in progress as numbers.
        fraction, seconds_left: progress of the whole training.
        processes: those that train together, this one among them; ``together`` keeps in step with them.
        averaged: the moving average of the weights, or None.
        last_evaluation: the :class:`Evaluation` on the measured set after the last finished epoch, or None.
    """

    def __init__(
        self,
        model: nn.Module,
        data: Any,
        recipe: Recipe | None = None,
        *,
        validation: Any = None,
        callbacks: Sequence[Callback | EpochEnd] = (),
        checkpoint: str | Path | None = None,
        resume: bool = True,
        checkpoint_seconds: float = 60.0,
        **arguments: Any,
    ) -> None:
        if recipe is not None and arguments:
            raise TypeError(f"recipe holds the arguments of the training: leave {', '.join(arguments)} out here.")
        recipe = recipe or Recipe(**arguments)
        self.processes = joined()
        given, model = model, bare(model, self.processes)
        check_model(model)

        self.recipe = recipe
        self.device = resolve_device(recipe.device, self.processes)
        self.amp_dtype = resolve_amp(recipe.amp, self.device)
        self.model, self.data, self.epochs = model, data, recipe.epochs
        self.schedule, self.checkpoint_seconds = make_schedule(recipe.schedule), checkpoint_seconds
        self.callbacks, self._batch_callbacks = epoch_ends(callbacks), batch_ends(callbacks)
        self.checkpoint = None if checkpoint is None else checkpoint_file.place(checkpoint)
        self.parts = make_parts(data, validation, recipe, model, self.device, self.processes)
        self.image_shape, self.batch_size = tuple(self.parts.train.first()[0].shape[1:]), self.parts.train.batch_size
        self.channels_last = prefers_channels_last(model, self.image_shape, self.device)

        if self.device.type == "cpu":
            keep_freed_memory()
        model.to(self.device)
        if self.channels_last and self.device.type == "cuda":
            # On a processor the images' layout decides, and the caller's weights keep theirs.
            model.to(memory_format=torch.channels_last)
        self.together = Together(self, given)
        self.objective = Objective(loss_on(recipe.loss, self.device), recipe.label_smoothing, recipe.metrics)
        check_fit(model, self.parts.train, self.objective, self.device)
        self.averaged = ema.started(self)
        self.parts.suit(self.objective)
        ask_columns(callbacks, records.columns(self))
        learned_from(model, whole_set(data))
        self.optimizer = make_optimizer(model, recipe)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=self.amp_dtype is torch.float16)

        self.batches: int = self.parts.train.batches or 0
        self.test_batches: int = ema.test_batches(self)
        self.progress = Progress()
        self.last_evaluation: Evaluation | None = None
        self._source: Iterator[tuple[Tensor, Any]] | None = None
        self.evaluator: Any = None
        self._pending: list[Read] = []
        self._failed = self._in_step = self._source_ended = False
        self.saved_at = time.perf_counter()
        self._good_state = states.copied(model)

        self.run = Run(config=records.config(self), provenance=records.provenance_of(self))
        if self.checkpoint is not None and resume and self.checkpoint.exists():
            self.restore(self.checkpoint)
        self.together.check_place()
        if self.checkpoint is not None and not self.done and self.processes.main:
            # The last weights and the best.
            checkpoint_file.check_place(self.checkpoint, 2 * states.size(self._good_state))

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
        """True when no work is left: all epochs done and the test set measured, stopped, or failed."""
        return self.run.stopped or self._failed or (self._trained and not self._test_is_due)

    @property
    def testing(self) -> bool:
        """Whether the step in progress, or the next one, measures."""
        return self._trained or self._source_ended or self.batch >= self.batches

    @property
    def _trained(self) -> bool:
        return self.epoch >= self.epochs or self.progress.finished

    @property
    def _test_is_due(self) -> bool:
        return self.parts.tested is not None and self.run.tested is None and bool(self.run.history)

    def step(self) -> bool:
        """One batch of training, or of the test at the end of an epoch. True while work is left.

        Raises:
            TrainingDiverged: the loss became NaN or infinite.
            DataError: a loader failed; a next step tries again.
            OutOfMemory: the device had no memory left for the batch.
        """
        if self.done:
            return False
        with interrupt_waits():
            self._in_step, self._began = True, time.perf_counter()
            try:
                if self._trained:
                    self._final_test_batch()
                elif not self.testing:
                    self._train_batch()
                    for callback in self._batch_callbacks:
                        callback(self.run, self)
                else:
                    self._test_batch()
            except BaseException as error:  # an interrupt too, which is no Exception
                self._source = self.evaluator = None  # a next step takes the same batch again
                if isinstance(error, LoaderError):
                    # Ctrl-C ends a loader's workers too: what they owe to a training that stops is not missed.
                    if not self.run.stopped:
                        self._keep()
                        raise failures.data_failed(self, error) from (error.__cause__ or error)
                elif self.processes.several and is_lost(error):
                    self._failed = not isinstance(error, Told)  # which all know, with the weights of the last update
                    self._keep()
                    raise failures.process_lost(self, error) from error
                elif not is_out_of_memory(error):
                    raise
                else:
                    self._failed = True
                    raise failures.out_of_memory(self) from error
            finally:
                self._in_step = False
                self._count_time()
        if self.checkpoint is not None and (self.together.save_is_due() or self.run.stopped):
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
        call of :func:`cnnlab.fit` goes on from here; ``save=False`` leaves that file as it is. Of several processes all
        stop before the next batch.
        """
        if self.done or (save and self.together.ask_to_stop()):
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
        or what else is measured (None before the first batch), "lr", "testing".
        """
        return records.live(self)

    @property
    def fraction(self) -> float:
        """How much of the whole training is done, from 0 to 1."""
        return records.fraction(self)

    @property
    def seconds_left(self) -> float | None:
        """An estimate from the time spent so far; None before the first batch."""
        spent, done = self.progress.seconds, self.fraction
        return spent * (1.0 - done) / done if done and spent else None

    # --- training ----------------------------------------------------------------------------------------------------

    def _train_batch(self) -> None:
        """One update of the weights, from one batch or from as many as ``accumulate`` says."""
        if self._source is None:
            self._open_epoch()
        wanted = min(self.recipe.accumulate, self.batches - self.batch)
        read = update(self, self._source, wanted)
        if self.run.stopped and not read:
            return
        self._pending += read
        self.progress.batch += len(read)
        if self.batch == 0:
            raise LoaderError(
                f"data ({self.parts.train.name}) gave no batch. An iterator can be gone through once: give the list of "
                "its batches, or an object whose __iter__ begins anew."
            )
        self._source_ended = len(read) < wanted  # a loader that gives fewer batches than it said
        if len(self._pending) >= (1 if self.device.type == "cpu" else _LOSSES_IN_FLIGHT) or self.testing:
            self._read_pending()

    def _open_epoch(self) -> None:
        self._source = self.parts.train.open(self.epoch)
        if not self.parts.train.not_repeatable:
            for _ in range(self.batch):  # resumed within the epoch: these were trained on before
                next(self._source, None)

    def _read_pending(self) -> None:
        """Bring the waiting losses into the sums; the first that is not finite ends the training."""
        pending, self._pending = self._pending, []
        if not pending:
            return
        for read, count, loss, sums, nan in brought_in(self, pending):
            if not math.isfinite(loss):
                raise self.diverged(loss, read.batch, nan)
            self.progress.add(count, loss, sums)

    # --- end of an epoch ---------------------------------------------------------------------------------------------

    def _test_batch(self) -> None:
        if self.evaluator is None:
            self.together.same_buffers()
        if self.parts.measured is None:
            self._end_epoch(None)
        elif (evaluation := self._measure(self.parts.measured)) is not None:
            self._end_epoch(evaluation)

    def _measure(self, source: Source) -> Evaluation | None:
        """A batch of a measurement; what came out of it after the last."""
        self.evaluator = self.evaluator or ema.measuring(self, source)
        if self.evaluator.step():
            return None
        evaluation, self.evaluator = self.evaluator.result(), None
        return evaluation

    def _final_test_batch(self) -> None:
        """Measure the test set, once, by the weights of the best epoch; the model keeps the last ones."""
        assert self.parts.tested is not None
        best, state = self.run.best["epoch"], self.run.best_state
        at = best if state is not None else self.epoch
        with states.weights(self.model, None if at == self.epoch else state):
            evaluation = self._measure(self.parts.tested)
        if evaluation is not None:
            self.run.tested = {"epoch": at, **evaluation.row("test"), **ema.row(self)}
            if self.checkpoint is not None:
                self.save(self.checkpoint)

    def _end_epoch(self, evaluation: Evaluation | None) -> None:
        if evaluation is not None and math.isnan(evaluation.loss):
            raise self.diverged(evaluation.loss, self.batches - 1)
        self._count_time()
        self.last_evaluation = evaluation
        done = self.progress
        self.run.history.append(records.row(self, evaluation))
        self.run.ema_state = None if self.averaged is None else self.averaged.state(self.model)
        improved = self.run.best["epoch"] == self.epoch + 1
        done.end_epoch()
        self._source, self._source_ended = None, False
        self.run.provenance["wall_seconds"] = round(done.seconds, 3)
        if improved:
            self._good_state = self.run.best_state = states.copied(self.model)
        for callback in self.callbacks:
            callback(self.run, self)
        done.finished = self.processes.any(done.finished)
        if self.checkpoint is not None:
            if improved and self.processes.main:
                checkpoint_file.save_best(self.checkpoint, self)
            self.save(self.checkpoint)

    def _count_time(self) -> None:
        now = time.perf_counter()
        self.progress.epoch_seconds += now - self._began
        self.progress.seconds += now - self._began
        self._began = now

    # --- what can fail -----------------------------------------------------------------------------------------------

    def diverged(self, loss: float, batch: int, nan: Any = None) -> TrainingError:
        """The error for a loss that is not finite; the training is over, and the model has good weights again."""
        self._failed = True
        self.model.load_state_dict(self._good_state)
        return failures.spoilt(self, batch) if nan is not None and bool(nan) else failures.diverged(self, loss, batch)

    def _keep(self) -> None:
        """Write what there is before an error that the training did not cause."""
        if self.checkpoint is not None and not self._failed:
            with suppress(CheckpointError):
                self.save(self.checkpoint)
            self.together.wait()

    # --- checkpoints -------------------------------------------------------------------------------------------------

    def save(self, path: str | Path) -> None:
        """Write everything that the rest of the training depends on to ``path``, atomically; all processes call it.

        Raises:
            CheckpointError: it cannot be written; an older file is as it was, and the training can go on.
        """
        self._read_pending()
        if self.processes.main:
            checkpoint_file.save(checkpoint_file.place(path), self)
        self.saved_at = time.perf_counter()

    def restore(self, path: str | Path) -> None:
        """Go on from where :meth:`save` was called, here or in a process that is gone.

        Raises:
            CheckpointError: damaged, or of another model, data set or set of arguments.
        """
        self.progress = checkpoint_file.restore(checkpoint_file.place(path), self)
        self.run.provenance["wall_seconds"] = round(self.progress.seconds, 3)
        self._pending, self._source, self.evaluator = [], None, None
        self._failed = self.run.stopped = self._source_ended = False
        if not self._trained:
            self.run.tested = None  # more epochs follow
        self._good_state = self.run.best_state or states.copied(self.model)
