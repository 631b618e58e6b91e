"""Functions and modules whose passes are replays of graphs: what ``make_graphed_callables`` makes."""

from __future__ import annotations

from rustnn import _C
from rustnn._C import Tensor
from rustnn.autograd import Function, grad
from rustnn.autograd.function import once_differentiable
from rustnn.cuda import synchronize
from rustnn.cuda.graphs import CUDAGraph, graph, graph_pool_handle
from rustnn.cuda.streams import Stream, StreamContext
from rustnn.nn import Module
from rustnn.utils._pytree import tree_leaves, tree_structure, tree_unflatten

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from rustnn.cuda.graphs import Pool

__all__ = ["graphed"]


class _Recorded:
    """A callable with the tensors that its graphs read and write."""

    def __init__(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        self.function = function
        self.arguments = arguments
        self.given = tree_leaves(arguments)
        if not all(isinstance(argument, Tensor) for argument in self.given):
            raise AssertionError("sample_args must be tensors, or containers of them")
        self.parameters: tuple[Tensor, ...] = ()
        if isinstance(function, Module):
            if function._forward_hooks or function._forward_pre_hooks or function._backward_hooks:
                raise AssertionError(
                    "Modules must not have hooks registered at the time they are passed. However, "
                    "registering hooks on modules after passing them through make_graphed_callables is "
                    "allowed."
                )
            if any(buffer.requires_grad for buffer in function.buffers()):
                raise AssertionError(
                    "only parameters of modules may be trainable: all buffers must have requires_grad=False"
                )
            self.parameters = tuple(function.parameters())
        self.inputs: tuple[Tensor, ...] = (*self.given, *self.parameters)
        self.forward_graph, self.backward_graph = CUDAGraph(), CUDAGraph()
        self.outputs: list[Any] = []
        self.output_gradients: list[Tensor | None] = []
        self.gradients: list[Tensor | None] = []
        self.result: Any = None

    def _gradients(
        self, outputs: list[Any], output_gradients: list[Tensor | None], allow_unused: bool
    ) -> list[Tensor | None]:
        """One gradient for each input, None for those that need none."""
        wanted = [i for i in self.inputs if i.requires_grad]
        sources = [(o, g) for o, g in zip(outputs, output_gradients, strict=True) if g is not None]
        if not sources or not wanted:
            return [None] * len(self.inputs)
        found = iter(
            grad([o for o, _ in sources], wanted, [g for _, g in sources], allow_unused=allow_unused)
        )
        return [next(found) if i.requires_grad else None for i in self.inputs]

    def warm_up(self, allow_unused: bool) -> None:
        outputs = tree_leaves(self.function(*self.arguments))
        self._gradients(outputs, _gradients_like(outputs), allow_unused)

    def record_forward(self, pool: Pool) -> None:
        with graph(self.forward_graph, pool):
            self.result = self.function(*self.arguments)
        self.outputs = tree_leaves(self.result)
        if not all(isinstance(output, Tensor) for output in self.outputs):
            raise AssertionError("what graphed callables return must be tensors, or containers of them")

    def record_backward(self, pool: Pool, allow_unused: bool) -> None:
        self.output_gradients = _gradients_like(self.outputs)
        if not any(g is not None for g in self.output_gradients) or not any(
            i.requires_grad for i in self.inputs
        ):
            self.gradients = [None] * len(self.inputs)
            return
        with graph(self.backward_graph, pool):
            self.gradients = self._gradients(self.outputs, self.output_gradients, allow_unused)

    def replaying(self) -> Callable[..., Any]:
        """A function that does what was recorded."""
        recorded = self

        class Graphed(Function):
            @staticmethod
            def forward(ctx: Any, *inputs: Tensor) -> Any:
                for own, new in zip(recorded.given, inputs, strict=False):
                    if own.data_ptr() != new.data_ptr():
                        own.detach().copy_(new)
                recorded.forward_graph.replay()
                return tuple(output.detach() for output in recorded.outputs)

            @staticmethod
            @once_differentiable
            def backward(ctx: Any, *gradients: Tensor) -> Any:
                for own, new in zip(recorded.output_gradients, gradients, strict=True):
                    if own is not None and own.data_ptr() != new.data_ptr():
                        own.copy_(new)
                recorded.backward_graph.replay()
                return tuple(g if g is None else g.detach() for g in recorded.gradients)

        def call(*arguments: Any) -> Any:
            results = Graphed.apply(*tree_leaves(arguments), *recorded.parameters)
            return tree_unflatten(list(results), tree_structure(recorded.result))

        return call


def _gradients_like(outputs: list[Any]) -> list[Tensor | None]:
    """Memory for the gradients of those outputs that need one."""
    return [_C.empty_like(o.detach()) if o.requires_grad else None for o in outputs]


def graphed(
    functions: tuple[Callable[..., Any], ...],
    arguments: tuple[tuple[Any, ...], ...],
    warm_ups: int,
    allow_unused: bool,
    pool: Pool | None,
) -> tuple[Callable[..., Any], ...]:
    """Records forward passes in their order and backward passes in the opposite one, in one pool."""
    records = [_Recorded(f, a) for f, a in zip(functions, arguments, strict=True)]
    pool = graph_pool_handle() if pool is None else pool
    # What is made ready at its first use is made ready here.
    synchronize()
    with StreamContext(Stream()):
        for record in records:
            for _ in range(warm_ups):
                record.warm_up(allow_unused)
    synchronize()
    for record in records:
        record.record_forward(pool)
    for record in reversed(records):
        record.record_backward(pool, allow_unused)
    return tuple(_in_place(record) for record in records)


def _in_place(record: _Recorded) -> Callable[..., Any]:
    """The replaying function; for a module the module, which replays in the mode that it was recorded in."""
    module, replay = record.function, record.replaying()
    if not isinstance(module, Module):
        return replay
    training, plain = module.training, module.forward

    def forward(*arguments: Any, **keywords: Any) -> Any:
        if module.training == training:
            return replay(*arguments, **keywords)
        return plain(*arguments, **keywords)

    module.forward = forward
    return module
