"""A device that is not there: its tensors claim to be elsewhere, and compute here.

On a machine without a GPU no test notices a tensor that was left on the processor. Here a tensor says that it lives on
`DEVICE`, and an operation that mixes it with one that does not is refused in torch's own words, forwards and backwards,
in optimizers, augmentation and metrics; what it computes is what the processor computes. It has no float64, as Apple's
MPS has none.

    with pretended():
        model.to(DEVICE)(x.to(DEVICE)).sum().backward()
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

NAME = "pretend"


def _registered() -> torch.device:
    """The device; torch can be told of one more, once in a process, and before its first backward pass.

    So it is told when this file is imported, which pytest does before it runs any test.
    """
    from torch.utils.backend_registration import _DummyBackendModule, _setup_privateuseone_for_python_backend

    module = _DummyBackendModule()
    module.get_amp_supported_dtype = lambda: [torch.bfloat16, torch.float16]
    _setup_privateuseone_for_python_backend(rename=NAME, backend_module=module)
    return torch.device(NAME, 0)


DEVICE = _registered()


class There(Tensor):
    """A tensor of the pretended device around one of the processor."""

    @staticmethod
    def __new__(cls, here: Tensor) -> There:
        if here.dtype is torch.float64:
            raise TypeError("Cannot convert a tensor to float64: this device has none. Please use float32 instead.")
        made = Tensor._make_wrapper_subclass(
            cls,
            here.size(),
            strides=here.stride(),
            storage_offset=here.storage_offset(),
            dtype=here.dtype,
            layout=here.layout,
            device=DEVICE,
            requires_grad=False,
        )
        made.here = here
        return made

    __torch_function__ = torch._C._disabled_torch_function_impl

    @classmethod
    def __torch_dispatch__(cls, op: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        return compute(op, args, kwargs or {})

    def __getitem__(self, index: Any) -> Tensor:
        return super().__getitem__(_tensors(index))  # torch would move a list by itself, past this class

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self.here.__reduce_ex__(protocol)  # a file of it is read on the processor

    def tolist(self) -> Any:
        return self.here.tolist()

    def numpy(self, *, force: bool = False) -> Any:
        if force:
            return self.here.numpy(force=True)
        raise TypeError(f"can't convert {self.device} tensor to numpy. Use Tensor.cpu() first.")

    def __array__(self, dtype: Any = None) -> Any:
        return self.numpy()

    def __repr__(self) -> str:
        return f"There({self.here!r})"


def _tensors(index: Any) -> Any:
    if isinstance(index, list):
        return torch.tensor(index)
    return tuple(map(_tensors, index)) if isinstance(index, tuple) else index


MOVES = {torch.ops.aten._to_copy.default, torch.ops.aten.copy_.default, torch.ops.aten._copy_from.default}
INDEXED = {torch.ops.aten.index.Tensor, torch.ops.aten.index_put_.default, torch.ops.aten.index_put.default}


def compute(op: Any, args: tuple, kwargs: dict) -> Any:
    """What the processor makes of it, there if its tensors are there."""
    counted = args[:1] if op in INDEXED else args  # indices may lie on the processor, as on a GPU
    there, alone = _sorted(counted, kwargs.values())
    wanted = kwargs.get("device")
    if wanted is not None:
        kwargs = kwargs | {"device": torch.device("cpu")}
    if op not in MOVES and there and alone:
        raise RuntimeError(
            f"Expected all tensors to be on the same device, but found at least two devices, {DEVICE} and "
            f"{alone[0].device}! ({op}, {tuple(alone[0].shape)})"
        )
    where = torch.device(wanted).type == NAME if wanted is not None else bool(there)
    if op is torch.ops.aten.copy_.default:
        where = isinstance(args[0], There)
    inner: dict[int, There] = {}

    def unwrap(value: Any) -> Any:
        if isinstance(value, There):
            inner[id(value.here)] = value
            return value.here
        return _each(unwrap, value)

    found = op(*map(unwrap, args), **{key: unwrap(value) for key, value in kwargs.items()})

    def wrap(value: Any) -> Any:
        if isinstance(value, Tensor):
            return inner[id(value)] if id(value) in inner else There(value)
        return _each(wrap, value)

    return wrap(found) if where else found


def _each(change: Callable[[Any], Any], value: Any) -> Any:
    """Operators take and give tensors, and lists of them: torch's own trees take as long here as the computing."""
    if isinstance(value, list | tuple):
        return (list if isinstance(value, list) else tuple)(map(change, value))
    return value


def _sorted(*groups: Iterable[Any]) -> tuple[list[Tensor], list[Tensor]]:
    """The tensors among arguments: those of the device, and those of the processor that are no single number."""
    there: list[Tensor] = []
    alone: list[Tensor] = []
    for value in chain(*groups):
        if isinstance(value, There):
            there.append(value)
        elif isinstance(value, Tensor):
            if value.dim():
                alone.append(value)
        elif isinstance(value, list | tuple):
            for mine, more in zip((there, alone), _sorted(value)):
                mine.extend(more)
    return there, alone


class _Factories(TorchDispatchMode):
    """Operations that make a tensor out of nothing reach the device by their argument alone."""

    def __torch_dispatch__(self, op: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        return compute(op, args, kwargs or {})


@contextmanager
def pretended() -> Iterator[torch.device]:
    """Within it, the device can be moved to and created on."""
    made = torch.tensor

    def tensor(data: Any, *, device: Any = None, **options: Any) -> Tensor:
        """torch's own goes past what watches here."""
        return made(data, **options) if device is None else made(data, **options).to(device)

    torch.tensor = tensor
    try:
        with _Factories():
            yield DEVICE
    finally:
        torch.tensor = made
