"""What differs on a real GPU: mixed precision, layout, memory. ``make test-gpu`` runs this, in a few minutes.

test_elsewhere.py holds the rest, with the pretended device and, in ``make test-gpu``, with a GPU: class weights,
resuming, augmentation, convolutions, fields, labels on the device.
"""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from torch import nn

import cnnlab
from cnnlab.analysis import receptive_field
from cnnlab.data import Dataset, load_dataset
from cnnlab.training import OutOfMemory, Trainer, fit
from tests.contract import small_input
from tests.models_contract import ONE_OF_EACH

if not torch.cuda.is_available():
    pytest.skip("no GPU here: what differs on one is not tried", allow_module_level=True)

pytestmark = pytest.mark.gpu


@pytest.fixture(scope="module")
def data() -> Dataset:
    return load_dataset("digits", limit=1000, size=32)


@pytest.fixture
def exact(monkeypatch: pytest.MonkeyPatch) -> None:
    """Float32 all the way: no TF32, which rounds each factor to ten bits."""
    monkeypatch.setattr(torch.backends.cuda.matmul, "allow_tf32", False)
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)


def network() -> nn.Module:
    torch.manual_seed(0)
    return cnnlab.create_model("resnet20_cifar", in_channels=1, num_classes=10)


@pytest.mark.usefixtures("exact")
@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_networks_agree_with_the_processor(name: str):
    """Outputs in evaluation, and every gradient of one step of training."""
    torch.manual_seed(0)
    here, x = cnnlab.create_model(name, num_classes=3), small_input(name, batch=4)
    there = copy.deepcopy(here).cuda()
    with torch.no_grad():
        wanted, found = here.eval()(x), there.eval()(x.cuda()).cpu()
    assert (found - wanted).abs().max() <= 1e-3 * wanted.abs().max()
    output = there.train()(x.cuda())
    parts = [output] if torch.is_tensor(output) else [output[0], *output[1]]
    sum(part.sum() for part in parts).backward()
    for key, parameter in there.named_parameters():
        assert parameter.grad is not None and parameter.grad.is_cuda, key


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=["bfloat16", "float16 with loss scaling"])
def test_training_in_mixed_precision(dtype: torch.dtype, data: Dataset, monkeypatch: pytest.MonkeyPatch):
    """It learns as float32 does, with channels last, and the record says how it was."""
    monkeypatch.setattr("cnnlab.training.trainer.resolve_amp", lambda amp, device: dtype if amp is not False else None)
    accuracies = {}
    for amp in (True, False):
        model = network()
        trainer = None

        def look(run: cnnlab.Run, own: Trainer) -> None:
            nonlocal trainer
            trainer = own

        run = fit(model, data, epochs=6, lr=0.1, schedule="warmup_cosine", amp=amp, callbacks=[look], progress=False)
        accuracies[amp] = run.final["test_accuracy"]
        assert trainer.channels_last and trainer.device.type == "cuda"
        assert trainer.scaler.is_enabled() == (amp and dtype is torch.float16)
        weight = next(p for p in model.parameters() if p.dim() == 4 and p.shape[1] > 1)
        assert weight.is_contiguous(memory_format=torch.channels_last) and weight.dtype is torch.float32
        assert run.provenance["device"] == "cuda"
    assert min(accuracies.values()) > 0.8, accuracies
    assert abs(accuracies[True] - accuracies[False]) < 0.1, accuracies


def test_a_run_repeats_and_resumes(data: Dataset, tmp_path: Path):
    """In mixed precision, stopped between two epochs: the loss scale and the random streams of the GPU come back."""
    options = {"epochs": 3, "lr": 0.05, "progress": False, "label_smoothing": 0.1}

    def stop(run: cnnlab.Run, trainer: Trainer) -> None:
        trainer.stop()

    whole = fit(network(), data, **options)
    fit(network(), data, checkpoint=tmp_path / "run.pt", callbacks=[stop], **options)
    again = fit(network(), data, checkpoint=tmp_path / "run.pt", **options)
    assert len(again.history) == 3
    # cuDNN adds in an order of its own from run to run, so that only the course is the same.
    for one, other in zip(whole.history, again.history):
        assert one["train_loss"] == pytest.approx(other["train_loss"], rel=0.1)
    assert {value.device.type for value in again.best_state.values()} == {"cpu"}


class Greedy(nn.Module):
    """Takes all of the GPU's memory in its third batch."""

    def __init__(self) -> None:
        super().__init__()
        self.inner, self.batch, self.taken = network(), 0, []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.batch += self.training
        while self.batch == 3:
            self.taken.append(torch.empty(2**33, dtype=torch.uint8, device=x.device))
        return self.inner(x)


def test_out_of_memory(data: Dataset):
    model = Greedy()
    try:
        with pytest.raises(OutOfMemory, match="batch_size=128.*Try batch_size=64"):
            fit(model, data, epochs=1, progress=False)
    finally:
        model.taken.clear()
        torch.cuda.empty_cache()
    model.batch = 100
    assert fit(model, data, epochs=1, progress=False).history  # the next one has the memory


def test_the_lab(monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip("ipywidgets")
    from cnnlab.widgets import TrainingLab

    lab = TrainingLab(models=("lenet5_28",), datasets=("digits",), epochs=2, limit=200)
    lab.clock.control.click()
    for _ in range(400):
        if not lab.clock.running:
            break
        lab.clock.play.value += 1
    (run,) = lab.runs
    assert run.state == "finished" and not lab.panel.message.value


def test_measured_fields():
    model = cnnlab.create_model("resnet18")
    here = receptive_field(model, kind="measured", samples=2)
    there = receptive_field(model.cuda(), kind="measured", samples=2)
    torch.testing.assert_close(there.map.cpu(), here.map, rtol=5e-2, atol=1e-3)
