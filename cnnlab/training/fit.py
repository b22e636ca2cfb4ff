"""`fit`: a training from its first batch to its last, with a progress bar, and a Stop that keeps what there is."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cnnlab.devices import watched
from cnnlab.training.interrupts import interrupt_stops
from cnnlab.training.recipe import Recipe
from cnnlab.training.trainer import Trainer

if TYPE_CHECKING:
    import torch
    from torch import nn

    from cnnlab.data import Dataset, ImageSet
    from cnnlab.data.augment import Augmentation
    from cnnlab.training.callbacks import Callback, EpochEnd
    from cnnlab.training.ema import EMA
    from cnnlab.training.objective import Loss, Metric
    from cnnlab.training.run import Run
    from cnnlab.training.schedules import Schedule

__all__ = ["RECIPE", "fit"]

RECIPE = tuple(f.name for f in fields(Recipe))


def fit(
    model: nn.Module,
    data: Dataset | ImageSet | Iterable[tuple[torch.Tensor, Any]],
    *,
    validation: ImageSet | Iterable[tuple[torch.Tensor, Any]] | None = None,
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
    metrics: Mapping[str, Metric] | None = None,
    accumulate: int = 1,
    ema: float | EMA | None = None,
    batches_per_epoch: int | None = None,
    sync_batch_norm: bool = False,
    callbacks: Callback | Sequence[Callback | EpochEnd] = (),
    checkpoint: str | Path | None = None,
    resume: bool = True,
    checkpoint_seconds: float = 60.0,
    progress: bool = True,
) -> Run:
    """Train ``model`` on ``data`` and measure it after each epoch.

    The model is trained in place and keeps the weights of the last epoch;
    ``run.restore_best(model)`` brings back those of the best.

    Under ``torchrun --nproc-per-node=2 script.py`` the same call trains in several processes, each on its own GPU, or
    on processors (``device="cpu"``, gloo). Every batch is dealt to them, and torch's ``DistributedDataParallel``
    averages their gradients, so that the update is that of the whole batch, and no other learning rate is needed. The
    order of the pictures is that of a single process; augmentation and dropout are each process's own. Measures are of
    all pictures, each counted once, and the same in all processes. The first one prints and writes files; a training
    goes on from its checkpoint with any number of processes. All have to call with the same arguments; callbacks are
    called in each, where ``trainer.processes.main`` says which is the first. Batch norm looks at each process's own
    part of the batch, and the first one's running statistics are the model's: see ``sync_batch_norm``.

    Args:
        model: takes normalized images, (N, C, H, W) -> (N, K) with K the number of classes, or whatever ``loss`` takes.
            In training mode it may return (logits, [auxiliary logits, ...]) if it has ``auxiliary_weights``, a weight
            for each.
        data: a data set of ours, whose test set is measured after each epoch; with a validation set
            (:meth:`cnnlab.data.Dataset.split`) that one is, and the test set once at the end, as ``run.tested``. Or an
            image set; a torch ``DataLoader``; a torch ``Dataset`` of (picture, target), which is shuffled and cut into
            batches here; or any iterable that gives (x, y) anew each time, with a length or ``batches_per_epoch``. What
            a loader gives is trained on as it comes: floats, normalized by it (bytes are refused). Its random streams
            begin at (seed, epoch), so that it shuffles and draws alike in another run, and a resumed one goes on at
            its batch by going through those before it. What cannot be repeated is said in a line and in
            ``run.provenance``.
        validation: what is measured after each epoch, and what the best epoch is chosen on: the same kinds as ``data``,
            but no whole data set. None with a loader measures nothing; the best epoch is then that of the lowest
            training loss.
        epochs: passes over the training images.
        batch_size: images in a batch; a loader has its own. Of several processes it is the batch of all together, which
            their number must divide. Images at an epoch's end that are fewer than the processes are left out.
        optimizer: "sgd", "adam", "adamw", "rmsprop", or a torch optimizer made from ``model.parameters()``.
        lr: base learning rate; None for the optimizer's default (SGD 0.05, the others 0.001).
        momentum, nesterov: of SGD.
        weight_decay: L2 penalty added to the gradient; decoupled in AdamW.
        schedule: None (constant), "cosine", "warmup_cosine", "step", "onecycle", one of the dataclasses in
            ``cnnlab.training.schedules``, or any function of the progress in [0, 1] that returns a factor.
        augment: from ``cnnlab.data.augment``; or torchvision's transforms and functions of one picture, which cost a
            call a picture (:class:`cnnlab.data.augment.PerPicture`). A loader's batches are augmented as they come.
            Boxes, masks and key points (``data.teaching("objects")``, "masks" or "keypoints") go where the pixels go.
        label_smoothing: share of the target that is spread over all classes (Szegedy et al., 2015); not with ``loss``.
        clip_norm: the gradient is scaled down to at most this L2 norm; None leaves it.
        seed: of order, augmentation and dropout. The initial weights are the caller's.
        device: None for CUDA, else MPS, else the CPU.
        amp: mixed precision: bfloat16 where the device has it, else float16 with loss scaling. None means on
            CUDA only; True on a CPU means bfloat16 if the processor computes in it, and float32 if not. The run's
            config says which, as "precision".
        loss: ``loss(output, y) -> scalar``; None is cross-entropy, of class numbers (N,) or a class for each pixel
            (N, H, W). y is what the data give, tensors in dicts, lists, tuples and dataclasses included; or after mixup
            and CutMix probabilities (N, K). For several labels, probabilities and measured values
            ``cnnlab.training.objective`` has a table. A module, such as ``nn.CrossEntropyLoss(weight=...)``, moves to
            the device as the model does. A function of yours gets all that a model without ``auxiliary_weights``
            returns.
        metrics: name -> function of (output, y) that returns a number for each image (N,), or one, their mean; "iou"
            becomes "train_iou" and "test_iou" or "validation_iou". None measures what suits the targets: accuracy,
            pixel_accuracy, label_accuracy or absolute_error. What no mean over images gives is measured by an object
            with a method ``of_set`` as well, such as :class:`cnnlab.detection.Precision` and
            :class:`cnnlab.segmentation.MeanIoU`, and not while training.
        accumulate: batches whose gradients make one update, as one batch of so many times the size would (batch norm
            still looks at one batch at a time).
        ema: keep an exponential moving average of the weights as well, batch norm's statistics with them: a decay such
            as 0.999, or an :class:`EMA`. It is measured beside the weights themselves ("ema_loss", "ema_accuracy" in
            the history), changes nothing about them, and is ``run.ema_state``; ``run.restore_ema(model)`` gives it to
            the model. It is part of a checkpoint.
        batches_per_epoch: where data have no length, or an epoch shall be shorter than all of it.
        sync_batch_norm: of several processes, on GPUs alone: batch norm looks at the batch of all of them, by torch's
            ``SyncBatchNorm`` in place of the model's. It costs messages in each such layer; for few images each.
        callbacks: objects with ``on_epoch_end(run, trainer)`` or ``on_batch_end(run, trainer)``, or functions of (run,
            trainer), such as :class:`EarlyStopping`, :class:`CSVLogger` and :class:`TensorBoardLogger`.
        checkpoint: a file that is written after each epoch and every ``checkpoint_seconds``; a second one
            beside it, ``run.best.pt`` for ``run.pt``, holds the best epoch's weights, which
            :func:`cnnlab.training.load_best` reads (they are its "model").
        resume: go on from ``checkpoint`` if it exists, at the very batch, and if it is of this very training. Functions
            (a loss, a schedule, an augmentation of your own) are told apart by their names alone, so that one
            lambda passes for another. A line says where it goes on, or that it was already finished.
        progress: show a bar with the time left where somebody is looking: in a terminal or a notebook, not
            in a log, and not under CNNLAB_SCALE=smoke, so that executed chapters hold no bars. False also leaves
            out the line of ``resume``.

    Returns:
        The record. Interrupted (Ctrl-C, or the notebook's stop button) it ends after the batch in progress
        and returns the epochs so far, with ``run.stopped`` True.

    Raises:
        ValueError: an argument, the data, or the model's output does not fit; the message says what would.
        TrainingDiverged, OutOfMemory, DataError, ProcessLost: with ``.run``.
        CheckpointError: ``checkpoint`` is damaged, belongs to another training, or cannot be written: which is
            tried before the first batch, and if it fails later, the error has ``.run``.
    """
    given = locals()  # first of all: the arguments, and nothing else
    trainer = Trainer(
        model,
        data,
        Recipe(**{name: given[name] for name in RECIPE}),
        validation=validation,
        callbacks=callbacks,
        checkpoint=checkpoint,
        resume=resume,
        checkpoint_seconds=checkpoint_seconds,
    )
    main = trainer.processes.main
    progress = progress and main
    if main and (reason := trainer.run.provenance.get("not_repeatable")):
        print(f"Not repeatable: {reason}.")
    if progress and (said := _taken_up(trainer)):
        print(said)
    with interrupt_stops(trainer), _progress_bar(trainer, progress) as bar:
        try:
            while trainer.step():
                bar()
        except KeyboardInterrupt:
            # Pressed twice, or raised by something else than our handler: the run is kept all the same.
            trainer.stop(save=False)  # what the batch left half done must not reach the checkpoint
        bar()
    if trainer.run.stopped and main:
        print(
            f"Stopped in epoch {trainer.epoch + 1} of {epochs}; the run has {len(trainer.run.history)} finished epochs."
        )
    return trainer.run


def _taken_up(trainer: Trainer) -> str:
    """One line, in logs too, if the training did not begin here: who calls again should know that nothing was lost."""
    done = trainer.progress
    if not done.epoch and not done.batch:
        return ""
    where = f"the checkpoint {trainer.checkpoint.name}"
    if trainer.done:
        return f"Already finished: {where} has {done.epoch} of {trainer.epochs} epochs, and nothing is trained."
    if done.finished or done.epoch >= trainer.epochs:
        return f"Already trained: {where} has {done.epoch} of {trainer.epochs} epochs, and the test set is measured."
    batch = f", batch {done.batch + 1}" if done.batch else ""
    batch += f" of {trainer.batches}" if done.batch and trainer.batches else ""
    return f"Resumed at epoch {done.epoch + 1} of {trainer.epochs}{batch}, from {where}."


@contextmanager
def _progress_bar(trainer: Trainer, wanted: bool) -> Iterator[Callable[[], None]]:
    """A function that brings the bar up to date; one that does nothing where nobody is looking."""
    if not wanted or not watched(sys.stdout):
        yield lambda: None
        return
    from tqdm.auto import tqdm

    each = trainer.batches + trainer.test_batches

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
                bar.set_postfix_str(trainer.run.headline(), refresh=False)
        bar.update(position() - bar.n)

    try:
        yield update
    finally:
        bar.close()
