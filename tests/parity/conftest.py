"""Without PyTorch there is nothing to hold rustnn against: a plain `pytest` then leaves these tests out."""

from __future__ import annotations

import importlib.util

import pytest

from parity.later import is_later

collect_ignore_glob = [] if importlib.util.find_spec("torch") else ["test_*.py"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if is_later(item.name):
            item.add_marker(pytest.mark.xfail(strict=True, reason="not in this milestone"))
