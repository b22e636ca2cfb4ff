"""The parts of a model drawing: a canvas, the words, and one file for each style. See `cnnlab.draw.draw_model`."""
