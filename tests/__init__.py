"""A package, so that ``tests.models_contract`` means this folder whatever else is installed."""
