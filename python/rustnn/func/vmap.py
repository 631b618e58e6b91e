"""A function of single examples, applied to batches."""

from __future__ import annotations

from rustnn import _C, random
from rustnn._C import Tensor
from rustnn.utils._pytree import tree_leaves, tree_map, tree_structure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = ["vmap"]


def vmap(
    func: Callable[..., Any],
    in_dims: Any = 0,
    out_dims: Any = 0,
    randomness: str = "error",
    *,
    chunk_size: int | None = None,
) -> Callable[..., Any]:
    """A function that calls ``func`` for each place along ``in_dims`` and stacks the results.

    ``in_dims`` is an int for all arguments or a tuple with one entry an argument, None for what has no batch;
    ``out_dims`` says where the batch goes. It is a loop: as fast as calling ``func`` that often. Functions of
    random numbers draw anew in each call with ``randomness="different"``, the same with "same"; RuntimeError
    with "error".
    """
    if randomness not in ("error", "different", "same"):
        raise RuntimeError(
            f"Only allowed values for randomness are 'error', 'different', or 'same'. Got {randomness}"
        )

    def wrapper(*args: Any, **kwargs: Any) -> Any:
        dims = _dims_of(in_dims, args)
        flat = tree_leaves(args)
        size = _batch_size(flat, dims)
        states = [] if randomness == "different" else random._states()
        results = []
        for n in range(size):
            if randomness == "same":
                random._restore(states)
            picked = [x if d is None else x.select(d, n) for x, d in zip(flat, dims, strict=True)]
            given = tree_structure(args).unflatten(picked)
            with_rows = tree_map(lambda t: t.select(0, n) if isinstance(t, Tensor) else t, kwargs)
            results.append(func(*given, **with_rows))
            # What is drawn in one call is drawn in all.
            if randomness == "error" and n == 0 and random._moved_on(states):
                random._restore(states)
                raise RuntimeError(
                    "vmap: called random operation while in randomness error mode. Please either use the "
                    "'same' or 'different' randomness flags on vmap or perform the randomness operation out "
                    "of vmap"
                )
        if not results:
            raise ValueError("vmap: a batch of size 0 is not supported")
        return _gathered(results, out_dims)

    return wrapper


def _dims_of(in_dims: Any, args: tuple[Any, ...]) -> list[int | None]:
    """The batch dim of every leaf of the arguments."""
    if not args:
        raise ValueError(
            "vmap: got no inputs. Maybe you forgot to add inputs, or you are trying to vmap over a "
            "function with no inputs. The latter is unsupported."
        )
    if isinstance(in_dims, int):
        in_dims = (in_dims,) * len(args)
    if not isinstance(in_dims, (tuple, list)) or len(in_dims) != len(args):
        raise ValueError(
            f"vmap: in_dims {in_dims!r} is not compatible with the structure of the {len(args)} inputs"
        )
    dims: list[int | None] = []
    for spec, arg in zip(in_dims, args, strict=True):
        inside = tree_leaves(arg)
        entries = [spec] * len(inside) if spec is None or isinstance(spec, int) else tree_leaves(spec)
        if len(entries) != len(inside):
            raise ValueError(f"vmap: in_dims {in_dims!r} is not compatible with the structure of inputs")
        for entry, leaf in zip(entries, inside, strict=True):
            if entry is not None and not isinstance(leaf, Tensor):
                raise ValueError(
                    f"vmap: Got in_dim={entry} for an input but the input is of type {type(leaf)}. We "
                    f"cannot vmap over "
                    "non-Tensor arguments, please use None as the respective in_dim"
                )
            if entry is not None and not -leaf.dim() <= entry < leaf.dim():
                raise ValueError(
                    f"vmap: Got in_dim={entry} for some input, but that input is a Tensor of "
                    f"dimensionality {leaf.dim()} "
                    f"so expected in_dim to satisfy -{leaf.dim()} <= in_dim < {leaf.dim()}."
                )
            dims.append(entry)
    return dims


def _batch_size(flat: list[Any], dims: list[int | None]) -> int:
    sizes = [x.shape[d] for x, d in zip(flat, dims, strict=True) if d is not None]
    if not sizes:
        raise ValueError("vmap: at least one input must have a batch dim, but all in_dims are None")
    if len(set(sizes)) > 1:
        raise ValueError(
            f"vmap: Expected all tensors to have the same size in the mapped dimension, got sizes {sizes} "
            f"for the "
            "mapped dimension"
        )
    return int(sizes[0])


def _gathered(results: list[Any], out_dims: Any) -> Any:
    """The results of all calls, stacked."""
    first = tree_leaves(results[0])
    for leaf in first:
        if not isinstance(leaf, Tensor):
            raise ValueError(
                f"vmap: the function must only return Tensors, got type {type(leaf)}. Did you mean to set "
                f"out_dims= "
                "to None for output?"
            )
    same = isinstance(out_dims, int) or out_dims is None
    dims = [out_dims] * len(first) if same else tree_leaves(out_dims)
    if len(dims) != len(first):
        raise ValueError(f"vmap: out_dims {out_dims!r} is not compatible with the structure of the outputs")
    columns = zip(*(tree_leaves(result) for result in results), strict=True)
    stacked = [
        column[0] if d is None else _C.stack(column, d) for column, d in zip(columns, dims, strict=True)
    ]
    return tree_structure(results[0]).unflatten(stacked)
