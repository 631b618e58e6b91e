"""A softmax over many classes that looks closely only at those which are likely."""

from __future__ import annotations

from typing import NamedTuple

from rustnn import _C
from rustnn._C import Tensor
from rustnn.nn import functional as F
from rustnn.nn.container import ModuleList, Sequential
from rustnn.nn.linear import Linear
from rustnn.nn.module import Module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

__all__ = ["AdaptiveLogSoftmaxWithLoss"]


class _ASMoutput(NamedTuple):
    """Logarithms of the targets' probabilities, and the mean of their negatives."""

    output: Tensor
    loss: Tensor


class AdaptiveLogSoftmaxWithLoss(Module):
    """Softmax in two steps, for classes that are sorted by how often they occur (Grave et al., 2017).

    The ``head`` decides between the classes below ``cutoffs[0]`` and the clusters of the rest. Cluster i has
    the classes from cutoffs[i] to below cutoffs[i + 1] (the last: to ``n_classes``) and decides between them
    in ``in_features // div_value ** (i + 1)`` features: ``tail[i]``.

    ``forward(input, target)`` takes (N, in_features) and (N), or (in_features) and (), and returns
    ``output``, of the target's shape, and ``loss``. ValueError for cutoffs that do not rise from at least 1
    to at most n_classes - 1; RuntimeError for other shapes and for targets out of range.
    """

    in_features: int
    n_classes: int
    cutoffs: list[int]
    div_value: float
    head_bias: bool
    head: Linear
    tail: ModuleList

    def __init__(
        self,
        in_features: int,
        n_classes: int,
        cutoffs: Sequence[int],
        div_value: float = 4.0,
        head_bias: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        cutoffs = list(cutoffs)
        if not cutoffs:
            raise ValueError("cutoffs should be a sequence of length larger than 0")
        rising = all(a < b for a, b in zip([0, *cutoffs], [*cutoffs, n_classes], strict=True))
        if not rising or any(int(cutoff) != cutoff for cutoff in cutoffs):
            raise ValueError(
                "cutoffs should be a sequence of unique, positive integers sorted in an increasing order, "
                "where each value is between 1 and n_classes-1"
            )
        self.in_features = in_features
        self.n_classes = n_classes
        self.cutoffs = [*cutoffs, n_classes]
        self.div_value = div_value
        self.head_bias = head_bias
        self.shortlist_size = cutoffs[0]
        self.n_clusters = len(cutoffs)
        self.head_size = self.shortlist_size + self.n_clusters

        def linear(inputs: int, outputs: int, bias: bool = False) -> Linear:
            return Linear(inputs, outputs, bias=bias, device=device, dtype=dtype)

        self.head = linear(in_features, self.head_size, head_bias)
        self.tail = ModuleList()
        for i, (low, high) in enumerate(self._clusters()):
            width = int(in_features // (div_value ** (i + 1)))
            self.tail.append(Sequential(linear(in_features, width), linear(width, high - low)))

    def _clusters(self) -> list[tuple[int, int]]:
        """The first class of each cluster, and the one after its last."""
        return list(zip(self.cutoffs[:-1], self.cutoffs[1:], strict=True))

    def reset_parameters(self) -> None:
        """Draw all weights anew."""
        self.head.reset_parameters()
        for projection in self.tail:
            linears: Any = projection
            for linear in linears:
                linear.reset_parameters()

    def _check(self, input: Tensor, target: Tensor) -> None:
        if target.dim() > 1:
            raise RuntimeError("0D or 1D target tensor expected, multi-target not supported")
        if target.dim() == 1 and input.size(0) != target.size(0):
            raise RuntimeError("Input and target should have the same size in the batch dimension.")
        if input.dim() != target.dim() + 1:
            raise RuntimeError(
                f"{target.dim()}D target tensor expects {target.dim() + 1}D input tensors, but found inputs "
                f"with size {input.size()}"
            )

    def forward(self, input_: Tensor, target_: Tensor) -> _ASMoutput:
        self._check(input_, target_)
        batched = target_.dim() == 1
        input = input_ if batched else input_.unsqueeze(0)
        target = target_ if batched else target_.unsqueeze(0)
        if target.numel() > 0 and bool(((target < 0) | (target >= self.n_classes)).any()):
            raise RuntimeError(
                f"Target values should be in [0, {self.n_classes - 1}], but values in range "
                f"[{target.min().item()}, {target.max().item()}] were found. "
            )
        # What the head is asked for: the class itself, or its cluster.
        choice = target.clone()
        output = input.new_zeros(target.size(0))
        for i, (low, high) in enumerate(self._clusters()):
            rows = ((target >= low) & (target < high)).nonzero().squeeze(1)
            if rows.numel() == 0:
                continue
            choice.index_fill_(0, rows, self.shortlist_size + i)
            within = F.log_softmax(self.tail[i](input.index_select(0, rows)), dim=1)
            number = target.index_select(0, rows) - low
            output.index_copy_(0, rows, within.gather(1, number.unsqueeze(1)).squeeze(1))
        head = F.log_softmax(self.head(input), dim=1)
        output += head.gather(1, choice.unsqueeze(1)).squeeze(1)
        loss = (-output).mean()
        return _ASMoutput(output if batched else output.squeeze(0), loss)

    def _get_full_log_prob(self, input: Tensor, head_output: Tensor) -> Tensor:
        """The logarithm of every class's probability, from what the head says of the input."""
        head = F.log_softmax(head_output, dim=1)
        out = input.new_empty((head_output.size(0), self.n_classes))
        out[:, : self.shortlist_size] = head[:, : self.shortlist_size]
        for i, (low, high) in enumerate(self._clusters()):
            within = F.log_softmax(self.tail[i](input), dim=1)
            out[:, low:high] = within + head[:, self.shortlist_size + i].unsqueeze(1)
        return out

    def log_prob(self, input: Tensor) -> Tensor:
        """The logarithm of every class's probability: (N, in_features) to (N, n_classes)."""
        return self._get_full_log_prob(input, self.head(input))

    def predict(self, input: Tensor) -> Tensor:
        """The likeliest class: (N, in_features) to (N).

        Clusters are looked into only for inputs of which the head thinks one likeliest.
        """
        head = self.head(input)
        output: Tensor = head.argmax(dim=1)
        rows = output >= self.shortlist_size
        if bool(rows.any()):
            output[rows] = _C.argmax(self._get_full_log_prob(input[rows], head[rows]), dim=1)
        return output
