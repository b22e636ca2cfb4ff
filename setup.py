"""What pyproject.toml cannot say: two things of the book travel inside the package.

They stay in the book, where a reader looks for them: the results in book/recorded, installed as
``cnnlab/recorded_results/*.json``, where ``cnnlab.recorded`` finds them without a checkout; and the order
of the chapters in _toc.yml, of which ``cnnlab/chapters`` gets a copy.
"""

from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

RECORDED = "book/recorded"
TOC = "_toc.yml"
packages = find_packages(include=["cnnlab", "cnnlab.*"])
folders = {}
if Path(RECORDED).is_dir():  # git keeps no empty folder: a clone without results has none
    packages.append("cnnlab.recorded_results")
    folders["cnnlab.recorded_results"] = RECORDED


class BuildWithOrder(build_py):
    """Copies _toc.yml into the built package; an editable install reads it where it is."""

    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            self.copy_file(TOC, self._copy())

    def get_source_files(self) -> list[str]:
        return [*super().get_source_files(), TOC]

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        found = super().get_outputs(include_bytecode)
        return found if self.editable_mode else [*found, self._copy()]

    def _copy(self) -> str:
        return str(Path(self.build_lib, "cnnlab", "chapters", TOC))


setup(
    cmdclass={"build_py": BuildWithOrder},
    packages=packages,
    package_dir=folders,
    package_data={
        "cnnlab": [
            "py.typed",
            "**/*.json",
            "**/*.npz",
            "**/*.csv",
            "**/*.txt",
            "**/*.js",
            "**/*.css",
            "**/*.svg",
            "**/*.toml",
        ],
        "cnnlab.recorded_results": ["*.json"],
    },
)
