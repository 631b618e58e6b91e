"""Whole Jacobians and Hessians, and their products with vectors, of functions from tensors to tensors."""

from __future__ import annotations

from rustnn import _C
from rustnn._C import Tensor
from rustnn.autograd.grad_mode import enable_grad

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Tensors = tuple[Tensor, ...]

__all__ = ["hessian", "hvp", "jacobian", "jvp", "vhp", "vjp"]


def _as_tuple(value: Any, what: str, function: str) -> tuple[bool, Tensors]:
    """Whether a tuple was given, and the tuple."""
    is_tuple = isinstance(value, tuple)
    items = value if is_tuple else (value,)
    for i, item in enumerate(items):
        if not isinstance(item, Tensor):
            if is_tuple:
                raise TypeError(
                    f"The {what} given to {function} must be either a Tensor or a tuple of Tensors but "
                    f"the value at "
                    f"index {i} has type {type(item)}."
                )
            raise TypeError(
                f"The {what} given to {function} must be either a Tensor or a tuple of Tensors but the "
                f"given {what} "
                f"has type {type(item)}."
            )
    return is_tuple, items


def _with_graph(inputs: Tensors, create_graph: bool) -> Tensors:
    """The inputs with a place in a graph of their own, or in the caller's."""
    if create_graph:
        return tuple(x.view_as(x) if x.requires_grad else x.detach().requires_grad_() for x in inputs)
    return tuple(x.detach().requires_grad_() for x in inputs)


def _call(func: Callable[..., Any], inputs: Tensors, function: str) -> tuple[bool, Tensors]:
    return _as_tuple(func(*inputs), "outputs of the user-provided function", function)


def _finished(results: Any, create_graph: bool) -> Any:
    """Results without a graph unless one was asked for."""
    if isinstance(results, tuple):
        return tuple(_finished(r, create_graph) for r in results)
    return results if create_graph or not results.requires_grad else results.detach()


def _untuple(results: Any, was_tuple: bool) -> Any:
    return results if was_tuple else results[0]


def _check_strict(outputs: Tensors, what: str = "outputs") -> None:
    for i, output in enumerate(outputs):
        if not output.requires_grad:
            raise RuntimeError(
                f"Output {i} of the user-provided function does not require gradients. The outputs must "
                f"be computed "
                "in a differentiable manner from the input when running in strict mode."
            )


def _gradients(
    outputs: Tensors, inputs: Tensors, weights: Tensors | None, create_graph: bool
) -> tuple[Any, ...]:
    """One gradient an input, or None."""
    at = [(o, None if weights is None else weights[i]) for i, o in enumerate(outputs) if o.requires_grad]
    if not at:
        return (None,) * len(inputs)
    starts, grads = zip(*at, strict=True)
    return _C._grad(starts, inputs, grads, True, create_graph, True)


def _filled(grads: tuple[Any, ...], like: Tensors, strict: bool, message: str) -> Tensors:
    """Zeros where there is no gradient; RuntimeError in strict mode."""
    if strict:
        for i, grad in enumerate(grads):
            if grad is None:
                raise RuntimeError(message.format(i=i) + " This is not allowed in strict mode.")
    return tuple(_C.zeros_like(x.detach()) if g is None else g for g, x in zip(grads, like, strict=True))


def _check_vector(v: Tensors, like: Tensors, given_tuple: bool) -> None:
    if len(v) != len(like):
        if given_tuple or len(v) > 1:
            raise RuntimeError(f"v is a tuple of invalid length: should be {len(like)} but got {len(v)}.")
        raise RuntimeError("The given v should contain a single Tensor.")
    for i, (a, b) in enumerate(zip(v, like, strict=True)):
        if a.shape != b.shape:
            place = f"Entry {i} in v" if len(like) > 1 else "v"
            raise RuntimeError(f"{place} has invalid size: should be {b.shape} but got {a.shape}.")


def _vector(v: Any, like: Tensors, many: bool, create_graph: bool, function: str, message: str) -> Tensors:
    """The vector of a product; 1 for a single number."""
    if v is None:
        if len(like) != 1 or like[0].numel() != 1:
            raise RuntimeError(message)
        return (_C.ones_like(like[0].detach()),)
    given_tuple, vector = _as_tuple(v, "v", function)
    if not many and len(vector) != 1:
        raise RuntimeError("The given v should contain a single Tensor.")
    _check_vector(vector, like, given_tuple)
    return _with_graph(vector, create_graph) if create_graph else tuple(x.detach() for x in vector)


_INDEPENDENT = "Output of the user-provided function is independent of input {i}."


def vjp(
    func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """What ``func`` returns, and the product of ``v`` with its Jacobian: one tensor an input.

    ``v`` has the shapes of the outputs; None stands for 1 where there is a single number. With ``strict``,
    outputs that do not depend on an input are a RuntimeError instead of zeros.
    """
    with enable_grad():
        was_tuple, given = _as_tuple(inputs, "inputs", "vjp")
        places = _with_graph(given, create_graph)
        out_tuple, outputs = _call(func, places, "vjp")
        if strict:
            _check_strict(outputs)
        message = (
            "The vector v can only be None if the user-provided function returns a single Tensor with "
            "a single element."
        )
        vector = _vector(v, outputs, out_tuple, create_graph, "vjp", message)
        grads = _gradients(outputs, places, vector, create_graph)
        product = _filled(grads, places, strict, _INDEPENDENT)
    return _untuple(_finished(outputs, create_graph), out_tuple), _untuple(
        _finished(product, create_graph), was_tuple
    )


def _forward_product(
    outputs: Tensors, inputs: Tensors, v: Tensors, create_graph: bool, strict: bool
) -> Tensors:
    """The Jacobian times ``v``: backward is linear in the gradients it starts from, and its gradient with
    respect to them is the product (the double backward trick of J. Townsend, 2017)."""
    weights = tuple(_C.zeros_like(o.detach()).requires_grad_() for o in outputs)
    grads = _gradients(outputs, inputs, weights, True)
    grads = _filled(grads, inputs, strict, _INDEPENDENT)
    found = _gradients(grads, weights, v, create_graph)
    return _filled(
        found, outputs, strict, "The output {i} of the user-provided function is independent of the inputs."
    )


def jvp(
    func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """What ``func`` returns, and the product of its Jacobian with ``v``: one tensor an output.

    ``v`` has the shapes of the inputs; None stands for 1 where there is a single number.
    """
    with enable_grad():
        was_tuple, given = _as_tuple(inputs, "inputs", "jvp")
        places = _with_graph(given, create_graph)
        message = (
            "The vector v can only be None if the input to the user-provided function is a single Tensor "
            "with a "
            "single element."
        )
        vector = _vector(v, places, was_tuple, create_graph, "jvp", message)
        out_tuple, outputs = _call(func, places, "jvp")
        if strict:
            _check_strict(outputs)
        product = _forward_product(outputs, places, vector, create_graph, strict)
    return _untuple(_finished(outputs, create_graph), out_tuple), _untuple(
        _finished(product, create_graph), out_tuple
    )


def jacobian(
    func: Callable[..., Any],
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    strategy: str = "reverse-mode",
) -> Any:
    """The Jacobian: a tensor of shape (*output, *input), in tuples over outputs and inputs where these are.

    One backward an element of the output; ``vectorize`` changes nothing but what may be asked for.
    """
    _check_strategy(strategy, vectorize)
    if strict and vectorize:
        raise RuntimeError(
            "torch.autograd.functional.jacobian: `strict=True` and `vectorized=True` are not supported "
            "together. "
            "Please either set `strict=False` or `vectorize=False`."
        )
    with enable_grad():
        was_tuple, given = _as_tuple(inputs, "inputs", "jacobian")
        places = _with_graph(given, create_graph)
        out_tuple, outputs = _call(func, places, "jacobian")
        if strict:
            _check_strict(outputs)
        rows = []
        for i, output in enumerate(outputs):
            message = f"Output {i} of the user-provided function is independent of input {{i}}."
            columns: list[list[Tensor]] = [[] for _ in places]
            for n in range(output.numel()):
                weight = _C.zeros(output.numel(), dtype=output.dtype)
                weight[n] = 1
                grads = _gradients((output,), places, (weight.view(output.shape),), create_graph)
                for column, grad in zip(columns, _filled(grads, places, strict, message), strict=True):
                    if strict and create_graph and not grad.requires_grad:
                        raise RuntimeError(
                            "The jacobian of the user-provided function is independent of input. This is "
                            "not allowed "
                            "in strict mode when create_graph=True."
                        )
                    column.append(grad)
            rows.append(
                tuple(
                    (_C.stack(column) if column else _C.zeros((0, *x.shape), dtype=x.dtype)).view(
                        (*output.shape, *x.shape)
                    )
                    for column, x in zip(columns, places, strict=True)
                )
            )
    results = tuple(_untuple(_finished(row, create_graph), was_tuple) for row in rows)
    return _untuple(results, out_tuple)


def _check_strategy(strategy: str, vectorize: bool) -> None:
    if strategy not in ("reverse-mode", "forward-mode"):
        raise AssertionError(
            f"Expected strategy to be either 'forward-mode' or 'reverse-mode'. Got: {strategy}."
        )
    if strategy == "forward-mode" and not vectorize:
        raise NotImplementedError(
            "Computing Jacobian using forward-AD or forward-over-reverse Hessian is only implemented for "
            "`vectorize=True`."
        )


def _single(output: tuple[bool, Tensors], function: str) -> Tensor:
    out_tuple, outputs = output
    if out_tuple or len(outputs) != 1:
        raise RuntimeError(f"The function given to {function} should return a single Tensor")
    if outputs[0].numel() != 1:
        raise RuntimeError(
            f"The Tensor returned by the function given to {function} should contain a single element"
        )
    return outputs[0].reshape(())


def hessian(
    func: Callable[..., Any],
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    outer_jacobian_strategy: str = "reverse-mode",
) -> Any:
    """The Hessian of a function with a single number as its result.

    Its shape is (*input, *input), in tuples of tuples where there are several inputs."""
    was_tuple, given = _as_tuple(inputs, "inputs", "hessian")
    _check_strategy(outer_jacobian_strategy, vectorize)

    def gradient(*args: Tensor) -> Tensors:
        output = _single(_call(func, args, "hessian"), "hessian")
        if strict:
            _check_strict((output,))
        grads = _gradients((output,), args, None, True)
        grads = _filled(
            grads, args, strict, "Output 0 of the user-provided function is independent of input {i}."
        )
        if strict:
            for i, grad in enumerate(grads):
                if not grad.requires_grad:
                    raise RuntimeError(
                        "While computing the hessian, found that the jacobian of the user-provided "
                        "function with "
                        f"respect to input {i} is independent of the input. This is not allowed in strict "
                        f"mode. You "
                        "should ensure that your function is twice differentiable and that the jacobian "
                        "depends on "
                        "the inputs (this would be violated by a linear function for example)."
                    )
        return grads

    places = tuple(x if x.requires_grad and create_graph else x.detach() for x in given)
    rows = jacobian(gradient, places, create_graph, strict, vectorize)
    return rows if was_tuple else rows[0][0]


def _hessian_product(
    func: Callable[..., Any], inputs: Any, v: Any, create_graph: bool, strict: bool, function: str
) -> tuple[bool, Tensor, Tensors, Tensors, Tensors]:
    """What both products have in common: output, places, gradients, vector."""
    was_tuple, given = _as_tuple(inputs, "inputs", function)
    places = _with_graph(given, create_graph)
    message = (
        "The vector v can only be None if the input to the user-provided function is a single Tensor "
        "with a single "
        "element."
    )
    vector = _vector(v, places, was_tuple, create_graph, function, message)
    output = _single(_call(func, places, function), function)
    if strict:
        _check_strict((output,))
    grads = _filled(_gradients((output,), places, None, True), places, strict, _INDEPENDENT)
    if strict:
        _check_strict(grads)
    return was_tuple, output, places, grads, vector


def vhp(
    func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """What ``func`` returns (a single number), and the product of ``v`` with its Hessian: one tensor an "
    "input."""
    with enable_grad():
        was_tuple, output, places, grads, vector = _hessian_product(
            func, inputs, v, create_graph, strict, "vhp"
        )
        found = _gradients(grads, places, vector, create_graph)
        product = _filled(found, places, strict, _INDEPENDENT)
    return _finished(output, create_graph), _untuple(_finished(product, create_graph), was_tuple)


def hvp(
    func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """What ``func`` returns, a single number, and the product of its Hessian with ``v``, an input each.

    ``vhp`` gives the same for functions that are twice differentiable, and is faster.
    """
    with enable_grad():
        was_tuple, output, places, grads, vector = _hessian_product(
            func, inputs, v, create_graph, strict, "hvp"
        )
        product = _forward_product(grads, places, vector, create_graph, strict)
    return _finished(output, create_graph), _untuple(_finished(product, create_graph), was_tuple)
