"""Trunk and head of every registered model: what enters the last layer, and a fresh last layer for other classes.

That each name has a head of its own, and takes another one, is asked of all of them in test_models.py.
"""

from __future__ import annotations

import copy
import io

import numpy
import pytest
import torch
from torch import Tensor, nn

import cnnlab
from cnnlab.meta import on_meta
from cnnlab.models import model_info
from cnnlab.models.network import Network
from tests.contract import small_input
from tests.test_models_in_use import WHOLE_TOO, in_use

# What registered networks do with the head's output: the words of `ModelInfo.after`, and the same in code.
AFTER = {
    None: lambda y: y,
    "ReLU and global average pooling": lambda y: nn.functional.relu(y).mean(dim=(2, 3)),
}


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def tensors_of_heads(model: Network) -> dict[str, Tensor]:
    return {
        f"{name}.{key}": value.clone()
        for name in model.head_names
        for key, value in model.get_submodule(name).state_dict().items()
    }


@pytest.mark.parametrize(("name", "less"), WHOLE_TOO)
def test_trunk_and_head(name: str, less: bool):
    torch.manual_seed(0)
    model, x = in_use(name, less), small_input(name)
    after = AFTER[model.info.after]
    with torch.no_grad():
        y, features = model(x), model.features(x)
        assert torch.equal(after(model.head(features)), y)
        assert not features.isnan().any()

        # The same number of classes: drawn as the network's own constructor drew it.
        before, first = {key: value.clone() for key, value in model.state_dict().items()}, tensors_of_heads(model)
        model.requires_grad_(False)
        model.new_head(model.info.num_classes, generator=seeded(1))
        redrawn = tensors_of_heads(model)
        for key, old in first.items():
            new, spread = redrawn[key], old.std().item()
            assert new.shape == old.shape
            assert new.std().item() == pytest.approx(spread, rel=5 / (2 * old.numel()) ** 0.5), key
            assert new.mean().item() == pytest.approx(old.mean().item(), abs=7 * spread / old.numel() ** 0.5), key
            assert torch.equal(new, old) == (spread == 0 or not key.endswith(("weight", "bias"))), key

        # Another number: the head and those of the auxiliary branches, and nothing else.
        head = model.new_head(5, generator=seeded(1))
        assert head is model.head
        assert not head.training
        one = tensors_of_heads(model)
        model.new_head(5, generator=seeded(1))
        assert all(torch.equal(value, one[key]) for key, value in tensors_of_heads(model).items())
        now = model.state_dict()
        assert list(now) == list(before)
        kept = [key for key in now if key not in one]
        assert all(torch.equal(now[key], before[key]) for key in kept)
        assert torch.equal(model.features(x), features)
        assert torch.equal(model(x), after(model.head(features)))
        assert model(x).shape[:2] == (2, 5)
        if len(model.head_names) > 1:
            logits, auxiliary = model.train()(x)
            assert {part.shape[1] for part in (logits, *auxiliary)} == {5}
            assert len(auxiliary) == len(model.head_names) - 1
    assert {key for key, p in model.named_parameters() if p.requires_grad} == set(one) - {"output.codes"}


def test_a_head_follows_the_models_device_number_format_and_mode():
    model = cnnlab.create_model("resnet20_cifar").double()
    head = model.new_head(numpy.int64(3))
    assert (head.weight.dtype, head.training, head.out_features) == (torch.float64, True, 3)
    assert model.to(torch.bfloat16).new_head(4).weight.dtype == torch.bfloat16
    with on_meta():
        model = cnnlab.create_model("vgg16")
    assert model.new_head(3).weight.is_meta
    lenet = cnnlab.create_model("lenet5_1998").double()  # whose head has a buffer and no parameters
    assert lenet.new_head(3).codes.dtype == torch.float64
    assert torch.equal(lenet.head.codes.abs(), torch.ones(3, 84, dtype=torch.float64))


def test_a_head_for_gray_or_small_pictures_fits():
    model = cnnlab.create_model("alexnet", small_input=True, in_channels=1)
    model.new_head(2)
    assert model(torch.randn(2, 1, 32, 32)).shape == (2, 2)


def test_random_numbers_come_from_the_generator_or_from_torch():
    model, generator = cnnlab.create_model("lenet5"), seeded(0)
    torch.manual_seed(5)
    untouched = torch.get_rng_state()
    first = model.new_head(4, generator=generator).weight
    assert torch.equal(torch.get_rng_state(), untouched)
    second = model.new_head(4, generator=generator).weight  # the generator went on
    assert not torch.equal(first, second)
    third = model.new_head(4).weight
    assert not torch.equal(torch.get_rng_state(), untouched)
    torch.manual_seed(5)
    assert torch.equal(model.new_head(4).weight, third)


def test_a_layer_of_ones_own_as_the_head():
    model, x = cnnlab.create_model("resnet20_cifar").eval(), torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        features = model.features(x)
        model.head = nn.Identity()
        assert torch.equal(model(x), features)
        model.head = nn.Sequential(nn.Linear(64, 8), nn.ReLU(), nn.Linear(8, 2))
        assert torch.equal(model(x), model.head(model.features(x)))
        assert "head" not in dict(model.named_children())
        assert isinstance(model.new_head(3), nn.Linear)
        assert model(x).shape == (2, 3)


def test_copies_keep_their_own_trunk_and_head():
    model, x = cnnlab.create_model("nin_cifar").eval(), torch.randn(1, 3, 32, 32)
    whole = io.BytesIO()
    torch.save(model, whole)
    whole.seek(0)
    for twin in (copy.deepcopy(model), torch.load(whole, weights_only=False)):
        assert torch.equal(twin.features(x), model.features(x))
        twin.new_head(2)
        assert twin(x).shape == (1, 2)
        assert model(x).shape == (1, 10)
    with torch.no_grad(), pytest.raises(ValueError, match="channels differ"):
        model.features(torch.randn(1, 1, 32, 32))
    assert not model.head._forward_pre_hooks  # nothing is left behind, after an error neither


def test_features_follow_the_mode_and_carry_gradients():
    model, x = cnnlab.create_model("alexnet", small_input=True), torch.randn(2, 3, 32, 32)
    model.features(x).sum().backward()
    assert model.conv1.weight.grad.abs().sum() > 0
    assert model.fc8.weight.grad is None
    assert not torch.equal(model.features(x), model.features(x))  # dropout
    assert torch.equal(model.eval().features(x), model.features(x))


@pytest.mark.parametrize("value", [0, -1, 2.0, "10", True, [3], None])
def test_the_number_of_classes_must_be_a_positive_whole_number(value: object):
    model = cnnlab.create_model("lenet5")
    before = model.head
    with pytest.raises(ValueError, match=r"num_classes=.* is not allowed: .*positive whole number.*classes"):
        model.new_head(value)
    assert model.head is before


def test_other_mistakes_with_heads_say_what_to_do():
    model = cnnlab.create_model("lenet5")
    for generator in (0, torch.Generator("cpu").manual_seed):
        with pytest.raises(ValueError, match="generator=.*torch.Generator on the CPU"):
            model.new_head(3, generator=generator)
    with pytest.raises(TypeError, match=r"head=3 is a int; give an nn.Module"):
        model.head = 3
    info = model_info("lenet5")
    bare = info.network(info.variant)
    for ask in (lambda: bare.head, lambda: bare.features(torch.zeros(1, 1, 32, 32)), lambda: bare.new_head(3)):
        with pytest.raises(RuntimeError, match=r"LeNet5 was built without cnnlab.create_model"):
            ask()

    class Clash(Network):
        def __init__(self) -> None:
            super().__init__()
            self.head = nn.Linear(2, 2)

    with pytest.raises(AttributeError, match=r"Clash.head is the layer that register_variants\(head=...\) names"):
        Clash()
