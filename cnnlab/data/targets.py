"""What is known of pictures and has a place in them: boxes, masks and key points, which go where the pixels go."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from cnnlab.detection import Objects, area, boxes_of, check_boxes, clip

if TYPE_CHECKING:
    from cnnlab.data.augment.moving import Motion
    from cnnlab.data.dataset import ImageSet

__all__ = ["TEACHES", "Placed", "check_pairs", "check_set", "check_targets"]

# What a batch's y may be.
TEACHES = ("labels", "objects", "masks", "keypoints")

# Of an object that moves out of its picture so much must be left to be taught: of less nobody could tell what it is.
_LEAST = 0.25
_TENSORS = ("labels", "corners", "masks", "maps", "points", "visible")


@dataclass(frozen=True, eq=False)
class Placed:
    """What is known of a batch of N pictures, which show M objects or fewer each.

    A step of an augmentation that moves pixels moves all of it along, by :meth:`moved`. Boxes are kept as four corners,
    and masks as floats once they have moved, so that several steps in a row lose no more than one.

    Attributes:
        size: height and width of the pictures.
        labels: the class of each object, -1 where there is none, or none any more. Shape: (N, M), int64.
        corners: of the boxes, x and y in pixels. Shape: (N, M, 4, 2).
        masks: bool; once moved, how much of each pixel the object covers. Shape: (N, M, H, W).
        maps: the class of each pixel, whole numbers. Shape: (N, H, W).
        points: key points, x and y in pixels. Shape: (N, M, P, 2).
        visible: whether each is seen, bool; None where all are. Shape: (N, M, P).
        pairs: key points that change places in a mirror, by number.
        least: the share of an object that must be left in the picture for it to be there still.
        alone: whether the set gives its pictures one object each, and key points without an axis for objects.
    """

    size: tuple[int, int]
    labels: Tensor
    corners: Tensor | None = None
    masks: Tensor | None = None
    maps: Tensor | None = None
    points: Tensor | None = None
    visible: Tensor | None = None
    pairs: tuple[tuple[int, int], ...] = ()
    least: float = _LEAST
    alone: bool = False

    @classmethod
    def of_set(cls, images: ImageSet, least: float | None = None) -> Placed:
        """Of all pictures of a set. ``least``: None for a quarter of boxes that are taught, and else for anything."""
        whole = images.masks is not None and images.masks.dtype is not torch.bool
        masks = None if whole or images.masks is None else _of_objects(images.masks, 4)
        boxes, points = _of_objects(images.boxes, 3), _of_objects(images.keypoints, 4)
        several = next((each.shape[1] for each in (boxes, masks, points) if each is not None), 1)
        labels = images.object_labels
        if labels is None:
            labels = images.labels[:, None].expand(-1, several)
            if boxes is not None:  # an object that was moved out of its picture has zeros for a box
                labels = labels.where((boxes != 0).any(-1), -1)
        if least is None:
            least = _LEAST if images.teaches == "objects" else 0.0
        return cls(
            size=images.shape[1:],
            labels=labels,
            corners=None if boxes is None else _corners(boxes),
            masks=masks,
            maps=images.masks if whole else None,
            points=points,
            visible=_of_objects(images.visible, 3),
            pairs=images.pairs,
            least=least,
            alone=images.keypoints is not None and images.keypoints.ndim == 3,
        )

    @classmethod
    def of_objects(cls, objects: Sequence[Objects], size: tuple[int, int]) -> Placed:
        """Of a list of :class:`cnnlab.detection.Objects`, one for each picture."""

        def padded(name: str, value: float = 0) -> Tensor | None:
            every = [getattr(one, name) for one in objects]
            some = next((each for each in every if each is not None), None)
            if some is None:
                return None
            # A picture without objects may have been given without masks or key points.
            filled = [some[:0] if each is None else each for each in every]
            return pad_sequence(filled, batch_first=True, padding_value=value)

        boxes, labels, masks, points = (padded("boxes"), padded("labels", -1), padded("masks"), padded("keypoints"))
        pairs = next((one.pairs for one in objects if one.pairs), ())
        seen = None if points is None else points[..., 2] > 0
        where = None if points is None else points[..., :2]
        return cls(tuple(size), labels, _corners(boxes), masks, None, where, seen, pairs)

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, chosen: slice | Tensor) -> Placed:
        """Of some of the pictures: a slice, or their numbers."""
        if isinstance(chosen, slice):
            return self._each(lambda tensor: tensor[chosen])
        return self._each(lambda tensor: tensor.index_select(0, chosen))

    def to(self, device: torch.device | str) -> Placed:
        """The same on another device."""
        return self._each(lambda tensor: tensor.to(device, non_blocking=True))

    def put(self, chosen: Tensor, its: Placed) -> Placed:
        """The same with that of some pictures, by their numbers, in place of what it was."""
        found = {}
        for name, tensor in self._tensors().items():
            new = getattr(its, name)
            dtype = torch.promote_types(tensor.dtype, new.dtype)  # masks are bools until they move
            found[name] = tensor.to(dtype).index_copy(0, chosen, new.to(dtype))
        return replace(self, **found)

    def moved(self, motion: Motion, pixels: Callable[[Tensor], Tensor]) -> Placed:
        """Where all of it is once the pictures have moved.

        Args:
            motion: where points go.
            pixels: moves maps as it moves the pictures, floats and whole numbers. Shape: (N, K, H, W), kept.
        """
        found: dict[str, Tensor] = {}
        if self.masks is not None:
            found["masks"] = pixels(self.masks.float())
        if self.maps is not None:
            found["maps"] = pixels(self.maps[:, None])[:, 0]
        if self.corners is not None:
            found["corners"] = _forward(motion, self.corners)
        if self.points is not None:
            order = _swapped(self.points.shape[2], self.pairs)
            mirrored = motion.mirrors.view(-1, 1, 1)
            points = _forward(motion, self.points)
            found["points"] = torch.where(mirrored[..., None], points[:, :, order], points)
            if self.visible is not None:
                found["visible"] = torch.where(mirrored, self.visible[:, :, order], self.visible)
        moved = replace(self, **found)
        share = moved._share_left(self)
        return moved if share is None else replace(moved, labels=torch.where(share > self.least, self.labels, -1))

    def _share_left(self, before: Placed) -> Tensor | None:
        """How much of each object the pictures still show. Shape: (N, M)."""
        if self._measures:
            return self.masks.sum((2, 3)) / before.masks.float().sum((2, 3)).clamp(min=1e-9)
        if self.corners is None:
            return None
        around = _around(self.corners)
        return area(clip(around, self.size)) / area(around).clamp(min=1e-9)

    @property
    def _measures(self) -> bool:
        """Whether boxes are those around the moved masks: what is around moved corners is too large after a turn."""
        moved = self.masks is not None and self.masks.is_floating_point()
        return moved and self.masks.shape[:2] == self.labels.shape

    @property
    def covers(self) -> Tensor | None:
        """The masks. Shape: (N, M, H, W), bool."""
        return self.masks > 0.5 if self.masks is not None and self.masks.is_floating_point() else self.masks

    @property
    def boxes(self) -> Tensor | None:
        """Cut off at the border; zeros for what is not there. Shape: (N, M, 4)."""
        if self.corners is None:
            return None
        boxes = boxes_of(self.covers) if self._measures else clip(_around(self.corners), self.size)
        return boxes * (self.labels >= 0)[..., None]

    def target(self, teaches: str) -> list[Objects] | Tensor:
        """What a loss is given, as :attr:`cnnlab.data.ImageSet.teaches` says: "objects", "masks" or "keypoints"."""
        ways = {"objects": self.objects, "masks": self.class_map, "keypoints": self.keypoints}
        return ways[teaches]()

    def objects(self, given: Sequence[Objects] | None = None) -> list[Objects]:
        """The objects of each picture; ``given`` are those that these were made of, whose further facts are kept."""
        boxes, covers, found = self.boxes, self.covers, []
        there = (self.labels >= 0) & (area(boxes) > 0)
        points = None if self.points is None else torch.cat([self.points, self._seen()[..., None]], -1)
        for number, labels in enumerate(self.labels):
            count = len(labels) if given is None else len(given[number])
            its = there[number, :count]
            facts = {"boxes": boxes[number, :count][its]}
            if covers is not None and covers.shape[:2] == self.labels.shape:
                facts["masks"] = covers[number, :count][its]
            if points is not None:
                facts["keypoints"] = points[number, :count][its]
            if given is None:
                found.append(Objects(labels=labels[its], pairs=self.pairs, **facts))
            else:
                found.append(replace(given[number][its], **facts))
        return found

    def class_map(self) -> Tensor:
        """The class of each pixel, 0 where no object is and 1 more than its label where one is. Shape: (N, H, W)."""
        if self.maps is not None:
            return self.maps.long()
        covers = self.covers
        found = torch.zeros(len(covers), *self.size, dtype=torch.int64, device=covers.device)
        for number in range(covers.shape[1]):  # later ones are on top
            found = torch.where(covers[:, number], self.labels[:, number, None, None] + 1, found)
        return found

    def keypoints(self) -> Tensor:
        """x, y and 1 where the point is seen, else 0. Shape: (N, M, P, 3), or (N, P, 3) where there is one object."""
        found = torch.cat([self.points, self._seen()[..., None]], -1)
        return found[:, 0] if self.alone else found

    def _seen(self) -> Tensor:
        """1 for key points within the picture that are visible. Shape: (N, M, P)."""
        limit = self.points.new_tensor([self.size[1], self.size[0]])
        inside = ((self.points >= 0) & (self.points <= limit)).all(-1) & (self.labels >= 0)[..., None]
        return (inside if self.visible is None else inside & self.visible).to(self.points.dtype)

    def _each(self, change: Callable[[Tensor], Tensor]) -> Placed:
        return replace(self, **{name: change(tensor) for name, tensor in self._tensors().items()})

    def _tensors(self) -> dict[str, Tensor]:
        return {name: tensor for name in _TENSORS if (tensor := getattr(self, name)) is not None}


def _of_objects(tensor: Tensor | None, axes: int) -> Tensor | None:
    """With an axis for objects, where a set of one object each has none."""
    return tensor if tensor is None or tensor.ndim == axes else tensor[:, None]


def _corners(boxes: Tensor) -> Tensor:
    """(..., 4) as x1, y1, x2, y2 -> (..., 4, 2)."""
    return boxes[..., [0, 1, 2, 1, 2, 3, 0, 3]].unflatten(-1, (4, 2))


def _around(corners: Tensor) -> Tensor:
    """(..., 4, 2) -> (..., 4)."""
    return torch.cat([corners.amin(-2), corners.amax(-2)], -1)


def _forward(motion: Motion, points: Tensor) -> Tensor:
    """Shape: (N, ..., 2), kept."""
    return motion.forward(points.flatten(1, -2)).view(points.shape)


def _swapped(count: int, pairs: Sequence[tuple[int, int]]) -> list[int]:
    order = list(range(count))
    for one, other in pairs:
        order[one], order[other] = other, one
    return order


# --- what is asked of a set ------------------------------------------------------------------------------------------


def check_set(images: ImageSet) -> None:
    """Whether what a set says of its pictures has the shapes and types that go together.

    Raises:
        TypeError: a tensor of the wrong kind.
        ValueError: shapes that do not agree, a pair without key points, or nothing of what it teaches.
    """
    n, size = len(images), images.shape[1:]
    several = images.object_labels
    if several is not None and (several.dtype != torch.int64 or several.ndim != 2):
        raise ValueError(
            f"object_labels is {several.dtype} of shape {tuple(several.shape)}, wanted torch.int64 of shape ({n}, M), "
            "a class for each of several objects, -1 where there is none."
        )
    if images.boxes is not None and (images.boxes.ndim not in (2, 3) or images.boxes.shape[-1] != 4):
        raise ValueError(f"boxes has shape {tuple(images.boxes.shape)}, wanted ({n}, 4), or ({n}, M, 4) of M objects.")
    masks = images.masks
    if masks is not None:
        kinds = (torch.bool, torch.uint8, torch.int64)
        if masks.dtype not in kinds:
            raise TypeError(
                f"masks is {masks.dtype}, wanted torch.bool, a mask for each object (masks > 0.5), or torch.uint8 or "
                "torch.int64, a class for each pixel."
            )
        if masks.ndim not in ((3, 4) if masks.dtype is torch.bool else (3,)) or masks.shape[-2:] != size:
            raise ValueError(
                f"masks has shape {tuple(masks.shape)} for pictures of {size[0]} x {size[1]}, wanted ({n}, "
                f"{size[0]}, {size[1]}), or of bools ({n}, M, {size[0]}, {size[1]}): resize masks by their nearest "
                "pixels, as far as their pictures."
            )
    points, visible = images.keypoints, images.visible
    if points is not None and (points.ndim not in (3, 4) or points.shape[-1] != 2):
        raise ValueError(
            f"keypoints has shape {tuple(points.shape)}, wanted ({n}, P, 2), or ({n}, M, P, 2) of M objects: x and y "
            "in pixels, and what is seen in visible=."
        )
    if visible is not None and (points is None or visible.dtype != torch.bool or visible.shape != points.shape[:-1]):
        wanted = "key points to go with" if points is None else f"torch.bool of shape {tuple(points.shape[:-1])}"
        raise ValueError(f"visible is {visible.dtype} of shape {tuple(visible.shape)}, wanted {wanted}.")
    check_pairs(images.pairs, 0 if points is None else points.shape[-2])
    if several is not None:
        for name, given, axes in (("boxes", images.boxes, 3), ("masks", masks, 4), ("keypoints", points, 4)):
            if given is not None and given.ndim == axes and given.shape[:2] != several.shape:
                raise ValueError(
                    f"{name} has room for {given.shape[1]} objects in a picture and object_labels for "
                    f"{several.shape[1]}: give both the same, -1 for an object that is not there."
                )
    needs = {"objects": "boxes", "masks": "masks", "keypoints": "keypoints"}
    if (name := needs.get(images.teaches)) and getattr(images, name) is None:
        shapes = {"boxes": "(N, M, 4)", "masks": "(N, M, H, W)", "keypoints": "(N, P, 2)"}
        raise ValueError(
            f'teaches="{images.teaches}" needs {name}, and these pictures have none: give {name}=, {shapes[name]}.'
        )


def check_pairs(pairs: Sequence[tuple[int, int]], count: int) -> None:
    """Raises: ValueError: a pair names no key point."""
    for pair in pairs:
        if len(pair) != 2 or not all(isinstance(one, int) and 0 <= one < count for one in pair):
            raise ValueError(
                f"pairs: {pair!r} must be two numbers of key points, of which these pictures have {count}."
            )


def check_targets(images: ImageSet) -> None:
    """Whether what a set teaches is something to learn, asked before a training.

    Raises:
        ValueError: a box that is not finite, ends before it begins, has no area or reaches out of its picture; an
            object of no class; a key point that is not finite. The first such picture is named.
    """
    if images.teaches == "labels":
        return
    several, classes = images.object_labels, len(images.classes)
    if several is not None and len(several) and int(several.max()) >= classes:
        number = int((several >= classes).any(1).int().argmax())
        raise ValueError(
            f"object_labels of picture {number} has the class {int(several[number].max())}, and {classes} names allow "
            f"0 to {classes - 1}: number the classes from 0, or name all of them."
        )
    placed = Placed.of_set(images)
    there = placed.labels >= 0
    if images.teaches == "objects":
        boxes = _of_objects(images.boxes, 3)
        try:
            check_boxes(boxes[there], size=images.shape[1:])
        except ValueError:
            for number, (its, seen) in enumerate(zip(boxes, there, strict=True)):
                check_boxes(its[seen], size=images.shape[1:], argument=f"boxes of picture {number}")
            raise
    if images.teaches == "keypoints":
        wrong = ~placed.points.isfinite().all(-1)
        wrong &= there[..., None] if placed.visible is None else there[..., None] & placed.visible
        if bool(wrong.any()):
            number = int(wrong.flatten(1).any(1).int().argmax())
            raise ValueError(
                f"keypoints of picture {number} are not all finite: mark those that nobody knows as not visible=, and "
                "give them any place, such as 0, 0."
            )
