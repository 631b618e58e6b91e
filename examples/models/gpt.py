"""GPT-2: Radford et al., Language Models are Unsupervised Multitask Learners, 2019."""

from __future__ import annotations

import rustnn as torch
from rustnn import Tensor, nn
from rustnn.nn import functional as F


class CausalSelfAttention(nn.Module):
    """Attention of ``heads`` heads that looks back only."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.attend = nn.Linear(width, 3 * width)
        self.project = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        batch, length, width = x.shape
        parts = self.attend(x).view(batch, length, 3, self.heads, width // self.heads)
        query, key, value = parts.permute(2, 0, 3, 1, 4).unbind(0)
        x = F.scaled_dot_product_attention(query, key, value, is_causal=True)
        output: Tensor = self.project(x.transpose(1, 2).reshape(batch, length, width))
        return output


class Block(nn.Module):
    """Attention, then two linear layers, each normalised before and added to what came in."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attention = CausalSelfAttention(width, heads)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(approximate="tanh"), nn.Linear(4 * width, width)
        )

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class GPT(nn.Module):
    """Tokens (N, L), L up to ``context``, to scores of the next token: (N, L, vocabulary)."""

    def __init__(
        self,
        vocabulary: int = 50257,
        context: int = 1024,
        width: int = 768,
        heads: int = 12,
        layers: int = 12,
    ) -> None:
        super().__init__()
        self.token = nn.Embedding(vocabulary, width)
        self.position = nn.Embedding(context, width)
        self.blocks = nn.ModuleList([Block(width, heads) for _ in range(layers)])
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, vocabulary, bias=False)
        self.apply(self._initialise)
        self.head.weight = self.token.weight

    @staticmethod
    def _initialise(module: nn.Module) -> None:
        if isinstance(module, (nn.Linear, nn.Embedding)):
            nn.init.normal_(module.weight, std=0.02)
        if isinstance(module, nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.token(tokens) + self.position(torch.arange(tokens.shape[1], device=tokens.device))
        for block in self.blocks:
            x = block(x)
        output: Tensor = self.head(self.norm(x))
        return output

    def generate(self, tokens: Tensor, count: int, temperature: float = 1.0) -> Tensor:
        """``count`` more tokens behind (N, L), drawn one by one."""
        context = self.position.num_embeddings
        with torch.no_grad():
            for _ in range(count):
                scores = self(tokens[:, -context:])[:, -1] / temperature
                drawn = torch.multinomial(F.softmax(scores, dim=-1), 1)
                tokens = torch.cat([tokens, drawn], dim=1)
        return tokens
