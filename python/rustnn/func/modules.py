"""Modules as functions of their parameters."""

from __future__ import annotations

from rustnn import _C
from rustnn._C import Tensor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from rustnn.nn import Module

__all__ = ["functional_call", "replace_all_batch_norm_modules_", "stack_module_state"]


def functional_call(
    module: Module,
    parameter_and_buffer_dicts: dict[str, Tensor] | Sequence[dict[str, Tensor]],
    args: Any = None,
    kwargs: dict[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """``module(*args, **kwargs)`` with other tensors in the place of its parameters and buffers.

    Names are those of ``module.state_dict()``. With ``tie_weights``, a tensor that the module has under
    several names is replaced under all of them; with ``strict``, all names must be given, and no others. The
    module itself is left as it was. RuntimeError for unknown names.
    """
    given: dict[str, Tensor] = {}
    dicts = parameter_and_buffer_dicts
    if isinstance(dicts, dict):
        dicts = (dicts,)
    if not isinstance(dicts, (list, tuple, str)):
        raise ValueError(
            "Expected parameter_and_buffer_dicts to be a dict, or a list/tuple of dicts, but got "
            f"{type(dicts)}"
        )
    if not all(isinstance(names, dict) for names in dicts):
        raise ValueError("Expected all elements of parameter_and_buffer_dicts to be dictionaries")
    for names in dicts:
        doubled = given.keys() & names.keys()
        if doubled:
            raise ValueError(
                f"{sorted(doubled)} appeared in multiple dictionaries; behavior of functional call is "
                f"ambiguous"
            )
        given.update(names)
    places = _places(module)
    if strict:
        unknown = sorted(given.keys() - places.keys())
        missing = sorted(places.keys() - given.keys())
        wrong = [
            f"{kind} key(s): {', '.join(map(repr, names))}."
            for kind, names in (("Unexpected", unknown), ("Missing", missing))
            if names
        ]
        if wrong:
            lines = "\n\t".join(wrong)
            raise RuntimeError(f"Error(s) in reparametrizing for {module._get_name()}:\n\t{lines}")
    given = {name: tensor for name, tensor in given.items() if name in places}
    if tie_weights:
        given = _tied(places, given)
    before = []
    try:
        for name, tensor in given.items():
            table, key = places[name]
            if not isinstance(tensor, Tensor):
                raise TypeError(f"{tensor!r} is not an instance of rustnn.Tensor")
            before.append((table, key, table[key]))
            table[key] = tensor
        if args is None:
            args = ()
        return module(*(args if isinstance(args, tuple) else (args,)), **(kwargs or {}))
    finally:
        for table, key, tensor in reversed(before):
            table[key] = tensor


def _places(module: Module) -> dict[str, tuple[dict[str, Any], str]]:
    """Where each parameter and buffer is kept, by its full name."""
    places = {}
    for prefix, part in module.named_modules(remove_duplicate=False):
        for table in (part._parameters, part._buffers):
            for key, tensor in table.items():
                if tensor is not None:
                    places[f"{prefix}.{key}" if prefix else key] = (table, key)
    return places


def _tied(places: dict[str, tuple[dict[str, Any], str]], given: dict[str, Tensor]) -> dict[str, Tensor]:
    """What was given, also under the other names of the same tensors."""
    names: dict[int, list[str]] = {}
    for name, (table, key) in places.items():
        names.setdefault(id(table[key]), []).append(name)
    tied = dict(given)
    for group in names.values():
        values = {id(given[name]): given[name] for name in group if name in given}
        if len(values) > 1:
            raise ValueError(
                f"functional_call got multiple values for keys {sorted(group)}, which are tied. Consider "
                "using tie_weights=False"
            )
        for value in values.values():
            tied.update(dict.fromkeys(group, value))
    return tied


def stack_module_state(models: Sequence[Module]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The parameters and the buffers of modules of one kind, stacked along a new first dim, by name."""
    if not models:
        raise RuntimeError("stack_module_state: Expected at least one model, got 0.")
    if any(type(m) is not type(models[0]) for m in models):
        raise RuntimeError("stack_module_state: Expected all models to be of the same class.")
    parameters = {
        name: _C.stack([dict(m.named_parameters())[name].detach() for m in models]).requires_grad_(
            p.requires_grad
        )
        for name, p in models[0].named_parameters()
    }
    buffers = {
        name: _C.stack([dict(m.named_buffers())[name] for m in models])
        for name, _ in models[0].named_buffers()
    }
    return parameters, buffers


def replace_all_batch_norm_modules_(root: Module) -> Module:
    """Takes the running statistics from all batch norms of a module, which is returned."""
    from rustnn.nn.batchnorm import _BatchNorm

    for module in root.modules():
        if isinstance(module, _BatchNorm):
            module.running_mean = None
            module.running_var = None
            module.num_batches_tracked = None
            module.track_running_stats = False
    return root
