"""The contract of every registered model; what differs between models stands in models_contract.py."""

from __future__ import annotations

import copy
import inspect
import io
import warnings
from dataclasses import FrozenInstanceError, replace

import pytest
import torch
from torch import nn

import cnnlab
from cnnlab.models import model_info
from cnnlab.weights import transplant
from tests.models_contract import (
    FAULTS,
    REFERENCES,
    SLOW,
    TOLERANCE,
    count_macs,
    randomize,
    reference,
    relative_difference,
    sizes,
    small_input,
)

NAMES = cnnlab.list_models()
ALL = [pytest.param(name, marks=pytest.mark.full if name in SLOW else ()) for name in NAMES]
EVEN_1202 = [pytest.param(name, marks=pytest.mark.full if "1202" in name else ()) for name in NAMES]
SHALLOW_CIFAR = [pytest.param(n, marks=pytest.mark.full if n in SLOW and "cifar" in n else ()) for n in NAMES]
# One model for each network class: the first that has faults planted, which is a small one.
KINDS = {}
for _name in FAULTS:
    KINDS.setdefault(model_info(_name).network, _name)
ONE_OF_EACH = list(KINDS.values())


@pytest.fixture(scope="module")
def randomized():
    """(reference, model) with equal, randomized parameters; the last pair is kept, since tests come by model."""
    kept: dict[str, tuple[nn.Module, nn.Module]] = {}

    def pair(name: str) -> tuple[nn.Module, nn.Module]:
        if name not in kept:
            kept.clear()
            theirs = reference(name).build()
            randomize(theirs, model_info(name).input_size)
            ours = cnnlab.create_model(name)
            transplant(theirs, ours)
            kept[name] = (theirs.eval(), ours.eval())
        return kept[name]

    return pair


# --- the table of references is complete ---------------------------------------------------------------------------


def test_every_model_has_a_reference_and_every_row_a_model():
    without = [name for name in NAMES if reference(name) is None]
    assert not without, f"give these a row in models_contract.REFERENCES: {without}"
    assert not set(REFERENCES) - set(NAMES)


def test_every_network_class_has_planted_faults():
    counts: dict[type, int] = dict.fromkeys((model_info(name).network for name in NAMES), 0)
    for name, faults in FAULTS.items():
        counts[model_info(name).network] += len(faults)
    assert all(count >= 2 for count in counts.values()), counts


# --- size and cost -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", EVEN_1202)
def test_parameters(name: str):
    with torch.device("meta"):
        model = cnnlab.create_model(name)
    assert sum(p.numel() for p in model.parameters()) == reference(name).params


@pytest.mark.parametrize("name", SHALLOW_CIFAR)
def test_macs(name: str):
    wanted = reference(name)
    assert abs(count_macs(name) - wanted.macs) <= wanted.macs_tolerance


@pytest.mark.parametrize(
    ("name", "millions"),
    [("20", "0.27"), ("32", "0.46"), ("44", "0.66"), ("56", "0.85"), ("110", "1.7"), ("1202", "19.4")],
)
def test_parameters_of_the_papers_table_6(name: str, millions: str):
    decimals = len(millions.partition(".")[2])
    assert f"{reference(f'resnet{name}_cifar').params / 1e6:.{decimals}f}" == millions


def test_plain_and_residual_cifar_networks_have_the_same_parameters():
    for name in cnnlab.list_models("plain*_cifar"):
        assert reference(name).params == reference(name.replace("plain", "resnet")).params


@pytest.mark.parametrize(("name", "paper"), [("resnet50", 3.8e9), ("resnet101", 7.6e9), ("resnet152", 11.3e9)])
def test_macs_of_the_papers_table_1_with_the_stride_of_2015(name: str, paper: float):
    from torch.utils.flop_counter import FlopCounterMode

    info = model_info(name)
    with torch.device("meta"):
        model = info.network(replace(info.variant, stride_on_1x1=True)).eval()
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            model(torch.empty(1, 3, 224, 224))
    macs = counter.get_total_flops() / 2
    # The paper prints two digits (3.86e9 as 3.8); torchvision's placement costs 0.23e9 more.
    assert abs(macs - paper) < 0.08e9
    assert reference(name).macs - macs > 0.22e9


# --- outputs -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ALL)
def test_output_equals_the_reference(name: str, randomized, record_property):
    theirs, ours = randomized(name)
    channels = model_info(name).input_size[0]
    for side in sizes(name):
        x = torch.randn(2, channels, side, side, generator=torch.Generator().manual_seed(side))
        difference = relative_difference(theirs, ours, x)
        record_property(f"difference_{side}", difference)
        assert difference < TOLERANCE, f"{difference:.2e} at {side} px"
        with torch.inference_mode():  # two pictures, two answers: the comparison says something
            a, b = theirs(x)
        assert (a - b).abs().max() > 0.01 * a.abs().max()


@pytest.mark.parametrize(("name", "fault"), [(name, fault) for name in FAULTS for fault in FAULTS[name]])
def test_planted_fault_is_caught(name: str, fault: str, randomized, record_property):
    theirs, ours = randomized(name)
    broken = copy.deepcopy(ours)
    FAULTS[name][fault](broken)
    info = model_info(name)
    x = torch.randn(1, *info.input_size, generator=torch.Generator().manual_seed(0))
    difference = relative_difference(theirs, broken, x)
    record_property("difference", difference)
    assert difference > 5 * TOLERANCE, f"not caught: {difference:.2e}"
    assert relative_difference(theirs, ours, x) < TOLERANCE  # and the sound one still agrees


@pytest.mark.parametrize("name", SHALLOW_CIFAR)
def test_batch_norm_settings(name: str):
    """A wrong eps can hide below the tolerance, and a wrong momentum shows in no output at all."""
    with torch.device("meta"):
        pairs = [[m for m in network.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
                 for network in (reference(name).build(), cnnlab.create_model(name))]  # fmt: skip
    settings = [[(m.num_features, m.eps, m.momentum, m.affine, m.track_running_stats) for m in norms]
                for norms in pairs]  # fmt: skip
    assert settings[0] == settings[1]


def test_initial_distribution_of_resnets():
    model = cnnlab.create_model("resnet18")
    weight = model.conv4[0].conv2.weight  # 3x3, 256 -> 256: std sqrt(2 / (9 * 256)) by fan-out
    assert weight.std().item() == pytest.approx((2 / (9 * 256)) ** 0.5, rel=0.01)
    assert (model.conv2[0].bn2.weight == 1).all()  # no zero initialization
    cifar = cnnlab.create_model("resnet56_cifar")
    assert cifar.stage3[0].conv1.weight.std().item() == pytest.approx((2 / (9 * 32)) ** 0.5, rel=0.03)  # fan-in


# --- use -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_every_parameter_gets_a_gradient(name: str):
    torch.manual_seed(0)
    model = cnnlab.create_model(name)
    logits = model(small_input(name, batch=4))
    nn.functional.cross_entropy(logits, torch.arange(4) % logits.shape[1]).backward()
    for key, parameter in model.named_parameters():
        assert parameter.grad is not None, key
        assert torch.isfinite(parameter.grad).all(), key
        assert parameter.grad.abs().max() > 0, key


@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_classes_channels_batch_of_one_and_number_formats(name: str):
    model = cnnlab.create_model(name, num_classes=7, in_channels=2).eval()
    x = small_input(name, batch=1, channels=2)
    assert model.input_size == (2, *model_info(name).input_size[1:])
    assert model.name == name
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("error")
        y = model(x)
        assert y.shape == (1, 7)
        assert y.dtype == torch.float32
        torch.testing.assert_close(model(torch.cat([x, -x]))[:1], y, rtol=1e-4, atol=1e-4)
        last = model.to(memory_format=torch.channels_last)(x.to(memory_format=torch.channels_last))
        torch.testing.assert_close(last, y, rtol=1e-4, atol=1e-4)
        double = model.double()(x.double())
        assert double.dtype == torch.float64
        torch.testing.assert_close(double.float(), y, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_copies_and_files(name: str):
    model, other = cnnlab.create_model(name).eval(), cnnlab.create_model(name).eval()
    x = small_input(name)
    with torch.no_grad():
        y = model(x)
        assert not torch.equal(other(x), y)
        file = io.BytesIO()
        torch.save(model.state_dict(), file)
        file.seek(0)
        other.load_state_dict(torch.load(file, weights_only=True))
        assert torch.equal(other(x), y)
        twin = copy.deepcopy(model)
        assert torch.equal(twin(x), y)
        with pytest.raises(ValueError, match="channels differ"):
            twin(x.repeat(1, 5, 1, 1))  # the check of the input came along
        whole = io.BytesIO()
        torch.save(model, whole)
        whole.seek(0)
        assert torch.equal(torch.load(whole, weights_only=False)(x), y)


@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_compile_and_export(name: str):
    model = cnnlab.create_model(name, num_classes=3).eval()
    x = small_input(name)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        y = model(x)
        torch._dynamo.reset()
        compiled = torch.compile(model, backend="eager")
        torch.testing.assert_close(compiled(x), y)
        with pytest.raises(ValueError, match="channels differ"):
            compiled(x.repeat(1, 5, 1, 1))
        torch._dynamo.reset()
        program = torch.export.export(model, (x,), dynamic_shapes=({0: torch.export.Dim("batch")},), strict=False)
        again = program.module()(torch.cat([x, x, x]))
        torch.testing.assert_close(again[:2], y, rtol=1e-4, atol=1e-4)


def test_a_resnet_exports_with_any_height_and_width():
    model = cnnlab.create_model("resnet20_cifar").eval()
    dim = torch.export.Dim
    shapes = ({2: dim("height", min=16), 3: dim("width", min=16)},)
    program = torch.export.export(model, (torch.randn(1, 3, 32, 48),), dynamic_shapes=shapes, strict=False)
    x = torch.randn(1, 3, 33, 40)
    torch.testing.assert_close(program.module()(x), model(x), rtol=1e-4, atol=1e-4)


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
    assert len(inspect.getsource(module).splitlines()) <= 250
    assert model_info(name).url in module.__doc__
    assert model_info(name).family == "MLP" or "Differs from the paper in" in module.__doc__


def test_a_name_cannot_be_taken_twice():
    from cnnlab.models.registry import register

    taken = register({"lenet5": None}, family="x", year=1, paper="", url="", num_classes=1, input_size=(1, 1, 1))
    with pytest.raises(ValueError, match="'lenet5' is taken by LeNet5"):
        taken(nn.Identity)
