"""Global average pooling: one number for each channel, the average over the whole map.

M. Lin, Q. Chen, S. Yan: Network in Network, ICLR 2014 (arXiv 2013), section 3.2. https://arxiv.org/abs/1312.4400

    y[n, c] = sum over i, j of x[n, c, i, j] / (H W)

It stands where AlexNet and VGG flatten the map into dense layers. It has no parameters, so nothing in it can overfit,
and it takes maps of any size. What it gives up is where things are. It is a convolution too: depthwise, with a kernel
as large as the map and all weights 1 / (H W). Since it is linear, a dense layer after it may as well be a pointwise
convolution before it, whose maps show which pixels spoke for a class (class activation maps, Zhou et al. 2016).
"""

from __future__ import annotations

from torch import Tensor, nn

from cnnlab.convolutions.checks import summed_in_32_bits

__all__ = ["global_average_pool", "GlobalAveragePool"]


@summed_in_32_bits
def global_average_pool(x: Tensor, keepdim: bool = False) -> Tensor:
    """Add up all pixels of each channel, and divide by their number.

    The sum is long, and 16 bits cannot hold it: in bfloat16, 1.5 more on top of 512 is still 512. So half precision is
    summed in 32 bits and rounded at the end.

    Shape: (N, C, H, W) -> (N, C), or (N, C, 1, 1) with ``keepdim``. Works for (N, C, T, H, W) and (N, C, L) too.
    """
    if x.dim() < 3 or 0 in x.shape[1:]:
        raise ValueError(f"x has shape {tuple(x.shape)} and so no map to average; give (N, C, H, W).")
    if not x.is_floating_point():
        raise ValueError(f"x is {x.dtype}, and averages are rarely whole; give x.float().")
    pixels = x.flatten(2)  # (N, C, H W)
    total = x.new_zeros(x.shape[:2])
    for i in range(pixels.shape[2]):
        total = total + pixels[:, :, i]
    average = total / pixels.shape[2]
    return average.reshape(*x.shape[:2], *(1,) * (x.dim() - 2)) if keepdim else average


class GlobalAveragePool(nn.Module):
    """The average of every channel. Shape: (N, C, H, W) -> (N, C), or (N, C, 1, 1) with ``keepdim``; any map.

    Clips (N, C, T, H, W) will do. Three axes will not: a single picture (C, H, W) would pass for a batch of signals.

    Args:
        keepdim: whether to keep the axes of the map, with one pixel each.
    """

    def __init__(self, keepdim: bool = False) -> None:
        super().__init__()
        self.keepdim = keepdim

    def forward(self, x: Tensor) -> Tensor:
        if x.dim() < 4:
            remedy = " x[None] is a batch of one." if x.dim() == 3 else ""
            raise ValueError(f"x has shape {tuple(x.shape)}; give a batch of maps, (N, C, H, W).{remedy}")
        return x.mean(dim=tuple(range(2, x.dim())), keepdim=self.keepdim)

    def extra_repr(self) -> str:
        return f"keepdim={self.keepdim}"
