"""Steps of optimizers."""

from __future__ import annotations

from .case import Case

# Each optimizer, and the ratio aimed at over many small tensors.
OPTIMIZERS = {
    "SGD(p, lr=1e-3)": 2,
    "SGD(p, lr=1e-3, momentum=0.9)": 10,
    "Adam(p, lr=1e-3)": 10,
    "Adam(p, lr=1e-3, amsgrad=True)": 2,
    "AdamW(p)": 2,
    "NAdam(p)": 2,
    "RAdam(p)": 2,
    "Adamax(p)": 2,
    "Adagrad(p)": 2,
    "Adadelta(p)": 2,
    "RMSprop(p)": 2,
    "RMSprop(p, momentum=0.9, centered=True)": 2,
    "Rprop(p)": 2,
    "ASGD(p)": 2,
    "Adafactor(p)": 2,
    "Muon(p)": 2,
}


def optimizer_steps(*, large: bool) -> list[Case]:
    """Steps over 50 small tensors, or over one of 10 million elements; of matrices where only those count."""
    cases = []
    for call, goal in OPTIMIZERS.items():
        count, shape = (1, "10_000_000") if large else (50, "16")
        if call.startswith(("Muon", "Adafactor")):
            shape = ("256, 256" if call.startswith("Muon") else "2000, 2000") if large else "4, 4"
        sizes = shape.replace(", ", " x ").replace("_", "")
        setup = (
            f"p = [torch.randn({shape}).requires_grad_() for _ in range({count})]\n"
            f"for v in p: v.grad = torch.randn({shape})\no = optim.{call}"
        )
        name = f"{call} over {f'{count} tensors of ' if count > 1 else ''}{sizes}"
        # Muon is a matter of bfloat16: the state is compared, which is not.
        result = "(o.step(), p[-1].detach()[:99])[1]"
        if call.startswith("Muon"):
            result = '(o.step(), o.state[p[-1]]["momentum_buffer"])[1]'
        cases.append(Case(name, 2 if large else goal, setup, "o.step()", result))
    return cases


CASES = optimizer_steps(large=True)
