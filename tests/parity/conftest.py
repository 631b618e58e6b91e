"""Without PyTorch there is nothing to hold rustnn against: a plain `pytest` then leaves these tests out."""

from __future__ import annotations

import importlib.util

collect_ignore_glob = [] if importlib.util.find_spec("torch") else ["test_*.py"]
