"""One LeNet-5 epoch on Fashion-MNIST: ``cnnlab.fit`` against the usual DataLoader-with-transforms loop.

    python benchmarks/bench_epoch.py [--data DIR] [--batch 64 128] [--seeds 0 1 2] [--threads 2]

Both train the same model from the same weights with the same optimizer, learning rate and batch size, and
both are timed over the training part of one epoch, after a few batches of a throwaway training that pay for set-up.
The usual loop is the one of torch's own tutorials: ``torchvision.datasets.FashionMNIST`` with ``ToTensor`` and
``Normalize``, a shuffling ``DataLoader``, 0 and 2 workers; the faster of the two is what fit is compared with.
Each loop has a process of its own, and they take turns, so that what disturbs the machine disturbs all of them.
Where Fashion-MNIST is not at hand, random images of the same shape and number serve: the times mean as much,
the accuracies nothing.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import time
from concurrent.futures import ProcessPoolExecutor
from functools import cache

import numpy
import torch
import torch.nn.functional as F
from PIL import Image
from torch.utils.data import DataLoader, Subset
from torch.utils.data import Dataset as TorchDataset
from torchvision import transforms

from cnnlab.data import Dataset, ImageSet, load_dataset
from cnnlab.data.places import DatasetUnavailable
from cnnlab.models import create_model
from cnnlab.training import Trainer, evaluate

LR, MOMENTUM = 0.05, 0.9


class Pictures(TorchDataset):
    """What ``torchvision.datasets.FashionMNIST`` does for each picture, on the same pictures as ours.

    Used as a stand-in where the files are not laid out as torchvision wants them; its ``__getitem__`` is
    torchvision's line by line: array to PIL image, transform.
    """

    def __init__(self, images: ImageSet, transform: transforms.Compose) -> None:
        self.data, self.targets, self.transform = images.images[:, 0], images.labels, transform

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        image, target = self.data[index], int(self.targets[index])
        return self.transform(Image.fromarray(image.numpy())), target


def the_data(root: str | None) -> tuple[Dataset, bool]:
    """Fashion-MNIST and True, or random images of the same shape and False."""
    try:
        return load_dataset("fashion_mnist", root=root, download=False), True
    except DatasetUnavailable:
        generator = torch.Generator().manual_seed(0)
        classes = tuple(str(i) for i in range(10))
        parts = []
        for n in (60_000, 10_000):
            images = torch.randint(0, 256, (n, 1, 28, 28), dtype=torch.uint8, generator=generator)
            parts.append(ImageSet(images, torch.randint(0, 10, (n,), generator=generator), classes))
        return Dataset.from_sets("random", *parts, source="random pixels"), False


def usual_data(data: Dataset, root: str | None, real: bool) -> TorchDataset:
    transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize(data.mean, data.std)])
    if real:
        from torchvision.datasets import FashionMNIST

        for folder in (root, os.environ.get("CNNLAB_DATA")):
            try:
                if folder:
                    return FashionMNIST(folder, train=True, transform=transform)
            except RuntimeError:  # not laid out as torchvision has it
                continue
    return Pictures(data.train, transform)


def with_fit(data: Dataset, seed: int, batch: int) -> tuple[float, float]:
    """(seconds of the epoch's training part, test accuracy after it)."""
    torch.manual_seed(seed)
    model = create_model("lenet5_28")
    trainer = Trainer(
        model, data, epochs=1, batch_size=batch, optimizer="sgd", lr=LR, momentum=MOMENTUM, seed=seed, device="cpu"
    )
    began = time.perf_counter()
    while trainer.batch < trainer.batches:
        trainer.step()
    seconds = time.perf_counter() - began
    while trainer.step():
        pass  # the test, not timed
    return seconds, trainer.run.final["test_accuracy"]


def with_loader(data: Dataset, pictures: TorchDataset, seed: int, batch: int, workers: int) -> tuple[float, float]:
    """The same with the loop that tutorials teach."""
    torch.manual_seed(seed)
    model = create_model("lenet5_28")
    loader = DataLoader(pictures, batch_size=batch, shuffle=True, num_workers=workers)
    optimizer = torch.optim.SGD(model.parameters(), lr=LR, momentum=MOMENTUM)
    model.train()
    running, correct = 0.0, 0
    began = time.perf_counter()
    for x, y in loader:
        optimizer.zero_grad()
        logits = model(x)
        loss = F.cross_entropy(logits, y)
        loss.backward()
        optimizer.step()
        running += loss.item() * len(y)  # fit keeps the same two figures
        correct += (logits.argmax(dim=1) == y).sum().item()
    seconds = time.perf_counter() - began
    return seconds, evaluate(model, data.test, mean=data.mean, std=data.std).accuracy


@cache
def everything(root: str | None) -> tuple[Dataset, TorchDataset]:
    data, real = the_data(root)
    return data, usual_data(data, root, real)


def measure(
    root: str | None, workers: int | None, seed: int, batch: int, threads: int, limit: int | None = None
) -> tuple[float, float]:
    """One epoch in this process: (seconds, test accuracy). ``workers`` None is fit."""
    torch.set_num_threads(threads)
    data, pictures = everything(root)
    if limit is not None:
        data, pictures = data.subset(train=limit), Subset(pictures, torch.randperm(len(pictures))[:limit].tolist())
    return with_fit(data, seed, batch) if workers is None else with_loader(data, pictures, seed, batch, workers)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default=None, help="folder of the data sets (default: CNNLAB_DATA)")
    parser.add_argument("--batch", type=int, nargs="+", default=[64, 128])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--threads", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--images", type=int, default=None, help="train on so many (default: all 60,000)")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    data, real = the_data(options.data)
    if not real:
        print("Fashion-MNIST is not at hand (CNNLAB_DATA): random images of the same shape; accuracies mean nothing.")
    print(
        f"LeNet-5, {options.images or len(data.train)} images of {data.name}, one epoch of training; "
        f"torch {torch.__version__}, numpy {numpy.__version__}, {options.threads} threads of {os.cpu_count()} CPUs, "
        f"load {os.getloadavg()[0]:.1f}; medians over seeds {options.seeds}"
    )
    print(f"{'batch':>5}  {'loop':<22} {'epoch':>8} {'test accuracy':>14}")
    loops = {"cnnlab.fit": None, "DataLoader, 0 workers": 0, "DataLoader, 2 workers": 2}
    spawn = multiprocessing.get_context("spawn")
    pools = {label: ProcessPoolExecutor(1, mp_context=spawn) for label in loops}
    for label, workers in loops.items():  # imports, data, first-time set-up
        pools[label].submit(measure, options.data, workers, 0, 128, options.threads, 2_000).result()
    for batch in options.batch:
        rows: dict[str, tuple[list[float], list[float]]] = {label: ([], []) for label in loops}
        for seed in options.seeds:
            for label, workers in loops.items():
                job = pools[label].submit(measure, options.data, workers, seed, batch, options.threads, options.images)
                seconds, accuracy = job.result()
                rows[label][0].append(seconds)
                rows[label][1].append(accuracy)
        medians = {label: statistics.median(seconds) for label, (seconds, _) in rows.items()}
        for label, (_, accuracies) in rows.items():
            low, high = min(accuracies), max(accuracies)
            print(f"{batch:>5}  {label:<22} {medians[label]:>7.2f}s {low:>7.2%}-{high:.2%}")
        ours = medians.pop("cnnlab.fit")
        best = min(medians, key=medians.__getitem__)
        print(f"       fit is {medians[best] / ours:.2f} times as fast as the better of the two ({best})")


if __name__ == "__main__":
    main()
