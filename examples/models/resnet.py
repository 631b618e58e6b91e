"""Residual networks: He, Zhang, Ren, Sun, Deep Residual Learning for Image Recognition, 2015.

The names of the layers are those that published weights of ResNets have.
"""

from __future__ import annotations

from rustnn import Tensor, nn


class BasicBlock(nn.Module):
    """Two 3 x 3 convolutions around which the input takes a shortcut."""

    expansion = 1

    def __init__(self, inputs: int, width: int, stride: int, shortcut: nn.Module | None) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, width, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = shortcut

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.bn2(self.conv2(x)) + shortcut
        output: Tensor = self.relu(x)
        return output


class Bottleneck(nn.Module):
    """A 3 x 3 convolution of few channels between two 1 x 1 ones, and the shortcut."""

    expansion = 4

    def __init__(self, inputs: int, width: int, stride: int, shortcut: nn.Module | None) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, 4 * width, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * width)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = shortcut

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.relu(self.bn2(self.conv2(x)))
        x = self.bn3(self.conv3(x)) + shortcut
        output: Tensor = self.relu(x)
        return output


class ResNet(nn.Module):
    """Images (N, 3, H, W) to scores (N, classes); four stages of ``blocks``, each twice as wide."""

    def __init__(
        self,
        block: type[BasicBlock] | type[Bottleneck],
        blocks: tuple[int, int, int, int],
        classes: int = 1000,
        width: int = 64,
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.channels = width
        self.layer1 = self._stage(block, width, blocks[0], 1)
        self.layer2 = self._stage(block, 2 * width, blocks[1], 2)
        self.layer3 = self._stage(block, 4 * width, blocks[2], 2)
        self.layer4 = self._stage(block, 8 * width, blocks[3], 2)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(self.channels, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def _stage(
        self, block: type[BasicBlock] | type[Bottleneck], width: int, count: int, stride: int
    ) -> nn.Sequential:
        outputs = width * block.expansion
        shortcut = None
        if stride != 1 or self.channels != outputs:
            shortcut = nn.Sequential(
                nn.Conv2d(self.channels, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )
        layers = [block(self.channels, width, stride, shortcut)]
        layers += [block(outputs, width, 1, None) for _ in range(count - 1)]
        self.channels = outputs
        return nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        output: Tensor = self.fc(self.avgpool(x).flatten(1))
        return output


def resnet18(classes: int = 1000, width: int = 64) -> ResNet:
    """18 layers with weights."""
    return ResNet(BasicBlock, (2, 2, 2, 2), classes, width)


def resnet50(classes: int = 1000, width: int = 64) -> ResNet:
    """50 layers with weights."""
    return ResNet(Bottleneck, (3, 4, 6, 3), classes, width)
