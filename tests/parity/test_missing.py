"""The lists in docs/COMING_FROM_PYTORCH.md are up to date."""

from __future__ import annotations

import pytest

from parity import missing
from parity.programs import REFERENCE


def test_the_lists_are_fresh() -> None:
    if not str(REFERENCE.__version__).startswith("2.13."):
        pytest.skip("the lists name what PyTorch 2.13 has")
    page = missing.PAGE.read_text(encoding="utf-8")
    assert missing.fresh() == page, "run `make missing-table`"


def test_reasons() -> None:
    assert missing.reason("torch", "quantize_per_tensor") == "Quantized tensors"
    assert missing.reason("Tensor", "to_sparse_coo") == "Sparse, nested and other layouts"
    assert missing.reason("torch", "relu") is None
    assert missing.is_there("nn", "Linear")
    assert not missing.is_there("utils.data", "IterDataPipe")
    assert not missing.is_there("no.such.module", "name")
