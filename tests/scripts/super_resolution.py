"""Super resolution with an efficient sub-pixel network."""

from math import log10

import torch
import torch.nn as nn
import torch.nn.init as init
import torch.optim as optim
from torch.utils.data import DataLoader, Dataset

torch.manual_seed(123)


class Waves(Dataset):
    """Pairs of a small and a large picture of waves."""

    def __init__(self, count):
        self.numbers = torch.rand(count, 4)

    def __getitem__(self, index):
        a, b, c, d = self.numbers[index]
        y, x = torch.meshgrid(torch.linspace(0, 6, 16), torch.linspace(0, 6, 16), indexing="ij")
        target = (0.5 + 0.5 * torch.sin(a * 3 * x + b * 3 * y + 6 * c) * (0.5 + d / 2)).unsqueeze(0)
        return nn.functional.avg_pool2d(target, 2), target

    def __len__(self):
        return len(self.numbers)


class Net(nn.Module):
    def __init__(self, upscale_factor):
        super().__init__()
        self.relu = nn.ReLU()
        self.conv1 = nn.Conv2d(1, 16, (5, 5), (1, 1), (2, 2))
        self.conv2 = nn.Conv2d(16, 8, (3, 3), (1, 1), (1, 1))
        self.conv3 = nn.Conv2d(8, upscale_factor**2, (3, 3), (1, 1), (1, 1))
        self.pixel_shuffle = nn.PixelShuffle(upscale_factor)
        for conv in (self.conv1, self.conv2):
            init.orthogonal_(conv.weight, init.calculate_gain("relu"))
        init.orthogonal_(self.conv3.weight)

    def forward(self, x):
        x = self.relu(self.conv2(self.relu(self.conv1(x))))
        return self.pixel_shuffle(self.conv3(x))


model, criterion = Net(2), nn.MSELoss()
optimizer = optim.Adam(model.parameters(), lr=0.005)
for epoch in range(1, 5):
    epoch_loss = 0
    for inputs, target in DataLoader(Waves(32), batch_size=8, shuffle=True):
        optimizer.zero_grad()
        loss = criterion(model(inputs), target)
        epoch_loss += loss.item()
        loss.backward()
        optimizer.step()
    print(f"Epoch {epoch} Avg. Loss: {epoch_loss / 4:.6f}")
with torch.no_grad():
    psnr = [10 * log10(1 / criterion(model(a), b).item()) for a, b in DataLoader(Waves(8), batch_size=4)]
print(f"Avg. PSNR: {sum(psnr) / len(psnr):.4f} dB")
