"""From any picture to the numbers that a network was trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from cnnlab.pictures import fitted, middle, resize_images, resized_sides, scale_and_shift, upright_color

if TYPE_CHECKING:
    import numpy
    from PIL.Image import Image

__all__ = ["KINDS", "Preprocess", "plain_preprocess", "pixels_of"]

# What a picture in memory may be; a file is opened by `cnnlab.predict`.
KINDS = "a PIL image, a tensor or a NumPy array"


@dataclass(frozen=True)
class Preprocess:
    """From a picture to the tensor that a network was trained on: resize, center crop, normalize.

    Official weights bring theirs, and ``data.preprocess`` is that of a data set of ours. Call it with a PIL image, a
    tensor (C, H, W) or (N, C, H, W), or a NumPy array (H, W) or (H, W, C), uint8 or floats in [0, 1]: the same pixels
    give the same numbers in each of these forms. Gray pictures are repeated over three channels, colors are made gray
    for a network of one channel, transparency is laid on white and a camera's rotation mark is followed.
    Shape: any picture -> (channels, crop, crop).

    Args:
        resize: the shorter side in pixels before the middle is cut out, or (height, width) of any picture.
        crop: of what the network sees; one number for a square, or (height, width).
        mean, std: per channel, of pixels in [0, 1].
        interpolation: "bilinear" or "bicubic", with antialiasing.
        pad: the whole picture is resized into ``crop``, and black makes up the rest.
        then: sides that the cut picture is resized to afterwards, as :meth:`cnnlab.data.Dataset.resized` does.
        as_batches: normalize as :func:`cnnlab.data.batches` does, and not as torchvision does; they differ in the last
            digit.
        floats: the network was trained on pictures of floats, which keep what bytes would round away.
    """

    resize: int | tuple[int, int]
    crop: int | tuple[int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    interpolation: str = "bilinear"
    pad: bool = False
    then: tuple[int, ...] = ()
    as_batches: bool = False
    floats: bool = False

    def __call__(self, picture: Image | Tensor | numpy.ndarray) -> Tensor:
        return self.normalized(self.pixels(picture))

    @property
    def channels(self) -> int:
        """How many the network takes."""
        return len(self.mean)

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of what the network sees."""
        if self.then:
            return (self.then[-1], self.then[-1])
        return (self.crop, self.crop) if isinstance(self.crop, int) else self.crop

    def pixels(self, picture: Image | Tensor | numpy.ndarray) -> Tensor:
        """What the network sees of a picture, before it is normalized.

        Returns:
            uint8, or floats in [0, 1] if those were given and are not bytes divided by 255.
            Shape: (channels, height, width), or (N, channels, height, width) of a tensor of several.

        Raises:
            TypeError: neither a PIL image, a tensor nor an array, or of numbers that are no pixels.
            ValueError: of a shape that is no picture's, or floats outside [0, 1].
        """
        if isinstance(picture, Tensor) and picture.dim() == 4:
            if not len(picture):
                raise ValueError(f"a picture of shape {tuple(picture.shape)}: there is none in it.")
            return torch.stack([self.pixels(one) for one in picture])
        x = _as_given(picture, self.channels, self.floats)
        crop = (self.crop, self.crop) if isinstance(self.crop, int) else self.crop
        if not isinstance(x, Tensor):
            x = self._fit_image(x.convert("L") if self.channels == 1 else x, crop)
        elif x.dtype is torch.uint8:  # of channels that are no colors, each is a gray picture
            x = torch.cat([self._fit_image(_image(layer[None]), crop) for layer in x])
        else:
            x = _fit_floats(x, self, crop)
        x = x.float() / 255 if self.floats and x.dtype is torch.uint8 else x
        for side in self.then:
            x = resize_images(x[None], side)[0]
        return x.to(picture.device) if isinstance(picture, Tensor) else x

    def _fit_image(self, image: Image, crop: tuple[int, int]) -> Tensor:
        return pixels_of(fitted(image, self.resize, crop, self.interpolation, self.pad))

    def normalized(self, pixels: Tensor) -> Tensor:
        """Pixels as the network takes them. Shape: (..., channels, height, width), the same."""
        if self.as_batches:
            scale, shift = (number.to(pixels.device) for number in scale_and_shift(self.mean, self.std))
            if pixels.dtype is torch.uint8:
                return pixels.to(torch.float32).mul_(scale / 255).add_(shift)
            return pixels.to(torch.float32).mul(scale).add(shift)
        from torchvision.transforms import functional as transforms

        return transforms.normalize(transforms.convert_image_dtype(pixels, torch.float), self.mean, self.std)


def plain_preprocess(shape: Sequence[int], mean: Sequence[float], std: Sequence[float], fit: str) -> Preprocess:
    """That of pictures in memory of one ``shape`` (C, H, W), made so by ``fit``: "crop", "pad" or "stretch"."""
    _, height, width = shape
    resize = height if height == width and fit != "stretch" else (height, width)
    return Preprocess(resize, (height, width), tuple(mean), tuple(std), pad=fit == "pad", as_batches=True)


def pixels_of(image: Image) -> Tensor:
    """A Pillow picture of mode "RGB" or "L" as uint8 (C, H, W)."""
    import numpy

    array = numpy.array(image)  # a copy: torch wants to write to it
    return torch.from_numpy(array if array.ndim == 3 else array[:, :, None]).permute(2, 0, 1).contiguous()


def _as_given(picture: Image | Tensor | numpy.ndarray, channels: int, floats: bool) -> Image | Tensor:
    """An upright RGB image; a tensor where there are no bytes, or where the channels are no colors."""
    from PIL import Image

    if isinstance(picture, Image.Image):
        x: Image.Image | Tensor = upright_color(picture)
    else:
        x = _tensor(picture, channels, floats)
        if x.dtype is torch.uint8 and (channels in (1, 3) or len(x) != channels):
            x = upright_color(_image(x))
    if channels not in (1, 3) and (not isinstance(x, Tensor) or len(x) != channels):
        what = "of three colors" if not isinstance(x, Tensor) else f"of {len(x)} channels"
        raise ValueError(f"a picture {what}: the network takes {channels} channels; give a tensor ({channels}, H, W).")
    if isinstance(x, Tensor) and channels in (1, 3):
        x = _colors(x, channels)
    return x


def _tensor(picture: Tensor | numpy.ndarray, channels: int, floats: bool) -> Tensor:
    """(C, H, W): bytes, or floats in [0, 1] that are none, or that are to stay what they are."""
    import numpy

    allowed = {1, 3, 4, channels}
    if isinstance(picture, numpy.ndarray):
        array = picture[:, :, None] if picture.ndim == 2 else picture
        if array.ndim != 3 or array.shape[2] not in allowed or not array.size:
            raise ValueError(f"a picture of shape {picture.shape}: (H, W), (H, W, 3) or (H, W, 4) is wanted.")
        if array.dtype == numpy.uint16 and array.shape[2] == 1:  # a 16-bit file of gray, read by another library
            array = (array * (255 / 65535)).round().astype(numpy.uint8)
        if array.dtype not in (numpy.uint8, numpy.float16, numpy.float32, numpy.float64):
            raise _no_pixels(array.dtype.name)
        picture = torch.from_numpy(numpy.ascontiguousarray(array.transpose(2, 0, 1)))
    if not isinstance(picture, Tensor):
        raise TypeError(f"a picture of type {type(picture).__name__}: give {KINDS}.")
    if picture.dim() != 3 or picture.shape[0] not in allowed or not picture.numel():
        last = picture.dim() == 3 and picture.shape[-1] in allowed
        remedy = " The channels come last: use x.permute(2, 0, 1)." if last else ""
        raise ValueError(
            f"a picture of shape {tuple(picture.shape)}: (C, H, W) or (N, C, H, W) is wanted, with C of "
            f"{', '.join(map(str, sorted(allowed)))}.{remedy}"
        )
    if not picture.dtype.is_floating_point:
        if picture.dtype is not torch.uint8:
            raise _no_pixels(str(picture.dtype).removeprefix("torch."))
        return picture.cpu()
    low, high = (float(value) for value in picture.detach().aminmax())
    if not (low >= -0.001 and high <= 1.001):
        raise ValueError(
            f"a picture of {str(picture.dtype).removeprefix('torch.')} with numbers from {low:g} to {high:g}: "
            "floats are shares of white, from 0 to 1. Divide it by its white, or give uint8."
        )
    if not (picture.requires_grad or floats):
        bytes_ = picture.double() * 255
        if (bytes_ - bytes_.round()).abs().max() < 1e-3:  # bytes that somebody has divided by 255
            return bytes_.round().clamp(0, 255).to(torch.uint8).cpu()
    return picture.float()


def _no_pixels(kind: str) -> TypeError:
    return TypeError(
        f"a picture of {kind}: give uint8 (0 to 255) or floats from 0 to 1, such as picture.astype('uint8') where it "
        "holds 0 to 255."
    )


def _image(x: Tensor) -> Image:
    """uint8 (C, H, W) with C of 1, 3 or 4 as a Pillow picture."""
    from PIL import Image

    array = x.permute(1, 2, 0).contiguous().numpy()
    return Image.fromarray(array[:, :, 0] if len(x) == 1 else array)


def _colors(x: Tensor, channels: int) -> Tensor:
    """Floats of 1, 3 or 4 channels as 1 or 3, the way that Pillow turns bytes into each other."""
    if len(x) == 4:
        x = x[:3] * x[3:] + (1 - x[3:])
    if len(x) == 1:
        return x.expand(channels, -1, -1)
    return x if channels == 3 else (x * x.new_tensor([0.299, 0.587, 0.114])[:, None, None]).sum(0, keepdim=True)


def _fit_floats(x: Tensor, to: Preprocess, crop: tuple[int, int]) -> Tensor:
    """What `fitted` does to bytes."""
    tall, wide = crop
    height, width = x.shape[1:]
    if to.pad:
        share = min(tall / height, wide / width)
        x = _resized(x, (min(tall, max(1, round(height * share))), min(wide, max(1, round(width * share)))), "bilinear")
        (left, top), black = (
            (round((wide - x.shape[2]) / 2), round((tall - x.shape[1]) / 2)),
            x.new_zeros(len(x), *crop),
        )
        black[:, top : top + x.shape[1], left : left + x.shape[2]] = x
        return black
    from torchvision.transforms.functional import center_crop

    height, width = resized_sides(height, width, to.resize)
    x = _resized(x, (height, width), to.interpolation)
    if height < tall or width < wide:
        return center_crop(x, [tall, wide])  # which lays black around it
    top, left = middle(height, tall), middle(width, wide)
    return x[:, top : top + tall, left : left + wide]


def _resized(x: Tensor, size: tuple[int, int], interpolation: str) -> Tensor:
    from torchvision.transforms import InterpolationMode
    from torchvision.transforms.functional import resize

    x = resize(x, list(size), interpolation=InterpolationMode(interpolation), antialias=True)
    return x.clamp(0, 1)  # bicubic overshoots
