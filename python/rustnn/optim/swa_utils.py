"""Averages of models: stochastic weight averaging (Izmailov et al., 2018) and exponential moving averages."""

from __future__ import annotations

from itertools import chain
from math import cos, pi

from rustnn import _C
from rustnn.autograd import no_grad
from rustnn.nn.module import Module
from rustnn.optim.lr_scheduler.scheduler import LRScheduler, per_group

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from rustnn._C import Tensor
    from rustnn.optim.optimizer import Optimizer

    Average = Callable[[Tensor, Tensor, Any], Tensor]
    AverageAll = Callable[[list[Tensor], list[Tensor], Any], None]

__all__ = [
    "SWALR",
    "AveragedModel",
    "get_ema_avg_fn",
    "get_ema_multi_avg_fn",
    "get_swa_avg_fn",
    "get_swa_multi_avg_fn",
    "update_bn",
]


def _check_decay(decay: float) -> None:
    if decay < 0.0 or decay > 1.0:
        raise ValueError(f"Invalid decay value {decay} provided. Please provide a value in [0,1] range.")


def get_ema_multi_avg_fn(decay: float = 0.999) -> AverageAll:
    """A ``multi_avg_fn`` that keeps ``decay`` of the average. ValueError beyond [0, 1]."""
    _check_decay(decay)

    def ema_update(ema_param_list: list[Tensor], current_param_list: list[Tensor], _: Any) -> None:
        with no_grad():
            for average, param in zip(ema_param_list, current_param_list, strict=False):
                if average.is_floating_point() or average.is_complex():
                    average.lerp_(param, 1 - decay)
                else:
                    average.copy_(average * decay + param * (1 - decay))

    return ema_update


def get_swa_multi_avg_fn() -> AverageAll:
    """A ``multi_avg_fn`` in which all models count the same."""

    def swa_update(
        averaged_param_list: list[Tensor], current_param_list: list[Tensor], num_averaged: Any
    ) -> None:
        with no_grad():
            weight = 1 / (float(num_averaged) + 1)
            for average, param in zip(averaged_param_list, current_param_list, strict=False):
                if average.is_floating_point() or average.is_complex():
                    average.lerp_(param, weight)
                else:
                    average.copy_(average + (param - average) * weight)

    return swa_update


def get_ema_avg_fn(decay: float = 0.999) -> Average:
    """An ``avg_fn`` that keeps ``decay`` of the average. ValueError beyond [0, 1]."""
    _check_decay(decay)

    def ema_update(ema_param: Tensor, current_param: Tensor, num_averaged: Any) -> Tensor:
        with no_grad():
            return decay * ema_param + (1 - decay) * current_param

    return ema_update


def get_swa_avg_fn() -> Average:
    """An ``avg_fn`` in which all models count the same."""

    def swa_update(averaged_param: Tensor, current_param: Tensor, num_averaged: Any) -> Tensor:
        with no_grad():
            mean: Tensor = averaged_param + (current_param - averaged_param) / (num_averaged + 1)
            return mean

    return swa_update


class AveragedModel(Module):
    """A copy of ``model`` whose parameters are averages of those of all models that it was shown.

    ``avg_fn(average, param, n)`` gives the new average of one parameter after n models, ``multi_avg_fn``
    changes the lists of all; without either all models count the same. Buffers are averaged too if
    ``use_buffers``, else copied. AssertionError for both functions.
    """

    n_averaged: Tensor
    module: Module

    def __init__(
        self,
        model: Module,
        device: Any = None,
        avg_fn: Average | None = None,
        multi_avg_fn: AverageAll | None = None,
        use_buffers: bool = False,
    ) -> None:
        super().__init__()
        assert avg_fn is None or multi_avg_fn is None, (
            "Only one of avg_fn and multi_avg_fn should be provided"
        )
        from copy import deepcopy

        self.module = deepcopy(model)
        if device is not None:
            self.module = self.module.to(device)
        self.register_buffer("n_averaged", _C.tensor(0, dtype=_C.int64, device=device))
        self.avg_fn = avg_fn
        self.multi_avg_fn = multi_avg_fn
        self.use_buffers = use_buffers

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the averaged model makes of its input."""
        return self.module(*args, **kwargs)

    def update_parameters(self, model: Module) -> None:
        """Take another model of the same kind into the average; the first one is copied."""
        with no_grad():
            averages = [t.detach() for t in self._averaged(self.module)]
            params = [
                t.detach().to(average.device)
                for average, t in zip(averages, self._averaged(model), strict=False)
            ]
            if self.n_averaged == 0:
                for average, param in zip(averages, params, strict=False):
                    average.copy_(param)
            elif self.avg_fn is not None:
                number = self.n_averaged
                for average, param in zip(averages, params, strict=False):
                    average.copy_(self.avg_fn(average, param, number.to(average.device)))
            else:
                (self.multi_avg_fn or get_swa_multi_avg_fn())(averages, params, self.n_averaged)
            if not self.use_buffers:
                for own, buffer in zip(self.module.buffers(), model.buffers(), strict=False):
                    own.detach().copy_(buffer.detach().to(own.device))
            self.n_averaged += 1

    def _averaged(self, model: Module) -> Iterable[Tensor]:
        """The tensors of a model that are averaged."""
        if self.use_buffers:
            return chain(model.parameters(), model.buffers())
        return model.parameters()


def update_bn(loader: Iterable[Any], model: Module, device: Any = None) -> None:
    """Compute the statistics of all batch norms of ``model`` anew, in one pass over ``loader``.

    A batch is a tensor, or a list or tuple whose first element is the input.
    """
    from rustnn.nn.batchnorm import _BatchNorm

    norms = [module for module in model.modules() if isinstance(module, _BatchNorm)]
    if not norms:
        return
    momenta = [norm.momentum for norm in norms]
    was_training = model.training
    model.train()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # all batches count the same
    with no_grad():
        for batch in loader:
            x = batch[0] if isinstance(batch, (list, tuple)) else batch
            model(x if device is None else x.to(device))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    model.train(was_training)


class SWALR(LRScheduler):
    """Rates that go to ``swa_lr`` in ``anneal_epochs`` epochs and stay there.

    ``swa_lr`` is one rate or a list with one a group, ``anneal_strategy`` "cos" or "linear". ValueError for
    settings out of range.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        swa_lr: float | list[float],
        anneal_epochs: int = 10,
        anneal_strategy: str = "cos",
        last_epoch: int = -1,
    ) -> None:
        for lr, group in zip(per_group("swa_lr", optimizer, swa_lr), optimizer.param_groups, strict=True):
            group["swa_lr"] = lr
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(
                f"anneal_strategy must be one of 'cos' or 'linear', instead got {anneal_strategy}"
            )
        if not isinstance(anneal_epochs, int) or anneal_epochs < 0:
            raise ValueError(f"anneal_epochs must be equal or greater than 0, got {anneal_epochs}")
        self._anneal_strategy = anneal_strategy
        self.anneal_epochs = anneal_epochs
        super().__init__(optimizer, last_epoch)

    def _part(self, step: int) -> float:
        """How much of the new rate there is at a step."""
        t = max(0.0, min(1.0, step / max(1, self.anneal_epochs)))
        return (1 - cos(pi * t)) / 2 if self._anneal_strategy == "cos" else t

    def get_lr(self) -> list[Any]:
        """The rates at ``last_epoch``, one a group; for ``step`` alone."""
        # `step` counted before it asks for the rates.
        self._check_called_within_step()
        step = self._step_count - 1
        if self.anneal_epochs == 0:
            step = max(1, step)
        before, part = self._part(step - 1), self._part(step)
        rates = []
        for group in self.optimizer.param_groups:
            new = group["swa_lr"]
            first = new if before == 1 else (group["lr"] - before * new) / (1 - before)
            rates.append(new * part + first * (1 - part))
        return rates
