"""Downloads against a local server that misbehaves, transplanting, and official checkpoints end to end."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import sys
import types
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ClassVar

import pytest
import torch
from torch import nn

import cnnlab
from cnnlab import download as download_module
from cnnlab import weights
from cnnlab.download import CHUNK, DownloadError, cache_folder, download, verify
from tests.contract import TOLERANCE, randomize, relative_difference
from tests.fake_server import Server

BODY = bytes(range(256)) * 4000  # 1,024,000 bytes
SHA256 = hashlib.sha256(BODY).hexdigest()
MD5 = hashlib.md5(BODY, usedforsecurity=False).hexdigest()


@pytest.fixture
def server() -> Iterator[Server]:
    served = Server()
    served.files["/good"] = BODY
    yield served
    served.close()


def get(urls: list[str], target: Path, **how: object) -> Path:
    return download(urls, target, what="A test file", progress=False, **({"sha256": SHA256} | how))


# --- download ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "how", [{}, {"sha256": SHA256[:8]}, {"sha256": None, "md5": MD5}, {"sha256": None}, {"size": len(BODY)}]
)
def test_a_file_arrives_and_is_not_fetched_twice(server: Server, tmp_path: Path, how: dict):
    target = tmp_path / "new" / "file"
    for _ in range(2):
        assert get([f"{server.url}/good"], target, **how) == target
        assert target.read_bytes() == BODY
    assert len(server.log) == 1
    assert [p.name for p in target.parent.iterdir()] == ["file"]


def test_mirrors_are_tried_in_order(server: Server, tmp_path: Path):
    server.files["/wrong"] = b"<html>sign in to the hotel's network</html>"
    urls = [f"{server.url}/missing", "http://127.0.0.1:9/refused", f"{server.url}/wrong", f"{server.url}/good"]
    assert get(urls, tmp_path / "file").read_bytes() == BODY
    assert [path for path, _ in server.log] == ["/missing", "/wrong", "/good"]


def test_a_broken_connection_is_continued(server: Server, tmp_path: Path):
    server.faults["/good"] = ["cut", "cut"]
    assert get([f"{server.url}/good"], tmp_path / "file").read_bytes() == BODY
    starts = [int(wanted[6:-1]) if wanted else 0 for _, wanted in server.log]
    assert len(starts) == 3
    assert 0 == starts[0] < starts[1] < starts[2]


def test_an_interrupted_download_is_continued_later_and_on_another_mirror(server: Server, tmp_path: Path):
    (tmp_path / "file.part").write_bytes(BODY[:1000])
    assert get([f"{server.url}/missing", f"{server.url}/good"], tmp_path / "file").read_bytes() == BODY
    assert server.log[-1] == ("/good", "bytes=1000-")


def test_two_that_fetch_one_file_do_not_meet(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    receive, others = download_module._receive, []

    def and_another_process_too(url: str, part: Path, **options: object) -> None:
        receive(url, part, **options)
        if not others:
            others.append(part)
            assert get([f"{server.url}/good"], tmp_path / "file").read_bytes() == BODY

    monkeypatch.setattr(download_module, "_receive", and_another_process_too)
    assert get([f"{server.url}/good"], tmp_path / "file").read_bytes() == BODY
    assert [wanted for _, wanted in server.log] == [None, None]  # neither went on with the other's bytes
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_what_another_process_finished_serves_one_that_failed(server: Server, tmp_path: Path, monkeypatch):
    def lost(url: str, part: Path, **options: object) -> None:
        (tmp_path / "file").write_bytes(BODY)
        raise ConnectionError("lost")

    monkeypatch.setattr(download_module, "_receive", lost)
    assert get([f"{server.url}/good"], tmp_path / "file").read_bytes() == BODY


def test_an_orphaned_part_is_continued_and_a_running_one_left_alone(server: Server, tmp_path: Path):
    orphan, running = tmp_path / "file.123-0.part", tmp_path / "file.124-0.part"
    orphan.write_bytes(BODY[:1000])
    running.write_bytes(BODY[:2000])
    os.utime(orphan, (0, 0))
    assert get([f"{server.url}/good"], tmp_path / "file").read_bytes() == BODY
    assert server.log[-1] == ("/good", "bytes=1000-")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", running.name]


def test_a_server_without_ranges_sends_it_all(server: Server, tmp_path: Path):
    (tmp_path / "file.part").write_bytes(BODY[:1000])
    server.faults["/good"] = ["no ranges"]
    assert get([f"{server.url}/good"], tmp_path / "file").read_bytes() == BODY


@pytest.mark.parametrize("left", [b"x" * 1000, b"x" * (len(BODY) + 5), BODY + b"x", BODY])
def test_what_an_earlier_run_left_is_never_trusted(server: Server, tmp_path: Path, left: bytes):
    (tmp_path / "file.part").write_bytes(left)
    assert get([f"{server.url}/good"], tmp_path / "file").read_bytes() == BODY


def test_without_a_checksum_nothing_is_pieced_together(server: Server, tmp_path: Path):
    (tmp_path / "file.part").write_bytes(b"x" * 1000)
    server.faults["/good"] = ["cut"]
    assert get([f"{server.url}/good"], tmp_path / "file", sha256=None).read_bytes() == BODY
    assert all(wanted is None for _, wanted in server.log)


def test_a_damaged_file_in_the_cache_is_fetched_again(server: Server, tmp_path: Path):
    (tmp_path / "file").write_bytes(BODY[:-1])
    assert get([f"{server.url}/good"], tmp_path / "file").read_bytes() == BODY


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ({}, "sha256 is .* instead of"),
        ({"sha256": None, "md5": MD5}, "md5 is .* instead of"),
        ({"sha256": None, "size": 5}, "more than 5 bytes"),
    ],
)
def test_a_corrupt_file_is_never_kept(server: Server, tmp_path: Path, how: dict, reason: str):
    server.faults["/good"] = ["corrupt"] * 9
    with pytest.raises(DownloadError, match=f"A test file could not be downloaded .*corrupt.*{reason}") as caught:
        get([f"{server.url}/good"], tmp_path / "file", **how)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_truncated_file_is_never_kept_as_good(server: Server, tmp_path: Path):
    server.faults["/good"] = ["cut", "404"]
    with pytest.raises(DownloadError, match=r"HTTP 404.*try again.*file"):
        get([f"{server.url}/good"], tmp_path / "file")
    assert [p.name for p in tmp_path.iterdir()] == ["file.part"]  # to be continued
    assert get([f"{server.url}/good"], tmp_path / "file").read_bytes() == BODY


def test_offline_is_one_line_with_the_remedy(tmp_path: Path):
    with pytest.raises(
        DownloadError, match=r"A test file .*127.0.0.1:9.*network connection.*put the file at"
    ) as caught:
        get(["http://127.0.0.1:9/file", "http://name.invalid/file"], tmp_path / "file")
    assert "\n" not in str(caught.value)
    assert "name.invalid" in str(caught.value)
    assert caught.value.__cause__ is None
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_refuses_is_not_called_a_network_failure(server: Server, tmp_path: Path):
    (tmp_path / "occupied").write_text("a file where a folder is wanted")
    with pytest.raises(DownloadError, match="could not be written to .*CNNLAB_CACHE"):
        get([f"{server.url}/good"], tmp_path / "occupied" / "file")


def test_processes_that_want_one_file_do_not_meet(server: Server, tmp_path: Path):
    """Many at once: whoever reads a part that another is writing, or misses one that another took away, fails here."""
    server.files["/big"] = BODY * 3
    sha256 = hashlib.sha256(BODY * 3).hexdigest()
    (tmp_path / "file.part").write_bytes(BODY[:1000])
    with ThreadPoolExecutor(8) as pool:
        calls = [pool.submit(get, [f"{server.url}/big"], tmp_path / "file", sha256=sha256) for _ in range(16)]
    assert all(call.result().read_bytes() == BODY * 3 for call in calls)
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_a_server_that_sends_for_ever_is_stopped(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    server.files["/endless"] = bytes(20_000_000)
    monkeypatch.setattr(server._server, "handle_error", lambda *_: None)  # we hang up on it
    taken: list[int] = []
    unlink = Path.unlink
    monkeypatch.setattr(Path, "unlink", lambda self, **how: (taken.append(self.stat().st_size), unlink(self, **how)))
    with pytest.raises(DownloadError, match="more than 1,000 bytes"):
        get([f"{server.url}/endless"], tmp_path / "file", size=1000)
    assert max(taken) < 2 * CHUNK and list(tmp_path.iterdir()) == []

    # Nobody knows how long it should be, neither we nor the server.
    monkeypatch.setattr("cnnlab.download.LARGEST", 1000)
    server.faults["/endless"] = ["size unsaid"] * 9
    with pytest.raises(DownloadError, match="more than 1,000 bytes"):
        get([f"{server.url}/endless"], tmp_path / "file")
    assert max(taken) < 2 * CHUNK and list(tmp_path.iterdir()) == []


def test_the_remedy_follows_the_reason(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for code, said, not_said in (
        (errno.EACCES, "Permission denied. Set CNNLAB_CACHE to a folder that can be written", "space"),
        (errno.ENOSPC, "No space left on device. The disk is full: free some space", "permission"),
    ):

        def refuse(*args: object, code: int = code, **how: object) -> None:
            raise OSError(code, os.strerror(code), "file")

        monkeypatch.setattr("cnnlab.download._receive", refuse)
        with pytest.raises(DownloadError, match=said) as caught:
            get([f"{server.url}/good"], tmp_path / "file")
        assert not_said not in str(caught.value)


def test_offline_a_damaged_copy_is_named(tmp_path: Path):
    (tmp_path / "file").write_bytes(BODY[:-1])
    with pytest.raises(DownloadError, match=r"copy at .*file is damaged: its sha256 is .*put the right file"):
        get(["http://127.0.0.1:9/file"], tmp_path / "file")


def test_wrong_use_of_download(tmp_path: Path):
    with pytest.raises(ValueError, match="at least one URL"):
        get([], tmp_path / "file")
    with pytest.raises(ValueError, match="sha256='123' is not a digest"):
        get(["http://127.0.0.1:9/"], tmp_path / "file", sha256="123")
    with pytest.raises(ValueError, match="md5=.* 32"):
        get(["http://127.0.0.1:9/"], tmp_path / "file", md5="0" * 8)


def test_a_progress_bar_names_the_file_where_somebody_is_looking(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    seen = {}
    for place, is_terminal in (("a terminal", True), ("a log", False), ("an executed chapter", True)):
        monkeypatch.setenv("CNNLAB_SCALE", "smoke" if place == "an executed chapter" else "laptop")
        monkeypatch.delitem(sys.modules, "ipykernel", raising=False)
        monkeypatch.setattr("sys.stderr.isatty", lambda answer=is_terminal: answer)
        download([f"{server.url}/good"], tmp_path / place, sha256=SHA256, what="A test file")
        seen[place] = capsys.readouterr().err
    assert "A test file" in seen["a terminal"]
    assert seen["a log"] == seen["an executed chapter"] == ""


def test_cache_folder_and_verify(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("CNNLAB_CACHE", str(tmp_path))
    assert cache_folder("data") == tmp_path / "data"
    monkeypatch.delenv("CNNLAB_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder("data") == tmp_path / "cnnlab" / "data"
    (tmp_path / "file").write_bytes(BODY)
    assert verify(tmp_path / "file", sha256=SHA256.upper(), md5=MD5, size=len(BODY)) is None


# --- transplant ----------------------------------------------------------------------------------------------------


class Reference(nn.Module):
    """A parameter of its own, defined last, beside layers that have theirs."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 4, 1, bias=False), nn.BatchNorm2d(4))
        self.classifier = nn.Linear(4, 5)
        self.layer_scale = nn.Parameter(torch.randn(4, 1, 1))


class Ours(nn.Module):
    def __init__(self, eps: float = 1e-5, classes: int = 5, width: int = 4) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.zeros(width))
        self.conv = nn.Conv2d(3, width, 1, bias=False)
        self.bn = nn.BatchNorm2d(width, eps=eps)
        self.head = nn.Linear(width, classes)


def test_transplant_copies_everything_by_layer_and_name():
    theirs, ours = Reference(), Ours()
    with torch.no_grad():
        for tensor in (*theirs.parameters(), *theirs.buffers()):
            tensor.copy_(torch.randn(tensor.shape))
    weights.transplant(theirs, ours)
    assert torch.equal(ours.gamma, theirs.layer_scale.flatten())  # alone in its module; another name and shape
    assert torch.equal(ours.conv.weight, theirs.features[0].weight)
    for name in ("weight", "bias", "running_mean", "running_var"):
        assert torch.equal(getattr(ours.bn, name), getattr(theirs.features[1], name))
    assert ours.bn.num_batches_tracked == 0
    assert torch.equal(ours.head.weight, theirs.classifier.weight)
    assert all(p.requires_grad for p in ours.parameters())
    ours.head.weight.data.zero_()
    assert theirs.classifier.weight.abs().sum() > 0  # a copy, not the same memory


def test_transplant_is_not_misled_by_the_order_of_a_checkpoint():
    """The same layer with its tensors registered in another order: by position, every shape would fit."""
    theirs, ours = nn.BatchNorm1d(4), nn.BatchNorm1d(4)
    randomized = {key: torch.rand(4) for key in ("weight", "bias", "running_mean", "running_var")}
    theirs.load_state_dict(randomized | {"num_batches_tracked": torch.tensor(0)})
    theirs._parameters = dict(reversed(theirs._parameters.items()))
    theirs._buffers = dict(reversed(theirs._buffers.items()))
    weights.transplant(theirs, ours)
    assert all(torch.equal(getattr(ours, key), value) for key, value in randomized.items())


@pytest.mark.parametrize(
    ("ours", "message"),
    [
        (Ours(width=6), r"Layer 1 differs: .*layer_scale \(4, 1, 1\).*gamma \(6,\).*shapes of gamma differ"),
        (Ours(classes=7), r"Layer 4 differs: classifier, Linear .*\(5, 4\).* head, Linear .*\(7, 4\).*weight differ"),
        (Ours(eps=1e-3), r"Layer 3 differs: features.1.*eps is 1e-05 in the reference and 0.001 in the model.*strict"),
        (nn.Sequential(Ours(), nn.Linear(2, 2)), r"has 4 layers .* the model 5.*the model goes on with 1, Linear"),
        (nn.Sequential(), r"has 4 layers .* the model 0.*the reference goes on with the network itself, Reference"),
    ],
)
def test_transplant_refuses_and_copies_nothing(ours: nn.Module, message: str):
    before = {key: value.clone() for key, value in ours.state_dict().items()}
    with pytest.raises(ValueError, match=message):
        weights.transplant(Reference(), ours)
    assert all(torch.equal(value, before[key]) for key, value in ours.state_dict().items())


class Elsewhere(nn.Module):
    """The parameter, the norm and the head of Reference at other places; the rest stays in order."""

    reference_names: ClassVar[dict[str, str]] = {
        "layer_scale": "inner.scale",
        "features.1": "inner.norm",
        "not in this reference": "head",
    }

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Module()
        self.inner.register_buffer("scale", torch.zeros(4))
        self.inner.other = nn.Parameter(torch.zeros(3))
        self.inner.norm = nn.BatchNorm2d(4)
        self.conv = nn.Conv2d(3, 4, 1, bias=False)
        self.head = nn.Linear(4, 5)


def test_transplant_by_name_where_a_network_says_so():
    theirs, ours = Reference(), Elsewhere()
    del ours.inner.other
    with torch.no_grad():
        for tensor in (*theirs.parameters(), *theirs.buffers()):
            tensor.copy_(torch.randn(tensor.shape))
    with pytest.raises(ValueError, match="Layer 2 differs"):  # the same network, but it does not say so
        weights.transplant(theirs, types.SimpleNamespace(named_modules=ours.named_modules))
    weights.transplant(theirs, ours)
    assert torch.equal(ours.inner.scale, theirs.layer_scale.flatten())
    assert torch.equal(ours.inner.norm.running_var, theirs.features[1].running_var)
    assert torch.equal(ours.conv.weight, theirs.features[0].weight)
    assert torch.equal(ours.head.bias, theirs.classifier.bias)
    with pytest.raises(ValueError, match=r"inner, Module \(other \(3,\)\) in the model"):
        weights.transplant(theirs, Elsewhere())  # the lone parameter beside it has nothing to take
    ours.reference_names = {"features": "inner.norm"}
    with pytest.raises(ValueError, match=r"reference_names\['features'\] = 'inner.norm': 2 layers .* 1 in the model"):
        weights.transplant(theirs, ours)


def test_transplant_sees_a_moved_stride_unless_told_not_to():
    from torchvision.models import resnet18

    model = cnnlab.create_model("resnet18")
    model.conv3[0].conv1.stride, model.conv3[0].conv2.stride = (1, 1), (2, 2)
    theirs = resnet18()
    with pytest.raises(ValueError, match=r"layer2.0.conv1.*conv3.0.conv1.*stride is \(2, 2\).*\(1, 1\)"):
        weights.transplant(theirs, model)
    weights.transplant(theirs, model, strict=False)
    assert torch.equal(model.fc.weight, theirs.fc.weight)


def test_transplant_between_dense_and_convolution_and_number_types():
    dense, conv = nn.Linear(2 * 3 * 3, 4), nn.Conv2d(2, 4, 3).double()
    weights.transplant(dense, conv)
    x = torch.randn(1, 2, 3, 3)
    torch.testing.assert_close(conv(x.double()).flatten(1).float(), dense(x.flatten(1)))
    with pytest.raises(ValueError, match="shapes of weight differ"):
        weights.transplant(nn.Conv2d(2, 4, (3, 1)), nn.Conv2d(2, 4, (1, 3)))


def test_transplant_leaves_a_head_for_other_classes_alone_and_nothing_else():
    ours, theirs = cnnlab.create_model("lenet5", num_classes=120), cnnlab.create_model("lenet5", num_classes=84)
    assert weights.transplant(theirs, ours, fresh_head=True).fresh == ("output",)  # not c5 or f6, which have 120 and 84
    assert torch.equal(ours.f6.weight, theirs.f6.weight)
    theirs.new_head(120)
    assert weights.transplant(theirs, ours, fresh_head=True).fresh == ()
    assert torch.equal(ours.output.weight, theirs.output.weight)
    theirs.head = nn.Linear(83, 7)
    with pytest.raises(ValueError, match=r"output, Linear \(weight \(7, 83\).*shapes of weight differ"):
        weights.transplant(theirs, ours, fresh_head=True)
    theirs.head, theirs.f6 = nn.Linear(84, 7), nn.Linear(120, 7)
    with pytest.raises(ValueError, match=r"f6, Linear \(weight \(7, 120\).*shapes of weight differ"):
        weights.transplant(theirs, ours, fresh_head=True)
    with pytest.raises(TypeError, match=r"fresh_head=True: this Linear does not say which layer is its head"):
        weights.transplant(nn.Linear(2, 2), nn.Linear(2, 3), fresh_head=True)


def test_transplant_on_the_meta_device():
    with pytest.raises(ValueError, match="reference is on the meta device"):
        weights.transplant(nn.Linear(2, 2, device="meta"), nn.Linear(2, 2))
    with pytest.raises(ValueError, match="to_empty"):
        weights.transplant(nn.Linear(2, 2), nn.Linear(2, 2, device="meta"))


def test_transplant_from_timm():
    timm = pytest.importorskip("timm")
    theirs, ours = timm.create_model("resnet18"), cnnlab.create_model("resnet18")
    randomize(theirs, (3, 64, 64))
    weights.transplant(theirs, ours)
    assert relative_difference(theirs, ours, torch.randn(2, 3, 65, 65)) < TOLERANCE


# --- official checkpoints ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def checkpoint() -> tuple[nn.Module, bytes]:
    """torchvision's ResNet-18 with random parameters, and the file that it would publish."""
    from torchvision.models import resnet18

    module = resnet18()
    randomize(module, (3, 64, 64))
    file = io.BytesIO()
    torch.save(module.state_dict(), file)
    return module, file.getvalue()


@pytest.fixture
def official(server: Server, checkpoint: tuple, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Server:
    """The server holds that file where torchvision's table now points; the cache is empty."""
    publish(server, checkpoint[1], monkeypatch)
    monkeypatch.setenv("CNNLAB_CACHE", str(tmp_path))
    return server


def publish(server: Server, body: bytes, monkeypatch: pytest.MonkeyPatch) -> str:
    from torchvision.models import ResNet18_Weights

    path = f"/resnet18-{hashlib.sha256(body).hexdigest()[:8]}.pth"
    server.files[path] = body
    monkeypatch.setattr(ResNet18_Weights.DEFAULT.value, "url", server.url + path)
    return path


def test_official_weights_give_the_libraries_answers(official: Server, checkpoint: tuple, tmp_path: Path):
    model = cnnlab.create_model("resnet18", weights="imagenet")
    assert not model.training
    assert relative_difference(checkpoint[0], model, torch.randn(2, 3, 65, 64)) < TOLERANCE
    assert len(model.classes) == 1000
    assert model.classes[0] == "tench"
    assert [p.suffix for p in (tmp_path / "weights").iterdir()] == [".pth"]
    again = cnnlab.create_model("resnet18", weights="IMAGENET1K_V1")  # from the cache
    assert torch.equal(again.fc.weight, model.fc.weight)
    assert len(official.log) == 1


def test_preprocessing_comes_along(official: Server):
    import numpy
    from PIL import Image
    from torchvision.models import ResNet18_Weights

    model = cnnlab.create_model("resnet18", weights="imagenet")
    array = numpy.random.default_rng(0).integers(0, 256, (300, 400, 3), dtype=numpy.uint8)
    wanted = ResNet18_Weights.DEFAULT.transforms()(Image.fromarray(array))
    assert torch.equal(model.preprocess(Image.fromarray(array)), wanted)
    assert torch.equal(model.preprocess(array), wanted)  # the same pixels in another form
    tensor = torch.from_numpy(array).permute(2, 0, 1)
    assert torch.equal(model.preprocess(tensor), model.preprocess(array))
    assert model.preprocess(tensor.expand(2, -1, -1, -1)).shape == (2, 3, 224, 224)
    for gray in (array[:, :, 0], tensor[:1], Image.fromarray(array[:, :, 0]), numpy.dstack([array, array[:, :, :1]])):
        assert model.preprocess(gray).shape == (3, 224, 224)
    assert (model.preprocess.resize, model.preprocess.crop) == (256, 224)
    assert model.preprocess.mean == (0.485, 0.456, 0.406)
    assert "interpolation='bilinear'" in repr(model.preprocess)
    assert not any("preprocess" in name for name, _ in model.named_modules())  # no part of the network
    for wrong in (numpy.zeros((5, 5, 7)), torch.zeros(5, 5)):
        with pytest.raises(ValueError, match="is wanted"):
            model.preprocess(wrong)
    with pytest.raises(TypeError, match="of type str"):
        model.preprocess("cat.jpg")


def test_other_classes_keep_the_trunk_and_a_fresh_head(official: Server, checkpoint: tuple):
    model = cnnlab.create_model("resnet18", weights="imagenet", num_classes=10)
    assert model.classes is None
    assert model(torch.randn(1, 3, 64, 64)).shape == (1, 10)
    assert torch.equal(model.conv5[1].conv2.weight, checkpoint[0].layer4[1].conv2.weight)


def test_a_damaged_checkpoint_is_fetched_again(official: Server, tmp_path: Path):
    cnnlab.create_model("resnet18", weights="imagenet")
    (file,) = (tmp_path / "weights").iterdir()
    file.write_bytes(file.read_bytes()[:-1000])  # truncated
    cnnlab.create_model("resnet18", weights="imagenet")
    assert len(official.log) == 2


def test_without_a_network_one_line_says_what_to_do(official: Server, tmp_path: Path):
    official.files.clear()
    with pytest.raises(DownloadError, match=r"resnet18 weights \(IMAGENET1K_V1\).*HTTP 404.*put the file at") as caught:
        cnnlab.create_model("resnet18", weights="imagenet")
    assert "\n" not in str(caught.value)
    assert not list((tmp_path / "weights").iterdir())


class Malice:
    def __reduce__(self) -> tuple:
        return (pytest.fail, ("a checkpoint ran code",))


def test_a_checkpoint_cannot_run_code_and_must_be_the_networks(
    server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setenv("CNNLAB_CACHE", str(tmp_path))
    for content, said in (
        ({"weight": Malice()}, "it holds something else than tensors"),
        ({"conv1.weight": torch.zeros(1)}, "Missing key"),
        ([1, 2], ""),
    ):
        file = io.BytesIO()
        torch.save(content, file)
        publish(server, file.getvalue(), monkeypatch)
        with pytest.raises(DownloadError, match=f"IMAGENET1K_V1 of torchvision's resnet18.*{said}") as caught:
            cnnlab.create_model("resnet18", weights="imagenet")
        assert "weights_only" not in str(caught.value)


def test_sources_is_torchvisions_table():
    from torchvision.models import ResNet50_Weights

    rows = {(row.name, row.weights): row for row in weights.sources()}
    row = rows["resnet50", "IMAGENET1K_V2"]
    assert row.url == ResNet50_Weights.IMAGENET1K_V2.url
    assert row.sha256 == "11ad3fa6"
    assert (row.params, row.macs, row.top1, row.crop) == (25_557_032, 4_089_000_000, 80.858, 224)
    assert row.default
    assert not rows["resnet50", "IMAGENET1K_V1"].default
    assert sum(name.startswith("resnet") for name, _ in rows) == 8
    assert {row.name for row in weights.sources("resnet1*")} == {"resnet18", "resnet101", "resnet152"}


@pytest.mark.parametrize(
    ("name", "how", "message"),
    [
        ("resnet50", {"weights": "imagnet"}, r"weights='imagnet' is not known. Did you mean 'imagenet'.*sources"),
        ("resnet18", {"weights": "IMAGENET1K_V2"}, "'IMAGENET1K_V1'"),
        ("resnet18", {"weights": True}, "weights=True is not known"),
        ("lenet5", {"weights": "imagenet"}, "no official weights for 'lenet5'.*resnet50"),
        ("resnet18", {"weights": "imagenet", "in_channels": 1}, r"in_channels=1.*3 channels.*expand"),
        ("resnet18", {"weights": "imagenet", "num_classes": 0}, "num_classes=0"),
    ],
)
def test_weights_that_do_not_exist_or_fit(name: str, how: dict, message: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("cnnlab.download._receive", lambda *a, **k: pytest.fail("downloads first"))
    with pytest.raises(ValueError, match=message):
        cnnlab.create_model(name, **how)


def test_weights_by_torchvisions_full_name():
    from torchvision.models import ResNet50_Weights

    assert weights.find_source("resnet50", "ResNet50_Weights.IMAGENET1K_V1").sha256 == "0676ba61"
    assert weights.find_source("resnet50", ResNet50_Weights.IMAGENET1K_V1).sha256 == "0676ba61"
    assert weights.find_source("resnet50", "DEFAULT") == weights.find_source("resnet50", "imagenet")


def test_load_official_refuses_another_network(official: Server):
    with pytest.raises(ValueError, match="Layer"):
        weights.load_official("resnet18", cnnlab.create_model("resnet34"))
