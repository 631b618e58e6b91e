"""`fx` without PyTorch: functions that are single nodes, changes while walking, what is refused."""

from __future__ import annotations

import operator

import pytest

import rustnn as torch
from rustnn import Tensor, fx, nn

COLUMNS = [1, 2]


def middle(x: Tensor) -> Tensor:
    return x if x.sum() > 0 else -x


fx.wrap("middle")
fx.wrap("len")


def test_wrapped_functions_are_nodes() -> None:
    traced = fx.symbolic_trace(lambda x: middle(x) * len(x))
    assert [n.target for n in traced.graph.nodes if n.op == "call_function"] == [middle, len, operator.mul]
    assert traced(torch.tensor([-1.0, -2.0])).tolist() == [2, 4]
    assert middle(torch.ones(1)).item() == 1
    assert len(COLUMNS) == 2


def test_nodes_may_be_changed_on_the_way() -> None:
    traced = fx.symbolic_trace(lambda x: torch.relu(torch.relu(x) + torch.ones(2)))
    for node in traced.graph.nodes:
        if node.target is torch.relu:
            with traced.graph.inserting_before(node):
                new = traced.graph.call_function(torch.neg, node.args)
            node.replace_all_uses_with(new)
            traced.graph.erase_node(node)
    traced.recompile()
    assert traced(torch.tensor([2.0, -3.0])).tolist() == [1, -4]
    first, *_, last = traced.graph.nodes
    first.prepend(last)
    with pytest.raises(RuntimeError, match="used before it has been defined"):
        traced.graph.lint()


def test_what_depends_on_values_is_refused() -> None:
    class Deciding(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x if x.max() > 1 else 2 * x

    call = nn.Module.__call__
    with pytest.raises(ValueError, match="control flow"):
        fx.symbolic_trace(Deciding())
    assert nn.Module.__call__ is call
    with pytest.raises(NameError, match="not installed as a submodule"):
        fx.symbolic_trace(lambda x: nn.Linear(2, 2)(x))


def test_subclass_of_a_library_module_is_not_a_leaf() -> None:
    class Doubling(nn.Linear):
        def forward(self, input: Tensor) -> Tensor:
            return 2 * super().forward(input)

    traced = fx.symbolic_trace(nn.Sequential(Doubling(2, 2)))
    assert [n.target for n in traced.graph.nodes if n.op == "get_attr"] == ["0.weight", "0.bias"]
    assert len(list(traced.parameters())) == 2
