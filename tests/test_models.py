"""The contract of every registered model; what differs between models stands in tests/zoo.

Here: names, costs, outputs, faults and errors; test_models_in_use.py trains, converts, copies and compiles them.
"""

from __future__ import annotations

import inspect
import re
from dataclasses import FrozenInstanceError

import pytest
import torch
from torch import nn

import cnnlab
from cnnlab.meta import on_meta
from cnnlab.models import Paper, model_info, register_variants
from cnnlab.weights import transplant
from tests.contract import (
    TOLERANCE,
    Replay,
    cheaper,
    copier,
    count_macs,
    count_params,
    create_on_meta,
    difference,
    randomize,
    sizes,
    uninitialized,
)
from tests.models_contract import FAULTS, FULL, ONE_OF_EACH, REFERENCES, has_reference_module, reference

NAMES = cnnlab.list_models()
EVERY = [pytest.param(name, marks=pytest.mark.full if name in FULL else ()) for name in NAMES]
# Output for output: the small models that have faults planted in every run, all others in the full suite.
OUTPUTS = [
    pytest.param(name, marks=() if name in FAULTS else pytest.mark.full) for name in NAMES if has_reference_module(name)
]


# --- the table of references is complete ---------------------------------------------------------------------------


def test_every_model_has_a_reference_and_every_row_a_model():
    without = [name for name in NAMES if name not in REFERENCES and model_info(name).library is None]
    assert not without, f"give these a row in REFERENCES of their file in tests/zoo: {without}"
    assert not set(REFERENCES) - set(NAMES)


def test_every_network_class_has_planted_faults():
    counts: dict[type, int] = dict.fromkeys((model_info(name).network for name in NAMES), 0)
    for name, faults in FAULTS.items():
        counts[model_info(name).network] += len(faults)
    assert all(count >= 2 for count in counts.values()), counts
    assert all(has_reference_module(name) for name in FAULTS)  # they are compared in every run


# --- size and cost, settings, head: without numbers ----------------------------------------------------------------

NORMS = (nn.modules.batchnorm._BatchNorm, nn.LayerNorm, nn.GroupNorm)


def norm_settings(network: nn.Module) -> list[tuple]:
    """A wrong eps can hide below the tolerance of outputs, and a wrong momentum shows in none of them."""
    wanted = ("num_features", "normalized_shape", "eps", "momentum", "affine", "track_running_stats")
    return [tuple(getattr(m, key, None) for key in wanted) for m in network.modules() if isinstance(m, NORMS)]


def classes_of_heads(model: nn.Module) -> list[int]:
    return [next(model.get_submodule(name).parameters()).shape[0] for name in model.head_names]


@pytest.mark.parametrize("name", EVERY)
def test_parameters_macs_norms_and_head(name: str):
    model, wanted = create_on_meta(name), reference(name)
    assert count_params(model) == wanted.params, wanted.source
    macs = count_macs(model, model.input_size)
    assert abs(macs - wanted.macs) <= wanted.macs_tolerance, f"{macs} MACs, but {wanted.macs}: {wanted.source}"
    if has_reference_module(name):
        with on_meta():
            theirs = wanted.build()
        assert norm_settings(model) == norm_settings(theirs)
    heads = 1 + len(getattr(model, "auxiliary_weights", ()))
    if next(model.head.parameters(), None) is not None:  # minus the distance to fixed codes has none
        assert classes_of_heads(model) == [model.info.num_classes] * heads
        model.new_head(7)
        assert classes_of_heads(model) == [7] * heads


# --- outputs and planted faults, in one pass -----------------------------------------------------------------------


@pytest.mark.parametrize("name", OUTPUTS)
def test_output_equals_the_reference_and_faults_are_caught(name: str, record_property):
    row, size = reference(name), model_info(name).input_size
    small = (size[0], *[cheaper(name, size[1])] * 2)  # for what may be of any size
    with uninitialized():
        theirs, ours = row.build(), cnnlab.create_model(name)
    randomize(theirs, small)
    (row.copy or transplant)(theirs, ours)
    theirs.eval()
    ours.eval()
    for side in sizes(name):
        pictures = 2 if side == min(sizes(name)) else 1
        x = torch.randn(pictures, size[0], side, side, generator=torch.Generator().manual_seed(side))
        with torch.no_grad():
            wanted, found = theirs(x), ours(x)
        off = difference(wanted, found)
        record_property(f"difference_{side}", off)
        assert off < TOLERANCE, f"{off:.2e} at {side} px"
        if pictures == 2:
            a, b = wanted  # two pictures, two answers: the comparison says something
            assert (a - b).abs().max() > 0.01 * a.abs().max()
    if name not in FAULTS:
        return
    x = torch.randn(1, *small, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        wanted = theirs(x)  # of one picture: another batch is summed in another order
    replay = Replay(ours, x)
    assert difference(wanted, replay.answer) < TOLERANCE  # the sound network agrees
    copied = copier(ours)
    assert torch.equal(replay.of(copied()), replay.answer)
    missed = {}
    for fault, plant in FAULTS[name].items():
        broken = copied()
        plant(broken)
        off = difference(wanted, replay.of(broken.eval()))
        record_property(fault, off)
        if not off > 5 * TOLERANCE:
            missed[fault] = off
    assert not missed, f"not caught: {missed}"


# --- errors --------------------------------------------------------------------------------------------------------


def test_unknown_name_offers_near_ones():
    with pytest.raises(ValueError, match=r"name='resnet51' is not known.*'resnet50'.*list_models"):
        cnnlab.create_model("resnet51")
    with pytest.raises(ValueError, match="resnet20_cifar"):
        model_info("resnet20_cifr")


@pytest.mark.parametrize("argument", ["num_classes", "in_channels"])
@pytest.mark.parametrize("value", [0, -1, 2.0, "10", True, [3]])
def test_sizes_must_be_positive_whole_numbers(argument: str, value: object):
    with pytest.raises(ValueError, match=rf"{argument}=.*positive whole number"):
        cnnlab.create_model("lenet5", **{argument: value})


def test_numpy_integers_are_whole_numbers():
    import numpy

    assert cnnlab.create_model("lenet5", num_classes=numpy.int64(3)).output.out_features == 3


def test_misspelt_argument_is_refused():
    with pytest.raises(TypeError, match="classes"):
        cnnlab.create_model("lenet5", classes=3)


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        ("resnet18", (1, 1, 64, 64), r"takes \(N, 3, H, W\) and got \(1, 1, 64, 64\).*expand.*in_channels=1"),
        ("resnet18", (1, 4, 64, 64), r"create_model\('resnet18', in_channels=4\)"),
        ("resnet18", (1, 64, 64, 3), r"permute\(0, 3, 1, 2\)"),
        ("resnet18", (3, 64, 64), r"takes \(N, 3, H, W\) and got \(3, 64, 64\).*unsqueeze\(0\)"),
        ("resnet18", (10,), "batch of images"),
        ("resnet18", (1, 3, 0, 5), "at least 1 x 1"),
        ("lenet5", (1, 1, 28, 28), r"takes \(N, 1, 32, 32\) and got \(1, 1, 28, 28\).*'lenet5_28'.*interpolate"),
        ("lenet5_28", (1, 1, 32, 32), "'lenet5'"),
        ("lenet5", (1, 1, 40, 40), r"Resize with.*size=\(32, 32\)"),
        ("lenet5", (1, 3, 32, 32), r"in_channels=3"),
        ("mlp_mnist", (1, 1, 32, 32), r"takes \(N, 1, 28, 28\).*create_model\('mlp_cifar10', in_channels=1\).*Resize"),
    ],
)
def test_input_that_does_not_fit(name: str, shape: tuple[int, ...], message: str):
    with pytest.raises(ValueError, match=message):
        cnnlab.create_model(name)(torch.zeros(shape))


def test_input_of_the_wrong_type():
    model = cnnlab.create_model("lenet5")
    with pytest.raises(TypeError, match=r"torch.uint8.*x.float\(\) / 255"):
        model(torch.zeros(1, 1, 32, 32, dtype=torch.uint8))
    with pytest.raises(TypeError, match="list.*float tensor"):
        model([[0.0]])


# --- the registry --------------------------------------------------------------------------------------------------


def test_list_models_takes_patterns_and_sorts_numbers():
    assert cnnlab.list_models("resnet???") == ["resnet101", "resnet152"]
    assert cnnlab.list_models("resnet*_cifar") == [f"resnet{d}_cifar" for d in (20, 32, 44, 56, 110, 1202)]
    assert cnnlab.list_models("no such*") == []


def test_model_info():
    info = model_info("resnet50")
    assert (info.family, info.year, info.input_size, info.num_classes) == ("ResNet", 2015, (3, 224, 224), 1000)
    assert info.library == "torchvision"
    assert info.variant.blocks == (3, 4, 6, 3)
    with pytest.raises(FrozenInstanceError):
        info.year = 2016
    with pytest.raises(FrozenInstanceError):
        info.variant.bottleneck = False


@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_model_files_are_short_and_say_what_they_owe(name: str):
    module = inspect.getmodule(model_info(name).network)
    source = inspect.getsource(module)
    # The list of public names is for completion, and nobody reads it; it has a blank line of its own.
    public = re.search(r"^__all__ = \[.*?\]\n\n", source, re.DOTALL | re.MULTILINE)
    assert len(source.replace(public[0], "").splitlines()) <= 250
    assert model_info(name).url in module.__doc__
    assert model_info(name).family == "MLP" or "Differs from the paper in" in module.__doc__


def test_a_name_cannot_be_taken_twice():
    nothing = {"family": "x", "paper": Paper(1, "", ""), "num_classes": 1, "head": "fc", "input_size": (1, 1, 1)}
    taken = register_variants({"lenet5": None}, **nothing)
    with pytest.raises(ValueError, match="'lenet5' is taken by LeNet5"):
        taken(nn.Identity)
