"""Rates along half a cosine, once or with restarts (Loshchilov and Hutter, 2017)."""

from __future__ import annotations

from math import cos, floor, log, pi

from rustnn.optim.lr_scheduler.scheduler import LRScheduler, group_values

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rustnn.optim.optimizer import Optimizer


class CosineAnnealingLR(LRScheduler):
    """Rates that fall to ``eta_min`` in ``T_max`` epochs, along half a cosine, and then rise again."""

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1) -> None:
        self.T_max = T_max
        self.eta_min = eta_min
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Any]:
        """The rates at ``last_epoch``, one a group; for ``step`` alone."""
        self._check_called_within_step()
        if self._is_initial:
            return group_values(self.optimizer, "lr")
        epoch, period, least = self.last_epoch, self.T_max, self.eta_min
        if self._step_count == 1 and epoch > 0:
            return self._get_closed_form_lr()
        groups = self.optimizer.param_groups
        if (epoch - 1 - period) % (2 * period) == 0:
            # The last rate was the least one: the quotient below is 0 / 0.
            rise = (1 - cos(pi / period)) / 2
            return [
                group["lr"] + (base - least) * rise
                for base, group in zip(self.base_lrs, groups, strict=False)
            ]
        factor = (1 + cos(pi * epoch / period)) / (1 + cos(pi * (epoch - 1) / period))
        return [factor * (group["lr"] - least) + least for group in groups]

    def _get_closed_form_lr(self) -> list[Any]:
        part = (1 + cos(pi * self.last_epoch / self.T_max)) / 2
        return [self.eta_min + (base - self.eta_min) * part for base in self.base_lrs]


class CosineAnnealingWarmRestarts(LRScheduler):
    """Rates that fall to ``eta_min`` along half a cosine, and start again from the first ones.

    The first fall takes ``T_0`` epochs, each next one ``T_mult`` times as many. ``step`` may be given a
    fraction of an epoch. ValueError for settings out of range.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        T_0: int,
        T_mult: int = 1,
        eta_min: float = 0.0,
        last_epoch: int = -1,
    ) -> None:
        if T_0 <= 0 or not isinstance(T_0, int):
            raise ValueError(f"Expected positive integer T_0, but got {T_0}")
        if T_mult < 1 or not isinstance(T_mult, int):
            raise ValueError(f"Expected integer T_mult >= 1, but got {T_mult}")
        if not isinstance(eta_min, (float, int)):
            raise ValueError(f"Expected float or int eta_min, but got {eta_min} of type {type(eta_min)}")
        self.T_0 = T_0
        self.T_i = T_0
        self.T_mult = T_mult
        self.eta_min = eta_min
        self.T_cur: float = last_epoch
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Any]:
        """The rates at ``last_epoch``, one a group; for ``step`` alone."""
        self._check_called_within_step()
        part = (1 + cos(pi * self.T_cur / self.T_i)) / 2
        return [self.eta_min + (base - self.eta_min) * part for base in self.base_lrs]

    def step(self, epoch: float | None = None) -> None:
        """Go on to the next epoch, or to ``epoch``, which may be a fraction. ValueError below 0."""
        if epoch is None and self.last_epoch < 0:
            epoch = 0
        if epoch is None:
            epoch = self.last_epoch + 1
            self.T_cur += 1
            if self.T_cur >= self.T_i:
                self.T_cur %= self.T_i
                self.T_i *= self.T_mult
        elif epoch < 0:
            raise ValueError(f"Expected non-negative epoch, but got {epoch}")
        elif epoch < self.T_0:
            self.T_i = self.T_0
            self.T_cur = epoch
        elif self.T_mult == 1:
            self.T_i = self.T_0
            self.T_cur = epoch % self.T_0
        else:
            restarts = int(log(epoch / self.T_0 * (self.T_mult - 1) + 1, self.T_mult))
            self.T_cur = epoch - self.T_0 * (self.T_mult**restarts - 1) / (self.T_mult - 1)
            self.T_i = self.T_0 * self.T_mult**restarts
        self.last_epoch = floor(epoch)
        self._set_rates(self.get_lr)
