"""Networks of a reader's own: a class, or a function that builds one, under a name.

``cnnlab.register(MyNet)`` makes ``create_model("MyNet")``, ``list_models`` and the training lab know it. Nothing else
has to be said; what the paper is, and which layer the head, may be.
"""

from __future__ import annotations

import copy
import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from torch import nn

from cnnlab.models.registry import ModelInfo, Published, Size, add_own

__all__ = ["Builder", "copies_of", "OwnModel", "register", "called", "size_of"]

Built = TypeVar("Built", bound=Callable[..., nn.Module])
_ASKED = ("num_classes", "in_channels")


class Builder:
    """A class or function that builds a network, called with as much of num_classes and in_channels as it takes.

    Attributes:
        takes: which of the two. A function with ``**options`` takes num_classes, as torchvision's do.
    """

    def __init__(self, make: Callable[..., nn.Module], argument: str = "network") -> None:
        """
        Args:
            make: the class or function.
            argument: what it is called in an error.

        Raises:
            TypeError: it is neither.
            ValueError: it needs arguments that nobody would give.
        """
        if not callable(make) or isinstance(make, nn.Module):
            what = "a network that is built already" if isinstance(make, nn.Module) else f"a {type(make).__name__}"
            raise TypeError(
                f"{argument} is {what}: give the class, or a function that builds a new network each time it is called."
            )
        if isinstance(make, type) and not issubclass(make, nn.Module):
            raise TypeError(f"{argument}={make.__name__} is no network: give a class that derives from nn.Module.")
        self.make = make
        self.takes, needed = _parameters(make)
        if needed:
            said = called(make) or "this function"
            given = ", ".join(f"{name}=..." for name in needed)
            asked = "num_classes" if "num_classes" in self.takes else ""
            inside = f"num_classes=num_classes, {given}" if asked else given
            raise ValueError(
                f"{argument}: {said} cannot be built without {', '.join(needed)}. Give a function that says "
                f"{'it' if len(needed) == 1 else 'them'}: lambda {asked}: {said if called(make) else '...'}({inside})."
            )

    def __call__(self, **asked: int | None) -> nn.Module:
        """A new network.

        Raises:
            TypeError: what was built is none.
        """
        model = self.make(**{name: value for name, value in asked.items() if name in self.takes and value is not None})
        if not isinstance(model, nn.Module):
            raise TypeError(
                f"{called(self.make) or 'The function'} gave a {type(model).__name__}; it has to return an nn.Module."
            )
        return model

    def __repr__(self) -> str:
        return f"Builder({called(self.make) or self.make!r})"


def copies_of(model: nn.Module) -> Builder:
    """Builds copies of a network as it is now, parameters included."""
    kept = copy.deepcopy(model)
    return Builder(lambda: copy.deepcopy(kept))


@dataclass(frozen=True, kw_only=True)
class OwnModel(ModelInfo):
    """What is known of a network of the reader's own: what :func:`register` was told, and None for the rest."""

    name: str
    network: Builder  # type: ignore[assignment]
    family: str = "own"
    year: int | None = None  # type: ignore[assignment]
    paper: str | None = None  # type: ignore[assignment]
    url: str | None = None  # type: ignore[assignment]
    input_size: Size | None = None  # type: ignore[assignment]
    num_classes: int | None = None  # type: ignore[assignment]
    fixed_size: bool = False
    smallest: int = 1
    step: int = 1
    library: str | None = None
    published: Published | None = None
    head: str | None = None  # type: ignore[assignment]
    after: str | None = None
    auxiliary: tuple[str, ...] = ()
    variant: Any = None

    @property
    def takes(self) -> frozenset[str]:
        return self.network.takes

    def build(self, *, num_classes: int | None = None, in_channels: int | None = None) -> nn.Module:
        return self.network(num_classes=num_classes, in_channels=in_channels)


def register(
    network: Built | str | None = None,
    name: str | None = None,
    *,
    input_size: Size | None = None,
    num_classes: int | None = None,
    head: str | None = None,
    family: str = "own",
    year: int | None = None,
    paper: str | None = None,
    url: str | None = None,
) -> Any:
    """Let ``create_model``, ``list_models`` and the training lab know a network of your own.

        @cnnlab.register
        class MyNet(nn.Module): ...

        @cnnlab.register("my_net", input_size=(3, 64, 64))
        class MyNet(nn.Module): ...

        cnnlab.register(MyNet, "my_net")
        cnnlab.register(lambda num_classes=10: MyNet(width=32, classes=num_classes), "my_net_32")

    A name that was registered before is replaced, so that a notebook's cell can run again. The book's own tables and
    its zoo stay as they are.

    Args:
        network: a class, or a function that builds a network. It is called with ``num_classes=`` and ``in_channels=``
            where its signature has them, and has to be content with that.
        name: for ``create_model(name)``; None for the class's or function's own.
        input_size: (C, H, W) that it is made for; None for the ``input_size`` of the class, if it has one.
        num_classes: that it is built for where nobody says; None for its own default.
        head: which layer is the last one, such as "fc": for ``.head`` and ``.new_head`` of a
            :class:`cnnlab.models.Network`, and so that :func:`cnnlab.create_model` can count the classes of a file.
        family, year, paper, url: what a table of models says of it, where there is something to say.

    Returns:
        The class or function itself; with no network yet, the decorator.

    Raises:
        ValueError: the name is that of a network of cnnlab, there is no name, or the class needs further arguments.
        TypeError: it is neither a class of networks nor a function.
    """
    if network is None or isinstance(network, str):
        if network is not None and name is not None:
            raise TypeError(
                f"register({network!r}, {name!r}) has two names and no network: give register(MyNet, {name!r})."
            )
        facts = {"input_size": input_size, "num_classes": num_classes, "head": head}
        facts |= {"family": family, "year": year, "paper": paper, "url": url}
        return functools.partial(register, name=network or name, **facts)
    builder = Builder(network)
    said = name if name is not None else called(network)
    if not isinstance(said, str) or not said:
        raise ValueError(
            f"name={name!r}: {network!r} has no name of its own. Give one: cnnlab.register(..., 'my_net')."
        )
    add_own(
        OwnModel(
            name=said,
            network=builder,
            input_size=input_size if input_size is not None else size_of(network),
            num_classes=num_classes,
            head=head,
            family=family,
            year=year,
            paper=paper,
            url=url,
        )
    )
    return network


def called(make: Any) -> str | None:
    """The name of a class or function; None for a lambda or what has none."""
    name = getattr(make, "__name__", None)
    return name if isinstance(name, str) and name != "<lambda>" else None


def size_of(network: Any) -> Size | None:
    """(C, H, W) that a class or module says it is made for."""
    size = getattr(network, "input_size", None)
    return tuple(size) if isinstance(size, list | tuple) and len(size) == 3 else None  # type: ignore[return-value]


def _parameters(make: Callable[..., nn.Module]) -> tuple[frozenset[str], list[str]]:
    """(which of num_classes and in_channels it takes, what else it cannot do without)."""
    if isinstance(make, type) and make.__init__ is nn.Module.__init__:
        return frozenset(), []  # whose signature takes anything, and whose body nothing
    try:
        signature = inspect.signature(make).parameters.values()
    except (TypeError, ValueError):  # written in C
        return frozenset(), []
    by_name = [p for p in signature if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    takes = {p.name for p in by_name if p.name in _ASKED}
    if any(p.kind is p.VAR_KEYWORD for p in signature):
        takes.add("num_classes")
    alone = (p for p in signature if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD))
    return frozenset(takes), [p.name for p in alone if p.name not in takes]
