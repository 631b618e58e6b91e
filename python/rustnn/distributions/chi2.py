"""The chi-squared distribution."""

from __future__ import annotations

from rustnn.distributions import constraints
from rustnn.distributions.gamma import Gamma
from rustnn.distributions.utils import broadcast_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rustnn._C import Tensor

__all__ = ["Chi2"]


class Chi2(Gamma):
    """The sum of the squares of `df` standard normal numbers: a gamma distribution of df / 2 and 1 / 2.

    See Johnson, Kotz and Balakrishnan, "Continuous Univariate Distributions" (1994), chapter 18.
    """

    arg_constraints = {"df": constraints.positive}
    _parameters = {"concentration": 0, "rate": 0}

    def __init__(self, df: Tensor | float, validate_args: bool | None = None) -> None:
        if not isinstance(df, (int, float)):
            (df,) = broadcast_all(df)
        super().__init__(0.5 * df, 0.5, validate_args=validate_args)

    @property
    def df(self) -> Tensor:
        """The degrees of freedom."""
        return self.concentration * 2
