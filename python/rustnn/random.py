"""The stream of random numbers: seeds, and states that can be kept and put back."""

from __future__ import annotations

import contextlib

from rustnn import _C

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator as Iterator
    from collections.abc import Iterable
    from typing import Any

    from rustnn._C import Tensor

__all__ = [
    "fork_rng",
    "get_rng_state",
    "initial_seed",
    "manual_seed",
    "seed",
    "set_rng_state",
    "thread_safe_generator",
]

default_generator = _C.default_generator


def set_rng_state(new_state: Tensor) -> None:
    """Put back a state of the default generator: a ByteTensor from ``get_rng_state``, here or in PyTorch."""
    _C.set_rng_state(new_state)


def get_rng_state() -> Tensor:
    """The state of the default generator, as a ByteTensor of PyTorch's own layout."""
    return _C.get_rng_state()


def manual_seed(seed: int) -> _C.Generator:
    """Seed the default generator, and return it."""
    return _C.manual_seed(seed)


def seed() -> int:
    """Seed the default generator with a number that nobody can foresee, and return that."""
    return _C.seed()


def initial_seed() -> int:
    """The seed that the default generator started from."""
    return _C.initial_seed()


@contextlib.contextmanager
def fork_rng(
    devices: Iterable[Any] | None = None,
    enabled: bool = True,
    _caller: str = "fork_rng",
    _devices_kw: str = "devices",
    device_type: str | None = None,
) -> Iterator[None]:
    """Within the ``with`` block random numbers may be drawn; after it all is as before."""
    if not enabled:
        yield
        return
    state = _C.get_rng_state()
    try:
        yield
    finally:
        _C.set_rng_state(state)


def thread_safe_generator() -> _C.Generator | None:
    """The generator of a data loader's worker thread; None anywhere else, which means the default one."""
    return None
