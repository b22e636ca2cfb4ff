"""The explorer of "Why features transfer": what Python hands over is what the network says."""

from __future__ import annotations

from base64 import b64decode

import numpy
import pytest
import torch
from torch import nn

from cnnlab.chapters.why_transfer.channel_answers import answers_of
from cnnlab.widgets import Answers, channel_answers


class Brightest(nn.Module):
    """Two maps of a photo: its red and its blue, small."""

    def __init__(self) -> None:
        super().__init__()
        self.maps = nn.Conv2d(3, 4, 1, bias=False)
        self.maps.weight.data = torch.eye(4, 3)[:, :, None, None].clone()

    def preprocess(self, photo: numpy.ndarray) -> torch.Tensor:
        return torch.from_numpy(photo).permute(2, 0, 1) / 255

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.maps(x)


def photo(row: int, column: int, channel: int) -> numpy.ndarray:
    """Dark, with one bright place in one color."""
    pixels = numpy.zeros((8, 8, 3), numpy.uint8)
    pixels[row, column, channel] = 255
    return pixels


def test_the_strongest_channel_and_its_place_are_found():
    photos = {"red": photo(2, 6, 0), "blue": photo(5, 1, 2)}
    found = answers_of(Brightest(), photos, {"colors": "maps"})["colors"]
    assert found["red"].channels[0] == 0 and found["blue"].channels[0] == 2
    assert found["red"].places[0][0] == ("red", 6.5 / 8, 2.5 / 8)
    assert found["blue"].places[0][0] == ("blue", 1.5 / 8, 5.5 / 8)
    assert found["red"].maps[0].argmax() == 2 * 8 + 6 and found["red"].maps[0].max() == 255
    params = channel_answers(photos, {"colors": found}, {"colors": 0.3}).params["data"]
    own = params["layers"]["colors"]["photos"]["blue"]
    assert own["side"] == 8 and numpy.frombuffer(b64decode(own["maps"]), "uint8").argmax() == 5 * 8 + 1


def test_it_says_what_is_wrong():
    plain = {"a": numpy.zeros((8, 8, 3), numpy.uint8)}
    answers = {"first": {"a": Answers([0] * 4, numpy.zeros((4, 2, 2), "uint8"), [[("a", 0.5, 0.5)]] * 4)}}
    with pytest.raises(ValueError, match="one entry or more"):
        channel_answers({}, {}, {})
    with pytest.raises(ValueError, match=r"answers\['first'\] lacks \['b'\]"):
        channel_answers({**plain, "b": plain["a"]}, answers, {"first": 0.2})
    with pytest.raises(ValueError, match="square uint8"):
        channel_answers({"a": numpy.zeros((8, 9, 3), numpy.uint8)}, answers, {"first": 0.2})
