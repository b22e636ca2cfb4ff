"""One file for each model file: what its networks are compared with, planted faults, the paper's tables."""
