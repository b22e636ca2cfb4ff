"""Networks that answer inside a page: what the engine's JavaScript computes, asked in Node, is what torch computes."""

from __future__ import annotations

import copy
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import cnnlab
from cnnlab import widgets
from cnnlab.layers import SqueezeExcite, pad_same
from cnnlab.ship import ShipError, export_page
from cnnlab.ship.packing import load_packed, pack, packed_weights, unpack
from tests.test_explorer_arithmetic import node  # noqa: F401 a fixture, which skips where there is no Node

ENGINE = Path(widgets.__file__).parent / "static" / "engine"
ANSWERS = f"""
import {{ readFileSync }} from "node:fs";
import {{ readNetwork, passedOn }} from "{(ENGINE / "network.js").as_uri()}";
import {{ LAYERS, ACTIVATIONS }} from "{(ENGINE / "layers.js").as_uri()}";
const answers = JSON.parse(readFileSync(0)).map(([page, shape, data]) => {{
  try {{
    const all = passedOn(readNetwork(page), {{ shape, data: Float32Array.from(data) }}, LAYERS, ACTIVATIONS);
    return {{ shape: all.at(-1).shape, data: [...all.at(-1).data] }};
  }} catch (error) {{
    return {{ error: error.message }};
  }}
}});
console.log(JSON.stringify(answers));
"""


@pytest.fixture
def answers(node):  # noqa: F811
    """``answers([(page, picture (C, H, W)), ...])``: what the engine says of each, or the error."""

    def ask(asked: list[tuple[dict[str, Any], Tensor]]) -> list[Any]:
        job = json.dumps([[page, list(x.shape), x.flatten().tolist()] for page, x in asked])
        command = [shutil.which("node"), "--input-type=module", "-e", ANSWERS]
        done = subprocess.run(command, input=job, capture_output=True, text=True, check=False, timeout=120)
        assert done.returncode == 0, done.stderr
        said = json.loads(done.stdout)
        return [
            torch.tensor(own["data"], dtype=torch.float32).reshape(own["shape"]) if "data" in own else own["error"]
            for own in said
        ]

    return ask


class Same(nn.Module):
    """TensorFlow's padding before a convolution."""

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.conv = conv

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(pad_same(x, self.conv.kernel_size[0], self.conv.stride[0]))


class Fork(nn.Module):
    """Everything that reads two inputs: a sum, a product with one number for each map, a concatenation, x + x."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.one, self.two = nn.Conv2d(channels, channels, 1), nn.Conv2d(channels, 3, 3, padding=1)
        self.norm, self.gate = nn.BatchNorm2d(channels), SqueezeExcite(channels, 2)

    def forward(self, x: Tensor) -> Tensor:
        wide = self.one(x)
        sum_ = F.relu(wide) + x  # wide is read twice, so that it must stay as it is
        return torch.cat([self.gate(sum_), self.norm(x) * wide, self.two(x + x)], dim=1).relu()


class Shortened(nn.Module):
    """Every so many pixels, and maps of zeros after those that there are."""

    def __init__(self, down: int, right: int, more: int) -> None:
        super().__init__()
        self.down, self.right, self.more = down, right, more

    def forward(self, x: Tensor) -> Tensor:
        return F.pad(x[:, :, :: self.down, :: self.right], (0, 0, 0, 0, 0, self.more))


class Pooled(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([F.avg_pool2d(x, 2), F.max_pool2d(x, 2)], 1).mean(dim=(2, 3))


def drawn(low: int, high: int) -> int:
    return int(torch.randint(low, high + 1, ()))


def random_conv(channels: int) -> nn.Module:
    """Standard, grouped, depthwise with one kernel or two for each channel, or pointwise; uneven ones too."""
    groups = [1, 1, 2, channels, channels][drawn(0, 4)]
    kernel = (drawn(1, 4), drawn(1, 4))
    stride, dilation = (drawn(1, 3), drawn(1, 2)), (drawn(1, 2), drawn(1, 2))
    filters = groups * drawn(1, 3)
    padding: Any = (drawn(0, 3), drawn(0, 2))
    if drawn(0, 5) == 0:
        stride, padding = (1, 1), "same"
    if drawn(0, 4) == 0:
        square = nn.Conv2d(channels, filters, drawn(1, 5), drawn(1, 3), groups=groups)
        return Same(square)
    if drawn(0, 4) == 0:
        kernel, stride, dilation, padding = (1, 1), (1, 1), (1, 1), 0
    return nn.Conv2d(channels, filters, kernel, stride, padding, dilation, groups, bias=bool(drawn(0, 1)))


def random_network(number: int) -> tuple[nn.Module, Tensor]:
    """A few random layers and a picture for them."""
    channels = 2 * drawn(1, 3)
    picture = torch.randn(channels, drawn(9, 14), drawn(9, 14))
    acts = [nn.ReLU(), nn.ReLU6(), nn.Tanh(), nn.Sigmoid(), nn.SiLU(), nn.Hardsigmoid(), nn.Hardswish(), nn.Identity()]
    conv = random_conv(channels)
    wide = conv(picture[None]).shape[1]
    ceil = bool(drawn(0, 1))
    pool: nn.Module = nn.MaxPool2d(drawn(2, 3), drawn(1, 3), 1, ceil_mode=ceil)
    if drawn(0, 1):
        pool = nn.AvgPool2d(drawn(2, 3), drawn(1, 3), 1, ceil_mode=ceil, count_include_pad=bool(drawn(0, 1)))
    shortened = Shortened(drawn(1, 3), drawn(1, 3), drawn(0, 3))
    network: nn.Module = nn.Sequential(conv, nn.BatchNorm2d(wide), acts[number % len(acts)], pool, shortened)
    if number % 4 == 1:
        network = nn.Sequential(nn.BatchNorm2d(channels), Fork(channels), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        if number % 8 == 1:
            size = (drawn(1, 16), drawn(2, 16))  # smaller than the maps, or larger
            network[2] = nn.Sequential(nn.LocalResponseNorm(drawn(1, 6), 0.3, 0.75, 1.5), nn.AdaptiveAvgPool2d(size))
    elif number % 4 == 2:
        network = nn.Sequential(conv, acts[number % len(acts)], Pooled(), nn.Dropout(), nn.Linear(2 * wide, 3))
    elif number % 4 == 3:
        size = conv(picture[None]).numel()
        network = nn.Sequential(conv, nn.Flatten(), nn.Tanh(), nn.Linear(size, 5, bias=False))
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
            nn.init.normal_(module.weight)
            nn.init.normal_(module.bias)
    return network.eval(), picture


@pytest.mark.slow
@torch.no_grad()
def test_random_layers_are_torch_s(answers):
    asked, wanted = [], []
    for number in range(160):
        torch.manual_seed(number)
        network, picture = random_network(number)
        answer = network(picture[None])[0]
        if answer.numel():
            asked.append((export_page(network, bits=32), picture))
            wanted.append(answer)
    assert len(wanted) > 140
    kinds = {layer["op"] for page, _ in asked for layer in page["layers"]}
    assert kinds >= {"conv", "dense", "max_pool", "average_pool", "affine", "add", "multiply", "concat", "pad_same"}
    assert kinds >= {"adaptive_average", "response_norm", "subsample", "more_maps"}
    for number, (found, answer) in enumerate(zip(answers(asked), wanted, strict=True)):
        assert isinstance(found, Tensor), (number, found)
        torch.testing.assert_close(found, answer, rtol=1e-4, atol=1e-4, msg=lambda m, n=number: f"case {n}: {m}")


@torch.no_grad()
@pytest.mark.parametrize("bits", [8, 16])
def test_rounded_weights_are_read_as_python_reads_them(answers, bits):
    torch.manual_seed(0)
    network = nn.Sequential(
        *(nn.Conv2d(3, 6, 3, groups=3), nn.Tanh(), nn.Conv2d(6, 4, 1, bias=False)),
        *(nn.Flatten(), nn.Linear(64, 5)),
    )
    network[0].weight[0] *= 1e-6  # numbers below the smallest normal one of 16 bits
    picture = torch.randn(3, 6, 6)
    (found,) = answers([(export_page(network, bits), picture)])
    rounded = load_packed(copy.deepcopy(network), packed_weights(network, bits))
    torch.testing.assert_close(found, rounded(picture[None])[0], rtol=1e-5, atol=1e-5)
    plain = network(picture[None])[0]
    assert 0 < (found - plain).abs().max() < (0.05 if bits == 8 else 2e-3)


@torch.no_grad()
@pytest.mark.parametrize(
    ("name", "size"),
    [
        *(("lenet5", None), ("lenet5_28", None), ("mlp_mnist", None)),
        *(
            pytest.param(name, size, marks=pytest.mark.slow)
            for name, size in (
                *(("squeezenet1_1", 65), ("mobilenet_v3_small", 48), ("tf_efficientnet_lite0", 45)),
                *(("googlenet_2014", 64), ("nin_cifar", None)),
            )
        ),
    ],
)
def test_networks_of_the_registry_answer_as_they_do_in_torch(answers, name, size):
    torch.manual_seed(0)
    model = cnnlab.create_model(name).eval()
    channels, height, width = model.input_size
    picture = torch.randn(channels, size or height, size or width)
    (found,) = answers([(export_page(model, bits=32), picture)])
    torch.testing.assert_close(found, model(picture[None])[0], rtol=1e-3, atol=1e-4)


def test_a_norm_that_a_convolution_takes_in_is_no_layer():
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.BatchNorm2d(2)).train()
    page = cnnlab.export_page(network)
    assert [(layer["op"], layer.get("act")) for layer in page["layers"]] == [("conv", "relu"), ("affine", None)]
    assert network.training and network[1].training
    assert json.loads(json.dumps(page, allow_nan=False)) == page


class Decides(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x if x.sum() > 0 else -x


def test_what_the_engine_has_not_is_named():
    with pytest.raises(TypeError, match="model is str; give a network"):
        export_page("lenet5")
    with pytest.raises(ValueError, match="bits=4 is not allowed; use 8, 16 or 32"):
        export_page(nn.Sequential(nn.Linear(2, 2)), bits=4)
    for layer, said in (
        (nn.LayerNorm(4), r"layer '1' is LayerNorm\(\(4,\), eps=1e-05"),
        (nn.ConvTranspose2d(1, 1, 2), r"layer '1' is ConvTranspose2d\(1, 1"),
        (nn.MaxPool2d(2, dilation=2), "max pooling with dilation=2 and return_indices=False"),
        (nn.Conv2d(1, 1, 3, padding=1, padding_mode="reflect"), "padding_mode='reflect'"),
        (nn.AvgPool2d(2, divisor_override=3), "divisor_override=3"),
        (nn.BatchNorm2d(1, track_running_stats=False), "without running statistics"),
        (nn.AdaptiveMaxPool2d(3), r"AdaptiveMaxPool2d\(output_size=3\)"),
        (nn.AdaptiveAvgPool2d((3, None)), r"AdaptiveAvgPool2d\(output_size=\(3, None\)\)"),
        (Decides(), r"layer '1' \(Decides\) does what depends on its input"),
    ):
        with pytest.raises(ShipError, match=said) as error:
            export_page(nn.Sequential(nn.ReLU(), layer))
        assert "knows Conv2d, Linear" in str(error.value) and "\n" not in str(error.value)
    with pytest.raises(ShipError, match=r"layer 'squash' is mul\(\)"):
        export_page(cnnlab.create_model("lenet5_1998"))


def test_weights_that_no_16_bits_can_say_are_named():
    network = nn.Sequential(nn.Linear(1, 1))
    nn.init.constant_(network[0].weight, 1e5)
    with pytest.raises(ValueError, match=r"0\.weight holds 100000, which 16 bits cannot say.* bits=32"):
        export_page(network)
    nn.init.constant_(network[0].weight, float("nan"))
    with pytest.raises(ValueError, match="holds nan"):
        export_page(network, bits=32)


def test_eight_bits_err_by_half_a_step_at_most():
    values = torch.randn(5, 7, generator=torch.Generator().manual_seed(0)) * torch.logspace(-3, 3, 5)[:, None]
    values[2] = 0
    rounded = unpack(pack("values", values, bits=8))
    steps = values.abs().amax(dim=1, keepdim=True) / 127
    assert ((rounded - values).abs() <= steps / 2 + 1e-7 * steps).all()
    assert torch.equal(unpack(pack("values", rounded, bits=8)), rounded)  # rounding again changes nothing


def test_a_picture_of_the_wrong_size_is_named(answers):
    page = export_page(nn.Sequential(nn.Conv2d(2, 1, 1), nn.Flatten(), nn.Linear(4, 2)), bits=32)
    assert answers([(page, torch.ones(3, 2, 2)), (page, torch.ones(2, 3, 3))]) == [
        "layer 0 reads 2 maps and got 3.",
        "layer 2 reads 4 numbers and got 9.",
    ]
