"""A siamese network that learns with triplets and with pairs which shapes are alike."""

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.optim.lr_scheduler import ExponentialLR
from torch.utils.data import DataLoader, Dataset

torch.manual_seed(7)


class Triplets(Dataset):
    """An anchor, a picture of the same class and one of another."""

    def __init__(self, count):
        self.prototypes = torch.randn(4, 1, 10, 10)
        self.labels = torch.randint(4, (count,))

    def picture(self, label):
        return self.prototypes[label] + 0.5 * torch.randn(1, 10, 10)

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index):
        label = self.labels[index].item()
        return self.picture(label), self.picture(label), self.picture((label + 1) % 4)


class ContrastiveLoss(nn.Module):
    def __init__(self, margin=1.0):
        super().__init__()
        self.margin = margin

    def forward(self, a, b, different):
        distance = F.pairwise_distance(a, b, keepdim=True)
        near = (1 - different) * torch.pow(distance, 2)
        return torch.mean(near + different * torch.pow(torch.clamp(self.margin - distance, min=0.0), 2))


class SiameseNetwork(nn.Module):
    def __init__(self):
        super().__init__()
        self.cnn = nn.Sequential(nn.ReflectionPad2d(1), nn.Conv2d(1, 4, 3), nn.PReLU(), nn.InstanceNorm2d(4))
        self.fc = nn.Sequential(nn.Linear(4 * 100, 32), nn.ELU(inplace=True), nn.Linear(32, 5))

    def forward(self, *images):
        return [F.normalize(self.fc(self.cnn(x).flatten(1)), dim=1) for x in images]


net, contrastive, triplet = SiameseNetwork(), ContrastiveLoss(), nn.TripletMarginLoss(margin=0.5)
optimizer = torch.optim.RMSprop(net.parameters(), lr=1e-3)
scheduler = ExponentialLR(optimizer, gamma=0.8)
for epoch in range(3):
    for anchor, positive, negative in DataLoader(Triplets(48), batch_size=12):
        a, p, n = net(anchor, positive, negative)
        pairs = contrastive(
            torch.cat([a, a]), torch.cat([p, n]), torch.tensor([0.0, 1.0]).repeat_interleave(len(a))[:, None]
        )
        loss = pairs + triplet(a, p, n) + nn.CosineEmbeddingLoss()(a, p, torch.ones(len(a)))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        print(f"epoch {epoch} pairs {pairs.item():.6f} loss {loss.item():.6f}")
    scheduler.step()
