"""What all tests share: the folder of public data sets, and reproducible property tests."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# No deadline: the first call of a torch operation is much slower than the next. In CI the same
# examples every time, so that a red run means a changed program.
settings.register_profile("diabolo", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("diabolo")


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers."""
    config.addinivalue_line("markers", "needs_data: reads public data sets below DIABOLO_DATA")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip tests marked ``needs_data`` where there are no data."""
    if item.get_closest_marker("needs_data") and _data_folder() is None:
        pytest.skip("needs DIABOLO_DATA, a folder with the public data sets")


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder named by ``DIABOLO_DATA``; the test is skipped without one."""
    folder = _data_folder()
    if folder is None:
        pytest.skip("needs DIABOLO_DATA, a folder with the public data sets")
    return folder


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Tiny products are quickest in one thread, above all on a busy machine."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def _data_folder() -> Path | None:
    folder = os.environ.get("DIABOLO_DATA")
    return Path(folder) if folder and Path(folder).is_dir() else None
