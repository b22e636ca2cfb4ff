"""Looking inside: kernels, maps, deconvolution, what a cover costs, Grad-CAM, and the check that pictures can fail."""

from cnnlab.explain.deconvolution import Projection, deconvolution, project_down
from cnnlab.explain.grad_cam import grad_cam
from cnnlab.explain.looking import activations, filters, last_maps
from cnnlab.explain.occlusion import Occlusion, occlusion
from cnnlab.explain.sampling import folded_share
from cnnlab.explain.sanity import randomized, rank_correlation, sanity_check

__all__ = [
    "Occlusion",
    "Projection",
    "activations",
    "deconvolution",
    "filters",
    "folded_share",
    "grad_cam",
    "last_maps",
    "occlusion",
    "project_down",
    "randomized",
    "rank_correlation",
    "sanity_check",
]
