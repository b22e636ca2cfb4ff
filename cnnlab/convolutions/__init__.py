"""Convolution, from its arithmetic up."""
