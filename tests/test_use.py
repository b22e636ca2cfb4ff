"""From training to use: a network is saved, loaded where its training data are not, and asked about pictures."""

from __future__ import annotations

import io
import json
import os
import pickle
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as transforms

import cnnlab
from cnnlab.data import Dataset, ImageSet, batches, load_dataset, load_images
from cnnlab.models import registry
from cnnlab.pictures import BrokenImage, read_picture
from cnnlab.prediction import Prediction, Predictions
from cnnlab.saving import SavedModelError
from cnnlab.weights import Preprocess

pytestmark = pytest.mark.usefixtures("one_thread")
SIZES = ((97, 64), (64, 101), (33, 33), (20, 47), (128, 96))  # (width, height): odd, portrait, square


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CNNLAB_CACHE", str(tmp_path / "cache"))


def noise(width: int, height: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def put_kinds(folder: Path) -> None:
    """A picture of each kind that cameras and programs write."""
    folder.mkdir(parents=True)
    for number, (width, height) in enumerate(SIZES):
        Image.fromarray(noise(width, height, number)).save(folder / f"size{number}.png")
        Image.fromarray(noise(width, height, number)).save(folder / f"size{number}.jpg")
    large = np.kron(noise(40, 30), np.ones((30, 30, 1), np.uint8))
    Image.fromarray(large).save(folder / "large.jpg")  # what Pillow can decode at an eighth of its size
    turned = Image.fromarray(noise(50, 30))
    exif = turned.getexif()
    exif[274] = 6
    turned.save(folder / "turned.jpg", exif=exif)
    turned.save(folder / "turned.png", exif=exif)
    Image.fromarray((np.arange(45 * 31).reshape(45, 31) * 40).astype(np.uint16)).save(folder / "sixteen.png")
    Image.fromarray(noise(45, 31)).quantize(16).save(folder / "palette.png")
    Image.fromarray(np.dstack([noise(45, 31), noise(45, 31, 1)[:, :, 0]])).save(folder / "alpha.png")
    Image.fromarray(noise(45, 31)).save(folder / "keyed.png", transparency=tuple(noise(45, 31)[0, 0].tolist()))
    Image.fromarray(noise(16, 16)).save(folder / "keyed_small.png", transparency=tuple(noise(16, 16)[0, 0].tolist()))
    Image.fromarray(noise(45, 31)[:, :, 0]).save(folder / "gray.png")


@pytest.fixture
def kinds(tmp_path: Path) -> Path:
    """A folder of two classes, each with a picture of every kind."""
    for name in ("cat", "dog"):
        put_kinds(tmp_path / "pets" / name)
    return tmp_path / "pets"


class Small(nn.Module):
    """A network of a reader's own, which keeps one of its two arguments."""

    def __init__(self, width: int = 4, num_classes: int = 10) -> None:
        super().__init__()
        self.width = width
        self.conv = nn.Conv2d(3, width, 3)
        self.fc = nn.Linear(width, num_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.conv(x).relu().mean((2, 3)))


class Striding(nn.Module):
    """Another stride gives weights of the same shapes, and it is not kept."""

    def __init__(self, num_classes: int = 2, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, stride)
        self.fc = nn.Linear(4, num_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.conv(x).relu().amax((2, 3)))


class Needing(nn.Module):
    """It cannot be built without an argument that it does not keep."""

    def __init__(self, layers: list[nn.Module]) -> None:
        super().__init__()
        self.body = nn.Sequential(*layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.body(x)


# --- one way of preparing pictures -----------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("channels", [3, 1])
@pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
def test_every_kind_of_picture_is_seen_as_in_training(kinds: Path, fit: str, channels: int) -> None:
    data = load_images(kinds, size=16, fit=fit, channels=channels)
    for part in (data.train, data.test):
        seen, _ = next(batches(part, len(part), mean=data.mean, std=data.std))
        for i, path in enumerate(part.paths):
            with Image.open(path) as image:
                assert torch.equal(data.preprocess.pixels(image), part.images[i]), path
                assert torch.equal(data.preprocess(image), seen[i]), path  # to the bit, normalized too


@pytest.mark.parametrize("size", SIZES)
def test_the_same_pixels_are_the_same_in_every_form(size: tuple[int, int]) -> None:
    array = noise(*size)
    preprocess = Preprocess(24, 20, (0.4, 0.5, 0.6), (0.2, 0.3, 0.25))
    wanted = preprocess(Image.fromarray(array))
    tensor = torch.from_numpy(array).permute(2, 0, 1)
    for form in (array, tensor, array / 255, tensor.float() / 255, np.asfortranarray(array)):
        assert torch.equal(preprocess(form), wanted)
    floats = preprocess(tensor.double() / 255 * 0.9999)  # no bytes: the same picture without rounding
    assert 0 < (floats - wanted).abs().max() < 2 / 255 / 0.2
    sixteen = (np.arange(45 * 31).reshape(45, 31) * 40).astype(np.uint16)
    assert torch.equal(preprocess(sixteen), preprocess(Image.fromarray(sixteen)))
    see_through = np.dstack([array, array[:, :, 0]])
    assert torch.equal(preprocess(see_through), preprocess(Image.fromarray(see_through)))


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_pictures_of_official_weights_are_torchvisions(interpolation: str) -> None:
    sides = np.random.default_rng(1).integers(5, 150, (30, 2))
    for number, (width, height) in enumerate(sides.tolist()):
        image, resize = Image.fromarray(noise(width, height)), 7 + 3 * number
        ours = Preprocess(resize, 7 + number, (0.4, 0.5, 0.6), (0.2, 0.3, 0.25), interpolation)
        cut = transforms.resize(image, [resize], InterpolationMode(interpolation), antialias=True)
        cut = transforms.to_tensor(transforms.center_crop(cut, [7 + number]))
        assert torch.equal(ours(image), transforms.normalize(cut, ours.mean, ours.std))


def test_a_middle_is_cut_on_whole_pixels(tmp_path: Path) -> None:
    array = noise(97, 64)
    Image.fromarray(array).save(tmp_path / "a.png")
    assert np.array_equal(read_picture(tmp_path / "a.png", 64), array[:, 16:80])  # sharp: half of 33 is no pixel


def test_very_long_pictures_cost_no_memory() -> None:
    array = np.zeros((3, 60_000, 3), np.uint8)
    array[:, 30_000:] = 255
    seen = Preprocess(32, 32, (0.0,) * 3, (1.0,) * 3)(array)
    assert seen.shape == (3, 32, 32) and seen[:, :, :5].max() == 0 and seen[:, :, 27:].min() == 1


def test_a_resized_set_says_both_steps() -> None:
    data = load_dataset("digits", limit=30, size=28)  # 8 x 8 on the disk
    small = load_dataset("digits", limit=30)
    for i in range(5):
        assert torch.equal(data.preprocess.pixels(small.test.images[i]), data.test.images[i])
    assert data.preprocess.size == (28, 28)


def test_channels_that_are_no_colors() -> None:
    images = torch.randint(0, 256, (6, 5, 9, 9), dtype=torch.uint8)
    data = Dataset.from_sets("bands", *(ImageSet(images, torch.tensor([0, 1] * 3), ("a", "b")),) * 2)
    assert torch.equal(data.preprocess.pixels(images[0]), images[0])
    assert data.preprocess(torch.rand(5, 20, 30)).shape == (5, 9, 9)
    with pytest.raises(ValueError, match=r"of three colors: the network takes 5 channels; give a tensor \(5, H, W\)"):
        data.preprocess(noise(9, 9))


# --- paths -----------------------------------------------------------------------------------------------------------


def test_every_picture_knows_its_file_wherever_it_goes(kinds: Path, tmp_path: Path) -> None:
    (kinds / "cat" / "broken.png").write_bytes(b"no picture")
    for _ in range(2):  # decoded, and from the cache
        with pytest.warns(UserWarning, match="1 broken"):
            data = load_images(kinds, size=16, on_error="skip")
        for part in (data.train, data.test, data.train[3:9], data.train[torch.tensor([4, 1])], data.train.subset(5)):
            assert len(part.paths) == len(part)
            for i, path in enumerate(part.paths):
                assert np.array_equal(read_picture(path, 16), part.images[i].permute(1, 2, 0).numpy())
                assert Path(path).parent.name == part.classes[part.labels[i]]
    mask = data.train.labels == 1
    assert data.train[mask].paths == tuple(p for p, kept in zip(data.train.paths, mask.tolist(), strict=True) if kept)
    assert data.train[[2, -1]].paths == (data.train.paths[2], data.train.paths[-1])
    assert data.subset(train=6).train.paths and data.resized(8).test.paths == data.test.paths
    assert data.train.to("cpu:0").paths == data.train.paths
    assert load_dataset("digits", limit=10).train.paths is None
    with pytest.raises(ValueError, match="paths must have one entry for each of 3 pictures, got 1"):
        replace(data.train[:3], paths=("a",))


# --- predictions -----------------------------------------------------------------------------------------------------


@pytest.fixture
def trained(kinds: Path) -> tuple[nn.Module, Dataset, cnnlab.Run]:
    data = load_images(kinds, size=32)
    torch.manual_seed(0)
    model = cnnlab.create_model("resnet20_cifar", num_classes=2)
    return model, data, cnnlab.fit(model, data, epochs=1, batch_size=8, lr=0.01, progress=False)


def test_predictions_are_what_evaluate_says(trained: tuple, kinds: Path) -> None:
    model, data, _ = trained
    model.train()
    found = model.predict(list(data.test.paths))
    assert model.training  # as it was
    evaluated = cnnlab.training.evaluate(model, data.test, mean=data.mean, std=data.std)
    assert torch.equal(found.probabilities, evaluated.logits.softmax(1))
    assert torch.equal(model.predict(data.test).probabilities, found.probabilities)
    assert found.names == [data.classes[i] for i in evaluated.predictions.tolist()]
    assert found.paths == data.test.paths and torch.equal(found.labels, evaluated.predictions)
    everything = model.predict(kinds, batch_size=7)
    assert len(everything) == len(data.train) + len(data.test) and list(everything.paths) == sorted(everything.paths)
    assert not model.predict(data.test.paths[0]).probabilities.requires_grad


def test_a_prediction_reads_well(trained: tuple, kinds: Path) -> None:
    model, _, _ = trained
    one = model.predict(kinds / "cat" / "size0.png")
    assert isinstance(one, Prediction) and one.path.endswith("size0.png") and one.classes == ("cat", "dog")
    assert one.top(9) == sorted(zip(one.classes, one.probabilities.tolist(), strict=True), key=lambda pair: -pair[1])
    assert (one.name, one.probability) == one.top(1)[0] and one.classes[one.label] == one.name
    assert repr(one) == f"Prediction({one.top(2)[0][0]} {one.top(2)[0][1]:.1%}, {one.top(2)[1][0]} " + (
        f"{one.top(2)[1][1]:.1%}; {one.path})"
    )
    assert one._repr_html_().count("<img") == 1 and one.picture.shape == (3, 32, 32)
    assert list(one.to_dataframe()["class"]) == [name for name, _ in one.top(2)]
    several = model.predict(kinds / "dog")
    assert isinstance(several, Predictions) and isinstance(several[0], Prediction) and len(several[2:5]) == 3
    table = several.to_dataframe()
    assert list(table.columns) == ["path", "class", "probability", "P(cat)", "P(dog)"] and len(table) == len(several)
    assert "19 pictures, of which the first 10 are shown" in repr(several) and several._repr_html_().count("<img") == 10
    assert len(several.top(1)) == len(several) and [one.name for one in several] == several.names
    os.remove(kinds / "dog" / "alpha.png")
    assert several._repr_html_().count("<img") == 9  # its file has gone
    with pytest.raises(ValueError, match="k=0 is not allowed"):
        one.top(0)


def test_one_picture_in_many_forms(trained: tuple, kinds: Path) -> None:
    model, _, _ = trained
    array = noise(97, 64)
    path = kinds / "cat" / "size0.png"
    wanted = model.predict(path).probabilities
    tensor = torch.from_numpy(array).permute(2, 0, 1)
    for form in (str(path), Image.open(path), array, array / 255, tensor, tensor / 255):
        assert torch.equal(model.predict(form).probabilities, wanted)
    for forms in ([path], [array], tensor[None], array[None], (Image.open(path),)):
        assert torch.equal(model.predict(forms).probabilities, wanted[None])
    mixed = model.predict([path, array, tensor])
    assert mixed.paths == (str(path), None, None) and mixed[1]._repr_html_().count("<img") == 1
    assert model.predict(torch.rand(9, 9)).probabilities.shape == (2,)


def test_other_modules_are_told_the_data(trained: tuple, kinds: Path) -> None:
    _, data, _ = trained
    model = Small(num_classes=2)
    cnnlab.fit(model, data, epochs=1, progress=False)
    assert not hasattr(model, "classes")  # nothing is written into other people's modules
    with pytest.raises(ValueError, match="This Small does not say how pictures are prepared for it: give data="):
        cnnlab.predict(model, kinds)
    assert len(cnnlab.predict(model, kinds, data=data)) == len(data.train) + len(data.test)


def test_what_cannot_be_predicted_is_said(trained: tuple, kinds: Path, tmp_path: Path) -> None:
    model, data, _ = trained
    (kinds / "cat" / "broken.png").write_bytes(b"no picture")
    with pytest.raises(BrokenImage, match=r"broken\.png cannot be read as a picture"):
        model.predict(kinds)
    with pytest.warns(UserWarning, match="1 broken pictures were left out"):
        assert len(model.predict(kinds / "cat", on_error="skip")) == 19
    (tmp_path / "empty").mkdir()
    for pictures, error, says in [
        ("nowhere.png", FileNotFoundError, "'nowhere.png' does not exist; give a picture file or a folder"),
        ("https://a.b/c.png", FileNotFoundError, "It is an address: download the file first"),
        (tmp_path / "empty", FileNotFoundError, "is a folder without pictures; read are .bmp"),
        (kinds / "cat" / "broken.png", BrokenImage, "cannot be read as a picture"),
        ([], ValueError, "pictures is empty"),
        (data, TypeError, "give one part of it, such as data.test"),
        (7, TypeError, "a picture of type int: give a file, a folder, a PIL image"),
        (None, TypeError, "a picture of type NoneType"),
        ([noise(9, 9), {}], TypeError, r"pictures\[1\]: a picture of type dict"),
        (torch.zeros(9, 9, 3), ValueError, r"\(9, 9, 3\).*The channels come last"),
        (np.full((9, 9, 3), 200.0), ValueError, "floats are shares of white"),
        (data.resized(8).test, ValueError, r"pictures of \(3, 8, 8\), and the network was trained on \(3, 32, 32\)"),
    ]:
        with pytest.raises(error, match=says):
            model.predict(pictures)
    cut = io.BytesIO((kinds / "cat" / "size0.jpg").read_bytes()[:900])
    with pytest.raises(ValueError, match=r"a picture that cannot be decoded \(image file is truncated"):
        model.predict(Image.open(cut))
    with pytest.raises(ValueError, match="on_error='ignore' is not known"):
        model.predict(kinds, on_error="ignore")
    with pytest.raises(ValueError, match=r"for 1 pictures is \(1, 10\), and there are 2 classes"):
        cnnlab.predict(Small(), noise(40, 40), data=data)
    model.new_head(5)
    with pytest.raises(ValueError, match="This CIFARResNet does not say what its outputs mean"):
        model.predict(noise(9, 9))


# --- saving and loading ----------------------------------------------------------------------------------------------

ASK = """
import json, sys, cnnlab
model = cnnlab.load(sys.argv[1])
found = model.predict(sys.argv[2])
print(json.dumps([found.probabilities.tolist(), list(found.paths), model.classes, model.training,
                  model.run.config["epochs"], model.run.provenance["versions"]["cnnlab"], model.run.final["epoch"]]))
"""


@pytest.mark.slow
def test_loaded_in_another_process_without_the_data_it_says_the_same_to_the_bit(trained: tuple, tmp_path: Path) -> None:
    model, _, run = trained
    put_kinds(tmp_path / "new")
    before = model.predict(tmp_path / "new")
    cnnlab.save(model, tmp_path / "pets.pt", run=run)
    os.rename(tmp_path / "pets", tmp_path / "gone")
    asked = {**os.environ, "CNNLAB_CACHE": str(tmp_path / "elsewhere")}
    command = [sys.executable, "-c", ASK, str(tmp_path / "pets.pt"), str(tmp_path / "new")]
    done = subprocess.run(command, env=asked, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-800:]
    probabilities, paths, *rest = json.loads(done.stdout)
    assert torch.equal(torch.tensor(probabilities), before.probabilities) and tuple(paths) == before.paths
    assert rest == [["cat", "dog"], False, 1, cnnlab.__version__, 1]
    assert before.probabilities.std() > 0.001  # the pictures are told apart


@pytest.mark.slow
@pytest.mark.parametrize("name", ["lenet5_1998", "squeezenet1_1", "mobilenet_v3_small", "googlenet"])
def test_networks_of_every_kind_come_back(name: str, tmp_path: Path) -> None:
    model = cnnlab.create_model(name, num_classes=3)
    with pytest.warns(UserWarning, match="without classes or preprocessing"):
        cnnlab.save(model, tmp_path / "m.pt")
    again = cnnlab.load(tmp_path / "m.pt")
    assert not again.training and again.classes is None and again.run is None and again.name == name
    x = torch.rand(2, *model.input_size)
    assert torch.equal(again(x), model.eval()(x))


def test_variants_and_changes_come_back(trained: tuple, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, data, _ = trained
    path = tmp_path / "m.pt"
    small = cnnlab.create_model("resnet18", num_classes=2, small_input=True)
    small.classes, small.preprocess = data.classes, data.preprocess
    cnnlab.save(small.half().float(), path)
    again = cnnlab.load(path)
    assert again.info.variant.small_input and torch.equal(again.conv1.weight, small.conv1.weight)
    model = cnnlab.create_model("resnet20_cifar", num_classes=10)
    model.new_head(2)
    cnnlab.save(model, path, data)
    assert cnnlab.load(path).predict(noise(50, 40)).classes == ("cat", "dog")
    model.head = nn.Sequential(nn.Dropout(), nn.Linear(64, 2))
    with pytest.warns(UserWarning, match="load will need build=: its resnet20_cifar was changed after it was made"):
        cnnlab.save(model, path, data)
    with pytest.raises(SavedModelError, match="was changed after it was made. Give build=: the module, or a function"):
        cnnlab.load(path)
    fresh = cnnlab.create_model("resnet20_cifar", num_classes=2)
    fresh.head = nn.Sequential(nn.Dropout(), nn.Linear(64, 2))
    x = noise(50, 40)
    loaded = cnnlab.load(path, build=fresh)
    assert torch.equal(loaded.predict(x).probabilities, cnnlab.predict(model, x, data=data).probabilities)
    # As where there is no GPU, also after a test that has pretended one.
    parallel = sys.modules["torch.nn.parallel.data_parallel"]
    monkeypatch.setattr(parallel, "_get_available_device_type", lambda: None)
    wrapped = nn.DataParallel(cnnlab.create_model("resnet20_cifar", num_classes=2))
    cnnlab.save(wrapped, path, data)
    assert cnnlab.load(path).name == "resnet20_cifar"


@pytest.mark.slow
def test_a_compiled_network_is_the_network_inside(kinds: Path, tmp_path: Path) -> None:
    data = load_images(kinds, size=32)
    compiled = torch.compile(cnnlab.create_model("resnet20_cifar", num_classes=2), backend="eager")
    cnnlab.fit(compiled, data, epochs=1, progress=False)
    assert cnnlab.predict(compiled, kinds / "cat").classes == data.classes
    cnnlab.save(compiled, tmp_path / "m.pt")
    assert cnnlab.load(tmp_path / "m.pt").classes == data.classes


def test_weights_share_no_memory_with_what_is_not_saved(trained: tuple, tmp_path: Path) -> None:
    _, data, _ = trained
    model = Small(num_classes=2)
    model.conv.weight = nn.Parameter(torch.randn(1000, 4, 3, 3, 3)[7])  # a part of something large
    cnnlab.save(model, tmp_path / "m.pt", data)
    assert (tmp_path / "m.pt").stat().st_size < 20_000


def test_a_class_of_the_readers_own(trained: tuple, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, data, _ = trained
    path, x = tmp_path / "m.pt", noise(50, 40)
    model = Small(6, num_classes=2)  # num_classes is not kept: the data set says it
    cnnlab.save(model, path, data)
    loaded = cnnlab.load(path)
    assert type(loaded) is Small and loaded.width == 6 and loaded.classes == data.classes
    assert torch.equal(loaded.predict(x).probabilities, cnnlab.predict(model, x, data=data).probabilities)
    pickle.loads(pickle.dumps(loaded)).predict(x)
    for build in (Small(6, 2), lambda: Small(6, 2), lambda num_classes: Small(6, num_classes)):
        assert torch.equal(cnnlab.load(path, build=build).fc.weight, model.fc.weight)
    with pytest.raises(SavedModelError, match=r"weights of another network \(conv.weight: \(6, 3, 3, 3\) there, \(4,"):
        cnnlab.load(path, build=Small)
    with pytest.raises(TypeError, match="returned int, and a torch.nn.Module is needed"):
        cnnlab.load(path, build=lambda: 3)
    with pytest.raises(TypeError, match="build=3 must be a module, or a class or function"):
        cnnlab.load(path, build=3)
    with pytest.raises(
        SavedModelError, match=r"Needing could not be built from nothing \(.*layers.*build=lambda: Need"
    ):
        cnnlab.load(path, build=Needing)
    monkeypatch.delattr(sys.modules[__name__], "Small")
    with pytest.raises(SavedModelError, match="holds a Small of the module .*which is not there: import it first, or"):
        cnnlab.load(path)


def test_a_class_that_cannot_be_built_without_arguments(trained: tuple, tmp_path: Path) -> None:
    _, data, _ = trained
    path = tmp_path / "m.pt"

    def made() -> nn.Module:
        return Needing([nn.Conv2d(3, 2, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()])

    with pytest.warns(UserWarning, match="build=: its class Needing cannot be built from what it keeps of its argum"):
        cnnlab.save(made(), path, data)
    with pytest.raises(SavedModelError, match="cannot be built from what it keeps.*Give build="):
        cnnlab.load(path)
    assert cnnlab.load(path, build=made).predict(noise(50, 40)).classes == data.classes


def test_the_same_weights_in_another_network_are_noticed(trained: tuple, tmp_path: Path) -> None:
    _, data, _ = trained
    cnnlab.save(Striding(), tmp_path / "one.pt", data)
    assert isinstance(cnnlab.load(tmp_path / "one.pt"), Striding)
    cnnlab.save(Striding(stride=8), tmp_path / "eight.pt", data)
    with pytest.raises(SavedModelError, match="takes the weights and answers otherwise than the saved one"):
        cnnlab.load(tmp_path / "eight.pt")
    cnnlab.load(tmp_path / "eight.pt", build=lambda: Striding(stride=8))


class Evil:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_what_is_no_saved_model_is_one_clear_line(trained: tuple, tmp_path: Path) -> None:
    model, _, _ = trained
    good, bad = tmp_path / "good.pt", tmp_path / "bad.pt"
    cnnlab.save(model, good)
    content, whole = torch.load(good, weights_only=True), good.read_bytes()

    def refused(says: str, error: type[Exception] = SavedModelError) -> None:
        with pytest.raises(error, match=says) as caught:
            cnnlab.load(bad)
        assert "\n" not in str(caught.value)

    refused("does not exist", FileNotFoundError)
    torch.save({**content, "run": Evil(tmp_path / "ran")}, bad)
    refused("damaged or no file of cnnlab.save .it holds something else than tensors.*nothing in it was run")
    assert not (tmp_path / "ran").exists()
    for share in (0.0, 0.3, 0.999):
        bad.write_bytes(whole[: int(len(whole) * share)])
        refused("damaged or no file of cnnlab.save")
    with zipfile.ZipFile(good) as archive:
        largest = max(archive.infolist(), key=lambda part: part.file_size)
    flipped = bytearray(whole)
    flipped[largest.header_offset + 200 + largest.file_size // 2] ^= 1
    bad.write_bytes(flipped)
    refused("has changed since it was written")
    torch.save({**content, "cnnlab_model": 2, "version": "9.1"}, bad)
    refused("was written by cnnlab 9.1 in format 2; this is .* which reads format 1. Update cnnlab")
    torch.save(model.state_dict(), bad)
    refused("is no file of cnnlab.save. It holds weights alone")
    torch.save({"cnnlab_checkpoint": 1}, bad)
    refused("It is a checkpoint of cnnlab.fit: cnnlab.training.load_best")
    torch.save([1, 2], bad)
    refused("It was written by something else")
    for name in ("state", "classes", "network", "preprocess"):
        torch.save({key: value for key, value in content.items() if key != name}, bad)
        refused(f"is no whole file of cnnlab.save: its '{name}' is missing or of another kind")
    for change, says in [
        ({"preprocess": {**content["preprocess"], "mean": []}}, "does not say how pictures are prepared"),
        ({"preprocess": {"resize": 3}}, "does not say how pictures are prepared"),
        ({"run": {"history": 3}}, "holds no record of its training"),
        (
            {"network": {"registered": {**content["network"]["registered"], "name": "resnet21"}}},
            "cannot build .name='re",
        ),
        ({"network": {"registered": {**content["network"]["registered"], "weights": "imagenet"}}}, "it asks for"),
        ({"network": {"registered": {**content["network"]["registered"], "num_classes": 10**9}}}, "of another network"),
        ({"network": {"class": "os:system", "arguments": {"command": "true"}}}, "holds a system of the module 'os'"),
        ({"network": {"class": "antigravity:x"}}, "import it first"),
        ({"network": {}}, "holds a network of the module ''"),
        ({"state": {**content["state"], "fc.bias": torch.zeros(3)}}, r"fc.bias: \(3,\) there, \(2,\) is wanted"),
        ({"state": {}}, "weights of another network"),
    ]:
        torch.save({**content, **change}, bad)
        refused(says)
    assert "antigravity" not in sys.modules


def test_what_cannot_be_saved_is_said(trained: tuple, tmp_path: Path) -> None:
    model, data, run = trained
    with pytest.raises(ValueError, match="is a folder: give a file in it, such as"):
        cnnlab.save(model, tmp_path)
    with pytest.raises(TypeError, match="run must be what cnnlab.fit returned, not dict"):
        cnnlab.save(model, tmp_path / "m.pt", run={})
    with pytest.raises(TypeError, match="data must be the cnnlab Dataset that the model was trained on, not Run"):
        cnnlab.save(model, tmp_path / "m.pt", run)
    odd = type("Odd", (Small,), {"get_extra_state": lambda self: {"a", "set"}})(num_classes=2)
    with pytest.raises(ValueError, match="state '_extra_state' is a set, and a safe file holds tensors and plain"):
        cnnlab.save(odd, tmp_path / "m.pt", data)
    with pytest.raises(TypeError, match="model must be a torch.nn.Module, not str"):
        cnnlab.save("m.pt", model)
    with pytest.raises(ValueError, match="answers with 10 numbers, and there are 2 classes"):
        cnnlab.save(Small(), tmp_path / "m.pt", data)
    assert not (tmp_path / "m.pt").exists()
    assert cnnlab.save(model, tmp_path / "new" / "m.pt", data, run) == tmp_path / "new" / "m.pt"


def test_pictures_of_floats_stay_floats(tmp_path: Path) -> None:
    images = torch.rand(8, 3, 16, 16)
    images[:4] = (images[:4] * 255).round() / 255  # bytes divided by 255, as most floats are
    part = ImageSet(images, torch.tensor([0, 1] * 4), ("a", "b"))
    data = Dataset.from_sets("floats", part, part)
    cnnlab.fit(alone := cnnlab.create_model("resnet20_cifar", num_classes=2), part, epochs=1, progress=False)
    assert alone.preprocess == data.preprocess and alone.classes == ("a", "b")
    seen, _ = next(batches(part, 8, mean=data.mean, std=data.std))
    assert torch.equal(torch.stack([data.preprocess(one) for one in images]), seen)
    assert torch.equal(data.preprocess((images[0] * 255).round().to(torch.uint8)), seen[0])
    assert torch.equal(data.resized(8).preprocess.pixels(images[5]), data.resized(8).train.images[5])
    model = cnnlab.create_model("resnet20_cifar", num_classes=2)
    cnnlab.fit(model, data, epochs=1, progress=False)
    cnnlab.save(model, tmp_path / "m.pt")
    loaded = cnnlab.load(tmp_path / "m.pt")
    assert torch.equal(loaded.predict(images).probabilities, model.predict(part).probabilities)
    assert cnnlab.training.evaluate(loaded, part).accuracy == cnnlab.training.evaluate(model, data).accuracy


def test_a_validation_set_comes_along(tmp_path: Path) -> None:
    data = load_dataset("digits", limit=60, size=28).split(validation=0.3)
    model = cnnlab.create_model("lenet5_28")
    run = cnnlab.fit(model, data, epochs=1, progress=False)
    cnnlab.save(model, tmp_path / "m.pt", run=run)
    assert cnnlab.load(tmp_path / "m.pt").run.to_dict() == run.to_dict() and run.tested


def test_a_network_that_was_registered_comes_back_by_its_name(trained: tuple, tmp_path: Path) -> None:
    _, data, _ = trained
    path, name = tmp_path / "m.pt", "mine_for_saving"

    def mine(num_classes: int, in_channels: int = 3) -> nn.Module:
        return nn.Sequential(nn.Conv2d(in_channels, num_classes, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())

    cnnlab.register(mine, name)
    try:
        model = cnnlab.create_model(name, num_classes=2)
        cnnlab.save(model, path, data)
        x = noise(50, 40)
        loaded = cnnlab.load(path)
        assert torch.equal(loaded.predict(x).probabilities, cnnlab.predict(model, x, data=data).probabilities)
    finally:
        registry._OWN.pop(name)
    with pytest.raises(
        SavedModelError, match="cannot build .name='mine_for_saving'.* import the module that registers"
    ):
        cnnlab.load(path)
