"""Every explorer with something to show, for the tests of what all of them have to satisfy."""

from __future__ import annotations

from collections.abc import Callable

import numpy

from cnnlab import chapters, widgets

ROWS = [
    {"name": "small", "family": "A", "year": 2012, "params": 1_000_000, "macs": 50_000_000, "acc1": 60.0, "acc5": 80.0},
    {"name": "large", "family": "B", "params": 90_000_000, "macs": 9_000_000_000, "acc1": 81.5, "size": 224},
]
VIEWS = {path.stem: path for path in chapters.files("*.js")}
NAMES = sorted(VIEWS)
# An explorer is a function of the same name in cnnlab.widgets that can be called without arguments, but for these.
MAKERS: dict[str, Callable[..., widgets.Explorer]] = {name: getattr(widgets, name) for name in NAMES}
MAKERS["model_chart"] = lambda key=None: widgets.model_chart(ROWS, key=key)


def _channel_answers(key: str | None = None) -> widgets.Explorer:
    """Two photos of one color each, of two layers."""
    photos = {"dark": numpy.zeros((8, 8, 3), "uint8"), "light": numpy.full((8, 8, 3), 250, "uint8")}
    answers = {
        layer: {
            name: widgets.Answers(
                [3, 1, 4, 5],
                (numpy.arange(4 * side * side).reshape(4, side, side) * own % 256).astype("uint8"),
                [[(name, 0.25, 0.5), ("light", 1.0, 0.0), ("dark", 0.5, 0.5)]] * 4,
            )
            for own, name in enumerate(photos, 1)
        }
        for layer, side in (("first", 4), ("last", 2))
    }
    return widgets.channel_answers(photos, answers, {"first": 0.2, "last": 0.6}, key=key)


MAKERS["channel_answers"] = _channel_answers


def _channel_gates(key: str | None = None) -> widgets.Explorer:
    """Two pictures of one shade each, two blocks of three and five channels; the second channel is always shut."""
    photos = {"dark": numpy.zeros((8, 8, 3), "uint8"), "light": numpy.full((8, 8, 3), 250, "uint8")}
    usual = {"stage1.0": [0.5, 0.0, 1.0], "stage2.0": [0.1, 0.2, 0.3, 0.4, 0.5]}
    gates = [
        {
            block: widgets.ShownGate(
                [(number + shift) % 10 / 10 if number != 1 else 0.0 for number in range(len(typical))],
                (numpy.arange(len(typical) * side * side).reshape(-1, side, side) * 7 % 255 + 1).astype("uint8"),
                {"own": ("dark", 0.9), "usual": ("dark", 0.6), "off": ("light", 0.7)},
            )
            for (block, typical), side in zip(usual.items(), (4, 2), strict=True)
        }
        for shift in (0, 5)
    ]
    return widgets.channel_gates(photos, usual, gates, key=key)


MAKERS["channel_gates"] = _channel_gates


def _more_like_this(key: str | None = None) -> widgets.Explorer:
    """Four pieces of two photographs of one color each."""
    pieces = numpy.stack([numpy.full((3, 4, 4), shade, "uint8") for shade in (10, 20, 220, 240)])
    nearest = {"features": [[1, 2], [0, 3], [3, 1], [2, 0]], "pixels": [[2, 1], [3, 0], [0, 3], [1, 2]]}
    return widgets.more_like_this(pieces, ["dark", "dark", "light", "light"], nearest, key=key)


MAKERS["more_like_this"] = _more_like_this


def _ask_again(key: str | None = None) -> widgets.Explorer:
    """Three networks, two ways, fifty pictures."""
    drawn = numpy.random.default_rng(0)
    labels = drawn.integers(4, size=50)
    tables = drawn.random((2, 3, 50, 4)) + 1.2 * numpy.eye(4)[labels]
    tables /= tables.sum(-1, keepdims=True)
    return widgets.ask_again({"once": (1, tables[0]), "nine times": (9, tables[1])}, labels, key=key)


MAKERS["ask_again"] = _ask_again


def _split_leaks(key: str | None = None) -> widgets.Explorer:
    """Three classes of one color each, four visits, two shots; a shot is nearest to its sibling, then to its class."""
    visits = {
        name: [
            [numpy.full((8, 8, 3), 40 * row + 20 * visit + shot, "uint8") for shot in range(2)] for visit in range(4)
        ]
        for row, name in enumerate(("brick", "grass", "moon"))
    }
    features = [[100.0 * (row == c) for c in range(3)] + [8.0 * (visit == v) for v in range(4)] + [float(shot)]
                for row in range(3) for visit in range(4) for shot in range(2)]  # fmt: skip
    return widgets.split_leaks(visits, features, key=key)


MAKERS["split_leaks"] = _split_leaks


def _augmented_photo(key: str | None = None) -> widgets.Explorer:
    """A photo of 16 pixels: red grows to the right, green downwards."""
    steps = numpy.arange(0, 256, 16)
    photo = numpy.stack([*numpy.meshgrid(steps, steps), numpy.full((16, 16), 90)], axis=-1).astype("uint8")
    return widgets.augmented_photo(photo, key=key)


MAKERS["augmented_photo"] = _augmented_photo


def _occlusion_map(key: str | None = None) -> widgets.Explorer:
    """Two photos of one color each, squares of two sizes; covering the middle of the first costs everything."""
    photos = {"dark": numpy.zeros((8, 8, 3), "uint8"), "light": numpy.full((8, 8, 3), 250, "uint8")}
    small = {"per mille": [[600, 610, 600], [580, 0, 300], [600, 600, 605]], "says": ["cat", "dog"],
             "best": [[0, 0, 0], [0, 1, 0], [0, 0, 0]]}  # fmt: skip
    large = {"per mille": [[200, 100], [600, 600]], "says": ["cat", "dog"], "best": [[1, 1], [0, 0]]}
    own = {"class": "cat", "plain": 0.6, "sizes": {"4": small, "6": large}}
    record = {"side": 8, "stride": 2, "photos": {"dark": own, "light": own}}
    return widgets.occlusion_map(photos, record, key=key)


MAKERS["occlusion_map"] = _occlusion_map


def _compressed_layer(key: str | None = None) -> widgets.Explorer:
    """Forty filters of nine weights, with the heavy tails of trained ones, at five places."""
    drawn = numpy.random.default_rng(0)
    return widgets.compressed_layer(drawn.laplace(0, 0.1, (40, 1, 3, 3)), drawn.normal(size=(5, 9)), key=key)


MAKERS["compressed_layer"] = _compressed_layer


def _cell_search(key: str | None = None) -> widgets.Explorer:
    """All cells, as if each 3x3 were worth four points and each 1x1 one."""
    from cnnlab.chapters.searched.cells import CELLS

    rows = {}
    for cell in CELLS:
        large, small = cell.count("3"), cell.count("1")
        worth = 0.3 + 0.04 * large + 0.01 * small
        rows[cell] = (1_298 + 12_096 * large, 72_000 + 442_368 * large + 49_152 * small, (worth, worth + 0.01))
    return widgets.cell_search(rows, key=key)


MAKERS["cell_search"] = _cell_search


def _patch_attention(key: str | None = None) -> widgets.Explorer:
    """Two pictures of one color each, two layers of two heads, a class token and three by three patches."""
    photos = {"dark": numpy.zeros((8, 8, 3), "uint8"), "light": numpy.full((8, 8, 3), 250, "uint8")}
    scores = numpy.random.default_rng(0).normal(size=(2, 2, 2, 10, 10))
    weights = numpy.exp(scores) / numpy.exp(scores).sum(-1, keepdims=True)
    return widgets.patch_attention(photos, weights, {"dark": ("night", 0.9), "light": ("day", 0.4)}, key=key)


MAKERS["patch_attention"] = _patch_attention


def _mask_threshold(key: str | None = None) -> widgets.Explorer:
    """Two squares that touch at a weak place; at half the truth's are found, one of them a column too wide."""
    truth = numpy.zeros((12, 16), bool)
    truth[3:8, 2:7] = truth[3:8, 9:14] = True
    probability = numpy.where(truth, 1.0, 0.0)
    probability[3:8, 7] = 0.6
    probability[5, 8] = 0.4
    picture = (255 * probability).astype("uint8")
    return widgets.mask_threshold(picture, probability, truth, key=key)


MAKERS["mask_threshold"] = _mask_threshold


def _rounded_channels(key: str | None = None) -> widgets.Explorer:
    """Two layers of three and two channels; the last channel of the first is a hundredth of the others."""
    loud = [[1.0, -0.5, 0.25], [0.5, -1.0, 0.0], [0.01, -0.002, 0.005]]
    return widgets.rounded_channels({"loud": loud, "even": [[1.0, -1.0], [0.5, -0.5]]}, key=key)


MAKERS["rounded_channels"] = _rounded_channels


def _pushed_photo(key: str | None = None) -> widgets.Explorer:
    """Two photos of one shade each; the gradient changes the answer at the second step, a coin and moving never."""
    photos = {"dark": numpy.zeros((8, 8, 3), "uint8"), "light": numpy.full((8, 8, 3), 250, "uint8")}
    same = [(0.9 - 0.01 * step) for step in range(9)]
    answers = {
        name: {
            "sign": [(name, 0.9, 0.9)] + [("gray", 0.6, 0.3 / step) for step in range(1, 9)],
            "coin": [(name, p, p) for p in same],
            "moved": [(name, p, p) for p in same],
        }
        for name in photos
    }
    return widgets.pushed_photo(photos, answers, key=key)


MAKERS["pushed_photo"] = _pushed_photo
