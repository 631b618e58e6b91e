"""Functions and methods that scripts of some age use, and those that PyTorch's own layers are made of."""

from __future__ import annotations

import pytest

from parity.programs import hold

RECURRENT = """
_m = nn.{LAYER}(3, 4, 2, bidirectional=True, batch_first=True, bias={BIAS}{MORE})
_w = [p for p in _m._flat_weights]
_x = torch.randn(2, 5, 3)
_h = (torch.randn(4, 2, {SIZE}), torch.randn(4, 2, 4)) if "{LAYER}" == "LSTM" else torch.randn(4, 2, 4)
whole = [t.detach() for t in torch.{NAME}(_x, _h, _w, {BIAS}, 2, 0.0, False, True, True)]
_p = nn.utils.rnn.pack_padded_sequence(_x, [5, 3], batch_first=True)
packed = [t.detach() for t in torch.{NAME}(_p.data, _p.batch_sizes, _h, _w, {BIAS}, 2, 0.0, False, True)]
torch.{NAME}(_x, _h, _w, {BIAS}, 2, 0.0, False, True, True)[0].sum().backward()
grads = [p.grad for p in _m.parameters()]
"""

PROGRAMS = {
    **{
        f"{name} {bias} {more}": RECURRENT.format(
            NAME=name, LAYER=layer, BIAS=bias, MORE=more, SIZE=2 if "proj" in more else 4
        )
        for name, layer, bias, more in (
            ("lstm", "LSTM", True, ""),
            ("lstm", "LSTM", False, ", proj_size=2"),
            ("gru", "GRU", True, ""),
            ("rnn_tanh", "RNN", False, ""),
            ("rnn_relu", "RNN", True, ", nonlinearity='relu'"),
        )
    },
    "lstm weights": "torch.lstm(torch.ones(1, 1, 3), (torch.ones(1, 1, 4),) * 2, [torch.ones(16, 3)], True, 1, 0.0, False, False, True)",
    "lstm state": "torch.lstm(torch.ones(1, 1, 3), torch.ones(1, 1, 4), list(nn.LSTM(3, 4).parameters()), True, 1, 0.0, False, False, True)",
    "nonzero_static": """
a = torch.nonzero_static(torch.tensor([1, 0, 2]), size=4)
b = torch.nonzero_static(torch.tensor([[1, 0, 2], [0, 3, 0]]), size=2, fill_value=7)
c = torch.tensor([1., 0., 2.]).nonzero_static(size=4, fill_value=7)
d = torch.nonzero_static(torch.tensor(3.), size=2), torch.nonzero_static(torch.ones(0, 2), size=2)
""",
    "nonzero_static size": "torch.nonzero_static(torch.ones(2), size=-1)",
    "norms": """
x = torch.linspace(-1, 2, 24).reshape(2, 3, 4).requires_grad_()
a = [torch.frobenius_norm(x, d, keepdim=k) for d in (1, (0, 1), [2], ()) for k in (True, False)]
b = torch.nuclear_norm(x), torch.nuclear_norm(x, (0, 2)), torch.nuclear_norm(x, True), torch.nuclear_norm(x, (0, 1), keepdim=True)
torch.frobenius_norm(x, (1, 2)).sum().backward()
""",
    "frobenius_norm of three": "torch.frobenius_norm(torch.ones(2, 3, 4), (0, 1, 2))",
    "frobenius_norm of ints": "torch.frobenius_norm(torch.arange(3), 0)",
    "nuclear_norm of a vector": "torch.nuclear_norm(torch.ones(3))",
    "nuclear_norm of a dim": "torch.nuclear_norm(torch.ones(3, 3), 1)",
    "in place": """
x = torch.ones(4, requires_grad=True)
y = x * 2
z = torch.detach_(y)
same = z is y, y.requires_grad
v = torch.arange(4.)
w = torch.as_strided_(v, (2,), (2,))
""",
    "resize": """
x = torch.arange(6.)
a = x.resize(2, 3), x.view(2, 3).t().resize(6), x.resize_as(torch.ones(2, 3))
""",
    "resize larger": "torch.ones(4).resize(8)",
    "resize negative": "torch.ones(2, 3).resize(-1)",
    "cond": """
x = torch.ones(2, requires_grad=True)
a = torch.cond(True, lambda x: x + 1, lambda x: x - 1, (x,)), torch.cond(torch.tensor(False), torch.sin, torch.cos, (x,))
b = torch.cond(x.sum() > 1, lambda: torch.ones(2), lambda: torch.zeros(2))
""",
    "cond of two": "torch.cond(torch.tensor([True, False]), torch.sin, torch.cos, (torch.ones(1),))",
    "vmap": "a = torch.vmap(torch.dot)(torch.ones(3, 4), torch.arange(12.).view(3, 4))",
    "streams": """
_s, _e = torch.Stream("cpu"), torch.Event("cpu")
told = repr(_s), _s.synchronize(), _s.query(), _s.device.type, repr(_e), _e.query(), _e.synchronize(), _e.wait(), _s.stream_id
""",
    "an event": "torch.Event('cpu').record()",
    "a time": "torch.Event('cpu').elapsed_time(torch.Event('cpu'))",
    "attention kernels": """
from importlib import import_module as _import
_B, _k = (getattr(_import(torch.__name__ + ".nn.attention"), n) for n in ("SDPBackend", "sdpa_kernel"))
names = [(n, b.value) for n, b in _B.__members__.items()]
q = torch.randn(1, 2, 3, 4)
with _k(_B.MATH):
    a = F.scaled_dot_product_attention(q, q, q)
with _k([_B.MATH, _B.FLASH_ATTENTION], set_priority=True):
    b = F.scaled_dot_product_attention(q, q, q)
""",
    "switches": """
_b = torch.backends
_b.cudnn.benchmark, _b.cudnn.deterministic, _b.cuda.matmul.allow_tf32, _b.cudnn.allow_tf32 = True, True, True, False
told = _b.cudnn.benchmark, _b.cudnn.deterministic, _b.cuda.matmul.allow_tf32, _b.cudnn.allow_tf32
_b.cudnn.benchmark, _b.cudnn.deterministic, _b.cuda.matmul.allow_tf32, _b.cudnn.allow_tf32 = False, False, False, True
with _b.cudnn.flags(enabled=False):
    told += (_b.cudnn.enabled,)
with _b.mkldnn.flags(enabled=False):
    told += (_b.mkldnn.enabled,)
told += _b.cudnn.enabled, _b.mps.is_available(), _b.mha.get_fastpath_enabled(), _b.cudnn.is_acceptable(torch.ones(1))
_b.mha.set_fastpath_enabled(False)
told += (_b.mha.get_fastpath_enabled(),)
_b.mha.set_fastpath_enabled(True)
torch.set_float32_matmul_precision("high")
told += (torch.get_float32_matmul_precision(),)
torch.set_float32_matmul_precision("highest")
told += (torch.has_lapack, torch.has_spectral, torch.has_mps)
""",
    "no GPU": """
_c = torch.cuda
told = _c.get_rng_state_all(), _c.set_rng_state_all([]), _c.seed(), _c.seed_all(), _c.manual_seed(1), _c.manual_seed_all(1)
told += _c.memory_allocated(), _c.max_memory_cached(), _c.is_tf32_supported(), _c.is_bf16_supported(), _c.empty_cache()
told += _c.nvtx.range_push("a"), _c.nvtx.range_pop(), _c.nvtx.mark("a"), torch.xpu.is_available(), torch.xpu.device_count()
_e = _c.Event(enable_timing=True)
with _c.stream(None):
    pass
""",
    "an event of a GPU": "torch.cuda.Event().record()",
    "a stream of a GPU": "torch.cuda.default_stream()",
    "types": "told = [isinstance(v, torch.types.Number) for v in (1, 2., True, 'a')]",
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_program(name: str) -> None:
    hold(PROGRAMS[name], rtol=1e-5, atol=1e-6)
