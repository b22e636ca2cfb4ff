"""The detection and the segmentation lab: from Train to the end, their pictures, and what they refuse."""

from __future__ import annotations

import re

import pytest
import torch
from torch import nn

import cnnlab
from cnnlab.data.shapes import load_shapes
from cnnlab.detection import Grid
from cnnlab.widgets import DetectionLab, SegmentationLab, TrainingLab
from cnnlab.widgets.lab import base
from cnnlab.widgets.lab.runs import PLACED_AUGMENTATIONS, make_augmentation

pytestmark = pytest.mark.usefixtures("one_thread")

LABS = [DetectionLab, SegmentationLab]


def made(lab, **options):
    return lab(**{"pictures": 32, "size": 32, "epochs": 2, "batch_size": 16, **options})


def tick_to_the_end(lab, at_most=400) -> None:
    for _ in range(at_most):
        if not lab.clock.running:
            return
        lab.clock.play.value += 1
    raise AssertionError(f"still training after {at_most} ticks: {lab.panel.said}")


@pytest.mark.slow
@pytest.mark.parametrize("kind", LABS)
def test_train_runs_to_the_end_and_pictures_improve(kind):
    lab = made(kind)
    measure, pictures = lab.task.said, lab.panel.view.options[-1]
    lab.panel.view.value = pictures
    assert "Train a" in lab.panel.picture.value
    lab.panel.data.value, lab.panel.augmentation.value = "one to three shapes", "all"
    lab.clock.control.click()
    before = lab.panel.picture.value
    tick_to_the_end(lab)
    (run,) = lab.runs
    assert run.state == "finished" and len(run.history) == 2 and not lab.panel.said[1]
    assert f"Test {measure}" in lab.panel.said[0] and "finished after 2 of 2 epochs" in lab.panel.said[0]
    assert lab.panel.picture.value != before and "after 2 of 2 epochs" in lab.panel.picture.value
    for view in lab.panel.view.options:
        lab.panel.view.value = view
        drawn = lab.panel.picture.value
        assert drawn.count("<svg") == 1 and "<script" not in drawn and len(drawn) < 400_000
    assert "Line chart of loss by epoch, training and test" in drawn or "after 2 of 2" in drawn
    assert f"test {measure}" in lab.panel.table.value and "one to three shapes" in lab.panel.table.value
    assert kind.latest() is lab and f"{kind.__name__}.latest().run_in_cell()" in str(
        lab.panel.children[-1 - len(lab.clock.hidden)].value
    )


@pytest.mark.parametrize("kind", LABS)
def test_stop_keeps_the_history_and_a_run_is_what_fit_gives(kind, monkeypatch):
    monkeypatch.setattr("cnnlab.widgets.lab.runs.TICK_SECONDS", 0.0)
    lab = made(kind, epochs=50)
    lab.train()
    while not lab.runs[0].history:
        lab.clock.play.value += 1
    lab.panel.stop.click()
    (run,) = lab.runs
    assert run.state == "stopped" and lab.current is None and "stopped after 1 of 50" in lab.panel.said[0]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = lab._named[lab._models[0]](run.data)
    options = lab._trainer_options(model, run.data)
    ways = {"optimizer": "adam", "lr": lab.panel.lr.value, "batch_size": 16, "epochs": 1, "progress": False}
    alike = cnnlab.fit(model, run.data, **ways, **options)
    assert alike.history[0]["train_loss"] == run.history[0]["train_loss"]


class OwnDetector(nn.Module):
    def __init__(self, num_classes: int, in_channels: int) -> None:
        super().__init__()
        self.grid = Grid((32, 32), 2, 1, num_classes)
        self.layer = nn.Conv2d(in_channels, self.grid.channels, 16, 16)

    def forward(self, x):
        return self.layer(x)


class OwnSegmenter(nn.Module):
    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, num_classes, 3, padding=1)

    def forward(self, x):
        return self.layer(x)


@pytest.mark.parametrize(("kind", "model"), [(DetectionLab, OwnDetector), (SegmentationLab, OwnSegmenter)])
def test_networks_and_data_of_ones_own(kind, model, capsys):
    data = load_shapes(24, 32, objects=(1, 2), classes=("star", "ring"))
    lab = made(kind, models=[model, kind(pictures=8)._models[0]], datasets=[data, "one shape"], epochs=1)
    assert lab.panel.model.options[0] == model.__name__ and list(lab.panel.data.options) == [
        "shapes",
        "one shape",
    ]
    run = lab.run_in_cell()
    assert len(run.history) == 1 and isinstance(lab.runs[0].model, model)
    lab.panel.view.value = lab.panel.view.options[-1]
    assert "after 1 of 1 epochs" in lab.panel.picture.value


def test_what_labs_refuse(monkeypatch):
    plain = cnnlab.load_dataset("digits", limit=20)
    for kind, needs in ((DetectionLab, "needs boxes"), (SegmentationLab, "needs masks")):
        with pytest.raises(ValueError, match=needs):
            made(kind, datasets=[plain])
        with pytest.raises(ValueError, match=r"datasets\[0\]='one shapes' is not known. Did you mean 'one shape'"):
            made(kind, datasets=["one shapes"])
        with pytest.raises(ValueError, match=r"models\[0\]='yolo_smal' is not known.*of your own itself"):
            made(kind, models=["yolo_smal"])
        with pytest.raises(ValueError, match="size=40 must be a multiple of 16"):
            made(kind, size=40)
        with pytest.raises(ValueError, match="two are called 'one shape'"):
            made(kind, datasets=["one shape", "one shape"])
    lab = made(DetectionLab, models=[OwnSegmenter])
    lab.train()
    assert "OwnSegmenter does not say how it is taught and read" in lab.panel.said[1] and not lab.runs
    monkeypatch.setattr(SegmentationLab, "_latest", None)
    with pytest.raises(RuntimeError, match="There is no SegmentationLab yet"):
        SegmentationLab.latest()


@pytest.mark.parametrize("kind", LABS)
def test_a_poster_stands_in_the_plain_page(kind, monkeypatch):
    lab = made(kind)
    said = lab._repr_mimebundle_()
    assert said == made(kind)._repr_mimebundle_() and "cnnlab-lab-poster" in said["text/html"]
    name = "detection lab" if kind is DetectionLab else "segmentation lab"
    assert f'<img alt="The {name}, drawn as it looks' in said["text/html"] and "This is a drawing" in said["text/html"]
    assert re.search(r"Data: one shape, one to three shapes, crowded shapes\.", said["text/html"])
    assert base.Lab not in (TrainingLab, kind) and issubclass(kind, base.Lab)


def test_every_augmentation_of_the_panel_is_made():
    for name in PLACED_AUGMENTATIONS:
        assert (make_augmentation(name, 32) is None) == (name == "none")
