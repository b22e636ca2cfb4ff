"""Inception v3: planted faults, the paper's table 1 and claims, the auxiliary head."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import cnnlab
from cnnlab.analysis import summarize
from cnnlab.layers import Branches
from cnnlab.models.inception_v3 import AuxiliaryHead, Convolution, InceptionC
from cnnlab.weights import sources, transplant
from tests.contract import (
    TOLERANCE,
    count_macs,
    count_params,
    create_on_meta,
    output_shapes,
    randomize,
    relative_difference,
    set_eps,
    swap_forward,
)


def torchvision_module() -> nn.Module:
    from torchvision.models import inception_v3

    return inception_v3(init_weights=False)  # their initialization takes half a minute


def _branches_swapped(block: nn.Module, x: Tensor) -> Tensor:
    return torch.cat([block.conv1x1(x), block.double7x7(x), block.conv7x7(x), block.pool(x)], dim=1)


def _in_a_row(block: nn.Module, x: Tensor) -> Tensor:
    """1x3 and 3x1 one after the other, as in the coarser factorization, and the sum of channels kept."""
    y = block.conv1x3(x)
    return torch.cat([y, block.conv3x1(y)], dim=1)


FAULTS = {
    "inception_v3": {
        "average does not count the padding": lambda m: setattr(m.grid17[1].pool[0], "count_include_pad", False),
        "maximum for average": lambda m: m.grid35[2].pool.__setitem__(0, nn.MaxPool2d(3, 1, 1)),
        "a reduction that averages": lambda m: setattr(m.reduction_a, "pool", nn.AvgPool2d(3, 2)),
        "two branches swapped": lambda m: swap_forward(m.grid17[3], _branches_swapped),
        "1x3 and 3x1 in a row": lambda m: swap_forward(m.grid8[0].conv3x3[1], _in_a_row),
        "eps of one batch norm": lambda m: set_eps(m.grid8[1].double3x3[1].bn),
        "eps of torch": lambda m: set_eps(m.stem.conv2.bn, 1e-5),
        "the stem padded": lambda m: setattr(m.stem.conv5.conv, "padding", (1, 1)),
    },
}


# Table 1 gives input sizes; "The output size of each module is the input size of the next one."
# "conv 3x3/1" to 71x71x80, "conv 3x3/2" to 35x35x192 and "conv 3x3/1" to 35x35x288 are not in the released network.
TABLE_1 = {
    "stem.conv1": (32, 149, 149),
    "stem.conv2": (32, 147, 147),
    "stem.conv3": (64, 147, 147),
    "stem.pool1": (64, 73, 73),
    "grid35": (288, 35, 35),
    "reduction_a": (768, 17, 17),
    "grid17": (768, 17, 17),
    "reduction_b": (1280, 8, 8),
    "grid8": (2048, 8, 8),
    "fc": (1000,),
}


def test_output_sizes_of_table_1():
    network = create_on_meta("inception_v3")
    stem = output_shapes(network.stem, (3, 299, 299))
    seen = output_shapes(network, (3, 299, 299)) | {f"stem.{name}": shape for name, shape in stem.items()}
    assert {name: seen[name] for name in TABLE_1} == TABLE_1


def test_multiply_adds_and_parameters_that_the_paper_gives():
    """ "2.5 times" GoogLeNet's in section 6 and 4.8e9 in table 3 are the paper's layers; the released cost 5.7e9."""
    ours = create_on_meta("inception_v3")
    macs, row = count_macs(ours, (3, 299, 299)), sources("inception_v3")[0]
    assert abs(macs - row.macs) < 0.5e6
    assert macs == 5_713_216_096
    assert macs - 4.8e9 > 0.9e9
    head = count_params(ours.auxiliary)
    assert (count_params(ours), count_params(ours) - head) == (27_161_264, 23_834_568)
    assert count_params(ours) - head < 25e6  # abstract: "using less than 25 million parameters"


@pytest.mark.parametrize(
    ("whole", "parts", "saved"), [(5, (3, 3), 0.28), (3, ((3, 1), (1, 3)), 0.33), (7, ((1, 7), (7, 1)), 0.71)]
)
def test_savings_of_the_factorizations(whole: int, parts: tuple, saved: float):
    """Section 3: two 3x3 for a 5x5 save "28%", 3x1 and 1x3 for a 3x3 "33%", as long as the channels stay equal."""
    costs = [summarize(Convolution(16, 16, kernel), input_size=(16, 17, 17)).macs for kernel in (whole, *parts)]
    assert 1 - sum(costs[1:]) / costs[0] == pytest.approx(saved, abs=0.005)


def test_depth():
    """Section 6 says "our network is 42 layers deep"; the longest path of the released one has 48 with weights."""

    def depth(module: nn.Module) -> int:
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            return 1
        children = [depth(child) for child in module.children()]
        side_by_side = isinstance(module, Branches)
        return max(children, default=0) if side_by_side else sum(children)

    network = create_on_meta("inception_v3")
    assert depth(network) - depth(network.auxiliary) == 48


@pytest.mark.slow
@pytest.mark.parametrize("side", [299, 331])
def test_the_head_in_training_mode_equals_the_reference(side: int):
    theirs, ours = torchvision_module(), cnnlab.create_model("inception_v3")
    randomize(theirs, (3, 299, 299))
    transplant(theirs, ours)
    # The head takes the map of 17x17 (19x19 with 331 px: its map is 2x2 before the average).
    x = torch.randn(1, 768, (side - 27) // 16, (side - 27) // 16, generator=torch.Generator().manual_seed(0))
    assert relative_difference(theirs.AuxLogits, ours.auxiliary, x) < TOLERANCE
    with torch.no_grad():
        for network in (theirs.train(), ours.train()):
            for module in network.modules():
                if isinstance(module, nn.modules.batchnorm._BatchNorm):
                    module.eval()
                elif isinstance(module, nn.Dropout):
                    assert module.p == 0.5
                    module.p = 0.0
        x = torch.randn(1, 3, side, side, generator=torch.Generator().manual_seed(1))
        wanted, (logits, (auxiliary,)) = theirs(x), ours(x)
    for a, b in ((wanted.logits, logits), (wanted.aux_logits, auxiliary)):
        assert (a - b).abs().max() < TOLERANCE * a.abs().max()
    assert ours.auxiliary_weights == (0.4,)  # "weight=0.4, scope='aux_loss'" in the authors' training code


def test_the_head_takes_small_maps():
    head = AuxiliaryHead(768, 10).eval()
    for side in (3, 7, 16, 17, 20):
        assert head(torch.randn(1, 768, side, side)).shape == (1, 10)


def test_the_widest_module_stacks_1x3_and_3x1():
    block = InceptionC(1280)
    assert block(torch.randn(2, 1280, 8, 8)).shape == (2, 320 + 2 * 384 + 2 * 384 + 192, 8, 8)


def test_initial_distribution():
    network = cnnlab.create_model("inception_v3")
    assert network.grid17[0].conv7x7[1].conv.weight.std().item() == pytest.approx(0.1, rel=0.01)
    assert network.auxiliary.conv2.conv.weight.std().item() == pytest.approx(0.01, rel=0.01)
    assert network.auxiliary.fc.weight.std().item() == pytest.approx(0.001, rel=0.01)
