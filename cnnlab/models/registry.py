"""The registry: which networks exist, and what is known of each without building it.

A model file decorates its network with ``@register_variants(VARIANTS, ...)``, where ``VARIANTS`` maps each
name to a frozen dataclass of hyperparameters. A new file in this folder needs nothing else. Networks of a reader's own
come by :func:`cnnlab.register` (own.py) and are kept apart, so that the tables of the book's networks stay the book's.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, TypeVar

from torch import nn

from cnnlab.errors import unknown_name
from cnnlab.models.network import Network

__all__ = [
    "Size",
    "Paper",
    "Published",
    "ModelInfo",
    "add_own",
    "register_variants",
    "model_info",
    "list_models",
    "models_of_family",
]

NetworkClass = TypeVar("NetworkClass", bound=type[Network])
Size = tuple[int, int, int]  # channels, height, width


@dataclass(frozen=True)
class Paper:
    """Where a network comes from."""

    year: int  # of the first public version
    title: str  # with the authors
    url: str


@dataclass(frozen=True)
class Published:
    """The accuracy that a paper printed for a network, in percent of the validation or test set."""

    top1: float
    top5: float | None  # None where the paper does not say, as for CIFAR's ten classes
    source: str  # which table or figure, how many crops, one network: "table 4, single network, 10 crops"
    dataset: str = "ImageNet"


@dataclass(frozen=True)
class ModelInfo:
    """What is known of a network without building it."""

    name: str
    family: str  # as the chapters call it: "ResNet", "LeNet"
    year: int  # of the first public version of the paper
    paper: str  # authors and title
    url: str
    input_size: Size  # (C, H, W) of the network as published
    num_classes: int  # of the network as published
    fixed_size: bool  # True: no other height and width will do
    smallest: int  # the least height and width (when not fixed)
    step: int  # other heights and widths are larger by a multiple of this: 16 for a U-Net, which halves four times
    library: str | None  # "torchvision" or "timm" where that library has the same network under the same name
    published: Published | None  # by the paper, of this very network; None where it printed nothing of it
    head: str  # which layer is the last one, with an output for each class: "fc", "layers.mlpconv4.cccp2"
    after: str | None  # what the network does with the head's output, in words; None: that is its answer
    auxiliary: tuple[str, ...]  # the last layers of the heads that serve in training alone, where the variant has them
    variant: Any  # the frozen dataclass that the network is built from
    network: type[Network]  # called as network(variant, num_classes=..., in_channels=...)

    @property
    def takes(self) -> frozenset[str]:
        """Which of num_classes and in_channels it can be built for."""
        return frozenset({"num_classes", "in_channels"})

    def build(self, *, num_classes: int, in_channels: int) -> nn.Module:
        """The bare network; :func:`cnnlab.create_model` tells it what it is."""
        return self.network(self.variant, num_classes=num_classes, in_channels=in_channels)


_REGISTRY: dict[str, ModelInfo] = {}
_OWN: dict[str, ModelInfo] = {}


def add_own(info: ModelInfo) -> None:
    """Keep a network of the reader's own, in the place of an earlier one of that name.

    Raises:
        ValueError: the name is of a network of the package.
    """
    _import_model_files()
    if info.name in _REGISTRY:
        raise ValueError(
            f"name={info.name!r} is taken by a network of cnnlab, which stays what it is. Choose another name."
        )
    _OWN[info.name] = info


def register_variants(
    variants: Mapping[str, Any],
    *,
    family: str,
    paper: Paper,
    num_classes: int,
    head: str,
    after: str | None = None,
    auxiliary: tuple[str, ...] = (),
    input_size: Size | None = None,
    fixed_size: bool = False,
    smallest: int = 1,
    step: int = 1,
    library: str | None = None,
    published: Mapping[str, Published] | None = None,
) -> Callable[[NetworkClass], NetworkClass]:
    """Class decorator: makes one model of ``network(variant, num_classes, in_channels)`` per variant.

    Args:
        variants: name -> frozen dataclass.
        family, num_classes, head, after, auxiliary, fixed_size, smallest, step, library: see :class:`ModelInfo`.
        paper: year, authors and title, address.
        input_size: (C, H, W); None when each variant carries its own ``input_size``.
        published: name -> what the paper says of its accuracy, for the variants that it tested.

    A variant with a field ``small_input: bool = False`` can also be built for pictures of about 32 pixels; the model
    file says what is left out then.
    """
    published = dict(published or {})
    if set(published) - set(variants):
        raise ValueError(f"published={sorted(set(published) - set(variants))} names no variant: {sorted(variants)}.")

    def decorate(network: NetworkClass) -> NetworkClass:
        for name, variant in variants.items():
            if name in _REGISTRY:
                raise ValueError(f"model name {name!r} is taken by {_REGISTRY[name].network.__qualname__}")
            _REGISTRY[name] = ModelInfo(
                name=name,
                family=family,
                year=paper.year,
                paper=paper.title,
                url=paper.url,
                input_size=input_size or variant.input_size,
                num_classes=num_classes,
                fixed_size=fixed_size,
                smallest=smallest,
                step=step,
                library=library,
                published=published.get(name),
                head=head,
                after=after,
                auxiliary=auxiliary,
                variant=variant,
                network=network,
            )
        return network

    return decorate


@functools.cache
def _import_model_files() -> None:
    package = importlib.import_module("cnnlab.models")
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"cnnlab.models.{module.name}")


def model_info(name: str) -> ModelInfo:
    """What is known of the model ``name`` without building it.

    Raises:
        ValueError: no such model; the message offers the nearest names.
    """
    _import_model_files()
    known = _REGISTRY | _OWN
    if name not in known:
        remedy = "cnnlab.list_models() lists every model, and cnnlab.register(MyNetwork) adds one of your own."
        raise unknown_name("name", name, known, remedy)
    return known[name]


def list_models(pattern: str = "*", *, own: bool = True) -> list[str]:
    """The names of the models that match a shell pattern, numbers in numerical order.

    >>> list_models("resnet??")
    ['resnet18', 'resnet34', 'resnet50']

    Args:
        pattern: the names that are wanted.
        own: also those of :func:`cnnlab.register`; False for the package's alone.
    """
    _import_model_files()
    names = (name for name in (_REGISTRY | _OWN if own else _REGISTRY) if fnmatchcase(name, pattern))
    return sorted(
        names,
        key=lambda name: [
            (part.isdigit(), int(part) if part.isdigit() else part) for part in re.findall(r"\d+|\D+", name)
        ],
    )


def models_of_family(family: str) -> list[ModelInfo]:
    """The models that the chapters call by one name, in the order of their registration."""
    return [info for info in _REGISTRY.values() if info.family == family]
