"""The parts of a model drawing: items, a canvas, the words, and a file for each style. See `cnnlab.draw.draw_model`."""
