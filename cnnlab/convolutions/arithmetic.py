"""Moved to `cnnlab.arithmetic`; this name stays for notebooks that import it."""

from cnnlab.arithmetic import conv_macs, conv_params, enlarging_padding, output_size, receptive_field_of

__all__ = ["conv_macs", "conv_params", "enlarging_padding", "output_size", "receptive_field_of"]
