"""Modules of users' own: containers, buffers, hooks, attention, recurrence, initialization, state."""

import copy
import math
from collections import OrderedDict
from typing import Any, assert_type

import rustnn as torch
from rustnn import Tensor, nn
from rustnn.nn import functional as F


class PositionalEncoding(nn.Module):
    table: Tensor

    def __init__(self, width: int, length: int = 100) -> None:
        super().__init__()
        position = torch.arange(length).unsqueeze(1)
        rates = torch.exp(torch.arange(0, width, 2) * (-math.log(10000.0) / width))
        table = torch.zeros(length, width)
        table[:, 0::2] = torch.sin(position * rates)
        table[:, 1::2] = torch.cos(position * rates)
        self.register_buffer("table", table, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.table[: x.size(1)]


class Block(nn.Module):
    def __init__(self, width: int, heads: int, *, activation: type[nn.Module] = nn.GELU) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(width, heads, batch_first=True)
        self.norm = nn.LayerNorm(width)
        self.mlp = nn.Sequential(
            OrderedDict(
                [
                    ("up", nn.Linear(width, 4 * width)),
                    ("act", activation()),
                    ("down", nn.Linear(4 * width, width)),
                ]
            )
        )
        self.alpha = nn.Parameter(torch.zeros(1), requires_grad=True)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        normed = self.norm(x)
        attended, weights = self.attention(normed, normed, normed, attn_mask=mask, need_weights=True)
        x = x + self.alpha * attended
        return x + self.mlp(self.norm(x)), weights


class Model(nn.Module):
    def __init__(self, vocabulary: int, width: int, depth: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width, padding_idx=0)
        self.position = PositionalEncoding(width)
        self.blocks = nn.ModuleList([Block(width, 2) for _ in range(depth)])
        self.rnn = nn.LSTM(width, width, num_layers=2, batch_first=True, bidirectional=False)
        self.heads = nn.ModuleDict({"tokens": nn.Linear(width, vocabulary), "value": nn.Linear(width, 1)})
        self.apply(self.initialize)

    def initialize(self, module: nn.Module) -> None:
        if isinstance(module, nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, (nn.Embedding, nn.LayerNorm)):
            nn.init.normal_(module.weight, std=0.02)

    def forward(self, tokens: Tensor) -> dict[str, Tensor]:
        x = self.position(self.embedding(tokens))
        for block in self.blocks:
            x, _ = block(x)
        output, (h, c) = self.rnn(x)
        return {name: head(output) for name, head in self.heads.items()}


model = Model(20, 8, 2)
assert_type(model.train(), Model)
assert_type(model.eval(), Model)
assert_type(model.float().double().half().cpu(), Model)
assert_type(model.to(dtype=torch.float32), Model)
assert_type(model.training, bool)
assert_type(model.requires_grad_(True), Model)
for parameter in model.parameters():
    assert_type(parameter, nn.Parameter)
    assert_type(parameter.numel(), int)
    parameter.data.clamp_(-1, 1)
for name, parameter in model.named_parameters():
    assert_type(name, str)
    assert_type(parameter.grad is None, bool)
for name, module in model.named_modules():
    assert_type(module, nn.Module)
for child in model.children():
    assert_type(child, nn.Module)
for buffer in model.buffers():
    assert_type(buffer, Tensor)
state = model.state_dict()
for key, value in state.items():
    assert_type(key, str)
missing, unexpected = model.load_state_dict(state, strict=False)
assert_type(missing, list[str])
count: int = sum(p.numel() for p in model.parameters() if p.requires_grad)
same = copy.deepcopy(model)
assert_type(same, Model)
model.zero_grad()


def show(module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
    print(type(module).__name__, args[0].shape)


def gradients(
    module: nn.Module, grad_input: tuple[Tensor, ...] | Tensor, grad_output: tuple[Tensor, ...] | Tensor
) -> None:
    print(module)


handle = model.embedding.register_forward_hook(show)
handle.remove()
model.heads["tokens"].register_full_backward_hook(gradients)

linear = nn.Linear(3, 4)
assert_type(linear.weight, nn.Parameter)
assert_type(linear.in_features, int)
assert_type(linear.weight.data, Tensor)
stacked = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1))
assert_type(stacked[0], nn.Module)
assert_type(len(stacked), int)
assert_type(stacked[:2], nn.Sequential)
for layer in stacked:
    assert_type(layer, nn.Module)
stacked.append(nn.Sigmoid())
out: Tensor = stacked(torch.randn(2, 3))

# ---- functional ----
logits = torch.randn(4, 10)
target = torch.randint(10, (4,))
assert_type(F.cross_entropy(logits, target, label_smoothing=0.1), Tensor)
assert_type(F.mse_loss(logits, logits, reduction="sum"), Tensor)
assert_type(F.binary_cross_entropy_with_logits(logits, torch.rand(4, 10)), Tensor)
assert_type(F.softmax(logits, dim=-1), Tensor)
assert_type(F.gelu(logits), Tensor)
assert_type(F.dropout(logits, p=0.5, training=True), Tensor)
assert_type(F.pad(logits, (1, 1)), Tensor)
assert_type(F.linear(torch.randn(2, 3), linear.weight, linear.bias), Tensor)
assert_type(F.conv2d(torch.randn(1, 1, 4, 4), torch.randn(1, 1, 3, 3), padding=1), Tensor)
assert_type(
    F.interpolate(torch.randn(1, 1, 4, 4), scale_factor=2, mode="bilinear", align_corners=False), Tensor
)
assert_type(
    F.scaled_dot_product_attention(
        torch.randn(1, 2, 3, 4), torch.randn(1, 2, 3, 4), torch.randn(1, 2, 3, 4), is_causal=True
    ),
    Tensor,
)
assert_type(F.normalize(logits, dim=1), Tensor)
assert_type(F.layer_norm(logits, (10,)), Tensor)
assert_type(nn.utils.parameters_to_vector(model.parameters()), Tensor)
