"""Trees of containers (`utils._pytree`), and dual tensors (`autograd.forward_ad`)."""

from __future__ import annotations

import pytest

from parity.programs import hold

PROGRAMS = r"""
l, _s = p.tree_flatten({"b": [1, (2, P(3, 4))], "a": None, "c": OrderedDict(q=1), "d": deque([1], maxlen=2)}); r = l, _s.num_leaves, _s.num_nodes, _s.num_children, str(_s.type); t = str(p.tree_unflatten([x * 2 if isinstance(x, int) else x for x in l], _s))
l, _s = p.tree_flatten([torch.ones(2, 2).max(0), torch.Size([1, 2]), defaultdict(list, {"a": 1}), (), {}]); r = len(l), _s.num_leaves; t = [type(x).__name__ for x in p.tree_unflatten(l, _s)]
r = str(p.tree_structure({"b": [1, (2, 3)], "a": None})), str(p.tree_structure(5)), str(p.tree_structure([])), str(p.tree_structure(deque([1], maxlen=3)))
r = p.tree_map(lambda a, b: a + b, [1, {"a": 2}], [3, {"a": 5}]), p.tree_leaves((1, [2, None])), p.tree_map_only(int, lambda v: v + 1, [1, "a"]), p.tree_map_only((int, str), lambda v: v * 2, [1, "a", 2.0]), p.tree_map_only(lambda x: x == 1, lambda v: 7, [1, 2])
r = [p.keystr(k) for k, _ in p.tree_flatten_with_path({"a": [1, (2, 3)], "b": 4})[0]], p.tree_map_with_path(lambda k, x: p.keystr(k) + str(x), {"a": [1]}), p.key_get({"a": [1, 5]}, p.tree_leaves_with_path({"a": [1, 5]})[1][0])
r = p._broadcast_to_and_flatten((1, 2), p.tree_structure(([1, 2], 3))), p._broadcast_to_and_flatten((1, 2, 3), p.tree_structure(([1, 2], 3))), p._broadcast_to_and_flatten(1, p.tree_structure([1, 2]))
r = p.treespec_pprint(p.tree_structure([1, (2,)])), p.tree_structure([1]) == p.tree_structure([2]), p.tree_structure([1]) == p.tree_structure((2,)), p.tree_all(lambda v: v > 0, [1, 2]), p.tree_any(lambda v: v > 1, [1]), p.tree_any_only(int, lambda v: v > 1, [1, "a"]), p.tree_all_only(int, lambda v: v > 0, [1, "a"])
r = p.tree_map(lambda x: x, [1, [2, 3]], is_leaf=lambda x: x == [2, 3]), p.tree_leaves([1, [2, 3]], is_leaf=lambda x: x == [2, 3]), list(p.tree_iter([1, (2,)])), p.arg_tree_leaves(1, [2], a=3)
_seen = []; _t = [1, [2]]; r = p.tree_map_(_seen.append, _t) is _t, _seen
class _A: pass
p.tree_map(lambda a, b: a + b, [1, 2], [3])
p.tree_map(lambda a, b: a + b, [1, 2], (3, 4))
p.tree_map(lambda a, b: a + b, {"a": 1}, {"b": 4})
p.tree_unflatten([1, 2, 3], p.tree_structure([1, 2]))
p.tree_unflatten([1], 5)
_A = type("A", (), {}); p.register_pytree_node(_A, lambda a: ([a.v], "c"), lambda c, ctx: [*c, ctx]); _a = _A(); _a.v = 3; r = p.tree_map(lambda v: v * 2, [_a]), p.tree_structure(_a).context
_A = type("A", (), {}); _f = lambda: p.register_pytree_node(_A, lambda a: ([1], None), lambda c, x: None); _f(); _f()
_A = type("A", (), {}); p.register_pytree_node(_A, lambda a: ([1], None), lambda c, x: None); p.tree_flatten_with_path(_A())
"""
DUAL = r"""
with f.dual_level(): d = f.make_dual(x, v); r = [f.unpack_dual(y) for y in (d, d * d, d.sin().sum(), torch.stack([d, x]), d @ d, nn.functional.softmax(d, 0), x)]; r = [(y.primal.detach(), y.tangent) for y in r]; del d
with f.dual_level(): _l = nn.Linear(3, 2); _y = f.unpack_dual(_l(f.make_dual(x, v))); r = _y.primal.detach(), _y.tangent.detach()
with f.dual_level(): _a, _b = f.make_dual(x, v), f.make_dual(x + 1, 2 * v); r = f.unpack_dual(_a * _b).tangent
with f.dual_level(): r = f.unpack_dual(x).tangent
r = f.unpack_dual(x).tangent
f.make_dual(x, v)
with f.dual_level(): f.make_dual(x, torch.ones(2))
with f.dual_level(): f.make_dual(torch.ones(3, dtype=torch.int32), v)
with f.dual_level(): f.make_dual(f.make_dual(x, v), v)
with f.dual_level(): f.enter_dual_level()
f.exit_dual_level()
"""


@pytest.mark.parametrize("program", PROGRAMS.strip().splitlines())
def test_trees(program: str) -> None:
    names = "_ns = dict(); from collections import OrderedDict, defaultdict, deque, namedtuple\nP = namedtuple('P', 'x y')\np = torch.utils._pytree\n"
    hold(names + program + "\ndel p, P, OrderedDict, defaultdict, deque, namedtuple")


@pytest.mark.parametrize("program", DUAL.strip().splitlines())
def test_dual_tensors(program: str) -> None:
    names = "f = torch.autograd.forward_ad\nx = torch.tensor([1.0, 2.0, 0.5])\nv = torch.tensor([3.0, 1.0, -1.0])\n"
    hold(names + program + "\ndel f")
