"""What other projects' users have reported, and what must come of it here: an input each, and the right value."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import unicodedata
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import cnnlab
from cnnlab import draw, summarize
from cnnlab.data import load_dataset, load_images
from cnnlab.data.folder import read_picture
from cnnlab.draw.embed import standalone
from cnnlab.draw.style import figure_svg, image_grid
from cnnlab.training import CheckpointError
from cnnlab.training.checkpoint import read
from cnnlab.weights import Preprocess


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CNNLAB_CACHE", str(tmp_path / "cache"))


def put_pictures(folder: Path, count: int = 3, suffix: str = ".png") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        Image.new("RGB", (20, 20), (number, 2, 3)).save(
            folder / f"{number}{suffix}", format="JPEG" if suffix != ".png" else "PNG"
        )


# --- folders of pictures ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("Training", "Testing"),
        ("training_set", "test_set"),
        ("training-set", "test set"),
        ("seg_train/seg_train", "seg_test/seg_test"),
        ("train", "evaluation"),
        ("train", "dev"),
    ],
)
def test_splits_under_other_names_are_splits(tmp_path, train, test):
    for part, count in ((train, 3), (test, 2)):
        for name in ("cat", "dog"):
            put_pictures(tmp_path / "pets" / part / name, count)
    data = load_images(tmp_path / "pets", size=8)
    assert data.classes == ("cat", "dog") and (len(data.train), len(data.test)) == (6, 4)


def test_splits_under_unheard_of_names_are_refused_and_classes_with_subfolders_are_not(tmp_path):
    for part in ("foo", "bar"):
        for name in ("cat", "dog"):
            put_pictures(tmp_path / "splits" / part / name)
    with pytest.raises(ValueError, match="bar/, foo/ hold no pictures of their own.*cat/, dog/.*Rename the parts"):
        load_images(tmp_path / "splits", size=8)
    for name, rooms in (("cat", ("in", "out")), ("dog", ("in", "street"))):
        for room in rooms:
            put_pictures(tmp_path / "classes" / name / room)
    assert load_images(tmp_path / "classes", size=8).classes == ("cat", "dog")


def test_a_jfif_is_a_jpeg_and_a_class(tmp_path):
    put_pictures(tmp_path / "ant")
    put_pictures(tmp_path / "bee", suffix=".jfif")
    assert load_images(tmp_path, size=8).classes == ("ant", "bee")


def test_sixteen_bit_gray_has_one_scale_for_all_files(tmp_path):
    seen = []
    for value in (200, 255, 256, 4095, 65535):
        Image.fromarray(np.full((8, 8), value, np.uint16)).save(tmp_path / "v.png")
        seen.append(int(read_picture(tmp_path / "v.png", 8)[0, 0, 0]))
    assert seen == [1, 1, 1, 16, 255]


def test_a_class_is_one_class_however_its_accent_is_written(tmp_path):
    for part, form in (("train", "NFC"), ("test", "NFD")):
        for name in ("café", "x"):
            put_pictures(tmp_path / part / unicodedata.normalize(form, name))
    assert load_images(tmp_path, size=8).classes == ("café", "x")


def test_the_working_folder_has_a_name(tmp_path, monkeypatch):
    for name in ("a", "b"):
        put_pictures(tmp_path / "pets" / name)
    monkeypatch.chdir(tmp_path / "pets")
    assert load_images(".", size=8).name == "pets"


# --- pictures for a pretrained network -------------------------------------------------------------------------------

PRE = Preprocess(32, 32, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), "bilinear")


def test_arrays_are_bytes_or_shares_and_nothing_else():
    assert PRE(np.full((32, 32, 3), 200, np.uint8)).max() == pytest.approx(200 / 255)
    assert PRE(np.full((32, 32, 3), 0.25, np.float32)).max() == pytest.approx(0.25)
    for kind in (np.int64, np.int32, np.uint16):
        with pytest.raises(TypeError, match=f"a picture of {kind.__name__}: give uint8"):
            PRE(np.full((32, 32, 3), 200, kind))
    with pytest.raises(ValueError, match="numbers from 200 to 200: floats are shares of white"):
        PRE(np.full((32, 32, 3), 200, np.float32))


def test_pictures_are_seen_as_folders_see_them(tmp_path):
    half = np.zeros((40, 40, 3), np.uint8)
    half[:20] = 255
    picture = Image.fromarray(half)
    exif = picture.getexif()
    exif[274] = 6  # taken with the camera turned
    picture.save(tmp_path / "phone.jpg", exif=exif)
    seen = PRE(Image.open(tmp_path / "phone.jpg"))
    assert seen[:, :, -4:].mean() > 0.95 and seen[:, :, :4].mean() < 0.05
    gray = [PRE(Image.fromarray(np.full((32, 32), value, np.uint16))).max().item() for value in (20_000, 40_000)]
    assert gray == pytest.approx([20_000 / 65_535, 40_000 / 65_535], abs=0.003)


# --- counts ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("layer", "given", "macs"),
    [
        (nn.Conv3d(3, 8, 3, padding=1, bias=False), (3, 4, 8, 8), 4 * 8 * 8 * 8 * 81),
        (nn.Conv2d(3, 8, 3, padding=1, bias=False), torch.empty(3, 8, 8), 8 * 8 * 8 * 27),
        (nn.Conv1d(3, 8, 3, padding=1, bias=False), torch.empty(3, 8), 8 * 8 * 9),
        (nn.Linear(10, 5), torch.empty(10), 50),
        (nn.Conv2d(3, 8, 3, padding=1, bias=False), torch.empty(2, 3, 8, 8), 8 * 8 * 8 * 27),
    ],
)
def test_one_image_without_a_batch_is_one_image(layer, given, macs):
    assert summarize(layer, given).macs == macs


def test_a_model_in_half_precision_takes_half_the_memory():
    full, half = nn.Conv2d(3, 8, 3), nn.Conv2d(3, 8, 3).half()
    assert summarize(half, (3, 32, 32)).activation_bytes == summarize(full, (3, 32, 32)).activation_bytes // 2


class TwoLists(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a = nn.ModuleList(nn.Linear(9, 5, bias=False) for _ in range(3))
        self.b = nn.ModuleList(nn.Linear(9, 5, bias=False) for _ in range(3))

    def forward(self, x):
        return sum(layer(x) for layer in (*self.a[:2], *self.b[:2]))


def test_elements_of_two_lists_are_told_apart_and_the_unused_are_named():
    summary = summarize(TwoLists(), (9,))
    said = [line.split()[0] for line in str(summary).splitlines() if " Linear " in line]
    assert said == ["a.0", "a.1", "b.0", "b.1", "a.2", "b.2"] and str(summary).count("not run") == 2
    assert sum(layer.params for layer in summary.layers if layer.kind == "Linear") == summary.params == 270


@pytest.mark.slow
def test_a_summary_is_printed_on_consoles_that_know_ascii_alone():
    code = "from cnnlab import summarize; print(summarize('lenet5'))"
    asked = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run([sys.executable, "-c", code], env=asked, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-300:]


# --- training --------------------------------------------------------------------------------------------------------


def test_a_rate_that_is_lowered_between_two_trainings_is_taken():
    data, model = load_dataset("digits", limit=40, size=28), cnnlab.create_model("lenet5_28")
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    options = {"epochs": 1, "batch_size": 8, "optimizer": optimizer, "progress": False}
    assert cnnlab.fit(model, data, **options, schedule="cosine").history[0]["lr"] < 0.1
    # Nothing was set since then: the first rate holds, and not the one at which the schedule ended.
    assert cnnlab.fit(model, data, **options).history[0]["lr"] == 0.1
    optimizer.param_groups[0]["lr"] = 0.001
    assert cnnlab.fit(model, data, **options).history[0]["lr"] == 0.001


def test_numpys_numbers_are_seeds_and_sizes():
    cnnlab.setup(seed=np.int64(1))
    data = load_dataset("digits", limit=40, size=28, seed=np.int64(2))
    run = cnnlab.fit(cnnlab.create_model("lenet5_28"), data, epochs=1, seed=np.int64(3), progress=False)
    assert run.config["seed"] == 3 and type(run.config["seed"]) is int
    assert summarize("lenet5", tuple(np.array([1, 32, 32]))).params == summarize("lenet5").params


def test_other_class_weights_are_another_training(tmp_path):
    data = load_dataset("digits", limit=40, size=28)
    options = {"epochs": 1, "checkpoint": tmp_path / "c.pt", "progress": False}
    cnnlab.fit(cnnlab.create_model("lenet5_28"), data, loss=nn.CrossEntropyLoss(weight=torch.ones(10)), **options)
    with pytest.raises(CheckpointError, match="belongs to another training .loss"):
        again = nn.CrossEntropyLoss(weight=torch.full((10,), 2.0))
        cnnlab.fit(cnnlab.create_model("lenet5_28"), data, loss=again, **options)


def test_a_flipped_bit_in_a_checkpoint_is_found(tmp_path):
    data, path = load_dataset("digits", limit=40, size=28), tmp_path / "c.pt"
    cnnlab.fit(cnnlab.create_model("lenet5_28"), data, epochs=1, checkpoint=path, progress=False)
    with zipfile.ZipFile(path) as archive:
        largest = max(archive.infolist(), key=lambda part: part.file_size)
    content = bytearray(path.read_bytes())
    content[largest.header_offset + 200 + largest.file_size // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="damaged.*has changed since it was written"):
        read(path)


# --- names in drawings -----------------------------------------------------------------------------------------------


def test_names_with_dollar_signs_are_names(capsys):
    import matplotlib.pyplot as plt

    names = ["$5 to $10", r"$\bad$"]
    figure, axes = plt.subplots(1, 3)
    draw.bars(names, [1, 2], axis=axes[0])
    draw.dots({name: [1, 2] for name in names}, axis=axes[1])
    draw.lines([0, 1], {name: [1, 2] for name in names}, axis=axes[2])
    grid = image_grid(torch.zeros(2, 1, 4, 4), names)
    for drawn in (figure, grid):
        svg = figure_svg(drawn, "names")
        assert "<svg" in svg
    assert [text.get_text().replace(r"\$", "$") for text in axes[0].get_xticklabels()] == names
    plt.close("all")


def test_control_characters_leave_an_svg_well_formed():
    import xml.etree.ElementTree as ET

    import matplotlib.pyplot as plt

    figure, axis = plt.subplots()
    draw.bars(["a\x07b", "c"], [1, 2], axis=axis)
    ET.fromstring(standalone(figure_svg(figure, "control")))
    plt.close(figure)
    model = nn.Sequential()
    model.add_module("bell\x07", nn.Conv2d(3, 4, 3))
    svg = draw.draw_model(model, (3, 8, 8), style="blocks").svg
    assert not re.search(r"[\x00-\x08]", svg)


def test_a_link_of_the_table_leads_to_a_page():
    row = {"name": "a", "year": 2000, "paper": "p", "url": "javascript:alert(1)", "params": 1, "macs": 1}
    with pytest.raises(ValueError, match="url='javascript:.*give one of http"):
        cnnlab.widgets.model_table([row])
    assert cnnlab.widgets.model_table([row | {"url": "https://doi.org/1"}])
