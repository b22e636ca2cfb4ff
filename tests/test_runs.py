"""What is kept of trainings: several compared, the best weights of a checkpoint, the measures of each class."""

from __future__ import annotations

import shutil
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from sklearn.metrics import precision_recall_fscore_support
from torch import nn

import cnnlab
from cnnlab import Run
from cnnlab.data import load_dataset
from cnnlab.training import CheckpointError, Evaluation, compare_runs, fit, load_best
from cnnlab.training.checkpoint import best_path

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def data() -> cnnlab.data.Dataset:
    return load_dataset("digits", limit=60)


def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 10))


# --- several runs ----------------------------------------------------------------------------------------------------


def test_runs_are_named_by_what_differs(data: cnnlab.data.Dataset) -> None:
    runs = [fit(net(), data, epochs=2, lr=lr, seed=seed) for lr, seed in ((0.01, 0), (0.1, 0), (0.1, 1))]
    compared = compare_runs(runs)
    assert list(compared.runs) == ["lr=0.01, seed=0", "lr=0.1, seed=0", "lr=0.1, seed=1"]
    table = compared.to_dataframe()
    assert list(table["lr"]) == [0.01, 0.1, 0.1] and list(table["epochs"]) == [2, 2, 2]
    assert list(table["test_accuracy"]) == [run.final["test_accuracy"] for run in runs]
    assert list(table["best_epoch"]) == [run.best["epoch"] for run in runs]
    figure = compared.plot()
    places = ("left", "center")  # another test may have set matplotlib to the left
    assert ["".join(map(axis.get_title, places)) for axis in figure.axes] == ["Loss", "Accuracy"]
    lines = figure.axes[1].lines
    assert len(lines) == 6 and list(lines[3].get_ydata()) == [row["test_accuracy"] for row in runs[1].history]
    assert lines[3].get_color() == lines[2].get_color() != lines[1].get_color()
    assert f"lr=0.1, seed=1 {runs[2].final['test_accuracy']:.1%}" in compared.alt
    assert "3 runs after their last epochs, which differ in lr and seed" in repr(compared)
    assert compared._repr_html_().count("<tr>") == 4
    assert list(compare_runs({"slow": runs[0], "fast": runs[1]}).runs) == ["slow", "fast"]
    assert list(compare_runs(runs[:2] * 2).runs) == [f"lr={lr} ({n})" for n in (1, 2) for lr in ("0.01", "0.1")][:4]
    assert list(compare_runs(runs[:1]).runs) == ["Sequential on digits"]
    other = fit(nn.Sequential(nn.Flatten(), nn.Linear(64, 10, bias=False), nn.Identity()), data, epochs=1, lr=0.01)
    other.config["model"] = "plain"
    assert list(compare_runs([runs[0], other]).runs) == ["Sequential, epochs=2", "plain, epochs=1"]
    plt.close("all")


def test_runs_of_unequal_length_without_epochs_and_from_json(data: cnnlab.data.Dataset, tmp_path: Path) -> None:
    run = fit(net(), data, epochs=3)
    again = Run.load(run.save(tmp_path / "run.json"))
    again.history[1]["test_loss"] = None  # was infinite
    compared = compare_runs({"here": run, "saved": again, "empty": Run(config={"model": "m"})})
    compared.plot()
    assert list(compared.to_dataframe()["epochs"]) == [3, 3, 0] and "–" in repr(compared)
    frame = run.to_dataframe()
    assert list(frame["epoch"]) == [1, 2, 3] and list(frame.columns) == list(run.history[0])
    rows = [{"epoch": 1, "train_loss": 2.0, "validation_loss": 1.0, "validation_error": 3.0, "train_error": 4.0}]
    rows[0] |= {"validation_accuracy": 0.5, "train_accuracy": 0.25}
    other = compare_runs([Run(history=rows, config={"lr": 1}), Run(history=rows, config={"lr": 2})])
    assert other.kinds == ["loss", "error", "accuracy"] and "validation error" in repr(other)
    assert len(other.plot().axes) == 3
    split = fit(net(), data.split(validation=0.3), epochs=2)
    row = compare_runs([split]).to_dataframe().iloc[0]
    assert row["validation_accuracy"] == split.final["validation_accuracy"]
    assert row["test_accuracy"] == split.tested["test_accuracy"]
    mixed = compare_runs([run, Run(history=rows)])
    assert mixed.kinds == ["loss", "accuracy"] and "measured accuracy" in repr(mixed)


@pytest.mark.parametrize(
    ("runs", "error", "says"),
    [
        ([], ValueError, "runs is empty"),
        ([Run(), "run.json"], TypeError, r"runs\[1\] is a str: give what cnnlab.fit returned, or cnnlab.Run.load"),
        ("run.json", TypeError, "must be a list of runs, or a mapping from names to them, not str"),
        (Run(), TypeError, "must be a list of runs"),
    ],
)
def test_what_cannot_be_compared_is_said(runs, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        compare_runs(runs)


# --- taken up again --------------------------------------------------------------------------------------------------


def test_a_line_says_that_a_training_goes_on_or_was_finished(
    data: cnnlab.data.Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "run.pt"
    fit(net(), data, epochs=2, checkpoint=path)
    assert capsys.readouterr().out == ""
    fit(net(), data, epochs=3, checkpoint=path)
    assert capsys.readouterr().out == "Resumed at epoch 3 of 3, from the checkpoint run.pt.\n"
    model = net()
    run = fit(model, data, epochs=3, checkpoint=path)
    said = "Already finished: the checkpoint run.pt has 3 of 3 epochs, and nothing is trained.\n"
    assert capsys.readouterr().out == said and len(run.history) == 3
    fit(net(), data, epochs=3, checkpoint=path, progress=False)
    fit(net(), data, epochs=3, checkpoint=path, resume=False)
    assert capsys.readouterr().out == ""
    trainer = cnnlab.training.Trainer(net(), data, epochs=3, batch_size=16, checkpoint=tmp_path / "other.pt")
    trainer.step()
    trainer.stop()
    fit(net(), data, epochs=3, batch_size=16, checkpoint=tmp_path / "other.pt")
    assert capsys.readouterr().out == "Resumed at epoch 1 of 3, batch 2 of 4, from the checkpoint other.pt.\n"
    split = data.split(validation=0.3)
    trainer = cnnlab.training.Trainer(net(), split, epochs=1, checkpoint=tmp_path / "split.pt")
    while trainer.epoch < 1:
        trainer.step()
    assert fit(net(), split, epochs=1, checkpoint=tmp_path / "split.pt").tested
    said = "Already trained: the checkpoint split.pt has 1 of 1 epochs, and the test set is measured.\n"
    assert capsys.readouterr().out == said


def test_the_best_weights_of_a_checkpoint(data: cnnlab.data.Dataset, tmp_path: Path) -> None:
    path, best = tmp_path / "run.pt", tmp_path / "run.best.pt"
    model = net()
    run = fit(model, data, epochs=4, lr=0.5, checkpoint=path)
    run.restore_best(model)
    for file in (path, str(best)):
        loaded = load_best(file, net())
        assert all(torch.equal(loaded.state_dict()[name], value) for name, value in model.state_dict().items())
    assert set(torch.load(best, weights_only=True)) == {"cnnlab_checkpoint", "identity", "epoch", "model"}
    with pytest.raises(CheckpointError, match="its Sequential is no network of cnnlab's own: build it and give it as"):
        load_best(path)
    with pytest.raises(CheckpointError, match=r"weights of another model than this Linear \("):
        load_best(path, nn.Linear(3, 3))
    with pytest.raises(FileNotFoundError, match="does not exist: give the file that was given to fit"):
        load_best(tmp_path / "no.pt", net())
    with pytest.raises(FileNotFoundError, match="is a folder"):
        load_best(tmp_path, net())
    fit(net(), data, epochs=1, seed=1, checkpoint=tmp_path / "other.pt")
    shutil.copy(best, best_path(tmp_path / "other.pt"))
    with pytest.raises(CheckpointError, match="belongs to another training than"):
        load_best(tmp_path / "other.pt", net())
    best.unlink()
    with pytest.raises(CheckpointError, match=r"run\.best\.pt, the file of the best epoch's weights.*is missing"):
        load_best(path, net())
    trainer = cnnlab.training.Trainer(net(), data, epochs=1, batch_size=16, checkpoint=tmp_path / "new.pt")
    trainer.step()
    trainer.stop()
    with pytest.raises(CheckpointError, match="has no finished epoch yet"):
        load_best(tmp_path / "new.pt", net())
    best.write_bytes(path.read_bytes()[:300])
    with pytest.raises(CheckpointError, match="damaged"):
        load_best(path, net())


def test_a_network_of_ours_is_built_for_its_best_weights(tmp_path: Path) -> None:
    data = load_dataset("digits", limit=40, size=28)
    model = cnnlab.create_model("lenet5_28")
    run = fit(model, data, epochs=1, checkpoint=tmp_path / "run.pt")
    run.restore_best(model)
    loaded = load_best(tmp_path / "run.pt")
    assert loaded.name == "lenet5_28" and not loaded.training
    x = torch.rand(2, 1, 28, 28)
    assert torch.equal(loaded(x), model.eval()(x))


# --- class by class --------------------------------------------------------------------------------------------------


def evaluation(labels: list[int], predictions: list[int], classes: tuple[str, ...]) -> Evaluation:
    logits = nn.functional.one_hot(torch.tensor(predictions), len(classes)).float()
    right = torch.tensor(labels)
    accuracy = (right == torch.tensor(predictions)).double().mean().item()
    return Evaluation(loss=0.5, accuracy=accuracy, logits=logits, labels=right, classes=classes)


@pytest.mark.parametrize("seed", range(5))
def test_precision_recall_and_f1_are_scikit_learns(seed: int) -> None:
    generator = np.random.default_rng(seed)
    labels, said = (
        generator.integers(0, 6, 30).tolist(),
        generator.integers(1, 7, 30).tolist(),
    )  # 0 never said, 6 never is
    found = evaluation(labels, said, tuple("abcdefgh"))  # h: neither
    theirs = precision_recall_fscore_support(labels, said, labels=range(8), zero_division=0)
    for ours, wanted in zip((found.precision, found.recall, found.f1), theirs, strict=False):
        np.testing.assert_allclose(ours[:7].numpy(), wanted[:7], rtol=1e-12)
        assert ours[7].isnan()
    macro = precision_recall_fscore_support(labels, said, average="macro", zero_division=0)[:3]
    assert list(found.by_class.macro.values()) == pytest.approx(macro)
    table = found.by_class.to_dataframe()
    assert list(table.columns) == ["class", "precision", "recall", "f1", "images"] and table["images"].sum() == 30
    assert f"{macro[0]:.1%}" in repr(found.by_class).splitlines()[-3] and "–" in found.by_class._repr_html_()


def test_a_confusion_matrix_is_shown_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = []
    monkeypatch.setattr("IPython.display.display", shown.append)
    found = evaluation([0, 0, 0, 1, 2], [1, 1, 0, 1, 2], ("cat", "dog", "fox"))
    found.plot_confusion(caption="Cats are taken for dogs.")
    assert shown[0].alt == (
        "Confusion matrix of 5 images in 3 classes, 3 of them classified rightly; the most frequent mistake, made 2 "
        "times, is to take cat for dog."
    )
    figure, axis = plt.subplots()
    found.plot_confusion(axis=axis)
    assert len(shown) == 1 and axis.get_xlabel() == "taken for"
    plt.close(figure)
    assert "there is no mistake" in _alt_of(evaluation([0, 1], [0, 1], ("cat", "dog")), shown)


def _alt_of(found: Evaluation, shown: list) -> str:
    found.plot_confusion()
    return shown[-1].alt


def test_a_wrong_picture_leads_to_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from PIL import Image

    monkeypatch.setenv("CNNLAB_CACHE", str(tmp_path / "cache"))
    for name, color in (("red", (250, 0, 0)), ("blue", (0, 0, 250))):
        for number in range(10):
            (tmp_path / "set" / name).mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (8, 8), color).save(tmp_path / "set" / name / f"{number}.png")
    Image.new("RGB", (8, 8), (250, 0, 0)).save(tmp_path / "set" / "blue" / "wrong.png")
    data = cnnlab.data.load_images(tmp_path / "set", size=8, test_fraction=0.9)

    class Redness(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            redness = x[:, 0].mean((1, 2)) - x[:, 2].mean((1, 2))
            return torch.stack([-redness, redness], 1)  # blue, red

    found = cnnlab.training.evaluate(Redness(), data.test, mean=data.mean, std=data.std)
    assert [Path(data.test.paths[i]).name for i in found.mistakes] == ["wrong.png"]
