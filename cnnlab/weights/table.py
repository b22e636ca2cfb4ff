"""The table of official checkpoints: each library's own, and those that lie in an installed package, side by side."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from types import ModuleType

from cnnlab.errors import unknown_name
from cnnlab.models.registry import list_models, model_info
from cnnlab.weights import package_weights, timm_weights, torchvision_weights
from cnnlab.weights.source import Source

__all__ = ["LIBRARIES", "libraries_of", "sources", "find_source"]

# By what a source calls its library.
LIBRARIES: dict[str, ModuleType] = {
    "torchvision": torchvision_weights,
    "timm": timm_weights,
    "package": package_weights,
}


def libraries_of(name: str) -> tuple[ModuleType, ...]:
    """Our modules for whoever publishes weights of the model ``name``, the first choice first; none for many models.

    Each has ``rows(name)``, ``published(name)``, ``fetch(source, folder, progress)`` and ``reference(source, path)``.
    """
    library = model_info(name).library
    installed = (package_weights,) if package_weights.rows(name) else ()
    return installed if library is None else (*installed, LIBRARIES[library])


def _rows(name: str) -> Iterator[Source]:
    """The rows of one model, of which one is the default; a library is imported when its first row is asked for.

    Raises:
        ModuleNotFoundError: all of them are timm's, and it is not installed.
    """
    some = False
    for library in libraries_of(name):
        try:
            more = library.rows(name)
        except ModuleNotFoundError:
            if not some:
                raise
            continue
        yield from (replace(row, default=row.default and not some) for row in more)
        some = some or bool(more)


def sources(pattern: str = "*") -> list[Source]:
    """Every official checkpoint that :func:`cnnlab.create_model` can load, for the models that match a shell pattern.

    timm's are known to timm itself: where it is not installed, the table has only the others.

    >>> import pandas
    >>> pandas.DataFrame(sources("resnet*"))  # doctest: +SKIP

    Raises:
        ModuleNotFoundError: all models that match are timm's, and it is not installed.
    """
    rows: list[Source] = []
    missing: ModuleNotFoundError | None = None
    for name in list_models(pattern, own=False):
        try:
            rows += _rows(name)
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
            torchvision, "tf_in1k" of timm, also written with what stands before the dot ("inception_v4.tf_in1k"); and
            "package" for one that was installed with a package and needs no network.
        in_channels: what the network was built for; None for the checkpoint's own.

    Raises:
        ValueError: no such checkpoint, or it was trained on another number of channels.
        ModuleNotFoundError: it is timm's, and timm is not installed.
    """
    given = getattr(weights, "name", weights)  # torchvision's enumerations have names
    key = given.rpartition(".")[2] if isinstance(given, str) else None
    # Lazily: a checkpoint of an installed package is found without importing timm, which takes seconds.
    meant = (row for row in _rows(name) if key == row.weights or (row.default and key in ("imagenet", "DEFAULT")))
    row = next(meant, None)
    if row is None:
        rows = list(_rows(name))
        if not rows:
            raise ValueError(
                f"weights={weights!r}: there are no official weights for {name!r}. Leave weights out and train it, "
                "or choose a network that has them, such as resnet50: cnnlab.weights.sources() lists all."
            )
        if any(key in library.published(name) for library in libraries_of(name)):
            raise ValueError(
                f"weights={given!r} of {name} belong to another network: no classifier of 1,000 classes, or one for "
                f"images of another size. Choose one of: {', '.join(repr(row.weights) for row in rows)}."
            )
        allowed = ["imagenet", "DEFAULT", *(row.weights for row in rows)]
        raise unknown_name("weights", given, allowed, f"cnnlab.weights.sources({name!r}) lists them.")
    if in_channels is not None and in_channels != row.in_channels:
        raise ValueError(
            f"in_channels={in_channels}: the weights {row.weights} of {name} were trained on {row.in_channels} "
            f"channels. Leave in_channels out and give gray images as x.expand(-1, {row.in_channels}, -1, -1), "
            "or leave weights out."
        )
    return row
