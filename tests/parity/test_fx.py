"""`torch.fx`: graphs, their text and their code, changes of them, and what they compute."""

from __future__ import annotations

from textwrap import indent

import pytest

from parity.programs import hold

MODELS = """
fx = torch.fx

class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))
        self.scale = nn.Parameter(torch.ones(width))
        self.register_buffer("shift", torch.arange(float(width)))

    def forward(self, x, factor=2, *, mask=None):
        h = self.mlp(self.norm(x)).clamp(min=0.0) + self.scale
        rows, columns = h.shape
        h = torch.cat([h, h], dim=1)[:, 1 : 1 + columns]
        h = F.relu(h, inplace=False) * factor + self.shift
        h = h.view(h.size(0), -1).transpose(0, 1)
        return {"out": -h, "rest": (torch.sum(h, dim=-1), h.size(0), [h.mean()], rows)}

class Outer(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 3, padding=1)
        self.norm = nn.BatchNorm2d(2)
        self.pool = nn.MaxPool2d(2)
        self.blocks = nn.ModuleList([Block(4), Block(4)])
        self.head = nn.Linear(4, 3)

    def forward(self, x):
        x = self.pool(torch.relu(self.norm(self.conv(x)))).flatten(2).mean(1)
        for block in self.blocks:
            x = block(x, factor=3)["out"].t()
        return torch.log_softmax(self.head(x), dim=1)
"""

PROGRAMS = {
    "text": "g = fx.symbolic_trace(Block(4)); text, code = str(g.graph), g.code",
    "value": "g = fx.symbolic_trace(Block(4)); y = g(torch.arange(8.0).reshape(2, 4)); out = y['out'], y['rest'][0]",
    "outer": "m = Outer().eval(); g = fx.symbolic_trace(m); text = str(g.graph), g.code; x = torch.arange(16.0).reshape(1, 1, 4, 4)\n"
    "same = torch.equal(g(x), m(x)); keys = list(g.state_dict()); mode = g.training; shown = str(g)",
    "gradient": "m = Outer(); g = fx.symbolic_trace(m); g(torch.ones(2, 1, 4, 4)).sum().backward(); grads = [p.grad for p in m.parameters()]",
    "nodes": "g = fx.symbolic_trace(Block(4))\n"
    "rows = [(n.op, n.name, str(n.args), str(n.kwargs), str(list(n.users)), str(n.all_input_nodes)) for n in g.graph.nodes]\n"
    "count = len(g.graph.nodes); found = str(g.graph.find_nodes(op='call_module', target='norm'))",
    "operators": "def f(x, y):\n"
    "    a = (x + y - 1) * 2 / y // 1 % 3; b = -(x ** 2) + (2 - x) + 2 ** x @ y\n"
    "    c = (x > y) & (x <= 1) | ~(x == y); e = x[0, ..., None, 1:2]; x += 1\n"
    "    return a, b, c, e, x.T, x.shape[0]\n"
    "g = fx.symbolic_trace(f); text = str(g.graph), g.code",
    "constants": "k = torch.ones(3)\ndef f(x): return x + k, k * x, torch.full((2,), 1.5, dtype=torch.float64), x.to(torch.int32)\n"
    "g = fx.symbolic_trace(f); text = g.code; value = g(torch.ones(3))",
    "stars": "def f(x, *rest, scale=1.0, **more): return x.view(-1) * scale\ng = fx.symbolic_trace(f); text = g.code, str(g.graph)",
    "concrete": "g = fx.symbolic_trace(Block(4), concrete_args={'factor': 5}); text = g.code",
    "annotations": "def f(x: T, n: int, k: L = None): return x * n\n"
    "f.__annotations__.update(x=torch.Tensor, n=int, k=list[int]); g = fx.symbolic_trace(f); value = g(torch.ones(2), 3)\n"
    "text = [str(n.type) for n in g.graph.nodes if n.name == 'n']",
    "control": "def f(x):\n    if x.sum() > 0: return x\n    return -x\nfx.symbolic_trace(f)",
    "loop": "fx.symbolic_trace(lambda x: [i for i in x])",
    "length": "fx.symbolic_trace(lambda x: len(x))",
    "replace": "g = fx.symbolic_trace(lambda x, y: torch.relu(x + y))\n"
    "for n in g.graph.nodes:\n"
    "    if n.op == 'call_function' and n.target is torch.relu:\n"
    "        with g.graph.inserting_after(n):\n"
    "            new = g.graph.call_function(torch.sigmoid, n.args, n.kwargs)\n"
    "        n.replace_all_uses_with(new); g.graph.erase_node(n)\n"
    "g.graph.lint(); g.recompile(); text = g.code; value = g(torch.ones(2), torch.ones(2))",
    "by_hand": "graph = fx.Graph(); x = graph.placeholder('x'); w = graph.get_attr('w'); y = graph.call_function(torch.add, (x, w))\n"
    "z = graph.call_method('sum', (y,), {'dim': 0}); out = graph.output(z)\n"
    "g = fx.GraphModule({'w': torch.arange(3.0)}, graph); text = g.code, str(graph); value = g(torch.ones(2, 3))",
    "dead": "g = fx.symbolic_trace(lambda x: (torch.exp(x), x + 1)[1]); changed = g.graph.eliminate_dead_code(); g.recompile(); text = g.code",
    "erase_used": "g = fx.symbolic_trace(lambda x: x + 1); g.graph.erase_node(next(iter(g.graph.nodes)))",
    "copies": "import copy\ng = fx.symbolic_trace(Outer().eval()); h = copy.deepcopy(g)\n"
    "text = h.code == g.code, str(h.graph) == str(g.graph); x = torch.ones(1, 1, 4, 4); same = torch.equal(h(x), g(x))",
    "pickles": "import pickle\ng = fx.symbolic_trace(nn.Sequential(nn.Linear(2, 3), nn.ReLU())); h = pickle.loads(pickle.dumps(g))\n"
    "text = h.code, str(h.graph); x = torch.ones(1, 2); same = torch.equal(h(x), g(x))",
    "interpreter": "class Count(fx.Interpreter):\n"
    "    def run_node(self, n):\n        seen.append(n.name)\n        return super().run_node(n)\n"
    "seen = []; g = fx.symbolic_trace(Outer().eval()); x = torch.ones(1, 1, 4, 4); same = torch.equal(Count(g).run(x), g(x)); names = list(seen)",
    "transformer": "class Swap(fx.Transformer):\n"
    "    def call_function(self, target, args, kwargs):\n"
    "        return super().call_function(torch.tanh if target is torch.relu else target, args, kwargs)\n"
    "g = Swap(fx.symbolic_trace(lambda x: torch.relu(x) + 1)).transform(); text = g.code; value = g(torch.ones(2))",
    "leaves": "class T(fx.Tracer):\n    def is_leaf_module(self, m, name): return isinstance(m, Block) or super().is_leaf_module(m, name)\n"
    "t = T(); m = Outer(); graph = t.trace(m); text = str(graph); code = fx.GraphModule(m, graph).code",
    "names": "graph = fx.Graph(); names = [graph.create_node('placeholder', n).name for n in ['x', 'x', 'x_1', 'BigName', 'sum', 'sum', 'if', 'a.b', '1']]",
    "map_arg": "g = fx.symbolic_trace(lambda x, y: torch.stack([x, y])); n = g.graph.find_nodes(op='call_function', target=torch.stack)[0]\n"
    "seen = []; fx.node.map_arg(n.args, lambda a: seen.append(a.name)); names = list(seen)",
    "parameters": "class P(nn.Module):\n"
    "    def __init__(self):\n        super().__init__(); self.w = nn.Parameter(torch.arange(4.0).view(2, 2)); self.register_buffer('b', torch.ones(2))\n"
    "    def forward(self, x): return x @ self.w.t() + self.b * 2 + self.w.shape[0] + self.w.sum()\n"
    "m = P(); g = fx.symbolic_trace(m); text = str(g.graph), g.code, str(list(g.state_dict()))\n"
    "g(torch.ones(1, 2)).sum().backward(); grad = m.w.grad\n"
    "class T(fx.Tracer):\n    proxy_buffer_attributes = True\n"
    "buffers = str(T().trace(m)); constant = str(fx.Tracer(param_shapes_constant=True).trace(m))",
    "math": "import math\ndef f(x): return x * math.sqrt(x.shape[0]) + math.pi\n"
    "g = fx.symbolic_trace(f); text = str(g.graph), g.code; value = g(torch.ones(4, 1)); back = math.sqrt(4.0)",
    "autowrap": "from pprint import pformat\n"
    "f = eval('lambda x: (pformat(x), x + 1)', {'pformat': pformat}); t = fx.Tracer(autowrap_functions=(pformat,))\n"
    "graph = t.trace(f); g = fx.GraphModule(t.root, graph); text = str(graph), g.code; value = g(torch.ones(2)); back = pformat(2)",
    "none": "g = fx.symbolic_trace(lambda x, mask=None: x if mask is None else x * mask, concrete_args={'mask': None})\n"
    "text = g.code, str(g.graph); value = g(torch.ones(2))",
    "none_not": "g = fx.symbolic_trace(lambda x, mask=None: x, concrete_args={'mask': None}); g(torch.ones(2), 3)",
    "stays_input": "g = fx.symbolic_trace(lambda x, n: x * n, concrete_args={'n': fx.PH}); text = g.code, repr(fx.PH)",
    "pattern": "def f(x, w1, w2):\n"
    "    a = torch.cat([w1, w2]).sum(); b = torch.cat([w1, w2]).sum()\n    return x + torch.max(a) + torch.max(b)\n"
    "g = fx.symbolic_trace(f)\n"
    "_found = fx.replace_pattern(g, lambda a, b: torch.cat([a, b]).sum(), lambda a, b: torch.stack([a, b]))\n"
    "text = g.code, [str(m.anchor) for m in _found], [str(m.nodes_map) for m in _found]\n"
    "value = g(torch.ones(2), torch.ones(2), torch.zeros(2)); g.graph.lint()",
    "pattern_chain": "g = fx.symbolic_trace(lambda x: torch.relu(torch.relu(torch.relu(x) + 1) + 2))\n"
    "_found = fx.replace_pattern(g, lambda x: torch.relu(x), lambda x: torch.sigmoid(x).neg())\n"
    "text = g.code, len(_found), [str(m.nodes_map) for m in _found]",
    "pattern_shared": "g = fx.symbolic_trace(lambda x: (x.exp().log(), x.exp() + 1, x.exp().log().neg()))\n"
    "def f(x):\n    y = x.exp(); return y.log(), y + 1\n"
    "h = fx.symbolic_trace(f); _found = fx.replace_pattern(h, lambda x: x.exp().log(), lambda x: x), fx.replace_pattern(g, lambda x: x.exp().log(), lambda x: x * 1)\n"
    "text = g.code, h.code, [len(f) for f in _found]",
    "pattern_literals": "g = fx.symbolic_trace(lambda x: torch.add(x, 1) + torch.add(x, 2) + torch.add(x, x))\n"
    "_found = fx.replace_pattern(g, lambda x: torch.add(x, 2), lambda x: torch.sub(x, 2)); text = g.code, len(_found)\n"
    "_more = fx.replace_pattern(g, lambda x, y: torch.add(x, y), lambda x, y: torch.mul(x, y)); then = g.code, len(_more)",
    "pattern_two": "def f(x, y):\n    a, b = x * y, x + y\n    return a.relu() + b, a - b\n"
    "def p(x, y): return x * y, x + y\n"
    "def r(x, y):\n    z = torch.cat([x, y]); return z[:2], z[2:]\n"
    "g = fx.symbolic_trace(f); _found = fx.replace_pattern(g, p, r); text = g.code, len(_found); value = g(torch.ones(2), torch.ones(2))",
    "pattern_last": "g = fx.symbolic_trace(lambda x: (torch.exp(x), x + 1)[1]); _found = fx.replace_pattern(g, lambda x: torch.exp(x), lambda x: torch.log(x)); text = g.code, len(_found)",
    "pattern_module": "class A(nn.Module):\n"
    "    def __init__(self):\n        super().__init__(); self.first = nn.Linear(2, 2); self.act = nn.ReLU()\n"
    "    def forward(self, x): return self.act(self.first(x)) + 1\n"
    "class B(nn.Module):\n"
    "    def __init__(self):\n        super().__init__(); self.act = nn.Tanh(); self.other = nn.Tanh(); self.w = nn.Parameter(torch.ones(2))\n"
    "    def forward(self, x): return self.other(x) * self.w\n"
    "class P(nn.Module):\n"
    "    def __init__(self):\n        super().__init__(); self.act = nn.ReLU()\n"
    "    def forward(self, x): return self.act(x)\n"
    "g = fx.symbolic_trace(A()); _found = fx.replace_pattern(g, P(), B()); text = g.code, str(g), len(_found), list(g.state_dict())",
    "pattern_filters": "from functools import partial\n"
    "module = fx.subgraph_rewriter; g = fx.symbolic_trace(lambda x: torch.add(x, 1) + torch.add(x, 2) + torch.add(x, 3))\n"
    "_found = module.replace_pattern_with_filters(g, lambda x: torch.add(x, 9), lambda x: x.neg(), [lambda m, o, p: m.returning_nodes[0].args[1] != 2], ignore_literals=True)\n"
    "text = g.code, len(_found), [str(f.replacements) for f in _found]",
    "pattern_wrong": "g = fx.symbolic_trace(lambda x: torch.relu(x)); fx.replace_pattern(g, lambda x: torch.relu(x), lambda x, y: x + y)",
    "shapes": "m = Outer().eval(); g = fx.symbolic_trace(m); _sp = __import__(torch.__name__ + '.fx.passes.shape_prop', fromlist=['*'])\n"
    "value = _sp.ShapeProp(g).propagate(torch.ones(2, 1, 4, 4))\n"
    "rows = [(n.name, str(n.meta.get('tensor_meta')), n.meta['type'].__name__) for n in g.graph.nodes]",
    "readable": "text = fx.symbolic_trace(Block(4)).print_readable(print_output=False)",
    "folder": "import importlib, sys, tempfile, warnings\n"
    "m = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.ReLU()).eval(); g = fx.symbolic_trace(m)\n"
    "with tempfile.TemporaryDirectory() as _d:\n"
    "    g.to_folder(_d + '/pack_' + torch.__name__, 'Again'); text = open(_d + '/pack_' + torch.__name__ + '/module.py').read()\n"
    "text = text[text.index('from torch.nn import'):].replace(_d, '').replace('rustnn', 'torch')",
    "side_effect": "def note(x): return None\nfx.has_side_effect(note); graph = fx.Graph(); x = graph.placeholder('x'); n = graph.call_function(note, (x,)); graph.output(x)\n"
    "changed = graph.eliminate_dead_code(), [n.name for n in graph.nodes]",
    "appending": "graph = fx.Graph(); x = fx.Proxy(graph.placeholder('x')); y = torch.relu(x + 1).sum(); graph.output(y.node)\n"
    "text = str(graph), type(x.tracer).__name__; value = fx.GraphModule({}, graph)(torch.ones(2))",
    "factory": "class T(fx.Tracer):\n"
    "    def create_proxy(self, kind, target, args, kwargs, name=None, type_expr=None, proxy_factory_fn=None):\n"
    "        seen.append(kind); return super().create_proxy(kind, target, args, kwargs, name, type_expr, proxy_factory_fn)\n"
    "    def create_node(self, *args, **kwargs):\n"
    "        node = super().create_node(*args, **kwargs); node.meta['n'] = len(seen); return node\n"
    "seen = []; graph = T().trace(lambda x: torch.relu(x) + 1); text = list(seen), [n.meta['n'] for n in graph.nodes]",
    "lint": "graph = fx.Graph(); x = graph.placeholder('x'); y = graph.call_function(torch.relu, (x,)); graph.output(y); x.append(x); y.append(x); graph.lint()",
    "lint_attribute": "g = fx.symbolic_trace(nn.Sequential(nn.ReLU())); g.graph.get_attr('nowhere'); g.graph.lint()",
    "functions": "def f(x, w, t): return F.cross_entropy(F.linear(x, w), t) + F.dropout(x, 0.5, False).sum() + torch.einsum('ij->', x) + F.softmax(x, -1).max()\n"
    "g = fx.symbolic_trace(f); x = torch.arange(6.0).reshape(2, 3); value = g(x, x + 1, torch.tensor([0, 1]))",
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_program(name: str) -> None:
    # In a function, so that what it defines stays there; its plain variables are what is compared.
    body = indent(f"{MODELS}\n{PROGRAMS[name]}", "    ")
    kept = "{k: v for k, v in locals().items() if isinstance(v, (str, int, tuple, list, torch.Tensor)) and k[0] != '_'}"
    hold(f"def _run():\n{body}\n    return {kept}\nresult = _run()")
