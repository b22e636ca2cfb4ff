"""Exercises of the chapter "Shipping a model".

To be written: three to six; `cnnlab.exercises` shows how.
"""
