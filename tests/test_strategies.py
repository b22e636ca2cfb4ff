"""How much of a network trains: head, top or all; what a checkpoint knows of it; batches of one picture; the lab."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import cnnlab
from cnnlab.data import Dataset, ImageSet, load_dataset
from cnnlab.preprocessing import Preprocess
from cnnlab.training import CheckpointError
from cnnlab.transfer import for_weights, prepare, probe, top_of, trial_network, unfreeze

pytestmark = pytest.mark.usefixtures("one_thread")

DIGITS = load_dataset("digits").subset(train=40, test=20)


def small(seed: int = 0) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return cnnlab.create_model("resnet20_cifar", num_classes=10, in_channels=1)


def changed(model: nn.Module, before: dict[str, Tensor]) -> set[str]:
    return {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}


def trained(model: nn.Module, optimizer: torch.optim.Optimizer, **options) -> set[str]:
    """What a short training has changed."""
    before = copy.deepcopy(model.state_dict())
    cnnlab.fit(model, DIGITS, epochs=1, batch_size=20, optimizer=optimizer, progress=False, **options)
    return changed(model, before)


# --- three strategies ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["sgd", "adamw"])
@pytest.mark.parametrize("strategy", ["head", "top", "all"])
def test_a_strategy_trains_what_it_says_and_keeps_every_statistic(strategy: str, kind: str):
    model = small()
    optimizer = prepare(model, strategy, optimizer=kind, lr=0.01, weight_decay=0.1)
    names = list(dict(model.named_parameters()))
    first = {"head": names.index("fc.weight"), "top": names.index(f"{top_of(model)}.conv1.weight"), "all": 0}[strategy]
    assert trained(model, optimizer) == set(names[first:])


def test_statistics_of_what_trains_may_move():
    model = small()
    moved = trained(model, prepare(model, "top", batch_norm="moving"))
    assert f"{top_of(model)}.bn1.running_mean" in moved and "bn1.running_mean" not in moved


def test_rates_fall_from_the_head_to_the_trunk_and_in_all_to_the_first_part():
    model = small()
    rates = [group["lr"] for group in prepare(model, "all", lr=0.1, trunk=0.5, lowest=0.01).param_groups]
    assert rates == sorted(rates) and rates[0] == pytest.approx(0.1 * 0.5 * 0.01) and rates[-2:] == [0.1, 0.1]
    assert rates[-3] == pytest.approx(0.1 * 0.5)
    for strategy, wanted in (("all", [0.01, 0.1]), ("top", [0.01, 0.1]), ("head", [0.1])):
        optimizer = prepare(model, strategy, lr=0.1, lowest=1)
        assert sorted({group["lr"] for group in optimizer.param_groups}) == pytest.approx(wanted)


def test_where_the_top_begins():
    assert top_of(cnnlab.create_model("tf_efficientnet_lite0")) == "stages.stage8"
    assert top_of(cnnlab.create_model("resnet18")) == "conv5.0"
    assert top_of(nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2))) == "2"
    assert top_of(trial_network(3)) == "conv4.0"


def test_batch_norms_may_stay_while_all_trains():
    model = small()
    said = unfreeze(model, batch_norm="frozen")
    assert said.frozen == () and said.moving == 0 and said.still == 19
    assert "19 batch norms with their statistics" in str(said)
    assert unfreeze(model).still == 0
    with pytest.raises(ValueError, match="batch_norm='still' is not known"):
        unfreeze(model, batch_norm="still")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"strategy": "last"}, "strategy='last' is not known. Allowed: 'all', 'head', 'top'"),
        ({"optimizer": "adamm"}, "optimizer='adamm' is not known. Did you mean 'adam"),
        ({"batch_norm": "of"}, "batch_norm='of' is not known"),
        ({"lowest": 0}, r"lowest=0 must lie in \(0, 1\]"),
        ({"trunk": 2}, r"trunk=2 must lie in \(0, 1\]"),
    ],
)
def test_what_prepare_refuses(given: dict, said: str):
    with pytest.raises(ValueError, match=said) as caught:
        prepare(small(), **{"strategy": "head", **given})
    assert "\n" not in str(caught.value)


# --- a probe as a head -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("classes", "standardize"), [(2, True), (3, True), (3, False)])
def test_a_probe_as_a_head_answers_as_the_probe_does(classes: int, standardize: bool):
    x = torch.randn(30, 5, generator=torch.Generator().manual_seed(0)) * torch.tensor([1.0, 9, 0.1, 3, 1]) + 2
    y = torch.arange(30) % classes
    found = probe(x, y, strengths=[1.0], standardize=standardize)
    wanted = torch.as_tensor(found.classifier.predict_proba(x.numpy())).float()
    torch.testing.assert_close(found.head()(x).softmax(1), wanted, rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match=r"The probe knows the classes \[1, 2"):
        probe(x, y + 1, strengths=[1.0]).head()


# --- pictures as weights expect them ---------------------------------------------------------------------------------


def test_pictures_are_prepared_as_the_weights_expect_and_the_network_says_how():
    model = small()
    model.preprocess = Preprocess(256, 224, (0.5, 0.4, 0.3), (0.2, 0.2, 0.1))
    data = for_weights(DIGITS.split(0.2), model, size=16)
    assert data.shape == (3, 16, 16) and data.mean == (0.5, 0.4, 0.3) and data.validation.shape == (3, 16, 16)
    assert data.test.images.untyped_storage().nbytes() == 20 * 16 * 16  # gray is held once
    batch, _ = next(cnnlab.data.batches(data.test, 20, mean=data.mean, std=data.std))
    torch.testing.assert_close(batch, data.preprocess(DIGITS.test.images), rtol=1e-4, atol=1e-5)
    assert for_weights(DIGITS, model).shape == (3, 224, 224)
    with pytest.raises(ValueError, match="model has no .preprocess.*weights='imagenet'"):
        for_weights(DIGITS, trial_network(3))
    with pytest.raises(ValueError, match="pictures of 2 channels; the weights expect 3, or gray"):
        two = ImageSet(DIGITS.test.images.repeat(1, 2, 1, 1), DIGITS.test.labels, DIGITS.classes)
        for_weights(Dataset.from_sets("two", two, two), model)


# --- checkpoints -----------------------------------------------------------------------------------------------------


def test_a_checkpoint_of_another_strategy_is_refused_in_a_line_that_says_both(tmp_path: Path):
    def train(strategy: str | None, epochs: int = 1):
        model = small()
        optimizer = torch.optim.AdamW(model.parameters(), 1e-3)
        optimizer = optimizer if strategy is None else prepare(model, strategy, lr=1e-3)
        file = tmp_path / "run.pt"
        return cnnlab.fit(
            model, DIGITS, epochs=epochs, batch_size=20, optimizer=optimizer, checkpoint=file, progress=False
        )

    run = train("head")
    assert run.config["trains"] == "fc; 19 layers stay in evaluation mode"
    assert len(train("head", epochs=2).history) == 2
    for strategy, said in (
        (
            "top",
            r"trains: 'fc; 19 layers.*' there, 'stage3.0, .*, fc, at rates 0.0001, 0.001; 19 layers .*' here",
        ),
        ("all", r"trains: 'fc; .*' there, 'all, at rates 1e-05, .*, 0.001; 19 .*' here"),
        (None, "trains: 'fc; 19 layers stay in evaluation mode' there, 'all' here"),
    ):
        with pytest.raises(CheckpointError, match=rf"belongs to another training \(.*{said}") as caught:
            train(strategy)
        assert "\n" not in str(caught.value) and "resume=False" in str(caught.value)
    (tmp_path / "run.pt").unlink()
    (tmp_path / "run.best.pt").unlink()
    assert "trains" not in train(None).config
    with pytest.raises(CheckpointError, match="trains: 'all' there, 'fc; 19 layers stay in evaluation mode' here"):
        train("head")


# --- one picture -----------------------------------------------------------------------------------------------------


def test_batches_of_one_picture_need_statistics_that_stay():
    one = replace(DIGITS, train=DIGITS.train[:21])
    model = small()
    unfreeze(model, batch_norm="frozen")
    seen: list[int] = []
    model.register_forward_pre_hook(lambda module, inputs: seen.append(len(inputs[0])) if module.training else None)
    run = cnnlab.fit(model, one, epochs=1, batch_size=20, progress=False)
    assert seen == [20, 1] and run.final["train_loss"] > 0  # none is left out

    deep = nn.Sequential(nn.Flatten(), nn.Linear(64, 4), nn.BatchNorm1d(4), nn.Linear(4, 10))
    with pytest.raises(
        ValueError, match=r"cannot train on a batch of one image.*unfreeze\(model, batch_norm='froz"
    ) as e:
        cnnlab.fit(deep, one, epochs=1, batch_size=1, progress=False)
    assert "\n" not in str(e.value)
    unfreeze(deep, batch_norm="frozen")
    assert cnnlab.fit(deep, one, epochs=1, batch_size=1, progress=False).history


class Tokens(nn.Module):
    """Tokens of a map behind a batch norm, for which PyTorch 2.15 gives a wrong gradient of a single picture."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm, self.fc = nn.Conv2d(1, 5, 3), nn.BatchNorm2d(5), nn.Linear(5, 10)
        self.norm.running_var.uniform_(0.5, 2)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.norm(self.conv(x)).flatten(2).transpose(1, 2).contiguous()  # (N, H W, 5)
        return self.fc((tokens * torch.arange(tokens.shape[1])[:, None] / 100).sum(dim=1))


@pytest.mark.parametrize("norm_trains", [True, False])
def test_a_single_picture_before_tokens_trains_as_two_equal_ones_do(norm_trains: bool):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        fresh = Tokens()
    weights = []
    for count in (1, 2):
        model = copy.deepcopy(fresh)
        unfreeze(model, batch_norm="frozen")
        model.norm.requires_grad_(norm_trains)
        some = DIGITS.train[[0] * count]
        cnnlab.fit(model, replace(DIGITS, train=some), epochs=1, batch_size=2, lr=0.1, momentum=0.0, progress=False)
        weights.append(model.conv.weight.detach())
    torch.testing.assert_close(*weights)


# --- the lab ---------------------------------------------------------------------------------------------------------


def test_the_lab_offers_strategies_where_there_are_weights_and_trains_them():
    pytest.importorskip("ipywidgets")
    from cnnlab.widgets import TrainingLab

    lab = TrainingLab(
        models=("tf_efficientnet_lite0", "lenet5_28"),
        datasets=("digits",),
        optimizers=("adam",),
        epochs=1,
        batch_size=16,
        limit=20,
        size=32,
        start="pretrained",
        trains="the head",
    )
    shown = (lab.panel.start, lab.panel.trains)
    assert [each.layout.display for each in shown] == ["", ""]
    assert "fresh or pretrained" in lab._repr_mimebundle_()["text/html"]
    lab.panel.one_epoch.click()
    run = lab.runs[-1]
    assert run.state == "finished", lab.panel.said
    assert run.data.shape == (3, 32, 32) and run.data.mean == (0.5, 0.5, 0.5)
    assert {p.requires_grad for name, p in run.model.named_parameters() if not name.startswith("fc.")} == {False}
    own = cnnlab.create_model("tf_efficientnet_lite0", weights="imagenet").state_dict()
    trunk = {name: value for name, value in run.model.state_dict().items() if not name.startswith("fc.")}
    assert all(torch.equal(value, own[name]) for name, value in trunk.items())
    assert run.settings.label == "tf_efficientnet_lite0, digits, adam 0.001, pretrained, the head"
    assert ">weights<" in lab.panel.table.value and ">the head<" in lab.panel.table.value
    lab.panel.model.value = "lenet5_28"
    assert [each.layout.display for each in shown] == ["none", "none"]
    assert (lab.settings.start, lab.settings.trains) == ("fresh", "all")
    assert lab.panel.model.layout.display is None


def test_the_lab_says_why_weights_are_missing(monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip("ipywidgets")
    import cnnlab.models.factory as factory
    from cnnlab.download import DownloadError
    from cnnlab.widgets import TrainingLab

    def offline(name, *_, **__):
        raise DownloadError(f"{name} weights could not be downloaded: no network.")

    monkeypatch.setattr(factory, "load_official", offline)
    lab = TrainingLab(models=("mobilenet_v2", "mlp_mnist"), datasets=("digits",), limit=20, size=32, start="pretrained")
    lab.train()
    assert "could not be downloaded: no network. Choose fresh weights here" in lab.panel.said[1]
    assert lab.runs == []
    for given, said in (
        ({"start": "pretraned"}, "start='pretraned' is not known. Did you mean 'pretrained'"),
        ({"trains": "head"}, "trains='head' is not known. Did you mean 'the head'"),
        ({"size": 0}, "size=0 is not allowed"),
    ):
        with pytest.raises(ValueError, match=said):
            TrainingLab(models=("mlp_mnist",), datasets=("digits",), **given)
