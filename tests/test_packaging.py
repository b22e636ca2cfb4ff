"""The package as pip sees it: what the wheel holds, what it asks for, and what the book pins."""

from __future__ import annotations

import ast
import importlib.metadata
import re
import subprocess
import sys
import zipfile
from email import message_from_string
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

import cnnlab
from cnnlab import chapters
from cnnlab.weights.package_weights import PACKAGES
from tools.build_wheel import offline_environment
from tools.chapters import ROOT

PACKAGE = ROOT / "cnnlab"
LEFT_OUT = {"__pycache__", ".ipynb_checkpoints"}

# Import name -> the declared distribution that brings it, where the two differ.
DISTRIBUTIONS = {
    "IPython": "ipython",
    "PIL": "pillow",
    "cycler": "matplotlib",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
}
# Imported only where the reader asks for them.
OPTIONAL = {
    "cairosvg",
    "onnx",
    "onnxruntime",
    "timm",
    "huggingface_hub",
    "safetensors",
    "tomli",
}  # timm brings two of them along


def files(folder: Path) -> set[str]:
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and not LEFT_OUT & set(path.parts)
    }


@pytest.fixture
def names(wheel: Path) -> set[str]:
    return set(zipfile.ZipFile(wheel).namelist())


@pytest.fixture
def metadata(wheel: Path):
    archive = zipfile.ZipFile(wheel)
    (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
    return message_from_string(archive.read(name).decode())


@pytest.mark.slow
def test_wheel_holds_every_file_of_the_package(names: set[str], package_source: Path) -> None:
    missing = {f"cnnlab/{name}" for name in files(package_source / "cnnlab")} - names
    assert not missing, f"setup.py's package_data leaves out {sorted(missing)[:5]}, or a folder lacks its __init__.py"


@pytest.mark.slow
def test_wheel_holds_the_recorded_results_and_nothing_else_of_the_book(names: set[str]) -> None:
    recorded = {f"cnnlab/recorded_results/{path.name}" for path in (ROOT / "book" / "recorded").glob("*.json")}
    assert {name for name in names if name.startswith("cnnlab/recorded_results/")} == recorded
    assert {name.split("/")[0] for name in names} == {"cnnlab", f"cnnlab-{cnnlab.__version__}.dist-info"}


@pytest.mark.slow
def test_wheel_holds_the_chapters_in_the_books_order(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    code = "from cnnlab import chapters; print(*chapters.names()); print(chapters.__file__)"
    asked = [sys.executable, "-c", code]
    found = subprocess.run(asked, cwd=tmp_path, env=offline_environment(), capture_output=True, text=True, check=True)
    names, file = found.stdout.splitlines()
    assert Path(file).is_relative_to(tmp_path)
    assert names.split() == list(chapters.names()) != sorted(chapters.names())


@pytest.mark.slow
def test_wheel_carries_both_licenses(names: set[str]) -> None:
    assert {Path(name).name for name in names if "/licenses/" in name} == {"LICENSE", "LICENSE-text"}


@pytest.mark.slow
def test_requirements_are_ranges_without_an_upper_end(metadata) -> None:
    """An upper end, or an exact pin, would make pip change what Colab brings."""
    required = [line for line in metadata.get_all("Requires-Dist") if "extra ==" not in line]
    assert {"torch>=2.6", "torchvision>=0.21", "ipywidgets>=7.7.1"} <= set(required)
    assert all(re.fullmatch(r"[\w-]+>=[\d.]+", line) for line in required), required
    assert metadata["Requires-Python"] == ">=3.10"


def declared() -> set[str]:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    block = re.search(r"^dependencies = \[\n(.*?)^\]", text, re.DOTALL | re.MULTILINE).group(1)
    return set(re.findall(r'"([\w-]+)>=', block))


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.add(node.module.split(".")[0])
    return found


def test_everything_imported_is_declared_and_everything_declared_is_imported() -> None:
    used = {name for path in PACKAGE.rglob("*.py") for name in imports(path)} - set(sys.stdlib_module_names)
    used = {DISTRIBUTIONS.get(name, name) for name in used} - {"cnnlab", "google"} - OPTIONAL
    used.add(
        PACKAGES["tf_efficientnet_lite0"].requirement.split("==")[0]
    )  # a file of weights, found and never imported
    assert used - declared() == set(), "imported, but not in pyproject.toml"
    assert declared() - used == set(), "in pyproject.toml, but never imported"


def pins(name: str) -> dict[str, str]:
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    kept = [line.split(" #")[0].rstrip() for line in lines if line.strip() and not line.startswith(("#", "-c "))]
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", line) for line in kept), "every line is an exact pin"
    return {re.sub(r"[-_.]+", "-", line.split("==")[0]).lower(): line.split("==")[1] for line in kept}


@pytest.mark.parametrize("folder", [".", "tests/colab"])
def test_requirements_are_exact_and_agree_with_the_constraints(folder: str) -> None:
    direct, everything = pins(f"{folder}/requirements.txt"), pins(f"{folder}/constraints.txt")
    assert direct.items() <= everything.items()
    assert {name.lower() for name in declared()} <= set(direct), "the book is tested with pinned versions of these"


def test_pins_serve_any_python_3_11() -> None:
    """Debian 12 has 3.11.2: a pin that asks for a later patch release cannot be installed there."""
    pinned = pins("constraints.txt")
    for distribution in importlib.metadata.distributions():
        name = re.sub(r"[-_.]+", "-", distribution.metadata["Name"]).lower()
        asked = distribution.metadata.get("Requires-Python")
        if asked and pinned.get(name) == distribution.version:
            assert SpecifierSet(asked).contains("3.11.0"), f"{name}=={distribution.version} asks for Python {asked}"


def test_citation_gives_the_version() -> None:
    assert f'version: "{cnnlab.__version__}"' in (ROOT / "CITATION.cff").read_text(encoding="utf-8")


def test_no_file_names_a_package_index() -> None:
    pins = [ROOT / folder / name for folder in (".", "tests/colab") for name in ("requirements.txt", "constraints.txt")]
    for path in (*pins, ROOT / "pyproject.toml", ROOT / "Makefile"):
        assert not re.search(r"--(?:extra-)?index-url|--find-links|--trusted-host", path.read_text(encoding="utf-8"))
