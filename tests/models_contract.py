"""What every model has to satisfy is in test_models.py; here is against what, collected from tests/zoo.

To add a model: register it in cnnlab/models, and write tests/zoo/test_<its file>.py with

    REFERENCES  name -> Reference, or a function that makes it where that takes time. Models that torchvision or timm
                has under the same name (``library=`` of the registry) need no row: the library is the reference.
    FAULTS      name -> {what is wrong: function that breaks a model in place}; two or more for each network class, on
                its smallest variant. The models named here are the ones that ``make test`` compares output for output,
                without and with the faults.
    FULL        names too large to build or count in every run (``make test-full`` has them).

and the paper's own tables as tests. The tests in test_models.py fail until both are there.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
from collections.abc import Callable

from torch import nn

import tests.zoo
from cnnlab.models import model_info
from cnnlab.weights import sources
from tests.contract import Fault, Reference, of_library

Row = Reference | Callable[[], Reference]
_FACTS = [importlib.import_module(f"tests.zoo.{m.name}") for m in pkgutil.iter_modules(tests.zoo.__path__)]
REFERENCES: dict[str, Row] = {name: row for facts in _FACTS for name, row in getattr(facts, "REFERENCES", {}).items()}
FAULTS: dict[str, dict[str, Fault]] = {
    name: row for facts in _FACTS for name, row in getattr(facts, "FAULTS", {}).items()
}
FULL: frozenset[str] = frozenset(name for facts in _FACTS for name in getattr(facts, "FULL", ()))


# One model for each network class: the first that has faults planted, which is a small one.
_KINDS: dict[type[nn.Module], str] = {}
for _name in FAULTS:
    _KINDS.setdefault(model_info(_name).network, _name)
ONE_OF_EACH = list(_KINDS.values())


@functools.cache
def reference(name: str) -> Reference | None:
    """The row of a model, made from the library's own numbers where the library has it; None if there is none."""
    if name in REFERENCES:
        row = REFERENCES[name]
        return row if isinstance(row, Reference) else row()
    info = model_info(name)
    if info.library == "torchvision":
        row = sources(name)[0]
        # torchvision prints GMACs to three decimals, at the crop that its weights are tested with.
        rounded = {"source": f"torchvision {row.weights}.meta: num_params, _ops", "macs_tolerance": 500_000}
        return Reference(row.params, row.macs, lambda: _torchvision(name), **rounded)
    if info.library == "timm":
        return of_library(lambda: _timm(name), info.input_size, "counted on timm's module")
    return None


def _torchvision(name: str) -> nn.Module:
    from torchvision.models import get_model

    slow_to_draw = {"googlenet", "inception_v3"}  # SciPy's truncated normal, half a minute of it
    return get_model(name, **({"init_weights": False} if name in slow_to_draw else {}))


def _timm(name: str) -> nn.Module:
    import timm

    return timm.create_model(name, pretrained=False)


def has_reference_module(name: str) -> bool:
    """Whether there is an independent implementation to compare outputs with (known without building it)."""
    row = REFERENCES.get(name)
    return model_info(name).library is not None if row is None else not isinstance(row, Reference) or bool(row.build)
