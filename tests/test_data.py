"""Data sets, folders of pictures, downloads and batches. No network, no data outside the package's own."""

from __future__ import annotations

import dataclasses
import errno
import gzip
import hashlib
import http.server
import io
import os
import pickle
import shutil
import tarfile
import threading
import time
import warnings
from pathlib import Path

import numpy
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from cnnlab.data import (
    Dataset,
    DatasetUnavailable,
    ImageSet,
    batches,
    dataset_info,
    draw_shapes,
    list_datasets,
    load_dataset,
    load_images,
    load_shapes,
    places,
    read_idx,
    real,
    sample_photos,
    vision,
)
from cnnlab.data.augment import Crop, Flip, Mixup
from cnnlab.data.dataset import channel_statistics, resize_images, stratified_order
from cnnlab.data.folder import BrokenImage, read_picture

NOWHERE = "http://127.0.0.1:9/"  # the discard port: refused at once


@pytest.fixture(autouse=True)
def isolated(tmp_path, monkeypatch):
    """No test sees this machine's data, and none writes outside its own folder."""
    monkeypatch.setenv("CNNLAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("CNNLAB_DATA", raising=False)
    monkeypatch.setattr(places, "DEBIAN_DATASETS", tmp_path / "debian")


def an_image_set(n: int = 10, channels: int = 1, size: int = 4, classes: int = 3, seed: int = 0) -> ImageSet:
    g = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 256, (n, channels, size, size), dtype=torch.uint8, generator=g)
    return ImageSet(images, torch.arange(n) % classes, tuple("abcdefghij"[:classes]))


# --- the dataclasses -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"images": torch.zeros(10, 1, 4, 4, dtype=torch.float64)}, TypeError, "uint8.*round"),
        ({"images": torch.zeros(10, 4, 4, dtype=torch.uint8)}, ValueError, r"unsqueeze\(1\)"),
        ({"labels": torch.zeros(10)}, TypeError, "int64"),
        ({"labels": torch.zeros(9, dtype=torch.int64)}, ValueError, r"shape \(10,\)"),
        ({"labels": torch.full((10,), 3)}, ValueError, r"0\.\.2 \(3 classes\).*from 3 to 3"),
        ({"labels": torch.full((10,), -1)}, ValueError, "from -1"),
        ({"boxes": torch.zeros(4, 4)}, ValueError, "boxes must have one entry"),
    ],
)
def test_image_set_names_what_is_wrong(change, error, says):
    with pytest.raises(error, match=says):
        dataclasses.replace(an_image_set(), **change)


def test_dataset_names_what_is_wrong():
    train = an_image_set()
    with pytest.raises(ValueError, match="differ in shape"):
        Dataset.from_sets("x", train, an_image_set(size=5))
    with pytest.raises(ValueError, match="mean must have 1 numbers"):
        Dataset("x", train, train, train.classes, (0.1, 0.2), (1.0,))
    with pytest.raises(ValueError, match="std must be positive"):
        Dataset("x", train, train, train.classes, (0.1,), (0.0,))
    with pytest.raises(ValueError, match=r"test\.classes"):
        Dataset("x", train, an_image_set(classes=2), train.classes, (0.1,), (1.0,))


def test_image_set_indexing():
    images = an_image_set()
    picture, label = images[3]
    assert picture.shape == (1, 4, 4) and label == 0
    assert images[numpy.int64(3)][1] == 0 and len(images[[0, 4]]) == 2
    assert len(images[2:5]) == 3 and images[torch.tensor([1, 1])].labels.tolist() == [1, 1]
    assert images.shape == (1, 4, 4) and images.nbytes == 160 and images.counts() == {"a": 4, "b": 3, "c": 3}
    assert images.to("cpu") is images
    assert "10 pictures of 1x4x4" in repr(images)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=60), st.integers(0, 1000))
def test_every_prefix_is_stratified(labels, seed):
    labels = torch.tensor(labels)
    order = stratified_order(labels, seed)
    assert order.sort().values.tolist() == list(range(len(labels)))
    for n in range(1, len(labels) + 1):
        taken = torch.bincount(labels[order[:n]], minlength=5)
        wanted = torch.bincount(labels, minlength=5) * n / len(labels)
        assert (taken - wanted).abs().max() <= 2.5  # five classes' roundings at the most


def test_subset_is_stratified_and_seeded():
    data = load_dataset("digits")
    few = data.train.subset(100, seed=1)
    assert set(few.counts().values()) <= {9, 10, 11}
    assert torch.equal(few.images, data.train.subset(100, seed=1).images)
    assert not torch.equal(few.images, data.train.subset(100, seed=2).images)
    assert data.subset(train=50).mean == data.mean
    with pytest.raises(ValueError, match=r"1\.\.1437"):
        data.train.subset(0)


def test_channel_statistics_equal_the_plain_formula():
    images = torch.randint(0, 256, (37, 3, 5, 7), dtype=torch.uint8)
    pixels = images.double().permute(1, 0, 2, 3).flatten(1) / 255
    mean, std = channel_statistics(images)
    assert mean == pytest.approx(pixels.mean(1).tolist(), abs=1e-6)
    assert std == pytest.approx(pixels.std(1, correction=0).tolist(), abs=1e-6)


def test_resizing_keeps_a_flat_picture_and_halves_by_averaging():
    flat = torch.full((2, 3, 9, 9), 77, dtype=torch.uint8)
    assert resize_images(flat, 5).unique().tolist() == [77]
    with pytest.raises(ValueError, match="size=.* must be a positive whole number"):
        resize_images(flat, 0)


# --- names and bundled sets ------------------------------------------------------------------------------------------


def test_names():
    assert list_datasets()[:3] == ["digits", "shapes", "textures"]
    assert list_datasets("*mnist") == ["mnist", "fashion_mnist"]
    assert dataset_info("cifar10").train == 50_000
    with pytest.raises(ValueError, match="Did you mean 'fashion_mnist'"):
        load_dataset("fashion-mnist")
    with pytest.raises(ValueError, match="size=0 is not allowed: it must be a positive whole number"):
        load_dataset("digits", size=0)
    with pytest.raises(ValueError, match="limit=-5 is not allowed: it must be a positive whole number"):
        load_dataset("digits", limit=-5)
    with pytest.raises(TypeError):
        load_dataset("digits", sise=8)  # type: ignore[call-arg]


@pytest.mark.parametrize("name", ["digits", "shapes", "textures"])
def test_bundled_sets_are_as_described_and_repeatable(name):
    info = dataset_info(name)
    data, again = load_dataset(name), load_dataset(name)
    assert info.bundled and data.name == name and data.source
    assert (data.shape, data.num_classes) == (info.shape, info.num_classes)
    assert (len(data.train), len(data.test)) == (info.train, info.test)
    assert torch.equal(data.train.images, again.train.images) and torch.equal(data.test.labels, again.test.labels)
    assert min(data.train.counts().values()) > 0.8 * info.train / info.num_classes
    train = {bytes(picture.numpy().tobytes()) for picture in data.train.images}
    shared = sum(bytes(picture.numpy().tobytes()) in train for picture in data.test.images)
    assert shared == 0  # no picture in both parts


def test_size_and_limit():
    data = load_dataset("digits", size=32, limit=50)
    assert data.shape == (1, 32, 32) and len(data.train) == 50 and len(data.test) == 50
    assert load_dataset("textures", size=48).shape == (1, 48, 48)
    assert load_dataset("shapes", size=24, limit=30).shape == (3, 24, 24)
    with pytest.raises(ValueError, match="too large for textures"):
        load_dataset("textures", size=200)


def test_digits_split_does_not_move_with_the_seed():
    assert torch.equal(load_dataset("digits", seed=0).test.images, load_dataset("digits", seed=9).test.images)


def test_sample_photos_are_color_arrays_and_copies():
    photos = sample_photos()
    assert {"astronaut", "brick", "cat", "coffee"} <= set(photos)
    assert all(p.dtype == numpy.uint8 and p.ndim == 3 and p.shape[2] == 3 for p in photos.values())
    photos["cat"][:] = 0
    assert sample_photos()["cat"].max() > 0


# --- shapes ----------------------------------------------------------------------------------------------------------


def test_shapes_know_their_boxes_masks_and_keypoints():
    shapes = draw_shapes(200, 40, seed=3)
    assert set(shapes.counts().values()) == {20}
    for i in range(len(shapes)):
        rows, columns = shapes.masks[i].nonzero().unbind(1)
        assert shapes.boxes[i].tolist() == [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        center = shapes.keypoints[i, 0]
        assert center.tolist() == pytest.approx(
            [columns.float().mean().item() + 0.5, rows.float().mean().item() + 0.5], abs=1e-3
        )
        x1, y1, x2, y2 = shapes.boxes[i]
        left, top, right, bottom = shapes.keypoints[i, 1:]
        assert (left[0], top[1], right[0], bottom[1]) == (x1 + 0.5, y1 + 0.5, x2 - 0.5, y2 - 0.5)
    assert shapes.masks.flatten(1).sum(1).min() > 20


def test_shapes_stand_out_from_their_background():
    shapes = draw_shapes(200, 40, seed=4, noise=0)
    inside, pixels = shapes.masks[:, None].float(), shapes.images.float() / 255
    shape_color = (pixels * inside).sum((2, 3)) / inside.sum((2, 3))
    background = (pixels * (1 - inside)).sum((2, 3)) / (1 - inside).sum((2, 3))
    assert (shape_color - background).norm(dim=1).min() > 0.2


def test_shapes_have_the_right_areas():
    """Against elementary geometry, at a size where pixels hardly matter."""
    from cnnlab.data.shapes import _DISTANCES

    axis = (torch.arange(400) + 0.5) / 200 - 1
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    expected = {
        "circle": torch.pi * 0.85**2,
        "ring": torch.pi * (0.92**2 - 0.48**2),
        "square": 1.4**2,
        "bar": 1.9 * 0.6,
        "cross": 2 * 1.8 * 0.6 - 0.36,
        "triangle": 3 * 3**0.5 / 4,
        "half-disk": torch.pi * 0.95**2 / 2,
        "star": 10 * 0.5 * 0.45 * float(torch.sin(torch.tensor(torch.pi / 5))),
    }
    for name, area in expected.items():
        found = (_DISTANCES[name](x, y) < 0).float().mean().item() * 4
        assert found == pytest.approx(area, rel=0.01), name
    for name, distance in _DISTANCES.items():
        values = distance(x, y)
        inside = values < 0
        assert torch.hypot(x, y)[inside].max() <= 1.06, name  # fits the unit circle
        gradient = torch.stack(torch.gradient(values, spacing=1 / 200)).norm(dim=0)
        edge = values.abs() < 0.02
        assert 0.9 < gradient[edge].median() < 1.1, name  # a distance near the outline, so edges are one pixel wide


def test_several_shapes_in_a_picture():
    shapes = draw_shapes(60, 64, seed=1, objects=(1, 4))
    counts = (shapes.object_labels >= 0).sum(1)
    assert counts.min() >= 1 and counts.max() == 4
    assert (shapes.masks.sum(1) <= 1).all()  # a pixel shows one object
    absent = shapes.object_labels < 0
    assert not shapes.masks[absent].any() and (shapes.boxes[absent] == 0).all()
    largest = shapes.masks.flatten(2).sum(2).argmax(1)
    assert torch.equal(shapes.labels, shapes.object_labels[torch.arange(60), largest])
    assert shapes[torch.tensor([5])].boxes.shape == (1, 4, 4)


def test_shapes_refuse_nonsense():
    for arguments, says in [
        ({"n": 0}, "n must be"),
        ({"n": 5, "size": 4}, "size must be 8"),
        ({"n": 5, "objects": 9}, "objects must be"),
        ({"n": 5, "objects": (3, 2)}, "objects must be"),
        ({"n": 5, "classes": ["circle"]}, "two or more"),
        ({"n": 5, "classes": ["circle", "sqare"]}, "Did you mean 'square'"),
        ({"n": 5, "noise": 3}, "noise must"),
        ({"n": 5, "rotation": 270}, "rotation must"),
        ({"n": 5, "scale": (0.4, 0.3)}, "scale must"),
    ]:
        with pytest.raises(ValueError, match=says):
            draw_shapes(**arguments)
    with pytest.raises(ValueError, match="pass size to its loader"):
        load_shapes(20, 32).resized(16)
    assert load_shapes(20, 16, classes=["circle", "star"]).classes == ("circle", "star")
    assert not torch.equal(draw_shapes(4, 16, seed=1).images, draw_shapes(4, 16, seed=2).images)


def test_shapes_are_quick():
    draw_shapes(10, 32)
    start = time.process_time()  # of the processor: other programs do not count
    draw_shapes(2000, 32)
    assert time.process_time() - start < 5  # about 0.6 s on one idle core


# --- IDX -------------------------------------------------------------------------------------------------------------


def idx_bytes(array: numpy.ndarray) -> bytes:
    header = bytes([0, 0, 8, array.ndim]) + b"".join(size.to_bytes(4, "big") for size in array.shape)
    return header + array.tobytes()


@pytest.mark.parametrize("compressed", [False, True])
def test_idx_raw_and_compressed(tmp_path, compressed):
    array = numpy.arange(24, dtype=numpy.uint8).reshape(2, 3, 4)
    path = tmp_path / "file"
    path.write_bytes(gzip.compress(idx_bytes(array)) if compressed else idx_bytes(array))
    assert read_idx(path).tolist() == array.tolist()


def test_idx_refuses_damaged_files(tmp_path):
    whole = idx_bytes(numpy.zeros((2, 3), dtype=numpy.uint8))
    for content, says in [
        (b"<html>not here</html>", "not an IDX file"),
        (b"", "not an IDX file"),
        (whole[:9], "ends inside its header"),
        (whole[:-1], r"promises 2x3 = 6 bytes and holds 5: delete it"),
        (whole + b"x", "holds 7"),
        (gzip.compress(whole)[:-6], "not a whole gzip file"),
    ]:
        path = tmp_path / "damaged"
        path.write_bytes(content)
        with pytest.raises(ValueError, match=says) as caught:
            read_idx(path)
        assert str(path) in str(caught.value)


# --- MNIST-like sets: places, downloads, failures --------------------------------------------------------------------


def fake_mnist(compressed: bool = True) -> dict[str, bytes]:
    """The four files, tiny: name -> content."""
    g = numpy.random.default_rng(0)
    files = {}
    for part, count in (("train", 30), ("t10k", 10)):
        files[f"{part}-images-idx3-ubyte"] = idx_bytes(g.integers(0, 256, (count, 28, 28), dtype=numpy.uint8))
        files[f"{part}-labels-idx1-ubyte"] = idx_bytes(numpy.arange(count, dtype=numpy.uint8) % 10)
    return {f"{name}.gz": gzip.compress(c, mtime=0) for name, c in files.items()} if compressed else files


def write(folder: Path, files: dict[str, bytes]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)


class Server:
    """A web server on this machine that hands out ``files`` and counts what it was asked."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.asked: list[str] = []
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                name = self.path.lstrip("/")
                server.asked.append(name)
                if name not in server.files:
                    self.send_error(404)
                    return
                self.send_response(200)
                self.send_header("Content-Length", str(len(server.files[name])))
                self.end_headers()
                self.wfile.write(server.files[name])

            def log_message(self, *args: object) -> None:
                pass

        self.httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.httpd.server_port}/"
        threading.Thread(target=self.httpd.serve_forever, args=(0.01,), daemon=True).start()


@pytest.fixture
def server():
    running = Server()
    yield running
    running.httpd.shutdown()
    running.httpd.server_close()


def use_mirrors(monkeypatch, *mirrors: str) -> None:
    md5 = tuple(hashlib.md5(fake_mnist()[f"{name}.gz"]).hexdigest() for name in real._FILES)
    monkeypatch.setattr(real, "MNIST_FILES", dataclasses.replace(real.MNIST_FILES, mirrors=mirrors, md5=md5))


@pytest.mark.parametrize("folder", real.MNIST_FILES.folders)
@pytest.mark.parametrize("compressed", [False, True])
def test_mnist_is_found_in_every_layout(tmp_path, folder, compressed):
    write(tmp_path / "here" / folder, fake_mnist(compressed))
    data = load_dataset("mnist", root=tmp_path / "here", download=False)
    assert data.shape == (1, 28, 28) and (len(data.train), len(data.test)) == (30, 10)
    assert "on this machine" in data.source


def test_places_are_searched_in_order(tmp_path, monkeypatch):
    chosen = {}

    def found_in() -> str:
        return load_dataset("fashion_mnist", root=chosen.get("root"), download=False).train.images[0, 0, 0, 0].item()

    def put(folder: Path, mark: int) -> None:
        files = fake_mnist(compressed=False)
        content = bytearray(files["train-images-idx3-ubyte"])
        content[16] = mark
        write(folder, {**files, "train-images-idx3-ubyte": bytes(content)})

    put(places.DEBIAN_DATASETS / "fashion-mnist", 4)  # the Debian package's folder
    assert found_in() == 4
    put(tmp_path / "cache" / "data" / "FashionMNIST" / "raw", 3)
    assert found_in() == 3
    put(tmp_path / "env" / "FashionMNIST" / "raw", 2)
    monkeypatch.setenv("CNNLAB_DATA", str(tmp_path / "env"))
    assert found_in() == 2
    put(tmp_path / "root" / "FashionMNIST" / "raw", 1)
    chosen["root"] = tmp_path / "root"
    assert found_in() == 1


def test_download_from_the_second_mirror_and_only_once(monkeypatch, server, capsys):
    server.files = fake_mnist()
    use_mirrors(monkeypatch, NOWHERE, server.url)
    assert "downloaded, md5 checked" in load_dataset("mnist").source
    assert len(server.asked) == 4
    assert "on this machine" in load_dataset("mnist").source
    assert len(server.asked) == 4


def test_no_network_is_one_line_that_names_what_serves(monkeypatch):
    use_mirrors(monkeypatch, NOWHERE)
    with pytest.raises(DatasetUnavailable) as caught:
        load_dataset("mnist")
    said = str(caught.value)
    assert "\n" not in said and "127.0.0.1:9" in said
    assert "load_dataset('digits')" in said and "CNNLAB_DATA" in said
    assert caught.value.__cause__ is None and caught.value.__suppress_context__


def test_download_false_says_where_it_looked(tmp_path):
    with pytest.raises(DatasetUnavailable, match="download=False") as caught:
        load_dataset("cifar10", download=False)
    assert str(tmp_path / "cache") in str(caught.value) and "load_dataset('shapes')" in str(caught.value)


def test_wrong_md5_is_refused_and_leaves_nothing(tmp_path, monkeypatch, server):
    server.files = fake_mnist()
    server.files["t10k-labels-idx1-ubyte.gz"] = gzip.compress(b"something else")
    use_mirrors(monkeypatch, server.url)
    with pytest.raises(DatasetUnavailable, match="md5"):
        load_dataset("mnist")
    assert not (tmp_path / "cache/data/MNIST/raw/t10k-labels-idx1-ubyte.gz").exists()


def test_truncated_download_is_refused(monkeypatch, server):
    server.files = fake_mnist()
    server.files["train-images-idx3-ubyte.gz"] = server.files["train-images-idx3-ubyte.gz"][:-50]
    use_mirrors(monkeypatch, server.url)
    with pytest.raises(DatasetUnavailable, match="train-images"):
        load_dataset("mnist")


def test_a_truncated_file_on_the_disk_is_named(tmp_path):
    files = fake_mnist(compressed=False)
    files["train-images-idx3-ubyte"] = files["train-images-idx3-ubyte"][:-7]
    write(tmp_path / "MNIST" / "raw", files)
    with pytest.raises(ValueError, match=r"train-images-idx3-ubyte promises .* delete it"):
        load_dataset("mnist", root=tmp_path)


def test_labels_of_another_set_are_refused(tmp_path):
    files = fake_mnist(compressed=False)
    files["train-labels-idx1-ubyte"] = files["t10k-labels-idx1-ubyte"]
    write(tmp_path / "MNIST" / "raw", files)
    with pytest.raises(ValueError, match="these are not the files of mnist"):
        load_dataset("mnist", root=tmp_path)


def test_every_download_has_more_than_one_mirror():
    for files in (real.MNIST_FILES, real.FASHION_MNIST_FILES):
        assert len({mirror.split("/")[2] for mirror in files.mirrors}) >= 2
    assert len({url.split("/")[2] for url in real.CIFAR10_URLS}) >= 2


def test_checksums_are_torchvisions():
    from torchvision.datasets import CIFAR10, MNIST, FashionMNIST

    for ours, theirs in ((real.MNIST_FILES, MNIST), (real.FASHION_MNIST_FILES, FashionMNIST)):
        assert dict(zip([f"{name}.gz" for name in real._FILES], ours.md5)) == dict(theirs.resources)
    assert CIFAR10.tgz_md5 == real.CIFAR10_MD5
    assert [[*pair] for pair in real.CIFAR10_TRAIN.items()] == CIFAR10.train_list
    assert [[*pair] for pair in real.CIFAR10_TEST.items()] == CIFAR10.test_list


# --- CIFAR-10 --------------------------------------------------------------------------------------------------------


def fake_cifar(monkeypatch) -> dict[str, bytes]:
    """Batches of four pictures as Krizhevsky pickled his, and the module's checksums set to theirs."""
    g = numpy.random.default_rng(1)
    files = {}
    for index, name in enumerate([*real.CIFAR10_TRAIN, *real.CIFAR10_TEST]):
        batch = {b"data": g.integers(0, 256, (4, 3072), dtype=numpy.uint8), b"labels": [index, 1, 2, 9]}
        files[name] = pickle.dumps(batch, protocol=2)
    sums = {name: hashlib.md5(content).hexdigest() for name, content in files.items()}
    monkeypatch.setattr(real, "CIFAR10_TRAIN", {name: sums[name] for name in real.CIFAR10_TRAIN})
    monkeypatch.setattr(real, "CIFAR10_TEST", {name: sums[name] for name in real.CIFAR10_TEST})
    return files


def test_cifar_batches(tmp_path, monkeypatch):
    files = fake_cifar(monkeypatch)
    write(tmp_path / "cifar-10-batches-py", files)
    data = load_dataset("cifar10", root=tmp_path, download=False)
    assert data.shape == (3, 32, 32) and (len(data.train), len(data.test)) == (20, 4)
    assert data.train.labels[:4].tolist() == [0, 1, 2, 9]
    first = pickle.loads(files["data_batch_1"], encoding="bytes")[b"data"][0]
    assert data.train.images[0].flatten().tolist() == first.tolist()
    (tmp_path / "cifar-10-batches-py" / "test_batch").write_bytes(b"damaged")
    with pytest.raises(ValueError, match="test_batch has md5 .* delete it"):
        load_dataset("cifar10", root=tmp_path, download=False)


def test_a_pickle_that_runs_code_is_refused(tmp_path):
    class Hostile:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "ran",))

    path = tmp_path / "batch"
    path.write_bytes(pickle.dumps({b"data": Hostile()}, protocol=2))
    with pytest.raises(ValueError, match="not a CIFAR-10 batch: it asks for"):
        real.read_cifar_batch(path)
    assert not (tmp_path / "ran").exists()
    for content in (b"", b"nonsense", pickle.dumps([1, 2]), pickle.dumps({b"data": 3, b"labels": []})):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="not a CIFAR-10 batch"):
            real.read_cifar_batch(path)


def archive_of(files: dict[str, bytes], monkeypatch) -> bytes:
    """Krizhevsky's archive with these files and some that are not his, and the module's checksum set to its."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        for name, content in {**files, "../../escaped": b"x", "readme.html": b"x"}.items():
            member = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    monkeypatch.setattr(real, "CIFAR10_MD5", hashlib.md5(archive.getvalue()).hexdigest())
    return archive.getvalue()


def test_cifar_download_unpacks_only_its_own_files(tmp_path, monkeypatch, server):
    files = fake_cifar(monkeypatch)
    server.files = {"cifar-10-python.tar.gz": archive_of(files, monkeypatch)}
    monkeypatch.setattr(real, "CIFAR10_URLS", (NOWHERE, server.url + "cifar-10-python.tar.gz"))
    data = load_dataset("cifar10", root=tmp_path / "mine")
    assert len(data.train) == 20 and "downloaded" in data.source
    assert sorted(p.name for p in (tmp_path / "mine" / "cifar-10-batches-py").iterdir()) == sorted(files)
    assert not list(tmp_path.rglob("escaped"))


def picture(path: Path, color=(200, 30, 30), size=(32, 32), **options) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, color).save(path, **options)


def test_cifar_from_folders_of_pictures(tmp_path, monkeypatch):
    root = tmp_path / "read-only"
    for part in ("train", "test"):
        for index, name in enumerate(real.CIFAR10_CLASSES):
            picture(root / "cifar10" / part / name / "0000.jpg", (20 * index, 9, 9))
    data = load_dataset("cifar10", root=root, download=False)
    assert data.classes == real.CIFAR10_CLASSES and data.train.labels.tolist() == list(range(10))
    assert "re-encoded as JPEG" in data.source
    before = sorted(root.rglob("*"))
    monkeypatch.setattr("cnnlab.data.folder._decode", lambda *_: pytest.fail("decoded twice"))
    again = load_dataset("cifar10", root=root, download=False)
    assert torch.equal(again.train.images, data.train.images)
    assert sorted(root.rglob("*")) == before  # nothing is written beside the pictures


def test_cifar_class_order_is_alphabetical():
    assert list(real.CIFAR10_CLASSES) == sorted(real.CIFAR10_CLASSES)


# --- a folder of pictures --------------------------------------------------------------------------------------------


@pytest.fixture
def flowers(tmp_path) -> Path:
    folder = tmp_path / "flowers"
    for index in range(10):
        picture(folder / "rose" / f"{index}.png", (200, index, 0), (20, 14))
        picture(folder / "iris" / f"{index}.jpg", (0, index, 200), (12, 30))
    return folder


def test_folder_is_split_stratified(flowers):
    data = load_images(flowers, size=16, test_fraction=0.3)
    assert data.name == "flowers" and data.classes == ("iris", "rose") and data.shape == (3, 16, 16)
    assert data.train.counts() == {"iris": 7, "rose": 7} and data.test.counts() == {"iris": 3, "rose": 3}
    assert torch.equal(data.test.images, load_images(flowers, size=16, test_fraction=0.3).test.images)
    blue = data.train.images[data.train.labels == 0].float().mean((0, 2, 3))
    assert blue[2] > 180 and blue[0] < 20


@pytest.mark.parametrize("held_out", ["test", "val"])
def test_folder_with_its_own_split(tmp_path, held_out):
    for part, count in (("train", 3), (held_out, 2)):
        for name in ("a", "b"):
            for index in range(count):
                picture(tmp_path / "own" / part / name / f"{index}.png")
                (tmp_path / "own" / part / name / f"{index}.png").touch()
        (tmp_path / "own" / "readme.txt").touch()
    picture(tmp_path / "own" / "train" / "a" / "z.png", (0, 0, 0))
    data = load_images(tmp_path / "own", size=8)
    assert (len(data.train), len(data.test)) == (7, 4) and data.classes == ("a", "b")


def test_folder_errors(tmp_path, flowers):
    with pytest.raises(FileNotFoundError, match="does not exist"):
        load_images(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match="is a file"):
        load_images(flowers / "rose" / "0.png")
    (tmp_path / "empty" / "a").mkdir(parents=True)
    with pytest.raises(FileNotFoundError, match="holds no pictures in subfolders"):
        load_images(tmp_path / "empty")
    with pytest.raises(FileNotFoundError, match="loose ones: move them"):
        load_images(flowers / "rose")
    picture(tmp_path / "single" / "only" / "1.png")
    with pytest.raises(ValueError, match="single class 'only'"):
        load_images(tmp_path / "single")
    picture(tmp_path / "few" / "a" / "1.png")
    for index in range(3):
        picture(tmp_path / "few" / "b" / f"{index}.png")
    with pytest.raises(ValueError, match=r"class 'a' has 1 readable picture"):
        load_images(tmp_path / "few")
    picture(tmp_path / "uneven" / "train" / "a" / "1.png")
    picture(tmp_path / "uneven" / "train" / "b" / "1.png")
    picture(tmp_path / "uneven" / "test" / "a" / "1.png")
    with pytest.raises(ValueError, match="no pictures of b"):
        load_images(tmp_path / "uneven")
    for arguments, says in [
        ({"test_fraction": 1.5}, "test_fraction"),
        ({"size": 0}, "size=0 is not allowed"),
        ({"channels": 4}, "channels must be"),
        ({"fit": "crp"}, "Did you mean 'crop'"),
        ({"on_error": "ignore"}, "on_error"),
    ]:
        with pytest.raises(ValueError, match=says):
            load_images(flowers, **arguments)


def test_one_broken_picture(flowers):
    bad = flowers / "rose" / "5.png"
    bad.write_bytes(bad.read_bytes()[:40])
    with pytest.raises(BrokenImage, match='on_error="skip"') as caught:
        load_images(flowers, size=16)
    assert str(bad) in str(caught.value)
    with pytest.warns(UserWarning, match=r"1 broken pictures were skipped, the first is .*5\.png"):
        data = load_images(flowers, size=16, on_error="skip")
    assert len(data.train) + len(data.test) == 19
    with pytest.warns(UserWarning, match="1 broken"):  # the cache remembers it
        load_images(flowers, size=16, on_error="skip")


def test_other_files_are_counted_and_hidden_ones_are_not(flowers):
    (flowers / "rose" / "notes.txt").write_text("x")
    (flowers / "rose" / ".DS_Store").write_text("x")
    with pytest.warns(UserWarning, match="1 files are not pictures"):
        load_images(flowers, size=16)


def test_an_edited_picture_is_noticed(flowers):
    load_images(flowers, size=16)
    picture(flowers / "rose" / "0.png", (1, 255, 1), (40, 40))
    data = load_images(flowers, size=16)
    both = torch.cat([data.train.images, data.test.images])
    assert (both[:, 1].flatten(1).float().mean(1) > 250).sum() == 1


@pytest.mark.slow
def test_an_edited_picture_is_noticed_among_thousands(tmp_path):
    file = tmp_path / "rose" / "0.png"
    for path in (file, tmp_path / "tulip" / "0.png", tmp_path / "tulip" / "1.png"):
        picture(path, (9, 9, 9), (2, 2))
    for number in range(1, 5001):  # five thousand names of one file, which is then overwritten in place
        os.link(file, tmp_path / "rose" / f"{number}.png")
    load_images(tmp_path, size=2)
    folder = (tmp_path / "rose").stat().st_mtime_ns
    picture(file, (255, 255, 255), (2, 2))
    assert (tmp_path / "rose").stat().st_mtime_ns == folder
    data = load_images(tmp_path, size=2)
    assert data.train.images[data.train.labels == 0].min() == 255


def test_a_damaged_cache_is_ignored(flowers, tmp_path):
    data = load_images(flowers, size=16)
    for cached in (tmp_path / "cache").rglob("*.pt"):
        cached.write_bytes(b"nonsense")
    assert torch.equal(load_images(flowers, size=16).train.images, data.train.images)


def test_every_kind_of_picture_becomes_eight_bit_color(tmp_path):
    path = tmp_path / "p.png"
    Image.fromarray(numpy.full((6, 6), 40000, dtype=numpy.uint16)).save(path)
    assert numpy.unique(read_picture(path)).tolist() == [round(40000 * 255 / 65535)]
    Image.new("RGBA", (6, 6), (255, 0, 0, 0)).save(path)
    assert numpy.unique(read_picture(path)).tolist() == [255]  # transparent: white paper
    Image.new("L", (6, 6), 99).save(path)
    assert read_picture(path).shape == (6, 6, 3)
    assert read_picture(path, 4, channels=1).shape == (4, 4, 1)
    Image.new("P", (6, 6), 0).save(path)
    assert read_picture(path).shape == (6, 6, 3)
    Image.new("CMYK", (6, 6), (0, 0, 0, 0)).save(tmp_path / "p.jpg")
    assert read_picture(tmp_path / "p.jpg").min() > 250


def test_camera_rotation_is_followed(tmp_path):
    image = Image.new("RGB", (8, 4), "black")
    image.paste("white", (0, 0, 4, 4))  # left half white
    exif = Image.Exif()
    exif[0x0112] = 6  # "turn clockwise to view"
    image.save(tmp_path / "turned.png", exif=exif)
    pixels = read_picture(tmp_path / "turned.png")
    assert pixels.shape == (8, 4, 3)
    assert pixels[:4].min() == 255 and pixels[4:].max() == 0  # the white half is on top


@pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
def test_fitting(tmp_path, fit):
    image = Image.new("RGB", (30, 10), "white")
    image.save(tmp_path / "wide.png")
    pixels = read_picture(tmp_path / "wide.png", 10, fit=fit)
    assert pixels.shape == (10, 10, 3)
    assert (pixels.min() == 0) == (fit == "pad")


# --- torchvision's larger sets, with stand-ins -----------------------------------------------------------------------


class FakeVision:
    classes = (("tench", "Tinca tinca"), ("church",))

    def __init__(self, count: int) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int):
        return Image.new("RGB", (50, 40), (index, 2 * index, 0)), index % 2


@pytest.mark.parametrize("name", ["imagenette", "flowers102", "oxford_iiit_pet"])
def test_vision_sets_are_found_downloaded_or_reported(tmp_path, monkeypatch, name):
    state = {"there": False, "reachable": False}

    def make(root, split, size, download):
        if download and not state["reachable"]:
            raise OSError("<urlopen error [Errno -3] Temporary failure in name resolution>")
        if not download and not (state["there"] and str(root).endswith("data")):
            raise RuntimeError("Dataset not found.")
        state["there"] = True
        return FakeVision(6 if split in ("test",) else 8)

    monkeypatch.setitem(vision.SETS, name, dataclasses.replace(vision.SETS[name], make=make))
    with pytest.raises(DatasetUnavailable, match=r"name resolution.*load_dataset\('shapes'\)"):
        load_dataset(name)
    with pytest.raises(DatasetUnavailable, match="download=False"):
        load_dataset(name, download=False)
    state["reachable"] = True
    data = load_dataset(name, size=24)
    assert data.shape == (3, 24, 24) and "downloaded" in data.source and data.classes == ("tench", "church")
    assert len(data.train) == 8 * len(vision.SETS[name].train_splits)
    assert "on this machine" in load_dataset(name, size=24).source


def test_vision_sets_build_torchvisions_classes(tmp_path):
    """torchvision itself says that nothing is there: our calls fit its signatures."""
    for plan in vision.SETS.values():
        for split in (*plan.train_splits, *plan.test_splits):
            with pytest.raises(RuntimeError, match="not found"):
                plan.make(tmp_path, split, 128, False)


# --- batches ---------------------------------------------------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(n=st.integers(1, 50), size=st.integers(1, 60), shuffle=st.booleans(), seed=st.integers(0, 99))
def test_batches_cover_every_picture_once(n, size, shuffle, seed):
    images = torch.arange(n, dtype=torch.uint8).view(n, 1, 1, 1).expand(n, 1, 2, 2).contiguous()
    image_set = ImageSet(images, torch.zeros(n, dtype=torch.int64), ("only",))
    loader = batches(image_set, size, mean=(0.0,), std=(1.0,), shuffle=shuffle, seed=seed)
    assert len(loader) == -(-n // size)
    parts = [x for x, _ in loader]
    assert len(parts) == len(loader) and all(len(part) == size for part in parts[:-1])
    seen = (torch.cat(parts)[:, 0, 0, 0] * 255).round().long().tolist()
    assert sorted(seen) == list(range(n))
    assert shuffle or seen == list(range(n))


def order(image_set: ImageSet, **options) -> list[int]:
    return torch.cat([y for _, y in batches(image_set, 4, mean=(0.5,), std=(0.2,), **options)]).tolist()


def test_floats_are_pixels_in_the_unit_interval():
    labels = torch.zeros(2, dtype=torch.int64)
    with pytest.raises(ValueError, match=r"\[0, 1\], but they run from 0 to 7.*TensorDataset"):
        ImageSet(torch.tensor([0.0, 7.0]).view(2, 1, 1, 1), labels, ("a",))
    with pytest.raises(ValueError, match="from nan to nan"):
        ImageSet(torch.full((2, 1, 1, 1), float("nan")), labels, ("a",))
    with pytest.raises(TypeError, match=r"float32 of shape \(2,\).*TensorDataset") as caught:
        ImageSet(torch.zeros(2, 1, 1, 1), torch.rand(2), ("a",))
    assert "long()" not in str(caught.value)  # which would make zeros of measured values


# --- split -----------------------------------------------------------------------------------------------------------


def a_data_set(n: int = 100, classes: int = 4) -> Dataset:
    return Dataset.from_sets("some", an_image_set(n, classes=classes), an_image_set(8, classes=classes, seed=1))


def rows_of(image_set: ImageSet) -> set[bytes]:
    return {picture.numpy().tobytes() for picture in image_set.images}


def test_a_split_keeps_the_classes_in_proportion_and_loses_nothing():
    data = a_data_set()
    one, two = data.split(0.2, seed=3), data.split(0.2, seed=3)
    assert len(one.validation) == 20 and len(one.train) == 80
    assert rows_of(one.train) | rows_of(one.validation) == rows_of(data.train)
    assert not rows_of(one.train) & rows_of(one.validation)
    for name, count in data.train.counts().items():
        assert abs(one.validation.counts()[name] - count / 5) <= 1
    assert torch.equal(one.validation.images, two.validation.images)
    assert not torch.equal(one.validation.images, data.split(0.2, seed=4).validation.images)
    assert (one.mean, one.std) == (data.mean, data.std) and one.test is data.test
    assert "80 training, 20 validation and 8 test pictures" in repr(one)
    assert one.subset(train=10).validation is one.validation and len(one.resized(3).validation) == 20
    assert list(one.parts) == ["train", "test", "validation"] and list(data.parts) == ["train", "test"]


@given(st.lists(st.integers(0, 6), min_size=2, max_size=60), st.floats(0.05, 0.95), st.integers(0, 5))
@settings(max_examples=60, deadline=None)
def test_a_group_is_never_in_two_parts(groups, share, seed):
    data = a_data_set(len(groups))
    data = dataclasses.replace(
        data,
        train=ImageSet(
            torch.arange(len(groups), dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, *data.shape).contiguous(),
            data.train.labels,
            data.classes,
        ),
    )
    if len(set(groups)) < 2:
        with pytest.raises(ValueError, match="into one group"):
            data.split(share, by=groups, seed=seed)
        return
    parted = data.split(share, by=groups, seed=seed)
    train, aside = ({groups[i] for i in part.images[:, 0, 0, 0].tolist()} for part in (parted.train, parted.validation))
    assert train and aside and not train & aside and train | aside == set(groups)


def test_many_small_groups_come_near_the_share():
    data = a_data_set(100)
    parted = data.split(0.2, by=[f"patient {i // 4}" for i in range(100)])
    assert len(parted.validation) == 20
    assert len(data.split(0.2, by=torch.arange(100) // 4).validation) == 20


def test_splits_that_cannot_be_are_named():
    data = a_data_set()
    for wrong in (0, 1, -0.1, 1.5, True, "0.1", float("nan")):
        with pytest.raises(ValueError, match="a share of the training pictures"):
            data.split(wrong)
    with pytest.raises(ValueError, match="a group for each of the 100 training pictures, got 3"):
        data.split(0.1, by=["a", "b", "c"])
    with pytest.raises(ValueError, match="validation set of 10 pictures already"):
        data.split(0.1).split(0.1)
    with pytest.raises(ValueError, match="too few"):
        a_data_set(100).subset(train=1).split(0.1)
    with pytest.raises(ValueError, match="validation.classes"):
        dataclasses.replace(data, validation=an_image_set(4, classes=2))


def test_order_depends_on_seed_and_epoch_alone():
    image_set = an_image_set(10, classes=10)
    one = order(image_set, shuffle=True, seed=1, epoch=2)
    torch.manual_seed(123)
    assert order(image_set, shuffle=True, seed=1, epoch=2) == one
    assert order(image_set, shuffle=True, seed=2, epoch=2) != one
    assert order(image_set, shuffle=True, seed=1, epoch=3) != one


def test_normalization_is_the_formula():
    image_set = an_image_set(10, channels=3)
    mean, std = (0.1, 0.4, 0.6), (0.2, 0.3, 0.5)
    x, y = next(batches(image_set, 10, mean=mean, std=std))
    wanted = (image_set.images.double() / 255 - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1)
    torch.testing.assert_close(x.double(), wanted, atol=1e-5, rtol=1e-5)
    assert x.dtype == torch.float32 and y.dtype == torch.int64
    augmented, _ = next(batches(image_set, 10, mean=mean, std=std, augment=Flip(0.0)))
    torch.testing.assert_close(augmented, x)


def test_augmentation_is_seeded_by_batch_and_epoch():
    image_set = an_image_set(32, size=12)

    def first_two(**options) -> list[torch.Tensor]:
        loader = batches(image_set, 16, mean=(0.5,), std=(0.2,), augment=Crop(3), **options)
        return [x for x, _ in loader]

    assert all(torch.equal(a, b) for a, b in zip(first_two(seed=1), first_two(seed=1)))
    assert not torch.equal(first_two(seed=1)[0], first_two(seed=1, epoch=1)[0])
    same = ImageSet(image_set.images[:1].expand(32, -1, -1, -1), torch.zeros(32, dtype=torch.int64), ("a",))
    one, two = [x for x, _ in batches(same, 16, mean=(0.5,), std=(0.2,), augment=Crop(3))]
    assert not torch.equal(one, two)


def test_mixup_in_batches_knows_the_classes():
    _, y = next(batches(an_image_set(), 5, mean=(0.5,), std=(0.2,), augment=Mixup(0.3)))
    assert y.shape == (5, 3)


def test_batches_name_what_is_wrong():
    image_set = an_image_set()
    empty = image_set[:0]
    for arguments, says in [
        ({"image_set": empty}, "no pictures"),
        ({"batch_size": 0}, "batch_size must be 1 or more, got 0"),
        ({"mean": (0.1, 0.2)}, "pass data.mean"),
        ({"std": (0.0,)}, "std must be positive"),
        ({"batch_size": 11, "drop_last": True}, "drop_last leaves nothing"),
    ]:
        call = {"image_set": image_set, "batch_size": 4, "mean": (0.5,), "std": (0.2,)} | arguments
        with pytest.raises(ValueError, match=says):
            batches(call.pop("image_set"), call.pop("batch_size"), **call)


def test_the_set_itself_is_never_changed():
    image_set = an_image_set()
    before = image_set.images.clone()
    for x, _ in batches(image_set, 3, mean=(0.5,), std=(0.2,), augment=Flip(1.0)):
        x.zero_()
    assert torch.equal(image_set.images, before)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_sees_the_same_batches():
    image_set = an_image_set(40, channels=3, size=16)
    options = {"mean": (0.5,) * 3, "std": (0.2,) * 3, "shuffle": True, "seed": 4, "augment": Crop(3)}
    here = list(batches(image_set, 16, **options))
    there = list(batches(image_set, 16, device="cuda", **options))
    for (x, y), (gx, gy) in zip(here, there):
        assert gx.device.type == "cuda" and torch.equal(gy.cpu(), y)
        torch.testing.assert_close(gx.cpu(), x)
    assert image_set.to("cuda:0") is image_set.to("cuda:0")


def test_importing_is_lazy():
    import subprocess
    import sys

    code = (
        "import cnnlab.data, sys; print([m for m in ('sklearn', 'skimage', 'torchvision', 'PIL') if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_bundled_sets_load_without_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_dataset("textures")


# --- folders as they really are --------------------------------------------------------------------------------------


@pytest.mark.parametrize("hidden", [".ipynb_checkpoints", "@eaDir", "__MACOSX", "deep/.thumbnails"])
def test_no_copy_of_a_training_picture_is_in_the_test_set(tmp_path, hidden):
    for shade, name in enumerate(("rose", "iris")):
        for index in range(10):
            for file in (f"{index}.png", f"{hidden}/{index}-checkpoint.png"):
                picture(tmp_path / "flowers" / name / file, (20 * index, 99 * shade, 0), (16, 16))
    picture(tmp_path / "flowers" / hidden.rpartition("/")[2] / "1.png")  # nor is such a folder a class
    data = load_images(tmp_path / "flowers", size=16)
    assert data.classes == ("iris", "rose") and len(data.train) + len(data.test) == 20
    train = {tuple(x.flatten().tolist()) for x in data.train.images}
    assert not any(tuple(x.flatten().tolist()) in train for x in data.test.images)


@pytest.mark.parametrize("link", ["nowhere", "pipe"])
def test_what_is_no_file_is_a_broken_picture(flowers, link):
    bad = flowers / "rose" / "odd.jpg"
    os.mkfifo(bad) if link == "pipe" else bad.symlink_to(flowers / "gone.jpg")
    with pytest.raises(BrokenImage, match=r"odd\.jpg cannot be read.*(link to nowhere|no regular file)"):
        load_images(flowers, size=16)
    with pytest.warns(UserWarning, match="1 broken pictures"):
        assert len(load_images(flowers, size=16, on_error="skip").train) == 16


def test_a_class_that_vanishes_is_named(flowers, tmp_path, monkeypatch):
    (flowers / "tulip").mkdir()
    (flowers / "phone").mkdir()
    (flowers / "phone" / "1.heic").touch()
    picture(flowers / "locked" / "1.png")
    scan = os.scandir

    def refuse(path):
        if str(path).endswith("locked"):
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.warns(UserWarning) as said:
        assert load_images(flowers, size=16).classes == ("iris", "rose")
    said = " ".join(str(warning.message) for warning in said)
    assert "flowers/tulip holds no files and is no class" in said
    assert "flowers/phone holds only files of other kinds (.heic) and is no class" in said
    assert "locked cannot be read (Permission denied)" in said


def test_parts_that_are_not_used_or_missing_are_named(tmp_path):
    own = tmp_path / "own"
    for part in ("train", "valid", "test"):
        for name in ("a", "b"):
            picture(own / part / name / "1.png")
    with pytest.warns(UserWarning, match="the folders valid are left out"):
        assert len(load_images(own, size=8).test) == 2
    for name in ("a", "b"):
        picture(tmp_path / "lone" / "train" / name / "1.png")
    with pytest.raises(ValueError, match="no pictures to test on beside it: add a folder test or val"):
        load_images(tmp_path / "lone")
    shutil.rmtree(own / "valid")
    (own / "test" / "b" / "1.png").write_bytes(b"broken")
    with pytest.raises(ValueError, match="test has no readable pictures of b"):
        load_images(own, size=8, on_error="skip")


def test_a_class_name_that_is_no_text_is_named(flowers):
    os.mkdir(os.fsencode(flowers) + b"/caf\xe9")
    with pytest.raises(ValueError, match=r"b'caf\\xe9' whose name is not UTF-8"):
        load_images(flowers)


@pytest.mark.parametrize("content", [{"images": torch.zeros(3, 3, 16, 16), "labels": torch.zeros(3).long()}, {}, [1]])
def test_a_cache_of_other_content_is_decoded_again(flowers, tmp_path, content):
    data = load_images(flowers, size=16)
    (cached,) = (tmp_path / "cache").rglob("*.pt")
    torch.save(content, cached)
    assert torch.equal(load_images(flowers, size=16).train.images, data.train.images)


def test_a_cache_that_cannot_be_written_costs_time_alone(flowers, tmp_path, monkeypatch):
    def full(content, path):
        Path(path).write_bytes(b"half")
        raise RuntimeError("[enforce fail at inline_container.cc:671] . unexpected pos 960 vs 854")

    monkeypatch.setattr(torch, "save", full)
    assert len(load_images(flowers, size=16).train) == 16
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]


@pytest.mark.parametrize("value", ["32", (32, 32), 2.5, 0, True])
def test_sizes_and_limits_are_whole_numbers(flowers, value):
    for call, name in (
        (lambda: load_dataset("digits", size=value), "size"),
        (lambda: load_dataset("digits", limit=value), "limit"),
        (lambda: load_images(flowers, size=value), "size"),
    ):
        with pytest.raises(ValueError, match=rf"{name}=.* must be a positive whole number\. Give"):
            call()


def test_numpys_integers_are_sizes(flowers):
    assert load_dataset("digits", size=numpy.int64(6), limit=numpy.int32(20)).shape == (1, 6, 6)
    assert load_images(flowers, size=numpy.int64(8)).shape == (3, 8, 8)


@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES, errno.ENOSPC])
def test_an_archive_where_nothing_can_be_written_is_unpacked_in_the_cache(tmp_path, monkeypatch, code):
    write(tmp_path / "mount", {"cifar-10-python.tar.gz": archive_of(fake_cifar(monkeypatch), monkeypatch)})
    replace = os.replace

    def refuse(source, target):
        if "mount" in str(target) or refuse.everywhere:
            raise OSError(code, os.strerror(code), str(target))
        return replace(source, target)

    refuse.everywhere = False
    monkeypatch.setattr(os, "replace", refuse)
    assert len(load_dataset("cifar10", root=tmp_path / "mount", download=False).train) == 20
    shutil.rmtree(tmp_path / "cache")
    refuse.everywhere = True
    with pytest.raises(DatasetUnavailable, match=f"not be unpacked .*{os.strerror(code)}.*CNNLAB_CACHE") as caught:
        load_dataset("cifar10", root=tmp_path / "mount", download=False)
    assert "\n" not in str(caught.value)
    assert not list((tmp_path / "mount").rglob("*batch_*"))


def test_empty_idx_files_are_named(tmp_path):
    (tmp_path / "none").write_bytes(b"")
    with pytest.raises(ValueError, match="none is not an IDX file.*it is empty.*load again"):
        read_idx(tmp_path / "none")
    (tmp_path / "zero").write_bytes(idx_bytes(numpy.zeros((0, 28, 28), dtype=numpy.uint8)))
    with pytest.raises(ValueError, match="zero holds nothing.*load again"):
        read_idx(tmp_path / "zero")


def test_a_set_that_is_there_already_is_not_copied():
    here = an_image_set()
    assert here.to("cpu") is here and here.to(torch.device("cpu")) is here


def test_what_holds_a_set_is_frozen():
    data = load_dataset("digits", limit=10)
    for frozen, name in ((data, "name"), (data.train, "labels"), (dataset_info("mnist"), "year")):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(frozen, name, None)
