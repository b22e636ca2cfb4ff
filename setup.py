"""What pyproject.toml cannot say: the results in book/recorded travel inside the package.

They stay in the book, where a reader looks for them, and are installed as
``cnnlab/recorded_results/*.json``, where ``cnnlab.recorded`` finds them without a checkout.
"""

from pathlib import Path

from setuptools import find_packages, setup

RECORDED = "book/recorded"
packages = find_packages(include=["cnnlab", "cnnlab.*"])
folders = {}
if Path(RECORDED).is_dir():  # git keeps no empty folder: a clone without results has none
    packages.append("cnnlab.recorded_results")
    folders["cnnlab.recorded_results"] = RECORDED

setup(
    packages=packages,
    package_dir=folders,
    package_data={
        "cnnlab": ["py.typed", "**/*.json", "**/*.npz", "**/*.csv", "**/*.txt", "**/*.js", "**/*.css", "**/*.svg"],
        "cnnlab.recorded_results": ["*.json"],
    },
)
