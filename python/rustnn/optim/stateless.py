"""A step on other parameters than the optimizer's own."""

from __future__ import annotations

from collections import defaultdict
from contextlib import contextmanager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from rustnn._C import Tensor
    from rustnn.optim.optimizer import Optimizer

__all__ = ["swap_in_optimizer_params_and_state"]


@contextmanager
def swap_in_optimizer_params_and_state(
    optimizer: Optimizer, swapin_parameters: dict[str, Tensor], swapin_optim_state: dict[str, Any]
) -> Iterator[None]:
    """Within the context ``optimizer`` works on these parameters, in the order of its own, and this state.

    ``swapin_optim_state`` is of the form of ``state_dict()``. Tensors are used as they are, not copied, so
    that a step changes them. ValueError where the numbers of groups or parameters differ.
    """
    saved = swapin_optim_state["param_groups"]
    sizes = [len(group["params"]) for group in optimizer.param_groups]
    if sizes != [len(group["params"]) for group in saved] or sum(sizes) != len(swapin_parameters):
        raise ValueError("the parameters and the state must be of as many groups and parameters")
    state, groups = optimizer.state, optimizer.param_groups
    members = iter(swapin_parameters.values())
    params: dict[Any, Tensor] = {}
    swapped = []
    for group in saved:
        own = {number: next(members) for number in group["params"]}
        params.update(own)
        swapped.append({**group, "params": list(own.values())})
    optimizer.param_groups = swapped
    optimizer.state = defaultdict(dict)
    for key, entry in swapin_optim_state["state"].items():
        optimizer.state[params.get(key, key)] = dict(entry) if isinstance(entry, dict) else entry
    try:
        yield
    finally:
        optimizer.state, optimizer.param_groups = state, groups
