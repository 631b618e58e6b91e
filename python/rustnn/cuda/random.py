"""Random numbers on GPUs: seeds, and states that can be kept and put back.

Each GPU has a generator of its own. They can be seeded before a GPU is used, and whether there is one or not.
"""

from __future__ import annotations

from rustnn import _C
from rustnn.cuda import _index, current_device, device_count, init

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from rustnn._C import Tensor

__all__ = [
    "get_rng_state",
    "get_rng_state_all",
    "initial_seed",
    "manual_seed",
    "manual_seed_all",
    "seed",
    "seed_all",
    "set_rng_state",
    "set_rng_state_all",
]


def _generator(device: Any) -> _C.Generator:
    """The default generator of a GPU. RuntimeError if it is not there."""
    _C._cuda_properties(_index(device))
    return _C._cuda_generator(_index(device))


def get_rng_state(device: Any = "cuda") -> Tensor:
    """The state of a GPU's generator, 16 bytes: its seed and how far it has come. RuntimeError without it."""
    return _generator(device).get_state()


def get_rng_state_all() -> list[Tensor]:
    """The states of the generators of all GPUs."""
    return [get_rng_state(i) for i in range(device_count())]


def set_rng_state(new_state: Tensor, device: Any = "cuda") -> None:
    """Put back a state of a GPU's generator. TypeError if it is no ByteTensor, RuntimeError without a GPU."""
    _generator(device).set_state(new_state)


def set_rng_state_all(new_states: Iterable[Tensor]) -> None:
    """Put back the states of the generators of all GPUs. RuntimeError for more than there are."""
    for i, state in enumerate(new_states):
        set_rng_state(state, i)


def manual_seed(seed: int) -> None:
    """Seed the generator of the current GPU; where there is none, that of the one that would be first."""
    _C._cuda_generator(current_device() if device_count() else 0).manual_seed(int(seed))


def manual_seed_all(seed: int) -> None:
    """Seed the generators of all GPUs; where there are none, nothing happens."""
    for i in range(device_count()):
        _C._cuda_generator(i).manual_seed(int(seed))


def seed() -> None:
    """Seed the generator of the current GPU with a number that nobody can foresee."""
    _C._cuda_generator(current_device() if device_count() else 0).seed()


def seed_all() -> None:
    """Seed the generators of all GPUs with one number that nobody can foresee."""
    number = _C._cuda_generator(0).seed()
    manual_seed_all(number)


def initial_seed() -> int:
    """The seed that the current GPU's generator started from. RuntimeError without a GPU."""
    init()
    return _C._cuda_generator(current_device()).initial_seed()
