"""Each experiment at its smallest scale: the record it writes, and that a second call repeats nothing."""

from __future__ import annotations

import importlib
import json
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from cnnlab.data.dataset import channel_statistics
from cnnlab.results import recorded_folder, runs_by
from cnnlab.training import fit
from experiments import common
from experiments.common import main
from experiments.mlp_vs_lenet import framed
from experiments.race import RACERS, TARGET, macs
from experiments.shifted_digits import shifted
from experiments.shuffled_pixels import shuffled
from tools.chapters import ROOT

NAMES = (
    "mlp_vs_lenet",
    "shuffled_pixels",
    "shifted_digits",
    "degradation",
    "equal_macs",
    "lenet_budget",
    "separable_width",
    "general_to_specific",
    "squeezing",
    "strategies",
    "tricks_of_2012",
    "linear_scaling",
    "first_layer",
    "auxiliary_heads",
    "small_kernels",
    "deep_start",
    "batch_norm",
    "shortcuts",
    "depth_or_width",
    "dense_or_residual",
    "gate_or_capacity",
    "compression",
    "separable_order",
    "design_spaces",
    "three_knobs",
    "linear_bottleneck",
    "search",
    "shuffled_groups",
    "pictures_needed",
    "modernize",
    "race",
    "longer_race",
    "order_of_stages",
    "rules",
    "how_many_layers",
    "random_labels",
    "more_parameters",
    "augmentation_strength",
    "seeds",
    "tuned_optimizers",
    "two_stages",
    "one_stage",
    "points_or_maps",
    "reading_maps",
    "mirrored_joints",
    "nuclei",
    "brain_volume",
    "lenet_live",
    "look_inside",
    "far_apart",
    "anti_aliasing",
)


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CNNLAB_WORK", str(tmp_path))


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_smoke(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    experiment = importlib.import_module(f"experiments.{name}").EXPERIMENT
    assert experiment.name == name and set(experiment.settings) == {"smoke", "laptop", "gpu"}
    arguments = ["--scale", "smoke", "--seeds", "0", "--data", "/somewhere"]
    record = main(experiment, arguments)
    out = capsys.readouterr().out
    assert "trainings" in out and "should take about" in out

    written = json.loads((tmp_path / "experiments" / f"{name}-smoke.json").read_text())
    cases = experiment.cases(experiment.settings["smoke"])
    assert len(written["results"]) == len(cases) == len(written["summary"])
    assert not written["complete"] and written["seeds"] == [0]
    for result in written["results"]:
        assert result["seconds"] > 0 and result["date"]
        for key in experiment.measures:
            assert key in result
    for row in written["summary"]:
        assert set(row[experiment.measures[0]]) == {"mean", "min", "max"}
        case = " ".join(str(value) for value in list(row.values())[: list(row).index("runs")])
        assert case and f"\n{case}: " in out
    for key in ("date", "commit", "device", "cpu_threads", "versions", "wall_seconds", "command", "data"):
        assert key in written["provenance"]
    assert "/somewhere" not in json.dumps(written)
    assert written["provenance"]["command"].startswith(f"python -m experiments.{name} --scale smoke")
    assert not list((tmp_path / "experiments").glob("*.pt"))

    again = main(experiment, arguments)
    assert again["results"] == json.loads(json.dumps(record["results"]))
    assert "should take about" not in capsys.readouterr().out  # nothing was left to do


def test_a_training_that_breaks_in_its_first_batches_is_recorded_as_broken(tmp_path: Path) -> None:
    from experiments.deep_start import EXPERIMENT

    smoke = replace(EXPERIMENT.settings["smoke"], gains=(1e8,), rates=(1e8,))
    breaking = replace(EXPERIMENT, settings={**EXPERIMENT.settings, "smoke": smoke})
    record = main(breaking, ["--scale", "smoke", "--seeds", "0"])
    assert [result["diverged"] for result in record["results"] if not result["batch_norm"]] == [True]


@pytest.mark.slow
def test_seeds_are_added_and_an_interruption_resumes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    experiment = importlib.import_module("experiments.shifted_digits").EXPERIMENT
    calls = []

    def counting(*arguments, **options):
        calls.append(options["seed"])
        if len(calls) == 3:
            raise RuntimeError("the lights went out")
        return fit(*arguments, **options)

    monkeypatch.setattr(common, "fit", counting)
    with pytest.raises(RuntimeError, match="lights"):
        main(experiment, ["--scale", "smoke", "--seeds", "0", "1"])
    record = main(experiment, ["--scale", "smoke", "--seeds", "0", "1"])
    assert calls == [0, 0, 1, 1, 1]
    assert record["seeds"] == [0, 1] and [result["seed"] for result in record["results"]] == [0, 0, 1, 1]
    assert [row["runs"] for row in record["summary"]] == [2, 2]


@pytest.mark.slow
def test_a_result_of_other_settings_is_kept_aside(tmp_path: Path) -> None:
    experiment = importlib.import_module("experiments.shifted_digits").EXPERIMENT
    output = tmp_path / "recorded.json"
    output.write_text('{"scale": "gpu", "settings": {}, "results": [1]}')
    main(experiment, ["--scale", "smoke", "--seeds", "0", "--output", str(output)])
    assert json.loads((tmp_path / "recorded.gpu.bak").read_text())["results"] == [1]
    assert json.loads(output.read_text())["scale"] == "smoke"


def test_the_same_seed_gives_the_same_result() -> None:
    experiment = importlib.import_module("experiments.mlp_vs_lenet").EXPERIMENT
    settings = experiment.settings["smoke"]
    case = experiment.cases(settings)[0]
    finals = []
    for _ in range(2):
        prepared = experiment.prepare(case, 4, settings)
        finals.append(fit(prepared.model, prepared.data, **prepared.fit, seed=4).final["test_loss"])
    assert finals[0] == finals[1]


def test_pictures_are_moved_framed_and_shuffled_as_said() -> None:
    data = common.load("digits", 50, None, 8)
    images = data.train.images
    assert torch.equal(shifted(images, 2, 0)[:, :, 2:], images[:, :, :-2])
    assert torch.equal(shifted(images, 0, -3)[:, :, :, :-3], images[:, :, :, 3:])
    assert shifted(images, 2, 0)[:, :, :2].sum() == 0 and torch.equal(shifted(images, 0, 0), images)

    frame = framed(data, 12)
    assert frame.shape == (1, 12, 12) and torch.equal(frame.train.images[:, :, 2:10, 2:10], images)
    assert frame.train.images.sum() == images.sum()

    mixed = shuffled(data)
    assert not torch.equal(mixed.train.images, images)
    assert torch.equal(mixed.train.images.flatten(1).sort().values, images.flatten(1).sort().values)
    moved = (mixed.train.images[0].flatten()[:, None] == images[0].flatten()).any(dim=1)
    assert moved.all()
    # The same permutation for training and test: pixel statistics agree as they did before.
    assert mixed.mean == pytest.approx(channel_statistics(images)[0])


@pytest.mark.parametrize("name", NAMES)
def test_recorded_files_are_whole(name: str) -> None:
    """What chapters read: made at a real scale, from a known commit, without paths of the machine."""
    path = recorded_folder() / f"{name}.json"
    if not path.exists():
        pytest.skip(f"{name} is not recorded yet")
    text = path.read_text(encoding="utf-8")
    record = json.loads(text)
    assert record["scale"] in ("laptop", "gpu")
    assert len(record["provenance"]["commit"]) == 40
    assert all(len(result["commit"]) == 40 for result in record["results"])
    assert "/tmp" not in text and "/work" not in text and "/home" not in text
    assert all(source for source in record["provenance"]["data"].values())


# Made before this was asked: their branches were rebased, and what they name is gone.
NAME_LOST_COMMITS = {"mlp_vs_lenet", "shifted_digits", "shuffled_pixels"}


@pytest.mark.parametrize("name", [name for name in NAMES if name not in NAME_LOST_COMMITS])
def test_a_record_names_commits_of_this_history(name: str) -> None:
    """So that whoever doubts a number can run what made it."""
    path = recorded_folder() / f"{name}.json"
    shallow = subprocess.run(["git", "rev-parse", "--is-shallow-repository"], cwd=ROOT, capture_output=True, text=True)
    if not path.exists() or shallow.stdout.strip() != "false":
        pytest.skip(f"{name} is not recorded yet, or this is no whole clone")
    record = json.loads(path.read_text(encoding="utf-8"))
    for commit in {record["provenance"]["commit"], *(result["commit"] for result in record["results"])}:
        known = subprocess.run(["git", "merge-base", "--is-ancestor", commit, "HEAD"], cwd=ROOT, capture_output=True)
        assert known.returncode == 0, f"{commit} is not in the history: after recording, merge and do not rebase"


def test_runs_are_grouped_by_what_tells_them_apart() -> None:
    record = {"results": [{"lr": lr, "trick": t, "seed": s} for lr in (0.1, 0.01) for s in (0, 1) for t in ("a", "b")]}
    both = runs_by(record, "trick", "lr")
    assert list(both) == [("a", 0.1), ("b", 0.1), ("a", 0.01), ("b", 0.01)]
    assert [run["seed"] for run in both["b", 0.01]] == [0, 1]
    assert {lr: len(runs) for lr, runs in runs_by(record, "lr").items()} == {0.1: 4, 0.01: 4}
    with pytest.raises(ValueError, match="field of every run='tricks' is not known. Did you mean 'trick'"):
        runs_by(record, "tricks")
    record["results"][3].pop("trick")
    with pytest.raises(ValueError, match="Allowed: 'lr', 'seed'"):
        runs_by(record, "lr", "trick")
    with pytest.raises(ValueError, match="name one or more"):
        runs_by(record)


# --- records that are read off and not trained ---------------------------------------------------------------------

FACTS = (
    "fashion_samples",
    "imagenet_tree",
    "imagenet_relabeled",
    "preprocessing",
    "occlusion_maps",
    "faces",
    "detector_cost",
    "eight_bits",
    "pretrained_limits",
    "photo_in_page",
    "shifted_photos",
)


def facts(name: str) -> dict:
    return json.loads((recorded_folder() / f"{name}.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", FACTS)
def test_facts_say_where_they_are_from(name: str) -> None:
    record, made = facts(name), facts(name)["provenance"]
    assert record["name"] == name and len(made["commit"]) == 40
    assert made["command"] == f"python -m experiments.{name}" and made["data"][name]
    assert ("license" in record) == (name in ("fashion_samples", "imagenet_tree"))  # those carry another's work


def test_the_tree_holds_every_class_once_and_ends_at_one_root() -> None:
    record = facts("imagenet_tree")
    names, above, classes = (record[key] for key in ("names", "above", "classes"))
    assert len(set(classes)) == len(set(record["synsets"])) == 1000 and len(names) == len(above)
    assert [name for name, parent in zip(names, above, strict=True) if parent < 0] == ["entity"]
    way = []
    node = classes[162]
    while node >= 0:
        way.append(names[node])
        node = above[node]
    assert way[:4] == ["beagle", "hound", "hunting dog", "dog"] and way[-1] == "entity"
    # "The classes were chosen so that none is an ancestor of another."
    assert not set(classes) & {above[node] for node in classes}


def test_nouns_are_read_as_wordnet_writes_them() -> None:
    from experiments.imagenet_tree import nouns

    line = "02088364 05 n 02 English_beagle 0 beagle 1 002 @ 02087551 n 0000 ~ 01234567 n 0000 | a small hound"
    assert nouns(["  1 a license", line]) == {"02088364": ("English beagle", ["02087551"])}


def test_each_way_of_preparing_pictures_is_counted_on_all_of_them() -> None:
    record = facts("preprocessing")
    first, *others = record["ways"]
    assert record["pictures"] == 1000 and len(others) == 5
    # With timm's module and its transform; ours is the same network.
    assert (first["top-1"], first["top-5"]) == (866, 973)
    for row in others:
        assert row["top-1"] <= row["top-5"] <= 1000 and 0 < row["mean probability of the right class"] < 1
        assert row["top-1"] == first["top-1"] - row["right only as trained"] + row["right only this way"]


def test_the_ways_of_preparing_differ_in_what_they_say(tmp_path: Path) -> None:
    from cnnlab.preprocessing import Preprocess
    from experiments.preprocessing import IMAGENET, pictures, ways

    own = Preprocess(256, 224, (0.5,) * 3, (0.5,) * 3, "bicubic")
    pixels = torch.tensor([[[[0]], [[51]], [[255]]]], dtype=torch.uint8)  # (1, 3, 1, 1)
    given = {name: prepare(pixels).flatten() for name, (prepare, _) in ways(own).items()}
    assert given["as it was trained"].tolist() == pytest.approx([-1, -0.6, 1])
    assert torch.equal(given["without eval()"], given["as it was trained"])
    assert given["pixels 0 to 1"].tolist() == pytest.approx([0, 0.2, 1])
    assert given["pixels 0 to 255"].tolist() == pytest.approx([0, 51, 255])
    assert given["blue, green, red"].tolist() == pytest.approx([1, -0.6, -1])
    wanted = [(p - m) / s for p, m, s in zip((0, 0.2, 1), IMAGENET["mean"], IMAGENET["std"], strict=True)]
    assert given["ImageNet's mean and std"].tolist() == pytest.approx(wanted, rel=1e-5)
    assert [name for name, (_, training) in ways(own).items() if training] == ["without eval()"]

    with pytest.raises(FileNotFoundError, match="CNNLAB_DATA"):
        pictures(str(tmp_path))
    (tmp_path / "imagenet-samples" / "n01440764").mkdir(parents=True)
    (tmp_path / "imagenet-samples" / "n01440764" / "tench.jpg").write_bytes(b"")
    with pytest.raises(ValueError, match="1 folders"):
        pictures(str(tmp_path))


def test_second_labels_are_counted_for_every_picture() -> None:
    record = facts("imagenet_relabeled")
    assert sum(record["by number of labels"].values()) == record["pictures"] == 50_000
    assert all(pair["both"] < pair["either"] for pair in record["most common pairs"])


def test_all_racers_have_the_same_work_to_do() -> None:
    assert {family: ratio for family in RACERS if not 0.9 < (ratio := macs(family) / TARGET) < 1.1} == {}


def test_each_detector_is_counted_from_its_parts() -> None:
    record = facts("detector_cost")
    macs, rows = record["macs"], {(row["design"], row["proposals"]): row for row in record["rows"]}
    assert macs["head"] == 12_845_056 + 1_048_576 + 103_424 and abs(macs["whole"] / 1.81e9 - 1) < 0.01
    for (design, count), row in rows.items():
        once = {"R-CNN": 0, "Fast R-CNN": macs["trunk"], "Faster R-CNN": macs["trunk"] + macs["rpn"]}[design]
        assert row["macs"] == once + count * macs["whole" if design == "R-CNN" else "head"]
    assert rows["R-CNN", 300]["milliseconds"] > 10 * rows["Faster R-CNN", 300]["milliseconds"]
