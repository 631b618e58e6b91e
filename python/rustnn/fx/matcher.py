"""``SubgraphMatcher`` finds the places of a graph that do what a smaller graph, the pattern, does."""

from __future__ import annotations

from dataclasses import dataclass, field

from rustnn._C import Tensor
from rustnn.fx.node import Node

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from rustnn.fx.graph import Graph

__all__ = ["InternalMatch", "SubgraphMatcher"]


@dataclass
class InternalMatch:
    """A place: ``nodes_map`` has what stands for each node of the pattern.

    ``placeholder_nodes`` is what stands for its inputs (nodes or values), ``returning_nodes`` is what stands
    for its results.
    """

    anchors: list[Node]
    nodes_map: dict[Node, Any] = field(default_factory=dict)
    placeholder_nodes: list[Any] = field(default_factory=list)
    returning_nodes: list[Node] = field(default_factory=list)
    name_node_map: dict[str, Node] = field(default_factory=dict)


class SubgraphMatcher:
    """Matches ``pattern`` against graphs. An input of the pattern stands for anything, everywhere the same.

    With ``match_placeholder`` it stands for inputs only; with ``match_output`` the results must be those of
    the graph; ``ignore_literals`` lets numbers and the like differ. ValueError for an empty pattern,
    AssertionError for one with nodes that nothing uses.
    """

    def __init__(
        self,
        pattern: Graph,
        match_output: bool = False,
        match_placeholder: bool = False,
        remove_overlapping_matches: bool = True,
        ignore_literals: bool = False,
    ) -> None:
        if not len(pattern.nodes):
            raise ValueError("SubgraphMatcher cannot be initialized with an empty pattern")
        if any(not node.users and not node.is_impure() for node in pattern.nodes):
            raise AssertionError("SubgraphMatcher cannot be initialized with an pattern with dead code")
        self.pattern = pattern
        self.match_placeholder = match_placeholder
        self.remove_overlapping_matches = remove_overlapping_matches
        self.ignore_literals = ignore_literals
        output = pattern.output_node()
        self.pattern_placeholder_nodes = [node for node in pattern.nodes if node.op == "placeholder"]
        self.pattern_returning_nodes = output.all_input_nodes
        # Where a match begins: results that the pattern itself does not use again.
        sinks = [node for node in output.all_input_nodes if len(node.users) == 1]
        self.pattern_anchors = [output] if match_output else sinks

    def match(self, graph: Graph, node_name_match: str = "") -> list[InternalMatch]:
        """All places, in the order of the graph; without overlaps unless those were asked for."""
        found = [self._made(nodes_map) for nodes_map in self._anchored(graph, node_name_match)]
        found = [match for match in found if self._is_closed(match)]
        if not self.remove_overlapping_matches:
            return found
        taken: set[Node] = set()
        kept: list[InternalMatch] = []
        for match in found:
            own = self._own_nodes(match)
            if taken.isdisjoint(own):
                kept.append(match)
                taken.update(own)
        return kept

    def _anchored(self, graph: Graph, name: str) -> Iterator[dict[Node, Any]]:
        """Every way to place all anchors, one after the other."""
        nodes = list(graph.nodes)

        def placed(index: int, found: dict[Node, Any]) -> Iterator[dict[Node, Any]]:
            if index == len(self.pattern_anchors):
                yield found
                return
            for node in nodes:
                more = self._matched(self.pattern_anchors[index], node, found, name)
                if more is not None:
                    yield from placed(index + 1, more)

        return placed(0, {}) if self.pattern_anchors else iter(())

    def _made(self, nodes_map: dict[Node, Any]) -> InternalMatch:
        return InternalMatch(
            self.pattern_anchors,
            nodes_map,
            [nodes_map[node] for node in self.pattern_placeholder_nodes],
            [nodes_map[node] for node in self.pattern_returning_nodes],
        )

    def _own_nodes(self, match: InternalMatch) -> set[Node]:
        """What belongs to a place: not its inputs, and not the output of the graph."""
        outside = ("placeholder", "output")
        return {node for pattern, node in match.nodes_map.items() if pattern.op not in outside}

    def _is_closed(self, match: InternalMatch) -> bool:
        """Whether what is inside of a place is used inside only."""
        inside = {node: pattern for pattern, node in match.nodes_map.items() if pattern.op != "placeholder"}
        return all(
            user in inside
            for node, pattern in inside.items()
            if pattern not in self.pattern_returning_nodes
            for user in node.users
        )

    def _matched(
        self, pattern: Any, value: Any, found: dict[Node, Any], name: str = ""
    ) -> dict[Node, Any] | None:
        """``found`` and what stands for ``pattern`` if ``value`` does; None if it cannot."""
        if isinstance(pattern, (list, tuple)) and isinstance(value, (list, tuple)):
            return self._all_matched(pattern, value, found)
        if not isinstance(pattern, Node):
            same = not isinstance(value, Node) and type(value) is type(pattern) and value == pattern
            return found if same or self.ignore_literals else None
        if pattern in found:
            known = found[pattern]
            return found if known is value or (not isinstance(value, Node) and known == value) else None
        if not isinstance(value, Node):
            return {**found, pattern: value} if pattern.op == "placeholder" else None
        if any(value is other for other in found.values()) or not self._is_same_step(pattern, value, name):
            return None
        found = {**found, pattern: value}
        if pattern.op == "placeholder":
            return found
        if list(pattern.kwargs) != list(value.kwargs):
            return None
        args = [*pattern.args, *pattern.kwargs.values()], [*value.args, *value.kwargs.values()]
        return self._all_matched(*args, found)

    def _all_matched(self, patterns: Any, values: Any, found: dict[Node, Any]) -> dict[Node, Any] | None:
        if len(patterns) != len(values):
            return None
        for pattern, value in zip(patterns, values, strict=True):
            more = self._matched(pattern, value, found)
            if more is None:
                return None
            found = more
        return found

    def _is_same_step(self, pattern: Node, node: Node, name: str) -> bool:
        """Whether a node does what one of the pattern does, whatever its arguments are."""
        if pattern.op == "placeholder" and not self.match_placeholder:
            return True
        if name and name in node.name:
            return True
        if pattern.op != node.op:
            return False
        if pattern.op == "get_attr":
            # The values of tensors may differ.
            kinds = {type(step.graph.attribute(step.target)) for step in (pattern, node)}
            return len(kinds) == 1 and issubclass(kinds.pop(), Tensor)
        return pattern.op in ("placeholder", "output") or bool(pattern.target == node.target)
