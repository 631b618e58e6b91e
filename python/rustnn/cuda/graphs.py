"""CUDA graphs: the work of a step is recorded once and replayed as a whole, which costs the host one call.

A replay does the same launches on the same addresses: inputs are written into the tensors that were read
while recording, and results are read from those that were made. What needs a value on the host (``item()``, a
loop as long as a tensor says, ``nonzero``) cannot be recorded and raises RuntimeError.
"""

from __future__ import annotations

from collections.abc import Callable

from rustnn import _C
from rustnn.cuda import synchronize
from rustnn.cuda.streams import Stream, StreamContext

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, ClassVar

    Pool = tuple[int, int]

__all__ = [
    "CUDAGraph",
    "graph",
    "graph_pool_handle",
    "is_current_stream_capturing",
    "make_graphed_callables",
]


def is_current_stream_capturing() -> bool:
    """Whether work on the current GPU is being recorded; False where there is none."""
    return _C._cuda_is_capturing()


def graph_pool_handle() -> Pool:
    """A pool of memory, for ``graph(pool=...)`` and ``CUDAGraph.capture_begin``.

    Graphs can share it if they are replayed in the order in which they were recorded, and one at a time.
    RuntimeError without a GPU.
    """
    return (0, _C._cuda_new_pool())


class CUDAGraph(_C._CudaGraph):
    """Recorded work of a stream. RuntimeError without a GPU.

    With ``keep_graph`` the driver's graph is kept as it was recorded: ``instantiate`` makes it ready for
    replays, ``debug_dump`` writes it to a file, ``raw_cuda_graph`` tells its address.
    """

    def capture_begin(
        self, pool: Pool | None = None, capture_error_mode: str = "global", check_input_liveness: bool = False
    ) -> None:
        """Records the work of the current stream, which must not be the default one, from here on.

        ``pool`` is where memory comes from: another graph's, or one that ``graph_pool_handle`` made.
        ``capture_error_mode`` says whose forbidden calls end the recording: those of all threads ("global"),
        of this one ("thread_local"), nobody's ("relaxed"). RuntimeError on the default stream and for a
        graph that was recorded already.
        """
        self._begin(None if pool is None else sum(pool), capture_error_mode)

    def pool(self) -> Pool:
        """The pool of the graph's memory. RuntimeError before anything was recorded."""
        return (self._pool(), 0)

    def enable_debug_mode(self) -> None:
        """Does nothing: what ``debug_dump`` needs is kept with ``keep_graph=True``."""


class graph:
    """``with torch.cuda.graph(g):`` records what is done inside into a ``CUDAGraph``, in a stream of its own.

    Nothing is computed meanwhile. An exception inside ends the recording and leaves ``g`` empty.
    """

    default_capture_stream: ClassVar[Stream | None] = None

    def __init__(
        self,
        cuda_graph: CUDAGraph,
        pool: Pool | None = None,
        stream: Stream | None = None,
        capture_error_mode: str = "global",
        enable_annotations: bool = False,
        check_input_liveness: bool = False,
    ) -> None:
        if stream is None:
            if graph.default_capture_stream is None:
                graph.default_capture_stream = Stream()
            stream = graph.default_capture_stream
        self.pool = pool
        self.capture_stream = stream
        self.stream_ctx = StreamContext(stream)
        self.cuda_graph = cuda_graph
        self.capture_error_mode = capture_error_mode

    def __enter__(self) -> None:
        import gc

        from rustnn.cuda import empty_cache

        # What is garbage would otherwise be freed while recording, if at all.
        synchronize()
        gc.collect()
        empty_cache()
        self.stream_ctx.__enter__()
        try:
            self.cuda_graph.capture_begin(self.pool, self.capture_error_mode)
        except BaseException:
            self.stream_ctx.__exit__()
            raise

    def __exit__(self, kind: object, *exception: object) -> None:
        try:
            if kind is None:
                self.cuda_graph.capture_end()
            else:
                self.cuda_graph._abandon()
        finally:
            self.stream_ctx.__exit__()


def make_graphed_callables(
    callables: Any,
    sample_args: tuple[Any, ...],
    num_warmup_iters: int = 3,
    allow_unused_input: bool = False,
    pool: Pool | None = None,
) -> Any:
    """Functions or modules whose forward and backward passes are replays of graphs.

    ``sample_args`` are the arguments that they are recorded with, tensors or nested containers of them; calls
    take tensors of the same sizes, and of the same need of a gradient. For a tuple of callables it is a tuple
    of tuples, in the order in which they will be called. A module is changed in place: its ``forward``
    replays while it is in the mode (training or not) that it was recorded in. RuntimeError inside autocast
    with a cache; AssertionError for modules with hooks, or whose buffers require gradients.
    """
    from rustnn.amp.autocast_mode import is_autocast_cache_enabled, is_autocast_enabled
    from rustnn.cuda.graphed import graphed

    if is_autocast_enabled("cuda") and is_autocast_cache_enabled():
        raise RuntimeError(
            "make_graphed_callables does not support the autocast caching. Please set `cache_enabled=False`."
        )
    several = isinstance(callables, tuple)
    functions: tuple[Callable[..., Any], ...] = callables if several else (callables,)
    arguments = sample_args if several else (sample_args,)
    made = graphed(functions, arguments, num_warmup_iters, allow_unused_input, pool)
    return made if several else made[0]
