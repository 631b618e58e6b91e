"""An agent learns to balance a pole on a cart, from nothing but how long it stayed up (REINFORCE).

The cart and the pole are the classic ones (Barto, Sutton, Anderson, 1983), written from their equations of
motion; many carts run at once, as rows of one tensor.
"""

from __future__ import annotations

import math
from pathlib import Path

from running import Checkpoint, EarlyStopping, options
from tqdm import tqdm

import rustnn as torch
from rustnn import nn, optim

SETTINGS = {
    "epochs": 100,
    "batch": 16,
    "rate": 1e-2,
    "hidden": 32,
    "discount": 0.99,
    "limit": 300,
    "patience": 10,
    "out": Path("demo/cartpole.pth"),
}
QUICK = {"epochs": 3, "batch": 4, "limit": 40}


class CartPoles:
    """``count`` carts with a pole each; a state (count, 4) is position, speed, angle, speed of the angle.

    A step pushes every cart to the right (1) or to the left (0) for 1/50 s. A cart has failed when it is more
    than 2.4 m from the middle or its pole has fallen by more than 12 degrees.
    """

    GRAVITY, CART, POLE, HALF_LENGTH, FORCE, TIME = 9.8, 1.0, 0.1, 0.5, 10.0, 0.02

    def __init__(self, count: int, device: torch.device) -> None:
        self.state = (torch.rand(count, 4) * 0.1 - 0.05).to(device)

    def step(self, right: torch.Tensor) -> torch.Tensor:
        """Move all; which of them are still up."""
        x, speed, angle, turning = self.state.unbind(1)
        force = (right * 2 - 1) * self.FORCE
        mass = self.CART + self.POLE
        sine, cosine = angle.sin(), angle.cos()
        push = (force + self.POLE * self.HALF_LENGTH * turning.square() * sine) / mass
        inertia = self.HALF_LENGTH * (4 / 3 - self.POLE * cosine.square() / mass)
        fall = (self.GRAVITY * sine - cosine * push) / inertia
        acceleration = push - self.POLE * self.HALF_LENGTH * fall * cosine / mass
        self.state = torch.stack(
            [
                x + self.TIME * speed,
                speed + self.TIME * acceleration,
                angle + self.TIME * turning,
                turning + self.TIME * fall,
            ],
            1,
        )
        up: torch.Tensor = (self.state[:, 0].abs() <= 2.4) & (self.state[:, 2].abs() <= math.radians(12))
        return up


def play(policy: nn.Module, count: int, limit: int, explore: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Play ``count`` games of at most ``limit`` steps.

    The logarithm of the probability of each choice, and whether the game was still on: both (steps, count).
    """
    device = next(policy.parameters()).device
    carts = CartPoles(count, device)
    alive = torch.ones(count, dtype=torch.bool, device=device)
    chosen, going = [], []
    for _ in range(limit):
        score = policy(carts.state).squeeze(1)
        threshold = torch.rand(count) if explore else torch.full((count,), 0.5)
        right = (threshold.to(device) < score.detach().sigmoid()).float()
        chosen.append(-nn.functional.binary_cross_entropy_with_logits(score, right, reduction="none"))
        going.append(alive)
        alive = alive & carts.step(right)
        if not alive.any():
            break
    return torch.stack(chosen), torch.stack(going).float()


def returns(going: torch.Tensor, discount: float) -> torch.Tensor:
    """What follows each step: one point a step that the game was on, later ones counting less."""
    rows = []
    following = torch.zeros_like(going[0])
    for row in going.flip(0):
        following = row + discount * following
        rows.append(following)
    return torch.stack(rows[::-1])


def main() -> None:
    args = options(__doc__ or "", SETTINGS, QUICK)
    policy = nn.Sequential(nn.Linear(4, args.hidden), nn.Tanh(), nn.Linear(args.hidden, 1)).to(args.device)
    optimizer = optim.Adam(policy.parameters(), lr=args.rate)
    stopping = EarlyStopping(args.patience)
    checkpoint = Checkpoint(args.checkpoint, policy=policy, optimizer=optimizer, stopping=stopping)
    first = checkpoint.resume() + 1 if args.resume else 1
    for epoch in tqdm(range(first, args.epochs + 1), leave=False):
        chosen, going = play(policy, args.batch, args.limit, explore=True)
        gain = returns(going, args.discount)
        # Better or worse than the games of this epoch were on average at this step.
        baseline = (gain * going).sum(1, keepdim=True) / going.sum(1, keepdim=True)
        advantage = (gain - baseline) * going
        advantage = advantage / (advantage.square().sum() / going.sum()).sqrt().clamp(min=1e-6)
        loss = -(chosen * advantage).sum() / going.sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        lasted = going.sum().item() / args.batch
        with torch.no_grad():
            judged = play(policy, 20, args.limit, explore=False)[1].sum().item() / 20
        if epoch <= 5 or epoch % 10 == 0:
            print(
                f"epoch {epoch}: loss {loss.item():.4f}, {lasted:.1f} steps, without exploring {judged:.1f}"
            )
        done = stopping.enough(-judged, policy) and judged >= args.limit
        checkpoint.save(epoch)
        if done:
            print(f"epoch {epoch}: it stays up for all {args.limit} steps, {args.patience} times in a row")
            break
    policy.load_state_dict(stopping.weights)
    with torch.no_grad():
        judged = play(policy, 100, args.limit, explore=False)[1].sum().item() / 100
    print(f"100 new games: {judged:.1f} steps of {args.limit}")
    args.out.parent.mkdir(parents=True, exist_ok=True)
    torch.save(policy.state_dict(), args.out)


if __name__ == "__main__":
    main()
