"""Denoising diffusion on pictures of a few strokes: noise is predicted, then taken away step by step."""

import math

import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(11)
T = 40
betas = torch.linspace(1e-4, 0.05, T)
alphas = 1.0 - betas
alphas_cumprod = torch.cumprod(alphas, axis=0)
alphas_cumprod_prev = F.pad(alphas_cumprod[:-1], (1, 0), value=1.0)
posterior_variance = betas * (1.0 - alphas_cumprod_prev) / (1.0 - alphas_cumprod)


def extract(a, t, x_shape):
    return a.gather(-1, t).reshape(t.shape[0], *((1,) * (len(x_shape) - 1)))


class TimeEmbedding(nn.Module):
    def forward(self, t, dim=16):
        frequencies = torch.exp(torch.arange(dim // 2) * -(math.log(10000) / (dim // 2 - 1)))
        angles = t[:, None] * frequencies[None, :]
        return torch.cat((angles.sin(), angles.cos()), dim=-1)


class Denoiser(nn.Module):
    def __init__(self, channels=16):
        super().__init__()
        self.time = nn.Sequential(TimeEmbedding(), nn.Linear(16, channels * 2), nn.SiLU())
        self.first = nn.Conv2d(1, channels, 3, padding="same")
        self.norm = nn.GroupNorm(4, channels)
        self.down, self.up = (
            nn.Conv2d(channels, channels, 4, 2, 1),
            nn.Upsample(scale_factor=2, mode="nearest"),
        )
        self.last = nn.Conv2d(2 * channels, 1, 3, padding=1)

    def forward(self, x, t):
        scale, shift = self.time(t)[:, :, None, None].chunk(2, dim=1)
        h = F.silu(self.norm(self.first(x)) * (scale + 1) + shift)
        return self.last(torch.cat([h, self.up(F.silu(self.down(h)))], dim=1))


model = Denoiser()
ema = torch.optim.swa_utils.AveragedModel(model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.9))
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
pictures = -torch.ones(32, 1, 8, 8)
for n, (row, column) in enumerate(torch.randint(1, 7, (32, 2)).tolist()):
    pictures[n, 0, row, 1:7] = pictures[n, 0, 1:7, column] = 1.0
for step in range(12):
    batch = pictures[torch.randint(0, 32, (16,))]
    t, noise = torch.randint(0, T, (16,)).long(), torch.randn_like(batch)
    scaled = extract(alphas_cumprod.sqrt(), t, batch.shape) * batch
    noisy = scaled + extract((1 - alphas_cumprod).sqrt(), t, batch.shape) * noise
    loss = F.smooth_l1_loss(noise, model(noisy, t))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    ema.update_parameters(model)
    print(f"step {step} loss {loss.item():.6f}")
with torch.inference_mode():
    x = torch.randn(2, 1, 8, 8)
    for i in reversed(range(T)):
        t = torch.full((2,), i, dtype=torch.long)
        mean = alphas[i].rsqrt() * (x - betas[i] * ema(x, t) / torch.sqrt(1.0 - alphas_cumprod[i]))
        x = mean + (torch.sqrt(posterior_variance[i]) * torch.randn_like(x) if i else 0)
        if i % 8 == 0:
            print(f"t {i} std {x.std().item():.5f} max {x.amax().item():.5f}")
