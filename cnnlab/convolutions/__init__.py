"""Convolution, from its arithmetic up: every variant as code that can be read, and as a layer.

One file for each variant. A file holds a plain function that computes it from the definition (``standard_conv2d``),
equal to ``torch.nn.functional`` in every number and gradient, and the layer for networks (``StandardConv2d``).
"""

from __future__ import annotations

from cnnlab.lazy import lazy_names

# Module -> its public names.
_PUBLIC = {
    "algebra": "Formula show_output_size show_receptive_field show_transposed_output_size",
    "standard": "StandardConv2d conv2d_loops standard_conv2d",
    "pointwise": "PointwiseConv2d pointwise_conv2d",
    "spatial_separable": "SpatialSeparableConv2d best_rank1 compose_separable is_separable separate "
    "spatial_separable_conv2d",
    "flattened": "FlattenedConv2d compose_flattened flattened_conv2d",
    "depthwise": "DepthwiseConv2d depthwise_conv2d",
    "depthwise_separable": "DepthwiseSeparableConv2d compose_depthwise_separable depthwise_separable_conv2d",
    "grouped": "GroupedConv2d connections grouped_conv2d",
    "channel_shuffle": "ChannelShuffle shuffle_channels shuffled_order",
    "dilated": "DilatedConv2d dilated_conv2d effective_kernel grid_coverage",
    "transposed": "ResizeConv2d TransposedConv2d bilinear_kernel convolution_matrix insert_zeros overlap_counts "
    "transposed_by_insertion transposed_conv2d",
    "conv3d": "StandardConv3d standard_conv3d",
    "conv2plus1d": "Conv2Plus1d compose_space_time mid_channels space_time_conv3d",
    "global_average_pooling": "GlobalAveragePool global_average_pool",
    "cost": "compare_convolutions recorded_latency",
    "latency": "measure_latency",
    "worked": "worked_examples",
    "choosing": "Advice Question Recommendation decision_tree recommend",
}
_HOMES = {name: f"{__name__}.{module}" for module, names in _PUBLIC.items() for name in names.split()}
_HOMES |= dict.fromkeys(
    ("conv_macs", "conv_params", "enlarging_padding", "extent", "output_size", "receptive_field_of", "same_padding")
    + ("transposed_output_size",),
    "cnnlab.arithmetic",
)

__all__ = list(_HOMES)
__getattr__, __dir__ = lazy_names(__name__, _HOMES)
