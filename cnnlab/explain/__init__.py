"""Looking inside: kernels, maps, what a cover costs, Grad-CAM, and the check that such pictures can fail."""

from cnnlab.explain.grad_cam import grad_cam
from cnnlab.explain.looking import activations, filters, last_maps
from cnnlab.explain.occlusion import Occlusion, occlusion
from cnnlab.explain.sanity import randomized, rank_correlation, sanity_check

__all__ = [
    "Occlusion",
    "activations",
    "filters",
    "grad_cam",
    "last_maps",
    "occlusion",
    "randomized",
    "rank_correlation",
    "sanity_check",
]
