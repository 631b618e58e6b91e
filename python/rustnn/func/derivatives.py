"""Gradients and Jacobians of functions whose arguments may be tensors or containers of tensors."""

from __future__ import annotations

from rustnn import _C
from rustnn._C import Tensor
from rustnn.autograd.grad_mode import enable_grad
from rustnn.utils._pytree import tree_leaves, tree_map, tree_structure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Argnums = int | tuple[int, ...]

__all__ = [
    "grad",
    "grad_and_value",
    "hessian",
    "jacfwd",
    "jacrev",
    "jvp",
    "linearize",
    "vjp",
]


def _tracked(tree: Any) -> tuple[Any, list[Tensor], bool]:
    """The tensors of a tree with a place in a graph; those that need one already stay in theirs."""
    found: list[Tensor] = []
    outside = False

    def track(x: Any) -> Any:
        nonlocal outside
        if not isinstance(x, Tensor):
            return x
        outside = outside or x.requires_grad
        if not (x.is_floating_point() or x.is_complex()):
            raise RuntimeError(
                f"differentiation needs tensors of floating point or complex dtype, but got {x.dtype}"
            )
        found.append(x.view_as(x) if x.requires_grad else x.detach().requires_grad_())
        return found[-1]

    return tree_map(track, tree), found, outside


def _leads_outside(outputs: list[Tensor], own: list[Tensor]) -> bool:
    """Whether a graph has leaves other than ``own``: then its gradients are worth keeping."""
    seen: set[Any] = set()
    stack: list[Any] = [o.grad_fn for o in outputs]
    known = {id(x) for x in own}
    while stack:
        node = stack.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if node.name() == "torch::autograd::AccumulateGrad" and id(node.variable) not in known:
            return True
        stack.extend(parent for parent, _ in node.next_functions)
    return False


def _plain(tree: Any, keep: bool) -> Any:
    """The tree, cut off from the graph unless that leads outside."""
    if keep:
        return tree
    return tree_map(lambda x: x.detach() if isinstance(x, Tensor) else x, tree)


def _zeros_for(grads: tuple[Any, ...], like: list[Tensor]) -> list[Tensor]:
    return [_C.zeros_like(x.detach()) if g is None else g for g, x in zip(grads, like, strict=True)]


def _selected(args: tuple[Any, ...], argnums: Argnums) -> tuple[bool, tuple[int, ...]]:
    many = isinstance(argnums, tuple)
    numbers = argnums if isinstance(argnums, tuple) else (argnums,)
    for n in numbers:
        if not -len(args) <= n < len(args):
            raise RuntimeError(f"Got argnum={n}, but only {len(args)} positional inputs")
    return many, tuple(n % len(args) for n in numbers)


def grad_and_value(
    func: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """A function that returns the gradients of ``func`` by its arguments ``argnums``, and its value.

    ``func`` returns a single number, with ``has_aux`` also something else, which comes back beside the value.
    """

    def wrapper(*args: Any, **kwargs: Any) -> Any:
        many, numbers = _selected(args, argnums)
        with enable_grad():
            tracked, places, outside = _tracked(tuple(args[n] for n in numbers))
            given = list(args)
            for n, value in zip(numbers, tracked, strict=True):
                given[n] = value
            result = func(*given, **kwargs)
            output, aux = result if has_aux else (result, None)
            if not isinstance(output, Tensor):
                raise RuntimeError(
                    "Expected f to return a tensor with zero dims, but got something of type "
                    + type(output).__name__
                )
            if output.dim() != 0:
                raise RuntimeError(
                    "Expected the function given to grad to return a scalar tensor, but got a tensor with "
                    f"{output.dim()} dims. Maybe you wanted to use the vjp or jacrev APIs instead?"
                )
            keep = outside or _leads_outside([output], places)
            found = (
                _C._grad(output, places, None, True, True, True)
                if output.requires_grad
                else (None,) * len(places)
            )
        grads = _plain(tree_structure(tracked).unflatten(_zeros_for(found, places)), keep)
        value = _plain(output, keep)
        return (grads if many else grads[0]), ((value, _plain(aux, keep)) if has_aux else value)

    return wrapper


def grad(func: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False) -> Callable[..., Any]:
    """As ``grad_and_value``, without the value."""
    both = grad_and_value(func, argnums, has_aux)

    def wrapper(*args: Any, **kwargs: Any) -> Any:
        grads, value = both(*args, **kwargs)
        return (grads, value[1]) if has_aux else grads

    return wrapper


def vjp(func: Callable[..., Any], *primals: Any, has_aux: bool = False) -> Any:
    """The value of ``func``, and a function from gradients of its output to gradients of ``primals``."""
    with enable_grad():
        tracked, places, outside = _tracked(primals)
        result = func(*tracked)
        output, aux = result if has_aux else (result, None)
    outputs = [o for o in tree_leaves(output) if isinstance(o, Tensor)]
    keep = outside or _leads_outside(outputs, places)

    def pull(*cotangents: Any, retain_graph: bool = True) -> Any:
        given = cotangents if len(cotangents) > 1 or not isinstance(output, Tensor) else cotangents[0]
        pairs = [(o, w) for o, w in zip(outputs, tree_leaves(given), strict=True) if o.requires_grad]
        with enable_grad():
            outer = keep or any(w.requires_grad for _, w in pairs)
            found: tuple[Any, ...] = (None,) * len(places)
            if pairs:
                found = _C._grad([o for o, _ in pairs], places, [w for _, w in pairs], True, outer, True)
        return _plain(tree_structure(tracked).unflatten(_zeros_for(found, places)), outer)

    value = _plain(output, keep)
    return (value, pull, _plain(aux, keep)) if has_aux else (value, pull)


def jvp(
    func: Callable[..., Any], primals: Any, tangents: Any, *, strict: bool = False, has_aux: bool = False
) -> Any:
    """The value of ``func`` at the tuple ``primals``, and its derivative along ``tangents``.

    By way of two backwards: the gradient is linear in what it starts from.
    """
    with enable_grad():
        tracked, places, outside = _tracked(tuple(primals))
        result = func(*tracked)
        output, aux = result if has_aux else (result, None)
        outputs = [o for o in tree_leaves(output) if isinstance(o, Tensor)]
        keep = outside or _leads_outside(outputs, places)
    tangent = _pushed(output, places, tree_leaves(tuple(tangents)), keep)
    value = _plain(output, keep)
    return (value, tangent, _plain(aux, keep)) if has_aux else (value, tangent)


def linearize(func: Callable[..., Any], *primals: Any) -> Any:
    """The value of ``func`` at ``primals``, and a function from tangents to the derivatives along them.

    AssertionError for functions without arguments.
    """
    if not primals:
        raise AssertionError("linearize: expected at least one primal")
    with enable_grad():
        tracked, places, outside = _tracked(primals)
        output = func(*tracked)
        outputs = [o for o in tree_leaves(output) if isinstance(o, Tensor)]
        keep = outside or _leads_outside(outputs, places)

    def push(*tangents: Any) -> Any:
        return _pushed(output, places, tree_leaves(tangents), keep)

    return _plain(output, keep), push


def _pushed(output: Any, places: list[Tensor], tangents: list[Any], keep: bool) -> Any:
    """The derivative of an output along tangents, by two backwards."""
    outputs = [o for o in tree_leaves(output) if isinstance(o, Tensor)]
    found: tuple[Any, ...] = (None,) * len(outputs)
    with enable_grad():
        weights = [_C.zeros_like(o.detach()).requires_grad_() for o in outputs]
        pairs = [(o, w) for o, w in zip(outputs, weights, strict=True) if o.requires_grad]
        if pairs:
            first = _C._grad([o for o, _ in pairs], places, [w for _, w in pairs], True, True, True)
            moved = [
                (g, t) for g, t in zip(first, tangents, strict=True) if g is not None and g.requires_grad
            ]
            if moved:
                found = _C._grad([g for g, _ in moved], weights, [t for _, t in moved], True, keep, True)
    return _plain(tree_structure(output).unflatten(_zeros_for(found, outputs)), keep)


def jacrev(
    func: Callable[..., Any],
    argnums: Argnums = 0,
    *,
    has_aux: bool = False,
    chunk_size: int | None = None,
    _preallocate_and_copy: bool = False,
) -> Callable[..., Any]:
    """A function that returns the Jacobian of ``func``: shape (*output, *argument); one backward an element.

    ``chunk_size`` changes nothing.
    """

    def wrapper(*args: Any, **kwargs: Any) -> Any:
        many, numbers = _selected(args, argnums)

        def of_selected(*selected: Any) -> Any:
            given = list(args)
            for n, value in zip(numbers, selected, strict=True):
                given[n] = value
            return func(*given, **kwargs)

        found = vjp(of_selected, *(args[n] for n in numbers), has_aux=has_aux)
        output, pull = found[0], found[1]
        outputs = tree_leaves(output)
        jacobians = []
        for i, o in enumerate(outputs):
            rows = []
            for n in range(o.numel()):
                weights = [_C.zeros_like(x.detach()) for x in outputs]
                weights[i].view(-1)[n] = 1
                starts = (
                    weights[0] if isinstance(output, Tensor) else tree_structure(output).unflatten(weights)
                )
                rows.append(pull(starts))
            jacobians.append(_stacked(rows, o, many, tuple(args[n] for n in numbers)))
        result = jacobians[0] if isinstance(output, Tensor) else tree_structure(output).unflatten(jacobians)
        return (result, found[2]) if has_aux else result

    return wrapper


def _stacked(rows: list[Any], output: Tensor, many: bool, args: tuple[Any, ...]) -> Any:
    """Gradients of the elements of an output as Jacobians in the structure of the arguments."""
    columns = []
    for k, x in enumerate(tree_leaves(args)):
        parts = [tree_leaves(row)[k] for row in rows]
        whole = _C.stack(parts) if parts else _C.zeros((0, *x.shape), dtype=x.dtype)
        columns.append(whole.reshape((*output.shape, *x.shape)))
    tree = tree_structure(args).unflatten(columns)
    return tree if many else tree[0]


def jacfwd(
    func: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False, *, randomness: str = "error"
) -> Callable[..., Any]:
    """The same as ``jacrev``."""
    return jacrev(func, argnums, has_aux=has_aux)


def hessian(func: Callable[..., Any], argnums: Argnums = 0) -> Callable[..., Any]:
    """A function that returns the Hessian of ``func``: the Jacobian of its Jacobian."""
    return jacrev(jacrev(func, argnums), argnums)
