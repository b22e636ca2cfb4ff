"""What the facts of a model family are written with: references, tools for planting faults, counting and comparing."""

from __future__ import annotations

import io
import math
import pickle
import re
import types
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from unittest.mock import patch

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

import cnnlab
from cnnlab.meta import on_meta
from cnnlab.models import model_info

TOLERANCE = 1e-5  # of max|difference| / max|logit|


@dataclass(frozen=True)
class Reference:
    """What a model is compared with.

    Attributes:
        params, macs: per image at the model's own input size, in evaluation mode.
        build: makes an independent implementation with its layers in the same order; None where nobody has published
            one and writing a second would only repeat ours: then the paper's layer table has to be tested instead.
        source: where ``params`` and ``macs`` come from: the library, or the paper's table, quoted.
        macs_tolerance: where the source gives rounded numbers.
        copy: puts the reference's parameters into the model; None for `cnnlab.weights.transplant`.
    """

    params: int
    macs: int
    build: Callable[[], nn.Module] | None
    source: str = ""
    macs_tolerance: int = 0
    copy: Callable[[nn.Module, nn.Module], None] | None = None


Fault = Callable[[nn.Module], None]


def swap_forward(module: nn.Module, forward: Callable[..., Tensor]) -> None:
    """Give one module another ``forward(self, x)``."""
    module.forward = types.MethodType(forward, module)


def set_eps(norm: nn.Module, eps: float = 1e-2) -> None:
    assert norm.eps != eps
    norm.eps = eps


def swap_strides(first: nn.Module, second: nn.Module) -> None:
    """Move a stride from one convolution to another of the same block."""
    assert first.stride != second.stride
    first.stride, second.stride = second.stride, first.stride


# --- comparing -----------------------------------------------------------------------------------------------------


@contextmanager
def uninitialized() -> Iterator[None]:
    """Networks built here keep what memory held: `randomize` and a copy of all parameters come after it anyway.

    One that is forgotten by the copy then holds anything at all.
    """
    with ExitStack() as stack:
        for name in [name for name in dir(nn.init) if name.endswith("_") and not name.startswith("_")]:
            stack.enter_context(patch.object(nn.init, name, lambda tensor, *_, **__: tensor))
        yield


# A prime number, so that what is repeated begins elsewhere in every row and every kernel of a weight.
PIECE = 65521


def repeated(piece: Tensor, like: Tensor) -> Tensor:
    """The numbers of a piece over and over, in the shape of another tensor."""
    return piece.repeat(-(-like.numel() // PIECE))[: like.numel()].view(like.shape)


@contextmanager
def cheaply_drawn() -> Iterator[None]:
    """Networks built here draw no more than 65,521 numbers for a weight, from its own distribution, and repeat them.

    Every weight has the spread that its network's file gives it, and what is set to zero or one stays so; to draw all
    of them takes a second for a network of a hundred million parameters.
    """

    def cheap(draw: Callable[..., Tensor]) -> Callable[..., Tensor]:
        def fill(tensor: Tensor, *args: object, **kwargs: object) -> Tensor:
            if tensor.numel() <= PIECE or tensor.is_meta:
                return draw(tensor, *args, **kwargs)
            with torch.no_grad():
                return tensor.copy_(repeated(draw(tensor.detach().new_empty(PIECE), *args, **kwargs), tensor))

        return fill

    with ExitStack() as stack:
        for owner, names in ((Tensor, ("normal_", "uniform_")), (nn.init, ("trunc_normal_",))):
            for name in names:
                stack.enter_context(patch.object(owner, name, cheap(getattr(owner, name))))
        yield


def randomize(network: nn.Module, size: tuple[int, int, int], seed: int = 0) -> None:
    """Every parameter and statistic at random, such that signals neither die nor explode at any depth.

    Batch-norm statistics are those of what arrives there, disturbed, one layer after another: with statistics far from
    the signal's, a deep plain network's output would no longer depend on its input and would agree with anything,
    and gates would stand at 0 or 1 whatever comes before them.
    """
    generator = torch.Generator().manual_seed(seed)

    def uniform(like: Tensor) -> Tensor:
        return 0.5 + torch.rand(like.shape, generator=generator)

    def normal(like: Tensor) -> Tensor:
        return repeated(torch.randn(min(PIECE, like.numel()), generator=generator), like)

    @torch.no_grad()
    def follow(norm: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        axes = [axis for axis in range(inputs[0].dim()) if axis != 1]
        mean, var = inputs[0].mean(axes), inputs[0].var(axes)
        norm.running_mean.copy_(mean + 0.2 * normal(mean) * var.sqrt())
        norm.running_var.copy_(var * uniform(var))

    for name, p in network.named_parameters():
        with torch.no_grad():
            if p.dim() > 1:
                p.copy_(normal(p) * (2 / p[0].numel()) ** 0.5)
            else:
                p.copy_(uniform(p) if name.endswith("weight") else 0.2 * normal(p))
    norms = [m for m in network.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    hooks = [norm.register_forward_pre_hook(follow) for norm in norms]
    with torch.no_grad():
        network.eval()(torch.randn(2, *size, generator=generator))
    for hook in hooks:
        hook.remove()


def sizes(name: str) -> list[int]:
    """Heights and widths to compare at: the published one and, where any size goes, an odd or even one, made cheap."""
    info = model_info(name)
    side = info.input_size[1]
    return [side] if info.fixed_size else [side, cheaper(name, side + info.step)]


def cheaper(name: str, side: int) -> int:
    """A height and width that costs down to a quarter of ``side``: less as many times 32 as leave half of it.

    It leaves the same remainder at each of five halvings, and there borders and paddings go wrong.
    """
    info = model_info(name)
    cycle, least = math.lcm(32, info.step), max(info.smallest, info.input_size[1] // 2)
    return side if info.fixed_size else side - max(0, side - least) // cycle * cycle


def shallow(network: nn.Module, x: Tensor) -> nn.Module:
    """The network without what it repeats, for tests whose time grows with the number of operators or parameters.

    Of equal neighbors in a sequence of layers the first one stays. And of blocks one of each form, whatever its number
    of channels: another one is left out where it keeps its input's shape, and becomes one convolution to the same shape
    where it does not; its code ran once already. So every kind of block is there.

    Args:
        x: pictures that the network takes; they are sent through it once.
    """
    shapes = _shapes(network, x)
    seen: set[str] = set()
    rows = [m for m in network.modules() if m is network or isinstance(m, nn.Sequential | nn.ModuleList)]
    for row in rows:
        freely = row is not network and isinstance(row, nn.Sequential)  # others call their parts by name or number
        before = ""
        for name, layer in list(row.named_children()):
            if next(layer.parameters(), None) is None:
                before = ""
                continue
            form, kind = _form(layer), _kind(layer)
            stand_in = StandIn.of(layer, *shapes[layer]) if kind in seen and layer in shapes else None
            if freely and (form == before or (stand_in is not None and stand_in.idle)):
                del row._modules[name]
            elif stand_in is not None:
                row._modules[name] = stand_in
            before = form
            seen.add(kind)
    return network


class StandIn(nn.Module):
    """A convolution, or nothing at all, from a block's input to its output's shape; further inputs are ignored.

    Attributes:
        idle: the two shapes are equal, and the input is the output.
    """

    def __init__(self, channels: int, out_channels: int, stride: tuple[int, int]) -> None:
        super().__init__()
        self.idle = stride == (1, 1) and channels == out_channels
        self.layer = nn.Identity() if self.idle else nn.Conv2d(channels, out_channels, kernel_size=1, stride=stride)

    @classmethod
    def of(cls, block: nn.Module, given: torch.Size, made: torch.Size) -> StandIn | None:
        """None if no stride leads from one shape to the other."""
        if given == made:
            stride = (1, 1)
        elif len(given) == len(made) == 4:
            fitting = [[s for s in range(1, n + 1) if -(-n // s) == m] for n, m in zip(given[2:], made[2:])]
            if not all(fitting):
                return None
            stride = (fitting[0][0], fitting[1][0])
        else:
            return None
        made_by = cls(given[1], made[1], stride)
        for key, value in vars(block).items():  # which the network may ask
            if key not in _MODULES_OWN and isinstance(value, bool | int | str):
                setattr(made_by, key, value)
        return made_by.train(block.training)

    def forward(self, x: Tensor, *others: Tensor) -> Tensor:
        return self.layer(x)


def _shapes(network: nn.Module, x: Tensor) -> dict[nn.Module, tuple[torch.Size, torch.Size]]:
    """The shapes of the first input and of the output of blocks that take and give nothing but tensors, once."""
    shapes: dict[nn.Module, tuple[torch.Size, torch.Size]] = {}
    others: set[nn.Module] = set()

    def note(block: nn.Module, given: tuple, made: object) -> None:
        if block in shapes or not given or not all(isinstance(value, Tensor) for value in (*given, made)):
            others.add(block)
        else:
            shapes[block] = (given[0].shape, made.shape)

    blocks = [m for m in network.modules() if m is not network and next(m.children(), None) is not None]
    hooks = [block.register_forward_hook(note) for block in blocks]
    with torch.no_grad():
        network(x)
    for hook in hooks:
        hook.remove()
    return {block: pair for block, pair in shapes.items() if block not in others}


def _form(layer: nn.Module) -> str:
    """What a layer is made of; the rate at which chance drops it may differ."""
    return re.sub(r"\d+\.\d+(e-\d+)?", "", repr(layer))


def _kind(layer: nn.Module) -> str:
    """What decides which code of a layer runs: its form but for channels, and every plain setting of what is in it."""
    channels = r"(?<=Conv2d\()\d+, \d+|(?<=Norm2d\()\d+|(?<=Norm\()\(\d+,\)|(?<=features=)\d+|(?<=groups=)\d+"
    own = [(k, v) for m in layer.modules() for k, v in vars(m).items() if isinstance(v, bool | str)]
    return f"{re.sub(channels, '', _form(layer))} {own}"


def small_input(name: str, batch: int = 2, channels: int | None = None) -> Tensor:
    """A cheap input that the model takes."""
    info = model_info(name)
    side = info.input_size[1] if info.fixed_size else max(info.smallest, min(64, info.input_size[1]))
    generator = torch.Generator().manual_seed(1)
    return torch.randn(batch, channels or info.input_size[0], side, side, generator=generator)


def relative_difference(theirs: nn.Module, ours: nn.Module, x: Tensor) -> float:
    """max|difference| / max|logit| of what two networks make of the same input."""
    with torch.inference_mode():
        return difference(theirs.eval()(x), ours.eval()(x))


def difference(a: Tensor, b: Tensor) -> float:
    """max|a - b| / max|a|, infinite for a ``b`` that is not finite."""
    assert a.shape == b.shape
    assert torch.isfinite(a).all()
    if not torch.isfinite(b).all():
        return float("inf")
    return ((a - b).abs().max() / a.abs().max()).item()


def copier(network: nn.Module) -> Callable[[], nn.Module]:
    """A function that makes copies of a network: through pickle, which takes a third of the time of `copy.deepcopy`.

    A copy's tensors share the network's memory until one of them is written to.
    """
    tensors: dict[int, Tensor] = {}

    class Writer(pickle.Pickler):
        def persistent_id(self, thing: object) -> int | None:
            if not isinstance(thing, Tensor):
                return None
            tensors[id(thing)] = thing
            return id(thing)

    class Reader(pickle.Unpickler):
        def __init__(self) -> None:
            super().__init__(io.BytesIO(written.getvalue()))
            self.made: dict[int, Tensor] = {}

        def persistent_load(self, key: int) -> Tensor:
            if key not in self.made:
                old = tensors[key]
                new = torch._lazy_clone(old.detach())
                self.made[key] = nn.Parameter(new, old.requires_grad) if isinstance(old, nn.Parameter) else new
            return self.made[key]

    written = io.BytesIO()
    Writer(written).dump(network)
    return lambda: Reader().load()


class Replay:
    """One picture's way through a network, kept so that a copy with a fault costs no more than what the fault changes.

    A module of the copy that is as it was, with all that is in it, and gets what it got, gives what it gave. It is
    compared bit by bit, its settings, parameters and inputs, so that a fault can only be missed here, never be made up.

    Attributes:
        answer: of the sound network.
    """

    def __init__(self, network: nn.Module, x: Tensor) -> None:
        self.network, self.x = network, x
        self.calls: dict[str, list[tuple[tuple[Tensor, ...], Tensor, int]]] = {}

        def keep(name: str) -> Callable[..., None]:
            def hook(module: nn.Module, inputs: tuple, output: object) -> None:
                if isinstance(output, Tensor) and all(isinstance(value, Tensor) for value in inputs):
                    self.calls.setdefault(name, []).append((inputs, output, output._version))

            return hook

        modules = [(name, module) for name, module in network.named_modules() if name]
        hooks = [module.register_forward_hook(keep(name)) for name, module in modules]
        with torch.no_grad():
            self.answer = network(x)
        for hook in hooks:
            hook.remove()
        assert all(output._version == version for calls in self.calls.values() for _, output, version in calls)

    def of(self, copied: nn.Module) -> Tensor:
        """The answer of a copy of the network; the copy is of no use afterwards."""
        self._take_over(self.network, copied, "")
        with torch.no_grad():
            return copied(self.x)

    def _take_over(self, old: nn.Module, new: nn.Module, name: str) -> bool:
        """Let sound modules answer from memory; whether this one, with all that is in it, is sound."""
        sound = _alike(old, new)
        for key, child in new._modules.items():
            before = old._modules.get(key)
            if child is not None and before is not None:
                sound &= self._take_over(before, child, f"{name}.{key}" if name else key)
        if sound and name in self.calls:
            new.forward = _from_memory(new.forward, self.calls[name])
        return sound


def _from_memory(forward: Callable[..., Tensor], calls: list[tuple[tuple[Tensor, ...], Tensor, int]]) -> Callable:
    def answer(*inputs: Tensor) -> Tensor:
        for given, output, _ in calls:
            if len(given) == len(inputs) and all(map(torch.equal, given, inputs)):
                return output
        return forward(*inputs)

    return answer


_MODULES_OWN = frozenset(vars(nn.Module()))


def _alike(old: nn.Module, new: nn.Module) -> bool:
    """Whether two modules are the same but for what is in them: type, settings, tensors, names of children."""
    mine, given = ({k: v for k, v in vars(m).items() if k not in _MODULES_OWN} for m in (old, new))
    if type(old) is not type(new) or mine.keys() != given.keys() or any(mine[k] != given[k] for k in mine):
        return False
    for own in ("_parameters", "_buffers"):
        here, there = getattr(old, own), getattr(new, own)
        if here.keys() != there.keys():
            return False
        for a, b in zip(here.values(), there.values()):
            if (a is None) != (b is None) or (a is not None and not _equal(a, b)):
                return False
    children = [(key, child is None) for key, child in old._modules.items()]
    return children == [(key, child is None) for key, child in new._modules.items()]


def _equal(a: Tensor, b: Tensor) -> bool:
    """Whether two tensors are equal bit by bit, as those are that share their memory."""
    if (a.dtype, a.shape, a.stride()) != (b.dtype, b.shape, b.stride()):
        return False
    return torch._C._data_address(a) == torch._C._data_address(b) or torch.equal(a, b)


# These multiply nothing that torch counts and keep the shape, which alone takes half of the time to find.
NOT_COUNTED = ("batch_norm", "relu", "relu6", "silu", "gelu", "hardswish", "hardsigmoid", "dropout")


def count_macs(network: nn.Module, size: tuple[int, int, int]) -> int:
    """Multiply-accumulates per image, counted by torch operator by operator; nothing is computed.

    The network should be on the meta device: ``with on_meta(): network = ...``.
    """
    with ExitStack() as stack:
        # The fused attention kernel is not counted by every torch; the plain products are.
        stack.enter_context(torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH))
        for name in NOT_COUNTED:
            stack.enter_context(patch.object(nn.functional, name, lambda x, *_, **__: x))
        counter = stack.enter_context(FlopCounterMode(display=False))
        with torch.no_grad():
            network.eval()(torch.empty(1, *size, device="meta"))
    return counter.get_total_flops() // 2


def output_shapes(network: nn.Module, size: tuple[int, int, int]) -> dict[str, tuple[int, ...]]:
    """Name of a direct child -> shape of its output without the batch, of a network on the meta device."""
    shapes: dict[str, tuple[int, ...]] = {}

    def note(name: str) -> Callable[..., None]:
        return lambda module, inputs, output: shapes.update({name: tuple(output.shape[1:])})

    hooks = [child.register_forward_hook(note(name)) for name, child in network.named_children()]
    with torch.no_grad():
        network.eval()(torch.empty(1, *size, device="meta"))
    for hook in hooks:
        hook.remove()
    return shapes


def count_params(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def of_library(build: Callable[[], nn.Module], size: tuple[int, int, int], source: str, **more: object) -> Reference:
    """A reference whose numbers are counted on the library's own module."""
    with on_meta():
        network = build()
    return Reference(count_params(network), count_macs(network, size), build, source, **more)


def create_on_meta(name: str, **arguments: object) -> nn.Module:
    with on_meta():
        return cnnlab.create_model(name, **arguments)
