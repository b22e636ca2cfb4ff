"""Exercises of the chapter "Localization and detection".

To be written: three to six; `cnnlab.exercises` shows how.
"""
