"""Exercises of the chapter "The limits of CNNs".

To be written: three to six; `cnnlab.exercises` shows how.
"""
