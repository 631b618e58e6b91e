"""A UNet that finds discs in noise, with Dice loss and a scheduler that waits for a plateau."""

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, Dataset

torch.manual_seed(31)


class DoubleConv(nn.Sequential):
    def __init__(self, inputs, outputs):
        layers = []
        for k in (inputs, outputs):
            layers += [
                nn.Conv2d(k, outputs, 3, padding=1, bias=False),
                nn.BatchNorm2d(outputs),
                nn.ReLU(inplace=True),
            ]
        super().__init__(*layers)


class UNet(nn.Module):
    def __init__(self, channels=1, classes=1, width=8):
        super().__init__()
        self.inc, self.down1, self.down2 = (
            DoubleConv(channels, width),
            DoubleConv(width, 2 * width),
            DoubleConv(2 * width, 4 * width),
        )
        self.pool = nn.MaxPool2d(2)
        self.up1, self.conv1 = (
            nn.ConvTranspose2d(4 * width, 2 * width, 2, stride=2),
            DoubleConv(4 * width, 2 * width),
        )
        self.up2 = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)
        self.conv2, self.outc = DoubleConv(3 * width, width), nn.Conv2d(width, classes, kernel_size=1)

    def forward(self, x):
        x1 = self.inc(x)
        x2 = self.down1(self.pool(x1))
        x = self.up1(self.down2(self.pool(x2)))
        dy, dx = x2.size(2) - x.size(2), x2.size(3) - x.size(3)
        x = F.pad(x, [dx // 2, dx - dx // 2, dy // 2, dy - dy // 2])
        x = self.conv1(torch.cat([x2, x], dim=1))
        return self.outc(self.conv2(torch.cat([x1, self.up2(x)], dim=1)))


class Discs(Dataset):
    def __init__(self, count):
        y, x = torch.meshgrid(torch.arange(20), torch.arange(20), indexing="ij")
        self.places = torch.randint(5, 15, (count, 2))
        self.masks = torch.stack([((x - a) ** 2 + (y - b) ** 2 < 16).float() for a, b in self.places])

    def __len__(self):
        return len(self.places)

    def __getitem__(self, index):
        mask = self.masks[index][None]
        return {"image": mask + 0.7 * torch.randn_like(mask), "mask": mask}


def dice_loss(probability, target, epsilon=1e-6):
    inter = 2 * (probability * target).sum(dim=(-1, -2))
    return (
        1 - ((inter + epsilon) / (probability.sum(dim=(-1, -2)) + target.sum(dim=(-1, -2)) + epsilon)).mean()
    )


net, loader = UNet(), DataLoader(Discs(32), batch_size=8, shuffle=True)
optimizer = torch.optim.RMSprop(net.parameters(), lr=1e-3, weight_decay=1e-8, momentum=0.9, foreach=True)
scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, "max", patience=0)
for epoch in range(3):
    for batch in loader:
        prediction = net(batch["image"])
        loss = nn.BCEWithLogitsLoss()(prediction, batch["mask"]) + dice_loss(
            torch.sigmoid(prediction), batch["mask"]
        )
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        print(f"epoch {epoch} loss {loss.item():.6f}")
    with torch.no_grad():
        score = 1 - dice_loss((torch.sigmoid(prediction) > 0.5).float(), batch["mask"]).item()
    scheduler.step(1.0 - epoch)
    print(f"lr {optimizer.param_groups[0]['lr']:.6f}")
