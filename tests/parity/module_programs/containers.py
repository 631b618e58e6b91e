"""Programs about containers of modules and of parameters."""

from __future__ import annotations

PROGRAMS = """
# Sequential: making
x = repr(nn.Sequential(nn.Tanh(), nn.ReLU())), repr(nn.Sequential(OrderedDict(a=nn.Tanh(), b=nn.ReLU())))
y = [attempt(nn.Sequential, v) for v in (3, [nn.Tanh()], nn.Tanh, "x", {"a": nn.Tanh()}, OrderedDict({"a.b": nn.Tanh()}))]
z = attempt(nn.Sequential, OrderedDict(a=nn.Tanh()), nn.Tanh()), keys(nn.Sequential(nn.Tanh(), None).named_children()), attempt(nn.Sequential, a=nn.Tanh())

# Sequential: indices
_m = nn.Sequential(nn.Tanh(), nn.ReLU(), nn.ELU())
x = repr(_m[0]), repr(_m[-1]), repr(_m[1:]), repr(_m[::-1]), repr(_m[:0]), len(_m)
y = [attempt(lambda i=i: repr(_m[i])) for i in (3, -4, "a", 1.0, None, True)]

# Sequential: assignment
_m = nn.Sequential(nn.Tanh(), nn.ReLU(), nn.ELU()); _m[1] = nn.GELU(); _m[-1] = nn.SiLU(); x = repr(_m)
y = [attempt(_m.__setitem__, i, nn.Tanh()) for i in (3, -4, "a")], attempt(_m.__setitem__, 0, 3)
_m[0] = None; z = repr(_m)

# Sequential: deletion
_m = nn.Sequential(*[nn.Linear(i + 1, 1) for i in range(6)]); del _m[0]; x = repr(_m); del _m[-1]; y = repr(_m); del _m[1:3]; z = repr(_m)
w = [attempt(_m.__delitem__, i) for i in (5, -9, "a")]

# Sequential: deletion with names
_m = nn.Sequential(OrderedDict(a=nn.Tanh(), b=nn.ReLU(), c=nn.ELU())); del _m[1]; x = repr(_m), keys(_m.named_children())
_n = nn.Sequential(OrderedDict(a=nn.Tanh(), b=nn.ReLU(), c=nn.ELU())); del _n.b; y = repr(_n); _n.append(nn.GELU()); z = keys(_n.named_children())

# Sequential: pop
_m = nn.Sequential(nn.Tanh(), nn.ReLU(), nn.ELU()); x = repr(_m.pop(0)), repr(_m), repr(_m.pop(-1)), repr(_m), attempt(_m.pop, 4), attempt(lambda: repr(_m.pop(slice(0, 1)))), repr(_m)

# Sequential: append, extend, insert
_m = nn.Sequential(nn.Tanh()); x = _m.append(nn.ReLU()) is _m, _m.extend([nn.ELU(), nn.GELU()]) is _m, repr(_m.insert(1, nn.SiLU())), repr(_m.insert(-1, nn.Mish())), repr(_m.insert(6, nn.CELU()))
y = [attempt(_m.append, v) for v in (3, None)] if False else attempt(_m.append, 3), attempt(_m.extend, 3), attempt(_m.extend, [3]), plain(attempt(_m.insert, 0, 3)), attempt(_m.insert, 99, nn.Tanh()), attempt(_m.insert, -99, nn.Tanh())

# Sequential: insert at -1 of the empty one
_m = nn.Sequential(); x = attempt(_m.insert, -1, nn.Tanh()), attempt(lambda: repr(_m.insert(0, nn.Tanh())))

# Sequential: extend by itself
_m = nn.Sequential(nn.Tanh(), nn.ReLU()); _m.extend(nn.Sequential(*_m)); x = repr(_m)

# Sequential: + and +=
_a, _b = nn.Sequential(nn.Tanh(), nn.ReLU()), nn.Sequential(nn.ELU()); _c = _a + _b; x = repr(_c), repr(_a), type(_c).__name__, _c[0] is _a[0]
_d = _a; _d += _b; y = _d is _a, repr(_a), attempt(lambda: _a + [nn.Tanh()]), attempt(lambda: _a.__iadd__([nn.Tanh()])), attempt(lambda: _a + nn.Tanh())

# Sequential: * and *=
_a = nn.Sequential(nn.Tanh(), nn.ReLU()); x = repr(_a * 2), repr(2 * _a), (_a * 2)[0] is _a[0]
_b = _a; _b *= 3; y = _b is _a, len(_a), [attempt(lambda v=v: _a * v) for v in (0, -1, 1.5, "x")], [attempt(lambda v=v: v * _a) for v in (0, 1.5)], [attempt(_a.__imul__, v) for v in (0, 1.5)], len(_a * True)

# Sequential: iteration
_m = nn.Sequential(nn.Tanh(), nn.ReLU()); x = [type(m).__name__ for m in _m], nn.Tanh() in _m, _m[0] in _m, bool(nn.Sequential()), [type(m).__name__ for m in reversed(_m)]

# Sequential: calls
x = nn.Sequential()(3), attempt(nn.Sequential(nn.Tanh()), 1, 2), attempt(nn.Sequential(nn.Tanh())), attempt(nn.Sequential(nn.Tanh()), input=torch.ones(1)), attempt(nn.Sequential(nn.Identity(), Two(), nn.Tanh()), torch.ones(1))
_m = nn.Sequential(nn.Tanh()); _m[0] = None; y = attempt(_m, torch.ones(1))

# Sequential: a subclass
class _S(nn.Sequential):
    def forward(self, x): return super().forward(x) * 2
_m = _S(nn.Identity(), nn.Identity()); x = _m(1), type(_m[:1]).__name__, type(_m + _m).__name__, type(_m * 2).__name__, repr(_m)

# Sequential: what else it can hold
_m = nn.Sequential(nn.Tanh()); _m.name = "x"; _m.w = param(1); _m.extra = nn.ReLU(); x = len(_m), repr(_m), keys(_m.named_parameters()), type(_m[1]).__name__

# ModuleList: making
x = repr(nn.ModuleList()), repr(nn.ModuleList([nn.Tanh(), nn.ReLU()])), repr(nn.ModuleList(nn.Tanh() for _ in range(2))), repr(nn.ModuleList(nn.Sequential(nn.Tanh())))
y = [attempt(nn.ModuleList, v) for v in (3, [3], nn.Tanh(), "ab", [nn.Tanh])], keys(nn.ModuleList([nn.Tanh(), None]).named_children())

# ModuleList: indices
_m = nn.ModuleList([nn.Tanh(), nn.ReLU(), nn.ELU()])
x = repr(_m[0]), repr(_m[-1]), repr(_m[1:]), type(_m[1:]).__name__, repr(_m[::2]), len(_m)
y = [attempt(lambda i=i: repr(_m[i])) for i in (3, -4, "a", 1.0, None, True)]

# ModuleList: assignment and deletion
_m = nn.ModuleList([nn.Linear(i + 1, 1) for i in range(6)]); _m[1] = nn.GELU(); _m[-1] = nn.SiLU(); x = repr(_m)
del _m[0]; y = repr(_m); del _m[1:3]; z = repr(_m); del _m[-1]; w = repr(_m), keys(_m.named_children())
v = [attempt(_m.__setitem__, i, nn.Tanh()) for i in (9, "a")], [attempt(_m.__delitem__, i) for i in (9, -9)], attempt(_m.__setitem__, 0, 3)

# ModuleList: append, extend, insert, pop
_m = nn.ModuleList([nn.Tanh()]); x = _m.append(nn.ReLU()) is _m, _m.extend([nn.ELU()]) is _m, _m.insert(1, nn.GELU()), repr(_m), repr(_m.pop(1)), repr(_m), repr(_m.pop(-1))
y = [attempt(f, v) for f, v in ((_m.append, 3), (_m.extend, 3), (_m.extend, [3]), (_m.extend, nn.Tanh()), (_m.pop, 9))], attempt(_m.insert, 0, 3)

# ModuleList: insert outside
_m = nn.ModuleList([nn.Tanh(), nn.ReLU()]); x = attempt(_m.insert, -1, nn.ELU()), keys(_m.named_children()), attempt(_m.insert, 9, nn.GELU()), keys(_m.named_children())

# ModuleList: + and +=
_a = nn.ModuleList([nn.Tanh()]); x = repr(_a + [nn.ReLU()]), repr(_a + nn.ModuleList([nn.ELU()])), repr(_a), attempt(lambda: _a + 3), attempt(lambda: [nn.Tanh()] + _a)
_b = _a; _b += [nn.ReLU()]; y = _b is _a, repr(_a), attempt(_a.__iadd__, 3)

# ModuleList: iteration
_m = nn.ModuleList([nn.Tanh(), nn.ReLU()]); x = [type(m).__name__ for m in _m], _m[0] in _m, nn.Tanh() in _m, [type(m).__name__ for m in reversed(_m)], bool(nn.ModuleList())

# ModuleDict: making
x = repr(nn.ModuleDict({"a": nn.Tanh()})), repr(nn.ModuleDict([("b", nn.Tanh()), ["a", nn.ReLU()]])), repr(nn.ModuleDict(nn.ModuleDict({"z": nn.Tanh(), "a": nn.ReLU()})))
y = [attempt(nn.ModuleDict, v) for v in (3, {"a": 3}, [3], [("a",)], ["ab"], [("a", nn.Tanh(), 1)], {3: nn.Tanh()}, {"a.b": nn.Tanh()}, {"keys": nn.Tanh()}, {"": nn.Tanh()})]

# ModuleDict: use
_m = nn.ModuleDict({"b": nn.Tanh(), "a": nn.ReLU()}); _m["c"] = nn.ELU(); _m["b"] = nn.GELU()
x = list(_m), list(_m.keys()), keys(_m.items()), [repr(v) for v in _m.values()], len(_m), "a" in _m, "z" in _m, repr(_m["a"]), repr(_m.pop("a")), repr(_m)
y = attempt(lambda: _m["z"]), attempt(_m.pop, "z"), attempt(_m.__delitem__, "z"), attempt(_m.__setitem__, "d", 3), attempt(_m.pop, "z", None)
del _m["b"]; z = list(_m); _m.clear(); w = len(_m), repr(_m), bool(_m)

# ModuleDict: update
_m = nn.ModuleDict({"a": nn.Tanh()}); _m.update({"z": nn.ReLU(), "b": nn.ELU()}); x = list(_m); _m.update([("q", nn.Tanh())]); _m.update(nn.ModuleDict({"r": nn.Tanh()})); y = list(_m)
z = [attempt(_m.update, v) for v in (3, None, [3], [("a",)], [(1, 2, 3)])]

# ModuleDict: values that are None
_m = nn.ModuleDict({"a": None}); x = list(_m), _m["a"], repr(_m), keys(_m.named_children())

# ParameterList: making
_l = nn.ParameterList([param(2), torch.ones(3), 3, "x", None]); x = [type(v).__name__ for v in _l], keys(_l.named_parameters()), len(_l), list(_l.state_dict())
y = [attempt(nn.ParameterList, v) for v in (3, torch.ones(2, 2), "ab")] [:2], repr(nn.ParameterList(nn.ParameterList([param(1)])))

# ParameterList: indices and slices
_l = nn.ParameterList([param(i + 1) for i in range(4)]); x = shapes([_l[0], _l[-1]]), shapes(_l[1:3]), type(_l[1:]).__name__, shapes(_l[::-1])
y = [attempt(lambda i=i: _l[i]) for i in (4, -5, "a", 1.0)]
_l[1] = torch.zeros(7); _l[-1] = 5; z = shapes(_l), type(_l[1]).__name__, attempt(_l.__setitem__, 9, param(1)), keys(_l.named_parameters())

# ParameterList: append, extend, +=
_l = nn.ParameterList(); x = _l.append(param(1)) is _l, _l.extend([torch.ones(2), 3]) is _l, len(_l); _l += [param(4)]; y = shapes(_l), [attempt(f, v) for f, v in ((_l.extend, 3), (_l.extend, torch.ones(2)), (_l.__iadd__, 3))]

# ParameterList: a buffer and a module
_l = nn.ParameterList([nn.Buffer(torch.ones(2)), nn.Tanh()]); x = tables(_l), [type(v).__name__ for v in _l]

# ParameterList: deletion
_l = nn.ParameterList([param(1), param(2)]); x = attempt(lambda: _l.__delitem__(0)), attempt(lambda: _l.pop(0)), len(_l)

# ParameterList: state
_l = nn.ParameterList([param(1), param(2)]); _n = nn.ParameterList([param(1), param(2)]); _n.load_state_dict({"0": torch.zeros(1), "1": torch.zeros(2)}); x = list(_n), attempt(_n.load_state_dict, {"0": torch.zeros(1)}), [p for p in copy.deepcopy(_n)]

# ParameterDict: making
_d = nn.ParameterDict({"b": param(2), "a": torch.ones(3), "c": 3}); x = list(_d), keys(_d.named_parameters()), [type(v).__name__ for v in _d.values()]
y = list(nn.ParameterDict(OrderedDict(b=param(1), a=param(2)))), list(nn.ParameterDict([("z", param(1)), ("y", param(1))])), list(nn.ParameterDict(_d))
z = [attempt(nn.ParameterDict, v) for v in (3, [3], [("a",)], [("a", 1, 2)], {3: param(1)}, {"a.b": param(1)}, {"": param(1)}, {"keys": param(1)})][:5]

# ParameterDict: use
_d = nn.ParameterDict({"a": param(2), "b": torch.ones(3)}); _d["c"] = torch.zeros(1); _d["a"] = torch.zeros(5)
x = list(_d), list(_d.keys()), keys(_d.items()), shapes(_d.values()), len(_d), "a" in _d, "z" in _d, type(_d["c"]).__name__, list(reversed(_d))
y = attempt(lambda: _d["z"]), attempt(_d.pop, "z"), attempt(_d.__delitem__, "z"), attempt(lambda: _d[3]), attempt(_d.__contains__, 3), attempt(nn.ParameterDict().__setitem__, 3, 4)
z = shapes([_d.pop("a")]), list(_d), _d.popitem()[0], list(_d), _d.get("b") is _d["b"], _d.get("z"), _d.get("z", 5), _d.setdefault("n", 7), _d.setdefault("b", 7) is _d["b"]
_d.clear(); w = len(_d), attempt(_d.popitem)

# ParameterDict: copies and unions
_a, _b = nn.ParameterDict({"a": param(1), "b": param(2)}), nn.ParameterDict({"b": param(3), "c": param(4)}); _c = _a | _b
x = list(_c), shapes(_c.values()), type(_c).__name__, list(_a), list(_a.copy()), _a.copy()["a"] is _a["a"], list(_b | _a), list({"q": param(1)} | _a) if hasattr(_a, "__ror__") else None
_e = _a; _e |= _b; y = _e is _a, list(_a), shapes(_a.values()); z = attempt(lambda: list(nn.ParameterDict({"a": 1}).fromkeys(["p"]).values()))

# ParameterDict: update
_d = nn.ParameterDict({"b": param(1)}); _d.update({"z": param(1), "c": param(1)}); x = list(_d); _d.update([("y", 3), ("x", 4)]); _d.update(nn.ParameterDict({"m": 1, "l": 2})); _d.update(OrderedDict(k=1, j=2)); y = list(_d), [attempt(_d.update, v) for v in (3, [3], [("a",)])]

# the old Container
x = repr(nn.Container(a=nn.Tanh(), b=nn.ReLU()))
"""
