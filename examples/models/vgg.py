"""VGG: Simonyan, Zisserman, Very Deep Convolutional Networks for Large-Scale Image Recognition, 2014."""

from __future__ import annotations

from rustnn import Tensor, nn

# Convolutions of each stage, in units of the first stage's width; a pooling ends a stage.
STAGES = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}


class VGG(nn.Module):
    """Images (N, 3, H, W) to scores (N, classes), with ``depth`` layers: 11, 13, 16 or 19."""

    def __init__(self, depth: int = 16, classes: int = 1000, width: int = 64, dropout: float = 0.5) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 3
        for stage, count in enumerate(STAGES[depth]):
            outputs = width * min(2**stage, 8)
            for _ in range(count):
                layers += [nn.Conv2d(channels, outputs, 3, padding=1), nn.ReLU(inplace=True)]
                channels = outputs
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(7)
        hidden = 64 * width
        self.classifier = nn.Sequential(
            nn.Linear(channels * 7 * 7, hidden),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(hidden, hidden),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(hidden, classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        x = self.avgpool(self.features(x))
        output: Tensor = self.classifier(x.flatten(1))
        return output
