"""Which layer of a source is which layer of a model: by names, or by the order of definition.

The order of a module is certain. That of a file is the order of definition too, as a rule; it is taken for that unless
the file is sorted by the alphabet, as safetensors are, or neighbors of one shape are crossed ("query, key" here and
"key, query" there). Then nothing is guessed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher, get_close_matches
from itertools import combinations
from typing import NamedTuple

from torch import Tensor, nn

from cnnlab.weights.table import LIBRARIES

__all__ = [
    "COUNTER",
    "Layer",
    "Matching",
    "shortened",
    "layers_of",
    "match_modules",
    "match_state",
    "outputs",
    "tensor_names",
]

COUNTER = "num_batches_tracked"  # says how long a norm was trained, which no output depends on

_CERTAIN = "Load it into the module that it comes from, and give that: transplant(module, model)."


class Layer(NamedTuple):
    """A module that owns tensors, or what a state dict has under one name."""

    name: str
    module: nn.Module | None  # None: of a state dict
    tensors: dict[str, Tensor]  # those registered on the module itself

    def __str__(self) -> str:
        shapes = ", ".join(f"{name} {tuple(tensor.shape)}" for name, tensor in self.tensors.items())
        kind = "" if self.module is None else f", {type(self.module).__name__}"
        return f"{self.name or 'the network itself'}{kind} ({shapes})"

    @property
    def form(self) -> tuple:
        """What can be taken for each other has the same."""
        return tuple(sorted((key, t.shape[:1], t.numel()) for key, t in self.tensors.items()))


@dataclass
class Matching:
    """Two networks' layers side by side.

    Attributes:
        theirs, ours: in the same order, though one may be longer.
        source: what to call the source in a message.
        how: "name" or "order".
        modules: whether the source's layers are modules, with settings to compare.
        left_over: what else was in the file.
    """

    theirs: list[Layer]
    ours: list[Layer]
    source: str
    how: str
    modules: bool
    left_over: tuple[str, ...] = ()

    @property
    def pairs(self) -> list[tuple[Layer, Layer]]:
        return list(zip(self.theirs, self.ours, strict=False))

    def differences(self) -> str:
        """Where one side has more layers, which these are, by their shapes."""
        if len(self.theirs) == len(self.ours):
            return ""
        forms = [[layer.form for layer in layers] for layers in self._sides]
        more: tuple[list[str], list[str]] = ([], [])
        for what, i, k, j, m in SequenceMatcher(None, *forms, autojunk=False).get_opcodes():
            if what != "equal":
                more[0].extend(layer.name for layer in self.theirs[i:k])
                more[1].extend(layer.name for layer in self.ours[j:m])
        sides = [(side, names) for side, names in zip((self.source, "model"), more, strict=True) if names]
        return " Left over by their shapes: " + "; ".join(f"in the {s} {shortened(n)}" for s, n in sides) + "."

    def alike(self) -> bool:
        """Whether layer for layer the shapes are the same, but for the number of outputs, which a head may change."""
        forms = [[[(key, n // max(1, *rows)) for key, rows, n in layer.form] for layer in side] for side in self._sides]
        return forms[0] == forms[1]

    @property
    def _sides(self) -> tuple[list[Layer], list[Layer]]:
        return self.theirs, self.ours

    def check_lengths(self) -> None:
        """Raises: ValueError: one side goes on where the other ends."""
        if len(self.theirs) == len(self.ours):
            return
        fewer = min(len(self.theirs), len(self.ours))
        side, extra = (self.source, self.theirs) if len(self.theirs) > len(self.ours) else ("model", self.ours)
        raise ValueError(
            f"The {self.source} has {len(self.theirs)} layers with parameters and the model {len(self.ours)}. "
            f"The first {fewer} fit; the {side} goes on with {extra[fewer]}.{self.differences()}"
        )

    def check_certain(self) -> None:
        """Raises: ValueError: layers that were matched by the order of a file could be meant otherwise."""
        if self.how == "name" or self.modules:
            return
        keys = [f"{layer.name}.{key}" for layer in self.theirs for key in layer.tensors]
        by_alphabet = len(self.theirs) > 1 and keys == sorted(keys)
        named = {layer.name: layer for layer in self.ours}
        for theirs, ours in self.pairs:
            same = named.get(theirs.name, ours)
            if same is not ours and same.form == theirs.form and not _split(theirs.name)[1].isdigit():
                raise ValueError(
                    f"{theirs} of the {self.source} fits {ours.name} of the model by its place and {same.name} by its "
                    f"name, so that it is not certain which is meant. {_CERTAIN}"
                )
        for (a, b), (c, d) in combinations(self.pairs, 2):
            if a.form != c.form:
                continue
            (above, own), (above_2, own_2) = _split(a.name), _split(c.name)
            (_, here), (_, here_2) = _split(b.name), _split(d.name)
            crossed = above == above_2 and own != own_2 and (own, own_2) == (here_2, here)
            # layer2 and layer10 are in order where they are numbered so; "key" and "query" might be in any.
            numbered = _template(a.name) == _template(c.name) and _numbers(a.name) < _numbers(c.name)
            sorted_away = by_alphabet and not numbered
            if crossed or sorted_away:
                why = "the file lists its tensors by the alphabet" if sorted_away else "their names are crossed"
                raise ValueError(
                    f"{a} and {c.name} of the {self.source} fit {b.name} and {d.name} of the model, but {why}, so "
                    f"that it is not certain which is which. {_CERTAIN}"
                )


def shortened(names: Iterable[str], most: int = 5) -> str:
    """The first names, and how many more there are."""
    names = list(names)
    if len(names) <= most:
        return ", ".join(names)
    return f"{', '.join(names[: most - 1])} and {len(names) - most + 1} more"


def layers_of(network: nn.Module) -> list[Layer]:
    """Every module that owns tensors, in the order of definition. A module comes before its children."""
    found = []
    for name, module in network.named_modules():
        tensors = {
            key: tensor
            for owned in (module.named_parameters(recurse=False), module.named_buffers(recurse=False))
            for key, tensor in owned
            if key != COUNTER and key not in module._non_persistent_buffers_set
        }
        if tensors:
            found.append(Layer(name, module, tensors))
    return found


def match_modules(reference: nn.Module, model: nn.Module) -> Matching:
    """By order, and by name where the model says so (``reference_names``)."""
    return _in_order(layers_of(reference), model, "reference", modules=True)


def match_state(state: Mapping[str, Tensor], model: nn.Module) -> Matching:
    """By the model's own names; by the names of the library that has the same network; else by order.

    Raises:
        ValueError: most names are there and some are not, or they are there twice.
    """
    state = {name: tensor for name, tensor in state.items() if name.rpartition(".")[2] != COUNTER}
    ours = layers_of(model)
    found = _under_names(state, ours)
    if found is not None:
        return Matching(found[0], ours, "source", "name", modules=False, left_over=found[1])
    library, renamed = _library_layers(model), state
    info = vars(model).get("info")
    if library is not None:
        renamed = LIBRARIES[info.library].current_names(info.name, state)
        found = _under_names(renamed, library)
        if found is not None:
            matching = _in_order(found[0], model, "source", modules=True)
            matching.left_over = found[1]
            return matching
    matching = _in_order(_by_owner(state), model, "source", modules=False)
    if not matching.alike():  # where most of the names are there, they are what went wrong
        _refuse_half(state, ours, "the model's")
        if library is not None:
            _refuse_half(renamed, library, f"{info.library}'s")
    return matching


def _in_order(theirs: list[Layer], model: nn.Module, source: str, *, modules: bool) -> Matching:
    theirs, ours = _in_one_order(theirs, layers_of(model), getattr(model, "reference_names", {}))
    return Matching(theirs, ours, source, "order", modules)


def _library_layers(model: nn.Module) -> list[Layer] | None:
    """The layers of the library's own module of this network, without numbers; None where there is none at hand."""
    info = vars(model).get("info")
    if info is None or info.library is None:
        return None
    try:
        return layers_of(LIBRARIES[info.library].bare(info.name))
    except ModuleNotFoundError:  # timm, which is optional
        return None


def _full(layer: Layer, key: str) -> str:
    return f"{layer.name}.{key}" if layer.name else key


def _under_names(state: Mapping[str, Tensor], layers: list[Layer]) -> tuple[list[Layer], tuple[str, ...]] | None:
    """(the layers with the state's tensors, what else the state has); None where not all names are there.

    All names may stand behind one prefix: "model." or "backbone.".
    """
    names = [_full(layer, key) for layer in layers for key in layer.tensors]
    if not names:
        return None
    prefixes = [key.removesuffix(names[0]) for key in state if key == names[0] or key.endswith(f".{names[0]}")]
    prefixes = [prefix for prefix in prefixes if all(prefix + name in state for name in names)]
    if not prefixes:
        return None
    if len(prefixes) > 1 and "" not in prefixes:
        raise ValueError(
            f"The source has all names of the network {len(prefixes)} times: {', '.join(f'{p}*' for p in prefixes)}. "
            f"Give one: {{name.removeprefix({prefixes[0]!r}): tensor for name, tensor in state.items()}}."
        )
    prefix = "" if "" in prefixes else prefixes[0]
    wanted = {prefix + name for name in names}
    left = [key for key in state if key not in wanted]
    beside = [key for key in left if key.startswith(prefix)]
    if beside:  # a deeper network has all names of a shallower one
        raise ValueError(
            f"The source has every name of the network and {len(beside)} besides: {shortened(beside)}. Is it of a "
            "larger network? If these are not wanted, take them out of the state dict first."
        )
    found = [layer._replace(tensors={k: state[prefix + _full(layer, k)] for k in layer.tensors}) for layer in layers]
    return found, tuple(left)


def _refuse_half(state: Mapping[str, Tensor], layers: list[Layer], whose: str) -> None:
    """Raises: ValueError: most of the names are there, so that the others are a mistake."""
    names = [_full(layer, key) for layer in layers for key in layer.tensors]
    missing = [name for name in names if name not in state]
    if not names or 2 * len(missing) > len(names):
        return
    more = sorted(set(state) - set(names))
    said = []
    for name in missing[:3]:
        near = get_close_matches(name, more, n=1, cutoff=0.6)
        said.append(f"{name} (nearest there: {near[0]})" if near else name)
    lacks = f"it lacks {', '.join(said)}" + (f" and {len(missing) - 3} more" if len(missing) > 3 else "")
    raise ValueError(
        f"The source has {len(names) - len(missing)} of the {len(names)} names that are {whose}, but {lacks}"
        + (f", and has besides: {shortened(more)}" if more else "")
        + ". Rename or complete them, or build the network that the file is of."
    )


def _by_owner(state: Mapping[str, Tensor]) -> list[Layer]:
    """What a state dict has under one name, in the file's order."""
    layers: dict[str, dict[str, Tensor]] = {}
    for name, tensor in state.items():
        owner, _, own = name.rpartition(".")
        layers.setdefault(owner, {})[own] = tensor
    return [Layer(owner, None, tensors) for owner, tensors in layers.items()]


def _split(name: str) -> tuple[str, str]:
    above, _, own = name.rpartition(".")
    return above, own


def _template(name: str) -> str:
    return re.sub(r"\d+", "#", name)


def _numbers(name: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", name)]


def _in_one_order(theirs: list[Layer], ours: list[Layer], names: Mapping[str, str]) -> tuple[list[Layer], list[Layer]]:
    """Both lists with what is matched by name at their ends."""
    named: tuple[list[Layer], list[Layer]] = ([], [])
    for their_name, our_name in names.items():
        theirs, taken = _take(theirs, their_name)
        if not taken:
            continue
        ours, place = _take(ours, our_name)
        if len(taken) != len(place):
            raise ValueError(
                f"reference_names[{their_name!r}] = {our_name!r}: {len(taken)} layers with parameters in the "
                f"reference, {len(place)} in the model."
            )
        named[0].extend(taken)
        named[1].extend(place)
    return theirs + named[0], ours + named[1]


def _take(layers: list[Layer], name: str) -> tuple[list[Layer], list[Layer]]:
    """(what is left, what the name means): a module's layers, or one tensor of a layer."""
    left: list[Layer] = []
    taken: list[Layer] = []
    owner, _, own = name.rpartition(".")
    for layer in layers:
        if layer.name == name or layer.name.startswith(f"{name}."):
            taken.append(layer)
        elif layer.name == owner and own in layer.tensors:
            rest = {key: tensor for key, tensor in layer.tensors.items() if key != own}
            taken.append(layer._replace(tensors={own: layer.tensors[own]}))
            if rest:
                left.append(layer._replace(tensors=rest))
        else:
            left.append(layer)
    return left, taken


def outputs(layer: Layer) -> int:
    """The first dimension of its first tensor."""
    tensor = next(iter(layer.tensors.values()))
    return tensor.shape[0] if tensor.dim() else 0


def tensor_names(source: Layer, target: Layer, where: str) -> list[tuple[str, str]]:
    """(the target's name, the source's) of each tensor of two layers.

    Raises:
        ValueError: they do not own the same; the message begins with ``where``.
    """
    fused = {"in_proj_weight", "in_proj_bias"}  # torch's queries, keys and values in one
    if set(target.tensors) == {"weight", "bias"} and set(source.tensors) == fused:
        return [(name, f"in_proj_{name}") for name in target.tensors]
    if set(source.tensors) == set(target.tensors):
        return [(name, name) for name in target.tensors]
    if not len(source.tensors) == len(target.tensors) == 1:
        raise ValueError(f"{where} They do not own the same tensors.")
    return [(next(iter(target.tensors)), next(iter(source.tensors)))]  # a lone one has no other to be taken for
