"""A pretrained network learns the classes of a folder: a probe on its frozen features, and more if that is asked."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn

from cnnlab.classify.command import STRATEGIES
from cnnlab.classify.photos import Photos, seen_as_they_are
from cnnlab.classify.splitting import NAMES, Split
from cnnlab.data import Dataset, augment
from cnnlab.errors import unknown_name, whole_number
from cnnlab.training import evaluate, fit
from cnnlab.transfer import FeatureStore, Probe, StaleFeatures, extract_features, parameter_groups, probe, unfreeze

if TYPE_CHECKING:
    from cnnlab.models.network import Network
    from cnnlab.training import Evaluation, Run

__all__ = ["STRENGTHS", "Classifier", "learn", "put_probe"]

STRENGTHS = (10.0, 100.0, 1000.0)  # of the probe's penalty
_ITERATIONS = 300  # of its solver; where it has not arrived by then, a stronger penalty does better
_RATE = 3e-4  # of the head; each part before it moves half as fast as the one after it


@dataclass(frozen=True, eq=False)
class Classifier:
    """A network that has learned a folder, and how well.

    Attributes:
        model: with a head for the folder's classes, in evaluation mode, with ``.classes`` and ``.preprocess``.
        data: the pictures in three parts.
        photos, split: what it was made from.
        strategy: "probe" or "tune", whichever did better on the validation pictures.
        validation: strategy -> accuracy on the validation pictures.
        strength: of the probe's penalty.
        test: what it says of the test pictures, each looked at once.
        run: the training of "tune"; None for the probe.
        seconds: step -> how long it took.
    """

    model: Network
    data: Dataset
    photos: Photos
    split: Split
    strategy: str
    validation: dict[str, float]
    strength: float
    test: Evaluation
    run: Run | None
    seconds: dict[str, float]

    def __repr__(self) -> str:
        return (
            f"Classifier({getattr(self.model, 'name', type(self.model).__name__)}, {self.strategy}: "
            f"{self.test.accuracy:.1%} of {len(self.data.test)} test pictures, {len(self.data.classes)} classes)"
        )


def learn(
    photos: Photos,
    split: Split,
    store: str | Path,
    model: Network,
    *,
    strategy: str = "probe",
    epochs: int = 5,
    seed: int = 0,
    progress: bool = True,
    say: Callable[[str], None] = lambda line: None,
) -> Classifier:
    """Teach a pretrained network the classes of a folder, and measure it once.

    The features of all pictures are computed once and kept in ``store``, whatever the split. The strength of the
    probe's penalty is chosen on the validation pictures, and the probe then learns from these too. "tune" trains the
    whole network on from the probe, with a smaller rate the nearer a layer is to the picture; the epoch is chosen on
    the validation pictures, and so is whether it is taken at all.

    Args:
        model: with weights and ``.preprocess``, as ``cnnlab.create_model(name, weights="imagenet")`` gives it; it is
            left as it is.
        strategy: "probe", a minute for a few hundred pictures, or "tune", several.
        epochs: of "tune".
        say: gets a line at each step.

    Raises:
        ValueError: an unknown strategy.
        FeatureError: the store cannot be written or read.
    """
    if strategy not in STRATEGIES:
        raise unknown_name("strategy", strategy, STRATEGIES)
    epochs = whole_number("epochs", epochs, "Give 1 or more.")
    seconds: dict[str, float] = {}
    began = time.perf_counter()

    def done(step: str) -> None:
        nonlocal began
        seconds[step] = round(time.perf_counter() - began, 2)
        began = time.perf_counter()

    features = _features(photos, Path(store), model, progress, say)
    done("features")
    say(f"features: {features.dim} numbers a picture from {features.fingerprint.model}, kept in {features.path.name}")
    x, y = features.features, photos.labels
    judges = (x[split.validation], y[split.validation])
    chosen = probe(x[split.train], y[split.train], strengths=STRENGTHS, validation=judges, iterations=_ITERATIONS)
    validation = {"probe": chosen.validation_accuracy[chosen.strength]}
    done("probe")
    say(f"probe: penalty {chosen.strength:g}, {validation['probe']:.1%} of the validation pictures")
    data = _in_parts(photos, split)
    started = put_probe(copy.deepcopy(model), chosen, photos)
    run = None
    if strategy == "tune":
        tuned = copy.deepcopy(started)
        run = _tuned(tuned, data, epochs, seed, progress)
        validation["tune"] = run.best["validation_accuracy"]
        done("tune")
        say(f"tuned, best of {epochs} epochs: {validation['tune']:.1%} of the validation pictures")
    if run is not None and validation["tune"] > validation["probe"]:
        taken, model = "tune", tuned
    else:
        both = torch.cat([split.train, split.validation])
        again = probe(x[both], y[both], strengths=[chosen.strength], folds=None, iterations=_ITERATIONS)
        taken, model, run = "probe", put_probe(started, again, photos), None
    test = evaluate(model, data, batch_size=64)
    done("test")
    say(f"test: {test.accuracy:.1%} of {len(data.test)} pictures that nothing was chosen by ({taken})")
    return Classifier(model, data, photos, split, taken, validation, chosen.strength, test, run, seconds)


def _features(photos: Photos, store: Path, model: Network, progress: bool, say: Callable[[str], None]) -> FeatureStore:
    """Of all pictures, from the store if they are there."""
    asked = {"preprocess": seen_as_they_are(photos.preprocess), "progress": progress}
    while True:
        try:
            return extract_features(model, photos.pictures, store, **asked)
        except StaleFeatures as stale:  # those of the file, or those that an interrupted call has left beside it
            say(
                f"features: the pictures or the network have changed since {stale.path.name} was written: computed anew"
            )
            stale.path.unlink()


def _in_parts(photos: Photos, split: Split) -> Dataset:
    train, validation, test = (photos.pictures[getattr(split, name)] for name in NAMES)
    own = photos.preprocess
    source = f"image folder {photos.folder.name}"
    return Dataset(photos.folder.name, train, test, photos.classes, own.mean, own.std, source, own, validation)


def put_probe(model: Network, found: Probe, photos: Photos) -> Network:
    """The network with the probe as its head, so that it is one network again that can be saved, asked and explained.

    Args:
        model: changed in place.
        found: on what enters its head.
        photos: whose classes it knows from now on.

    Raises:
        ValueError: its head is no dense layer, or the probe lacks a class.
    """
    if not isinstance(model.head, nn.Linear):
        raise ValueError(
            f"The head of {model.name} is a {type(model.head).__name__}; a probe can take the place of a dense layer "
            "alone. Take another network, such as tf_efficientnet_lite0."
        )
    like = model.head.weight
    model.head = found.head().to(like.device, like.dtype)
    model.classes, model.preprocess = photos.classes, photos.preprocess
    return model.eval()


def _tuned(model: Network, data: Dataset, epochs: int, seed: int, progress: bool) -> Run:
    unfreeze(model)
    run = fit(
        model,
        data,
        epochs=epochs,
        batch_size=32,
        optimizer=torch.optim.AdamW(parameter_groups(model, _RATE, factor=0.5, weight_decay=0.01)),
        schedule="cosine",
        # A little off the middle; not mirrored, since nobody has said whether left and right matter here.
        augment=augment.Crop(max(1, data.shape[1] // 14), reflect=True),
        seed=seed,
        progress=progress,
    )
    run.restore_best(model)
    model.preprocess = data.preprocess
    model.eval()
    return run
