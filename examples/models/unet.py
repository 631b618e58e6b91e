"""U-Net: Ronneberger, Fischer, Brox, Convolutional Networks for Biomedical Image Segmentation, 2015."""

from __future__ import annotations

import rustnn as torch
from rustnn import Tensor, nn


def double_convolution(inputs: int, outputs: int) -> nn.Sequential:
    """Two 3 x 3 convolutions that keep the size."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
        nn.Conv2d(outputs, outputs, 3, padding=1),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


class UNet(nn.Module):
    """Images (N, channels, H, W) to a score for every class at every place: (N, classes, H, W).

    H and W are multiples of ``2 ** depth``.
    """

    def __init__(self, channels: int = 1, classes: int = 2, width: int = 64, depth: int = 4) -> None:
        super().__init__()
        self.down = nn.ModuleList()
        self.up = nn.ModuleList()
        self.merge = nn.ModuleList()
        for level in range(depth):
            self.down.append(double_convolution(channels, width << level))
            channels = width << level
        self.bottom = double_convolution(channels, 2 * channels)
        for level in reversed(range(depth)):
            channels = width << level
            self.up.append(nn.ConvTranspose2d(2 * channels, channels, 2, stride=2))
            self.merge.append(double_convolution(2 * channels, channels))
        self.pool = nn.MaxPool2d(2)
        self.head = nn.Conv2d(width, classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        skipped = []
        for down in self.down:
            x = down(x)
            skipped.append(x)
            x = self.pool(x)
        x = self.bottom(x)
        for up, merge in zip(self.up, self.merge, strict=True):
            x = merge(torch.cat([skipped.pop(), up(x)], dim=1))
        output: Tensor = self.head(x)
        return output
