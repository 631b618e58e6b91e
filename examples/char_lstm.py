"""An LSTM learns to write Python's documentation, character by character.

The model is models/lstm_language_model.py. The text is read from its start to its end in parallel strands,
and the state is carried from each piece to the next: gradients go back one piece, memory further.
"""

from __future__ import annotations

import math
from pathlib import Path

from characters import Alphabet, read_text
from models.lstm_language_model import LSTMLanguageModel
from running import Checkpoint, EarlyStopping, options
from tqdm import tqdm

import rustnn as torch
from rustnn import nn, optim

SETTINGS = {
    "text": "python",
    "epochs": 6,
    "batch": 32,
    "rate": 4e-3,
    "context": 64,
    "width": 192,
    "layers": 2,
    "dropout": 0.1,
    "patience": 2,
    "write": 200,
    "out": Path("demo/char_lstm.pth"),
}
QUICK = {"epochs": 2, "batch": 4, "context": 16, "width": 32, "dropout": 0.0, "write": 24}


def strands(numbers: torch.Tensor, count: int, length: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """The text cut into ``count`` strands side by side, in pieces of ``length`` with their targets."""
    run = (len(numbers) - 1) // count
    x = numbers[: count * run].view(count, run)
    y = numbers[1 : count * run + 1].view(count, run)
    return [(x[:, i : i + length], y[:, i : i + length]) for i in range(0, run - length + 1, length)]


def write(model: LSTMLanguageModel, alphabet: Alphabet, count: int, device: torch.device) -> str:
    """``count`` characters, each drawn by the model's probabilities and given back to it."""
    model.eval()
    token, state, drawn = alphabet.encode("T").view(1, 1).to(device), None, ["T"]
    with torch.no_grad():
        for _ in range(count):
            scores, state = model(token, state)
            token = torch.multinomial(nn.functional.softmax(scores[:, -1] / 0.8, dim=-1), 1)
            drawn.append(alphabet.decode(token[0]))
    model.train()
    return "".join(drawn)


def main() -> None:
    args = options(__doc__ or "", SETTINGS, QUICK)
    text = read_text(args.text)
    if args.quick:
        text = text[:2000]
    alphabet = Alphabet(text)
    numbers = alphabet.encode(text).to(args.device)
    border = len(numbers) * 9 // 10
    pieces = strands(numbers[:border], args.batch, args.context)
    held_out = strands(numbers[border:], args.batch, args.context)
    print(f"{len(text)} characters, {len(alphabet)} different ones")
    print(f"guessing blindly costs {math.log(len(alphabet)):.3f}")

    model = LSTMLanguageModel(len(alphabet), args.width, args.layers, args.dropout)
    # The table serves as the output too: with PyTorch's N(0, 1) it would be far too sure of itself.
    nn.init.normal_(model.embedding.weight, std=args.width**-0.5)
    model.to(args.device)
    optimizer = optim.Adam(model.parameters(), lr=args.rate)
    scheduler = optim.lr_scheduler.LambdaLR(optimizer, lambda epoch: 1 - epoch / args.epochs)
    stopping = EarlyStopping(args.patience)
    checkpoint = Checkpoint(
        args.checkpoint, model=model, optimizer=optimizer, scheduler=scheduler, stopping=stopping
    )
    first = checkpoint.resume() + 1 if args.resume else 1
    for epoch in range(first, args.epochs + 1):
        total, state = 0.0, None
        for x, y in tqdm(pieces, desc=f"epoch {epoch}", leave=False):
            optimizer.zero_grad()
            scores, state = model(x, state)
            state = (state[0].detach(), state[1].detach())
            loss = nn.functional.cross_entropy(scores.flatten(0, 1), y.flatten())
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            total += loss.item()
        scheduler.step()

        model.eval()
        judged, state = 0.0, None
        with torch.no_grad():
            for x, y in held_out:
                scores, state = model(x, state)
                judged += nn.functional.cross_entropy(scores.flatten(0, 1), y.flatten()).item()
        judged /= len(held_out)
        model.train()
        print(f"epoch {epoch}: loss {total / len(pieces):.4f}, held out {judged:.4f}")
        print("    " + write(model, alphabet, args.write, args.device).replace("\n", "\n    "))
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
