"""Where crops are cut out of a picture: as published, or as you say.

- ``"alexnet"``: the middle 256 x 256 of a picture whose shorter side is 256, its four corners and its middle of 224,
  and their mirror images (Krizhevsky et al., 2012, section 4.1). torchvision's ``TenCrop`` cuts the corners of whatever
  it is given: of the whole rectangle, where nobody has cut out the square before. And it mirrors the picture first, so
  that its mirrored middle lies a pixel aside where the margin is odd.
- ``"googlenet"``: shorter sides of 256, 288, 320 and 352; of each the left, middle and right square (upper, middle and
  lower, if it is tall); of each of these four corners, middle and the whole square resized to 224; and all mirrored:
  4 x 3 x 6 x 2 = 144 (Szegedy et al., 2015, section 7).
- ``"vgg"``: shorter sides of 256, 384 and 512; of each whole rectangle a regular grid of 5 x 5 crops, mirrored: 150
  (Simonyan and Zisserman, 2015, section 3.2). Its dense evaluation is :func:`cnnlab.evaluation.dense`.
- ``"center"``: what a network is asked by default.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from cnnlab.errors import unknown_name, whole_number
from cnnlab.pictures import middle, resized_sides

__all__ = ["PUBLISHED", "Crop", "Crops", "scheme_of", "check_sides"]

_PLACES = ("corners", "center")


class Crop(NamedTuple):
    """One crop: the picture is resized, a square is cut out, resized to the network's size and perhaps mirrored.

    Attributes:
        resized: (height, width) of the whole picture.
        top, left, side: of the square in it, in pixels.
        mirrored: left and right are exchanged.
    """

    resized: tuple[int, int]
    top: int
    left: int
    side: int
    mirrored: bool


@dataclass(frozen=True)
class Crops:
    """A scheme of crops.

    Attributes:
        crop: side in pixels of what the network is given.
        scales: shorter sides to which the picture is resized; empty for its own size.
        squares: of each resized picture 1 square (the middle), 3 (both ends and the middle), or None: the rectangle.
        places: "corners" for four corners and the middle, "center", or a number k for a regular grid of k x k.
        whole: each square as a whole, resized, as well.
        mirrors: all of them mirrored as well, after those that are not.
    """

    crop: int = 224
    scales: tuple[int, ...] = (256,)
    squares: int | None = 1
    places: str | int = "corners"
    whole: bool = False
    mirrors: bool = True

    def __post_init__(self) -> None:
        whole_number("crop", self.crop, "Give the side that the network takes.")
        object.__setattr__(self, "scales", tuple(self.scales))
        for scale in self.scales:
            if whole_number("scales", scale, "Give shorter sides in pixels, such as (256,).") < self.crop:
                raise ValueError(
                    f"scales={self.scales}: {scale} is smaller than crop={self.crop}. Give {self.crop} or more."
                )
        if self.squares not in (None, 1, 3):
            raise ValueError(f"squares={self.squares!r} must be 1, 3, or None for the whole rectangle.")
        if isinstance(self.places, str) and self.places not in _PLACES:
            raise unknown_name("places", self.places, _PLACES, "Or give a number k for a grid of k x k.")
        if not isinstance(self.places, str):
            whole_number("places", self.places, "Give k for a grid of k x k, 'corners' or 'center'.")
        if self.whole and self.squares is None:
            raise ValueError("whole=True resizes squares as a whole: give squares=1 or 3.")

    @property
    def count(self) -> int:
        """How many crops there are of a picture."""
        places = {"corners": 5, "center": 1}[self.places] if isinstance(self.places, str) else self.places**2
        return (len(self.scales) or 1) * (self.squares or 1) * (places + self.whole) * (1 + self.mirrors)

    def of(self, height: int, width: int) -> list[Crop]:
        """The crops of a picture of this size. Within a square the plain ones come first, then their mirror images.

        Raises:
            ValueError: the picture is smaller than a crop.
        """
        found = []
        for scale in self.scales or (None,):
            tall, wide = (height, width) if scale is None else resized_sides(height, width, scale)
            if min(tall, wide) < self.crop:
                raise ValueError(
                    f"A picture of {height} x {width} pixels is smaller than crop={self.crop}: give scales= of "
                    f"{self.crop} or more, or a smaller crop."
                )
            for top, left, h, w in self._squares(tall, wide):
                places = [(top + y, left + x, self.crop) for y, x in self._places(h, w)]
                places += [(top, left, h)] if self.whole else []
                for mirrored in (False, True) if self.mirrors else (False,):
                    found += [Crop((tall, wide), *place, mirrored) for place in places]
        return found

    def _squares(self, tall: int, wide: int) -> list[tuple[int, int, int, int]]:
        """(top, left, height, width) of each."""
        if self.squares is None:
            return [(0, 0, tall, wide)]
        side = min(tall, wide)
        ends = [middle(tall, side) + middle(wide, side)]  # one of the two is 0
        ends = ends if self.squares == 1 else [0, *ends, max(tall, wide) - side]
        return [(end, 0, side, side) if tall > wide else (0, end, side, side) for end in ends]

    def _places(self, tall: int, wide: int) -> list[tuple[int, int]]:
        """(top, left) of the crops in a square or rectangle."""
        down, across = tall - self.crop, wide - self.crop
        center = (middle(tall, self.crop), middle(wide, self.crop))
        if self.places == "center":
            return [center]
        if self.places == "corners":
            return [(0, 0), (0, across), (down, 0), (down, across), center]
        k = int(self.places)
        if k == 1:
            return [center]
        return [(round(i * down / (k - 1)), round(j * across / (k - 1))) for i in range(k) for j in range(k)]


PUBLISHED: dict[str, Crops] = {
    "center": Crops(places="center", mirrors=False),
    "alexnet": Crops(),
    "googlenet": Crops(scales=(256, 288, 320, 352), squares=3, whole=True),
    "vgg": Crops(scales=(256, 384, 512), squares=None, places=5),
}


def scheme_of(crops: str | Crops) -> Crops:
    """A scheme, by its name or itself."""
    if isinstance(crops, Crops):
        return crops
    if not isinstance(crops, str) or crops not in PUBLISHED:
        raise unknown_name("crops", crops, PUBLISHED, "Or give Crops(...) of your own.")
    return PUBLISHED[crops]


def check_sides(scales: Sequence[int]) -> tuple[int, ...]:
    """Shorter sides, as whole numbers."""
    return tuple(whole_number("scales", scale, "Give shorter sides in pixels, such as (224, 256).") for scale in scales)
