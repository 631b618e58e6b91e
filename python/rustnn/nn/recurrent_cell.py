"""One step of a recurrent layer as a layer."""

from __future__ import annotations

import math

from rustnn import _C
from rustnn._C import Tensor
from rustnn.nn import init
from rustnn.nn.module import Module
from rustnn.nn.parameter import Parameter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["GRUCell", "LSTMCell", "RNNCell", "RNNCellBase"]


class RNNCellBase(Module):
    """What the cells share: weights as in `RNNBase`, for ``num_chunks`` gates."""

    input_size: int
    hidden_size: int
    bias: bool
    weight_ih: Parameter
    weight_hh: Parameter
    bias_ih: Parameter  # or None; nobody need assert that it is not
    bias_hh: Parameter  # or None; nobody need assert that it is not

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool,
        num_chunks: int,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.bias = bias
        rows = num_chunks * hidden_size
        self.weight_ih = Parameter(_C.empty((rows, input_size), device=device, dtype=dtype))
        self.weight_hh = Parameter(_C.empty((rows, hidden_size), device=device, dtype=dtype))
        for name in ("bias_ih", "bias_hh"):
            made = Parameter(_C.empty(rows, device=device, dtype=dtype)) if bias else None
            self.register_parameter(name, made)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all weights anew from U(-k, k), k = 1 / sqrt(hidden_size)."""
        bound = 1.0 / math.sqrt(self.hidden_size) if self.hidden_size > 0 else 0
        for weight in self.parameters():
            init.uniform_(weight, -bound, bound)

    def extra_repr(self) -> str:
        text = f"{self.input_size}, {self.hidden_size}"
        if self.bias is not True:
            text += f", bias={self.bias}"
        return text

    def _batched(self, input: Tensor, state: tuple[Tensor, ...] | None) -> tuple[Tensor, list[Tensor]]:
        """Input and state with a batch dim; zeros for no state. ValueError for other than 1 or 2 dims."""
        name = type(self).__name__
        if input.dim() not in (1, 2):
            raise ValueError(f"{name}: Expected input to be 1D or 2D, got {input.dim()}D instead")
        batched = input if input.dim() == 2 else input.unsqueeze(0)
        if state is None:
            return batched, []
        for k, part in enumerate(state):
            if part.dim() not in (1, 2):
                raise ValueError(f"{name}: Expected hx[{k}] to be 1D or 2D, got {part.dim()}D instead")
        return batched, [part if part.dim() == 2 else part.unsqueeze(0) for part in state]

    def _zeros(self, input: Tensor) -> Tensor:
        return _C.zeros(input.size(0), self.hidden_size, dtype=input.dtype, device=input.device)


class RNNCell(RNNCellBase):
    """``tanh(W_ih x + b_ih + W_hh h + b_hh)``, or relu: (N, input_size), (N, hidden_size) to the latter.

    RuntimeError for another ``nonlinearity``, when it is called.
    """

    nonlinearity: str

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 1, device, dtype)
        self.nonlinearity = nonlinearity

    def extra_repr(self) -> str:
        text = super().extra_repr()
        return text if self.nonlinearity == "tanh" else f"{text}, nonlinearity={self.nonlinearity}"

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        batch, state = self._batched(input, None if hx is None else (hx,))
        if self.nonlinearity not in ("tanh", "relu"):
            raise RuntimeError(f"Unknown nonlinearity: {self.nonlinearity}")
        cell = _C.rnn_tanh_cell if self.nonlinearity == "tanh" else _C.rnn_relu_cell
        hidden = state[0] if state else self._zeros(batch)
        output: Tensor = cell(batch, hidden, self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)
        return output if input.dim() == 2 else output.squeeze(0)


class GRUCell(RNNCellBase):
    """One step of a GRU: (N, input_size), (N, hidden_size) to the latter; also without N."""

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 3, device, dtype)

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        batch, state = self._batched(input, None if hx is None else (hx,))
        hidden = state[0] if state else self._zeros(batch)
        output: Tensor = _C.gru_cell(
            batch, hidden, self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh
        )
        return output if input.dim() == 2 else output.squeeze(0)


class LSTMCell(RNNCellBase):
    """One step of an LSTM: (N, input_size), (h, c) to the next (h, c), all (N, hidden_size)."""

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 4, device, dtype)

    def forward(self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, Tensor]:
        batch, state = self._batched(input, hx)
        if not state:
            zeros = self._zeros(batch)
            state = [zeros, zeros]
        h, c = _C.lstm_cell(batch, state, self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)
        return (h, c) if input.dim() == 2 else (h.squeeze(0), c.squeeze(0))
