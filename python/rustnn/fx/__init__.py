"""Models as graphs: ``symbolic_trace`` runs a model once with stand-ins for inputs, and notes the calls.

The graph can be looked through and changed; a ``GraphModule`` runs it as Python code.
"""

from __future__ import annotations

from rustnn.fx.graph import Graph as Graph
from rustnn.fx.graph_module import GraphModule as GraphModule
from rustnn.fx.interpreter import Interpreter as Interpreter
from rustnn.fx.interpreter import Transformer as Transformer
from rustnn.fx.node import Node as Node
from rustnn.fx.node import map_arg as map_arg
from rustnn.fx.proxy import Proxy as Proxy
from rustnn.fx.tracer import Tracer as Tracer
from rustnn.fx.tracer import symbolic_trace as symbolic_trace
from rustnn.fx.tracer import wrap as wrap

__all__ = [
    "Graph",
    "GraphModule",
    "Interpreter",
    "Node",
    "Proxy",
    "Tracer",
    "Transformer",
    "map_arg",
    "symbolic_trace",
    "wrap",
]
