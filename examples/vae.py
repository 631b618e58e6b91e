"""A variational autoencoder learns what digits look like, and invents some.

The model is models/vae.py: 784 pixels through a code of a few numbers and back. Held-out digits judge it.
"""

from __future__ import annotations

from pathlib import Path

from digit_images import read_digits
from models.vae import VAE
from running import Checkpoint, EarlyStopping, options, picture_grid
from tqdm import tqdm

import rustnn as torch
from rustnn import optim
from rustnn.utils.data import DataLoader, TensorDataset

SETTINGS = {
    "epochs": 40,
    "batch": 64,
    "rate": 1e-3,
    "hidden": 400,
    "code": 20,
    "patience": 5,
    "out": Path("demo/vae.png"),
}
QUICK = {"epochs": 2, "batch": 16, "hidden": 32, "code": 4}


def main() -> None:
    args = options(__doc__ or "", SETTINGS, QUICK)
    images, _ = read_digits()
    pixels = images[:500].flatten(1) if args.quick else images.flatten(1)
    border = len(pixels) // 5
    held_out = pixels[:border].to(args.device)
    loader = DataLoader(TensorDataset(pixels[border:]), args.batch, shuffle=True)

    model = VAE(784, args.hidden, args.code).to(args.device)
    optimizer = optim.Adam(model.parameters(), lr=args.rate)
    stopping = EarlyStopping(args.patience)
    checkpoint = Checkpoint(args.checkpoint, model=model, optimizer=optimizer, stopping=stopping)
    first = checkpoint.resume() + 1 if args.resume else 1
    for epoch in range(first, args.epochs + 1):
        model.train()
        total = 0.0
        for (batch,) in tqdm(loader, desc=f"epoch {epoch}", leave=False):
            x = batch.to(args.device)
            optimizer.zero_grad()
            scores, mean, log_variance = model(x)
            loss = model.loss(scores, mean, log_variance, x)
            loss.backward()
            optimizer.step()
            total += loss.item()
        model.eval()
        with torch.no_grad():
            scores, mean, log_variance = model(held_out)
            judged = model.loss(scores, mean, log_variance, held_out).item() / border
        print(
            f"epoch {epoch}: loss {total / (len(pixels) - border):.3f} nats an image, held out {judged:.3f}"
        )
        done = stopping.enough(judged, model)
        checkpoint.save(epoch)
        if done:
            print(f"no better for {args.patience} epochs: enough")
            break
    model.load_state_dict(stopping.weights)
    print(f"the best epoch had {stopping.best:.3f}")

    with torch.no_grad():
        again = model(held_out[:12])[0].sigmoid()
        invented = model.decoder(torch.randn(36, args.code).to(args.device)).sigmoid()
    sheet = torch.cat([held_out[:12], again, invented]).view(-1, 1, 28, 28)
    picture_grid(sheet, args.out, 12, "held-out digits, the same from their code, and invented ones")


if __name__ == "__main__":
    main()
