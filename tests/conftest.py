"""Shared by all tests: the smallest scale, one thread, no data of one machine; and a wheel of the package.

The kernels that nbval starts inherit this environment; ``tools/execute_notebooks.py`` sets the same.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.build_wheel import build_wheel, copy_source

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
