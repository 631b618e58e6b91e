"""Sample calls of operations, made on the CPU and on a GPU: what one has to do with what the other did."""

from __future__ import annotations

from typing import Any

import rustnn as torch
from parity import ops

WORKS, MISSING, DIFFERS = "works", "missing", "differs"


def moved(value: Any, device: str) -> Any:
    """The same arguments with every tensor on a device, as leaves."""
    if isinstance(value, torch.Tensor):
        return value.detach().to(device).requires_grad_(value.requires_grad)
    if isinstance(value, (tuple, list)):
        return type(value)(moved(v, device) for v in value)
    if isinstance(value, dict):
        return {k: moved(v, device) for k, v in value.items()}
    return value


def tensors(value: Any) -> list[Any]:
    """The tensors in a result or among arguments, in order."""
    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, (tuple, list)):
        return [t for v in value for t in tensors(v)]
    if isinstance(value, dict):
        return [t for v in value.values() for t in tensors(v)]
    return []


def alike(a: Any, b: Any) -> bool:
    """Whether two tensors hold the same, up to the rounding of other orders of summation."""
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    a, b = a.detach().cpu(), b.detach().cpu()
    if not (a.is_floating_point() or a.is_complex()):
        return bool((a == b).all())
    tolerance = {torch.float64: 1e-9, torch.complex128: 1e-9, torch.float16: 4e-3, torch.bfloat16: 3e-2}
    near = tolerance.get(a.dtype, 2e-5)
    return torch.allclose(a, b, rtol=near, atol=near, equal_nan=True)


def call(op: ops.Op, variant: str, sample: str, device: str, dtype: str, gradient: bool) -> list[Any]:
    """The results of a call on a device, and the gradients of its inputs."""
    one = ops.Call(op, variant, sample)
    arguments, keywords = one.arguments(torch, one.data(torch, dtype, requires_grad=gradient))
    arguments, keywords = moved(arguments, device), moved(keywords, device)
    # What is made out of nothing is made where the default says.
    with torch.device("cpu" if tensors((arguments, keywords)) else device):
        if variant == "method":
            result = getattr(arguments[0], op.name)(*arguments[1:], **keywords)
        else:
            result = ops.function(torch, op.name)(*arguments, **keywords)
    found = tensors(result)
    for t in found:
        if str(t.device).split(":")[0] != device:
            raise AssertionError(f"a result is on {t.device}, not on {device}")
    if not gradient:
        return found
    leaves = [t for t in tensors((arguments, keywords)) if t.requires_grad]
    roots = [t for t in found if t.requires_grad]
    if not roots or not leaves:
        return found
    torch.manual_seed(1)
    weights = [torch.randn(r.shape, dtype=r.dtype).to(device) for r in roots]
    grads = torch.autograd.grad(roots, leaves, weights, allow_unused=True)
    return found + [g for g in grads if g is not None]


def compare(op: ops.Op, sample: str, dtype: str = "float32", gradient: bool = False) -> tuple[str, str]:
    """What a GPU makes of a sample: works, missing or differs, and the details."""
    variant = "function" if "function" in op.variants else "method"
    try:
        expected = call(op, variant, sample, "cpu", dtype, gradient)
    except Exception as error:
        wanted: Exception | None = error
    else:
        wanted = None
    try:
        got = call(op, variant, sample, "cuda", dtype, gradient)
    except NotImplementedError as error:
        return (WORKS if isinstance(wanted, NotImplementedError) else MISSING), str(error)[:200]
    except Exception as error:
        same = wanted is not None and isinstance(error, type(wanted))
        return (WORKS if same else DIFFERS), f"{type(error).__name__}: {error}"[:200]
    if wanted is not None:
        return DIFFERS, f"no error where the CPU has {type(wanted).__name__}: {wanted}"[:200]
    if len(got) != len(expected):
        return DIFFERS, f"{len(got)} results, not {len(expected)}"
    for a, b in zip(got, expected, strict=True):
        if not alike(a, b):
            most = 0.0
            if a.shape == b.shape and a.numel() and not a.is_complex():
                most = float((a.detach().cpu().double() - b.detach().double()).abs().max())
            return DIFFERS, f"{a.dtype}{tuple(a.shape)} against {b.dtype}{tuple(b.shape)}, by {most:.3g}"
    return WORKS, ""
