"""What a data set is here: image sets held in memory, their class names, and two statistics."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from cnnlab.data.grouping import whole_groups
from cnnlab.data.targets import TEACHES, Placed, check_set, check_targets
from cnnlab.detection import Objects
from cnnlab.errors import unknown_name
from cnnlab.pictures import resize_images
from cnnlab.preprocessing import Preprocess, plain_preprocess

__all__ = ["ImageSet", "Dataset", "channel_statistics", "stratified_order"]


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Labelled pictures in memory.

    Attributes:
        images: uint8, or float32 in [0, 1] (four times the memory), (N, C, H, W).
        labels: int64, (N,), each an index into ``classes``.
        classes: the names of the classes.
        boxes: float32, (N, 4) as x1, y1, x2, y2 in pixels (x2 and y2 lie just outside the object),
            or (N, M, 4) where a picture holds up to M objects.
        masks: bool, (N, H, W) or (N, M, H, W): the visible part of each object. Or uint8 or int64, (N, H, W): the class
            of each pixel, 0 usually the background.
        keypoints: float32, (N, P, 2) or (N, M, P, 2) as x, y in pixels.
        object_labels: int64, (N, M): the class of each of several objects, -1 where there is none.
        paths: the file of each picture where they came from files, so that ``data.test.paths[i]`` names that of a wrong
            one; else None.
        teaches: what a batch's y is: "labels"; "objects" for a list of :class:`cnnlab.detection.Objects`, with masks
            and key points where the set has them; "masks" for a class of each pixel, int64 (N, H, W), of objects' masks
            0 for the background and 1 more than the object's label; "keypoints" for x, y and 1 where the point is seen,
            else 0, float32 (N, P, 3) or (N, M, P, 3).
        visible: bool, (N, P) or (N, M, P): which key points are seen, so that their places are known; None for all.
        pairs: key points that change places in a mirror, such as left and right eye, by number: ((0, 1),).

    Raises:
        TypeError: a tensor of the wrong kind.
        ValueError: shapes that do not agree, labels outside the classes, or something to teach that is not there.
    """

    images: Tensor
    labels: Tensor
    classes: tuple[str, ...]
    boxes: Tensor | None = None
    masks: Tensor | None = None
    keypoints: Tensor | None = None
    object_labels: Tensor | None = None
    paths: tuple[str, ...] | None = None
    teaches: str = "labels"
    visible: Tensor | None = None
    pairs: tuple[tuple[int, int], ...] = ()
    _copies: dict[torch.device, ImageSet] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        images, labels = self.images, self.labels
        _check_pixels(images)
        if images.ndim != 4:
            raise ValueError(
                f"images must have shape (N, C, H, W), got {tuple(images.shape)}; "
                "for one-channel pictures (N, H, W) use images.unsqueeze(1)."
            )
        if not isinstance(labels, Tensor) or labels.dtype != torch.int64:
            raise TypeError(_labels_said(labels))
        if labels.shape != (len(images),):
            raise ValueError(
                f"labels must have shape ({len(images)},), one for each picture, got {tuple(labels.shape)}."
            )
        object.__setattr__(self, "classes", tuple(str(name) for name in self.classes))
        if len(labels):
            low, high = int(labels.min()), int(labels.max())
            if low < 0 or high >= len(self.classes):
                raise ValueError(
                    f"labels must lie in 0..{len(self.classes) - 1} ({len(self.classes)} classes), "
                    f"but they run from {low} to {high}; pass all class names, or renumber the labels from 0."
                )
        if self.paths is not None:
            object.__setattr__(self, "paths", tuple(str(path) for path in self.paths))
        for name in ("boxes", "masks", "keypoints", "object_labels", "visible", "paths"):
            extra = getattr(self, name)
            if extra is not None and len(extra) != len(images):
                raise ValueError(f"{name} must have one entry for each of {len(images)} pictures, got {len(extra)}.")
        if self.teaches not in TEACHES:
            raise unknown_name("teaches", self.teaches, TEACHES)
        object.__setattr__(self, "pairs", tuple(tuple(pair) for pair in self.pairs))
        check_set(self)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int | slice | list[int] | Tensor) -> tuple[Tensor, int] | ImageSet:
        """``[i]`` gives (picture uint8 (C, H, W), label); a slice, a list or an index tensor gives an ImageSet."""
        if hasattr(index, "__index__") and not isinstance(index, Tensor):  # int, or NumPy's integers
            return self.images[index], int(self.labels[index])
        chosen_of = {name: value[index] for name, value in self.tensors.items()}
        if self.paths is not None:
            chosen = torch.arange(len(self), device=self.device)[index].tolist()
            chosen_of["paths"] = tuple(self.paths[i] for i in chosen)
        return replace(self, **chosen_of)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of one picture."""
        return tuple(self.images.shape[1:])  # type: ignore[return-value]

    @property
    def num_classes(self) -> int:
        return len(self.classes)

    @property
    def device(self) -> torch.device:
        return self.images.device

    @property
    def nbytes(self) -> int:
        """Bytes that the pictures take."""
        return self.images.nbytes

    @property
    def tensors(self) -> dict[str, Tensor]:
        """All that the set holds, by name."""
        names = ("images", "labels", "boxes", "masks", "keypoints", "object_labels", "visible")
        return {name: value for name in names if (value := getattr(self, name)) is not None}

    @cached_property
    def placed(self) -> Placed:
        """What has a place in the pictures, as augmentations move it."""
        return Placed.of_set(self)

    @cached_property
    def targets(self) -> Tensor | list[Objects]:
        """What is taught of each picture, as ``teaches`` says."""
        if self.teaches == "labels":
            return self.labels
        check_targets(self)
        return self.placed.target(self.teaches)

    @property
    def mask_classes(self) -> tuple[str, ...]:
        """The names of the classes that "masks" teaches: "background" and ``classes``, or numbers of a class map."""
        if self.masks is not None and self.masks.dtype is not torch.bool:
            return tuple(str(number) for number in range(int(self.masks.max()) + 1 if len(self) else 0))
        return ("background", *self.classes)

    @property
    def pixels(self) -> Tensor:
        """The pictures as float32 in [0, 1]. Shape: (N, C, H, W)."""
        return self.images if self.images.is_floating_point() else self.images.float() / 255

    def counts(self) -> dict[str, int]:
        """How many pictures each class has."""
        return dict(zip(self.classes, torch.bincount(self.labels, minlength=self.num_classes).tolist(), strict=True))

    def subset(self, n: int, seed: int = 0) -> ImageSet:
        """``n`` pictures, each class in proportion (within one), the same ones for the same seed.

        Raises:
            ValueError: ``n`` is below 1 or above ``len(self)``.
        """
        if not 1 <= n <= len(self):
            raise ValueError(f"n must lie in 1..{len(self)} (the number of pictures), got {n}.")
        if n == len(self):
            return self
        return self[stratified_order(self.labels, seed)[:n].sort().values]  # type: ignore[return-value]

    def to(self, device: torch.device | str) -> ImageSet:
        """The same set on another device. The copy is kept, so that each epoch finds it there."""
        device = torch.device(device)
        if device == self.device or (device.type == self.device.type and device.index is None):
            return self
        if device not in self._copies:
            there = {name: value.to(device) for name, value in self.tensors.items()}
            self._copies[device] = replace(self, **there)
        return self._copies[device]

    def __repr__(self) -> str:
        extras = [name for name in ("boxes", "masks", "keypoints") if getattr(self, name) is not None]
        also = f", with {', '.join(extras)}" if extras else ""
        c, h, w = self.shape
        return f"ImageSet({len(self)} pictures of {c}x{h}x{w}, {self.num_classes} classes{also})"


@dataclass(frozen=True, eq=False)
class Dataset:
    """A training and a test set with the same classes and picture shape; a validation set where one was split off.

    Attributes:
        name: as given to ``load_dataset``.
        train, test: the two image sets.
        classes: names, in label order.
        mean, std: one number for each channel, of training pixels scaled to [0, 1].
        source: where the pictures came from, in words, for the record of a run.
        preprocess: turns any picture into what a network sees that was trained on these, to the bit; its mean and std
            are always the set's. None stands for pictures whose shorter side was resized and the middle cut out.
        validation: what choices are made on, so that the test set is measured once; None, or made by :meth:`split`.
    """

    name: str
    train: ImageSet
    test: ImageSet
    classes: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    source: str = ""
    preprocess: Preprocess | None = field(default=None, repr=False)
    validation: ImageSet | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "classes", tuple(self.classes))
        for part, images in self.parts.items():
            if images.classes != self.classes:
                raise ValueError(
                    f"{part}.classes must equal the data set's classes {self.classes}, got {images.classes}."
                )
            if self.train.shape != images.shape:
                raise ValueError(f"train and {part} pictures differ in shape: {self.train.shape} and {images.shape}.")
        channels = self.train.shape[0]
        for name in ("mean", "std"):
            values = tuple(float(v) for v in getattr(self, name))
            if len(values) != channels:
                raise ValueError(f"{name} must have {channels} numbers, one for each channel, got {values}.")
            object.__setattr__(self, name, values)
        if min(self.std) <= 0:
            raise ValueError(
                f"std must be positive, got {self.std}: a channel in which all pixels are equal says nothing."
            )
        given = self.preprocess or plain_preprocess(self.train.shape, self.mean, self.std, "crop")
        floats = self.train.images.is_floating_point()
        object.__setattr__(self, "preprocess", replace(given, mean=self.mean, std=self.std, floats=floats))

    @classmethod
    def from_sets(
        cls, name: str, train: ImageSet, test: ImageSet, source: str = "", preprocess: Preprocess | None = None
    ) -> Dataset:
        """A data set whose mean and std are computed from ``train``; a channel of equal pixels gets std 1."""
        mean, std = channel_statistics(train.images)
        std = tuple(value if value > 1e-6 else 1.0 for value in std)  # so that it is normalized to zeros
        return cls(name, train, test, train.classes, mean, std, source, preprocess)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of one picture."""
        return self.train.shape

    @property
    def num_classes(self) -> int:
        return len(self.classes)

    @property
    def parts(self) -> dict[str, ImageSet]:
        """ "train", "test" and, where there is one, "validation"."""
        every = {"train": self.train, "test": self.test, "validation": self.validation}
        return {name: part for name, part in every.items() if part is not None}

    def split(self, validation: float = 0.1, by: Sequence[Any] | Tensor | None = None, seed: int = 0) -> Dataset:
        """A part of the training pictures set aside as ``.validation``; mean, std and the test set stay as they are.

        :func:`cnnlab.fit` then measures on it after each epoch and chooses the best epoch there; the test set is
        measured once, at the end.

        Args:
            validation: the share of the training pictures, above 0 and below 1.
            by: for each training picture the group that it belongs to: a patient, a file that several were cut from,
                a day. A group goes into one part as a whole, since pictures of one group are too alike for one of
                them to judge what was learned from another. None sets single pictures aside, each class in
                proportion.
            seed: the same seed sets the same pictures aside.

        Raises:
            ValueError: there is a validation set already, nothing would be left in a part, or ``by`` does not name a
                group for each training picture.
        """
        if self.validation is not None:
            raise ValueError(f"{self.name!r} has a validation set of {len(self.validation)} pictures already.")
        if isinstance(validation, bool) or not isinstance(validation, int | float) or not 0 < validation < 1:
            raise ValueError(
                f"validation={validation!r} must be a share of the training pictures, above 0 and below 1."
            )
        n = len(self.train)
        if n < 2:
            raise ValueError(f"{self.name!r} has {n} training pictures, too few to set some aside.")
        wanted = min(max(1, round(validation * n)), n - 1)
        if by is None:
            aside = stratified_order(self.train.labels, seed)[:wanted]
        else:
            aside = whole_groups(by, n, wanted, seed)
        mask = torch.zeros(n, dtype=torch.bool)
        mask[aside] = True
        mask = mask.to(self.train.device)
        return replace(self, train=self.train[~mask], validation=self.train[mask])

    def subset(self, train: int | None = None, test: int | None = None, seed: int = 0) -> Dataset:
        """Fewer pictures, stratified and seeded; mean and std stay those of the whole training set."""
        return replace(
            self,
            train=self.train if train is None else self.train.subset(train, seed),
            test=self.test if test is None else self.test.subset(test, seed),
        )

    def teaching(self, targets: str) -> Dataset:
        """The same pictures, of which batches give "labels", "objects", "masks" or "keypoints".

        What each is, :attr:`ImageSet.teaches` says.

        Raises:
            ValueError: another word, or pictures of which that is not known.
        """
        return replace(self, **{name: replace(part, teaches=targets) for name, part in self.parts.items()})

    def resized(self, size: int) -> Dataset:
        """All pictures at ``size`` x ``size`` (antialiased bilinear); boxes, masks and keypoints are refused."""
        if (size, size) == self.shape[1:]:
            return self
        parts = {}
        for name, part in self.parts.items():
            if part.boxes is not None or part.masks is not None or part.keypoints is not None:
                raise ValueError("a set with boxes, masks or keypoints is drawn at its size: pass size to its loader.")
            parts[name] = ImageSet(resize_images(part.images, size), part.labels, part.classes, paths=part.paths)
        source = f"{self.source}, resized to {size}x{size}"
        also = replace(self.preprocess, then=(*self.preprocess.then, size))
        made = Dataset.from_sets(self.name, parts["train"], parts["test"], source, also)
        return replace(made, validation=parts.get("validation"))

    def __repr__(self) -> str:
        c, h, w = self.shape
        kept = "" if self.validation is None else f", {len(self.validation)} validation"
        return (
            f"Dataset({self.name!r}: {len(self.train)} training{kept} and {len(self.test)} test pictures of "
            f"{c}x{h}x{w}, {self.num_classes} classes; source: {self.source or 'memory'})"
        )


def _check_pixels(images: Any) -> None:
    if not isinstance(images, Tensor) or images.dtype not in (torch.uint8, torch.float32):
        given = images.dtype if isinstance(images, Tensor) else type(images).__name__
        raise TypeError(
            f"images must be a torch.uint8 tensor of pixels 0..255, or a torch.float32 one in [0, 1], got {given}; "
            "for other floats in [0, 1] use (255 * images).round().to(torch.uint8)."
        )
    if images.is_floating_point() and images.numel():
        low, high = (value.item() for value in images.aminmax())
        if not (low >= 0 and high <= 1):  # NaN too
            raise ValueError(
                f"images of torch.float32 must lie in [0, 1], but they run from {low:.4g} to {high:.4g}. Scale them: "
                "images / images.max(). Numbers that are no pixels train as they are from a "
                "torch.utils.data.TensorDataset."
            )


def _labels_said(labels: Any) -> str:
    given = labels.dtype if isinstance(labels, Tensor) else type(labels).__name__
    said = f"labels must be a torch.int64 tensor of class numbers, got {given}"
    if isinstance(labels, Tensor) and (labels.is_floating_point() or labels.ndim != 1):
        return (
            f"{said} of shape {tuple(labels.shape)}. Other targets (measured values, several labels, masks) are "
            "trained on as torch.utils.data.TensorDataset(pictures, targets), which fit takes in place of a data set."
        )
    return f"{said}; for whole numbers use torch.as_tensor(labels, dtype=torch.int64)."


def channel_statistics(images: Tensor) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel, of pixels scaled to [0, 1].

    images: uint8, or float32 in [0, 1], (N, C, H, W).
    """
    channels = images.shape[1]
    if len(images) == 0:
        raise ValueError("images is empty: mean and std of no pictures do not exist.")
    total = torch.zeros(channels, dtype=torch.float64)
    squares = torch.zeros(channels, dtype=torch.float64)
    # Runs of 200,000 numbers stay in the processor's cache: six times faster than runs of four million.
    for part in images.split(max(1, 200_000 // max(1, images[0].numel()))):
        # One channel at a time: contiguous sums in float32 over short runs, then float64 across them.
        values = part.float().flatten(2)  # (n, C, HW)
        total += values.sum(2).cpu().double().sum(0)  # moved first: MPS knows no float64
        squares += torch.linalg.vector_norm(values, dim=2).cpu().double().square().sum(0)
    count = images.numel() // channels
    mean = total / count
    std = (squares / count - mean**2).clamp(min=0).sqrt()
    full = 1 if images.is_floating_point() else 255
    return tuple((mean / full).tolist()), tuple((std / full).tolist())


def stratified_order(labels: Tensor, seed: int) -> Tensor:
    """A permutation of 0..N-1 of which every prefix holds each class in proportion (within one)."""
    labels = labels.cpu()
    generator = torch.Generator().manual_seed(operator.index(seed))
    shuffled = torch.randperm(len(labels), generator=generator)
    position = torch.empty(len(labels), dtype=torch.float64)
    for label in labels.unique():
        members = shuffled[labels[shuffled] == label]
        # Members of a class are spread evenly over [0, 1); sorting all by position interleaves the classes.
        position[members] = (torch.arange(len(members), dtype=torch.float64) + 0.5) / len(members)
    tie_break = torch.rand(len(labels), generator=generator, dtype=torch.float64) * 1e-9
    return (position + tie_break).argsort()
