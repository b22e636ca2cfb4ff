"""summarize: exact against torchvision's own metadata for every classification model; fields; errors."""

from __future__ import annotations

import contextlib
import io
import re
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path

import numpy
import pandas
import pytest
import torch
import torchvision
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from cnnlab import arithmetic
from cnnlab.analysis import ReceptiveField, receptive_field, summarize
from cnnlab.meta import on_meta
from cnnlab.models import list_models
from cnnlab.tables import human
from tests.contract import count_macs, count_params, create_on_meta
from tests.models_contract import FAULTS

CLASSIFIERS = torchvision.models.list_models(module=torchvision.models)


def build_on_meta(name: str, crop: int) -> nn.Module:
    options: dict = {}
    if name == "googlenet":
        options = {"aux_logits": False, "init_weights": False}  # num_params leaves the auxiliary heads out
    elif name == "inception_v3":
        options = {"init_weights": False}  # ... and here counts them
    elif name.startswith("vit") and crop != 224:
        options = {"image_size": crop}
    with on_meta():
        return torchvision.models.get_model(name, **options)


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_totals_equal_torchvision_metadata(name: str) -> None:
    """Parameters and MACs of every published checkpoint, at its own crop."""
    cases = {}
    for weights in torchvision.models.get_model_weights(name):
        crop = weights.transforms().crop_size[0]
        cases[crop, weights.meta["num_params"], weights.meta["_ops"]] = weights
    for crop, params, gigamacs in cases:
        summary = summarize(build_on_meta(name, crop), (3, crop, crop))
        assert summary.params == params
        assert round(summary.macs / 1e9, 3) == gigamacs


def test_there_are_all_of_them() -> None:
    assert len(CLASSIFIERS) >= 80


# In every run the models that have faults planted, one or more of each network class: they have all the operators.
REGISTERED = [pytest.param(n, marks=() if n in FAULTS else pytest.mark.full) for n in list_models()]


@pytest.mark.parametrize("name", REGISTERED)
def test_totals_of_every_registered_model_equal_torchs_own_count(name: str) -> None:
    """Parameters by hand and MACs by torch's FlopCounterMode; the table adds up, and each row of it can be shown."""
    summary, model = summarize(name), create_on_meta(name)
    assert summary.params == count_params(model)
    assert summary.macs == count_macs(model, model.input_size)
    leaves = [x for x in summary.layers if not x.is_container]
    assert sum(x.macs for x in leaves) == summary.macs
    # Auxiliary heads work in training only; nothing else is left out, and everything has a receptive field.
    heads = tuple(x.name for x in summary.layers if x.output_shape is None)
    assert len(heads) == len(getattr(model, "auxiliary_weights", ()))
    assert all(x.receptive_field is not None for x in summary.layers if x.name not in heads)
    assert len(str(summary).splitlines()) == len(summary.layers) + 4


def small_vision_transformer() -> nn.Module:
    return torchvision.models.VisionTransformer(32, 8, num_layers=2, num_heads=2, hidden_dim=16, mlp_dim=32)


def small_swin() -> nn.Module:
    return torchvision.models.SwinTransformer([4, 4], 12, depths=[2, 2], num_heads=[2, 2], window_size=[3, 3])


@pytest.mark.parametrize(
    ("build", "size"),
    [
        (torchvision.models.resnet18, 224),
        (torchvision.models.shufflenet_v2_x0_5, 97),
        (torchvision.models.mobilenet_v3_small, 224),
        (small_vision_transformer, 32),
        (small_swin, 50),
    ],
)
def test_real_module_gives_the_same_and_stays_as_it_was(build: Callable[[], nn.Module], size: int) -> None:
    model = build().train()
    before = {key: (value.data_ptr(), value.clone()) for key, value in model.state_dict().items()}
    parameters = [id(p) for p in model.parameters()]
    summary = summarize(model, (3, size, size))
    with on_meta():
        again = summarize(build(), (3, size, size))
    assert summary.caption == again.caption
    assert summary.layers == again.layers
    assert [id(p) for p in model.parameters()] == parameters
    assert all(m.training for m in model.modules())
    for key, value in model.state_dict().items():
        assert value.data_ptr() == before[key][0]
        assert torch.equal(value, before[key][1])


def test_shapes_equal_a_real_run() -> None:
    """Every shape that the quick rules predict is the shape that comes out on the CPU, at an odd size too."""
    for name in ("googlenet", "squeezenet1_1", "shufflenet_v2_x0_5"):
        options = {"init_weights": False, "aux_logits": False} if name == "googlenet" else {}
        model = torchvision.models.get_model(name, **options).eval()
        for size in (64, 97):
            seen: list[tuple[str, tuple[int, ...]]] = []
            hooks = [
                m.register_forward_hook(lambda m, i, o, key=key, seen=seen: seen.append((key, tuple(o.shape))))
                for key, m in model.named_modules()
                if not list(m.children())
            ]
            with torch.no_grad():
                model(torch.zeros(1, 3, size, size))
            for hook in hooks:
                hook.remove()
            rows = [
                (x.name, x.output_shape)
                for x in summarize(model, (3, size, size)).layers
                if not x.is_container and not x.is_operator
            ]
            assert rows == seen


def test_costs_add_up() -> None:
    summary = summarize(build_on_meta("convnext_tiny", 224), (3, 224, 224))
    leaves = [x for x in summary.layers if not x.is_container]
    assert sum(x.macs for x in leaves) == summary.macs == summary.layers[0].macs
    assert sum(x.activation_bytes for x in leaves) == summary.activation_bytes
    assert summary.layers[0].params == summary.params


def test_batch_does_not_change_costs_per_image() -> None:
    model = build_on_meta("resnet18", 224)
    one, four = summarize(model, (3, 64, 64)), summarize(model, (4, 3, 64, 64))
    assert (one.macs, one.activation_bytes) == (four.macs, four.activation_bytes)
    assert four.layers[0].output_shape == (4, 1000)


class Ours(nn.Module):
    """What a reader may write: functions, attention by hand, a shared layer, a dictionary, a plain tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.shared = nn.Conv2d(8, 8, 3, padding=1, groups=2)
        self.up = nn.ConvTranspose2d(8, 4, 2, stride=2)
        self.forgotten = nn.Linear(5, 5)
        self.scale = nn.Parameter(torch.ones(8, 1, 1))
        self.mask = torch.zeros(8, 1, 1)  # neither parameter nor buffer, and not on the meta device
        self.register_buffer("runs", torch.zeros((), dtype=torch.long))

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        self.runs += 1
        x = self.shared(F.relu(self.stem(x)))
        x = self.shared(x) * self.scale + self.mask
        tokens = x.flatten(2).transpose(1, 2)
        attention = (tokens @ tokens.transpose(1, 2)).softmax(-1) @ tokens
        joined = torch.einsum("nlc,nlc->nl", attention, tokens)
        return {"map": self.up(x), "joined": joined}


def test_any_module() -> None:
    model = Ours()
    summary = summarize(model, (3, 16, 16))
    positions = 8 * 8
    macs = positions * 8 * 27 + 2 * positions * 8 * 4 * 9  # stem, shared twice
    macs += 2 * positions * positions * 8 + positions * 8  # attention, einsum
    macs += positions * 8 * 4 * 4  # transposed: each input number meets 4 x 2 x 2 weights
    assert summary.macs == macs
    assert summary.params == sum(p.numel() for p in model.parameters())
    shared = [x for x in summary.layers if x.name == "shared"]
    assert [x.params for x in shared] == [8 * 4 * 9 + 8, 0]  # counted once
    assert summary["forgotten"].output_shape is None
    assert "not run" in str(summary)
    assert model.runs == 0
    assert summary["matrix product"].receptive_field.is_global
    assert summary["stem"].receptive_field.size == (3, 3)


class Keeping(nn.Module):
    """What is kept from a first forward pass: positions, anchors, masks, in each place where a module may keep them."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.positions: torch.Tensor | None = None
        self.by_shape: dict[tuple[int, ...], torch.Tensor] = {}
        self.levels: dict[str, list[torch.Tensor]] = {"all": []}
        self.register_buffer("scale", None)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.conv(x)
        if self.positions is None or self.positions.shape != y.shape[1:]:
            self.positions = torch.arange(y[0].numel(), device=y.device, dtype=y.dtype).view(y.shape[1:])
        if y.shape not in self.by_shape:
            self.by_shape[y.shape] = torch.ones(y.shape[1:], device=y.device)
        if not self.levels["all"]:
            self.levels["all"].append(torch.ones(1, device=y.device))
        if self.scale is None:
            self.scale = torch.ones(1, device=y.device)
            self.late = nn.Linear(y.shape[-1], y.shape[-1])
        return self.late((y + self.positions) * self.by_shape[y.shape] * self.levels["all"][0] * self.scale)


@pytest.mark.parametrize("used", [False, True])
def test_what_a_model_keeps_from_a_forward_pass_is_not_the_traces(used: bool) -> None:
    model, x = Keeping(), torch.randn(2, 3, 8, 8)
    before = model(x) if used else None
    kept = {name: id(value) for name, value in vars(model).items()}
    for size in ((3, 8, 8), (3, 12, 8)):
        with contextlib.suppress(ValueError):  # the second is wrong for the dense layer
            summarize(model, size)
    assert {name: id(value) for name, value in vars(model).items()} == kept
    assert (len(model.by_shape), len(model.levels["all"]), hasattr(model, "late")) == (used, used, used)
    after = model(x)
    assert before is None or torch.equal(after, before)
    assert all(p.device.type == "cpu" and not p.is_inference() for p in model.parameters())
    after.sum().backward()


@pytest.mark.parametrize("norm", [nn.utils.weight_norm, nn.utils.spectral_norm])
@pytest.mark.filterwarnings("ignore:.*weight_norm.*:FutureWarning")
def test_weights_made_before_each_forward_pass_stay(norm: Callable[[nn.Module], nn.Module]) -> None:
    layer = norm(nn.Conv2d(3, 4, 3))
    weight = layer.weight
    summarize(nn.Sequential(layer), (3, 8, 8))
    assert layer.weight is weight


def of(function: Callable) -> nn.Module:
    """A convolution, and a function of its maps in the same forward pass."""

    class Applied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return function(self.conv(x))

    return Applied()


@pytest.mark.parametrize(
    "function",
    [
        lambda y: y if y.sum() > 0 else -y,
        lambda y: y * y.max().item(),
        lambda y: y[y > 0],
        lambda y: torch.tensor(y.flatten().tolist()),
        lambda y: torch.from_numpy(y.numpy()),
        torch.unique,
    ],
)
def test_a_model_that_looks_at_numbers_is_told_so(function: Callable) -> None:
    with pytest.raises(ValueError, match=r"needs the numbers in it, while a trace has shapes alone") as caught:
        summarize(of(function), (3, 8, 8))
    assert "input_size" not in str(caught.value) and "\n" not in str(caught.value)


def test_a_mistake_in_the_model_is_let_through() -> None:
    with pytest.raises(TypeError, match="unexpected keyword"):
        summarize(of(lambda y: F.relu(y, metal=True)), (3, 8, 8))


@pytest.mark.filterwarnings("ignore:.*torch.jit.*")
def test_a_module_of_torch_jit_trace_is_named() -> None:
    traced = torch.jit.trace(nn.Linear(2, 2), torch.zeros(1, 2))
    with pytest.raises(ValueError, match="The model is a module that torch.jit.trace made"):
        summarize(traced, (2,))


def test_numpys_integers_and_arrays_are_sizes_and_an_empty_example_is_none() -> None:
    conv = nn.Conv2d(3, 4, 3)
    wanted = summarize(conv, (3, 8, 8)).macs
    for size in (numpy.array([3, 8, 8]), tuple(numpy.array([3, 8, 8])), [numpy.int64(3), 8, 8]):
        assert summarize(conv, size).macs == wanted
    for empty in (torch.zeros(0, 3, 8, 8), torch.tensor(1.0)):
        with pytest.raises(ValueError, match="give one with a batch of 1 or more"):
            summarize(conv, empty)


def test_a_norm_over_everything_sees_everything_and_one_over_channels_does_not() -> None:
    def field(function: Callable) -> ReceptiveField:
        return summarize(of(function), (3, 8, 8)).layers[-1].receptive_field

    assert field(lambda y: y / torch.linalg.vector_norm(y)).is_global
    assert field(lambda y: y / torch.linalg.vector_norm(y, dim=1, keepdim=True)).size == (3, 3)
    assert field(lambda y: y / torch.linalg.vector_norm(y, 2, (2, 3), True)).is_global


def test_a_unit_that_nothing_moves_has_an_empty_field() -> None:
    conv = nn.Conv2d(1, 1, 3)
    nn.init.zeros_(conv.weight)
    found = receptive_field(conv, (1, 8, 8), kind="measured", samples=1)
    assert (found.extent, found.box, found.effective_size, found.radius) == ((0, 0), (0, 0, 0, 0), 0.0, 0.0)
    assert found.map.shape == (8, 8) and not found.map.any() and found.unit == (3, 3)


@pytest.mark.parametrize(
    ("number", "said"),
    [(0, "0"), (9_999, "9,999"), (10_000, "10 k"), (999_499, "999 k"), (1_000_000, "1 M"), (3_860_000_000, "3.86 G")],
)
def test_counts_are_plain_up_to_ten_thousand(number: int, said: str) -> None:
    assert human(number) == said


def test_three_dimensions_and_one() -> None:
    volume = nn.Sequential(nn.Conv3d(1, 2, 3), nn.MaxPool3d(2), nn.Conv3d(2, 4, (1, 3, 3)))
    summary = summarize(volume, (1, 1, 8, 8, 8))
    assert summary.macs == 2 * 27 * 6**3 + 4 * 2 * 9 * 3
    assert summary.layers[-1].receptive_field.size == (4, 8, 8)
    signal = nn.Sequential(nn.Conv1d(2, 3, 5, stride=2), nn.AvgPool1d(2))
    assert summarize(signal, (2, 20)).layers[-1].receptive_field.size == (7,)
    assert summarize(nn.LSTM(4, 3, batch_first=True), (5, 4)).macs == 5 * (4 * 12 + 3 * 12)
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    assert summarize(layer, (10, 8)).macs == 10 * 8 * (24 + 8 + 16 + 16) + 2 * 10 * 10 * 8


def test_receptive_fields_of_lenet_and_resnet() -> None:
    from cnnlab.models import create_model

    summary = summarize("lenet5")
    chain = [layer.receptive_field for layer in summary.layers if layer.kind in ("Conv2d", "AvgPool2d")]
    expected = arithmetic.receptive_field_of([(5,), (2, 2), (5,), (2, 2), (5,)])
    assert [(f.size[0], f.jump[0]) for f in chain] == expected
    assert expected[-1] == (32, 4)
    assert receptive_field(create_model("resnet18"), (3, 224, 224), "conv5").size == (435, 435)
    assert receptive_field("resnet50", layer="fc").is_global
    squeezed = build_on_meta("mobilenet_v3_small", 224)
    assert summarize(squeezed, (3, 224, 224))["features.1"].receptive_field.is_global  # its gate saw everything


def test_channel_shuffle_and_channels_last_keep_their_field() -> None:
    shuffle = summarize(build_on_meta("shufflenet_v2_x0_5", 224), (3, 224, 224))
    assert shuffle["stage2"].receptive_field is not None
    assert not shuffle["conv5"].receptive_field.is_global
    convnext = summarize(build_on_meta("convnext_tiny", 224), (3, 224, 224))
    assert convnext["features.1"].receptive_field.size == (76, 76)  # 4, then three 7x7 at jump 4


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 4), st.integers(1, 3), st.integers(1, 2)), min_size=1, max_size=3))
def test_measured_field_is_the_theoretical_one_for_plain_chains(layers: list[tuple[int, int, int]]) -> None:
    """All weights positive, no padding: every pixel in reach has a gradient, and no other."""
    net = nn.Sequential(*(nn.Conv2d(1, 1, k, stride=s, dilation=d) for k, s, d in layers))
    for parameter in net.parameters():
        nn.init.constant_(parameter, 0.5)
    theory = summarize(net, (1, 72, 72)).layers[-1].receptive_field
    assert arithmetic.receptive_field_of(layers)[-1] == (theory.size[0], theory.jump[0])
    measured = receptive_field(net, (1, 72, 72), kind="measured", samples=1)
    # With a dilated kernel some pixels inside the field are skipped, but its ends never are.
    assert measured.extent == theory.size
    assert measured.effective_size <= theory.size[0]


def test_measured_field_leaves_the_model_alone() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2)).train()
    state = {key: value.clone() for key, value in net.state_dict().items()}
    field = receptive_field(net, (3, 16, 16), "3", "measured")
    assert field.extent == (4, 4)
    assert field.unit == (4, 4)
    assert field.map.shape == (16, 16)
    assert 0 < field.radius < 4
    assert net.training
    assert all(torch.equal(value, state[key]) for key, value in net.state_dict().items())
    assert all(p.grad is None for p in net.parameters())
    with pytest.raises(ValueError, match="layer='4'"):
        receptive_field(net, (3, 16, 16), "4", "measured")
    with pytest.raises(ValueError, match="Did you mean 'measured'"):
        receptive_field(net, (3, 16, 16), "3", "mesured")


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 30), st.integers(1, 6), st.integers(1, 4), st.integers(0, 3), st.integers(1, 3))
def test_output_size_is_what_torch_gives(size: int, kernel: int, stride: int, padding: int, dilation: int) -> None:
    convolution = nn.Conv1d(1, 1, kernel, stride, padding, dilation)
    x = torch.zeros(1, 1, size)
    try:
        expected = convolution(x).shape[-1]
    except RuntimeError:
        with pytest.raises(ValueError, match="does not fit"):
            arithmetic.output_size(size, kernel, stride, padding, dilation)
    else:
        assert arithmetic.output_size(size, kernel, stride, padding, dilation) == expected


def test_arithmetic_errors_name_values_and_remedy() -> None:
    with pytest.raises(ValueError, match=r"kernel=5 does not fit into size=3 .* at least 5"):
        arithmetic.output_size(3, 5)
    with pytest.raises(ValueError, match="stride=0"):
        arithmetic.output_size(3, 3, stride=0)
    with pytest.raises(ValueError, match="groups=3 does not divide out_channels=4"):
        arithmetic.conv_params(3, 4, 3, groups=3)
    with pytest.raises(ValueError, match="odd kernel"):
        arithmetic.same_padding(4)
    assert arithmetic.conv_params(3, 64, 11) == 23_296
    assert arithmetic.conv_macs(3, 64, 11, 55) == 70_276_800
    assert arithmetic.same_padding(3, 2) == 2


@pytest.mark.parametrize(
    ("size", "words"),
    [
        ((1, 224, 224), ["features.0", "expects 3 channels, the input has 1"]),
        ((3, 30, 30), ["features.5", "1 x 192 x 2 x 2", "3 pixels"]),
        ((3, 224), ["features.0", "1 x 3 x 224"]),
        ((3, 0, 224), ["is not a shape"]),
        ("224", ["mixes"]),
    ],
)
def test_wrong_input_names_layer_and_shape(size: tuple[int, ...], words: list[str]) -> None:
    model = build_on_meta("alexnet", 224)
    with pytest.raises(ValueError) as caught:
        summarize(model, size)
    for word in words:
        assert word in str(caught.value)
    assert model.training  # and nothing is left behind
    assert summarize(model, (3, 224, 224)).params == 61_100_840


def test_other_wrong_arguments() -> None:
    with pytest.raises(ValueError, match="Did you mean 'resnet50'"):
        summarize("resnet5O")
    with pytest.raises(ValueError, match=r"input_size=\(C, H, W\)"):
        summarize(nn.Conv2d(1, 1, 1))
    with pytest.raises(TypeError, match="int"):
        summarize(3)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="depth=-1"):
        summarize("lenet5", depth=-1)
    with pytest.raises(ValueError, match="lazy"):
        summarize(nn.Sequential(nn.Conv2d(1, 1, 1), nn.LazyLinear(3)), (1, 4, 4))
    with pytest.raises(ValueError, match="layer='conv9' is not known"):
        summarize("resnet18")["conv9"]


def test_tables() -> None:
    summary = summarize("resnet18", depth=1)
    assert max(x.depth for x in summary.shown) == 1
    text = str(summary)
    assert "11.7 M parameters, 1.81 G MACs" in text
    html = summary._repr_html_()
    table = ElementTree.fromstring(html)
    assert table.find("table").attrib["class"] == "cnnlab-table"
    assert "#" not in html.replace("&#", "")  # no color of its own: it follows the page
    assert len(table.findall(".//tbody/tr")) == len(summary.shown)
    frame = summarize("resnet18").to_dataframe()
    assert frame.loc[frame.name == "", "params"].item() == 11_689_512
    assert frame.loc[frame.name == "conv1", "macs"].item() == 118_013_952


# --- several models, frozen parameters, CSV and LaTeX ---------------------------------------------------------------


def half_frozen() -> nn.Module:
    model = torchvision.models.resnet18().requires_grad_(False)
    model.fc.requires_grad_(True)
    return model


def test_trainable_and_frozen_stand_apart() -> None:
    model = half_frozen()
    summary = summarize(model, (3, 64, 64))
    assert (summary.params, summary.trainable, summary.frozen) == (11_689_512, 513_000, 11_176_512)
    assert "11.7 M parameters (513 k trainable, 11.2 M frozen)" in str(summary)
    model.requires_grad_(True)  # later: the table is of the model as it was
    assert (summary["fc"].trainable, summary["layer1"].trainable) == (513_000, 0)
    assert "Frozen" in str(summary).splitlines()[0]
    assert len(ElementTree.fromstring(summary._repr_html_()).findall(".//thead/tr/th")) == 8
    all_of_it = summarize(model, (3, 64, 64))
    assert all_of_it.frozen == 0 and "rozen" not in str(all_of_it) + all_of_it._repr_html_()
    shared = nn.Linear(3, 3).requires_grad_(False)
    twice = summarize(nn.Sequential(shared, shared, nn.Linear(3, 3)), (3,))
    assert (twice.params, twice.trainable) == (24, 12)


def test_frames_have_the_rows_of_the_print_and_numbers_in_their_columns() -> None:
    summary = summarize("resnet18", depth=1)
    frame = summary.to_dataframe()
    assert list(frame.name) == [x.name for x in summary.shown] and len(frame) < len(summary.layers)
    assert len(summarize("resnet18").to_dataframe()) == len(summary.layers)
    numbers = frame.drop(columns=["name", "kind", "output_shape"])
    assert all(kind.kind in "iufb" for kind in numbers.dtypes)
    at = frame.set_index("name")
    assert (at.field_height["conv5"], at.field_width["conv5"], at.jump_width["conv5"]) == (435, 435, 32)
    assert at.field_is_global["fc"] and str(at.field_height["fc"]) == "<NA>"
    oblong = summarize(nn.Conv2d(3, 4, (3, 7), stride=(1, 2)), (3, 16, 16)).to_dataframe().iloc[0]
    assert (oblong.field_height, oblong.field_width, oblong.jump_height, oblong.jump_width) == (3, 7, 1, 2)


def test_csv_is_read_back_as_numbers(tmp_path: Path) -> None:
    summary = summarize(half_frozen(), (3, 64, 64))
    assert summary.to_csv(tmp_path / "layers.csv") is None
    back = pandas.read_csv(tmp_path / "layers.csv", keep_default_na=True)
    assert back.field_height.dtype.kind == "f" and back.trainable.dtype.kind == "i"
    assert back.output_shape[1] == "1x64x32x32"
    both = pandas.read_csv(io.StringIO(summarize({"a": half_frozen(), "b": "vgg11"}, (3, 64, 64)).to_csv()))
    assert list(both.model) == ["a", "b"] and list(both.frozen) == [11_176_512, 0]
    assert all(both[name].dtype.kind in "iufb" for name in both.columns if name not in ("model", "input_size"))


def test_several_models_are_one_table() -> None:
    frozen = half_frozen()
    table = summarize([frozen, "resnet18", torchvision.models.resnet34(), "vit_b_32"], (3, 224, 224))
    assert list(table.summaries) == ["ResNet", "resnet18", "ResNet (2)", "vit_b_32"]
    one = summarize("resnet18", (3, 224, 224))
    assert (table["resnet18"].macs, table["resnet18"].activation_bytes) == (one.macs, one.activation_bytes)
    head, _, first, *_ = str(table).splitlines()
    assert head.split() == ["Model", "Parameters", "Trainable", "Frozen", "MACs", "Activations", "Sees"]
    assert first.split() == ["ResNet", "11.7", "M", "513", "k", "11.2", "M", "1.81", "G", "20.7", "MB", "435"]
    assert len(ElementTree.fromstring(table._repr_html_()).findall(".//tbody/tr")) == 4
    frame = table.to_dataframe().set_index("model")
    assert frame.field_height["resnet18"] == 435 and frame.field_is_global["vit_b_32"]
    own_sizes = summarize({"five": "lenet5", "dense": "mlp_mnist"})  # each at its own size
    assert str(own_sizes).splitlines()[0].split()[:2] == ["Model", "Input"] and "Frozen" not in str(own_sizes)
    assert str(own_sizes).splitlines()[2].split()[:2] == ["five", "1x32x32"]
    assert own_sizes["dense"].sees is None  # there is no map in it


def test_mistakes_with_several_models() -> None:
    for empty in ([], {}):
        with pytest.raises(ValueError, match="is empty; give one or more"):
            summarize(empty)
    with pytest.raises(TypeError, match=r"^model\[1\]: model=3 is a int"):
        summarize(["lenet5", 3])
    with pytest.raises(ValueError, match=r"^mine: .*expects 1 channels, the input has 3"):
        summarize({"his": nn.Conv2d(3, 4, 3), "mine": nn.Conv2d(1, 4, 3)}, (3, 8, 8))
    with pytest.raises(ValueError, match="Did you mean 'lenet5'"):
        summarize(["lenet5"])["lenet"]


# What LaTeX takes for a command, unless it is escaped, and what it cannot print in its oldest encoding.
UNESCAPED = re.compile(r"(?<!\\)[#%$_^~]|(?<!\\)&|[<>|]")


def test_latex_compiles(tmp_path: Path) -> None:
    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.add_module('a_b%&#$^~{}\\<>|"', nn.Conv2d(3, 4, 3))
            self.add_module("[0]", nn.Conv2d(4, 4, 3))
            self.add_module("*", nn.Conv2d(4, 4, 3))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            for layer in self.children():
                x = layer(x)
            return x

    texts = [summarize(Odd(), (3, 16, 16)).to_latex(), summarize({"[x]_1": "lenet5", "*%": "mlp_mnist"}).to_latex()]
    for text in texts:
        head, *body, foot, _ = text.split("\n")
        assert head.startswith(r"\begin{tabular}{l") and foot == r"\end{tabular}"
        lines = [line for line in body if line != r"\hline"]
        columns = len(head.removeprefix(r"\begin{tabular}{").removesuffix("}"))
        for line in lines:
            assert line.endswith(r" \\") and not line.startswith(("[", "*"))
            cells = line.removesuffix(r" \\").split(" & ")
            assert len(cells) == columns
            bare = "".join(cells).replace(r"$\times$", "")
            assert not UNESCAPED.search(bare), bare
            assert bare.isascii()
    if shutil.which("pdflatex"):
        document = rf"\documentclass{{article}}\begin{{document}}{''.join(texts)}\end{{document}}"
        (tmp_path / "t.tex").write_text(document)
        command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "t.tex"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stdout[-800:]
