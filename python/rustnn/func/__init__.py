"""Functions of functions: gradients, Jacobians and batches of pure functions of tensors.

They are made of the tape: gradients by backward, ``vmap`` and whole Jacobians by a loop.
"""

from __future__ import annotations

from rustnn.func.derivatives import grad, grad_and_value, hessian, jacfwd, jacrev, jvp, linearize, vjp
from rustnn.func.modules import functional_call, replace_all_batch_norm_modules_, stack_module_state
from rustnn.func.vmap import vmap

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = [
    "functional_call",
    "grad",
    "grad_and_value",
    "hessian",
    "jacfwd",
    "jacrev",
    "jvp",
    "linearize",
    "replace_all_batch_norm_modules_",
    "stack_module_state",
    "vjp",
    "vmap",
]

_ABSENT = {
    "functionalize": "call the function itself: nothing here needs functions without side effects",
}


def __getattr__(name: str) -> Any:
    if name in _ABSENT:
        raise NotImplementedError(f"torch.func.{name} is not supported: {_ABSENT[name]}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
