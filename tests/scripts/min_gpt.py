"""A GPT that learns to sort digits, with decay only for matrices, warm-up and sampling."""

import math

import torch
import torch.nn as nn
from torch.nn import functional as F

torch.manual_seed(1337)
block_size, vocab, n_embd, n_head = 11, 4, 24, 3


class CausalSelfAttention(nn.Module):
    def __init__(self):
        super().__init__()
        self.c_attn, self.c_proj = nn.Linear(n_embd, 3 * n_embd), nn.Linear(n_embd, n_embd)
        self.attn_dropout = nn.Dropout(0.1)
        self.register_buffer(
            "bias", torch.tril(torch.ones(block_size, block_size)).view(1, 1, block_size, block_size)
        )

    def forward(self, x):
        B, T, C = x.size()
        q, k, v = (
            t.view(B, T, n_head, C // n_head).transpose(1, 2) for t in self.c_attn(x).split(n_embd, dim=2)
        )
        att = (q @ k.transpose(-2, -1)) * (1.0 / math.sqrt(k.size(-1)))
        att = F.softmax(att.masked_fill(self.bias[:, :, :T, :T] == 0, float("-inf")), dim=-1)
        return self.c_proj((self.attn_dropout(att) @ v).transpose(1, 2).contiguous().view(B, T, C))


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.ln_1, self.ln_2, self.attn = nn.LayerNorm(n_embd), nn.LayerNorm(n_embd), CausalSelfAttention()
        self.mlp = nn.ModuleDict(
            dict(c_fc=nn.Linear(n_embd, 4 * n_embd), c_proj=nn.Linear(4 * n_embd, n_embd), act=nn.GELU())
        )

    def forward(self, x):
        x = x + self.attn(self.ln_1(x))
        return x + self.mlp.c_proj(self.mlp.act(self.mlp.c_fc(self.ln_2(x))))


wte, wpe, head = (
    nn.Embedding(vocab, n_embd),
    nn.Embedding(block_size, n_embd),
    nn.Linear(n_embd, vocab, bias=False),
)
blocks, ln_f = nn.Sequential(Block(), Block()), nn.LayerNorm(n_embd)
model = nn.ModuleDict(dict(wte=wte, wpe=wpe, blocks=blocks, ln_f=ln_f, head=head))
for name, p in model.named_parameters():
    if p.dim() >= 2:
        torch.nn.init.normal_(p, mean=0.0, std=0.02 / (math.sqrt(4) if name.endswith("c_proj.weight") else 1))
decay = [p for p in model.parameters() if p.dim() >= 2]
groups = [
    {"params": decay, "weight_decay": 0.1},
    {"params": [p for p in model.parameters() if p.dim() < 2], "weight_decay": 0.0},
]
optimizer = torch.optim.AdamW(groups, lr=3e-3, betas=(0.9, 0.95))
schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(1.0, (step + 1) / 5))


def forward(idx, targets=None):
    x = wte(idx) + wpe(torch.arange(idx.size(1), device=idx.device))
    logits = head(ln_f(blocks(x)))
    return logits, None if targets is None else F.cross_entropy(
        logits.view(-1, vocab), targets.view(-1), ignore_index=-1
    )


for step in range(14):
    numbers = torch.randint(vocab, (24, 6))
    cat = torch.cat((numbers, torch.sort(numbers)[0]), dim=1)
    x, y = cat[:, :-1].clone(), cat[:, 1:].clone()
    y[:, :5] = -1
    logits, loss = forward(x, y)
    model.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    schedule.step()
    print(f"step {step} loss {loss.item():.6f}")
model.eval()
with torch.no_grad():
    idx = torch.randint(vocab, (2, 6))
    for _ in range(6):
        logits = forward(idx)[0][:, -1, :] / 0.8
        logits[logits < torch.topk(logits, 3)[0][:, [-1]]] = -float("Inf")
        print("logits", " ".join(f"{v:.4f}" for v in F.softmax(logits, dim=-1).flatten().tolist()))
        idx = torch.cat((idx, torch.argmax(logits, dim=-1, keepdim=True)), dim=1)
