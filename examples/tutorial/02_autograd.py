"""Tutorial, chapter 3: gradients. Operations are recorded as they run; `backward` walks the record back."""

from __future__ import annotations

import rustnn as torch

print("Ask for gradients where they are wanted, calculate, and call backward on the result.")
x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
y = x * x
z = y.sum()
print("  z =", z.item(), " made by", type(z.grad_fn).__name__)
z.backward()
print("  the slope of x * x is 2 x:", x.grad.tolist())

print("\nGradients add up over calls, until they are set back.")
(x * x).sum().backward()
print("  after a second backward:", x.grad.tolist())
x.grad.zero_()
print("  after zero_():", x.grad.tolist())

print("\nThe record follows what the program does, loops and conditions included.")
value = torch.tensor(1.5, requires_grad=True)
out = value
turns = 0
while out.item() < 10:
    out = out * value
    turns += 1
out.backward()
print(f"  {turns} turns of the loop: value ** {turns + 1}, slope {value.grad.item():.4f}")

print("\nNothing is recorded where gradients are of no use.")
with torch.no_grad():
    print("  within no_grad:", (x * 2).requires_grad)
print("  after detach():", x.detach().requires_grad)

print("\nA gradient can have a gradient: x ** 4 three times over.")
x = torch.tensor(2.0, requires_grad=True)
slope = x**4
for n in (1, 2, 3):
    (slope,) = torch.autograd.grad(slope, x, create_graph=True)
    print(f"  derivative {n}: {slope.item()}")

print("\nWhat backward needs must not be changed in between; if it was, you are told.")
a = torch.ones(2, requires_grad=True)
b = a.exp()
b.add_(1)
try:
    b.sum().backward()
except RuntimeError as error:
    print("  RuntimeError:", str(error).splitlines()[0][:100])

print("\nEnough to find a minimum: the point (3, -1), by walking downhill.")
point = torch.zeros(2, requires_grad=True)
for step in range(50):
    height = (point[0] - 3) ** 2 + 2 * (point[1] + 1) ** 2
    height.backward()
    with torch.no_grad():
        point -= 0.2 * point.grad
    point.grad = None
    if step in (0, 4, 49):
        print(f"  step {step + 1:2}: {point[0].item():.4f}, {point[1].item():.4f}")
