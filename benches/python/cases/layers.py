"""Forward and backward of layers in sizes that small models have."""

from __future__ import annotations

from .case import Case

IMAGES = "x = torch.randn(8, 16, 32, 32, requires_grad=True)"
SEQUENCE = "x = torch.randn(8, 64, 128, requires_grad=True)"
CLASSES = "x = torch.randn(512, 100, requires_grad=True)"
ROWS = "x = torch.randn(512, 256, requires_grad=True)"


def layers() -> list[Case]:
    """Forward and backward of layers in sizes that models have. None should be slower by more than half."""
    table = {
        "nn.Linear(128, 384)": "x = torch.randn(512, 128, requires_grad=True)",
        "nn.Bilinear(32, 24, 16)": "x = torch.randn(128, 32, requires_grad=True), torch.randn(128, 24)",
        "nn.Conv1d(16, 32, 3, padding=1)": "x = torch.randn(8, 16, 128, requires_grad=True)",
        "nn.Conv2d(16, 32, 3, padding=1)": IMAGES,
        "nn.Conv2d(16, 32, 3, stride=2, padding=1)": IMAGES,
        "nn.Conv2d(16, 16, 3, padding=1, groups=16)": IMAGES,
        "nn.Conv2d(16, 64, 1)": IMAGES,
        "nn.Conv3d(4, 8, 3, padding=1)": "x = torch.randn(2, 4, 8, 16, 16, requires_grad=True)",
        "nn.ConvTranspose2d(16, 32, 4, 2, 1)": "x = torch.randn(4, 16, 16, 16, requires_grad=True)",
        "nn.MaxPool2d(2)": IMAGES,
        "nn.AvgPool2d(2)": IMAGES,
        "nn.AdaptiveAvgPool2d(4)": IMAGES,
        "nn.Upsample(scale_factor=2)": IMAGES,
        "nn.Upsample(scale_factor=2, mode='bilinear')": IMAGES,
        "nn.Upsample(scale_factor=2, mode='bicubic')": IMAGES,
        "nn.ReflectionPad2d(2)": IMAGES,
        "nn.PixelShuffle(2)": IMAGES,
        "nn.Unfold(3, padding=1)": IMAGES,
        "nn.BatchNorm2d(16)": IMAGES,
        "nn.InstanceNorm2d(16, affine=True)": IMAGES,
        "nn.GroupNorm(4, 16)": IMAGES,
        "nn.LocalResponseNorm(5)": IMAGES,
        "nn.LayerNorm(256)": ROWS,
        "nn.RMSNorm(256)": ROWS,
        "nn.Dropout(0.1)": ROWS,
        "nn.GELU()": ROWS,
        "nn.SiLU()": ROWS,
        "nn.Softmax(-1)": ROWS,
        "nn.PReLU(16)": IMAGES,
        "nn.Embedding(1000, 64)": "x = torch.randint(0, 1000, (32, 64))",
        "nn.EmbeddingBag(1000, 64)": "x = torch.randint(0, 1000, (32, 64))",
        "nn.CrossEntropyLoss()": f"{CLASSES}, torch.randint(0, 100, (512,))",
        "nn.BCEWithLogitsLoss()": f"{CLASSES}, torch.rand(512, 100)",
        "nn.SmoothL1Loss()": f"{CLASSES}, torch.rand(512, 100)",
        "nn.CTCLoss()": "x = torch.randn(50, 8, 20, requires_grad=True), torch.randint(1, 20, (8, 10)), "
        "torch.full((8,), 50), torch.full((8,), 10)",
        "nn.RNN(64, 128)": "x = torch.randn(32, 16, 64)",
        "nn.GRU(64, 128)": "x = torch.randn(32, 16, 64)",
        "nn.LSTM(64, 128)": "x = torch.randn(32, 16, 64)",
        "nn.LSTMCell(64, 128)": "x = torch.randn(32, 64)",
        "nn.MultiheadAttention(128, 4, batch_first=True)": f"{SEQUENCE}; x = x, x, x",
        "nn.TransformerEncoderLayer(128, 4, 256, 0.0, batch_first=True)": SEQUENCE,
    }
    sampling = "x = torch.randn(8, 16, 32, 32, requires_grad=True); g = torch.rand(8, 32, 32, 2)"
    sample = "torch.nn.functional.grid_sample(x, g.mul(2).sub_(1), align_corners=False)"
    first = "first = lambda y: y[0] if isinstance(y, tuple) else y"
    arguments = "x = x if isinstance(x, tuple) else (x,)"
    return [
        Case(
            layer,
            0.67,
            f"layer = {layer}; {data}; {arguments}; {first}",
            "first(layer(*x)).sum().backward()",
            "layer.eval() and first(layer(*x)).detach()",
        )
        for layer, data in table.items()
    ] + [
        Case("grid_sample", 0.67, sampling, f"{sample}.sum().backward()", f"{sample}.detach()"),
        Case(
            "grid_sample, the grid's gradient too",
            0.67,
            f"{sampling}; g.requires_grad_()",
            f"{sample}.sum().backward()",
            f"{sample}.detach()",
        ),
    ]


CASES = layers()
