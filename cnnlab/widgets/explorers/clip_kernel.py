"""The old place of what is in `cnnlab.chapters.conv3d.clip_kernel`, for a notebook that was written with it."""

from cnnlab.chapters.conv3d.clip_kernel import CLIP_KERNELS

__all__ = ["CLIP_KERNELS"]
