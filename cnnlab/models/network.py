"""What every network here has beside its layers: a trunk, a head, and a fresh head for other classes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from cnnlab.errors import whole_number
from cnnlab.meta import on_meta
from cnnlab.prediction import predict, unwrapped

if TYPE_CHECKING:
    from cnnlab.models.registry import ModelInfo, Size
    from cnnlab.prediction import Prediction, Predictions
    from cnnlab.preprocessing import Preprocess

__all__ = ["Network", "learned_from", "parts_in_order"]


class Network(nn.Module):
    """An ``nn.Module`` that knows its head, the layer with an output for each class; all before it is the trunk.

    A model file calls that layer what its paper does and names it once: ``@register_variants(..., head="fc8")``. What
    follows works with networks that :func:`cnnlab.create_model` has built, which sets these attributes.
    """

    name: str
    info: ModelInfo
    input_size: Size  # (C, H, W)
    # What it has learned to tell apart, and from what; with official weights or after a training on a `Dataset`.
    classes: tuple[str, ...] | None
    preprocess: Preprocess

    @property
    def head(self) -> nn.Module:
        """The last layer. ``model.head = layer`` puts another one into its place."""
        return self.get_submodule(self._known().head)

    @property
    def head_names(self) -> tuple[str, ...]:
        """Which layers have an output for each class: the head, then the last layers of auxiliary heads."""
        info = self._known()
        there = {name for name, _ in self.named_modules()}
        return (info.head, *(name for name in info.auxiliary if name in there))

    def features(self, x: Tensor) -> Tensor:
        """What enters the head: ``model.head(model.features(x))`` is ``model(x)``.

        Where ``model.info.after`` names something, that comes between the two. Dropout and batch norm behave as the
        model's mode says; call ``model.eval()`` first for the same features each time.

        Shape: (N, C, H, W) -> (N, F); (N, F, H', W') where the head is a convolution.
        """
        entered: list[Tensor] = []

        def keep(layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            entered.append(inputs[0])

        hook = self.head.register_forward_pre_hook(keep)
        try:
            self(x)
        finally:
            hook.remove()
        return entered[0]

    def new_head(self, num_classes: int, *, generator: torch.Generator | None = None) -> nn.Module:
        """Put a fresh head for ``num_classes`` into the model, and into its auxiliary heads; nothing else changes.

        Its parameters start as the network's own do, on the old head's device and in its number format, and are
        trained also where the old ones were frozen.

        Args:
            num_classes: outputs of the new head.
            generator: of the random numbers, on the CPU; None for torch's own, as in :func:`cnnlab.create_model`.

        Returns:
            The new ``model.head``.

        Raises:
            ValueError: ``num_classes`` is no positive whole number, or the generator is not on the CPU.
        """
        num_classes = whole_number("num_classes", num_classes, "Give the number of classes to tell apart.")
        info = self._known()
        size = getattr(self, "input_size", None)  # a reader's own network may not have said
        with _drawing_from(generator), on_meta(but=num_classes):  # the twin costs a head, not a network
            twin = info.build(num_classes=num_classes, in_channels=size and size[0])
        for name in self.head_names:
            old, fresh = self.get_submodule(name), twin.get_submodule(name)
            like = next(chain(old.parameters(), old.buffers(), self.parameters()))
            self._put(name, fresh.to(like.device, like.dtype).train(old.training))
        if hasattr(self, "classes"):
            self.classes = None  # the names of the old ones
        return self.head

    def predict(self, pictures: Any, **options: Any) -> Prediction | Predictions:
        """Which classes a file, a picture, a list of them or a folder shows: ``cnnlab.predict(self, pictures)``."""
        return predict(self, pictures, **options)

    def __setattr__(self, name: str, value: Any) -> None:
        if name != "head":
            super().__setattr__(name, value)
        elif "info" not in self.__dict__:
            raise AttributeError(
                f"{type(self).__name__}.head is the layer that register_variants(head=...) names: call that layer "
                "otherwise."
            )
        elif not isinstance(value, nn.Module):
            raise TypeError(f"head={value!r} is a {type(value).__name__}; give an nn.Module.")
        else:
            self._put(self.info.head, value)

    def _put(self, name: str, layer: nn.Module) -> None:
        owner, _, own = name.rpartition(".")
        setattr(self.get_submodule(owner), own, layer)

    def _known(self) -> ModelInfo:
        if "info" not in self.__dict__:
            raise RuntimeError(
                f"This {type(self).__name__} was built without cnnlab.create_model, which tells a network what its "
                "head is."
            )
        if self.info.head is None:
            raise RuntimeError(
                f"{self.info.name} was registered without its head. Say which layer has an output for each class: "
                "cnnlab.register(..., head='fc')."
            )
        return self.info


@contextmanager
def _drawing_from(generator: torch.Generator | None) -> Iterator[None]:
    """torch's own random numbers come from this generator, which goes on where they end."""
    if generator is None:
        yield
        return
    if not isinstance(generator, torch.Generator) or generator.device.type != "cpu":
        raise ValueError(
            f"generator={generator!r} is not allowed: give a torch.Generator on the CPU, such as "
            "torch.Generator().manual_seed(0), or None."
        )
    with torch.random.fork_rng(devices=[]):
        torch.set_rng_state(generator.get_state())
        yield
        generator.set_state(torch.get_rng_state())


def learned_from(model: nn.Module, data: Any) -> None:
    """A network of ours has the data set's classes and preprocessing from here on; other modules are left alone."""
    model, preprocess = unwrapped(model), getattr(data, "preprocess", None)
    if isinstance(model, Network) and preprocess is not None:
        model.classes, model.preprocess = tuple(data.classes), preprocess


def parts_in_order(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """(name, module) of the model's parts, in the order of their definition.

    A part is a direct child of the model, and where a child is a sequence (``stages``), each of its members is one.
    """
    for name, child in model.named_children():
        if isinstance(child, nn.Sequential | nn.ModuleList) and len(child) > 1:
            yield from ((f"{name}.{key}", member) for key, member in child.named_children())
        else:
            yield name, child
