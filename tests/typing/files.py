"""Saving, loading, exporting, looking into a model, distributions."""

import io
from pathlib import Path
from typing import Any, assert_type

import rustnn as torch
from rustnn import Tensor, nn
from rustnn.distributions import Categorical, Normal, kl_divergence
from rustnn.utils.tensorboard import SummaryWriter


def save(model: nn.Module, folder: Path) -> None:
    torch.save(model.state_dict(), folder / "state.pth")
    torch.save(model, str(folder / "whole.pth"))
    buffer = io.BytesIO()
    torch.save({"epoch": 3, "tensor": torch.ones(2)}, buffer)
    buffer.seek(0)
    state: dict[str, Any] = torch.load(folder / "state.pth", map_location="cpu")
    model.load_state_dict(state)
    again = torch.load(buffer, weights_only=False)
    print(again["epoch"])
    torch.save_safetensors({"weight": torch.ones(2)}, folder / "file.safetensors")
    torch.onnx.export(model, (torch.randn(1, 2),), folder / "model.onnx")
    with SummaryWriter(folder) as writer:
        writer.add_scalar("loss", 0.5, 1)
        writer.add_histogram("weights", torch.randn(10), global_step=1)


def policy(logits: Tensor) -> tuple[Tensor, Tensor]:
    distribution = Categorical(logits=logits)
    action = distribution.sample()
    return action, distribution.log_prob(action)


normal = Normal(torch.zeros(2), torch.ones(2))
assert_type(normal.rsample((3,)), Tensor)
assert_type(normal.log_prob(torch.zeros(2)).sum(), Tensor)
assert_type(normal.entropy(), Tensor)
assert_type(kl_divergence(normal, Normal(0.0, 1.0)), Tensor)
assert_type(torch.cuda.is_available(), bool)
assert_type(torch.cuda.device_count(), int)
assert_type(torch.get_num_threads(), int)
assert_type(torch.__version__ >= "2.0", bool)
torch.backends.cudnn.benchmark = True
torch.set_default_dtype(torch.float32)
torch.set_printoptions(precision=3)
torch.use_deterministic_algorithms(True)
compiled = torch.compile(nn.Linear(2, 2))
