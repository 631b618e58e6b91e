"""``replace_pattern``: a graph in which all places that do one thing do another."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import NamedTuple

from rustnn.fx.graph import Graph
from rustnn.fx.graph_module import GraphModule
from rustnn.fx.matcher import SubgraphMatcher
from rustnn.fx.node import Node
from rustnn.fx.tracer import symbolic_trace
from rustnn.nn.module import Module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from rustnn.fx.matcher import InternalMatch

    # From a match, the graph and the pattern.
    Filter = Callable[[InternalMatch, Graph, Graph], bool]
    Replacement = Callable[[InternalMatch, Graph, Graph], Graph]

__all__ = ["Match", "ReplacedPatterns", "replace_pattern", "replace_pattern_with_filters"]


class Match(NamedTuple):
    """A place that was replaced: the pattern's node where it began, and what stood for each of its nodes."""

    anchor: Node
    nodes_map: dict[Node, Node]


@dataclass
class ReplacedPatterns:
    """A `Match`, and the nodes that are there now."""

    anchor: Node
    nodes_map: dict[Node, Node]
    replacements: list[Node]


def replace_pattern(gm: GraphModule, pattern: Any, replacement: Any) -> list[Match]:
    """Every place of ``gm`` that does what ``pattern`` does is made to do what ``replacement`` does.

    Both are functions, modules or GraphModules with the same number of inputs, in the same order, and of
    results. Places do not overlap, and what is computed within one is used there only. The places are
    returned; ``gm`` is changed and compiled anew.
    """
    done = replace_pattern_with_filters(gm, pattern, replacement)
    return [Match(place.anchor, place.nodes_map) for place in done]


def replace_pattern_with_filters(
    gm: GraphModule,
    pattern: Any,
    replacement: Any = None,
    match_filters: list[Filter] | None = None,
    ignore_literals: bool = False,
    replacement_callback: Replacement | None = None,
    node_name_match: str = "",
) -> list[ReplacedPatterns]:
    """`replace_pattern` for the places of which all ``match_filters`` say True.

    ``replacement_callback`` makes the replacement of a place; ``ignore_literals`` lets numbers and the like
    differ from those of the pattern; nodes whose names have ``node_name_match`` in them match any anchor.
    """
    graph, wanted = gm.graph, _graph_of(pattern)
    matcher = SubgraphMatcher(wanted, ignore_literals=ignore_literals)
    places = [
        match
        for match in matcher.match(graph, node_name_match)
        if all(accepts(match, graph, wanted) for accepts in match_filters or [])
    ]
    if replacement is None and replacement_callback is None:
        raise AssertionError("Must provide either a replacement GraphModule or a replacement callback")
    common = None if replacement is None else _graph_of(replacement)
    # What stands in the places of results that are gone.
    instead: dict[Node, Node] = {}
    done = []
    for match in places:
        made = common
        if replacement_callback is not None:
            made = replacement_callback(match, graph, wanted)
        assert made is not None
        _follow(match, instead)
        done.append(_replaced(graph, wanted, match, made, instead))
    gm.recompile()
    if isinstance(replacement, Module):
        _take_over(gm, replacement)
    return done


def _graph_of(what: Any) -> Graph:
    if isinstance(what, Graph):
        return what
    return what.graph if isinstance(what, GraphModule) else symbolic_trace(what).graph


def _follow(match: InternalMatch, instead: dict[Node, Node]) -> None:
    """Gives a match whose inputs are results of places that were replaced the new results."""

    def new(node: Any) -> Any:
        return instead.get(node, node) if isinstance(node, Node) else node

    inputs = [node for node in match.nodes_map if node.op == "placeholder"]
    match.nodes_map.update({node: new(match.nodes_map[node]) for node in inputs})
    match.placeholder_nodes = [new(node) for node in match.placeholder_nodes]


def _replaced(
    graph: Graph, pattern: Graph, match: InternalMatch, made: Graph, instead: dict[Node, Node]
) -> ReplacedPatterns:
    """Puts a copy of ``made`` in the place of a match."""
    inputs = [node for node in made.nodes if node.op == "placeholder"]
    if len(inputs) != len(match.placeholder_nodes):
        raise AssertionError(f"Placeholder count mismatch: {len(match.placeholder_nodes)} vs {len(inputs)}")
    copies: dict[Node, Any] = dict(zip(inputs, match.placeholder_nodes, strict=True))
    results = set(match.returning_nodes)
    users = {user for node in results for user in node.users}
    nodes = list(graph.nodes)
    if users:
        before = next(node for node in nodes if node in users)
    else:
        last = max(nodes.index(node) for node in results)
        before = nodes[last + 1]
    with graph.inserting_before(before):
        new = graph.graph_copy(made, copies)
    new = (new,) if isinstance(new, Node) else tuple(new)
    if len(new) != len(match.returning_nodes):
        raise AssertionError(f"Returning nodes count mismatch: {len(match.returning_nodes)} vs {len(new)}")
    for old, result in zip(match.returning_nodes, new, strict=True):
        old.replace_all_uses_with(result)
        instead[old] = result
    for node in reversed(list(pattern.nodes)):
        if node.op not in ("placeholder", "output"):
            graph.erase_node(match.nodes_map[node])
    added = [node for node in copies.values() if not any(node is given for given in match.placeholder_nodes)]
    return ReplacedPatterns(match.anchors[0], match.nodes_map, added)


def _take_over(gm: GraphModule, replacement: Module) -> None:
    """Copies the modules and tensors of a replacement that the graph names and ``gm`` lacks."""
    gm.delete_all_unused_submodules()
    for node in gm.graph.nodes:
        if node.op not in ("call_module", "get_attr") or gm.graph.attribute(node.target) is not None:
            continue
        found: Any = replacement
        for part in node.target.split("."):
            found = getattr(found, part, None)
        if found is None:
            raise RuntimeError(
                f'Attempted to create a "{node.op}" node during subgraph rewriting with target '
                f"{node.target}, but the referenced attribute does not exist in the replacement GraphModule"
            )
        if isinstance(found, Module):
            gm.add_submodule(node.target, deepcopy(found))
        else:
            setattr(gm, node.target, deepcopy(found))
    gm.graph.lint()
