"""Tutorial, chapter 6: losses. One number that says how wrong the outputs are: where `backward` starts."""

from __future__ import annotations

import rustnn as torch
from rustnn import nn

print("For numbers: how far off?")
guess = torch.tensor([2.5, 0.0, 2.0, 8.0], requires_grad=True)
truth = torch.tensor([3.0, -0.5, 2.0, 3.0])
for criterion in (nn.MSELoss(), nn.L1Loss(), nn.SmoothL1Loss(), nn.HuberLoss(delta=2.0)):
    loss = criterion(guess, truth)
    (gradient,) = torch.autograd.grad(loss, guess)
    slopes = [round(slope, 3) for slope in gradient.tolist()]
    print(f"  {type(criterion).__name__:13} {loss.item():.4f}   pulls by {slopes}")
print("  the squared error is ruled by the one that is far off, the others are not")

print("\nFor classes: CrossEntropyLoss takes raw scores, the softmax is within it.")
scores = torch.tensor([[2.0, 0.5, -1.0], [0.1, 0.2, 0.3]])
labels = torch.tensor([0, 2])
loss = nn.CrossEntropyLoss()(scores, labels)
by_hand = -torch.log_softmax(scores, dim=1)[torch.arange(2), labels].mean()
print(f"  {loss.item():.4f}, and by hand {by_hand.item():.4f}")
print("  one by one:", nn.CrossEntropyLoss(reduction="none")(scores, labels))
print(f"  a guess among three would have {torch.tensor(3.0).log().item():.4f}")
weights = torch.tensor([1.0, 1.0, 5.0])
print(f"  class 2 five times as important: {nn.CrossEntropyLoss(weight=weights)(scores, labels).item():.4f}")
print(f"  labels smoothed: {nn.CrossEntropyLoss(label_smoothing=0.1)(scores, labels).item():.4f}")

print(
    "\nFor yes or no: BCELoss takes probabilities, BCEWithLogitsLoss raw scores, and is the safer of the two."
)
answers = torch.tensor([1.0, 0.0, 1.0])
for size in (2.0, 200.0):
    raw = torch.tensor([1.0, -0.5, -1.0]) * size
    plain, logits = nn.BCELoss()(raw.sigmoid(), answers), nn.BCEWithLogitsLoss()(raw, answers)
    print(f"  scores of {size:5}: {plain.item():.4f} and {logits.item():.4f}")

print("\nA loss of your own is any formula that ends in one number:")
quantile = 0.9
error = truth - guess
pinball = torch.maximum(quantile * error, (quantile - 1) * error).mean()
pinball.backward()
print(f"  {pinball.item():.4f}, pulls by {[round(slope, 3) for slope in guess.grad.tolist()]}")
