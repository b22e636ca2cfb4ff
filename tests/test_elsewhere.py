"""What runs on a GPU, run on a device that is only claimed (tests/pretend.py) and, where there is one, on a GPU.

The pretended device computes what the processor computes, so the numbers are the processor's to the bit; what is held
is that no tensor was left behind; test_models_in_use.py holds the networks to it. A GPU rounds otherwise, so there the
numbers are near.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import cnnlab
import cnnlab.convolutions as lib
from cnnlab.analysis import receptive_field, summarize
from cnnlab.data import Dataset, batches, load_dataset
from cnnlab.data import augment as aug
from cnnlab.data.dataset import channel_statistics, resize_images
from cnnlab.training import DataError, Trainer, evaluate, fit
from cnnlab.weights import transplant
from tests.pretend import pretended

pytestmark = pytest.mark.usefixtures("one_thread")

GPUS = [pytest.param("cuda", marks=pytest.mark.gpu)] if torch.cuda.is_available() else []


@pytest.fixture(params=["pretend", *GPUS])
def there(request: pytest.FixtureRequest) -> Iterator[torch.device]:
    """A device other than the processor."""
    if request.param == "cuda":
        yield torch.device("cuda", 0)
    else:
        with pretended() as device:
            yield device


@pytest.fixture(scope="module")
def data() -> Dataset:
    return load_dataset("digits", limit=200, size=28)


def near(found: Tensor, wanted: Tensor) -> bool:
    """Equal to the bit, or as near as a GPU's own order of sums brings it."""
    assert found.device != wanted.device
    if found.device.type != "cuda":
        return torch.equal(found.cpu(), wanted)
    return torch.allclose(found.cpu(), wanted, rtol=1e-3, atol=1e-4)


def network(**options: int) -> nn.Module:
    torch.manual_seed(0)
    return cnnlab.create_model("lenet5_28", **options)


# --- the pretended device itself -----------------------------------------------------------------------------------


def test_it_refuses_what_a_gpu_refuses():
    with pretended() as device:
        x = torch.ones(2, 3).to(device)
        assert x.device == device and x.cpu().device.type == "cpu"
        with pytest.raises(RuntimeError, match="same device"):
            x + torch.ones(2, 3)
        with pytest.raises(RuntimeError, match="same device"):
            F.cross_entropy(x, torch.zeros(2, dtype=torch.long))
        with pytest.raises(TypeError, match="cpu"):
            x.numpy()
        assert (x + torch.tensor(1.0)).sum() == 12  # a single number may come from anywhere, as on a GPU
        assert x.tolist() == [[1.0] * 3] * 2
        with pytest.raises(TypeError, match="float64"):
            x.double()


class LeavesOneBehind(nn.Module):
    """A position table that is no buffer: .to(device) forgets it."""

    def __init__(self) -> None:
        super().__init__()
        self.scale, self.table = nn.Parameter(torch.ones(1)), torch.arange(4.0)

    def forward(self, x: Tensor) -> Tensor:
        return self.scale * x + self.table


def test_a_forgotten_tensor_is_found():
    with pretended() as device:
        with pytest.raises(RuntimeError, match="same device"):
            LeavesOneBehind().to(device)(torch.zeros(2, 4).to(device))


# --- convolutions --------------------------------------------------------------------------------------------------


CONVOLUTIONS = {
    "standard": (lib.standard_conv2d, (2, 4, 6, 6), [(3, 4, 3, 3), (3,)]),
    "pointwise": (lib.pointwise_conv2d, (2, 4, 6, 6), [(3, 4, 1, 1)]),
    "separable": (lib.spatial_separable_conv2d, (2, 4, 6, 6), [(3, 4, 3, 1), (3, 3, 1, 3)]),
    "depthwise": (lib.depthwise_conv2d, (2, 4, 6, 6), [(4, 1, 3, 3)]),
    "depthwise separable": (lib.depthwise_separable_conv2d, (2, 4, 6, 6), [(4, 1, 3, 3), (3, 4, 1, 1)]),
    "dilated": (lib.dilated_conv2d, (2, 4, 6, 6), [(3, 4, 3, 3)]),
    "transposed": (lib.transposed_conv2d, (2, 4, 6, 6), [(4, 3, 3, 3)]),
    "by insertion": (lib.transposed_by_insertion, (2, 4, 6, 6), [(4, 3, 3, 3)]),
    "loops": (lib.conv2d_loops, (1, 2, 4, 4), [(2, 2, 3, 3)]),
    "3D": (lib.standard_conv3d, (1, 2, 4, 4, 4), [(2, 2, 3, 3, 3)]),
    "average": (lib.global_average_pool, (2, 4, 6, 6), []),
    "separate": (lambda x: lib.best_rank1(x)[0], (5, 5), []),
    "zeros between": (lambda x: lib.insert_zeros(x, 2), (1, 2, 3, 3), []),
    "shuffle": (lambda x: lib.shuffle_channels(x, 2), (1, 4, 3, 3), []),
}


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_convolutions(name: str, there: torch.device):
    function, shape, weights = CONVOLUTIONS[name]
    generator = torch.Generator().manual_seed(0)
    given = [torch.randn(*size, generator=generator) for size in (shape, *weights)]
    assert near(function(*(tensor.to(there) for tensor in given)), function(*given))


# --- data and augmentation -----------------------------------------------------------------------------------------

AUGMENTATIONS = [
    aug.Flip(0.5),
    aug.Crop(2),
    aug.Rotate(10),
    aug.Shear(5),
    aug.LocalWarp(),
    aug.ColorShift(),
    aug.Cutout(8),
    aug.Mixup(),
    aug.CutMix(),
    aug.Compose([aug.Crop(2), aug.Flip(), aug.Mixup()]),
]


@pytest.mark.parametrize("augment", AUGMENTATIONS, ids=lambda step: type(step).__name__)
def test_augmentations(augment: aug.Augmentation, data: Dataset, there: torch.device):
    options = {"mean": data.mean, "std": data.std, "augment": augment, "shuffle": True, "seed": 3}
    here = next(iter(batches(data.train, 16, **options)))
    for found, wanted in zip(next(iter(batches(data.train, 16, device=there, **options))), here):
        assert found.device == there
        torch.testing.assert_close(found.cpu(), wanted, rtol=1e-4, atol=1e-4)


def test_sets(there: torch.device):
    images = torch.randint(0, 256, (12, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    for found, wanted in zip(channel_statistics(images.to(there)), channel_statistics(images)):
        assert found == pytest.approx(wanted)
    assert near(resize_images(images.to(there), 4), resize_images(images, 4))
    color = aug.PCAColor.of(cnnlab.data.ImageSet(images.to(there), torch.zeros(12, dtype=torch.long).to(there), ("a",)))
    x = torch.rand(4, 3, 8, 8).to(there)
    assert color(x, torch.zeros(4).to(there), torch.Generator().manual_seed(0))[0].device == there


# --- training and evaluation ---------------------------------------------------------------------------------------

TRAINED = {
    "sgd": {"optimizer": "sgd", "schedule": "warmup_cosine", "weight_decay": 1e-4, "nesterov": True},
    "adam": {"optimizer": "adam", "clip_norm": 1.0},
    "adamw, smoothing, mixing": {"optimizer": "adamw", "label_smoothing": 0.1, "augment": aug.Mixup()},
    "rmsprop": {"optimizer": "rmsprop"},
}


@pytest.mark.parametrize("name", TRAINED)
def test_training(name: str, data: Dataset, there: torch.device):
    losses = {}
    for device in (torch.device("cpu"), there):
        model = network()
        run = fit(model, data, epochs=1, batch_size=64, device=device, amp=False, progress=False, **TRAINED[name])
        assert next(model.parameters()).device == device
        losses[device] = run.final["train_loss"], run.final["test_loss"]
    assert losses[there] == pytest.approx(losses[torch.device("cpu")], rel=1e-2 if there.type == "cuda" else 1e-6)


def test_class_weights(data: Dataset, there: torch.device):
    """A loss that is a module goes where the model is, in training and in evaluation, wherever its weights were."""
    weight = torch.linspace(1, 2, 10)
    options = {"epochs": 1, "device": there, "amp": False, "progress": False}
    run = fit(network(), data, loss=nn.CrossEntropyLoss(weight=weight.clone()), **options)
    here = fit(network(), data, loss=nn.CrossEntropyLoss(weight=weight), **options | {"device": "cpu"})
    assert run.final["test_loss"] == pytest.approx(here.final["test_loss"], rel=1e-2)
    for device in ("cpu", there):
        loss = nn.CrossEntropyLoss(weight=weight.to(device))
        measured = evaluate(network().to(there), data.test, mean=data.mean, std=data.std, loss=loss)
        assert measured.logits.device.type == measured.labels.device.type == "cpu"
    moved = weight.to(there)
    fit(network(), data, loss=lambda logits, y: F.cross_entropy(logits, y, weight=moved), **options)


def test_resuming(data: Dataset, there: torch.device, tmp_path: Path):
    """Interrupted after its first epoch and gone on with, a run ends as one that was not; and it can move."""
    options = {"batch_size": 64, "optimizer": "adam", "device": there, "amp": False, "progress": False}
    whole, halved = network(), network()
    fit(whole, data, epochs=2, **options)

    def stop(run: cnnlab.Run, trainer: Trainer) -> None:
        trainer.stop()

    fit(halved, data, epochs=2, checkpoint=tmp_path / "run.pt", callbacks=[stop], **options)
    again = network()
    run = fit(again, data, epochs=2, checkpoint=tmp_path / "run.pt", **options)
    assert len(run.history) == 2
    assert all(torch.equal(a.cpu(), b.cpu()) for a, b in zip(whole.state_dict().values(), again.state_dict().values()))
    assert {value.device.type for value in run.best_state.values()} == {"cpu"}
    run.restore_best(again)
    assert next(again.parameters()).device == there


def test_evaluation(data: Dataset, there: torch.device):
    model = network()
    here = evaluate(model, data.test, mean=data.mean, std=data.std)
    found = evaluate(model.to(there), data.test, mean=data.mean, std=data.std)
    torch.testing.assert_close(found.logits, here.logits, rtol=1e-3, atol=1e-4)
    assert found.confusion.sum() == len(data.test)


def test_loaders_and_other_targets(data: Dataset, there: torch.device):
    """What a loader gives lies on the processor; pictures, targets and mixtures follow the model."""
    x, labels = next(batches(data.train, 64, mean=data.mean, std=data.std))
    values = torch.rand(64, 10)
    boxes = {"boxes": values, "labels": labels}

    def both(output: torch.Tensor, y: dict[str, torch.Tensor]) -> torch.Tensor:
        return F.mse_loss(output, y["boxes"]) + F.cross_entropy(output, y["labels"])

    cases = [
        (DataLoader(TensorDataset(x, labels), 16), {"augment": aug.OneOf(aug.Mixup(), aug.CutMix()), "accumulate": 2}),
        (DataLoader(TensorDataset(x, values), 16), {"loss": nn.MSELoss()}),
        ([(x, boxes)], {"loss": both, "metrics": {"error": lambda output, y: (output - y["boxes"]).abs().mean(1)}}),
    ]
    for given, options in cases:
        losses = {}
        for device in (torch.device("cpu"), there):
            run = fit(network(), given, validation=given, epochs=1, device=device, amp=False, progress=False, **options)
            losses[device] = run.final["train_loss"], run.final["validation_loss"]
        assert losses[there] == pytest.approx(losses[torch.device("cpu")], rel=1e-2 if there.type == "cuda" else 1e-5)
    tested = fit(network(), data.split(0.3), epochs=2, device=there, amp=False, progress=False).tested
    assert set(tested) == {"epoch", "test_loss", "test_accuracy"}
    with pytest.raises(DataError, match="class 10"):
        fit(network(), [(x, labels), (x, labels + 1)], epochs=1, device=there, progress=False)
    values[63] = torch.nan
    with pytest.raises(DataError, match="hold NaN"):
        fit(network(), [(x[:32], values[:32]), (x[32:], values[32:])], epochs=1, loss=nn.MSELoss(), device=there)


def test_frozen_and_new_head(data: Dataset, there: torch.device):
    """Transfer: a head put in after the model has moved is trained where the model is."""
    model = network().to(there)
    model.requires_grad_(False)
    model.new_head(10)
    run = fit(model, data, epochs=1, device=there, amp=False, progress=False)
    assert model.head.weight.device == there and run.final["train_loss"] > 0
    other = network()
    transplant(model, other)  # onto the processor
    assert {p.device.type for p in other.parameters()} == {"cpu"}
    assert torch.equal(other.head.weight, model.head.weight.cpu())


# --- analysis ------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("name", ["lenet5", "resnet20_cifar", "mobilenet_v2"])
def test_fields_and_summary(name: str, there: torch.device):
    model = cnnlab.create_model(name)
    here = receptive_field(model, kind="measured", samples=2)
    macs = summarize(model).macs
    model.to(there)
    found = receptive_field(model, kind="measured", samples=2)
    torch.testing.assert_close(found.map.cpu(), here.map, rtol=1e-2, atol=1e-6)
    assert summarize(model).macs == macs
    assert {p.device for p in model.parameters()} == {there}
