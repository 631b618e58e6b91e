"""`nn.attention.bias`, and what the processor says of itself, by programs that both libraries run."""

from __future__ import annotations

import importlib

import pytest

from parity.programs import CANDIDATE, REFERENCE, run, same_outcome

BIASES = {
    CANDIDATE: importlib.import_module("rustnn.nn.attention_bias"),
    REFERENCE: importlib.import_module("torch.nn.attention.bias"),
}

ATTENTION = """
b = torch.nn.attention_bias_module; f = torch.nn.functional.scaled_dot_product_attention
q = torch.rand(2, 2, 3, 8); k = torch.rand(2, 2, 5, 8)
"""
PROGRAMS = """
m = b.VARIANT(3, 4); r = type(m).__name__, isinstance(m, torch.Tensor), int(m.variant), m.seq_len_q, m.seq_len_kv
r = b.VARIANT(3, 4).shape, b.VARIANT(2, 2).dtype, b.VARIANT(2, 2).size()
r = b.VARIANT(3, 4)._materialize(), b.VARIANT(4, 2)._materialize(), repr(b.VARIANT(3, 4))
b.VARIANT(3)
b.VARIANT(3, 4, 5)
b.VARIANT(3.0, 4)
b.CausalBias(1, 2, 3)
r = f(q, k, k, attn_mask=b.VARIANT(3, 5))
r = f(q, q, q, attn_mask=b.VARIANT(3, 3))
r = f(k, q, q, attn_mask=b.VARIANT(5, 3))
r = f(q, k, k, attn_mask=b.VARIANT(3, 5), scale=0.1, dropout_p=0.0)
r = b.CausalBias._dispatch(q, k, k, b.VARIANT(3, 5))
f(q, q, q, attn_mask=b.VARIANT(3, 3), is_causal=True)
f(q, q, q, attn_mask=b.causal_lower_right(3, 5))
q.requires_grad_(); f(q, k, k, attn_mask=b.VARIANT(3, 5)).sum().backward(); r = q.grad
b.VARIANT(2, 2) + 1
"""
PROCESSOR = """
c = torch.cpu; s = c.Stream(); r = c.current_stream() is s, c.current_stream() is c.current_stream()
c = torch.cpu; s = c.Stream(); _w = c.stream(s); r = _w.__enter__(), c.current_stream() is s; _w.__exit__(None, None, None); o = c.current_stream() is s
c = torch.cpu; s = c.Stream(); _w = c.stream(s); _w.__enter__(); _v = c.stream(None); _v.__enter__(); r = c.current_stream() is s
k = torch.cpu.get_capabilities(); r = k["architecture"], k["num_logical_cores"], k.get("avx2"), k.get("avx512_f"), k.get("fma3"), k.get("sse3")
torch.cpu.get_capabilities()["avx2"] = False
s = torch.Stream("cpu"); r = s.stream_id, s.device_index, s.device_type, s == torch.Stream("cpu"), hash(s) == hash(torch.Stream("cpu"))
r = type(torch.__config__._cxx_flags()).__name__, type(torch.__config__.show()).__name__
"""


@pytest.mark.parametrize("variant", ["causal_upper_left", "causal_lower_right"])
@pytest.mark.parametrize("program", PROGRAMS.strip().splitlines())
def test_causal_biases_behave_alike(program: str, variant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    text = ATTENTION + program.replace("VARIANT", variant)
    outcomes = []
    for lib in (CANDIDATE, REFERENCE):
        monkeypatch.setattr(lib.nn, "attention_bias_module", BIASES[lib], raising=False)
        outcomes.append(run(text, lib))
    ours, theirs = ({"r": o.get("r")} if isinstance(o, dict) else o for o in outcomes)
    same_outcome(ours, theirs)


@pytest.mark.parametrize("program", PROCESSOR.strip().splitlines())
def test_the_processor_says_the_same(program: str) -> None:
    outcomes = [run(program, lib) for lib in (CANDIDATE, REFERENCE)]
    ours, theirs = ({k: o[k] for k in ("r", "o") if k in o} if isinstance(o, dict) else o for o in outcomes)
    same_outcome(ours, theirs)
