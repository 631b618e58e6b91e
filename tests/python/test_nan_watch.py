"""The watch for NaN names the layer, the step, and what was not finite before."""

from __future__ import annotations

from typing import Any

import pytest

import rustnn as torch
from rustnn import nn
from rustnn.utils.nan_watch import NanWatch, NonFiniteError


class Log(nn.Module):
    def forward(self, x: Any) -> Any:
        return x.log()


class Root(nn.Module):
    """Its gradient at 0 is infinite."""

    def forward(self, x: Any) -> Any:
        return x.sqrt()


def test_a_layer_whose_output_is_not_finite() -> None:
    model = nn.Sequential(nn.Linear(2, 3), nn.Sequential(Log(), nn.Tanh()))
    with torch.no_grad():
        model[0].weight.fill_(1.0)
        model[0].bias.fill_(-2.0)
    with pytest.raises(NonFiniteError) as caught, NanWatch(model):
        model(torch.zeros(4, 2))
    error = caught.value
    assert (error.path, type(error.module), error.step, error.what) == ("1.0", Log, 0, "output")
    assert error.causes == []
    assert "12 NaN among 12 elements" in str(error)
    assert "arise in this layer" in str(error)
    assert not model[0]._forward_hooks
    assert not model[1][0]._forward_hooks


def test_what_was_not_finite_before() -> None:
    model = nn.Linear(2, 3)
    with torch.no_grad():
        model.bias[1] = float("inf")
    with pytest.raises(NonFiniteError) as caught, NanWatch(model):
        model(torch.tensor([[1.0, float("nan")]]))
    assert caught.value.causes == ["input[0]", "parameter 'bias'"]
    assert caught.value.path == ""
    assert "the model itself (Linear)" in str(caught.value)


def test_gradients_and_steps() -> None:
    model = nn.Sequential(nn.Linear(1, 1, bias=False), Root())
    with torch.no_grad():
        model[0].weight.fill_(1.0)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    with pytest.raises(NonFiniteError) as caught, NanWatch(model, optimizer):
        for x in (1.0, 2.0, 0.0):
            optimizer.zero_grad()
            model(torch.tensor([[x]])).sum().backward()
            optimizer.step()
    error = caught.value
    assert (error.path, error.what, error.step) == ("0", "gradient", 2)
    assert "step 2: the gradient of the output of layer '0' (Linear) has 1 Inf" in str(error)


def test_a_parameter_gradient() -> None:
    layer = nn.Linear(1, 1, bias=False)
    with pytest.raises(NonFiniteError) as caught, NanWatch(layer):
        layer(torch.tensor([[1e38]])).backward(torch.tensor([[1e30]]))
    assert caught.value.what == "parameter gradient"
    assert "'weight'" in str(caught.value)


def test_warnings_once_a_step_and_steps_by_hand() -> None:
    model = nn.Sequential(Log(), Log())
    watch = NanWatch(model, action="warn")
    watch.attach()
    watch.attach()
    for step in range(2):
        with pytest.warns(RuntimeWarning, match=f"step {step}: the output of layer '0'") as told:
            model(torch.tensor([-1.0]))
        assert len(told) == 1
        watch.step()
    watch.detach()
    model(torch.tensor([-1.0]))
    with pytest.raises(ValueError, match="action"):
        NanWatch(model, action="stop")  # type: ignore[arg-type]


def test_a_healthy_model_is_left_alone() -> None:
    model = nn.Sequential(nn.LSTM(2, 3))
    x = torch.randn(4, 1, 2)
    expected = model(x)[0]
    with NanWatch(model):
        output, (hidden, _) = model(x)
        (output.sum() + hidden.sum()).backward()
    assert torch.equal(output, expected)
