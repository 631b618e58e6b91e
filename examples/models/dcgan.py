"""DCGAN: Radford, Metz, Chintala, Unsupervised Representation Learning, 2015."""

from __future__ import annotations

from rustnn import Tensor, nn


def initialise(module: nn.Module) -> None:
    """The paper's weights: N(0, 0.02), around 1 for the scales of batch normalisation."""
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.BatchNorm2d):
        assert module.weight is not None
        assert module.bias is not None
        nn.init.normal_(module.weight, 1.0, 0.02)
        nn.init.zeros_(module.bias)


class Generator(nn.Module):
    """Noise (N, noise, 1, 1) to images (N, channels, 64, 64) with values in (-1, 1)."""

    def __init__(self, noise: int = 100, width: int = 64, channels: int = 3) -> None:
        super().__init__()
        layers: list[nn.Module] = [
            nn.ConvTranspose2d(noise, 8 * width, 4, bias=False),
            nn.BatchNorm2d(8 * width),
            nn.ReLU(inplace=True),
        ]
        for factor in (4, 2, 1):
            layers += [
                nn.ConvTranspose2d(2 * factor * width, factor * width, 4, 2, 1, bias=False),
                nn.BatchNorm2d(factor * width),
                nn.ReLU(inplace=True),
            ]
        layers += [nn.ConvTranspose2d(width, channels, 4, 2, 1, bias=False), nn.Tanh()]
        self.layers = nn.Sequential(*layers)
        self.apply(initialise)

    def forward(self, noise: Tensor) -> Tensor:
        image: Tensor = self.layers(noise)
        return image


class Discriminator(nn.Module):
    """Images (N, channels, 64, 64) to a score of being real (N)."""

    def __init__(self, width: int = 64, channels: int = 3) -> None:
        super().__init__()
        layers: list[nn.Module] = [
            nn.Conv2d(channels, width, 4, 2, 1, bias=False),
            nn.LeakyReLU(0.2, inplace=True),
        ]
        for factor in (1, 2, 4):
            layers += [
                nn.Conv2d(factor * width, 2 * factor * width, 4, 2, 1, bias=False),
                nn.BatchNorm2d(2 * factor * width),
                nn.LeakyReLU(0.2, inplace=True),
            ]
        layers.append(nn.Conv2d(8 * width, 1, 4, bias=False))
        self.layers = nn.Sequential(*layers)
        self.apply(initialise)

    def forward(self, image: Tensor) -> Tensor:
        score: Tensor = self.layers(image)
        return score.flatten()
