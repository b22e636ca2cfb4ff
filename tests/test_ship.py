"""cnnlab.ship: files that say what the network says, layers that are in the way named, and a report of all of it."""

from __future__ import annotations

import dataclasses
import importlib
import json
import re

import numpy
import pytest
import torch
from torch import nn

import cnnlab
from cnnlab import ship
from cnnlab.data import bundled
from cnnlab.preprocessing import plain_preprocess
from cnnlab.ship import shipping

pytestmark = pytest.mark.slow  # to import ONNX Runtime and to follow one network takes seconds


@pytest.fixture(autouse=True)
def quiet_streams():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


class Small(nn.Sequential):
    """A convolution with batch norm and a dense layer, far from their beginning: ranges differ by channel."""

    def __init__(self) -> None:
        super().__init__(
            *(nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(2)),
            *(nn.Flatten(), nn.Linear(32, 5)),
        )
        with torch.no_grad():
            apart = torch.logspace(-0.4, 0.4, 8)
            self[0].weight.mul_(apart.view(-1, 1, 1, 1))
            self[1].running_var.copy_(apart**-2)  # folded in, it spreads the channels twice as far
            self[5].weight.div_(apart.repeat_interleave(4) ** 2)  # what is small counts as much as what is large


@pytest.fixture(scope="module")
def shipped(tmp_path_factory):
    """One network in all its forms; to follow it takes seconds."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model, pictures = Small().train(), torch.rand(40, 3, 12, 12)
        out = tmp_path_factory.mktemp("shipped")
        threads = torch.get_num_threads()
        lines = []
        report = ship.ship(model, pictures, out, repeats=5, seconds=0.01, batches=(1, 3), say=lines.append)
        assert model.training and torch.get_num_threads() == threads and len(lines) == 5
        return model, pictures, out, report


def test_a_report_tells_what_the_files_say(shipped):
    model, pictures, out, report = shipped
    model = model.eval()
    assert [row.form for row in report.rows] == [
        *("torch", "torch.export", "onnx", "int8 per tensor", "int8 per channel"),
    ]
    assert report.compared == report.calibrated == 20 and report.params == 3 * 9 * 8 + 16 + 165 and not report.left_out
    with torch.no_grad():
        wanted = model(pictures[20:])
    for row in report.rows[1:]:
        path = out / row.file
        network = torch.export.load(path).module() if path.suffix == ".pt2" else ship.OnnxNetwork(path)
        said = network(pictures[20:]).detach()
        apart = float((said - wanted).abs().max() / wanted.abs().max())
        assert row.difference == pytest.approx(apart, abs=1e-6) and row.bytes == path.stat().st_size
        assert row.agreement == pytest.approx((said.argmax(1) == wanted.argmax(1)).double().mean().item())
        assert row.first > 0 and set(row.latency) == {1, 3} and row.latency[1].median > 0
        assert apart < (1e-5 if "int8" not in row.form else 0.2)
    assert report["int8 per channel"].difference < report["int8 per tensor"].difference
    assert report["torch"].difference < 1e-6 and report["torch"].bytes == 4 * (216 + 4 * 8 + 165) + 8
    assert report["torch.export"].bytes < pictures.nbytes, "it keeps its example, and not what that is a view of"
    assert b"BatchNormalization" not in (out / report["int8 per channel"].file).read_bytes()


def test_a_report_is_written_read_and_printed(shipped):
    _, _, out, report = shipped
    assert ship.Report.load(out / "report.json") == report
    lines = str(report).splitlines()
    assert max(map(len, lines)) <= 84 and lines[0].split()[:3] == ["form", "size", "agrees"]
    assert "Small, 397 parameters, 3 x 12 x 12, one thread" in str(report).replace("\n", " ")
    assert "<table" in report._repr_html_() and "int8 per tensor" in report._repr_html_()
    row = dataclasses.replace(report["onnx"], latency={1: cnnlab.convolutions.latency.Latency(2734.2, 2000, 3000)})
    table = str(dataclasses.replace(report, rows=(row,), left_out={"int8 per tensor": "it is so."}))
    assert "2,734 ± 500" in table and "No int8 per tensor: it is so." in table
    with pytest.raises(KeyError, match=r"form='int4' is not there; there are torch, torch.export"):
        report["int4"]
    (out / "other.json").write_text('{"rows": 3}')
    with pytest.raises(ValueError, match=r"other.json' is no report of cnnlab.ship"):
        ship.Report.load(out / "other.json")


def test_a_file_of_onnx_is_asked_like_a_network(shipped):
    model, pictures, out, _ = shipped
    network = ship.OnnxNetwork(out / "model.onnx", threads=2)
    for some in (pictures[:1], pictures):
        torch.testing.assert_close(network(some), model.eval()(some).detach(), rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match=r"x has the shape \(1, 3, 8, 12\); the file takes \(N, 3, 12, 12\)"):
        network(torch.rand(1, 3, 8, 12))
    with pytest.raises(FileNotFoundError, match="is no file; give one that cnnlab.ship.to_onnx has written"):
        ship.OnnxNetwork(out / "nothing.onnx")
    with pytest.raises(ValueError, match="cannot be read by ONNX Runtime"):
        ship.OnnxNetwork(out / "report.json")
    with pytest.raises(ValueError, match="calibration must be a tensor"):
        ship.quantize(out / "model.onnx", out / "x.onnx", pictures[:0])
    with pytest.raises(ValueError, match="per='layer' is not known"):
        ship.quantize(out / "model.onnx", out / "x.onnx", pictures, per="layer")
    assert not (out / "x.onnx").exists()


@pytest.mark.parametrize(("portable", "most"), [(False, 127), (True, 64)])
def test_weights_are_signed_and_of_seven_bits_where_they_must_not_overflow(shipped, tmp_path, portable, most):
    onnx = importlib.import_module("onnx")
    _, pictures, out, _ = shipped
    for per in ("tensor", "channel"):
        ship.quantize(out / "model.onnx", tmp_path / "8.onnx", pictures, per=per, portable=portable)
        stored = [onnx.numpy_helper.to_array(one) for one in onnx.load(tmp_path / "8.onnx").graph.initializer]
        weights = [one for one in stored if one.dtype.kind in "iu" and one.dtype.itemsize == 1 and one.ndim > 1]
        assert weights and {one.dtype.name for one in weights} == {"int8"}
        assert max(abs(one.astype(int)).max() for one in weights) == most


# --- what cannot be exported ----------------------------------------------------------------------------------------


class Decides(nn.Module):
    def forward(self, x):
        return x * 2 if x.mean() > 0 else x


class Inner(nn.Module):
    def __init__(self, last: nn.Module) -> None:
        super().__init__()
        self.stages = nn.ModuleList([nn.Conv2d(3, 4, 1), nn.Sequential(nn.ReLU(), last)])

    def forward(self, x):
        for stage in self.stages:
            x = stage(x)
        return x


class Itself(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 1)

    def forward(self, x):
        x = self.conv(x)
        return x[:, : int(x.sum()) % 3 + 1]


class Draws(nn.Module):
    def forward(self, x):
        return x + torch.rand(x.shape[1:])


def test_the_layer_in_the_way_is_named():
    pictures = torch.rand(3, 3, 4, 4)
    with pytest.raises(ship.ShipError, match=r"follow this Inner: its layer 'stages\.1\.1' \(Decides\) fails: .*where"):
        ship.export(Inner(Decides()), pictures)
    with pytest.raises(ship.ShipError, match=r"this Itself: its own forward, not one of its layers, fails"):
        ship.export(Itself(), pictures)


def test_a_layer_that_onnx_has_no_form_for_is_named(monkeypatch):
    onnx_files = importlib.import_module("cnnlab.ship.onnx_files")

    def refuses(program):
        if any("tanh" in str(node.target) for node in program.graph.nodes):
            raise RuntimeError("No decomposition of tanh")

    monkeypatch.setattr(onnx_files, "_converted", refuses)
    with pytest.raises(
        ship.ShipError, match=r"ONNX cannot follow this Inner: its layer 'stages\.1\.1' \(Tanh\) fails: No"
    ):
        ship.to_onnx(Inner(nn.Tanh()).train(), torch.rand(2, 3, 4, 4), "never")


def test_an_export_that_says_something_else_is_refused(tmp_path):
    with pytest.raises(ship.ShipError, match=r"torch.export made of this Draws is .* away from it; allowed is 0.0001"):
        ship.export_to(Draws(), torch.rand(2, 3, 4, 4), tmp_path / "model.pt2")
    assert list(tmp_path.iterdir()) == [], "no file is left"


def test_int8_is_left_out_where_it_cannot_be_had(shipped, monkeypatch, tmp_path):
    model, pictures, out, report = shipped

    def fails(*_, **__):
        raise ValueError("it cannot be quantized: so it is.")

    monkeypatch.setattr(
        shipping, "export_to", lambda model, some, path: path.write_bytes((out / "model.pt2").read_bytes())
    )
    monkeypatch.setattr(shipping, "to_onnx", lambda model, some, path, threads: ship.OnnxNetwork(out / "model.onnx"))
    monkeypatch.setattr(shipping, "_first", lambda *_: 1.0)
    monkeypatch.setattr(shipping, "quantize", fails)
    (tmp_path / "model.onnx").write_bytes(b"")
    found = shipping.ship(model, pictures, tmp_path, repeats=2, seconds=0.01)
    assert [row.form for row in found.rows] == ["torch", "torch.export", "onnx"]
    assert found.left_out == {"int8 per tensor": "it cannot be quantized: so it is."}
    assert report.left_out == {}


@pytest.mark.parametrize(
    ("model", "pictures", "error", "said"),
    [
        (Small(), torch.rand(4, 3, 12, 12) * float("nan"), ValueError, r"pictures has numbers that are not finite"),
        (Small(), torch.zeros(4, 3, 12, 12, dtype=torch.uint8), TypeError, r"pictures is torch.uint8; give floats"),
        (Small(), torch.rand(2, 3, 12, 12), ValueError, r"pictures holds 2; give 4 or more"),
        (Small(), torch.rand(8, 12, 12), ValueError, r"pictures has the shape \(4, 12, 12\); wanted \(N, C, H, W\)"),
        (nn.LSTM(4, 4), torch.rand(4, 1, 1, 4)[:, 0], ValueError, r"pictures has the shape"),
        (nn.LogSoftmax(1), torch.full((4, 2, 1, 1), -torch.inf), ValueError, r"not finite"),
        (nn.ParameterList([torch.ones(1, device="meta")]), torch.rand(4, 3, 2, 2), ValueError, r"must be on the CPU"),
    ],
)
def test_what_is_wrong_is_said(model, pictures, error, said, tmp_path):
    with pytest.raises(error, match=said) as caught:
        if "CPU" in said:
            ship.export(model, pictures)
        else:
            ship.ship(model, pictures, tmp_path)
    assert "\n" not in str(caught.value) and list(tmp_path.iterdir()) == []


# --- the command ----------------------------------------------------------------------------------------------------


@pytest.fixture
def quick(monkeypatch, shipped):
    """The command with a report that is there already; what it would be asked for."""
    asked = {}

    def instead(model, pictures, out, **options):
        asked.update(model=model, pictures=pictures, out=out, **options)
        out.mkdir()
        shipped[3].save(out / "report.json")
        return shipped[3]

    monkeypatch.setattr(shipping, "ship", instead)
    return asked


def test_the_command_ships_a_name(quick, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    photos = {"a": numpy.zeros((40, 50, 3), numpy.uint8), "b": numpy.full((60, 40, 3), 255, numpy.uint8)}
    monkeypatch.setattr(bundled, "sample_photos", lambda: photos)
    assert ship.main(["lenet5", "--batches", "2,4", "--threads", "2"]) == 0
    assert quick["model"].name == "lenet5" and not quick["model"].training
    assert quick["pictures"].shape == (6, 1, 32, 32)
    assert [len(half.unique()) for half in quick["pictures"].split(3)] == [1, 1], "a photograph is in one half"
    assert (str(quick["out"]), quick["batches"], quick["threads"]) == ("lenet5-shipped", [2, 4], 2)
    assert "int8 per channel" in capsys.readouterr().out
    assert ship.main(["lenet5", "--json", "--out", "again"]) == 0
    assert json.loads(capsys.readouterr().out)["model"] == "Small"


def test_the_command_ships_a_file_for_pictures_of_its_own(quick, tmp_path, capsys):
    from PIL import Image

    for i in range(5):
        (tmp_path / "photos" / "a").mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (40, 30), (50 * i, 0, 0)).save(tmp_path / "photos" / "a" / f"{i}.png")
    model = cnnlab.create_model("resnet20_cifar")
    model.classes, model.preprocess = tuple("abcdefghij"), plain_preprocess((3, 32, 32), (0.5,) * 3, (0.5,) * 3, "crop")
    cnnlab.save(model, tmp_path / "mine.pt")
    photos = str(tmp_path / "photos")
    assert ship.main([str(tmp_path / "mine.pt"), "--pictures", photos, "--out", str(tmp_path / "out")]) == 0
    assert quick["pictures"].shape == (5, 3, 32, 32) and quick["model"].name == "resnet20_cifar"
    red = quick["pictures"][:, 0].mean((1, 2))
    assert red.argsort().tolist() == [0, 3, 1, 4, 2], "every other one calibrates"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["lenet9"], r"name='lenet9' is not known. Did you mean"),
        (["lenet5", "--batches", "1,x"], r"batches='1,x' is not allowed: give positive whole numbers"),
        (["lenet5", "--pictures", "nowhere"], r"pictures='nowhere' is no folder"),
        (["lenet5", "--pictures", "."], r"pictures='.' holds 0 pictures; give 4 or more"),
        (["lenet5", "--size", "0"], r"size=0 is not allowed"),
    ],
)
def test_the_command_says_what_is_wrong(arguments, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert ship.main(arguments) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and error.startswith("cnnlab.ship: ")
    assert re.search(said, error), error


def test_a_package_that_is_missing_is_named(monkeypatch):
    def missing(name):
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    onnx_files = importlib.import_module("cnnlab.ship.onnx_files")
    monkeypatch.setattr(onnx_files, "import_module", missing)
    with pytest.raises(ModuleNotFoundError, match=r"onnx is not installed.*pip install onnx onnxscript onnxruntime"):
        ship.to_onnx(Small(), torch.rand(2, 3, 12, 12), "never.onnx")


@pytest.mark.full
def test_the_pretrained_network_and_a_unet_ship(tmp_path, capsys):
    assert ship.main(["tf_efficientnet_lite0", "--weights", "imagenet", "--out", str(tmp_path / "lite0")]) == 0
    report = ship.Report.load(tmp_path / "lite0" / "report.json")
    assert report["onnx"].agreement == 1 and report["int8 per channel"].bytes < 0.3 * report["onnx"].bytes
    assert report["int8 per tensor"].agreement < report["int8 per channel"].agreement > 0.5
    unet = cnnlab.create_model("unet_small")
    report = ship.ship(unet, torch.rand(8, 3, 64, 64), tmp_path / "unet", repeats=3, seconds=0.1)
    assert report["onnx"].difference < 1e-4 and report["int8 per channel"].agreement > 0.8
