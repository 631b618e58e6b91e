"""A small GPT learns to write Python's documentation, character by character.

The model is models/gpt.py. It is trained on pieces of a text with AdamW and warm-up, judged by the last tenth
of the text, and writes something of its own after every epoch.
"""

from __future__ import annotations

import math
from pathlib import Path

from characters import Alphabet, Windows, read_text
from models.gpt import GPT
from running import Checkpoint, EarlyStopping, options
from tqdm import tqdm

import rustnn as torch
from rustnn import nn, optim
from rustnn.utils.data import DataLoader

SETTINGS = {
    "text": "python",
    "epochs": 6,
    "batch": 32,
    "rate": 1e-3,
    "context": 64,
    "width": 128,
    "heads": 4,
    "layers": 4,
    "patience": 2,
    "write": 200,
    "out": Path("demo/char_gpt.pth"),
}
QUICK = {"epochs": 2, "batch": 4, "context": 16, "width": 32, "heads": 2, "layers": 2, "write": 24}


def held_out_loss(model: nn.Module, loader: DataLoader, device: torch.device) -> float:
    """The mean cross-entropy of a character, in nats."""
    model.eval()
    total = 0.0
    with torch.no_grad():
        for x, y in loader:
            scores = model(x.to(device))
            total += nn.functional.cross_entropy(scores.flatten(0, 1), y.to(device).flatten()).item()
    model.train()
    return total / len(loader)


def main() -> None:
    args = options(__doc__ or "", SETTINGS, QUICK)
    text = read_text(args.text)
    if args.quick:
        text = text[:2000]
    alphabet = Alphabet(text)
    numbers = alphabet.encode(text)
    border = len(numbers) * 9 // 10
    loader = DataLoader(Windows(numbers[:border], args.context), args.batch, shuffle=True, drop_last=True)
    held_out = DataLoader(Windows(numbers[border:], args.context), args.batch)
    print(f"{len(text)} characters, {len(alphabet)} different ones")
    print(f"guessing blindly costs {math.log(len(alphabet)):.3f}")

    model = GPT(len(alphabet), args.context, args.width, args.heads, args.layers).to(args.device)
    optimizer = optim.AdamW(model.parameters(), lr=args.rate, weight_decay=0.1)
    steps = args.epochs * len(loader)

    def rate(step: int) -> float:
        """Up in a straight line, then down along a cosine to a tenth."""
        warm = min(1.0, (step + 1) / min(100, steps / 10))
        return warm * (0.55 + 0.45 * math.cos(math.pi * step / steps))

    scheduler = optim.lr_scheduler.LambdaLR(optimizer, rate)
    stopping = EarlyStopping(args.patience)
    checkpoint = Checkpoint(
        args.checkpoint, model=model, optimizer=optimizer, scheduler=scheduler, stopping=stopping
    )
    first = checkpoint.resume() + 1 if args.resume else 1
    for epoch in range(first, args.epochs + 1):
        total = 0.0
        for x, y in tqdm(loader, desc=f"epoch {epoch}", leave=False):
            optimizer.zero_grad()
            scores = model(x.to(args.device))
            loss = nn.functional.cross_entropy(scores.flatten(0, 1), y.to(args.device).flatten())
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            scheduler.step()
            total += loss.item()
        judged = held_out_loss(model, held_out, args.device)
        print(f"epoch {epoch}: loss {total / len(loader):.4f}, held out {judged:.4f}")
        start = alphabet.encode("The ").unsqueeze(0).to(args.device)
        written = model.generate(start, args.write, temperature=0.8)
        print("    " + alphabet.decode(written[0]).replace("\n", "\n    "))
        done = stopping.enough(judged, model)
        checkpoint.save(epoch)
        if done:
            print(f"no better for {args.patience} epochs: enough")
            break
    model.load_state_dict(stopping.weights)
    print(f"the best epoch had {stopping.best:.4f}, {math.exp(stopping.best):.2f} characters to choose from")
    args.out.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"alphabet": alphabet.characters, "model": model.state_dict()}, args.out)


if __name__ == "__main__":
    main()
