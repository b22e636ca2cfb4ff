"""The training command in one process: what a file may say, what it would take, and what comes out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import cnnlab
from cnnlab.train import example, examples, read_settings
from cnnlab.train.command import main
from cnnlab.training import Step
from tests.two_processes import TINY, write_pictures

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pictures(tmp_path_factory.mktemp("train"))


def test_the_reference_recipes_are_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--example"]) == 0
    (tmp_path / "a.toml").write_text(capsys.readouterr().out)
    settings = read_settings(tmp_path / "a.toml")
    recipe = settings.recipe
    assert (recipe.epochs, recipe.batch_size, recipe.lr, recipe.momentum, recipe.weight_decay) == (
        *(90, 256, 0.1, 0.9, 1e-4),
    )
    assert isinstance(recipe.schedule, Step) and [recipe.schedule(epoch / 90) for epoch in (29, 31, 59, 61)] == (
        pytest.approx([1, 0.1, 0.1, 0.01])
    )
    for name in examples():
        (tmp_path / "b.toml").write_text(example(name))
        assert read_settings(tmp_path / "b.toml").text == example(name)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("[recipe]", "[recipes]", "table='recipes' is not known. Did you mean 'recipe'?"),
        ("epochs = 2", "epoch = 2", "[recipe] key='epoch' is not known. Did you mean 'epochs'"),
        ("epochs = 2", "", "[recipe] needs epochs"),
        ("epochs = 2", "epochs = 0", "[recipe] epochs=0 is not allowed"),
        ("epochs = 2", "epochs = 2\nlr = '0.1'", "[recipe] lr='0.1' must be a number"),
        ("epochs = 2", "epochs = 2\namp = 1", "[recipe] amp=1 must be true or false"),
        ("epochs = 2", "epochs = 2\nlr = true", "[recipe] lr=True must be no truth value"),
        ("epochs = 2", "epochs = 2\nclip_norm = [1]", "[recipe] clip_norm=[1] must be one value"),
        ("epochs = 2", "epochs = 2\naugment = 'flip'", "[data] says how pictures are changed"),
        ("epochs = 2", "epochs = 2\nschedule = 'stp'", "schedule='stp' is not known. Did you mean 'step'?"),
        ("epochs = 2", "epochs = 2\nschedule = {name = 'step', gama = 1}", "step key='gama' is not known"),
        ("epochs = 2", "epochs = 2\nschedule = {name = 'step', milestones = [30]}", "must be fractions"),
        ("'lenet5'", "'lenet'", "Did you mean"),
        ("'lenet5'", "5", "[model] name=5 must be a text"),
        ("workers = 0", "worker = 0", "[data] key='worker' is not known. Did you mean 'workers'"),
        ("workers = 0", "workers = -1", "workers=-1 must be 0 or more"),
        ("workers = 0", "padding = 4", "[data] padding=4 says nothing of a folder"),
        ("workers = 0", "dataset = 'digits'", "one of folder = '...' and dataset = '...'"),
        ("workers = 0", "flip = 2", "flip=2.0 must lie between 0 and 1"),
        ("workers = 0", "size = 64\nresize = 32", "resize=32 is below size=64"),
        ("[0.5, 1.0]", "[0.5]", "crop_scale=[0.5] must be a list of two numbers"),
        ("[0.5, 1.0]", "[0.5, 2]", "crop_scale=[0.5, 2.0] must be two shares"),
        ("batch_size = 8", "batch_size = ", "is no TOML file"),
        ("[output]\nfolder", "[output]\nplace", "[output] key='place' is not known"),
    ],
)
def test_what_a_file_says_wrongly_is_said_before_anything_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], old: str, new: str, said: str
) -> None:
    """Neither the folder of pictures nor that of the output is there."""
    text = TINY.format(folder=tmp_path / "none").replace('"lenet5"', "'lenet5'")
    assert old in text
    (tmp_path / "config.toml").write_text(text.replace(old, new, 1))
    assert main([str(tmp_path / "config.toml")]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1 and [*tmp_path.iterdir()] == [tmp_path / "config.toml"]


def test_a_dry_run_says_what_it_takes_and_writes_nothing(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {*config.parent.rglob("*")}
    assert main([str(config), "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "24 pictures to train on" in said and "6 to measure, 2 classes, 3 x 32 x 32" in said
    assert "2 epochs of 3 batches and 3 updates: 6 updates" in said and "nothing yet" in said
    assert {*config.parent.rglob("*")} == before


def test_a_folder_is_trained_on_saved_and_not_trained_twice(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(config)]) == 0
    said, out = capsys.readouterr().out, config.parent / "out"
    assert "epoch 2 of 2: training loss" in said and "pictures/s" in said
    assert {"checkpoint.pt", "history.csv", "run.json", "model.pt", "config.toml"} <= {
        path.name for path in out.iterdir()
    }
    model = cnnlab.load(out / "model.pt")
    prediction = cnnlab.predict(model, config.parent / "tiny" / "val" / "bright" / "0.png")
    assert model.classes == ("bright", "dark") and prediction.label == 0
    assert json.loads((out / "run.json").read_text())["history"][-1]["validation_accuracy"] == 1
    assert main([str(config)]) == 0 and "Already finished" in capsys.readouterr().out
    assert main([str(config), "--dry-run"]) == 0 and "from which it goes on" in capsys.readouterr().out
    # Another training does not take this one's place, and the older files stay.
    other = config.with_name("other.toml")
    other.write_text(config.read_text().replace("batch_size = 8", "batch_size = 6"))
    assert main([str(other)]) == 1 and "batch_size: 8 there, 6 here" in capsys.readouterr().err
    assert "batch_size = 8" in (out / "config.toml").read_text()


def test_a_damaged_picture_is_named(config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_pictures(tmp_path)
    (tmp_path / "tiny" / "train" / "dark" / "5.png").write_bytes(b"no picture")
    assert main([str(tmp_path / "tiny.toml")]) == 1
    assert "5.png cannot be read as a picture" in capsys.readouterr().err


def test_a_folder_without_a_split_and_a_data_set(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_pictures(tmp_path)
    plain = (tmp_path / "tiny.toml").read_text()
    for text, said in [
        (plain.replace("/tiny", "/tiny/train"), "22 pictures to train on"),
        (plain.replace("/tiny", "/tiny/train").replace("workers = 0", "validation = 0.25"), "18 pictures to train on"),
        (plain.replace("workers = 0", "validation = 0.25"), "has its own, val"),
        (plain.replace("/tiny", "/tiny/train/dark"), "0 classes: two or more are needed"),
        (plain.replace("/tiny", "/nowhere"), "does not exist"),
        (TINY.format(folder=tmp_path).replace('"lenet5"', '"mlp_mnist"').split("[data]")[0]
         + '[data]\ndataset = "digits"\nsize = 28\npadding = 1\nvalidation = 0.1\n'
         + '[recipe]\nepochs = 1\n[output]\nfolder = "x"\n',
         "10 classes, 1 x 28 x 28"),
    ]:  # fmt: skip
        (tmp_path / "c.toml").write_text(text)
        main([str(tmp_path / "c.toml"), "--dry-run"])
        both = capsys.readouterr()
        assert said in both.out + both.err
    (tmp_path / "tiny" / "val" / "dark").rename(tmp_path / "tiny" / "val" / "dusk")
    assert main([str(tmp_path / "tiny.toml")]) == 2 and "have not the same classes: 'dark'" in capsys.readouterr().err
