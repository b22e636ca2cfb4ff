"""The long runs behind the chapters: ``python -m experiments.NAME`` writes ``book/recorded/NAME.json``."""
