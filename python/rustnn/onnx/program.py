"""What `export` returns: a model of ONNX in memory, and how it becomes a file."""

from __future__ import annotations

import os

from rustnn import _C
from rustnn.onnx.errors import OnnxExporterError
from rustnn.onnx.nested import tensors_in
from rustnn.onnx.proto import external_tensor, metadata, node, raw_bytes, tensor, value_info
from rustnn.utils.protobuf import Message

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from rustnn._C import Tensor
    from rustnn.onnx.graph import Graph

    Interface = list[tuple[str, Any, list[int | str]]]

__all__ = ["ONNXProgram"]

# A message of protocol buffers has to stay below 2 GiB; weights beyond that lie in a file of their own.
_LARGEST = 2**31 - 2**20
# Smaller tensors stay in the model's file even then.
_SMALL = 1024
_ALIGNMENT = 4096
_IR_VERSIONS = {18: 8, 19: 9, 20: 9, 21: 10, 22: 10, 23: 11, 24: 11}


class ONNXProgram:
    """A model of ONNX: ``save`` writes it to a file, ``model_proto`` is its content, a call runs it."""

    def __init__(self, graph: Graph, inputs: Interface, outputs: Interface) -> None:
        self._graph = graph
        self._inputs = inputs
        self._outputs = outputs
        self._session: Any = None

    def __repr__(self) -> str:
        inputs = ", ".join(f"{name}: {dtype} {shape}" for name, dtype, shape in self._inputs)
        outputs = ", ".join(f"{name}: {dtype} {shape}" for name, dtype, shape in self._outputs)
        return f"ONNXProgram({len(self._graph.nodes)} nodes, inputs ({inputs}), outputs ({outputs}))"

    def __call__(self, *args: Any, **kwargs: Any) -> list[Tensor]:
        """Run the model in onnxruntime, with arguments of the shape of the example's: the output tensors."""
        try:
            import onnxruntime
        except ImportError as error:
            raise ImportError("running a model of ONNX needs onnxruntime: pip install onnxruntime") from error
        if self._session is None:
            self._session = onnxruntime.InferenceSession(self.model_proto, providers=["CPUExecutionProvider"])
        given = list(tensors_in([args, kwargs]))
        if len(given) != len(self._inputs):
            raise ValueError(f"the model has {len(self._inputs)} inputs, but {len(given)} tensors were given")
        feeds = {name: x.detach().numpy() for name, x in zip(self.input_names, given, strict=True)}
        wanted = {entry.name for entry in self._session.get_inputs()}
        feeds = {name: array for name, array in feeds.items() if name in wanted}
        return [_C.from_numpy(array) for array in self._session.run(self.output_names, feeds)]

    @property
    def input_names(self) -> list[str]:
        return [name for name, _, _ in self._inputs]

    @property
    def output_names(self) -> list[str]:
        return [name for name, _, _ in self._outputs]

    @property
    def model_proto(self) -> bytes:
        """The content of a file: a serialized ModelProto. OnnxExporterError from 2 GiB on."""
        message = self._message(True, False, {})
        if message.size > _LARGEST:
            raise OnnxExporterError(
                f"the model has {message.size} bytes, too many for one message: use save(), which "
                "writes the weights to another file"
            )
        return bytes(message)

    def _message(
        self,
        include_initializers: bool,
        initializers_as_inputs: bool,
        places: dict[str, tuple[str, int, int]],
    ) -> Message:
        """ModelProto; ``places`` says which tensors lie in another file: its name, offset and length."""
        import rustnn

        graph = self._graph
        body = Message()
        for n in graph.nodes:
            body.message(1, node(n.kind, n.name, n.inputs, n.outputs, n.attributes))
        body.text(2, "main_graph")
        inputs = list(self._inputs)
        for name, data in graph.initializers.items():
            is_input = name in graph.weights and not include_initializers
            if is_input or initializers_as_inputs:
                inputs.append((name, data.dtype, list(data.shape)))
            if is_input:
                continue
            if name in places:
                body.message(5, external_tensor(name, data, *places[name]))
            else:
                body.message(5, tensor(name, data))
        for field, values in ((11, inputs), (12, self._outputs)):
            for name, dtype, shape in values:
                body.message(field, value_info(name, dtype, shape))
        model = Message().integer(1, _IR_VERSIONS[graph.opset])
        model.text(2, "rustnn").text(3, rustnn.__version__)
        model.message(7, body)
        model.message(8, Message().text(1, "").integer(2, graph.opset))
        for key, value in (("producer", "rustnn.onnx.export"),):
            model.message(14, metadata(key, value))
        return model

    def save(
        self,
        destination: str | os.PathLike[str],
        *,
        include_initializers: bool = True,
        keep_initializers_as_inputs: bool = False,
        external_data: bool | None = None,
    ) -> None:
        """Write the model to a file, which is replaced whole.

        Without ``include_initializers`` the weights are inputs, and not in the file;
        ``keep_initializers_as_inputs`` makes them inputs that have a default. With ``external_data`` the
        weights are written to ``destination`` + ".data"; None: if the model is too large for one file.
        """
        from rustnn.utils.atomic import replacing

        weights = {
            name: data
            for name, data in self._graph.initializers.items()
            if include_initializers or name not in self._graph.weights
        }
        total = sum(data.numel() * data.element_size() for data in weights.values())
        places: dict[str, tuple[str, int, int]] = {}
        large: list[str] = []
        if external_data or (external_data is None and total > _LARGEST // 4 * 3):
            if not isinstance(destination, (str, os.PathLike)):
                raise TypeError("with external data the destination has to be the path of a file")
            file = os.path.basename(os.fspath(destination)) + ".data"
            offset = 0
            for name, data in weights.items():
                length = data.numel() * data.element_size()
                if length >= _SMALL:
                    places[name] = (file, offset, length)
                    large.append(name)
                    offset += -(-length // _ALIGNMENT) * _ALIGNMENT
        if large:
            with replacing(os.fspath(destination) + ".data") as out:
                for name in large:
                    _, offset, length = places[name]
                    _write(out, raw_bytes(weights[name]))
                    if name != large[-1]:
                        _write(out, bytes(-length % _ALIGNMENT))
        message = self._message(include_initializers, keep_initializers_as_inputs, places)
        if message.size > _LARGEST:
            raise OnnxExporterError(
                f"the model has {message.size} bytes, too many for one file: use external_data=True"
            )
        with replacing(destination) as out:
            for part in _joined(message.parts):
                _write(out, part)


def _joined(parts: Sequence[bytes | memoryview]) -> list[bytes | memoryview]:
    """Small parts in one piece, large ones as they are."""
    pieces: list[bytes | memoryview] = []
    small: list[bytes | memoryview] = []
    for part in parts:
        if len(part) < 1 << 16:
            small.append(part)
            continue
        pieces += [b"".join(small), part]
        small = []
    return [*pieces, b"".join(small)]


def _write(file: Any, data: bytes | memoryview) -> None:
    """All of it: an unbuffered file may take less at a time."""
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]
