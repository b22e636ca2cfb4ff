"""Material of the chapter "Training a CNN"."""
