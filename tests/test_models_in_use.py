"""The contract of every registered model in use: gradients, small pictures, number formats, copies, compilation."""

from __future__ import annotations

import copy
import inspect
import io
import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from unittest.mock import patch

import pytest
import torch
from torch import nn

import cnnlab
from cnnlab.layers import DropPath
from cnnlab.models import factory, model_info
from tests.contract import cheaply_drawn, shallow, small_input, uninitialized
from tests.models_contract import ONE_OF_EACH
from tests.pretend import pretended

USED = [pytest.param(n, marks=() if n in ONE_OF_EACH else pytest.mark.full) for n in cnnlab.list_models()]
# Where code counts and not numbers, one block of each kind is enough, but for make test-full.
EACH_KIND = [pytest.param(name, True, id=f"{name}-shallow") for name in ONE_OF_EACH]
WHOLE_TOO = [*EACH_KIND, *(pytest.param(n, False, id=n, marks=pytest.mark.full) for n in cnnlab.list_models())]
# What these repeat need not even be built, nor the dense layers of a hundred million parameters.
FEWER: dict[str, dict[str, object]] = {
    "alexnet_2012": {"channels": (16, 16, 16, 16, 16)},
    "densenet121": {"layers": (2, 2, 2, 2)},
    "inception_resnet_v2": {"blocks": (1, 1, 2)},
    "inception_v4": {"modules": (1, 1, 1)},
    "nasnet_mobile": {"cells": 1},
    "resnext29_8x64d_cifar": {"blocks": (2, 1, 1, 0)},
    "vgg11": {"small_input": True},
    "wide_resnet50_2": {"blocks": (2, 1, 1, 1)},
    "zfnet": {"channels": (16, 16, 16, 16, 16)},
}
# A copy of each of these and a file of it would not fit into a usual machine's memory beside the network.
HUGE = {"regnet_y_128gf", "vit_h_14", "convnextv2_huge"}
COPIED = [param for param in WHOLE_TOO if param.values[0] not in HUGE]
# So deep that their batch norms need statistics before they can be asked in evaluation mode: new, two of them answer
# NaN, as their files say, and the third numbers in which rounding has grown to a tenth.
DEEPEST = {"preact_resnet1001_cifar", "resnet1202_cifar", "legacy_seresnet152"}
SMALL = [
    param
    for param in WHOLE_TOO
    if param.values[0] in ONE_OF_EACH and hasattr(model_info(param.values[0]).variant, "small_input")
]


@pytest.fixture(autouse=True)
def drawn() -> Iterator[None]:
    with cheaply_drawn():
        yield


@contextmanager
def fewer(name: str) -> Iterator[None]:
    """Within it, the network of that name is built with less of what it repeats."""
    info = model_info(name)
    info = replace(info, variant=replace(info.variant, **FEWER.get(name, {})))
    with patch.object(factory, "model_info", lambda _: info):
        yield


def in_use(name: str, less: bool = False, **arguments: int) -> nn.Module:
    """A network in evaluation mode that answers with numbers; ``less`` of it: one block of each kind."""
    if less:
        with fewer(name):
            model = cnnlab.create_model(name, **arguments).eval()
        small = arguments.get("small_input")
        x = torch.randn(1, *model.input_size) if small else small_input(name, batch=1, channels=model.input_size[0])
        return shallow(model, x)
    model = cnnlab.create_model(name, **arguments)
    if name in DEEPEST:
        for module in model.train().modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = 1.0
        with torch.no_grad():
            model(small_input(name, batch=8, channels=model.input_size[0]))
    return model.eval()


@pytest.mark.parametrize("name", USED)
def test_every_parameter_gets_a_gradient(name: str):
    """On a device that is only claimed, so that a tensor which stays behind when a model moves is found here."""
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = cnnlab.create_model(name)
        with pretended() as device:
            model.to(device)
            _check_gradients(model, small_input(name, batch=4).to(device))
            with torch.no_grad():
                assert model.eval()(small_input(name).to(device)).device == device
            model.new_head(7)
            assert {p.device for p in model.parameters()} == {device}


@pytest.mark.parametrize(("name", "less"), SMALL)
def test_a_version_for_small_pictures(name: str, less: bool):
    torch.manual_seed(0)
    model = in_use(name, less, num_classes=10, small_input=True)
    assert model.input_size == (model_info(name).input_size[0], 32, 32)
    assert "small_input" in inspect.getmodule(type(model)).__doc__, "say in the file's docstring what changes"
    _check_gradients(model, torch.randn(4, *model.input_size))
    with torch.no_grad():
        assert model.eval()(torch.randn(1, *model.input_size)).shape == (1, 10)
    with pytest.raises(ValueError, match="small_input"):
        cnnlab.create_model(name, small_input=True, weights="imagenet")


def _check_gradients(model: nn.Module, x: torch.Tensor) -> None:
    """One step's gradients, auxiliary heads included, as `cnnlab.fit` takes it, wherever model and pictures are."""
    for module in model.train().modules():
        if isinstance(module, DropPath):
            module.eval()  # a branch that chance drops for all four pictures gets none
    output = model(x)
    logits, auxiliary = output if isinstance(output, tuple) else (output, [])
    assert len(auxiliary) == len(getattr(model, "auxiliary_weights", ()))
    loss = torch.zeros((), device=x.device)
    for weight, part in zip((1.0, *getattr(model, "auxiliary_weights", ())), (logits, *auxiliary)):
        y = (
            torch.arange(4, device=x.device).reshape(4, *[1] * (part.dim() - 2)).expand(4, *part.shape[2:])
            % part.shape[1]
        )
        loss = loss + weight * nn.functional.cross_entropy(part, y)  # classes of images, or of each pixel
    loss.backward()
    for key, parameter in model.named_parameters():
        assert parameter.grad is not None, key
        # Once through it; both are NaN if any is.
        least, most = (value.item() for value in torch.aminmax(parameter.grad.detach()))
        assert math.isfinite(least) and math.isfinite(most), key
        assert most > 0 or least < 0, key


@pytest.mark.parametrize(("name", "less"), WHOLE_TOO)
def test_classes_channels_batch_of_one_and_number_formats(name: str, less: bool):
    torch.manual_seed(0)
    model = in_use(name, less, num_classes=7, in_channels=2)
    x = small_input(name, batch=1, channels=2)
    assert model.input_size == (2, *model_info(name).input_size[1:])
    assert model.name == name
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("error")
        y = model(x)
        assert y.shape[:2] == (1, 7)
        assert y.dtype == torch.float32
        model, x = model.double(), x.double()  # in which what must be equal is not blurred by rounding
        exact = model(x)
        assert exact.dtype == torch.float64
        close = {"rtol": 1e-8, "atol": 1e-8 * max(1.0, y.abs().max().item())}
        torch.testing.assert_close(model(torch.cat([x, -x]))[:1], exact, **close)
        last = model.to(memory_format=torch.channels_last)(x.to(memory_format=torch.channels_last))
        torch.testing.assert_close(last, exact, **close)
    rounding = 1e-2 if name in DEEPEST else 1e-4  # it grows from layer to layer
    torch.testing.assert_close(y, exact.float(), rtol=rounding, atol=rounding * max(1.0, y.abs().max().item()))


@pytest.mark.parametrize(("name", "less"), COPIED)
def test_copies_and_files(name: str, less: bool):
    torch.manual_seed(0)
    model, x = in_use(name, less), small_input(name)
    with uninitialized():  # it gets the first one's parameters, or holds anything at all
        other = in_use(name, less)
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


# Tracing takes ten times as long as computing.
@pytest.mark.slow
@pytest.mark.parametrize(("name", "less"), WHOLE_TOO)
def test_compile_and_export(name: str, less: bool):
    torch.manual_seed(0)
    model, x = in_use(name, less, num_classes=3), small_input(name)
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
