"""What is public: names that are imported on first use, and modules that offer their own names and no others.

``import cnnlab`` costs next to nothing on top of torch, and ``cnnlab.data.augment.<TAB>`` offers no ``Tensor``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from types import ModuleType
from typing import Any

__all__ = ["lazy_names", "show_public"]


def lazy_names(package: str, homes: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """``__getattr__`` and ``__dir__`` for a package's ``__init__``.

    Args:
        package: its ``__name__``.
        homes: public name -> module that defines it; a module's own name for a module that is public itself.
    """
    namespace = vars(sys.modules[package])

    def get(name: str) -> Any:
        if name not in homes:
            public = ", ".join(sorted(namespace["__all__"]))
            raise AttributeError(f"module {package!r} has no attribute {name!r}; it has {public}")
        module = import_module(homes[name])
        value = module if homes[name] == f"{package}.{name}" else getattr(module, name)
        namespace[name] = value  # the next look-up does not come here
        return value

    return get, lambda: sorted(namespace["__all__"])


def show_public(module: ModuleType) -> None:
    """Let ``dir`` of a module, and so every completion, give what its ``__all__`` says; of a package, in all of it.

    Python's own ``dir`` gives what a module imports as well.
    """
    if "__all__" in vars(module):
        vars(module).setdefault("__dir__", lambda: sorted(vars(module)["__all__"]))
    if "__path__" in vars(module):
        module.__class__ = _Package
        for name, value in list(vars(module).items()):
            _look_at(module, name, value)


class _Package(ModuleType):
    """A package that looks at each of its modules once Python has imported it, which then sets it as an attribute."""

    def __setattr__(self, name: str, value: object) -> None:
        super().__setattr__(name, value)
        _look_at(self, name, value)


def _look_at(package: ModuleType, name: str, value: object) -> None:
    if isinstance(value, ModuleType) and value.__name__ == f"{package.__name__}.{name}":
        show_public(value)
