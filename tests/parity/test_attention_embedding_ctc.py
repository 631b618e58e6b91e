"""Functions of layers whose arguments depend on each other: attention, bags of embeddings, the CTC loss."""

from __future__ import annotations

import pytest

from parity.programs import CANDIDATE, hold


def with_gradients(call: str, *leaves: str, setup: str = "", **options: float) -> None:
    """A call, and the gradients of its result by the leaves."""
    program = f"{setup}\ny = {call}\n_g = y.sin().sum()\n_g.backward()\n"
    program += "".join(f"g{i} = {leaf}.grad\n" for i, leaf in enumerate(leaves))
    hold(program, **options)


ATTENTION = """
torch.zeros(4, 5).bool()
torch.tril(torch.ones(4, 5)).bool()
torch.tril(torch.ones(4, 5)).bool()[2:3]
torch.randn(2, 1, 4, 5, generator=torch.Generator().manual_seed(1))
torch.full((4, 5), float('-inf'))
""".strip().splitlines()
HEADS = (
    "q, k, v = t(2, 3, 4, 8).requires_grad_(), t(2, 3, 5, 8).requires_grad_(), t(2, 3, 5, 6).requires_grad_()"
)


@pytest.mark.parametrize("mask", ATTENTION)
def test_attention_masks(mask: str) -> None:
    with_gradients(
        f"F.scaled_dot_product_attention(q, k, v, {mask})", *"qkv", setup=HEADS, rtol=1e-5, atol=1e-5
    )


@pytest.mark.parametrize(
    "sizes",
    [
        "3, 150, 16 | 3, 300, 16 | 3, 300, 8",
        "1, 200, 4 | 1, 130, 4 | 1, 130, 4",
        "2, 64, 8 | 2, 128, 8 | 2, 128, 8",
    ],
)
@pytest.mark.parametrize("causal", [False, True])
def test_attention_of_many_tiles(sizes: str, causal: bool) -> None:
    q, k, v = sizes.split("|")
    setup = f"q, k, v = t({q}).requires_grad_(), t({k}).requires_grad_(), t({v}).requires_grad_()"
    call = f"F.scaled_dot_product_attention(q, k, v, is_causal={causal})"
    with_gradients(call, *"qkv", setup=setup, rtol=1e-4, atol=1e-5)


CALLS = """
F.scaled_dot_product_attention(q, k[:, :1], v[:, :1])
F.scaled_dot_product_attention(q, k, v, scale=0.0)
F.scaled_dot_product_attention(q, k, v, scale=-0.5)
F.scaled_dot_product_attention(q, k, v, dropout_p=1.0)
F.scaled_dot_product_attention(q[..., :0], k[..., :0], v)
F.scaled_dot_product_attention(q, k[:, :, :0], v[:, :, :0])
F.scaled_dot_product_attention(q[:, :, :0], k, v)
F.scaled_dot_product_attention(q[:0], k[:0], v[:0])
F.scaled_dot_product_attention(q.bfloat16(), k.bfloat16(), v.bfloat16(), torch.zeros(4, 5))
F.scaled_dot_product_attention(q, k.double(), v)
F.scaled_dot_product_attention(q, k[..., 1:], v)
F.scaled_dot_product_attention(q, k, v[:, :, 1:])
F.scaled_dot_product_attention(q, k, v, torch.ones(4, 5).bool(), is_causal=True)
F.scaled_dot_product_attention(q, k, v, torch.ones(4, 5).long())
F.scaled_dot_product_attention(q, k, v, torch.ones(3, 5).bool())
F.scaled_dot_product_attention(q, k, v, dropout_p=2.0)
F.scaled_dot_product_attention(q[0, 0, 0], k, v)
F.scaled_dot_product_attention(q, k[:, :2], v[:, :2], enable_gqa=True)
""".strip().splitlines()


@pytest.mark.parametrize("call", CALLS)
def test_attention_calls(call: str) -> None:
    hold(f"q, k, v = t(2, 3, 4, 8), t(2, 3, 5, 8), t(2, 3, 5, 6)\ny = {call}", rtol=1e-5, atol=1e-5)


def test_attention_by_tiles_has_second_gradients() -> None:
    """The gradient written in operations has the values of the kernel's."""
    torch = CANDIDATE
    q, k, v = (torch.randn(2, 70, 4, dtype=torch.float64, requires_grad=True) for _ in range(3))
    loss = torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True).sin().sum()
    fused = torch.autograd.grad(loss, (q, k, v), retain_graph=True)
    written = torch.autograd.grad(loss, (q, k, v), create_graph=True)
    for a, b in zip(fused, written, strict=True):
        assert torch.allclose(a, b, rtol=1e-10, atol=1e-12)
    assert all(g is not None for g in torch.autograd.grad(sum(g.sum() for g in written), (q, k, v)))


HEAD = "F.multi_head_attention_forward(x, x, x, 8, 2, w, b, {bias}, {zero}, 0.0, o, b[:8], {rest})"
MULTI = [
    HEAD.format(bias="None, None", zero=False, rest="True"),
    HEAD.format(bias="None, None", zero=False, rest="need_weights=False"),
    HEAD.format(bias="None, None", zero=True, rest="average_attn_weights=False"),
    HEAD.format(
        bias="o[:1].unsqueeze(0), o[1:2].unsqueeze(0)",
        zero=True,
        rest="attn_mask=torch.ones(5, 5).triu(1).bool()",
    ),
    HEAD.format(
        bias="None, None", zero=False, rest="key_padding_mask=torch.tensor([[False] * 4 + [True]] * 3)"
    ),
    HEAD.format(
        bias="None, None",
        zero=False,
        rest="need_weights=False, is_causal=True, attn_mask=torch.ones(5, 5).triu(1).bool()",
    ),
    HEAD.format(bias="None, None", zero=False, rest="is_causal=True"),
    HEAD.format(bias="None, None", zero=False, rest="attn_mask=torch.zeros(4, 5)"),
    HEAD.format(bias="None, None", zero=False, rest="attn_mask=torch.zeros(5, 5).long()"),
    HEAD.format(bias="None, None", zero=False, rest="static_k=t(6, 7, 4), static_v=t(6, 7, 4)"),
    "F.multi_head_attention_forward(x[:, 0], x[:2, 0], x[:2, 0], 8, 2, w, b, None, None, False, 0.0, o, None)",
    "F.multi_head_attention_forward(x, x, x, 8, 2, None, b, None, None, False, 0.0, o, None, "
    "use_separate_proj_weight=True, q_proj_weight=w[:8], k_proj_weight=w[8:16], v_proj_weight=w[16:])",
    "F.multi_head_attention_forward(x, x, x, 8, 3, w, b, None, None, False, 0.0, o, None)",
    "F.multi_head_attention_forward(x, x[0], x, 8, 2, w, b, None, None, False, 0.0, o, None)",
]


@pytest.mark.parametrize("call", MULTI)
def test_multi_head_attention(call: str) -> None:
    setup = "x, w, b, o = fixed(5, 3, 8) / 3, t(24, 8) / 3, t(24), t(8, 8) / 3"
    hold(f"{setup}\ny, weights = {call}", rtol=1e-4, atol=1e-5)


BAGS = """
i, w, mode='{mode}'
i.flatten(), w, torch.tensor([0, 0, 3]), mode='{mode}'
i.flatten(), w, torch.tensor([0, 2, 6]), mode='{mode}', include_last_offset=True
i, w, mode='{mode}', padding_idx=2
i, w, mode='{mode}', padding_idx=-1
i.int(), w, mode='{mode}', max_norm=1.0
i[:0], w, mode='{mode}'
i.flatten(), w, torch.tensor([1, 2]), mode='{mode}'
i.flatten(), w, torch.tensor([0, 9]), mode='{mode}'
i.flatten(), w, mode='{mode}'
i + 4, w, mode='{mode}'
i.float(), w, mode='{mode}'
i, w, mode='{mode}', per_sample_weights=s
""".strip().splitlines()


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
@pytest.mark.parametrize("bag", BAGS)
def test_embedding_bag(bag: str, mode: str) -> None:
    setup = (
        "i = torch.tensor([[4, 1, 1], [2, 4, 0]])\nw, s = t(5, 3).requires_grad_(), t(2, 3).requires_grad_()"
    )
    with_gradients(f"F.embedding_bag({bag.format(mode=mode)})", "w", "s", setup=setup)


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
def test_bags_that_hold_not_every_index(mode: str) -> None:
    """PyTorch reads beyond its memory for some of these."""
    torch = CANDIDATE
    bags, indices, table = torch.nn.functional.embedding_bag, torch.tensor([4, 1, 1]), torch.ones(5, 2)
    none = torch.tensor([], dtype=torch.int64)
    assert bags(indices, table, none, mode=mode).shape == (0, 2)
    assert bags(indices, table, torch.tensor([0]), mode=mode, include_last_offset=True).shape == (0, 2)
    assert bags(none, table, torch.tensor([0, 0]), mode=mode).tolist() == [[0, 0], [0, 0]]
    two = bags(indices, table, torch.tensor([0, 2]), mode=mode, include_last_offset=True)
    assert two.tolist() == [[2, 2] if mode == "sum" else [1, 1]]
    for offsets in ([0, 3, 2], [0, -1], [0, 4], [1]):
        with pytest.raises(RuntimeError, match="offsets"):
            bags(indices, table, torch.tensor(offsets), mode=mode)


EMBEDDINGS = """
torch.tensor([1, 1, 3, 1]), w, scale_grad_by_freq=True
torch.tensor([[1, 1], [3, 0]]), w, padding_idx=1
torch.tensor([1, 4]), w, padding_idx=-1
torch.tensor([1, 4]), w, max_norm=1.0, norm_type=1.0
torch.tensor([1, 4]), w, padding_idx=5
torch.tensor([1, 5]), w
torch.tensor([-1]), w
torch.tensor([1.0]), w
torch.tensor([True]), w
torch.tensor([1]), w[0]
""".strip().splitlines()


@pytest.mark.parametrize("call", EMBEDDINGS)
def test_embedding(call: str) -> None:
    with_gradients(f"F.embedding({call})", "w", setup="w = t(5, 3).requires_grad_()")


CTC = """
x, n, (5, 5), (2, 2)
x, n, torch.tensor([5, 4]), torch.tensor([2, 1]), reduction='none'
x, n, (5, 4), (2, 1), blank=2, reduction='sum'
x, n.flatten(), (5, 4), (2, 2)
x, n.flatten(), (5, 4), (2, 1)
x[:, 0], n[0], (5,), (2,), reduction='none'
x, n, (2, 2), (2, 2), zero_infinity=True
x, n, (2, 2), (2, 2), reduction='none'
x, n, (0, 2), (2, 0), reduction='none'
x.double(), n.int(), (5, 5), (2, 2)
x, n, (6, 5), (2, 2)
x, n, (-1, 5), (2, 2)
x, n, (5, 5), (2, 3)
x, n, (5,), (2, 2)
x, n, (5, 5), (2, 2), blank=4
x.half(), n, (5, 5), (2, 2)
x, n, torch.tensor([5.0, 5.0]), torch.tensor([2, 2])
x, n, (5, 5), (2, 2), reduction='other'
x[:0], n, (0, 0), (2, 2)
""".strip().splitlines()


@pytest.mark.parametrize("call", CTC)
def test_ctc_loss(call: str) -> None:
    setup = "a = t(5, 2, 4).requires_grad_()\nx, n = a.log_softmax(2), torch.tensor([[1, 3], [3, 3]])"
    hold(f"{setup}\ny = F.ctc_loss({call})\ny.sum().backward()\ng = a.grad", rtol=1e-5, atol=1e-6)


def test_ctc_labels_are_checked() -> None:
    torch = CANDIDATE
    for label in (4, -1):
        with pytest.raises(IndexError):
            torch.nn.functional.ctc_loss(torch.zeros(5, 1, 4), torch.tensor([[label]]), (5,), (1,))


@pytest.mark.parametrize("scale", ["float('nan')", "float('inf')", "-0.3", "0.0", "None"])
@pytest.mark.parametrize(("queries", "keys"), [(40, 25), (64, 200), (5, 0)])
def test_attention_scaled_by_odd_numbers(queries: int, keys: int, scale: str) -> None:
    hold(
        f"q, k, v = t(2, 3, {queries}, 16), t(2, 3, {keys}, 16), t(2, 3, {keys}, 16)\n"
        f"y = F.scaled_dot_product_attention(q, k, v, scale={scale})"
    )
