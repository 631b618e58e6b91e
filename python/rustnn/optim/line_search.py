"""A step length for a descent direction, by the strong Wolfe conditions (Nocedal and Wright, chapter 3)."""

from __future__ import annotations

from math import sqrt

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from rustnn._C import Tensor

__all__ = ["Point", "strong_wolfe"]

# A point below the line of this part of the first slope has gone down enough.
DECREASE = 1e-4
# A slope of at most this part of the first one is flat enough.
CURVATURE = 0.9
# A bracket in which no parameter moves by more is not cut further.
TOLERANCE = 1e-9


class Point:
    """A place on the line: how far out, the value there, the gradient and its slope along the line."""

    __slots__ = ("at", "gradient", "slope", "value")

    def __init__(self, at: float, value: float, gradient: Tensor, slope: float) -> None:
        self.at = at
        self.value = value
        self.gradient = gradient
        self.slope = slope


def strong_wolfe(
    evaluate: Callable[[float], Point], start: Point, first: float, reach: float, most: int
) -> tuple[Point, int]:
    """A point that fulfils the conditions, or the best one found, and the number of evaluations.

    ``evaluate`` gives the point at a distance, ``first`` is the distance tried first, ``reach`` the largest
    entry of the direction, and ``most`` the number of trials after the first one.
    """

    def too_high(point: Point) -> bool:
        return point.value > start.value + DECREASE * point.at * start.slope

    def flat(point: Point) -> bool:
        return abs(point.slope) <= -CURVATURE * start.slope

    # Go outwards until a minimum is between two points.
    previous, point = start, evaluate(first)
    trials = 0
    bracket = [start, point]
    while True:
        if trials == most:
            bracket = [start, point]
            break
        if too_high(point) or (trials > 1 and point.value >= previous.value):
            bracket = [previous, point]
            break
        if flat(point):
            return point, trials + 1
        if point.slope >= 0:
            bracket = [previous, point]
            break
        nearest = point.at + 0.01 * (point.at - previous.at)
        at = _minimum(previous, point, (nearest, point.at * 10))
        previous, point = point, evaluate(at)
        trials += 1

    # Cut the interval, keeping the lower end.
    low, high = (0, 1) if bracket[0].value <= bracket[1].value else (1, 0)
    stuck = False
    while trials < most:
        left, right = sorted((bracket[0].at, bracket[1].at))
        if (right - left) * reach < TOLERANCE:
            break
        at = _minimum(bracket[0], bracket[1])
        margin = 0.1 * (right - left)
        if min(right - at, at - left) < margin:
            # Twice in a row near an end, or outside: move off it.
            if stuck or at >= right or at <= left:
                at = right - margin if abs(at - right) < abs(at - left) else left + margin
                stuck = False
            else:
                stuck = True
        else:
            stuck = False
        point = evaluate(at)
        trials += 1
        if too_high(point) or point.value >= bracket[low].value:
            bracket[high] = point
            low, high = (0, 1) if bracket[0].value <= bracket[1].value else (1, 0)
            continue
        done = flat(point)
        if not done and point.slope * (bracket[high].at - bracket[low].at) >= 0:
            bracket[high] = bracket[low]
        bracket[low] = point
        if done:
            break
    return bracket[low], trials + 1


def _minimum(a: Point, b: Point, bounds: tuple[float, float] | None = None) -> float:
    """Where the cubic through two points with their slopes is least, within ``bounds``."""
    if a.at > b.at:
        a, b = b, a
    least, most = bounds or (a.at, b.at)
    if a.at == b.at:
        return least
    middle = a.slope + b.slope - 3 * (a.value - b.value) / (a.at - b.at)
    square = middle * middle - a.slope * b.slope
    if not square >= 0:
        return (least + most) / 2
    root = sqrt(square)
    bottom = b.slope - a.slope + 2 * root
    if bottom == 0:
        return most
    at = b.at - (b.at - a.at) * ((b.slope + root - middle) / bottom)
    return min(max(at, least), most)
