"""Small networks of equal work, with windows and without, and what is done to their pictures."""

from __future__ import annotations

import base64

import torch
from torch import Tensor, nn

from cnnlab.errors import unknown_name
from cnnlab.layers import ConvNormAct, he_normal_
from cnnlab.models.vit import VisionTransformer, ViTVariant

__all__ = ["SIZE", "PATCH", "DIM", "KINDS", "small", "packed", "unpacked", "shuffled_patches", "shifted"]

SIZE, PATCH, DIM = 24, 4, 32  # pixels of a picture and of a patch, numbers of a token
KINDS = ("CNN", "ViT", "ViT, conv stem", "ViT, no positions", "ViT, average")


class _Block(nn.Module):
    """Two 3x3 convolutions and a shortcut, as in a ResNet. Shape: (N, C, H, W) -> (N, K, H / stride, W / stride)."""

    def __init__(self, in_channels: int, channels: int, stride: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            ConvNormAct(in_channels, channels, kernel=3, stride=stride),
            ConvNormAct(channels, channels, kernel=3, activation=None),
        )
        same = stride == 1 and in_channels == channels
        projection = ConvNormAct(in_channels, channels, kernel=1, stride=stride, activation=None)
        self.shortcut: nn.Module = nn.Identity() if same else projection

    def forward(self, x: Tensor) -> Tensor:
        return (self.layers(x) + self.shortcut(x)).relu()


def _cnn(in_channels: int, num_classes: int, widths: tuple[int, int, int] = (8, 16, 40)) -> nn.Sequential:
    """A ResNet of eight layers, with a last stage as wide as makes its MACs those of the ViT."""
    first, second, third = widths
    net = nn.Sequential(
        ConvNormAct(in_channels, first, kernel=3),  # (N, 8, 24, 24)
        _Block(first, first, 1),
        _Block(first, second, 2),  # (N, 16, 12, 12)
        _Block(second, third, 2),  # (N, 40, 6, 6)
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(third, num_classes),
    )
    he_normal_(net, "fan_out")
    return net


def _stem(in_channels: int) -> nn.Sequential:
    """Four convolutions in place of the patches. Shape: (N, C, 24, 24) -> (N, 32, 6, 6)."""
    net = nn.Sequential(
        ConvNormAct(in_channels, DIM // 2, kernel=3, stride=2),  # (N, 16, 12, 12)
        ConvNormAct(DIM // 2, DIM // 2, kernel=3),
        ConvNormAct(DIM // 2, DIM, kernel=3, stride=2),  # (N, 32, 6, 6)
        nn.Conv2d(DIM, DIM, kernel_size=1),
    )
    he_normal_(net, "fan_out")
    return net


class _Averaged(VisionTransformer):
    """Without a class token: the head reads the average of all patches."""

    def __init__(self, variant: ViTVariant, num_classes: int, in_channels: int) -> None:
        super().__init__(variant, num_classes, in_channels)
        del self.class_token
        self.encoder.position = nn.Parameter(self.encoder.position.detach()[:, 1:].clone())

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2)
        return self.fc(self.encoder(x).mean(dim=1))


def small(kind: str = "ViT", *, in_channels: int = 3, num_classes: int = 10) -> nn.Module:
    """One of `KINDS`, for pictures of 24 pixels. Shape: (N, in_channels, 24, 24) -> (N, num_classes).

    The ViT has 36 patches of 4 pixels, four blocks of four heads and 32 numbers for each token. With the convolutional
    stem it has a block less, as in Xiao et al., "Early convolutions help transformers see better" (2021), so that all
    take about the same multiplications.

    Raises:
        ValueError: no kind has this name.
    """
    if kind not in KINDS:
        raise unknown_name("kind", kind, KINDS)
    if kind == "CNN":
        return _cnn(in_channels, num_classes)
    layers = 3 if kind == "ViT, conv stem" else 4
    variant = ViTVariant(patch=PATCH, layers=layers, dim=DIM, heads=4, image_size=SIZE)
    if kind == "ViT, average":
        return _Averaged(variant, num_classes, in_channels)
    net = VisionTransformer(variant, num_classes, in_channels)
    if kind == "ViT, conv stem":
        net.patches = _stem(in_channels)
    if kind == "ViT, no positions":
        nn.init.zeros_(net.encoder.position).requires_grad_(False)
    return net


# --- weights as text ------------------------------------------------------------------------------------------------


def packed(net: nn.Module) -> str:
    """Its parameters as 16-bit numbers in base64, for a recorded file."""
    numbers = torch.cat([p.detach().cpu().flatten() for p in net.parameters()]).half()
    return base64.b64encode(numbers.numpy().astype("<f2").tobytes()).decode()


def unpacked(text: str, net: nn.Module) -> nn.Module:
    """``net``, with the parameters that `packed` wrote.

    Raises:
        ValueError: they are those of another network.
    """
    import numpy as np

    numbers = torch.from_numpy(np.frombuffer(base64.b64decode(text), "<f2").astype("float32"))
    sizes = [p.numel() for p in net.parameters()]
    if sum(sizes) != len(numbers):
        raise ValueError(f"the text holds {len(numbers):,} numbers and this network has {sum(sizes):,}: give its own.")
    with torch.no_grad():
        for p, own in zip(net.parameters(), numbers.split(sizes), strict=True):
            p.copy_(own.view_as(p))
    return net


# --- what is done to pictures -----------------------------------------------------------------------------------------


def shuffled_patches(images: Tensor, patch: int = PATCH, seed: int = 0) -> Tensor:
    """The patches of each picture in another order, one that is drawn for it. Shape: (N, C, H, W), of any type.

    Raises:
        ValueError: H or W is no multiple of ``patch``.
    """
    n, channels, height, width = images.shape
    if height % patch or width % patch:
        raise ValueError(f"pictures of {height} x {width} cannot be cut into patches of {patch}: choose a divisor.")
    cut = images.reshape(n, channels, height // patch, patch, width // patch, patch)
    cut = cut.permute(0, 2, 4, 1, 3, 5).flatten(1, 2)  # (N, patches, C, patch, patch)
    generator = torch.Generator().manual_seed(seed)
    order = torch.rand(n, cut.shape[1], generator=generator).argsort(dim=1).to(images.device)
    cut = cut[torch.arange(n, device=images.device)[:, None], order]
    cut = cut.unflatten(1, (height // patch, width // patch)).permute(0, 3, 1, 4, 2, 5)
    return cut.reshape(images.shape)


def shifted(images: Tensor, by: int) -> Tensor:
    """Moved to the right by ``by`` pixels; what comes in on the left repeats the edge. Shape: (N, C, H, W)."""
    columns = (torch.arange(images.shape[3], device=images.device) - by).clamp_min(0)
    return images[..., columns]
