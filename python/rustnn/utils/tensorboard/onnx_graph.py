"""The graph in a file of ONNX as TensorBoard shows graphs."""

from __future__ import annotations

from tensorboard.compat.proto.attr_value_pb2 import AttrValue
from tensorboard.compat.proto.graph_pb2 import GraphDef
from tensorboard.compat.proto.node_def_pb2 import NodeDef
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
from tensorboard.compat.proto.versions_pb2 import VersionDef

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from typing import Any

__all__ = ["load_onnx_graph"]

# TensorFlow's numbers of ONNX's data types.
_DATA_TYPES = {1: 1, 2: 4, 3: 6, 4: 17, 5: 5, 6: 3, 7: 9, 9: 10, 10: 19, 11: 2, 12: 22, 13: 23, 16: 14}


def _shape(kind: Any) -> TensorShapeProto:
    """Sizes; -1 for those that are known at run time only."""
    sizes = [dim.dim_value if dim.HasField("dim_value") else -1 for dim in kind.shape.dim]
    return TensorShapeProto(dim=[TensorShapeProto.Dim(size=size) for size in sizes])


def _settings(node: Any, helper: Any) -> str:
    """A node's attributes as text; tensors only by their names."""
    texts = []
    for attribute in node.attribute:
        value = "tensor" if attribute.HasField("t") else helper.get_attribute_value(attribute)
        value = value.decode() if isinstance(value, bytes) else value
        texts.append(f"{attribute.name}={value}")
    return ", ".join(texts)


def load_onnx_graph(path: str | os.PathLike[str]) -> GraphDef:
    """Read a file: a node for each input, weight, operator and output. ImportError without ``onnx``."""
    try:
        import onnx
        from onnx import helper
    except ImportError as error:
        raise ImportError("add_onnx_graph needs the package 'onnx': pip install onnx") from error
    graph = onnx.load(path, load_external_data=False).graph
    nodes: list[NodeDef] = []
    makers: dict[str, str] = {}  # the node that makes a value

    def add(name: str, op: str, inputs: list[str], **attributes: AttrValue) -> None:
        nodes.append(
            NodeDef(name=name, op=op, input=[makers[i] for i in inputs if i in makers], attr=attributes)
        )

    for entry in graph.input:
        kind = entry.type.tensor_type
        makers[entry.name] = name = f"input/{entry.name}"
        add(
            name,
            "Placeholder",
            [],
            dtype=AttrValue(type=_DATA_TYPES.get(kind.elem_type, 0)),
            shape=AttrValue(shape=_shape(kind)),
        )
    for weight in graph.initializer:
        makers[weight.name] = weight.name.replace(".", "/")
        shape = TensorShapeProto(dim=[TensorShapeProto.Dim(size=size) for size in weight.dims])
        add(
            makers[weight.name],
            "Const",
            [],
            dtype=AttrValue(type=_DATA_TYPES.get(weight.data_type, 0)),
            shape=AttrValue(shape=shape),
        )
    for i, node in enumerate(graph.node):
        name = (node.name or f"{node.op_type}_{i}").strip("/")
        settings = AttrValue(s=_settings(node, helper).encode())
        add(name, node.op_type, list(node.input), parameters=settings)
        makers.update(dict.fromkeys(node.output, name))
    for entry in graph.output:
        shape = AttrValue(shape=_shape(entry.type.tensor_type))
        add(f"output/{entry.name}", "IO Node", [entry.name], shape=shape)
    return GraphDef(node=nodes, versions=VersionDef(producer=22))
