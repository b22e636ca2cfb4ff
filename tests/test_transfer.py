"""Transfer learning's tools: freezing that lasts, rates by depth, features on disk, probes."""

from __future__ import annotations

import copy
import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import cnnlab
from cnnlab.data import Dataset, ImageSet
from cnnlab.layers import DropPath
from cnnlab.transfer import (
    FeatureError,
    FeatureStore,
    extract_features,
    freeze,
    layer_outputs,
    parameter_groups,
    parts,
    probe,
    probe_layers,
    unfreeze,
)
from cnnlab.transfer.rows import RowFile

pytestmark = pytest.mark.usefixtures("one_thread")


def small(seed: int = 0) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return cnnlab.create_model("resnet20_cifar", num_classes=4)


def pictures(count: int = 24, seed: int = 0, side: int = 16) -> Dataset:
    generator = torch.Generator().manual_seed(seed)

    def some(count: int) -> ImageSet:
        images = torch.randint(0, 256, (count, 3, side, side), dtype=torch.uint8, generator=generator)
        return ImageSet(images, torch.arange(count) % 4, tuple("abcd"))

    return Dataset("noise", some(count), some(8), tuple("abcd"), (0.5,) * 3, (0.25,) * 3, source="made up")


# --- freezing --------------------------------------------------------------------------------------------------------


def test_a_frozen_trunk_keeps_every_number_through_a_training_and_the_head_does_not():
    model, data = small(), pictures()
    freeze(model)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    cnnlab.fit(model, data, epochs=2, batch_size=8, optimizer="sgd", lr=0.5, weight_decay=0.1, progress=False)
    changed = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {"fc.weight", "fc.bias"}


def test_moving_batch_norms_move_and_their_weights_do_not():
    model, data = small(), pictures()
    said = freeze(model, batch_norm="moving")
    assert (said.still, said.moving) == (0, sum(isinstance(m, nn.BatchNorm2d) for m in model.modules()))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    cnnlab.fit(model, data, epochs=1, batch_size=8, progress=False)
    changed = {
        name.rpartition(".")[2] for name, value in model.state_dict().items() if not torch.equal(value, before[name])
    }
    assert changed == {"weight", "bias", "running_mean", "running_var", "num_batches_tracked"}
    names = {name for name, value in model.named_parameters() if not torch.equal(value, before[name])}
    assert names == {"fc.weight", "fc.bias"}


@pytest.mark.parametrize("copied", [lambda m: m, copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_it_lasts_through_train_and_in_copies(copied):
    model = copied_model = copied(_frozen())
    model.train()
    x = torch.randn(4, 3, 16, 16)
    state = {name: value.clone() for name, value in model.state_dict().items()}
    first, second = model(x), model(x)
    assert torch.equal(first, second)
    assert all(torch.equal(value, state[name]) for name, value in copied_model.state_dict().items())


def _frozen() -> nn.Module:
    model = small()
    freeze(model)
    return model


def test_until_is_the_first_part_that_trains():
    model = small()
    stages = [name for name, _ in model.named_children()]
    said = freeze(model, until=stages[2])
    assert said.frozen == tuple(name for name in stages[:2] if list(model.get_submodule(name).parameters()))
    trained = {name.split(".")[0] for name, p in model.named_parameters() if p.requires_grad}
    assert trained == {name for name in stages[2:] if list(model.get_submodule(name).parameters())}
    assert said.trained_parameters == sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert str(said).startswith("Stays: ") and "Trains: " in str(said)
    # A second call takes the place of the first, and unfreeze takes all of it back.
    assert freeze(model).trained == ("fc",)
    assert unfreeze(model).frozen == ()
    model.train()
    x = torch.randn(4, 3, 16, 16)
    mean = next(m for m in model.modules() if isinstance(m, nn.BatchNorm2d)).running_mean.clone()
    model(x)
    assert not torch.equal(mean, next(m for m in model.modules() if isinstance(m, nn.BatchNorm2d)).running_mean)


def test_dropout_and_stochastic_depth_are_off_in_the_frozen_part_alone():
    model = cnnlab.create_model("efficientnet_b0", num_classes=4)
    freeze(model)
    model.train()
    x, seen = torch.randn(8, 3, 32, 32), []
    model.last.register_forward_hook(lambda module, inputs, output: seen.append(output))
    outputs = [model(x) for _ in range(2)]
    assert torch.equal(seen[0], seen[1])
    assert model.dropout.training and not torch.equal(*outputs)  # it stands before the head, which trains
    unfreeze(model)
    model(x), model(x)
    assert not torch.equal(seen[2], seen[3])
    assert all(m.training for m in model.stages.modules() if isinstance(m, DropPath))


def test_a_frozen_network_can_be_compiled_and_exported():
    model = _frozen().eval()
    x = torch.randn(2, 3, 32, 32)
    program = torch.export.export(model, (x,))
    assert torch.allclose(program.module()(x), model(x), atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: freeze(small(), until="stage9"), r"until='stage9' is not known. Did you mean 'stage"),
        (lambda: freeze(small(), until="conv1"), r"until='conv1' is the first layer of the .*nothing would be frozen"),
        (lambda: freeze(small(), batch_norm="still"), r"batch_norm='still' is not known. Allowed: 'frozen', 'moving'"),
        (lambda: freeze(cnnlab.create_model("vgg11"), until="pool"), r"until='pool'"),
    ],
)
def test_what_freeze_refuses(call, said: str):
    with pytest.raises(ValueError, match=said) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_a_foreign_network_needs_until():
    foreign = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 2))
    with pytest.raises(TypeError, match=r"does not say which layer is its head. Give until="):
        freeze(foreign)
    assert freeze(foreign, until="4").trained == ("4",)
    assert parts(foreign).still == 1


# --- rates -----------------------------------------------------------------------------------------------------------


def test_rates_fall_towards_the_input_and_every_parameter_is_in_one_group():
    model = small()
    groups = parameter_groups(model, lr=0.1, factor=0.5, weight_decay=0.01)
    assert sorted(id(p) for group in groups for p in group["params"]) == sorted(map(id, model.parameters()))
    rates = {}
    for group in groups:
        rates.setdefault(group["name"].removesuffix(", norms and biases"), set()).add(group["lr"])
    assert all(len(found) == 1 for found in rates.values())
    values = [found.pop() for found in rates.values()]
    assert values[-1] == 0.1
    assert values == pytest.approx([0.1 * 0.5 ** (len(values) - 1 - i) for i in range(len(values))])
    for group in groups:
        assert {p.dim() > 1 for p in group["params"]} == {group["weight_decay"] > 0}
    freeze(model)
    assert [group["name"] for group in parameter_groups(model, lr=0.1)] == ["fc", "fc, norms and biases"]
    run = cnnlab.fit(
        model, pictures(), epochs=1, optimizer=torch.optim.AdamW(parameter_groups(model, lr=1e-3)), progress=False
    )
    assert run.config["lr"] == 1e-3


def test_numbers_out_of_range_are_refused():
    for given, said in (
        ({"factor": 0}, "factor=0 must lie"),
        ({"lr": -1}, "lr=-1"),
        ({"weight_decay": -1}, "weight_d"),
    ):
        with pytest.raises(ValueError, match=said):
            parameter_groups(small(), **{"lr": 0.1, **given})
    model = small()
    model.requires_grad_(False)
    with pytest.raises(ValueError, match="no trainable parameters: call cnnlab.transfer.unfreeze"):
        parameter_groups(model, lr=0.1)


# --- features --------------------------------------------------------------------------------------------------------


def by_hand(model: nn.Module, data: Dataset, part: str) -> Tensor:
    model.eval()
    with torch.no_grad():
        return model.features(data.preprocess(getattr(data, part).images))


def test_features_of_a_data_set_equal_those_by_hand_and_are_read_again(tmp_path: Path):
    model, data = small(), pictures()
    stores = extract_features(model, data, tmp_path / "f.h5", preprocess=data.preprocess, batch_size=7)
    assert list(stores) == ["train", "test"]
    for part, store in stores.items():
        torch.testing.assert_close(store.features, by_hand(model, data, part), rtol=1e-5, atol=1e-6)
        assert torch.equal(store.labels, getattr(data, part).labels)
        assert store.classes == tuple("abcd")
    calls = []
    model.register_forward_pre_hook(lambda *_: calls.append(1))
    again = extract_features(model, data, tmp_path / "f.h5", preprocess=data.preprocess)
    assert not calls and torch.equal(again["test"].features, stores["test"].features)
    assert [path.name for path in tmp_path.iterdir()] == ["f.h5"]


def test_rows_in_every_form_and_in_workers(tmp_path: Path):
    model, data = small(), pictures()
    store = extract_features(model, data.train, tmp_path / "f.h5", preprocess=data.preprocess)
    every = store.features
    assert torch.equal(store[3][0], every[3]) and store[-1][1] == 3
    picked = [5, 1, 5, 20]
    assert torch.equal(store[picked][0], every[picked])
    assert torch.equal(store[2:9][0], every[2:9]) and len(store) == 24
    with pytest.raises(IndexError, match="outside the 24 features"):
        store[24]
    _ = store[0]  # the parent's handle is open before the workers come
    loader = DataLoader(store, batch_size=5, num_workers=2)
    assert torch.equal(torch.cat([x for x, _ in loader]), every)
    assert torch.equal(pickle.loads(pickle.dumps(store)).features, every)


def test_a_loader_and_16_bits(tmp_path: Path):
    model, data = small(), pictures()
    x = data.preprocess(data.train.images)
    loader = DataLoader(TensorDataset(x, data.train.labels), batch_size=5)
    store = extract_features(model, loader, tmp_path / "f.h5", half=True)
    torch.testing.assert_close(store.features, by_hand(model, data, "train"), rtol=1e-3, atol=1e-3)


def test_a_layer_by_name_is_averaged_over_places(tmp_path: Path):
    model, data = small(), pictures()
    name = next(name for name, m in model.named_modules() if isinstance(m, nn.BatchNorm2d))
    store = extract_features(model, data.test, tmp_path / "f.h5", layer=name, preprocess=data.preprocess)
    found: list[Tensor] = []
    handle = model.get_submodule(name).register_forward_hook(lambda m, i, o: found.append(o.mean(dim=(2, 3))))
    with torch.no_grad():
        model.eval()(data.preprocess(data.test.images))
    handle.remove()
    torch.testing.assert_close(store.features, found[0], rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match=r"layer='sta' is not known"):
        extract_features(model, data.test, tmp_path / "g.h5", layer="sta", preprocess=data.preprocess)


@pytest.mark.parametrize("change", ["weights", "statistics", "layer", "preprocess", "data"])
def test_stale_features_are_refused(change: str, tmp_path: Path):
    model, data = small(), pictures()
    file = tmp_path / "f.h5"
    extract_features(model, data.test, file, preprocess=data.preprocess)
    more = {"preprocess": data.preprocess}
    images = data.test
    with torch.no_grad():
        if change == "weights":
            next(model.parameters())[0] += 1e-3
        elif change == "statistics":
            next(m for m in model.modules() if isinstance(m, nn.BatchNorm2d)).running_mean[0] += 1e-3
        elif change == "layer":
            more["layer"] = "fc"
        elif change == "preprocess":
            more["preprocess"] = (
                copy.replace(data.preprocess, mean=(0.4,) * 3)
                if sys.version_info >= (3, 13)
                else (__import__("dataclasses").replace(data.preprocess, mean=(0.4,) * 3))
            )
        else:
            images = pictures(seed=1).test
    named = "weights" if change == "statistics" else change
    with pytest.raises(FeatureError, match=rf"holds other features: {named} \(.* there, .* here\).*Delete the file"):
        extract_features(model, images, file, **more)


def test_another_head_reads_the_same_features(tmp_path: Path):
    model, data, file = small(), pictures(), tmp_path / "f.h5"
    first = extract_features(model, data.test, file, preprocess=data.preprocess)
    extract_features(model, data.test, tmp_path / "g.h5", preprocess=data.preprocess, layer="fc")
    model.new_head(9)
    again = extract_features(model, data.test, file, preprocess=data.preprocess)
    assert again.fingerprint == first.fingerprint
    with pytest.raises(FeatureError, match=r"holds other features: weights \("):  # of the head itself
        extract_features(model, data.test, tmp_path / "g.h5", preprocess=data.preprocess, layer="fc")


def test_a_part_more_is_added_to_the_file(tmp_path: Path):
    model, data = small(), pictures()
    file, prepare = tmp_path / "f.h5", data.preprocess
    first = extract_features(model, {"train": data.train}, file, preprocess=prepare)["train"].features
    both = extract_features(model, {"train": data.train, "more": data.test}, file, preprocess=prepare)
    assert torch.equal(both["train"].features, first) and len(both["more"]) == 8
    with pytest.raises(ValueError, match=r"part=None, and .* has several: give one of 'more', 'train'"):
        FeatureStore(file)


KILLED = """
import sys, torch, cnnlab, time
sys.path.insert(0, {tests!r})
from tests.test_transfer import small, pictures
from cnnlab.transfer import extract_features
model, data = small(), pictures(count=400)
model.register_forward_pre_hook(lambda *_: time.sleep(0.05))
print("ready", flush=True)
extract_features(model, data.train, {file!r}, preprocess=data.preprocess, batch_size=8)
"""


@pytest.mark.slow
def test_a_killed_extraction_goes_on(tmp_path: Path):
    file = tmp_path / "f.h5"
    root = str(Path(__file__).parents[1])
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED.format(tests=root, file=str(file))],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": root},
    )
    part = tmp_path / "f.h5.all.part"
    for _ in range(600):
        if part.exists() and part.stat().st_size > 8000:
            break
        time.sleep(0.1)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert not file.exists()
    with pytest.raises(FeatureError, match=r"does not exist. Its computation was not finished"):
        FeatureStore(file)
    with part.open("ab") as damaged:
        damaged.write(b"half a row")
    model, data = small(), pictures(count=400)
    calls: list[int] = []
    model.register_forward_pre_hook(lambda module, inputs: calls.append(len(inputs[0])))
    store = extract_features(model, data.train, file, preprocess=data.preprocess, batch_size=8)
    assert 0 < sum(calls) < 400
    torch.testing.assert_close(store.features, by_hand(model, data, "train"), rtol=1e-5, atol=1e-6)


def test_a_full_disk_keeps_what_is_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    model, data = small(), pictures()
    append, done = RowFile.append, []

    def full(self: RowFile, features: Tensor, labels: Tensor) -> None:
        if len(done) == 2:
            raise OSError(28, "No space left on device")
        done.append(len(features))
        append(self, features, labels)

    monkeypatch.setattr(RowFile, "append", full)
    with pytest.raises(
        FeatureError, match=r"No space left on device.*The 10 pictures that are done are kept"
    ) as caught:
        extract_features(model, data.train, tmp_path / "f.h5", preprocess=data.preprocess, batch_size=5)
    assert "\n" not in str(caught.value)
    monkeypatch.setattr(RowFile, "append", append)
    calls: list[int] = []
    model.register_forward_pre_hook(lambda module, inputs: calls.append(len(inputs[0])))
    store = extract_features(model, data.train, tmp_path / "f.h5", preprocess=data.preprocess, batch_size=5)
    assert sum(calls) == 14 and len(store) == 24


@pytest.mark.skipif(not hasattr(signal, "SIGXFSZ"), reason="no such limit here")
@pytest.mark.parametrize(("room", "done"), [(6_200, 21), (20_000, 32)])
def test_a_disk_that_is_really_full_ends_neither_the_process_nor_what_is_done(room: int, done: int, tmp_path: Path):
    """First in the middle of the pictures, then where HDF5 writes; there it used to end the process."""
    import resource

    model, data = small(), pictures(count=32)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, limits[1]))
    try:
        with pytest.raises(FeatureError, match=rf"File too large.*The {done} pictures that are done are kept"):
            extract_features(model, data.train, tmp_path / "f.h5", preprocess=data.preprocess, batch_size=3)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert [path.name for path in tmp_path.iterdir()] == ["f.h5.all.part"]
    calls: list[int] = []
    model.register_forward_pre_hook(lambda module, inputs: calls.append(len(inputs[0])))
    store = extract_features(model, data.train, tmp_path / "f.h5", preprocess=data.preprocess)
    assert 0 <= 32 - done - sum(calls) < 3  # of a batch that was cut, whole rows count
    torch.testing.assert_close(store.features, by_hand(model, data, "train"), rtol=1e-5, atol=1e-6)


def test_a_loaders_own_error_is_not_taken_for_the_disks(tmp_path: Path):
    def some():
        yield torch.zeros(2, 3, 8, 8), torch.zeros(2, dtype=torch.int64)
        raise FileNotFoundError(2, "No such file or directory", "cat.jpg")

    with pytest.raises(FileNotFoundError, match=r"cat\.jpg"):
        extract_features(small(), some(), tmp_path / "f.h5")
    assert [path.name for path in tmp_path.iterdir()] == ["f.h5.all.part"]


def test_rows_of_other_features_are_not_lost(tmp_path: Path):
    """An interrupted extraction, then one with other pictures into the same file."""
    model, data, file = small(), pictures(), tmp_path / "f.h5"

    def interrupt(module: nn.Module, inputs: tuple) -> None:
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt

    calls: list[int] = []
    hook = model.register_forward_pre_hook(interrupt)
    with pytest.raises(KeyboardInterrupt):
        extract_features(model, data.train, file, preprocess=data.preprocess, batch_size=5)
    hook.remove()
    kept = (tmp_path / "f.h5.all.part").read_bytes()
    for given, more, said in (
        (pictures(seed=1).train, {}, r"data \(.* there, .* here\)"),
        (data.train, {"half": True}, r"half \(float32 there, float16 here\)"),
    ):
        with pytest.raises(FeatureError, match=rf"interrupted call has computed of other features: {said}.*delete"):
            extract_features(model, given, file, preprocess=data.preprocess, **more)
    assert (tmp_path / "f.h5.all.part").read_bytes() == kept
    assert len(extract_features(model, data.train, file, preprocess=data.preprocess)) == 24


def test_one_process_at_a_time(tmp_path: Path):
    """A second writer is refused, whichever part it has, and finds what the first has written."""
    pytest.importorskip("fcntl")
    model, data, file = small(), pictures(), tmp_path / "f.h5"
    refused: list[str] = []

    def meanwhile(module: nn.Module, inputs: tuple) -> None:
        hook.remove()
        for part in ("train", "other"):
            with pytest.raises(FeatureError, match=rf"is being written by process {os.getpid()}\. Call") as caught:
                extract_features(model, {part: data.train}, file, preprocess=data.preprocess)
            refused.append(str(caught.value))

    hook = model.register_forward_pre_hook(meanwhile)
    first = extract_features(model, {"train": data.train}, file, preprocess=data.preprocess)["train"]
    assert len(refused) == 2 and len(first) == 24
    # A lock that a killed process has left says nothing.
    (tmp_path / "f.h5.lock").write_text("4194305")
    both = extract_features(model, {"train": data.train, "other": data.test}, file, preprocess=data.preprocess)
    assert len(both["other"]) == 8
    assert [path.name for path in tmp_path.iterdir()] == ["f.h5"]


def test_names_and_digits_that_differ_are_refused(tmp_path: Path):
    model, data, file = small(), pictures(), tmp_path / "f.h5"
    extract_features(model, data.test, file, preprocess=data.preprocess, half=True)
    with pytest.raises(FeatureError, match=r"half \(16-bit floats there, 32-bit ones here\)"):
        extract_features(model, data.test, file, preprocess=data.preprocess)
    renamed = ImageSet(data.test.images, data.test.labels, tuple("abdc"))
    with pytest.raises(FeatureError, match=r"class names \(a, b, c, d there, a, b, d, c here\)"):
        extract_features(model, renamed, file, preprocess=data.preprocess, half=True)


def test_the_names_of_classes_come_through_a_loader(tmp_path: Path):
    class Folder(TensorDataset):
        classes = ("cat", "dog")

    held = torch.utils.data.Subset(Folder(torch.zeros(6, 3, 8, 8), torch.arange(6) % 2), [0, 1, 2])
    store = extract_features(small(), DataLoader(held, batch_size=2), tmp_path / "f.h5")
    assert store.classes == ("cat", "dog") and store.labels.tolist() == [0, 1, 0]


@pytest.mark.parametrize("labels", [torch.rand(4), torch.zeros(4, 2, dtype=torch.int64), torch.zeros(3).long()])
def test_labels_that_the_file_cannot_keep_are_refused(labels: Tensor, tmp_path: Path):
    """Shares used to be cut to whole numbers without a word."""
    with pytest.raises(ValueError, match=r"The loader gave 4 pictures and labels of .*: one whole number for each"):
        extract_features(small(), [(torch.zeros(4, 3, 8, 8), labels)], tmp_path / "f.h5")


def test_where_nothing_can_be_written(tmp_path: Path):
    model, data = small(), pictures()
    calls: list[int] = []
    model.register_forward_pre_hook(lambda *_: calls.append(1))
    (tmp_path / "file").touch()
    with pytest.raises(FeatureError, match=r"cannot be written \(.*\); nothing has been computed yet. Give a path"):
        extract_features(model, data.train, tmp_path / "file" / "f.h5", preprocess=data.preprocess)
    with pytest.raises(FeatureError, match=r"is a folder. Give the name of a file, such as .*features\.h5"):
        extract_features(model, data.train, tmp_path, preprocess=data.preprocess)
    with pytest.raises(ValueError, match=r"data has a part 'a/b': name parts by letters"):
        extract_features(model, {"a/b": data.train}, tmp_path / "f.h5", preprocess=data.preprocess)
    assert not calls


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the superuser may write anywhere")
def test_a_folder_that_is_read_only(tmp_path: Path):
    data = pictures()
    tmp_path.chmod(0o500)
    with pytest.raises(FeatureError, match="cannot be written .Permission denied.; nothing has been computed yet"):
        extract_features(small(), data.train, tmp_path / "f.h5", preprocess=data.preprocess)


def test_files_that_are_no_features(tmp_path: Path):
    import h5py

    model, data = small(), pictures()
    file = tmp_path / "f.h5"
    store = extract_features(model, data.train, file, preprocess=data.preprocess)
    whole = file.read_bytes()
    del store
    for content, said in ((whole[:2000], "cannot be read as HDF5"), (b"text", "cannot be read as HDF5")):
        file.write_bytes(content)
        with pytest.raises(FeatureError, match=said) as caught:
            FeatureStore(file)
        assert "\n" not in str(caught.value)
        with pytest.raises(FeatureError, match=said):
            extract_features(model, data.train, file, preprocess=data.preprocess)
    for lost in ("features", "labels"):
        file.write_bytes(whole)
        with h5py.File(file, "r+") as opened:
            del opened["all"][lost]
        with pytest.raises(FeatureError, match=r"is damaged \(.*\): it has changed since it was written"):
            FeatureStore(file)
    with h5py.File(tmp_path / "other.h5", "w") as other:
        other["x"] = numpy.zeros(3)
    with pytest.raises(FeatureError, match="of another program"):
        FeatureStore(tmp_path / "other.h5")
    with pytest.raises(FeatureError, match=r"does not exist. cnnlab.transfer.extract_features"):
        FeatureStore(tmp_path / "none.h5")


def test_what_extraction_needs(tmp_path: Path):
    data = pictures()
    with pytest.raises(ValueError, match="the model has no .preprocess"):
        extract_features(small(), data.train, tmp_path / "f.h5")
    with pytest.raises(ValueError, match="does not say what enters its head"):
        extract_features(nn.Sequential(nn.Flatten()), data.train, tmp_path / "f.h5", preprocess=data.preprocess)
    with pytest.raises(ValueError, match="no pictures"):
        extract_features(small(), data.train[:0], tmp_path / "f.h5", preprocess=data.preprocess)
    with pytest.raises(ValueError, match=r"The loader gave a Tensor: batches \(x, y\)"):
        extract_features(small(), [torch.zeros(1, 3, 8, 8)], tmp_path / "f.h5")
    with pytest.raises(ValueError, match="'all' is empty"):
        extract_features(small(), [], tmp_path / "f.h5")


@pytest.mark.slow
@pytest.mark.parametrize("form", ["store", "loader with workers", "fresh features", "the network"])
def test_a_head_learns_the_same_from_the_store_and_from_the_network(form: str, tmp_path: Path):
    """Frozen features are the same numbers in every epoch: that is what makes the store right, and quick."""
    model, data = small(), pictures()
    stores = extract_features(model, data, tmp_path / "f.h5", preprocess=data.preprocess)
    train, head = stores["train"], nn.Linear(stores["train"].dim, 4)
    head.load_state_dict(model.head.state_dict())
    wanted = copy.deepcopy(head)
    options = {"epochs": 3, "lr": 0.1, "weight_decay": 0.01, "progress": False}
    fresh = TensorDataset(by_hand(model, data, "train"), data.train.labels)
    run = cnnlab.fit(wanted, fresh, batch_size=8, **options)
    trained, tolerance = head, {"rtol": 0, "atol": 0}
    if form == "store":
        own = cnnlab.fit(head, train, validation=stores["test"], batch_size=8, **options)
        assert own.final["validation_accuracy"] == cnnlab.training.evaluate(head, stores["test"]).accuracy
    elif form == "loader with workers":
        _ = train[0]  # the file is open before the workers come
        own = cnnlab.fit(head, DataLoader(train, batch_size=8, shuffle=True, num_workers=2), **options)
    elif form == "fresh features":
        own = cnnlab.fit(head, TensorDataset(train.features, train.labels), batch_size=8, **options)
    else:
        freeze(model)
        own = cnnlab.fit(model, data, batch_size=8, **options)
        trained, tolerance = model.head, {"rtol": 1e-4, "atol": 1e-5}
    losses = [[row["train_loss"] for row in one.history] for one in (own, run)]
    torch.testing.assert_close(*losses, rtol=1e-4, atol=1e-5)
    for name, value in trained.state_dict().items():
        torch.testing.assert_close(value, wanted.state_dict()[name], **tolerance)
    assert not torch.equal(wanted.weight, model.head.weight) or form == "the network"


# --- probes ----------------------------------------------------------------------------------------------------------


def test_a_probe_finds_a_line_and_chooses_without_the_test_set():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(200, 6, generator=generator)
    y = (x[:, 0] + 0.5 * x[:, 1] > 0).long()
    found = probe(x[:100], y[:100])
    assert found.accuracy(x[100:], y[100:]) > 0.9
    assert set(found.validation_accuracy) >= {found.strength}
    assert found.validation_accuracy[found.strength] == max(found.validation_accuracy.values())
    noise = probe(x[:100], torch.randint(0, 2, (100,), generator=generator))
    assert max(noise.validation_accuracy.values()) < 0.7
    assert found.accuracy(x[:100].numpy(), y[:100].tolist()) > 0.9


def test_a_probe_of_one_strength_is_trained_once_without_folds(monkeypatch):
    from sklearn.linear_model import LogisticRegression

    fits, fit = [], LogisticRegression.fit
    monkeypatch.setattr(LogisticRegression, "fit", lambda own, *rest: fits.append(1) or fit(own, *rest))
    x, y = torch.randn(40, 3, generator=torch.Generator().manual_seed(0)), torch.arange(40) % 2
    once = probe(x, y, strengths=[2.0], folds=None)
    assert len(fits) == 1 and once.validation_accuracy == {} and "not validated" in repr(once)
    again = probe(x, y, strengths=[2.0])
    assert len(fits) == 7 and torch.equal(once.head().weight, again.head().weight)
    for more in ({"strengths": (1.0, 2.0)}, {"strengths": [2.0], "validation": (x, y)}):
        with pytest.raises(ValueError, match="folds=None chooses nothing: give one strength"):
            probe(x, y, folds=None, **more)


def test_a_probe_that_does_not_standardize_leaves_rare_features_small():
    """A feature that is silent in training, but for a breath, and loud in the test."""
    x, y = torch.tensor([[0.0, 1e-6], [0.1, 0], [1.0, 0], [0.9, 0]]), torch.tensor([0, 0, 1, 1])
    loud = torch.tensor([[1.0, 0.05], [0.0, 0.0]])
    found = {on: probe(x, y, strengths=[1.0], standardize=on).predict(loud).tolist() for on in (True, False)}
    assert found == {True: [0, 0], False: [1, 0]}


def test_what_a_probe_refuses():
    x, y = torch.randn(6, 2), torch.tensor([0, 0, 0, 1, 1, 1])
    for given, said in (
        ((x, torch.zeros(6)), "nothing to tell apart"),
        ((x, torch.tensor([0, 0, 0, 0, 0, 1])), "Class 1 has one picture"),
        ((x, y[:3]), r"labels must have shape \(6,\)"),
        ((x * float("nan"), y), "NaN or infinity"),
        ((x[None], y), r"features must have shape \(N, dim\)"),
        ((x, None), "labels=None"),
    ):
        with pytest.raises(ValueError, match=said):
            probe(*given)


def test_layers_are_probed_in_one_pass():
    model, data = small(), pictures()
    names = [name for name, _ in model.named_children()][1:3]
    calls: list[int] = []
    model.register_forward_pre_hook(lambda *_: calls.append(1))
    found = probe_layers(model, data.train, data.test, names, preprocess=data.preprocess, strengths=(1.0,), folds=2)
    assert list(found) == names and len(calls) == 2
    assert all(0 <= accuracy <= 1 for accuracy in found.values())
    with pytest.raises(ValueError, match="layers='stag' is not known"):
        probe_layers(model, data.train, data.test, ["stag"], preprocess=data.preprocess)


def test_outputs_of_layers_leave_the_model_as_it_was():
    model = small().train()
    state = {name: value.clone() for name, value in model.state_dict().items()}
    layer_outputs(model, torch.randn(2, 3, 16, 16), ["fc"])
    assert model.training and all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    assert not model.fc._forward_hooks


# --- grafts ---------------------------------------------------------------------------------------------------------


def test_a_graft_takes_layers_over_and_keeps_them() -> None:
    from cnnlab.transfer import graft, trial_network

    donor, model = trial_network(5), trial_network(3)
    for own in donor.modules():
        if isinstance(own, nn.BatchNorm2d):
            own.running_mean.fill_(7.0)
    last = copy.deepcopy(model.conv3.state_dict())
    assert graft(donor, model, 2) is model
    for name in ("conv1", "conv2"):
        for key, value in donor.get_submodule(name).state_dict().items():
            assert torch.equal(value, model.get_submodule(name).state_dict()[key])
    assert all(torch.equal(value, last[key]) for key, value in model.conv3.state_dict().items())
    assert [p.requires_grad for p in (model.conv2[0].weight, model.conv3[0].weight)] == [False, True]
    model.train()(torch.randn(4, 1, 8, 8))
    assert torch.equal(model.conv1[1].running_mean, donor.conv1[1].running_mean)
    assert all(p.requires_grad for p in graft(donor, trial_network(3), 4, frozen=False).parameters())
    with pytest.raises(ValueError, match="layers=5 leaves none"):
        graft(donor, model, 5)
    with pytest.raises(ValueError, match="'conv1' does not fit"):
        graft(trial_network(5, width=8), model, 1)


def test_halves_share_no_class_and_lose_no_picture() -> None:
    from cnnlab.data import load_dataset
    from cnnlab.transfer import halves

    digits = load_dataset("digits")
    a, b = halves(digits)
    assert a.train.classes == tuple("01234") and b.train.classes == tuple("56789")
    assert len(a.train) + len(b.train) == len(digits.train) and len(a.test) + len(b.test) == len(digits.test)
    assert set(b.test.labels.tolist()) == set(range(5))
    assert torch.equal(b.train.images[b.train.labels == 0], digits.train.images[digits.train.labels == 5])
