"""``LRScheduler``: what all schedulers have in common."""

from __future__ import annotations

from rustnn._C import Tensor
from rustnn.optim.optimizer import Optimizer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = ["LRScheduler", "copied", "group_values", "per_group", "set_value"]

EPOCH_DEPRECATION_WARNING = (
    "The epoch parameter in `scheduler.step()` was not necessary and is being deprecated where possible. "
    "Please use `scheduler.step()` to step the scheduler. During the deprecation, if epoch is different from "
    "None, the closed form is used instead of the new chainable form, where available. Please open an issue "
    "if you are unable to replicate your use case: https://github.com/pytorch/pytorch/issues/new/choose."
)
_SEE = "See more details at https://pytorch.org/docs/stable/optim.html#how-to-adjust-learning-rate"


class LRScheduler:
    """The base of all schedulers.

    A subclass defines ``get_lr``, the rates of the groups at ``last_epoch``, and may define
    ``_get_closed_form_lr``, the same without regard to the present rates. With ``last_epoch`` other than -1
    the groups bring their ``initial_lr``. TypeError for what is no optimizer.
    """

    optimizer: Optimizer
    base_lrs: list[Any]
    last_epoch: int
    _last_lr: list[Any]
    _step_count: int
    _is_initial = False
    _get_lr_called_within_step = False

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        check_optimizer(optimizer)
        self.optimizer = optimizer
        for i, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", copied(group["lr"]))
            elif "initial_lr" not in group:
                raise KeyError(
                    f"param 'initial_lr' is not specified in param_groups[{i}] when resuming scheduler with "
                    "last_epoch >= 0.\nThis typically happens when:\n1. You're trying to resume training "
                    "from a checkpoint but haven't properly loaded the optimizer state\n2. You're using "
                    "last_epoch >= 0 for a fresh training run (not recommended)"
                )
        self.base_lrs = group_values(optimizer, "initial_lr")
        self.last_epoch = last_epoch
        _note_steps(optimizer)
        self._initial_step()

    def _initial_step(self) -> None:
        """Set the first rates."""
        self._step_count = 0
        self._is_initial = True
        try:
            self.step()
        finally:
            self._is_initial = False

    def state_dict(self) -> dict[str, Any]:
        """All that the scheduler knows, but for the optimizer."""
        return {key: value for key, value in self.__dict__.items() if key != "optimizer"}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what ``state_dict`` gave. The optimizer's rates are in its own state."""
        self.__dict__.update(state_dict)

    def get_last_lr(self) -> list[Any]:
        """The rates that were set last, one a group."""
        return [copied(lr) for lr in self._last_lr]

    def get_lr(self) -> list[Any]:
        """The rates at ``last_epoch``, one a group; for ``step`` alone."""
        raise NotImplementedError

    def step(self, epoch: int | None = None) -> None:
        """Go on to the next epoch, after ``optimizer.step()``, or to ``epoch`` (deprecated)."""
        if self._step_count == 1:
            if not hasattr(self.optimizer.step, "_wrapped_by_lr_sched"):
                warn(
                    "Seems like `optimizer.step()` has been overridden after learning rate scheduler "
                    "initialization. Please, make sure to call `optimizer.step()` before "
                    f"`lr_scheduler.step()`. {_SEE}"
                )
            elif not getattr(self.optimizer, "_opt_called", False):
                warn(
                    "Detected call of `lr_scheduler.step()` before `optimizer.step()`. In PyTorch 1.1.0 and "
                    "later, you should call them in the opposite order: `optimizer.step()` before "
                    "`lr_scheduler.step()`.  Failure to do this will result in PyTorch skipping the first "
                    f"value of the learning rate schedule. {_SEE}"
                )
        self._step_count += 1
        if epoch is not None:
            warn(EPOCH_DEPRECATION_WARNING)
        self._update_lr(epoch)

    def _update_lr(self, epoch: int | None = None) -> None:
        """Set the rates of the next epoch, or of ``epoch``."""
        closed: Callable[[], list[Any]] | None = None
        if epoch is None:
            self.last_epoch += 1
        else:
            self.last_epoch = epoch
            closed = getattr(self, "_get_closed_form_lr", None)
        self._set_rates(closed or self.get_lr)

    def _set_rates(self, compute: Callable[[], list[Any]]) -> None:
        self._get_lr_called_within_step = True
        try:
            values = compute()
        finally:
            self._get_lr_called_within_step = False
        for group, lr in zip(self.optimizer.param_groups, values, strict=False):
            set_value(group, "lr", lr)
        self._last_lr = group_values(self.optimizer, "lr")

    def _check_called_within_step(self) -> None:
        """A warning where a user calls ``get_lr``."""
        if not self._get_lr_called_within_step:
            warn(
                "To get the last learning rate computed by the scheduler, please use `get_last_lr()`.",
                stacklevel=4,
            )

    def _scaled(self, factor: Any) -> list[Any]:
        """The present rates, all times ``factor``."""
        return [group["lr"] * factor for group in self.optimizer.param_groups]


def warn(message: str, stacklevel: int = 3) -> None:
    import warnings

    warnings.warn(message, UserWarning, stacklevel=stacklevel)


def check_optimizer(optimizer: Any) -> None:
    """TypeError for what is no optimizer."""
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"{type(optimizer).__name__} is not an Optimizer")


def copied(value: Any) -> Any:
    """A setting that stays what it is: a copy, if it is a tensor."""
    return value.clone() if isinstance(value, Tensor) else value


def group_values(optimizer: Optimizer, key: str) -> list[Any]:
    """A setting of all groups."""
    return [copied(group[key]) for group in optimizer.param_groups]


def set_value(group: dict[str, Any], key: str, value: Any) -> None:
    """Set a group's setting; one that is a tensor stays that tensor."""
    if isinstance(group[key], Tensor):
        group[key].fill_(value.item() if isinstance(value, Tensor) else value)
    else:
        group[key] = value


def per_group(name: str, optimizer: Optimizer, value: Any) -> list[Any]:
    """One value a group: ``value`` may be a list of them. ValueError for a list of another length."""
    groups = len(optimizer.param_groups)
    if not isinstance(value, (list, tuple)):
        return [copied(value) for _ in range(groups)]
    if len(value) != groups:
        raise ValueError(
            f"{name} must have the same length as optimizer.param_groups. {name} has {len(value)} values, "
            f"param_groups has {groups}."
        )
    return [copied(entry) for entry in value]


def set_momentum(group: dict[str, Any], value: Any, in_betas: bool) -> None:
    """Set a group's momentum, which Adam and its kin call ``betas[0]``."""
    if in_betas:
        group["betas"] = (value, *group["betas"][1:])
    else:
        group["momentum"] = value


def cycles_betas(optimizer: Optimizer) -> bool:
    """Whether the momentum is in ``betas``; ValueError where there is none."""
    if "momentum" not in optimizer.defaults and "betas" not in optimizer.defaults:
        raise ValueError("optimizer must support momentum or beta1 with `cycle_momentum` option enabled")
    return "betas" in optimizer.defaults


def state_of_functions(functions: list[Any]) -> list[Any]:
    """What is saved of a user's functions: nothing of plain ones, the attributes of objects."""
    from types import FunctionType

    return [None if isinstance(f, FunctionType) else f.__dict__.copy() for f in functions]


def restore_functions(functions: list[Any], states: list[Any]) -> None:
    """Give objects their saved attributes."""
    for function, state in zip(functions, states, strict=False):
        if state is not None:
            function.__dict__.update(state)


def _note_steps(optimizer: Optimizer) -> None:
    """Let the optimizer note that it stepped, so that a wrong order of calls is noticed."""
    step = optimizer.step
    if hasattr(step, "_wrapped_by_lr_sched"):
        return
    from functools import wraps
    from weakref import ref

    # The wrapper is an attribute of the optimizer: a plain reference would be a cycle.
    owner, function = ref(optimizer), step.__func__  # type: ignore[attr-defined]

    @wraps(function)
    def noted(*args: Any, **kwargs: Any) -> Any:
        own = owner()
        own._opt_called = True  # type: ignore[union-attr]
        return function.__get__(own, type(own))(*args, **kwargs)

    noted._wrapped_by_lr_sched = True  # type: ignore[attr-defined]
    optimizer.step = noted  # type: ignore[method-assign]
