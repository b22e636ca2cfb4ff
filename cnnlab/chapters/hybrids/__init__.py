"""Hybrids: convolution and attention: what its pages need."""
