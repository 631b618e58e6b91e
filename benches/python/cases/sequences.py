"""Attention, embeddings, recurrent layers, transformers."""

from __future__ import annotations

from .case import Case


def attention(batch: int, heads: int, length: int, width: int, *, causal: bool) -> list[Case]:
    name = f"attention of {heads} heads, {batch} x {length} x {width}{', causal' * causal}"
    setup = f"q, k, v = (torch.randn({batch}, {heads}, {length}, {width}) for _ in range(3))"
    call = f"F.scaled_dot_product_attention(q, k, v, is_causal={causal})"
    flops = 4.0 * batch * heads * length * length * width * (0.5 if causal else 1.0)
    return [
        Case(name, 1, setup, call, f"({call})[0, 0, :8, :8]", flops),
        Case(
            f"{name}, forward and backward",
            1,
            setup + "\nfor t in (q, k, v): t.requires_grad_()",
            f"{call}.sum().backward()",
            f"({call}.square().sum().backward(), q.grad[0, 0, :8, :8])[1]",
            3.5 * flops,
        ),
    ]


# Layer, the size of its input, its inputs.
LAYERS = {
    "nn.Embedding(10000, 256)": ("32 x 128", "x = torch.randint(0, 10000, (32, 128))"),
    "nn.EmbeddingBag(10000, 64)": ("128 x 32", "x = torch.randint(0, 10000, (128, 32))"),
    "nn.RNN(128, 256)": ("64 x 32 x 128", "x = torch.randn(64, 32, 128)"),
    "nn.LSTM(128, 256)": ("64 x 32 x 128", "x = torch.randn(64, 32, 128)"),
    "nn.LSTM(32, 64)": ("64 x 4 x 32", "x = torch.randn(64, 4, 32)"),
    "nn.LSTM(128, 256, 2, bidirectional=True)": ("32 x 1 x 128", "x = torch.randn(32, 1, 128)"),
    "nn.GRU(128, 256)": ("64 x 32 x 128", "x = torch.randn(64, 32, 128)"),
    "nn.GRU(32, 64)": ("64 x 4 x 32", "x = torch.randn(64, 4, 32)"),
    "nn.LSTMCell(128, 256)": ("32 x 128", "x = torch.randn(32, 128)"),
    "nn.GRUCell(128, 256)": ("32 x 128", "x = torch.randn(32, 128)"),
    "nn.MultiheadAttention(256, 8, batch_first=True)": (
        "8 x 128 x 256",
        "x = torch.randn(8, 128, 256); x = x, x, x",
    ),
    "nn.TransformerEncoderLayer(256, 8, 1024, 0.0, batch_first=True)": (
        "8 x 128 x 256",
        "x = torch.randn(8, 128, 256)",
    ),
    "nn.TransformerDecoderLayer(256, 8, 1024, 0.0, batch_first=True)": (
        "8 x 128 x 256",
        "x = torch.randn(8, 128, 256); x = x, x",
    ),
    "nn.CTCLoss()": (
        "50 x 8 x 20",
        "x = torch.randn(50, 8, 20).log_softmax(2).requires_grad_(), torch.randint(1, 20, (8, 10)), "
        "torch.full((8,), 50), torch.full((8,), 10)",
    ),
}


def layers() -> list[Case]:
    found = []
    for layer, (size, data) in LAYERS.items():
        setup = (
            f"layer = {layer}; {data}; x = x if isinstance(x, tuple) else (x,)\n"
            "first = lambda y: y[0] if isinstance(y, tuple) else y"
        )
        name = f"{layer} of {size}"
        result = "first(layer(*x)).detach().flatten()[:64]"
        if "Loss" not in layer:
            inference = setup + "\nlayer.requires_grad_(False).eval()"
            found.append(Case(name, 1, inference, "layer(*x)", result))
        found.append(
            Case(f"{name}, forward and backward", 1, setup, "first(layer(*x)).sum().backward()", result)
        )
    return found


CASES = [
    *attention(4, 8, 256, 64, causal=False),
    *attention(4, 8, 256, 64, causal=True),
    *attention(1, 8, 1024, 64, causal=True),
    *attention(8, 4, 64, 32, causal=True),
    *layers(),
]
