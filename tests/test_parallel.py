"""Training in several processes: what two of them make of a batch, an epoch and a failure, against one alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from cnnlab import load
from cnnlab.training import evaluate
from tests import two_processes
from tests.two_processes import ACCUMULATED, PLAIN, Gradients, StopAt, make_data, make_model, tensors, trained

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]
# A sum over 32 pictures in two parts is rounded otherwise: 1e-6 is ten times what is seen.
CLOSE = {"rtol": 0.0, "atol": 1e-6}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two processes have written; they are started once, and once more to be killed."""
    folder = tmp_path_factory.mktemp("two")
    two_processes.write_pictures(folder)
    with torch.random.fork_rng(devices=[]):
        stops = [StopAt(1, 2)]
        trained(make_model(), make_data(), checkpoint=folder / "one.pt", callbacks=stops, **PLAIN)
    done = subprocess.run(
        [sys.executable, two_processes.__file__, str(folder)],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
        capture_output=True,
        text=True,
        timeout=500,
    )
    said = "\n".join(file.read_text() for file in sorted(folder.glob("living-*.txt")))
    assert done.returncode == 0 and json.loads((folder / "living.json").read_text()) == [0, 0], said + done.stderr
    return folder


@pytest.fixture(scope="module")
def ranks(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    first, second = (torch.load(folder / f"living-{rank}.pt", weights_only=False) for rank in (0, 1))
    return first, second


def difference(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> float:
    return max((a[name].double() - b[name].double()).abs().max().item() for name in a)


def close(history: list[dict], other: list[dict]) -> bool:
    return len(history) == len(other) and all(
        row.keys() == there.keys() and all(abs(row[name] - there[name]) < 1e-5 for name in row)
        for row, there in zip(history, other)
    )


# --- an update is that of the whole batch ----------------------------------------------------------------------------


@pytest.mark.slow
def test_gradients_are_those_of_the_whole_batch(ranks: tuple[dict, dict]) -> None:
    """The last batch of an epoch too, of which one process has two pictures and the other one."""
    gradients = Gradients()
    alone = trained(make_model(), make_data(), callbacks=[gradients], **PLAIN)
    for rank in ranks:
        found = rank["learning"]["plain"]
        assert len(found["gradients"]) == len(gradients.of) == 8
        for mine, whole in zip(found["gradients"], gradients.of):
            torch.testing.assert_close(mine, whole, **CLOSE)
        assert difference(found["weights"], alone["weights"]) < 1e-6
        assert close(found["history"], alone["history"])
        assert found["processes"]["processes"] == 2 and "processes" not in alone["processes"]


def test_accumulated_clipped_and_averaged_they_are_too(ranks: tuple[dict, dict]) -> None:
    alone = trained(make_model(), make_data(), **ACCUMULATED)
    for rank in ranks:
        found = rank["learning"]["accumulated"]
        assert difference(found["weights"], alone["weights"]) < 1e-6
        assert difference(found["ema"], alone["ema"]) < 1e-6 and close(found["history"], alone["history"])


def test_a_loader_is_dealt_as_pictures_in_memory_are(ranks: tuple[dict, dict]) -> None:
    from torch.utils.data import DataLoader

    data = tensors(make_data())
    alone = trained(make_model(), DataLoader(data, 32, shuffle=True), validation=data, **PLAIN)
    for rank in ranks:
        assert difference(rank["learning"]["loader"]["weights"], alone["weights"]) < 1e-6
        assert close(rank["learning"]["loader"]["history"], alone["history"])


@pytest.mark.parametrize("name", ["plain", "accumulated", "norm", "dropout", "loader", "sampled"])
def test_both_processes_end_with_the_same(ranks: tuple[dict, dict], name: str) -> None:
    """Weights, batch norm's statistics and the history to the last bit."""
    first, second = (rank["learning"][name] for rank in ranks)
    assert difference(first["weights"], second["weights"]) == 0 and first["history"] == second["history"]
    assert first["ema"] is None or difference(first["ema"], second["ema"]) == 0


def test_batch_norm_looks_at_each_processes_own_part(ranks: tuple[dict, dict]) -> None:
    """So that the result is another than one process's; a part of one picture, at an epoch's end, is left out."""
    alone = trained(make_model(norm=True), make_data(), **PLAIN)["weights"]
    found = ranks[0]["learning"]["norm"]["weights"]
    assert (alone["1.num_batches_tracked"], found["1.num_batches_tracked"]) == (8, 6)
    one = trained(make_model(norm=True), make_data(96), **PLAIN)["weights"]
    two = ranks[0]["learning"]["norm96"]["weights"]
    assert (one["1.num_batches_tracked"], two["1.num_batches_tracked"]) == (6, 6)
    assert 1e-4 < (one["0.weight"] - two["0.weight"]).abs().max() < 0.2


def test_each_process_draws_its_own_dropout_and_augmentation(ranks: tuple[dict, dict]) -> None:
    draws = [rank["learning"]["draws"] for rank in ranks]
    assert len(draws[0]) == len(draws[1]) == 8 and len({*draws[0].tolist(), *draws[1].tolist()}) == 16


def test_an_epoch_deals_each_picture_once_and_in_another_order(ranks: tuple[dict, dict]) -> None:
    orders = [[ranks[rank]["learning"]["orders"][epoch].tolist() for rank in (0, 1)] for epoch in (0, 1)]
    for first, second in orders:
        assert sorted(first + second) == list(range(99)) and (len(first), len(second)) == (50, 49)
    assert orders[0][0] != orders[1][0] and set(orders[0][0]) != set(orders[1][0])


# --- what is measured ------------------------------------------------------------------------------------------------


def test_thirteen_pictures_are_measured_once_each(ranks: tuple[dict, dict]) -> None:
    data, model = make_data(), make_model(norm=True)
    alone = evaluate(model, data)
    for rank in ranks:
        loss, measures, count, logits = rank["measuring"]["memory"]
        assert count == 13 and measures == alone.measures and abs(loss - alone.loss) < 1e-6
        torch.testing.assert_close(logits, alone.logits, **CLOSE)
        assert rank["measuring"]["loader"][2] == 13
        _, _, count, logits = rank["measuring"]["one"]  # of which the second process has none
        assert count == 1 and torch.allclose(logits, alone.logits[:1], atol=1e-6)
        assert rank["measuring"]["maps"][2] == 13
    assert ranks[0]["measuring"]["maps"][0] == pytest.approx(ranks[1]["measuring"]["maps"][0])


def test_the_command_trains_in_two_processes_of_which_the_first_writes(folder: Path, ranks: tuple[dict, dict]) -> None:
    assert all(rank["commanded"] == {"code": 0, "again": 0} for rank in ranks)
    found = json.loads((folder / "out" / "run.json").read_text())
    assert found["provenance"]["processes"] == 2 and found["config"]["train_images"] == 24
    assert found["config"]["batch_size"] == 8 and len(found["history"]) == 2
    assert load(folder / "out" / "model.pt").classes == ("bright", "dark")


# --- stop, resume, fail ----------------------------------------------------------------------------------------------


def test_two_processes_go_on_where_one_stopped_and_one_where_two_did(folder: Path, ranks: tuple[dict, dict]) -> None:
    alone = trained(make_model(), make_data(), **PLAIN)
    for rank in ranks:
        found = rank["resuming"]
        assert difference(found["from_one"]["weights"], alone["weights"]) < 1e-6
        assert close(found["from_one"]["history"], alone["history"])
        # The second asked, both stopped, and the first wrote.
        assert len(found["stopped"]["history"]) == 1 and found["best"]
        assert len(found["finished"]["history"]) == 1
    model = make_model()
    two = trained(model, make_data(), checkpoint=folder / "two.pt", **PLAIN)
    assert difference(two["weights"], alone["weights"]) < 1e-6 and close(two["history"], alone["history"])


def test_a_killed_process_ends_the_other_with_a_message_and_nothing_is_lost(folder: Path) -> None:
    assert json.loads((folder / "killed.json").read_text()) == [1, 9]
    said = (folder / "killed-0.txt").read_text().splitlines()[-1]
    assert "ProcessLost: Process 0 of 2 ends in epoch 2, batch 3 of 4" in said and "killed.pt stands" in said
    assert not list(folder.glob("*.part"))
    alone = trained(make_model(), make_data(), **PLAIN)
    after = trained(make_model(), make_data(), checkpoint=folder / "killed.pt", **PLAIN)
    assert difference(after["weights"], alone["weights"]) < 1e-6 and close(after["history"], alone["history"])


def test_what_fails_in_one_process_ends_both_at_the_same_batch(folder: Path, ranks: tuple[dict, dict]) -> None:
    first, second = (rank["failing"] for rank in ranks)
    assert first["nan"] == second["nan"] and "epoch 1, batch 3 of 4 hold NaN" in first["nan"]
    assert {first["damaged"].split(":")[0], second["damaged"].split(":")[0]} == {"DataError", "ProcessLost"}
    assert all("epoch 1, batch 3 of 4" in one["damaged"] for one in (first, second))
    content = torch.load(folder / "damaged.pt", weights_only=True)  # of the two batches before
    assert (content["epoch"], content["batch"]) == (0, 2)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("indivisible", "batch_size=33 cannot be dealt evenly to 2 processes  Give a multiple of 2, such as 32 or 34"),
        ("loader_indivisible", "the loader's batch_size=7 cannot be dealt evenly"),
        ("too_few", "too few pictures (1) for 2 processes  torchrun --nproc-per-node=1"),
        ("list", "data (list) cannot be dealt to 2 processes  Give its Dataset"),
        ("foreign_sampler", "DistributedSampler is of process 0 of 3"),
        ("padded", "validation: its DistributedSampler repeats  leave the sampler out"),
        ("sync_batch_norm", "sync_batch_norm=True needs CUDA"),
        ("other_data", "Process 1 has other data than process 0 (99 pictures in 4 batches, and 98 in 4 there)"),
        ("other_model", "Process 1 has another model than process 0: ('1.weight', (4, 64), True)"),
        ("other_place", "Process 1 begins in epoch 1, batch 1  process 0 in epoch 2, batch 3  a drive that"),
    ],
)
def test_what_cannot_be_trained_together_is_said_in_all_processes(
    ranks: tuple[dict, dict], name: str, words: str
) -> None:
    first, second = (rank["refused"][name] for rank in ranks)
    assert first.startswith("ValueError: ") and "\n" not in first
    assert second.startswith("ValueError: ") and (name == "foreign_sampler" or first == second)
    at = 0
    for part in words.split("  "):
        assert (at := first.find(part, at)) >= 0, first
