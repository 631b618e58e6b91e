"""Convolutions, pooling, batch norms, interpolation."""

from __future__ import annotations

from .case import Case

# Layer, input, floating-point operations of a forward pass where they are counted.
LAYERS = {
    "nn.Conv2d(64, 64, 3, padding=1)": ("8, 64, 56, 56", 2.0 * 8 * 64 * 64 * 9 * 56 * 56),
    "nn.Conv2d(128, 128, 3, padding=1)": ("8, 128, 28, 28", 2.0 * 8 * 128 * 128 * 9 * 28 * 28),
    "nn.Conv2d(256, 256, 3, padding=1)": ("4, 256, 14, 14", 2.0 * 4 * 256 * 256 * 9 * 14 * 14),
    "nn.Conv2d(3, 64, 7, stride=2, padding=3)": ("4, 3, 224, 224", 2.0 * 4 * 64 * 3 * 49 * 112 * 112),
    "nn.Conv2d(64, 256, 1)": ("8, 64, 56, 56", 2.0 * 8 * 64 * 256 * 56 * 56),
    "nn.Conv2d(64, 128, 3, stride=2, padding=1)": ("8, 64, 56, 56", 2.0 * 8 * 64 * 128 * 9 * 28 * 28),
    "nn.Conv2d(96, 96, 3, padding=1, groups=96)": ("8, 96, 56, 56", 2.0 * 8 * 96 * 9 * 56 * 56),
    "nn.Conv2d(64, 64, 3, padding=2, dilation=2)": ("4, 64, 28, 28", 2.0 * 4 * 64 * 64 * 9 * 28 * 28),
    "nn.Conv2d(64, 64, 3, padding=1, groups=4)": ("8, 64, 28, 28", 2.0 * 8 * 64 * 16 * 9 * 28 * 28),
    "nn.Conv2d(1, 16, 3, padding=1)": ("64, 1, 28, 28", 2.0 * 64 * 16 * 9 * 28 * 28),
    "nn.Conv2d(16, 32, 5)": ("64, 16, 12, 12", 2.0 * 64 * 16 * 32 * 25 * 8 * 8),
    "nn.Conv1d(64, 64, 5, padding=2)": ("16, 64, 256", 2.0 * 16 * 64 * 64 * 5 * 256),
    "nn.Conv3d(8, 16, 3, padding=1)": ("2, 8, 16, 32, 32", 2.0 * 2 * 8 * 16 * 27 * 16 * 32 * 32),
    "nn.ConvTranspose2d(64, 32, 4, 2, 1)": ("8, 64, 16, 16", 2.0 * 8 * 64 * 32 * 16 * 16 * 16),
    "nn.ConvTranspose2d(64, 32, 2, 2)": ("8, 64, 28, 28", 2.0 * 8 * 64 * 32 * 4 * 28 * 28),
    "nn.MaxPool2d(2)": ("8, 64, 56, 56", 0),
    "nn.MaxPool2d(3, 2, 1)": ("8, 64, 112, 112", 0),
    "nn.AvgPool2d(2)": ("8, 64, 56, 56", 0),
    "nn.AvgPool2d(3, 1, 1)": ("8, 64, 28, 28", 0),
    "nn.AdaptiveAvgPool2d(1)": ("8, 512, 7, 7", 0),
    "nn.AdaptiveAvgPool2d(7)": ("8, 64, 56, 56", 0),
    "nn.AdaptiveMaxPool2d(4)": ("8, 64, 28, 28", 0),
    "nn.MaxPool1d(2)": ("16, 64, 256", 0),
    "nn.MaxPool3d(2)": ("2, 8, 16, 32, 32", 0),
    "nn.BatchNorm2d(64)": ("8, 64, 56, 56", 0),
    "nn.BatchNorm2d(64).eval()": ("8, 64, 56, 56", 0),
    "nn.BatchNorm1d(256)": ("128, 256", 0),
    "nn.GroupNorm(8, 64)": ("8, 64, 56, 56", 0),
    "nn.InstanceNorm2d(64)": ("8, 64, 28, 28", 0),
    "nn.Upsample(scale_factor=2)": ("8, 64, 28, 28", 0),
    "nn.Upsample(scale_factor=2, mode='bilinear')": ("8, 64, 28, 28", 0),
    "nn.Upsample(scale_factor=2, mode='bicubic')": ("4, 16, 28, 28", 0),
    "nn.Upsample(size=20, mode='bilinear')": ("8, 64, 28, 28", 0),
    "nn.ReflectionPad2d(2)": ("8, 64, 28, 28", 0),
    "nn.PixelShuffle(2)": ("8, 64, 28, 28", 0),
    "nn.Unfold(3, padding=1)": ("8, 16, 28, 28", 0),
}


def cases() -> list[Case]:
    found = []
    for layer, (size, flops) in LAYERS.items():
        name = f"{layer} of {size.replace(', ', ' x ')}"
        setup = f"layer = {layer}; x = torch.randn({size}, requires_grad=True)"
        found += [
            Case(
                name,
                1,
                setup + "; layer.requires_grad_(False); x.requires_grad_(False)",
                "layer(x)",
                "layer(x)[0, 0].flatten()[:64]",
                flops,
            ),
            Case(
                f"{name}, forward and backward",
                1,
                setup,
                "layer(x).sum().backward()",
                "(layer(x).square().mean().backward(), x.grad[0, 0].flatten()[:64] * 1000)[1]",
                3 * flops,
            ),
        ]
    return found


CASES = cases()
