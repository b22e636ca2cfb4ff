"""Moved to `cnnlab.catalog.zoo`; this name stays for notebooks that import it."""

from cnnlab.catalog.zoo import zoo_table

__all__ = ["zoo_table"]
