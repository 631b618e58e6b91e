"""Modes leave nothing behind."""

from __future__ import annotations

from typing import Any

import rustnn as torch
from rustnn import nn
from rustnn.overrides import BaseTorchFunctionMode, get_ignored_functions, get_overridable_functions


def test_functions_have_their_own_code_again_after_modes() -> None:
    function: Any = nn.functional.relu
    function(torch.ones(1))
    code = function.__code__
    for _ in range(2):
        with BaseTorchFunctionMode():
            assert function.__code__ is not code
            function(torch.ones(1))
        function(torch.ones(1))
        assert function.__code__ is code


def test_lists_of_functions() -> None:
    functions = get_overridable_functions()
    assert torch.cat in functions[torch]
    assert torch.Tensor.add in functions[torch.Tensor]
    assert nn.functional.relu in functions[nn.functional]
    ignored = get_ignored_functions()
    assert torch.manual_seed in ignored
    assert torch.cat not in ignored
