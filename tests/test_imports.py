"""What an import brings, seen from fresh processes: names without further imports, and little else."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

PACKAGES = (
    "analysis",
    "catalog",
    "classify",
    "convolutions",
    "data",
    "draw",
    "evaluation",
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


@pytest.mark.slow
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


# --- what is public -----------------------------------------------------------------------------------------------

# A chapter's exercises are found by their ids, and an explorer's __all__ says what of it cnnlab.widgets offers.
MODULES = [path for path in sorted((ROOT / "cnnlab").rglob("*.py")) if path.parent.parent.name != "chapters"]
# Written without an underscore because a neighbor uses it; no reader needs it.
NEIGHBORS = {"augment": {"moving_first", "with_classes"}}


def _targets(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return [node.name]
    if isinstance(node, ast.AnnAssign):
        return [ast.unparse(node.target)]
    if not isinstance(node, ast.Assign) or ast.unparse(node.value).startswith("TypeVar("):
        return []
    return [name.id for target in node.targets for name in ast.walk(target) if isinstance(name, ast.Name)]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_all_says_what_is_public(path: Path):
    """In a module, everything that it defines under a name without underscore, and nothing that it imports."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    if all(isinstance(node, ast.Expr) for node in tree.body):
        return  # nothing but its text
    lists = [node.value for node in tree.body if _targets(node) == ["__all__"]]
    assert len(lists) == 1, "it needs a line __all__ = [...] after its imports, with its public names"
    if path.name == "__init__.py" and not isinstance(lists[0], ast.List):
        return  # of lazy names; the next test asks for them
    listed = ast.literal_eval(lists[0]) if path.name != "__init__.py" or path.parent.name != "cnnlab" else []
    if path.name != "__init__.py":
        defined = {name for node in tree.body for name in _targets(node) if not name.startswith("_")}
        assert set(listed) == defined - NEIGHBORS.get(path.stem, set())
    assert len(listed) == len(set(listed))


@pytest.mark.slow
def test_completion_offers_what_is_public():
    """In IPython and Jupyter, with jedi and without: also of modules that a package imports, or a reader does."""
    offered = told_by("""
import json
from IPython.core.interactiveshell import InteractiveShell
from IPython.core.completer import provisionalcompleter
shell = InteractiveShell.instance()
shell.run_cell("import cnnlab, cnnlab.models.resnet as resnet; from cnnlab import layers; import cnnlab.training.run")
found = {}
for shell.Completer.use_jedi in (True, False):
    for typed in ("cnnlab.data.augment.", "layers.", "resnet.", "cnnlab.training.", "cnnlab.training.run.", "cnnlab."):
        with provisionalcompleter():
            names = {each.text.lstrip(".") for each in shell.Completer.completions(typed, len(typed))}
        found[f"{typed} {shell.Completer.use_jedi}"] = sorted(name for name in names if not name.startswith("_"))
print(json.dumps(found))
""")
    import cnnlab
    from cnnlab import layers
    from cnnlab.models import resnet

    for asked, names in offered.items():
        typed = asked.split()[0].rstrip(".")
        module = {"layers": layers, "resnet": resnet}.get(typed) or eval(typed)
        assert names == sorted(name for name in module.__all__ if not name.startswith("_")), asked
    assert "Mixup" in offered["cnnlab.data.augment. True"] and "fit" in cnnlab.__all__
