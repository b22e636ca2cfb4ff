"""The table of official checkpoints: each library's own, side by side."""

from __future__ import annotations

from types import ModuleType

from cnnlab.errors import unknown_name
from cnnlab.models.registry import list_models, model_info
from cnnlab.weights import timm_weights, torchvision_weights
from cnnlab.weights.source import Source


def library_of(name: str) -> ModuleType | None:
    """Our module for the library that publishes weights of the model ``name``; None if there is none.

    Each has ``rows(name)``, ``published(name)``, ``fetch(source, folder, progress)`` and ``reference(source, path)``.
    """
    return {"torchvision": torchvision_weights, "timm": timm_weights, None: None}[model_info(name).library]


def sources(pattern: str = "*") -> list[Source]:
    """Every official checkpoint that :func:`cnnlab.create_model` can load, for the models that match a shell pattern.

    timm's are known to timm itself: where it is not installed, the table has only torchvision's.

    >>> import pandas
    >>> pandas.DataFrame(sources("resnet*"))  # doctest: +SKIP

    Raises:
        ModuleNotFoundError: all models that match are timm's, and it is not installed.
    """
    rows: list[Source] = []
    missing: ModuleNotFoundError | None = None
    for name in list_models(pattern, own=False):
        library = library_of(name)
        if library is not None:
            try:
                rows += library.rows(name)
            except ModuleNotFoundError as error:
                missing = error
    if missing is not None and not rows:
        raise missing
    return rows


def find_source(name: str, weights: str, *, in_channels: int | None = None) -> Source:
    """The row of :func:`sources` that ``weights`` means for the model ``name``.

    Args:
        name: of the model.
        weights: "imagenet" for the recommended checkpoint, or one by the library's name: "IMAGENET1K_V2" of
            torchvision, "tf_in1k" of timm, also written with what stands before the dot ("inception_v4.tf_in1k").
        in_channels: what the network was built for; None for the checkpoint's own.

    Raises:
        ValueError: no such checkpoint, or it was trained on another number of channels.
        ModuleNotFoundError: it is timm's, and timm is not installed.
    """
    library = library_of(name)
    rows = library.rows(name) if library is not None else []
    if not rows:
        raise ValueError(
            f"weights={weights!r}: there are no official weights for {name!r}. Leave weights out and train it, "
            "or choose a network that has them, such as resnet50: cnnlab.weights.sources() lists all."
        )
    allowed = {row.weights: row for row in rows}
    allowed["imagenet"] = allowed["DEFAULT"] = next(row for row in rows if row.default)
    given = getattr(weights, "name", weights)  # torchvision's enumerations have names
    key = given.rpartition(".")[2] if isinstance(given, str) else None
    if key not in allowed:
        if key in library.published(name):
            raise ValueError(
                f"weights={given!r} of {name} belong to another network: no classifier of 1,000 classes, or one for "
                f"images of another size. Choose one of: {', '.join(repr(row.weights) for row in rows)}."
            )
        raise unknown_name("weights", given, allowed, f"cnnlab.weights.sources({name!r}) lists them.")
    row = allowed[key]
    if in_channels is not None and in_channels != row.in_channels:
        raise ValueError(
            f"in_channels={in_channels}: the weights {row.weights} of {name} were trained on {row.in_channels} "
            f"channels. Leave in_channels out and give gray images as x.expand(-1, {row.in_channels}, -1, -1), "
            "or leave weights out."
        )
    return row
