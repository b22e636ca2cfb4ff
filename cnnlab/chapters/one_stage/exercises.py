"""Exercises of the chapter "One-stage detection".

To be written: three to six; `cnnlab.exercises` shows how.
"""
