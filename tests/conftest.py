"""Shared by all tests: the smallest scale, one thread, no data of one machine; and a wheel of the package.

The kernels that nbval starts inherit this environment; ``tools/execute_notebooks.py`` sets the same.
"""

from __future__ import annotations

import gc
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from cnnlab import chapters
from tests.warm_kernels import Nursery
from tools.build_wheel import build_wheel, copy_source

# What is imported and collected stays until the end: to look through it for garbage takes a third of that time.
gc.disable()

os.environ["CNNLAB_SCALE"] = "smoke"
os.environ["OMP_NUM_THREADS"] = "1"  # a worker for each core does more than a thread for each
os.environ.pop("CNNLAB_DATA", None)


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """For tests of tiny tensors: a second thread would only wait for the first, for minutes where cores are shared."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def package_source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what a clone holds of the package, so that building it leaves nothing in the checkout."""
    return copy_source(tmp_path_factory.mktemp("source"))


@pytest.fixture(scope="session")
def wheel(package_source: Path) -> Path:
    """A wheel built from the working tree, without a network."""
    return build_wheel(package_source)


# --- what belongs to a chapter: make test CHAPTERS="lenet zoo" -----------------------------------------------------

# Of no chapter alone and quick: every chapter's entry in the contents, and the book's claims.
WITH_ANY = {"test_chapters", "test_fact_check"}
SPEAKS = re.compile("chapter|explorer|notebook", re.IGNORECASE)
OWN = pytest.StashKey[set[str]]()

# The contract of the zoo takes a second or more for each network; `make test-fast` holds these to it, whose parts
# (residual blocks, depthwise layers, gates, auxiliary heads) are those of most others.
OF_EACH_MODEL = {"test_models", "test_models_in_use", "test_models_head", "test_official_weights", "test_analysis"}
SMALL_MODELS = {None, "lenet5", "lenet5_1998", "mlp_mnist", "resnet20_cifar", "squeezenet1_1", "mobilenet_v3_small"}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--chapters", default="", help="only what belongs to these chapters: their names with spaces")


def pytest_configure(config: pytest.Config) -> None:
    try:
        config.stash[OWN] = {name for chapter in config.getoption("--chapters").split() for name in names_of(chapter)}
    except ValueError as error:
        raise pytest.UsageError(str(error)) from None


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Files that speak of no chapter are not even imported."""
    own = config.stash[OWN]
    if not own or collection_path.is_dir() or own_file(collection_path, own) or collection_path.stem in WITH_ANY:
        return None
    if collection_path.suffix == ".py":
        return True if SPEAKS.search(collection_path.read_text(encoding="utf-8")) is None else None
    return True


@pytest.hookimpl(tryfirst=True)  # before -m looks at the marks
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what is slow because of the network it is about; keep what belongs to the chapters that are asked for."""
    for item in items:
        if item.path.stem in OF_EACH_MODEL and model_of(item) not in SMALL_MODELS:
            item.add_marker(pytest.mark.slow)
    own = config.stash[OWN]
    if own:
        kept: dict[bool, list[pytest.Item]] = {True: [], False: []}
        for item in items:
            kept[belongs(item, own)].append(item)
        config.hook.pytest_deselected(items=kept[False])
        items[:] = kept[True]


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()


def pytest_unconfigure(config: pytest.Config) -> None:
    gc.unfreeze()  # or extension modules report at the end what they never got back
    if WARM in config.stash:
        config.stash[WARM].close()


# --- chapters are compared in kernels that are forked ---------------------------------------------------------------

WARM = pytest.StashKey[Nursery]()


def pytest_sessionstart(session: pytest.Session) -> None:
    if session.config.getoption("nbval", False) and hasattr(os, "fork"):
        session.config.stash[WARM] = fork_kernels()


def fork_kernels() -> Nursery:
    """Let nbval, and nothing else in this process, start its kernels from a warm process."""
    import nbval.plugin
    from jupyter_client.provisioning import local_provisioner

    nursery, start = Nursery(), nbval.kernel.start_new_kernel

    def start_new_kernel(*args: Any, **kwargs: Any) -> Any:
        with patch.object(local_provisioner, "launch_kernel", nursery.launch):
            return start(*args, **kwargs)

    nbval.kernel.start_new_kernel = start_new_kernel
    return nursery


def model_of(item: pytest.Item) -> str | None:
    """The network that a test of the zoo's contract is about; None for a test of no network."""
    return item.callspec.params.get("name") if hasattr(item, "callspec") else None


def names_of(chapter: str) -> set[str]:
    """The names by which tests speak of a chapter: its own and those of its explorers."""
    folder = chapters.folder(chapters.key(chapter))
    return {folder.name, folder.name.replace("_", "-")} | {view.stem for view in folder.glob("*.js")}


def own_file(path: Path, own: set[str]) -> bool:
    return path.stem.removeprefix("test_") in own


def belongs(item: pytest.Item, own: set[str]) -> bool:
    """Whether a test has one of the names in its file's name or among its parameters, or goes with any chapter."""
    _, parameters, case = item.name.partition("[")
    words = {part.partition(".")[0] for part in re.split(r"[/\s\]]", case)}
    return own_file(item.path, own) or bool(words & own) or (item.path.stem in WITH_ANY and not parameters)
