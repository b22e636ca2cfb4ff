"""How much of the classes a straight line can tell apart: a linear classifier on features that stay as they are."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy
import torch
from torch import Tensor, nn

from cnnlab.errors import whole_number
from cnnlab.explain.looking import checked_layer
from cnnlab.transfer.features import layer_outputs
from cnnlab.transfer.store import FeatureStore

if TYPE_CHECKING:
    from cnnlab.data import ImageSet
    from cnnlab.preprocessing import Preprocess

__all__ = ["STRENGTHS", "Probe", "folded", "probe", "probe_layers"]

STRENGTHS = tuple(10.0**power for power in range(-4, 5))  # of the penalty: scikit-learn's C is one over it


@dataclass(frozen=True, eq=False)
class Probe:
    """A linear classifier and how it was chosen.

    Attributes:
        strength: of the L2 penalty, chosen by cross-validation on the training features alone.
        validation_accuracy: by strength, the mean over the folds, or of the validation pictures; empty where nothing
            was chosen (``folds=None``).
        classifier: scikit-learn's pipeline: each feature to mean 0 and variance 1 if so wanted, then logistic
            regression.
    """

    strength: float
    validation_accuracy: dict[float, float]
    classifier: Any

    def predict(self, features: Any) -> Tensor:
        """Shape: (N, dim) -> (N,) int64."""
        return torch.as_tensor(self.classifier.predict(_matrix(features)))

    def accuracy(self, features: Any, labels: Any = None) -> float:
        """Share of the features, or of a store's, whose class is told rightly."""
        if labels is None:
            if not isinstance(features, FeatureStore):
                raise TypeError("labels=None: give labels, or a FeatureStore, which has its own.")
            labels = features.labels
        return (self.predict(features) == torch.as_tensor(labels)).double().mean().item()

    def head(self) -> nn.Linear:
        """The probe as a dense layer, for the network whose features it was trained on: ``model.head = found.head()``.

        The network then answers as the probe does, and can be trained on from there.

        Raises:
            ValueError: its classes are not 0, 1, 2 and so on, so that they are no numbers of outputs.
        """
        *scalers, line = self.classifier
        if (classes := line.classes_.tolist()) != list(range(len(classes))):
            raise ValueError(
                f"The probe knows the classes {classes}, and a head has one output for each of 0 to "
                f"{max(classes)}: train the probe with examples of each class, numbered from 0."
            )
        # With two classes there is one line, whose two sides they are.
        ours, offset = (line.coef_, line.intercept_) if len(classes) > 2 else _two_sides(line)
        dim = line.coef_.shape[1]
        mean, scale = (scalers[0].mean_, scalers[0].scale_) if scalers else (numpy.zeros(dim), numpy.ones(dim))
        return folded(*(torch.as_tensor(numbers) for numbers in (ours, offset, mean, scale)))

    def __repr__(self) -> str:
        best = self.validation_accuracy.get(self.strength)
        said = "not validated" if best is None else f"{best:.1%} in validation"
        return f"Probe(strength={self.strength:g}, {said})"


def folded(weight: Tensor, bias: Tensor, mean: Tensor, scale: Tensor) -> nn.Linear:
    """A dense layer on features that does what (weight, bias) do on (features - mean) / scale.

    Shape: (C, F), (C,), (F,), (F,) -> a layer (N, F) -> (N, C), in float32.
    """
    weight = weight.double() / scale.double()
    layer = nn.Linear(weight.shape[1], len(weight))
    with torch.no_grad():
        layer.weight.copy_(weight)
        layer.bias.copy_(bias.double() - weight @ mean.double())
    return layer


def probe(
    features: Any,
    labels: Any = None,
    *,
    strengths: Sequence[float] = STRENGTHS,
    standardize: bool = True,
    folds: int | None = 5,
    seed: int = 0,
    iterations: int = 2000,
    validation: tuple[Any, Any] | None = None,
) -> Probe:
    """Multinomial logistic regression, its penalty chosen by stratified cross-validation.

    Args:
        features: (N, dim), a tensor or an array; or a :class:`FeatureStore`, which has its labels.
        labels: (N,), whole numbers.
        strengths: of the penalty, to choose from.
        standardize: bring each feature to mean 0 and variance 1 first, so that the penalty treats them alike. With few
            pictures it also stretches what hardly answered in them; rows of one length without it are then safer.
        folds: of the cross-validation; fewer where the smallest class has fewer pictures. None: there is one strength
            and nothing to choose, so the probe is trained once, on all features, and not once more for each fold.
        seed: of the folds.
        iterations: at most, of the solver.
        validation: features and labels to choose by in place of cross-validation, whose folds know nothing of groups:
            two pictures of one visit in two folds would choose for each other.

    Raises:
        ValueError: one class alone, a class with a single picture, several strengths and no way to choose, or shapes
            that do not agree.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if labels is None:
        if not isinstance(features, FeatureStore):
            raise ValueError("labels=None: give the labels, or a FeatureStore, which has its own.")
        labels = features.labels
    x, y = _matrix(features), numpy.asarray(torch.as_tensor(labels))
    if y.shape != (len(x),):
        raise ValueError(f"labels must have shape ({len(x)},), one for each row of the features, got {y.shape}.")
    if not numpy.isfinite(x).all():
        raise ValueError("The features hold NaN or infinity: look at the network and its preprocessing.")
    strengths = [float(strength) for strength in strengths]
    if not strengths or min(strengths) <= 0:
        raise ValueError(f"strengths={strengths!r} must be one number above 0 or more.")
    if folds is None:
        if len(strengths) > 1 or validation is not None:
            raise ValueError(
                f"folds=None chooses nothing: give one strength, not {len(strengths)}, and no validation=; or folds=5."
            )
    else:
        folds = whole_number("folds", folds, "Give 2 or more, or None for one strength alone.")
    kinds, counts = numpy.unique(y, return_counts=True)
    if len(kinds) < 2:
        raise ValueError(
            f"All {len(y)} labels are {kinds[0]}: there is nothing to tell apart. Give two classes or more."
        )
    if counts.min() < 2 and validation is None and folds is not None:
        raise ValueError(
            f"Class {kinds[counts.argmin()]} has one picture: cross-validation needs two of each class or more."
        )

    def classifier(strength: float) -> Any:
        scale = [StandardScaler()] if standardize else []
        return make_pipeline(*scale, LogisticRegression(C=1 / strength, max_iter=iterations))

    judges = None if validation is None else (_matrix(validation[0]), numpy.asarray(torch.as_tensor(validation[1])))

    def trials() -> Iterator[tuple[Any, ...]]:
        """(features, labels, features to judge by, their labels); one at a time, since each is a copy."""
        if judges is not None:
            yield x, y, *judges
            return
        splits = StratifiedKFold(min(max(folds, 2), int(counts.min())), shuffle=True, random_state=seed)
        for a, b in splits.split(x, y):
            yield x[a], y[a], x[b], y[b]

    found: dict[float, float] = {}
    learned: dict[float, Any] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a strength that does not converge is judged by its accuracy like the others
        if folds is None:
            return Probe(strengths[0], {}, classifier(strengths[0]).fit(x, y))
        for strength in strengths:
            right = []
            for xs, ys, *others in trials():
                fitted = classifier(strength).fit(xs, ys)
                right.append(fitted.score(*others))
            found[strength] = float(numpy.mean(right))
            if judges is not None:  # it has seen all that there is to learn from
                learned[strength] = fitted
        # Of equal ones the strongest penalty: the simplest classifier.
        best = max(sorted(found, reverse=True), key=lambda strength: round(found[strength], 6))
        return Probe(best, found, learned.get(best) or classifier(best).fit(x, y))


def probe_layers(
    model: nn.Module,
    train: ImageSet,
    test: ImageSet,
    layers: Iterable[str],
    *,
    preprocess: Preprocess | None = None,
    batch_size: int = 64,
    **options: Any,
) -> dict[str, float]:
    """How well a linear classifier on each layer tells the classes of ``test`` apart: name of the layer -> accuracy.

    Maps are averaged over height and width first, so that a layer is judged by what it has found and not by where.
    The features of all layers come from one pass. ``options`` are those of :func:`probe`.

    Raises:
        ValueError: an unknown layer, or no preprocessing.
    """
    names = [checked_layer(model, name, "layers") for name in layers]
    prepare = preprocess or getattr(model, "preprocess", None)
    if prepare is None:
        raise ValueError("preprocess=None, and the model has no .preprocess: give data.preprocess.")
    found: dict[str, dict[str, Tensor]] = {}
    for part, pictures in (("train", train), ("test", test)):
        blocks = [
            layer_outputs(model, prepare(pictures.images[start : start + batch_size]), names)
            for start in range(0, len(pictures.labels), batch_size)
        ]
        found[part] = {name: torch.cat([block[name] for block in blocks]).cpu() for name in names}
    return {
        name: probe(found["train"][name], train.labels, **options).accuracy(found["test"][name], test.labels)
        for name in names
    }


def _two_sides(line: Any) -> tuple[numpy.ndarray, numpy.ndarray]:
    sides = numpy.array([[-0.5], [0.5]])
    return sides * line.coef_, sides[:, 0] * line.intercept_


def _matrix(features: Any) -> numpy.ndarray:
    if isinstance(features, FeatureStore):
        features = features.features
    x = numpy.asarray(torch.as_tensor(features).detach().cpu(), dtype=numpy.float64)
    if x.ndim != 2 or not len(x):
        raise ValueError(f"features must have shape (N, dim), got {x.shape}; flatten or average maps first.")
    return x
