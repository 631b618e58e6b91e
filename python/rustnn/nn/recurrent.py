"""Recurrent layers: RNN, LSTM and GRU over sequences.

A layer projects the whole sequence with one multiplication; `_C._recurrence` then goes from step to step.
Sequences of one length and packed ones take the same way: a step is the rows of all sequences that have an
element at that time.
"""

from __future__ import annotations

import math

from rustnn import _C
from rustnn._C import Tensor
from rustnn.nn import functional as F
from rustnn.nn import init
from rustnn.nn.module import Module
from rustnn.nn.parameter import Parameter
from rustnn.nn.utils.rnn import PackedSequence

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    State = tuple[Tensor, ...]

__all__ = ["GRU", "LSTM", "RNN", "RNNBase"]

_GATES = {"LSTM": 4, "GRU": 3, "RNN_TANH": 1, "RNN_RELU": 1}


def _permuted(state: Tensor, order: Tensor | None) -> Tensor:
    return state if order is None else state.index_select(1, order)


class RNNBase(Module):
    """What RNN, LSTM and GRU share: settings, weights, the way through layers and directions.

    ``weight_ih_l[k]`` is (gates * hidden_size, input of the layer), ``weight_hh_l[k]`` (gates * hidden_size,
    hidden_size), the biases (gates * hidden_size); ``_reverse`` stands behind the names of the second
    direction's. All start as draws from U(-k, k), k = 1 / sqrt(hidden_size).
    """

    def __init__(
        self,
        mode: str,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.mode = mode
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bias = bias
        self.batch_first = batch_first
        self.dropout = float(dropout)
        self.bidirectional = bidirectional
        self.proj_size = proj_size
        self._check_settings(dropout)
        rows = _GATES[mode] * hidden_size
        directions = 2 if bidirectional else 1
        state_size = proj_size or hidden_size
        self._flat_weights_names: list[str] = []
        self._all_weights: list[list[str]] = []
        for layer in range(num_layers):
            width = input_size if layer == 0 else state_size * directions
            for direction in range(directions):
                suffix = f"_l{layer}" + ("_reverse" if direction else "")
                shapes: dict[str, tuple[int, ...]] = {
                    "weight_ih": (rows, width),
                    "weight_hh": (rows, state_size),
                }
                if bias:
                    shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)}
                if proj_size:
                    shapes["weight_hr"] = (proj_size, hidden_size)
                for name, shape in shapes.items():
                    setattr(self, name + suffix, Parameter(_C.empty(shape, device=device, dtype=dtype)))
                names = [name + suffix for name in shapes]
                self._flat_weights_names += names
                self._all_weights.append(names)
        self.reset_parameters()

    def _check_settings(self, dropout: Any) -> None:
        """ValueError or TypeError for what makes no layer."""
        if not isinstance(dropout, (int, float)) or isinstance(dropout, bool) or not 0 <= dropout <= 1:
            raise ValueError(
                "dropout should be a number in range [0, 1] representing the probability of an element being "
                "zeroed"
            )
        for name, kind in (
            ("bias", bool),
            ("batch_first", bool),
            ("input_size", int),
            ("hidden_size", int),
        ):
            value = getattr(self, name)
            if not isinstance(value, kind):
                raise TypeError(f"{name} should be of type {kind.__name__}, got: {type(value).__name__}")
        for name in ("input_size", "hidden_size", "num_layers"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be greater than zero")
        if self.proj_size < 0:
            raise ValueError("proj_size should be a positive integer or zero to disable projections")
        if self.proj_size >= self.hidden_size:
            raise ValueError("proj_size has to be smaller than hidden_size")
        if self.mode not in _GATES:
            raise ValueError(f"Unrecognized RNN mode: {self.mode}")
        if dropout > 0 and self.num_layers == 1:
            import warnings

            warnings.warn(
                "dropout option adds dropout after all but last recurrent layer, so non-zero dropout expects "
                f"num_layers greater than 1, but got dropout={dropout} and num_layers={self.num_layers}",
                stacklevel=4,
            )

    def reset_parameters(self) -> None:
        """Draw all weights anew."""
        bound = 1.0 / math.sqrt(self.hidden_size)
        for weight in self.parameters():
            init.uniform_(weight, -bound, bound)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_flat_weights": self._flat_weights}  # PyTorch looks for them in files

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__({key: value for key, value in state.items() if key != "_flat_weights"})
        self.__dict__.setdefault("proj_size", 0)  # files from before PyTorch 1.8

    def flatten_parameters(self) -> None:
        """Nothing to do: PyTorch puts the weights into one block here, for a GPU's sake."""

    @property
    def _flat_weights(self) -> list[Tensor]:
        return [getattr(self, name) for name in self._flat_weights_names]

    @property
    def all_weights(self) -> list[list[Tensor]]:
        """The weights of every layer and direction."""
        return [[getattr(self, name) for name in names] for names in self._all_weights]

    def extra_repr(self) -> str:
        text = f"{self.input_size}, {self.hidden_size}"
        if self.proj_size != 0:
            text += f", proj_size={self.proj_size}"
        if self.num_layers != 1:
            text += f", num_layers={self.num_layers}"
        if self.bias is not True:
            text += f", bias={self.bias}"
        if self.batch_first is not False:
            text += f", batch_first={self.batch_first}"
        if self.dropout != 0:
            text += f", dropout={self.dropout}"
        if self.bidirectional is not False:
            text += f", bidirectional={self.bidirectional}"
        return text

    def check_input(self, input: Tensor, batch_sizes: Tensor | None) -> None:
        """ValueError for another dtype than the weights' without autocast, RuntimeError for another shape."""
        dtype = self.weight_ih_l0.dtype
        if input.dtype != dtype and not _C._autocast_state(input.is_cuda)[0]:
            raise ValueError(
                f"RNN input dtype ({input.dtype}) does not match weight dtype ({dtype}). "
                f"Convert input: input.to({dtype}), or convert model: model.to({input.dtype})"
            )
        dims = 3 if batch_sizes is None else 2
        if input.dim() != dims:
            raise RuntimeError(f"input must have {dims} dimensions, got {input.dim()}")
        if input.size(-1) != self.input_size:
            raise RuntimeError(
                f"input.size(-1) must be equal to input_size. Expected {self.input_size}, "
                f"got {input.size(-1)}"
            )

    def _check_state(self, state: State, batch: int) -> None:
        """RuntimeError unless the state fits the layer and a batch of that size."""
        count = self.num_layers * (2 if self.bidirectional else 1)
        for k, (part, size) in enumerate(zip(state, self._state_sizes(), strict=True)):
            expected = (count, batch, size)
            if tuple(part.shape) != expected:
                which = f"hidden[{k}]" if len(state) > 1 else "hidden"
                raise RuntimeError(f"Expected {which} size {expected}, got {list(part.shape)}")

    def _state_sizes(self) -> tuple[int, ...]:
        """The widths of the parts of the state."""
        return (self.hidden_size,)

    def _layer(
        self, layer: int, direction: int, data: Tensor, sizes: list[int], state: State
    ) -> list[Tensor]:
        """One layer in one direction: outputs (elements, state size) and last states."""
        suffix = f"_l{layer}" + ("_reverse" if direction else "")
        w_ih, w_hh = getattr(self, "weight_ih" + suffix), getattr(self, "weight_hh" + suffix)
        b_ih, b_hh = (
            (getattr(self, "bias_ih" + suffix), getattr(self, "bias_hh" + suffix))
            if self.bias
            else (None, None)
        )
        projection = getattr(self, "weight_hr" + suffix) if self.proj_size else None
        inputs = _C.linear(data, w_ih, b_ih)
        parts: list[Tensor] = list(
            _C._recurrence(inputs, list(state), w_hh, b_hh, projection, sizes, self.mode, bool(direction))
        )
        autocast, short, _ = _C._autocast_state(data.is_cuda)
        if autocast:
            # The CPU computes in float32; the state keeps its dtype, but for plain cells, which are products.
            dtype = short if data.is_cuda or self.mode.startswith("RNN") else state[0].dtype
            parts = [part if part.dtype == _C.float64 else part.to(dtype) for part in parts]
        return parts

    def _run(self, data: Tensor, sizes: list[int], state: State) -> tuple[Tensor, State]:
        """All layers over packed ``data`` (elements, width): (elements, output), and the last states."""
        directions = 2 if self.bidirectional else 1
        last: list[State] = []
        for layer in range(self.num_layers):
            outputs: list[Tensor] = []
            for direction in range(directions):
                start = tuple(part[layer * directions + direction] for part in state)
                hidden, *end = self._layer(layer, direction, data, sizes, start)
                outputs.append(hidden)
                last.append(tuple(end))
            data = outputs[0] if directions == 1 else _C.cat(outputs, 1)
            if self.dropout and layer + 1 < self.num_layers:
                data = F.dropout(data, self.dropout, self.training)
        return data, tuple(_C.stack(list(parts)) for parts in zip(*last, strict=True))

    def _start(self, batch: int, like: Tensor) -> State:
        count = self.num_layers * (2 if self.bidirectional else 1)
        return tuple(
            _C.zeros(count, batch, size, dtype=like.dtype, device=like.device) for size in self._state_sizes()
        )

    def _check_dims(self, state: State, batched: bool) -> None:
        wanted = 3 if batched else 2
        if any(part.dim() != wanted for part in state):
            kind = "batched 3-D" if batched else "unbatched 2-D"
            found = " and ".join(f"{part.dim()}-D" for part in state)
            raise RuntimeError(f"For {kind} input, hx should also be {wanted}-D but got {found} tensor")

    def _forward(self, input: Any, state: State | None) -> tuple[Any, State]:
        if isinstance(input, PackedSequence):
            data, batch_sizes, order, undo = input
            self.check_input(data, batch_sizes)
            sizes: list[int] = batch_sizes.tolist()
            if state is None:
                state = self._start(sizes[0], data)
            else:
                self._check_state(state, sizes[0])
                state = tuple(_permuted(part, order) for part in state)
            data, state = self._run(data, sizes, state)
            packed = PackedSequence(data, batch_sizes, order, undo)
            return packed, tuple(_permuted(part, undo) for part in state)
        if input.dim() not in (2, 3):
            raise ValueError(
                f"{type(self).__name__}: Expected input to be 2D or 3D, got {input.dim()}D instead"
            )
        batched = input.dim() == 3
        if state is not None:
            self._check_dims(state, batched)
        if not batched:
            input = input.unsqueeze(1)
            state = None if state is None else tuple(part.unsqueeze(1) for part in state)
        elif self.batch_first:
            input = input.transpose(0, 1)
        self.check_input(input, None)
        length, batch = input.size(0), input.size(1)
        if state is None:
            state = self._start(batch, input)
        else:
            self._check_state(state, batch)
        if length == 0:
            raise RuntimeError("Expected sequence length to be larger than 0 in RNN")
        flat, state = self._run(input.reshape(length * batch, self.input_size), [batch] * length, state)
        output = flat.view(length, batch, flat.size(1))
        if not batched:
            return output.squeeze(1), tuple(part.squeeze(1) for part in state)
        return (output.transpose(0, 1) if self.batch_first else output), state


class _OneState(RNNBase):
    """RNN and GRU, whose state is one tensor."""

    def __init__(self, mode: str, *args: Any, **kwargs: Any) -> None:
        if "proj_size" in kwargs:
            raise ValueError("proj_size argument is only supported for LSTM, not RNN or GRU")
        super().__init__(mode, *args, **kwargs)

    def forward(self, input: Any, hx: Tensor | None = None) -> tuple[Any, Tensor]:
        output, state = self._forward(input, None if hx is None else (hx,))
        return output, state[0]


class RNN(_OneState):
    """``h = tanh(W_ih x + b_ih + W_hh h + b_hh)``, or relu with ``nonlinearity="relu"`` (Elman, 1990).

    Input (L, N, input_size), (N, L, input_size) with ``batch_first``, (L, input_size), or a PackedSequence;
    ``hx`` (num_layers * directions, N, hidden_size), zeros unless given. Returns the last layer's outputs
    (L, N, directions * hidden_size) and the last states. ``dropout`` stands between layers.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        **kwargs: Any,
    ) -> None:
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"Unknown nonlinearity '{nonlinearity}'. Select from 'tanh' or 'relu'.")
        super().__init__(
            f"RNN_{nonlinearity.upper()}",
            input_size,
            hidden_size,
            num_layers,
            bias,
            batch_first,
            dropout,
            bidirectional,
            **kwargs,
        )
        self.nonlinearity = nonlinearity


class GRU(_OneState):
    """Gated recurrent units (Cho et al., 2014): gates r and z, candidate n; see RNN for the shapes.

    ``r, z = sigmoid(...)``, ``n = tanh(W x + b + r * (U h + c))``, ``h = (1 - z) * n + z * h``. The rows
    of the weights are those of r, z, n.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            "GRU", input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, **kwargs
        )


class LSTM(RNNBase):
    """Long short-term memory (Hochreiter, Schmidhuber, 1997); see RNN for the shapes.

    ``i, f, o = sigmoid(...)``, ``g = tanh(...)``, ``c = f * c + i * g``, ``h = o * tanh(c)``; the rows of the
    weights are those of i, f, g, o. The state is (h, c), both given or none. With ``proj_size`` h is
    multiplied by ``weight_hr`` (proj_size, hidden_size) in every step.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            "LSTM",
            input_size,
            hidden_size,
            num_layers,
            bias,
            batch_first,
            dropout,
            bidirectional,
            proj_size,
            device,
            dtype,
        )

    def _state_sizes(self) -> tuple[int, ...]:
        return (self.proj_size or self.hidden_size, self.hidden_size)

    def forward(
        self, input: Any, hx: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Any, tuple[Tensor, Tensor]]:
        output, state = self._forward(input, None if hx is None else (hx[0], hx[1]))
        return output, (state[0], state[1])
