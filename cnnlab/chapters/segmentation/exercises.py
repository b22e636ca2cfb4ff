"""Exercises of the chapter "Segmentation".

To be written: three to six; `cnnlab.exercises` shows how.
"""
