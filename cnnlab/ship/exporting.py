"""``torch.export``: the network's arithmetic as a program, and which layer is in the way where there is none."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from cnnlab.errors import reason_of
from cnnlab.files import replacing
from cnnlab.modes import evaluating

__all__ = [
    "ShipError",
    "FAR",
    "export",
    "export_to",
    "answer",
    "distance",
    "blame",
    "check_close",
    "program_of",
    "quiet",
]

FAR = 1e-4  # how far an exported network's numbers may be from its own, as a share of the largest


class ShipError(RuntimeError):
    """A network that cannot be exported, or whose export says something else."""


def export(model: nn.Module, pictures: Tensor) -> torch.export.ExportedProgram:
    """The network in evaluation mode as a program of ``torch.export``, for any number of pictures of this size.

    Args:
        model: on the CPU; it stays as it is.
        pictures: two or more, as the network takes them, by which its layers are followed. Shape: (N, C, H, W).

    Raises:
        TypeError, ValueError: what ``pictures`` may not be, or a network whose answer is no tensor.
        ShipError: it cannot be exported; the message names the layer.
    """
    answer(model, pictures)
    pictures = pictures.clone()  # a program keeps its example, and of a view all that it is a view of
    with evaluating(model):
        try:
            return program_of(model, pictures)
        except Exception as error:
            raise blame(model, pictures, "torch.export", program_of, error) from None


def export_to(model: nn.Module, pictures: Tensor, path: str | Path) -> Path:
    """Write :func:`export`'s program into a file that ``torch.export.load(path).module()`` reads, and compare it.

    Raises:
        TypeError, ValueError, ShipError: as :func:`export`; or what was read back says something else.
        OSError: the file cannot be written.
    """
    path = Path(path)
    program = export(model, pictures)
    with replacing(path) as part, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what torch says of its own format
        own = part.with_name(f"{part.name}.pt2")  # torch looks at the ending
        torch.export.save(program, own)
        own.replace(part)
        # A batch of another size than it was followed by shows whether its number was built in.
        with part.open("rb") as file:
            check_close(torch.export.load(file).module(), model, pictures[:1], "torch.export")
    return path


def program_of(model: nn.Module, *inputs: Any) -> torch.export.ExportedProgram:
    """Whatever is of the first input's length may be of any: that is the batch."""
    count = next(each.shape[0] for each in inputs if isinstance(each, Tensor) and each.ndim)
    batch = torch.export.Dim("batch", min=1)
    free = tuple(
        {0: batch} if isinstance(each, Tensor) and each.ndim and each.shape[0] == count else None for each in inputs
    )
    # Some versions log what the error says as well.
    with warnings.catch_warnings(), torch.no_grad(), quiet("torch.fx.experimental.symbolic_shapes"):
        warnings.simplefilter("ignore")
        return torch.export.export(model, tuple(inputs), dynamic_shapes=(free,) if _variadic(model) else free)


@contextmanager
def quiet(name: str | None = None) -> Iterator[None]:
    """This logger, the root's without a name, says errors alone; afterwards what it said before."""
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def _variadic(model: nn.Module) -> bool:
    """Whether forward takes ``*inputs``, which torch counts as one argument."""
    code = getattr(type(model).forward, "__code__", None)
    return code is not None and code.co_argcount == 1 and bool(code.co_flags & 4)


def answer(model: nn.Module, pictures: Tensor) -> Tensor:
    """What the network says of the pictures, in evaluation mode, if both are what can be shipped.

    Raises:
        TypeError: pictures that are no float tensor, or an answer that is no tensor.
        ValueError: fewer than two pictures, or not on the CPU; numbers that are not finite.
    """
    if not isinstance(pictures, Tensor) or not pictures.is_floating_point():
        kind = pictures.dtype if isinstance(pictures, Tensor) else type(pictures).__name__
        raise TypeError(
            f"pictures is {kind}; give floats as the network takes them, such as preprocess(picture)[None]."
        )
    if pictures.ndim != 4 or len(pictures) < 2:
        raise ValueError(
            f"pictures has the shape {tuple(pictures.shape)}; wanted (N, C, H, W) with two pictures or more, so that "
            "their number is seen to vary."
        )
    if not pictures.isfinite().all():
        raise ValueError("pictures has numbers that are not finite; give finite ones, such as pixels / 255.")
    if any(each.device.type != "cpu" for each in (pictures, *model.parameters(), *model.buffers())):
        raise ValueError("model and pictures must be on the CPU, where they are exported: model.cpu(), pictures.cpu().")
    with evaluating(model), torch.no_grad():
        said = model(pictures)
    if not isinstance(said, Tensor):
        raise TypeError(
            f"model answers with {type(said).__name__}; wanted is one tensor. Wrap it in one that picks one."
        )
    if not said.isfinite().all():
        raise ValueError("model answers with numbers that are not finite; nothing can be compared with them.")
    return said


def distance(found: Tensor, wanted: Tensor) -> float:
    """The largest difference of two answers, as a share of the largest number in the second."""
    return float((found - wanted).abs().max() / wanted.abs().max().clamp_min(torch.finfo(wanted.dtype).tiny))


def check_close(exported: Callable[[Tensor], Tensor], model: nn.Module, pictures: Tensor, form: str) -> float:
    """How far the two are apart.

    Raises:
        ShipError: further than 1e-4 of the largest number.
    """
    with evaluating(model), torch.no_grad():
        apart = distance(exported(pictures), model(pictures))
    if not apart <= FAR:
        raise ShipError(
            f"model: what {form} made of this {type(model).__name__} is {apart:.2g} of its largest number away from "
            f"it; allowed is {FAR:g}. Look for layers that draw random numbers or keep a state in evaluation mode."
        )
    return apart


# --- which layer ----------------------------------------------------------------------------------------------------


def blame(model: nn.Module, pictures: Tensor, form: str, attempt: Callable[..., Any], error: Exception) -> ShipError:
    """The error that names the innermost layer that cannot be exported by itself: each is tried with what it reads.

    Args:
        form: what was tried, in words.
        attempt: called with a layer and its inputs; raises where it cannot be exported.
        error: what it raised of the whole model, which is in evaluation mode.
    """
    read = _inputs(model, pictures)
    name, layer = "", model
    while found := _first_refused(name, layer, read, attempt):
        name, layer, error = found
    where = f"its layer {name!r} ({type(layer).__name__})" if name else "its own forward, not one of its layers,"
    return ShipError(
        f"model: {form} cannot follow this {type(model).__name__}: {where} fails: {reason_of(error)} Write it without "
        "Python decisions that depend on the numbers in a tensor (torch.where in place of if), or replace the layer."
    )


def _first_refused(
    name: str, layer: nn.Module, read: dict[str, tuple[Any, ...]], attempt: Callable[..., Any]
) -> tuple[str, nn.Module, Exception] | None:
    for inner, child in _called(name, layer, read):
        try:
            attempt(child, *read[inner])
        except Exception as error:
            return inner, child, error
    return None


def _called(name: str, layer: nn.Module, read: dict[str, tuple[Any, ...]]) -> Iterator[tuple[str, nn.Module]]:
    """The layers just below one that are called; of a list, which is not, its members."""
    for own, child in layer.named_children():
        full = f"{name}.{own}" if name else own
        if full in read:
            yield full, child
        else:
            yield from _called(full, child, read)


def _inputs(model: nn.Module, pictures: Tensor) -> dict[str, tuple[Any, ...]]:
    """What each layer reads; those called with keywords or without a tensor are left out, as they cannot be tried."""
    read: dict[str, tuple[Any, ...]] = {}

    def keep(name: str) -> Callable[..., None]:
        def hook(layer: nn.Module, inputs: tuple[Any, ...], keywords: dict[str, Any]) -> None:
            if not keywords and any(isinstance(each, Tensor) and each.ndim for each in inputs):
                read.setdefault(name, inputs)

        return hook

    handles = [
        layer.register_forward_pre_hook(keep(name), with_kwargs=True) for name, layer in model.named_modules() if name
    ]
    try:
        with torch.no_grad():
            model(pictures)
    finally:
        for handle in handles:
            handle.remove()
    return read
