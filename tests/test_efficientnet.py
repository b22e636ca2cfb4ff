"""The chapter "EfficientNet": its small networks, and the training that begins with small pictures."""

from __future__ import annotations

import pytest
import torch

from cnnlab.analysis import summarize
from cnnlab.chapters.efficientnet.small import PLANS, Growing, small_efficientnet


def test_every_plan_doubles_the_base() -> None:
    macs = {
        name: summarize(small_efficientnet(name), (3, plan.side(20), plan.side(20))).macs
        for name, plan in PLANS.items()
    }
    assert all(1.9 < own / macs["base"] < 2.03 for name, own in macs.items() if name != "base")
    with pytest.raises(ValueError, match="plan='deep'.*depth"):
        small_efficientnet("deep")


def test_growing_pictures_and_their_place_in_a_checkpoint() -> None:
    class Sides(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.tensor(x.shape[-1])

    net = Growing(Sides(), sizes=(4, 6, 8), batches=6)
    x = torch.rand(1, 3, 8, 8)
    assert [int(net(x)) for _ in range(4)] == [4, 4, 6, 6]
    other = Growing(Sides(), sizes=(4, 6, 8), batches=6)
    other.load_state_dict(net.state_dict())
    assert [int(other(x)) for _ in range(3)] == [8, 8, 8]
    assert int(Growing(Sides(), sizes=(4,), batches=1).eval()(x)) == 8
    with pytest.raises(ValueError, match="at least one size"):
        Growing(Sides(), sizes=(), batches=6)
