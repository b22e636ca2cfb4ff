"""Pictures of every kind as one kind, and of one size: what training and asking a network have in common.

``load_images`` and :class:`cnnlab.weights.Preprocess` both decode, turn, convert and fit with the functions of this
file, so that a network that is asked sees its pictures as it saw those that it was trained on.
"""

from __future__ import annotations

import io
import os
import re
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cnnlab.errors import whole_number

if TYPE_CHECKING:
    import numpy
    from PIL.Image import Image
    from torch import Tensor

__all__ = [
    "SUFFIXES",
    "BrokenImage",
    "open_picture",
    "picture_of_bytes",
    "upright_color",
    "resized_sides",
    "middle",
    "fitted",
    "read_picture",
    "resize_images",
    "scale_and_shift",
]

SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"}
)
# What may tell Pillow that a picture is to be turned, or that a color of it is transparent.
_MARKS = frozenset({"exif", "xmp", "XML:com.adobe.xmp", "transparency"})
# Of a picture that is longer than this many times its width, only the middle is resized: the rest is cut away anyway.
_LONG = 64


class BrokenImage(ValueError):
    """A file that looks like a picture and cannot be read as one."""


# --- one kind --------------------------------------------------------------------------------------------------------


def open_picture(path: str | Path) -> Image:
    """A picture file, decoded, upright, 8-bit RGB.

    Raises:
        BrokenImage: the file cannot be decoded; the message names it and why.
    """
    try:
        if not os.path.isfile(path):  # reading a pipe would wait for ever
            raise OSError("it is a link to nowhere" if os.path.islink(path) else "it is no regular file")
        return _decoded(path)
    except _faults() as error:
        raise BrokenImage(
            f"{path} cannot be read as a picture ({' '.join(str(error).split())[:120]}): replace or delete it, "
            'or pass on_error="skip" to leave broken files out.'
        ) from None


def picture_of_bytes(content: bytes, name: str) -> Image:
    """What a picture file holds, decoded as :func:`open_picture` does.

    Args:
        content: of a file that came over a network or from a browser.
        name: what the error calls it.

    Raises:
        BrokenImage: it cannot be decoded; the message names it and why.
    """
    try:
        return _decoded(io.BytesIO(content))
    except _faults() as error:
        # Of bytes that it does not know, Pillow says where in memory they lie.
        why = re.sub(r"cannot identify image file.*", "of no known kind", " ".join(str(error).split()))[:120]
        raise BrokenImage(f"{name} cannot be read as a picture ({why}): give a JPEG, a PNG or a WebP.") from None


def _decoded(file: str | Path | io.BytesIO) -> Image:
    from PIL import Image

    with Image.open(file) as image:
        image.load()  # some marks stand behind the pixels
        # Nothing to convert: small pictures by the ten thousand come this way.
        return image if image.mode == "RGB" and not _MARKS & image.info.keys() else upright_color(image)


def _faults() -> tuple[type[Exception], ...]:
    """What Pillow raises over bytes that are no picture."""
    from PIL import Image, UnidentifiedImageError

    bomb = Image.DecompressionBombError
    return (UnidentifiedImageError, bomb, OSError, SyntaxError, ValueError, EOFError, struct.error)


def upright_color(image: Image) -> Image:
    """A Pillow picture as ``load_images`` sees it: turned as its camera says, 8-bit RGB, transparency on white."""
    from PIL import ImageOps

    return _eight_bit_color(ImageOps.exif_transpose(image))


def _eight_bit_color(image: Image) -> Image:
    """Any mode of Pillow as 8-bit RGB: 16-bit gray is scaled, transparency is laid on white."""
    import numpy
    from PIL import Image

    if image.mode.startswith("I") or image.mode == "F":
        values = numpy.asarray(image, dtype=numpy.float64)
        # 16-bit files use 0..65535 whatever they hold, so that one scale holds for all of a folder (12 bits keep 16
        # of 256 gray levels); 32-bit ones hold 8 bits, 16 bits or more, and floats are stretched over what they hold.
        highest = max(float(values.max(initial=0)), 1.0)
        sixteen = image.mode.startswith("I;16")
        top = 65535.0 if sixteen else highest if image.mode == "F" else 255.0 if highest <= 255 else 65535.0
        return Image.fromarray((values.clip(0) * (255 / top)).round().clip(0, 255).astype(numpy.uint8)).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    return image.convert("RGB")


# --- one size --------------------------------------------------------------------------------------------------------


def resized_sides(height: int, width: int, resize: int | tuple[int, int]) -> tuple[int, int]:
    """Height and width after resizing: the shorter side at ``resize``, or both as given.

    The longer side is rounded down, as torchvision does.
    """
    if not isinstance(resize, int):
        return resize
    if width <= height:
        return int(resize * height / width), resize
    return resize, int(resize * width / height)


def middle(length: int, cut: int) -> int:
    """Where a cut of ``cut`` pixels out of the middle of ``length`` begins: on a whole pixel, so that none is blurred.

    Of the two places beside a half, the even one, as torchvision does.
    """
    return round((length - cut) / 2)


def fitted(image: Image, resize: int | tuple[int, int], crop: tuple[int, int], interpolation: str, pad: bool) -> Image:
    """The one way in which pictures get their size here. A Pillow picture of any size -> one of ``crop``.

    Args:
        resize: the shorter side in pixels before the middle is cut out, or (height, width) of any picture.
        crop: (height, width) of what comes out.
        interpolation: "bilinear" or another of Pillow's filters, with antialiasing.
        pad: nothing is cut: the whole picture is resized into ``crop``, and black makes up the rest.
    """
    from PIL import Image, ImageOps

    tall, wide = crop
    how = Image.Resampling[interpolation.upper()]
    if image.size == (wide, tall) and (pad or resized_sides(tall, wide, resize) == crop):
        return image
    if pad:
        return ImageOps.pad(image, (wide, tall), how)
    height, width = resized_sides(image.height, image.width, resize)
    left, top = middle(width, wide), middle(height, tall)
    if max(height, width) > _LONG * max(min(height, width), max(crop)):
        # The same geometry; the whole would need memory for pixels that nobody sees.
        across, down = image.width / width, image.height / height
        box = (left * across, top * down, (left + wide) * across, (top + tall) * down)
        within = (image.width, image.height) * 2
        return image.resize((wide, tall), how, tuple(min(max(0.0, at), end) for at, end in zip(box, within)))
    if image.size != (width, height):
        image = image.resize((width, height), how)
    return image.crop((left, top, left + wide, top + tall))  # black beyond the edges, should it be larger


def read_picture(path: str | Path, size: int | None = None, *, channels: int = 3, fit: str = "crop") -> numpy.ndarray:
    """One picture file as uint8 (size, size, channels); ``size=None`` keeps its own height and width.

    Args:
        fit: "crop", "pad" or "stretch", as in :func:`cnnlab.data.load_images`.

    Raises:
        BrokenImage: the file cannot be decoded; the message names it and the remedy.
    """
    import numpy

    image = open_picture(path)
    if channels == 1:
        image = image.convert("L")
    if size is not None:
        image = fitted(image, (size, size) if fit == "stretch" else size, (size, size), "bilinear", fit == "pad")
    pixels = numpy.asarray(image)
    return pixels[:, :, None] if channels == 1 else pixels


def resize_images(images: Tensor, size: int, chunk: int = 1024) -> Tensor:
    """uint8 or float32 (N, C, H, W) -> the same type, (N, C, size, size), bilinear with antialiasing."""
    from torch.nn.functional import interpolate

    size = whole_number("size", size, "Give the side length in pixels.")
    if tuple(images.shape[2:]) == (size, size):
        return images
    out = images.new_empty(*images.shape[:2], size, size)
    for part, target in zip(images.split(chunk), out.split(chunk), strict=True):
        resized = interpolate(part.float(), size=(size, size), mode="bilinear", antialias=True, align_corners=False)
        target.copy_(resized.clamp_(0, 1) if images.is_floating_point() else resized.round_().clamp_(0, 255))
    return out


# --- numbers ---------------------------------------------------------------------------------------------------------


def scale_and_shift(mean: Sequence[float], std: Sequence[float]) -> tuple[Tensor, Tensor]:
    """(pixel - mean) / std of pixels in [0, 1] as one multiplication and one addition. Shape of both: (C, 1, 1)."""
    import torch

    pixel_mean = torch.tensor(mean, dtype=torch.float32).view(-1, 1, 1)
    pixel_std = torch.tensor(std, dtype=torch.float32).view(-1, 1, 1)
    return 1 / pixel_std, -pixel_mean / pixel_std
