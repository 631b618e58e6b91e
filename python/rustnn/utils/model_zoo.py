"""``hub``'s loading of weights by its old name."""

from __future__ import annotations

from rustnn.hub import load_state_dict_from_url as load_url

__all__ = ["load_url"]
