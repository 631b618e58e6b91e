"""A vision transformer on coloured patches, with cosine schedule, label smoothing and mixup."""

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split

torch.manual_seed(21)


class PatchEmbedding(nn.Module):
    def __init__(self, size=12, patch=4, dim=24):
        super().__init__()
        self.proj = nn.Conv2d(3, dim, kernel_size=patch, stride=patch)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, dim))
        self.pos_embed = nn.Parameter(
            nn.init.trunc_normal_(torch.empty(1, (size // patch) ** 2 + 1, dim), std=0.02)
        )

    def forward(self, x):
        x = self.proj(x).flatten(2).transpose(1, 2)
        return torch.cat((self.cls_token.expand(x.shape[0], -1, -1), x), dim=1) + self.pos_embed


class Block(nn.Module):
    def __init__(self, dim=24, heads=4, drop=0.1):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(dim, eps=1e-6), nn.LayerNorm(dim, eps=1e-6)
        self.attn = nn.MultiheadAttention(dim, heads, dropout=drop, batch_first=True)
        self.mlp = nn.Sequential(
            nn.Linear(dim, 2 * dim), nn.GELU(), nn.Dropout(drop), nn.Linear(2 * dim, dim)
        )

    def forward(self, x):
        y = self.norm1(x)
        x = x + self.attn(y, y, y, need_weights=False)[0]
        return x + self.mlp(self.norm2(x))


class ViT(nn.Module):
    def __init__(self, classes=3, depth=2):
        super().__init__()
        self.patches, self.blocks = PatchEmbedding(), nn.Sequential(*[Block() for _ in range(depth)])
        self.norm, self.head = nn.LayerNorm(24), nn.Linear(24, classes)

    def forward(self, x):
        return self.head(self.norm(self.blocks(self.patches(x)))[:, 0])


labels = torch.randint(0, 3, (96,))
images = torch.randn(96, 3, 12, 12) + 2 * F.one_hot(labels, 3)[:, :, None, None]
train, val = random_split(TensorDataset(images, labels), [72, 24], generator=torch.Generator().manual_seed(0))
model = ViT()
print("parameters", sum(p.numel() for p in model.parameters() if p.requires_grad))
optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.05)
scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=2e-3, total_steps=12)
criterion = nn.CrossEntropyLoss(label_smoothing=0.1)
for epoch in range(4):
    model.train()
    for x, y in DataLoader(train, batch_size=24, shuffle=True, drop_last=True):
        order, share = torch.randperm(len(x)), 0.8
        output = model(share * x + (1 - share) * x[order])
        loss = share * criterion(output, y) + (1 - share) * criterion(output, y[order])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()
        print(f"epoch {epoch} lr {scheduler.get_last_lr()[0]:.6f} loss {loss.item():.6f}")
    model.eval()
    with torch.no_grad():
        x, y = next(iter(DataLoader(val, batch_size=24)))
        output = model(x)
        print(
            f"val loss {F.cross_entropy(output, y).item():.6f} top {output.softmax(-1).max(-1).values.mean().item():.5f}"
        )
