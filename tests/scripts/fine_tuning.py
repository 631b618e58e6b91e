"""Fine-tuning: a frozen backbone, groups with and without decay, warm-up, clipping, an average, and a checkpoint to resume from."""

import copy
import io

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.amp import GradScaler, autocast
from torch.nn.utils import clip_grad_norm_, parameters_to_vector
from torch.nn.utils.rnn import pad_sequence
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, SequentialLR
from torch.utils.data import DataLoader, Dataset, WeightedRandomSampler, random_split

torch.manual_seed(7)
torch.backends.cudnn.deterministic = True
torch.use_deterministic_algorithms(True)


class Reviews(Dataset):
    """Sequences of numbers; the class is which half of the numbers is more frequent."""

    def __init__(self, size):
        lengths = torch.randint(3, 9, (size,))
        self.texts = [torch.randint(1, 20, (int(n),)) for n in lengths]
        self.labels = [int((text > 9).float().mean() > 0.5) for text in self.texts]

    def __len__(self):
        return len(self.texts)

    def __getitem__(self, index):
        return {"text": self.texts[index], "label": self.labels[index], "name": f"review {index}"}


def collate(rows):
    texts = pad_sequence([row["text"] for row in rows], batch_first=True)
    return texts, torch.tensor([row["label"] for row in rows]), [row["name"] for row in rows]


class Classifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone = nn.ModuleDict(
            {"embed": nn.Embedding(20, 16, padding_idx=0), "norm": nn.LayerNorm(16), "mix": nn.Linear(16, 16)}
        )
        self.head = nn.Sequential(nn.Dropout(0.1), nn.Linear(16, 2))
        self.apply(self.initialise)

    @staticmethod
    def initialise(module):
        if isinstance(module, nn.Linear):
            nn.init.trunc_normal_(module.weight, std=0.02)
            nn.init.zeros_(module.bias)

    def forward(self, texts):
        mask = (texts != 0).unsqueeze(-1)
        hidden = self.backbone["norm"](self.backbone["embed"](texts))
        hidden = F.gelu(self.backbone["mix"](hidden)).masked_fill(~mask, 0)
        return self.head(hidden.sum(1) / mask.sum(1).clamp(min=1))


@torch.no_grad()
def follow(average, model, decay=0.8):
    for slow, fast in zip(average.parameters(), model.parameters()):
        slow.lerp_(fast, 1 - decay)


train, held = random_split(Reviews(120), [0.8, 0.2], generator=torch.Generator().manual_seed(1))
weights = [2.0 if train[i]["label"] else 1.0 for i in range(len(train))]
loader = DataLoader(
    train, batch_size=16, sampler=WeightedRandomSampler(weights, 96), collate_fn=collate, drop_last=True
)
model = Classifier()
for parameter in model.backbone.parameters():
    parameter.requires_grad_(False)
groups = [
    {"params": [p for p in model.parameters() if p.ndim > 1], "weight_decay": 0.1},
    {"params": [p for p in model.parameters() if p.ndim <= 1], "weight_decay": 0.0},
]
optimizer = torch.optim.AdamW(groups, lr=2e-2, betas=(0.9, 0.95))
scheduler = SequentialLR(
    optimizer, [LinearLR(optimizer, 0.1, total_iters=2), CosineAnnealingLR(optimizer, 4)], milestones=[2]
)
scaler = GradScaler("cpu", init_scale=256.0)
average = copy.deepcopy(model).eval()
criterion = nn.CrossEntropyLoss(label_smoothing=0.05, weight=torch.tensor([1.0, 0.8]))

for epoch in range(5):
    if epoch == 2:
        model.backbone.requires_grad_(True)
    model.train()
    total = 0.0
    for i, (texts, labels, names) in enumerate(loader):
        with autocast("cpu", dtype=torch.bfloat16, enabled=epoch == 0):
            loss = criterion(model(texts).float(), labels) / 2
        scaler.scale(loss).backward()
        total += loss.item()
        if i % 2:
            scaler.unscale_(optimizer)
            norm = clip_grad_norm_(model.parameters(), 1.0)
            scaler.step(optimizer)
            scaler.update()
            optimizer.zero_grad(set_to_none=True)
            follow(average, model)
    scheduler.step()
    average.eval()
    with torch.inference_mode():
        rows = [held[i] for i in range(len(held))]
        texts, labels, _ = collate(rows)
        right = (average(texts).argmax(1) == labels).float().mean()
    rates = " ".join(f"{group['lr']:.5f}" for group in optimizer.param_groups)
    print(f"epoch {epoch} loss {total:.4f} norm {norm:.3f} right {right:.3f} lr {rates}")

    # As if the program had been stopped here.
    file = io.BytesIO()
    state = {"model": model, "optimizer": optimizer, "scheduler": scheduler, "scaler": scaler}
    torch.save({name: part.state_dict() for name, part in state.items()} | {"epoch": epoch}, file)
    file.seek(0)
    checkpoint = torch.load(file, map_location="cpu", weights_only=True)
    for name, part in state.items():
        part.load_state_dict(checkpoint[name])

print(f"weights {parameters_to_vector(average.parameters()).norm():.4f}")
