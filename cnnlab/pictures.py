"""A picture of any kind as 8-bit color, the same for data sets and for pretrained networks."""

from __future__ import annotations

import numpy


def upright_color(image):
    """A Pillow picture as ``load_images`` sees it: turned as its camera says, 8-bit RGB, transparency on white."""
    from PIL import ImageOps

    return _eight_bit_color(ImageOps.exif_transpose(image))


def _eight_bit_color(image):
    """Any mode of Pillow as 8-bit RGB: 16-bit gray is scaled, transparency is laid on white."""
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
