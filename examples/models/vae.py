"""Variational autoencoder: Kingma, Welling, Auto-Encoding Variational Bayes, 2013."""

from __future__ import annotations

import rustnn as torch
from rustnn import Tensor, nn
from rustnn.nn import functional as F


class VAE(nn.Module):
    """Images (N, pixels) in [0, 1] to scores of their pixels, and mean and log-variance of the code."""

    def __init__(self, pixels: int = 784, hidden: int = 400, code: int = 20) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(pixels, hidden), nn.ReLU())
        self.mean = nn.Linear(hidden, code)
        self.log_variance = nn.Linear(hidden, code)
        self.decoder = nn.Sequential(nn.Linear(code, hidden), nn.ReLU(), nn.Linear(hidden, pixels))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        hidden = self.encoder(x)
        mean, log_variance = self.mean(hidden), self.log_variance(hidden)
        code = mean + torch.randn_like(mean) * torch.exp(0.5 * log_variance)
        return self.decoder(code), mean, log_variance

    @staticmethod
    def loss(scores: Tensor, mean: Tensor, log_variance: Tensor, x: Tensor) -> Tensor:
        """Minus the lower bound of the log-likelihood, summed over the batch."""
        reconstruction = F.binary_cross_entropy_with_logits(scores, x, reduction="sum")
        divergence = -0.5 * (1 + log_variance - mean.square() - log_variance.exp()).sum()
        return reconstruction + divergence
