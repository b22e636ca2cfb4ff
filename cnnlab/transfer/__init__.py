"""Transfer learning: what of a trained network stays, how fast the rest moves, and features kept on disk.

:func:`freeze` and :func:`parameter_groups` go before :func:`cnnlab.fit`, or :func:`prepare`, which does both;
:func:`extract_features` runs the frozen part once and for all, and :func:`probe` asks what its features know.
"""

from cnnlab.transfer.features import extract_features, layer_outputs
from cnnlab.transfer.freezing import Parts, freeze, parts, unfreeze
from cnnlab.transfer.grafts import graft, halves, trial_network
from cnnlab.transfer.probes import Probe, probe, probe_layers
from cnnlab.transfer.rates import parameter_groups
from cnnlab.transfer.store import FeatureError, FeatureStore, StaleFeatures
from cnnlab.transfer.strategies import for_weights, prepare, top_of

__all__ = [
    "FeatureError",
    "StaleFeatures",
    "FeatureStore",
    "Parts",
    "Probe",
    "extract_features",
    "for_weights",
    "freeze",
    "graft",
    "halves",
    "layer_outputs",
    "parameter_groups",
    "parts",
    "prepare",
    "probe",
    "probe_layers",
    "top_of",
    "trial_network",
    "unfreeze",
]
