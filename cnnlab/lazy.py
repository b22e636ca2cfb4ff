"""Public names that are imported on first use, so that ``import cnnlab`` costs next to nothing on top of torch."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


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
