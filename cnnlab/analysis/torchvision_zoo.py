"""Moved to `cnnlab.catalog.torchvision_zoo`; this name stays for notebooks that import it."""

from cnnlab.catalog.torchvision_zoo import imagenet_checkpoints, pareto_front

__all__ = ["imagenet_checkpoints", "pareto_front"]
