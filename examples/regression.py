"""A regression on a real table: how far diabetes goes in a year, from ten measurements of 442 patients.

A small network against the best straight line. The table is split into patients to learn from, to stop early
by, and to judge by.
"""

from __future__ import annotations

from pathlib import Path

from running import Checkpoint, EarlyStopping, options
from tqdm import tqdm

import rustnn as torch
from rustnn import nn, optim
from rustnn.datasets import diabetes, read_csv
from rustnn.utils.data import DataLoader, TensorDataset, random_split

SETTINGS = {
    "csv": "",
    "target": "",
    "epochs": 200,
    "batch": 32,
    "rate": 2e-3,
    "hidden": 32,
    "patience": 20,
    "out": Path("demo/regression.pth"),
}
QUICK = {"epochs": 3, "hidden": 8}


def main() -> None:
    args = options(__doc__ or "", SETTINGS, QUICK)
    try:
        table = read_csv(args.csv, args.target) if args.csv else diabetes()
    except (RuntimeError, ValueError) as error:
        raise SystemExit(str(error)) from None
    assert table.targets is not None, "--csv needs --target COLUMN"
    x = torch.from_numpy(table.data.numpy())
    y = torch.from_numpy(table.targets.numpy()).float().unsqueeze(1)
    print(f"{len(x)} rows of {', '.join(table.columns)}")

    count = len(x)
    parts = random_split(TensorDataset(x, y), [count - 2 * (count // 5), count // 5, count // 5])
    (x_train, y_train), (x_stop, y_stop), (x_test, y_test) = (
        (x[torch.tensor(part.indices)], y[torch.tensor(part.indices)]) for part in parts
    )
    # Columns of one scale, by what is learnt from: the others must not be looked at.
    mean, scale = x_train.mean(0), x_train.std(0)
    x_train, x_stop, x_test = ((part - mean) / scale for part in (x_train, x_stop, x_test))
    middle, spread = y_train.mean(), y_train.std()

    ones = torch.ones(len(x_train), 1)
    line = torch.linalg.lstsq(torch.cat([x_train, ones], 1), y_train).solution
    straight = torch.cat([x_test, torch.ones(len(x_test), 1)], 1) @ line
    print(f"root mean squared error of the mean: {(y_test - middle).square().mean().sqrt().item():.2f}")
    print(f"of the best straight line:           {(y_test - straight).square().mean().sqrt().item():.2f}")

    model = nn.Sequential(
        nn.Linear(x.shape[1], args.hidden),
        nn.SiLU(),
        nn.Linear(args.hidden, args.hidden),
        nn.SiLU(),
        nn.Linear(args.hidden, 1),
    ).to(args.device)
    criterion = nn.SmoothL1Loss()
    optimizer = optim.AdamW(model.parameters(), lr=args.rate, weight_decay=0.1)
    stopping = EarlyStopping(args.patience)
    checkpoint = Checkpoint(args.checkpoint, model=model, optimizer=optimizer, stopping=stopping)
    loader = DataLoader(TensorDataset(x_train, (y_train - middle) / spread), args.batch, shuffle=True)
    first = checkpoint.resume() + 1 if args.resume else 1
    for epoch in tqdm(range(first, args.epochs + 1), leave=False):
        total = 0.0
        for inputs, targets in loader:
            optimizer.zero_grad()
            loss = criterion(model(inputs.to(args.device)), targets.to(args.device))
            loss.backward()
            optimizer.step()
            total += loss.item()
        with torch.no_grad():
            guesses = model(x_stop.to(args.device)).cpu() * spread + middle
        judged = (guesses - y_stop).square().mean().sqrt().item()
        if epoch <= 3 or epoch % 10 == 0:
            print(f"epoch {epoch}: loss {total / len(loader):.4f}, held out {judged:.2f}")
        done = stopping.enough(judged, model)
        checkpoint.save(epoch)
        if done:
            print(f"epoch {epoch}: no better for {args.patience} epochs: enough")
            break
    model.load_state_dict(stopping.weights)
    with torch.no_grad():
        guesses = model(x_test.to(args.device)).cpu() * spread + middle
    print(f"of the network:                      {(guesses - y_test).square().mean().sqrt().item():.2f}")
    args.out.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"model": model.state_dict(), "mean": mean, "scale": scale}, args.out)


if __name__ == "__main__":
    main()
