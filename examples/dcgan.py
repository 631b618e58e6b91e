"""Two networks play: one draws digits, the other tells them from real ones.

The models are models/dcgan.py, small. There is no loss to minimise, so what is watched is how often the judge
is right about real and drawn digits; the drawings are the validation. A judge that is always right teaches
nothing: it learns more slowly, sees through noise, and is told that real digits are real by nine tenths only.
"""

from __future__ import annotations

from pathlib import Path

from digit_images import read_digits
from models.dcgan import Discriminator, Generator
from running import Checkpoint, options, picture_grid
from tqdm import tqdm

import rustnn as torch
from rustnn import nn, optim
from rustnn.utils.data import DataLoader, TensorDataset

SETTINGS = {
    "epochs": 12,
    "batch": 50,
    "rate": 4e-4,
    "blur": 0.2,
    "noise": 64,
    "width": 16,
    "out": Path("demo/dcgan.png"),
}
QUICK = {"epochs": 2, "batch": 8, "noise": 8, "width": 2}


def main() -> None:
    args = options(__doc__ or "", SETTINGS, QUICK)
    images, _ = read_digits()
    if args.quick:
        images = images[:32]
    images = nn.functional.interpolate(images, size=(64, 64), mode="bilinear", align_corners=False) * 2 - 1
    loader = DataLoader(TensorDataset(images), args.batch, shuffle=True, drop_last=True)

    drawer = Generator(args.noise, args.width, channels=1).to(args.device)
    judge = Discriminator(args.width, channels=1).to(args.device)
    drawer_steps = optim.Adam(drawer.parameters(), lr=args.rate, betas=(0.5, 0.999))
    judge_steps = optim.Adam(judge.parameters(), lr=args.rate / 4, betas=(0.5, 0.999))
    criterion = nn.BCEWithLogitsLoss()
    same_noise = torch.randn(48, args.noise, 1, 1).to(args.device)
    real_label = torch.ones(args.batch).to(args.device)
    drawn_label = torch.zeros(args.batch).to(args.device)
    checkpoint = Checkpoint(
        args.checkpoint, drawer=drawer, judge=judge, drawer_steps=drawer_steps, judge_steps=judge_steps
    )
    first = checkpoint.resume() + 1 if args.resume else 1
    for epoch in range(first, args.epochs + 1):
        judge_total = drawer_total = right = 0.0
        for (batch,) in tqdm(loader, desc=f"epoch {epoch}", leave=False):
            real = batch.to(args.device)
            drawn = drawer(torch.randn(args.batch, args.noise, 1, 1).to(args.device))
            blur = args.blur * torch.randn(2, *real.shape).to(args.device)

            judge_steps.zero_grad()
            real_score, drawn_score = judge(real + blur[0]), judge(drawn.detach() + blur[1])
            judge_loss = criterion(real_score, 0.9 * real_label) + criterion(drawn_score, drawn_label)
            judge_loss.backward()
            judge_steps.step()

            drawer_steps.zero_grad()
            drawer_loss = criterion(judge(drawn + blur[1]), real_label)
            drawer_loss.backward()
            drawer_steps.step()

            judge_total += judge_loss.item()
            drawer_total += drawer_loss.item()
            right += ((real_score > 0).float().mean() + (drawn_score < 0).float().mean()).item() / 2
        steps = len(loader)
        print(
            f"epoch {epoch}: loss of the judge {judge_total / steps:.4f}, of the drawer "
            f"{drawer_total / steps:.4f}, the judge is right in {right / steps:.1%}"
        )
        checkpoint.save(epoch)

    drawer.eval()
    with torch.no_grad():
        drawn = drawer(same_noise)
    picture_grid((drawn + 1) / 2, args.out, 12, "drawn by the generator")


if __name__ == "__main__":
    main()
