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
    "functions": "def f(x, w, t): return F.cross_entropy(F.linear(x, w), t) + F.dropout(x, 0.5, False).sum() + torch.einsum('ij->', x) + F.softmax(x, -1).max()\n"
    "g = fx.symbolic_trace(f); x = torch.arange(6.0).reshape(2, 3); value = g(x, x + 1, torch.tensor([0, 1]))",
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_program(name: str) -> None:
    # In a function, so that what it defines stays there; its plain variables are what is compared.
    body = indent(f"{MODELS}\n{PROGRAMS[name]}", "    ")
    kept = "{k: v for k, v in locals().items() if isinstance(v, (str, int, tuple, list, torch.Tensor))}"
    hold(f"def _run():\n{body}\n    return {kept}\nresult = _run()")
