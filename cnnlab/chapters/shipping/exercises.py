"""Exercises of the chapter "Shipping a model, and the limits of CNNs".

To be written: three to six; `cnnlab.exercises` shows how.
"""
