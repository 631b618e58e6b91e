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
    """Within the ``with`` block random numbers may be drawn; after it all is as before, on the CPU and on the
    GPUs among ``devices``, which are all of them if None (a warning if that is more than one)."""
    kind = _C.device("cuda" if device_type is None else device_type).type
    if not enabled:
        yield
        return
    gpus = _gpus_of(devices, _caller, _devices_kw) if kind == "cuda" else []
    state, others = _C.get_rng_state(), [gpu.get_state() for gpu in gpus]
    try:
        yield
    finally:
        _C.set_rng_state(state)
        for gpu, other in zip(gpus, others, strict=True):
            gpu.set_state(other)


def _gpus_of(devices: Iterable[Any] | None, caller: str, keyword: str) -> list[_C.Generator]:
    """The generators of these GPUs, of all if None."""
    count = _C._cuda_device_count()
    if devices is None:
        if count > 1:
            import warnings

            warnings.warn(
                f"CUDA reports that you have {count} available devices, and {caller} was called without "
                f"saying which are used: the states of all are kept. Name them by `{keyword}`.",
                stacklevel=4,
            )
        devices = range(count)
    from rustnn.cuda import random

    return [random._generator(d) for d in devices]


def _states() -> list[tuple[_C.Generator, Tensor]]:
    """The default generators in use, with their states: the CPU's, and those of GPUs once one was used."""
    gpus = _C._cuda_device_count() if _C._cuda_is_initialized() else 0
    generators = [default_generator, *(_C._cuda_generator(i) for i in range(gpus))]
    return [(generator, generator.get_state()) for generator in generators]


def _restore(states: list[tuple[_C.Generator, Tensor]]) -> None:
    """Puts back what ``_states`` returned."""
    for generator, state in states:
        generator.set_state(state)


def _moved_on(states: list[tuple[_C.Generator, Tensor]]) -> bool:
    """Whether a generator has drawn since ``_states``."""
    return any(not _C.equal(state, generator.get_state()) for generator, state in states)


def thread_safe_generator() -> _C.Generator | None:
    """The generator of a data loader's worker thread; None anywhere else, which means the default one."""
    return None
