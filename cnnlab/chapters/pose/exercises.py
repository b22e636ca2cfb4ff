"""Exercises of the chapter "Pose".

To be written: three to six; `cnnlab.exercises` shows how.
"""
