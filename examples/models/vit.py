"""Vision transformer: Dosovitskiy et al., An Image is Worth 16x16 Words, 2020."""

from __future__ import annotations

import rustnn as torch
from rustnn import Tensor, nn


class ViT(nn.Module):
    """Images (N, 3, size, size) to scores (N, classes): patches are the words, a token of its own answers."""

    def __init__(
        self,
        size: int = 224,
        patch: int = 16,
        classes: int = 1000,
        width: int = 768,
        heads: int = 12,
        layers: int = 12,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, width, patch, stride=patch)
        self.answer = nn.Parameter(torch.zeros(1, 1, width))
        self.position = nn.Parameter(torch.randn(1, (size // patch) ** 2 + 1, width) * 0.02)
        layer = nn.TransformerEncoderLayer(
            width, heads, 4 * width, dropout, "gelu", batch_first=True, norm_first=True
        )
        self.encoder = nn.TransformerEncoder(layer, layers, nn.LayerNorm(width), enable_nested_tensor=False)
        self.head = nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.answer.expand(x.shape[0], -1, -1), x], dim=1)
        x = self.encoder(x + self.position)
        output: Tensor = self.head(x[:, 0])
        return output
