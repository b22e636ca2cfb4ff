"""The chapter "ZFNet": what its explorer is handed, what was recorded, and how its experiment counts."""

from __future__ import annotations

import json
from base64 import b64decode

import numpy
import pytest
import torch
from torch import nn

from cnnlab.results import recorded, recorded_folder
from cnnlab.widgets import occlusion_map
from experiments.first_layer import KERNELS, STRIDES, dead_share, first_maps, network, same_answers
from tests.explorers import MAKERS


def test_the_explorer_is_handed_what_was_recorded():
    data = MAKERS["occlusion_map"]().params["data"]
    seen = data["photos"]["dark"]["sizes"]["4"]
    assert [value / 200 for value in b64decode(seen["half percents"])][3:6] == [0.58, 0, 0.3]
    assert list(b64decode(seen["best"])) == [0, 0, 0, 0, 1, 0, 0, 0, 0] and seen["rows"] == 3
    with pytest.raises(ValueError, match="photos lacks 'light': give every photo of the record"):
        record = {"photos": data["photos"]}
        occlusion_map({"dark": numpy.zeros((8, 8, 3), "uint8")}, record)


def test_every_place_of_every_square_was_recorded():
    record = recorded("occlusion_maps")
    assert record["side"] == 224 and len(record["photos"]) == 4
    for own in record["photos"].values():
        for size, seen in own["sizes"].items():
            places = (record["side"] - int(size)) // record["stride"] + 1
            for part in ("per mille", "best"):
                assert [len(row) for row in seen[part]] == [places] * places
            assert all(0 <= value <= 1000 for row in seen["per mille"] for value in row)
            assert own["class"] in seen["says"] and {len(seen["says"]) - 1} == {max(map(max, seen["best"]))}
    assert len(json.dumps(record)) < 60_000 and (recorded_folder() / "occlusion_maps.json").is_file()


def test_the_networks_differ_in_their_first_kernels_alone():
    shapes = []
    for kernel in KERNELS.values():
        for stride in STRIDES.values():
            with torch.random.fork_rng(devices=[]):
                model = network(kernel, stride, 4, 3, 10)
            assert model[:2](torch.zeros(1, 3, 32, 32)).shape[2] == 32 // stride
            assert model(torch.zeros(2, 3, 32, 32)).shape == (2, 10)
            shapes.append([tuple(p.shape) for p in model.parameters()][1:])
    assert all(own == shapes[0] for own in shapes)


def test_maps_are_seen_at_every_place():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = network(5, 4, 6, 3, 10)
    x = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    maps = first_maps(model, x)
    assert maps.shape == (2, 6, 32, 32)
    torch.testing.assert_close(maps[:, :, ::4, ::4], model[:2](x).detach())


def test_a_filter_is_dead_beside_the_middle_one():
    maps = torch.rand(4, 5, 8, 8, generator=torch.Generator().manual_seed(0))
    assert dead_share(maps) == 0
    maps[:, 0] *= 0.05
    maps[:, 1] = 3.0
    assert dead_share(maps) == pytest.approx(0.4)


def test_an_answer_that_reads_one_column_moves_with_it():
    class Column(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x[:, 0, 0, :2]

    x = torch.zeros(2, 1, 4, 4)
    x[0, 0, 0, 0] = x[1, 0, 0] = 1.0  # moved by one, the first says the other; the second is even
    assert same_answers(Column(), x) == 0.5
