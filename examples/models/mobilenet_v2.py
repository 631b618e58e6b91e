"""MobileNetV2: Sandler, Howard, Zhu, Zhmoginov, Chen, Inverted Residuals and Linear Bottlenecks, 2018."""

from __future__ import annotations

from rustnn import Tensor, nn

# Expansion, channels, blocks, stride of the first block.
STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


def convolution(inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """A convolution that keeps the size, but for its stride, normalised and cut at 0 and 6."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU6(inplace=True),
    )


class InvertedResidual(nn.Module):
    """Widen, filter every channel on its own, narrow again; a shortcut where the shape stays."""

    def __init__(self, inputs: int, outputs: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = inputs * expansion
        self.shortcut = stride == 1 and inputs == outputs
        layers: list[nn.Module] = [] if expansion == 1 else [convolution(inputs, hidden, 1)]
        layers += [
            convolution(hidden, hidden, 3, stride, groups=hidden),
            nn.Conv2d(hidden, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs),
        ]
        self.conv = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        filtered: Tensor = self.conv(x)
        return x + filtered if self.shortcut else filtered


class MobileNetV2(nn.Module):
    """Images (N, 3, H, W) to scores (N, classes); ``width`` multiplies all channels."""

    def __init__(self, classes: int = 1000, width: float = 1.0, dropout: float = 0.2) -> None:
        super().__init__()

        def scaled(channels: int) -> int:
            """To the nearest multiple of 8."""
            return max(8, int(channels * width + 4) // 8 * 8)

        channels = scaled(32)
        layers: list[nn.Module] = [convolution(3, channels, 3, 2)]
        for expansion, base, count, first in STAGES:
            for block in range(count):
                stride = first if block == 0 else 1
                layers.append(InvertedResidual(channels, scaled(base), stride, expansion))
                channels = scaled(base)
        last = scaled(1280) if width > 1 else 1280
        layers.append(convolution(channels, last, 1))
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(last, classes))

    def forward(self, x: Tensor) -> Tensor:
        x = self.features(x).mean((2, 3))
        output: Tensor = self.classifier(x)
        return output
