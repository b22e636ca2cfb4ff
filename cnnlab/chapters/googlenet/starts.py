"""Three ways to draw the first weights of a network without batch norm, which decide how far a gradient comes."""

from __future__ import annotations

from torch import nn

from cnnlab.errors import unknown_name
from cnnlab.layers import he_normal_

__all__ = ["STARTS", "restart"]

STARTS = ("he", "caffe", "small")


def restart(model: nn.Module, start: str) -> nn.Module:
    """Draw the weights of all convolutions and dense layers anew, in place.

    Args:
        model: any network.
        start: "he", normal with variance 2 / fan-in and zero biases (He et al., 2015); "caffe", as in Caffe's file of
            GoogLeNet, uniform with variance 1 / fan-in, and biases of 0.2 in the convolutions; or "small", normal with
            deviation 0.01 and zero biases, as in torchvision's.

    Returns:
        The model.

    Raises:
        ValueError: no start has this name.
    """
    if start not in STARTS:
        raise unknown_name("start", start, STARTS)
    if start == "he":
        he_normal_(model, mode="fan_in")
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            if start == "caffe":
                bound = (3 / module.weight[0].numel()) ** 0.5
                nn.init.uniform_(module.weight, -bound, bound)
            elif start == "small":
                nn.init.trunc_normal_(module.weight, std=0.01)
            if module.bias is not None:
                nn.init.constant_(module.bias, 0.2 if start == "caffe" and isinstance(module, nn.Conv2d) else 0.0)
    return model
