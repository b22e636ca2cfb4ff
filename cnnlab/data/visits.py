"""A folder of photographs as somebody would bring it home: a few visits, and several shots on each."""

from __future__ import annotations

from pathlib import Path

from cnnlab.data.bundled import TEXTURE_PHOTOS, sample_photos
from cnnlab.errors import whole_number

__all__ = ["write_visits"]

_NEAR, _FAR = 0.45, 2.6  # how much larger than in the photograph things are
_SHAKE = 8  # pixels by which the camera moves between two shots


def write_visits(folder: str | Path, visits: int = 6, shots: int = 5, size: int = 96, seed: int = 0) -> Path:
    """Write ``folder/<texture>/visit-07/3.png``: patches of seven of scikit-image's photographs, visit by visit.

    On each visit the camera stands at a place, at a distance (up to six times another visit's), in a light, a color
    of light and a focus of that day, and is turned by quarters. From shot to shot it moves by less than 8 pixels, and
    noise is new. Visits are numbered through all textures.

    Args:
        folder: made if need be; must be empty.
        visits: of each texture.
        shots: on each visit.
        size: height and width in pixels.
        seed: the same seed writes the same pictures.

    Returns:
        The folder.

    Raises:
        ValueError: a number that is no positive whole number, or a folder with something in it.
    """
    import numpy as np
    from PIL import Image, ImageFilter

    visits, shots, size = (
        whole_number(name, given, "Give 1 or more.")
        for name, given in (("visits", visits), ("shots", shots), ("size", size))
    )
    folder = Path(folder).expanduser()
    if folder.exists() and any(folder.iterdir()):
        raise ValueError(f"folder={str(folder)!r} is not empty: give a new one.")
    photos = sample_photos()
    random = np.random.default_rng(seed)
    for number, (name, photo) in enumerate(TEXTURE_PHOTOS.items()):
        whole = Image.fromarray(photos[photo]).convert("L")
        for visit in range(visits):
            side = min(round(64 * np.exp(random.uniform(np.log(_NEAR), np.log(_FAR)))), *(n - 12 for n in whole.size))
            left, top = (int(random.integers(0, n - side - _SHAKE)) for n in whole.size)
            contrast, brightness = random.uniform(0.4, 1.3), random.uniform(-40, 60)
            color = random.uniform(0.75, 1.25, 3)
            focus, quarters = random.uniform(0, 1.5), int(random.integers(0, 4))
            place = folder / name / f"visit-{number + len(TEXTURE_PHOTOS) * visit:02d}"
            place.mkdir(parents=True)
            for shot in range(shots):
                x, y = (start + int(random.integers(0, _SHAKE)) for start in (left, top))
                patch = whole.crop((x, y, x + side, y + side)).resize((size, size), Image.Resampling.BICUBIC)
                gray = np.asarray(patch.filter(ImageFilter.GaussianBlur(focus)).rotate(90 * quarters), dtype=float)
                lit = (gray - gray.mean()) * contrast + gray.mean() + brightness
                pixels = lit[..., None] * color + random.normal(0, 4, (size, size, 3))
                Image.fromarray(pixels.clip(0, 255).round().astype(np.uint8)).save(place / f"{shot}.png")
    return folder
