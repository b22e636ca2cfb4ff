"""One pass of pictures through a network, and what a layer of it says of each, kept on disk."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from cnnlab.devices import watched
from cnnlab.errors import reason_of, whole_number
from cnnlab.explain.looking import checked_layer, hooked
from cnnlab.files import Busy, alone
from cnnlab.models.network import Network
from cnnlab.modes import evaluating
from cnnlab.training.evaluation import model_device
from cnnlab.transfer.rows import RowFile, write_features
from cnnlab.transfer.store import (
    FeatureError,
    FeatureStore,
    Fingerprint,
    digest_of,
    opened,
    parts_of,
    stale,
    weights_digest,
)

if TYPE_CHECKING:
    from cnnlab.data import Dataset, ImageSet
    from cnnlab.preprocessing import Preprocess

    Pictures = ImageSet | Iterable[tuple[Tensor, Tensor]]
    Batch = tuple[Tensor, Tensor]  # the network's input (N, C, H, W) and the labels (N,)

__all__ = ["HEAD", "extract_features", "layer_outputs"]

HEAD = "what enters the head"


def extract_features(
    model: nn.Module,
    data: Dataset | Pictures | Mapping[str, Pictures],
    path: str | Path,
    *,
    layer: str | None = None,
    preprocess: Preprocess | None = None,
    batch_size: int = 64,
    half: bool = False,
    progress: bool = True,
) -> FeatureStore | dict[str, FeatureStore]:
    """What a layer of ``model`` says of every picture, in an HDF5 file; computed once and read ever after.

    A second call with the same model, weights, preprocessing and pictures finds the features in the file. One that was
    interrupted, or killed, goes on where it was. Features of anything else are refused, not used, and so is a second
    process that would write the same file.

    Args:
        model: put into evaluation mode for the pass, and back.
        data: a data set (its parts become "train", "test" and so on), some pictures in memory, a DataLoader or another
            iterable of (x, y) that a loop could feed to the network, or a dict of several. What comes from an iterable
            is not looked at, so that stale features of it are not noticed, and it has to come in the same order again.
        path: of the file.
        layer: its name, as in ``model.named_modules()``; maps (N, C, H, W) are averaged over height and width. None is
            what enters the head of a network of :func:`cnnlab.create_model`.
        preprocess: from pictures in memory to the network's input; None for ``model.preprocess``, which comes with
            official weights.
        batch_size: pictures that go through the network at a time.
        half: keep 16-bit floats: half the file, about three digits.
        progress: show a bar where somebody is looking.

    Returns:
        The store, or a dict with one for each part of a data set or dict.

    Raises:
        FeatureError: the file holds other features, is damaged, is being written by another process, or cannot be
            written; what was computed is kept.
        ValueError: an unknown layer, a network without a head or preprocessing where one is needed, no pictures, or
            labels that are not one whole number for each.
    """
    file = Path(path).expanduser()
    parts, single = _parts(data)
    batch_size = whole_number("batch_size", batch_size, "Give 1 or more.")
    prepare = preprocess or getattr(model, "preprocess", None)
    _check_layer(model, layer)
    name, weights = getattr(model, "name", type(model).__name__), weights_digest(model, layer)
    wanted = {
        part: Fingerprint(name, weights, layer or HEAD, *_seen(pictures, prepare)) for part, pictures in parts.items()
    }
    if _missing(file, wanted, parts, half):
        with _alone(file):
            # Looked at again: another process may have finished in the meantime.
            rows = {part: RowFile(file, part, wanted[part], half) for part in _missing(file, wanted, parts, half)}
            for part, row in rows.items():
                with _bar(part, parts[part], row.done, progress) as advance:
                    for x, y in _batches(parts[part], prepare, batch_size, row.done):
                        features = _features(model, x, layer)
                        with _kept(file, rows):
                            row.append(features, y)
                        advance(len(x))
                if not row.done:
                    raise ValueError(f"There are no pictures to extract features of: {part!r} is empty.")
            with _kept(file, rows):
                write_features(file, rows, {part: _classes(parts[part]) for part in rows}, model_device(model))
            for row in rows.values():
                row.remove()
    found = {part: FeatureStore(file, part) for part in parts}
    return next(iter(found.values())) if single else found


@contextmanager
def _alone(file: Path) -> Iterator[None]:
    """Raises: FeatureError: another process is writing the file, or nobody can."""
    with ExitStack() as held:
        try:
            held.enter_context(alone(file))
        except Busy as other:
            raise FeatureError(
                f"{file} is being written by {other}. Call extract_features again when that has finished, and it finds "
                "the features; or give another path."
            ) from None
        except OSError as error:
            raise FeatureError(
                f"{file} cannot be written ({reason_of(error)}); nothing has been computed yet. Give a path in a "
                "folder that can be written to."
            ) from None
        yield


@contextmanager
def _kept(file: Path, rows: Mapping[str, RowFile]) -> Iterator[None]:
    """Raises: FeatureError: the disk is full, or fails otherwise."""
    try:
        yield
    except OSError as error:
        done = sum(row.done for row in rows.values())
        raise FeatureError(
            f"{file} could not be written ({reason_of(error)}). The {done:,} pictures that are done are kept beside "
            "it: free some space and call extract_features again, and it goes on from there."
        ) from None


def _parts(data: Any) -> tuple[dict[str, Any], bool]:
    """(the parts by name, whether there is only one and no name for it)."""
    if isinstance(data, Mapping):
        if not data:
            raise ValueError("data is an empty dict: give the pictures of each part.")
        for name in data:
            if not isinstance(name, str) or not re.fullmatch(r"[\w-][\w .-]*", name):
                raise ValueError(f"data has a part {name!r}: name parts by letters, digits, spaces, - and _.")
        return dict(data), False
    if hasattr(data, "train") and hasattr(data, "test"):
        named = {name: getattr(data, name, None) for name in ("train", "validation", "test")}
        return {name: part for name, part in named.items() if part is not None}, False
    return {"all": data}, True


def _in_memory(pictures: Any) -> bool:
    return hasattr(pictures, "images") and hasattr(pictures, "labels")


def _seen(pictures: Any, prepare: Preprocess | None) -> tuple[str, str]:
    """What a fingerprint says of the preprocessing and of the data.

    Raises:
        ValueError: no pictures, or nothing that prepares those in memory.
    """
    if not _in_memory(pictures):
        return "the loader's", "a loader's"
    if len(pictures.labels) == 0:
        raise ValueError("There are no pictures to extract features of: the set is empty.")
    if prepare is None:
        raise ValueError(
            "preprocess=None, and the model has no .preprocess: give data.preprocess of the data that it was trained "
            "on, or take a network with weights='imagenet', which brings its own."
        )
    return repr(prepare), digest_of(pictures.images, pictures.labels)


def _missing(file: Path, wanted: dict[str, Fingerprint], parts: Mapping[str, Any], half: bool) -> list[str]:
    """The parts that the file does not have. Raises: FeatureError: it has one of them with other features."""
    if not file.exists():
        return list(wanted)
    with opened(file) as there:
        known = parts_of(there, file)
    for part in known:
        if part in wanted:
            found = FeatureStore(file, part)
            found.check(wanted[part])
            names = _classes(parts[part])
            if found.classes and names and found.classes != names:
                raise stale(file, f"class names ({', '.join(found.classes)} there, {', '.join(names)} here)")
            if found.half and not half:
                raise stale(file, "half (16-bit floats there, 32-bit ones here)")
    return [part for part in wanted if part not in known]


def _classes(pictures: Any) -> tuple[str, ...]:
    """The names of the classes: the set's, or those of what a loader reads, through subsets."""
    while pictures is not None:
        if names := getattr(pictures, "classes", None):
            return tuple(map(str, names))
        pictures = getattr(pictures, "dataset", None)
    return ()


def _batches(pictures: Any, prepare: Preprocess | None, batch_size: int, done: int) -> Iterator[Batch]:
    """The network's input, without the first ``done`` pictures."""
    if _in_memory(pictures):
        for start in range(done, len(pictures.labels), batch_size):
            images = pictures.images[start : start + batch_size]
            yield prepare(images), pictures.labels[start : start + batch_size]
        return
    for batch in pictures:
        if not isinstance(batch, tuple | list) or len(batch) != 2:
            raise ValueError(f"The loader gave a {type(batch).__name__}: batches (x, y) of tensors are needed.")
        x, y = (torch.as_tensor(item) for item in batch)
        if y.shape != (len(x),) or y.is_floating_point() or y.is_complex():
            raise ValueError(
                f"The loader gave {len(x)} pictures and labels of {y.dtype} with shape {tuple(y.shape)}: one whole "
                "number for each picture is needed. For other targets give the pictures' numbers, and look them up."
            )
        skipped = min(done, len(x))
        done -= skipped
        if skipped < len(x):
            yield x[skipped:], y[skipped:]


def _check_layer(model: nn.Module, layer: str | None) -> None:
    if layer is None:
        if not isinstance(model, Network):
            raise ValueError(
                f"layer=None: this {type(model).__name__} does not say what enters its head. Give the name of a layer, "
                "as in model.named_modules()."
            )
    else:
        checked_layer(model, layer)


def layer_outputs(model: nn.Module, x: Tensor, layers: Iterable[str]) -> dict[str, Tensor]:
    """What each of the layers says of a batch, averaged over height and width, in one pass and evaluation mode.

    Shape: (N, C, H, W) -> (N, K) for each layer; a layer of tokens (N, T, K) is averaged over the tokens.
    """
    found: dict[str, Tensor] = {}

    def keep(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, inputs: Any, output: Any) -> None:
            found[name] = _pooled(output, name)

        return hook

    with hooked(model, {name: keep(name) for name in layers}), evaluating(model), torch.no_grad():
        model(x.to(model_device(model)))
    return found


def _features(model: nn.Module, x: Tensor, layer: str | None) -> Tensor:
    if layer is not None:
        return layer_outputs(model, x, [layer])[layer]
    with evaluating(model), torch.no_grad():
        return _pooled(model.features(x.to(model_device(model))), HEAD)


def _pooled(output: Any, name: str) -> Tensor:
    if not isinstance(output, Tensor) or output.dim() < 2:
        raise ValueError(f"The layer {name!r} gives a {type(output).__name__} and no features (N, ...): name another.")
    output = output.detach().float()
    if output.dim() == 3:
        return output.mean(dim=1)
    # Copied, since a layer after it may work in place.
    return output.flatten(2).mean(dim=2) if output.dim() > 2 else output.clone()


@contextmanager
def _bar(part: str, pictures: Any, done: int, wanted: bool) -> Iterator[Callable[[int], None]]:
    if not wanted or not watched(sys.stdout):
        yield lambda count: None
        return
    from tqdm.auto import tqdm

    total = len(pictures.labels) if _in_memory(pictures) else None
    with tqdm(total=total, initial=done, desc=f"features of {part}", leave=False, ascii=True, unit="picture") as bar:
        yield bar.update
