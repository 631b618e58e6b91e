"""Models as graphs: ``symbolic_trace`` runs a model once with stand-ins for inputs, and notes the calls.

The graph can be looked through and changed; a ``GraphModule`` runs it as Python code.
"""

from __future__ import annotations

from rustnn.fx import passes as passes
from rustnn.fx import subgraph_rewriter as subgraph_rewriter
from rustnn.fx import tracer as tracer
from rustnn.fx.graph import Graph as Graph
from rustnn.fx.graph_module import GraphModule as GraphModule
from rustnn.fx.interpreter import Interpreter as Interpreter
from rustnn.fx.interpreter import Transformer as Transformer
from rustnn.fx.node import Node as Node
from rustnn.fx.node import has_side_effect as has_side_effect
from rustnn.fx.node import map_arg as map_arg
from rustnn.fx.proxy import Proxy as Proxy
from rustnn.fx.subgraph_rewriter import replace_pattern as replace_pattern
from rustnn.fx.tracer import PH as PH
from rustnn.fx.tracer import Tracer as Tracer
from rustnn.fx.tracer import symbolic_trace as symbolic_trace
from rustnn.fx.tracer import wrap as wrap

# As PyTorch's code of graphs calls it.
_symbolic_trace = tracer

__all__ = [
    "PH",
    "Graph",
    "GraphModule",
    "Interpreter",
    "Node",
    "Proxy",
    "Tracer",
    "Transformer",
    "has_side_effect",
    "map_arg",
    "replace_pattern",
    "symbolic_trace",
    "wrap",
]
