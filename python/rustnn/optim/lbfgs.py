"""L-BFGS: Newton's method with a curvature that is learnt from the last steps."""

from __future__ import annotations

from rustnn import _C
from rustnn.autograd import enable_grad, no_grad
from rustnn.optim.checks import check_lr
from rustnn.optim.line_search import Point, strong_wolfe
from rustnn.optim.optimizer import Optimizer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from rustnn._C import Tensor
    from rustnn.optim.optimizer import ParamsT

__all__ = ["LBFGS"]


def _number(loss: Any) -> float:
    """A closure's loss, which may be a tensor that requires gradients."""
    return float(loss.detach() if isinstance(loss, _C.Tensor) else loss)


class LBFGS(Optimizer):
    """Quasi-Newton steps along ``-H g``, where H is built from the last ``history_size`` steps.

    One call of ``step`` goes up to ``max_iter`` times, evaluating the loss at most ``max_eval`` times (5/4 of
    ``max_iter`` by default), until no gradient is above ``tolerance_grad`` or nothing changes by more than
    ``tolerance_change``. ``line_search_fn`` is None for steps of length ``lr``, or "strong_wolfe" (Liu and
    Nocedal, 1989). There is one group of parameters: ValueError for more.
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        check_lr(lr)
        if max_eval is None:
            max_eval = max_iter * 5 // 4
        defaults = {
            "lr": lr,
            "max_iter": max_iter,
            "max_eval": max_eval,
            "tolerance_grad": tolerance_grad,
            "tolerance_change": tolerance_change,
            "history_size": history_size,
            "line_search_fn": line_search_fn,
        }
        super().__init__(params, defaults)
        if len(self.param_groups) != 1:
            raise ValueError("LBFGS doesn't support per-parameter options (parameter groups)")

    @property
    def _params(self) -> list[Tensor]:
        params: list[Tensor] = self.param_groups[0]["params"]
        return params

    def _gradient(self) -> Tensor:
        """The gradients of all parameters in one line; complex numbers are two."""
        parts = []
        for param in self._params:
            grad = _C.zeros_like(param.detach()) if param.grad is None else param.grad
            parts.append((_C.view_as_real(grad) if grad.is_complex() else grad).reshape(-1))
        return _C.cat(parts, 0)

    def _move(self, direction: Tensor, far: float) -> None:
        """Move all parameters along a line."""
        offset = 0
        for param in self._params:
            values = _C.view_as_real(param) if param.is_complex() else param
            size = values.numel()
            values.add_(direction[offset : offset + size].view_as(values), alpha=far)
            offset += size

    def step(self, closure: Callable[[], Any]) -> Any:  # type: ignore[override]
        """Go on from the present parameters; returns the loss there, as ``closure`` gave it.

        ``closure`` clears the gradients, computes the loss, calls ``backward`` and returns the loss. It is
        called many times.
        """
        with no_grad():
            return self._iterate(closure)

    def _iterate(self, closure: Callable[[], Any]) -> Any:
        def evaluate() -> Any:
            with enable_grad():
                return closure()

        group = self.param_groups[0]
        lr, smallest = float(group["lr"]), group["tolerance_change"]
        search = group["line_search_fn"]
        state = self.state[self._params[0]]
        state.setdefault("func_evals", 0)
        state.setdefault("n_iter", 0)

        first_loss = evaluate()
        loss = _number(first_loss)
        evaluations = 1
        state["func_evals"] += 1
        gradient = self._gradient()
        if float(gradient.abs().max()) <= group["tolerance_grad"]:
            return first_loss

        for iteration in range(1, group["max_iter"] + 1):
            state["n_iter"] += 1
            if state["n_iter"] == 1:
                direction = gradient.neg()
                state.update(old_dirs=[], old_stps=[], ro=[], H_diag=1)
            else:
                direction = _direction(state, gradient, group["history_size"])
            last_loss = loss
            slope = float(gradient.dot(direction))
            # The first direction has the length of the gradient, which says nothing.
            far = min(1.0, 1.0 / float(gradient.abs().sum())) * lr if state["n_iter"] == 1 else lr
            state.update(d=direction, t=far, prev_flat_grad=gradient, prev_loss=last_loss)
            if slope > -smallest:
                break

            new = 0
            if search is not None:
                if search != "strong_wolfe":
                    raise RuntimeError("only 'strong_wolfe' is supported")
                start = Point(0.0, loss, gradient, slope)
                left = group["max_eval"] - evaluations
                point, new = self._search(evaluate, start, far, direction, left)
                loss, gradient, far = point.value, point.gradient, point.at
                state["t"] = far
                self._move(direction, far)
            else:
                self._move(direction, far)
                if iteration != group["max_iter"]:
                    loss = _number(evaluate())
                    gradient = self._gradient()
                    new = 1
            evaluations += new
            state["func_evals"] += new
            if (
                iteration == group["max_iter"]
                or evaluations >= group["max_eval"]
                or float(gradient.abs().max()) <= group["tolerance_grad"]
                or float(direction.mul(far).abs().max()) <= smallest
                or abs(loss - last_loss) < smallest
            ):
                break
        return first_loss

    def _search(
        self, evaluate: Callable[[], Any], start: Point, first: float, direction: Tensor, most: int
    ) -> tuple[Point, int]:
        """The place along the direction where to go, and how often the loss was computed on the way."""
        origin = [param.clone() for param in self._params]

        def back() -> None:
            for param, value in zip(self._params, origin, strict=True):
                param.copy_(value)

        def at(far: float) -> Point:
            self._move(direction, far)
            loss = _number(evaluate())
            gradient = self._gradient()
            back()
            return Point(far, loss, gradient, float(gradient.dot(direction)))

        return strong_wolfe(at, start, first, float(direction.abs().max()), most)


def _direction(state: dict[str, Any], gradient: Tensor, size: int) -> Tensor:
    """The direction of descent: the last step joins the history, and both recursions over it."""
    changes, steps, inverse = state["old_dirs"], state["old_stps"], state["ro"]
    change = gradient.sub(state["prev_flat_grad"])
    step = state["d"].mul(state["t"])
    curvature = change.dot(step)
    if curvature > 1e-10:
        if len(changes) == size:
            for line in (changes, steps, inverse):
                line.pop(0)
        changes.append(change)
        steps.append(step)
        inverse.append(1.0 / curvature)
        state["H_diag"] = curvature / change.dot(change)
    weights = state.setdefault("al", [None] * size)
    direction = gradient.neg()
    for i in reversed(range(len(changes))):
        weights[i] = steps[i].dot(direction) * inverse[i]
        direction.add_(changes[i], alpha=-weights[i])
    direction = direction.mul(state["H_diag"])
    for i in range(len(changes)):
        direction.add_(steps[i], alpha=weights[i] - changes[i].dot(direction) * inverse[i])
    return direction
