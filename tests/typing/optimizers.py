"""Optimizers with groups and closures, an optimizer of the user's own, schedules, scaling, averages."""

from collections.abc import Callable, Iterable
from typing import Any, assert_type

import rustnn as torch
from rustnn import Tensor, nn
from rustnn.optim import LBFGS, SGD, Adam, AdamW, Optimizer, RMSprop, lr_scheduler
from rustnn.optim.swa_utils import AveragedModel

model = nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 1))
sgd = SGD(model.parameters(), lr=0.1, momentum=0.9, nesterov=True)
adam = Adam([{"params": model[0].parameters(), "lr": 0.01}, {"params": model[2].parameters()}], lr=0.1)
rms = RMSprop(model.parameters())
for group in adam.param_groups:
    group["lr"] *= 0.5
    assert_type(group, dict[str, Any])
adam.add_param_group({"params": [nn.Parameter(torch.zeros(1))]})
named = AdamW(model.named_parameters(), lr=torch.tensor(0.1))


class Descent(Optimizer):
    def __init__(self, params: Iterable[nn.Parameter], lr: float = 0.1) -> None:
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        loss = None if closure is None else closure()
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    self.state[p]["steps"] = self.state[p].get("steps", 0) + 1
                    p.add_(p.grad, alpha=-group["lr"])
        return loss


lbfgs = LBFGS(model.parameters(), lr=1, line_search_fn="strong_wolfe")


def closure() -> Tensor:
    lbfgs.zero_grad()
    loss: Tensor = model(torch.randn(4, 2)).pow(2).mean()
    loss.backward()
    return loss


lbfgs.step(closure)
Descent(model.parameters()).step()
step = lr_scheduler.StepLR(sgd, step_size=2, gamma=0.1)
warm = lr_scheduler.LambdaLR(sgd, lr_lambda=lambda epoch: min(1.0, epoch / 10))
cycle = lr_scheduler.OneCycleLR(adam, max_lr=0.1, total_steps=100)
both = lr_scheduler.SequentialLR(sgd, [step, warm], milestones=[5])
plateau = lr_scheduler.ReduceLROnPlateau(sgd, mode="min", patience=2)
sgd.step()
step.step()
plateau.step(0.5)
rate: float = step.get_last_lr()[0]
averaged = AveragedModel(model)
averaged.update_parameters(model)
scaler = torch.amp.GradScaler("cpu", enabled=False)
scaler.scale(model(torch.randn(4, 2)).sum()).backward()
scaler.step(sgd)
scaler.update()
state = sgd.state_dict()
sgd.load_state_dict(state)
