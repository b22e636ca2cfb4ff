"""What an import brings, seen from fresh processes: names without further imports, and little else."""

import json
import subprocess
import sys

import pytest

PACKAGES = (
    "analysis",
    "catalog",
    "convolutions",
    "data",
    "draw",
    "exercises",
    "models",
    "training",
    "weights",
    "widgets",
)


def told_by(code: str):
    """What a fresh interpreter prints as JSON after running ``code``."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_every_package_is_there_after_import_cnnlab():
    # In one process that forgets cnnlab (not torch) in between: else one package would bring the next along.
    found = told_by(f"""
import json, sys
found = []
for name in {PACKAGES}:
    import cnnlab
    package = getattr(cnnlab, name)
    last = getattr(package, package.__all__[-1])  # the package's own names may be lazy too
    found.append([package.__name__, last is not None])
    for module in [module for module in sys.modules if module.split(".")[0] == "cnnlab"]:
        del sys.modules[module]
print(json.dumps(found))
""")
    assert found == [[f"cnnlab.{package}", True] for package in PACKAGES]


def test_import_cnnlab_is_light_and_lists_its_names():
    loaded, listed = told_by(
        "import sys; before = set(sys.modules); import cnnlab, json; "
        "print(json.dumps([sorted(set(sys.modules) - before), dir(cnnlab)]))"
    )
    assert not {"torch", "numpy", "matplotlib", "pandas", "IPython", "ipywidgets"} & set(loaded)
    assert {name for name in loaded if name.startswith("cnnlab")} == {"cnnlab", "cnnlab.lazy"}
    assert {*PACKAGES, "fit", "create_model", "__version__"} <= set(listed)


def test_an_unknown_name_says_what_there_is():
    import cnnlab

    with pytest.raises(AttributeError, match=r"module 'cnnlab' has no attribute 'drow'; it has .*\bdraw\b"):
        cnnlab.drow  # noqa: B018
