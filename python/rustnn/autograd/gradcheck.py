"""Gradients held against finite differences."""

from __future__ import annotations

from rustnn import _C
from rustnn._C import Tensor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

__all__ = ["GradcheckError", "gradcheck", "gradgradcheck"]


class GradcheckError(RuntimeError):
    """The gradients of a function are not what its values say."""


def gradcheck(
    func: Callable[..., Tensor | Sequence[Tensor]],
    inputs: Tensor | Sequence[Tensor],
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_batched_forward_grad: bool = False,
    check_forward_ad: bool = False,
    check_backward_ad: bool = True,
    fast_mode: bool = False,
    masked: bool | None = None,
) -> bool:
    """Whether the gradients of ``func`` agree with central differences of step ``eps``.

    ``func`` takes ``inputs`` (tensors of any shape, best of double precision; complex ones too) and returns
    tensors. Also checked: that the same call gives the same gradients within ``nondet_tol``, that undefined
    gradients of outputs are taken as zeros, and that the gradients have the shape (and, with
    ``check_grad_dtypes``, the dtype) of the inputs. ``fast_mode`` checks everything all the same.

    GradcheckError says what differs; with ``raise_exception=False`` the answer is False. ValueError if no
    input
    requires a gradient.
    """
    if check_forward_ad or check_batched_forward_grad:
        raise NotImplementedError("gradcheck: forward mode does not exist here; leave check_forward_ad=False")
    inputs = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    try:
        _check_inputs(inputs)
        outputs = _outputs(func, inputs)
        if not outputs:
            _check_no_outputs(func, inputs, eps)
            return True
        for i, output in enumerate(outputs):
            _check_output(func, inputs, i, output, eps, atol, rtol, nondet_tol, check_grad_dtypes)
        if check_undefined_grad:
            _check_undefined(func, inputs)
        if check_batched_grad:
            _check_batched(func, inputs, atol, rtol)
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def gradgradcheck(
    func: Callable[..., Tensor | Sequence[Tensor]],
    inputs: Tensor | Sequence[Tensor],
    grad_outputs: Tensor | Sequence[Tensor | None] | None = None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    gen_non_contig_grad_outputs: bool = False,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_fwd_over_rev: bool = False,
    check_rev_over_rev: bool = True,
    fast_mode: bool = False,
    masked: bool = False,
) -> bool:
    """Whether the gradients of the gradients of ``func`` agree with central differences.

    ``grad_outputs`` are the gradients of the outputs to start from, drawn at random if they are not given;
    the
    rest is as in ``gradcheck``.
    """
    inputs = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    outputs = _outputs(func, inputs)
    given: tuple[Any, ...]
    if grad_outputs is None:
        given = tuple(_drawn(output, gen_non_contig_grad_outputs) for output in outputs)
    else:
        given = (grad_outputs,) if isinstance(grad_outputs, Tensor) else tuple(grad_outputs)
    count = len(given)
    wanted = [i for i, x in enumerate(inputs) if isinstance(x, Tensor) and x.requires_grad]

    def gradients(*args: Any) -> tuple[Tensor, ...]:
        arguments, weights = args[: len(args) - count], args[len(args) - count :]
        results = _outputs(func, arguments)
        at = [arguments[i] for i in wanted]
        found = _C._grad(results, at, weights, True, True, True)
        return tuple(g for g in found if g is not None)

    return gradcheck(
        gradients,
        (*inputs, *given),
        eps=eps,
        atol=atol,
        rtol=rtol,
        raise_exception=raise_exception,
        nondet_tol=nondet_tol,
        check_undefined_grad=check_undefined_grad,
        check_grad_dtypes=check_grad_dtypes,
        check_batched_grad=check_batched_grad,
        check_forward_ad=check_fwd_over_rev,
        check_backward_ad=check_rev_over_rev,
        fast_mode=fast_mode,
    )


def _drawn(output: Tensor, non_contiguous: bool) -> Tensor:
    from rustnn.testing import make_tensor

    kind = output.dtype if output.is_floating_point() or output.is_complex() else _C.float64
    return make_tensor(
        output.shape,
        dtype=kind,
        device=output.device,
        low=-1,
        high=1,
        requires_grad=True,
        noncontiguous=non_contiguous,
    )


def _check_inputs(inputs: tuple[Any, ...]) -> None:
    wanting = [(i, x) for i, x in enumerate(inputs) if isinstance(x, Tensor) and x.requires_grad]
    if not wanting:
        raise ValueError(
            "gradcheck expects at least one input tensor to require gradient, but none of them have "
            "requires_grad=True."
        )
    for i, x in wanting:
        if x.dtype not in (_C.float64, _C.complex128):
            import warnings

            warnings.warn(
                f"Input #{i} requires gradient and is not a double precision floating point or complex. "
                f"This check "
                "will likely fail if all the inputs are not of double precision floating point or complex. ",
                stacklevel=4,
            )
        if any(stride == 0 and size > 1 for stride, size in zip(x.stride(), x.shape, strict=True)):
            raise RuntimeError(
                f"The {i}th input has a dimension with stride 0. gradcheck only supports inputs that are "
                "non-overlapping to be able to compute the numerical gradients correctly. You should call "
                ".contiguous on the input before passing it to gradcheck."
            )
        x.retain_grad()


def _outputs(func: Callable[..., Any], inputs: tuple[Any, ...]) -> tuple[Tensor, ...]:
    """The outputs that a gradient can start from."""
    found = func(*inputs)
    outputs = (found,) if isinstance(found, Tensor) else tuple(found)
    return tuple(o for o in outputs if isinstance(o, Tensor) and o.requires_grad)


def _values(func: Callable[..., Any], inputs: tuple[Any, ...]) -> list[Tensor]:
    """The outputs that have a derivative, as they are now; results that share memory are copied."""
    found = func(*inputs)
    outputs = (found,) if isinstance(found, Tensor) else tuple(found)
    return [o.detach().clone() for o in outputs if isinstance(o, Tensor) and o.requires_grad]


def _steps(x: Tensor, eps: float) -> list[complex | float]:
    return [eps, eps * 1j] if x.is_complex() else [eps]


def _numerical(func: Callable[..., Any], inputs: tuple[Any, ...], n: int, i: int, eps: float) -> list[Tensor]:
    """The derivative of output ``i`` along each element of input ``n``; for complex inputs also along "
    "i·eps."""
    # The input itself is moved, as PyTorch does it: `func` may reach it otherwise than by its arguments.
    x = inputs[n].data
    found = [[] for _ in _steps(x, eps)]  # type: list[list[Tensor]]
    for index in _indices(x):
        here = x[index].clone()
        for direction, step in enumerate(_steps(x, eps)):
            sides = []
            for sign in (1, -1):
                try:
                    x[index] = here + sign * step
                    sides.append(_values(func, inputs)[i])
                finally:
                    x[index] = here
            found[direction].append((sides[0] - sides[1]).reshape(-1) / (2 * eps))
    return [_C.stack(rows) if rows else _C.zeros(0, 0, dtype=x.dtype) for rows in found]


def _indices(x: Tensor) -> list[tuple[int, ...]]:
    from itertools import product

    return list(product(*(range(size) for size in x.shape)))


def _analytical(
    inputs: tuple[Any, ...], n: int, output: Tensor, weight: complex | float
) -> tuple[Tensor, Tensor | None]:
    """The Jacobian (elements of input, elements of output) by backward, and the last gradient itself."""
    x = inputs[n]
    columns = []
    grad = None
    for index in _indices(output):
        start = _C.zeros_like(output.detach())
        start[index] = weight
        (grad,) = _C._grad(output, x, start, True, False, True)
        columns.append((_C.zeros_like(x.detach()) if grad is None else grad).reshape(-1))
    shape = x.numel(), output.numel()
    return (_C.stack(columns, 1) if columns else _C.zeros(shape, dtype=x.dtype)), grad


def _check_output(
    func: Callable[..., Any],
    inputs: tuple[Any, ...],
    i: int,
    output: Tensor,
    eps: float,
    atol: float,
    rtol: float,
    nondet_tol: float,
    check_dtypes: bool,
) -> None:
    weights: list[complex | float] = [1.0, 1.0j] if output.is_complex() else [1.0]
    for n, x in enumerate(inputs):
        if not (isinstance(x, Tensor) and x.requires_grad):
            continue
        numerical = _numerical(func, inputs, n, i, eps)
        for weight in weights:
            analytical, grad = _analytical(inputs, n, output, weight)
            again, _ = _analytical(inputs, n, output, weight)
            if grad is not None and (grad.shape != x.shape or (check_dtypes and grad.dtype != x.dtype)):
                raise GradcheckError(
                    "Gradient has incorrect shape or dtype: " + f"{grad.shape}, {grad.dtype}"
                )
            if analytical.numel() and (analytical - again).abs().max().item() > nondet_tol:
                raise GradcheckError(
                    "Backward is not reentrant, i.e., running backward with same input and grad_output "
                    "multiple "
                    f"times gives different values, although analytical gradient matches numerical "
                    f"gradient. The "
                    f"tolerance for nondeterminism was {nondet_tol}."
                )
            expected = _expected(numerical, weight, x)
            if expected.numel() and not _close(analytical, expected, atol, rtol):
                raise GradcheckError(
                    f"Jacobian mismatch for output {i} with respect to input {n},\n"
                    f"numerical:{expected}\nanalytical:{analytical}\n"
                )


def _expected(numerical: list[Tensor], weight: complex | float, x: Tensor) -> Tensor:
    """What backward has to give for a gradient ``weight`` of one output element.

    For a real function L of z, backward gives dL/dx + i dL/dy; here L is the real part of
    conj(weight)·output.
    """

    def along(derivative: Tensor) -> Tensor:
        if not derivative.is_complex():
            return derivative
        part: Tensor = getattr(derivative, "imag" if isinstance(weight, complex) else "real")
        return part

    if not x.is_complex():
        return along(numerical[0]).to(x.dtype)
    return (along(numerical[0]) + 1j * along(numerical[1])).to(x.dtype)


def _close(a: Tensor, b: Tensor, atol: float, rtol: float) -> bool:
    difference, bound = (a - b).abs(), atol + rtol * b.abs()
    return bool((difference <= bound).all().item()) or bool(_C.equal(a, b))


def _check_no_outputs(func: Callable[..., Any], inputs: tuple[Any, ...], eps: float) -> None:
    """A function without differentiable outputs must not depend on inputs that want a gradient."""

    def values(arguments: tuple[Any, ...]) -> list[Tensor]:
        found = func(*arguments)
        outputs = (found,) if isinstance(found, Tensor) else tuple(found)
        kinds = [o for o in outputs if isinstance(o, Tensor) and (o.is_floating_point() or o.is_complex())]
        return [o.detach().clone() for o in kinds]

    for n, x in enumerate(inputs):
        if not (isinstance(x, Tensor) and x.requires_grad):
            continue
        for index in _indices(x):
            moved = list(inputs)
            there = x.detach().clone()
            there[index] = there[index] + eps
            moved[n] = there
            for before, after in zip(values(inputs), values(tuple(moved)), strict=True):
                if ((after - before).abs() / eps > 1e-3).any().item():
                    raise GradcheckError("Numerical gradient for function expected to be zero")


def _check_undefined(func: Callable[..., Any], inputs: tuple[Any, ...]) -> None:
    """Gradients that never arrive must count as zeros: those of all outputs but one."""
    outputs = _outputs(func, inputs)
    wanted = [x for x in inputs if isinstance(x, Tensor) and x.requires_grad]
    for output in outputs:
        zeros = _C.zeros_like(output.detach())
        for grad in _C._grad(output, wanted, zeros, True, False, True):
            if grad is not None and not _is_zero(grad):
                raise GradcheckError(
                    "Expected all input grads to be undefined or zero when all output grads are "
                    "undefined or zero."
                )


def _is_zero(x: Tensor) -> bool:
    return bool(((x == 0) | (x != x)).all().item())


def _check_batched(func: Callable[..., Any], inputs: tuple[Any, ...], atol: float, rtol: float) -> None:
    """A batch of gradients must give what its rows give."""
    from rustnn.autograd import grad

    wanted = [x for x in inputs if isinstance(x, Tensor) and x.requires_grad]
    for output in _outputs(func, inputs):
        batch = _C.randn((2, *output.shape), dtype=output.dtype)
        together = grad(output, wanted, batch, retain_graph=True, allow_unused=True, is_grads_batched=True)
        for row in range(2):
            alone = _C._grad(output, wanted, batch[row], True, False, True)
            for a, b in zip(together, alone, strict=True):
                if b is not None and not _close(a[row], b, atol, rtol):
                    raise GradcheckError("Batched gradient differs from the gradients of its rows")
