"""The statistics of activations, and their picture."""

from __future__ import annotations

from pathlib import Path

import pytest

import rustnn as torch
from rustnn import nn
from rustnn.utils.activations import ActivationRecorder, plot_activations


def test_numbers_of_each_layer() -> None:
    model = nn.Sequential(nn.Identity(), nn.Sequential(nn.ReLU()), nn.LSTM(4, 2))
    x = torch.tensor([[-1.0, 1.0, 3.0, -3.0]])
    with ActivationRecorder(model, bins=4) as recorder:
        model(x)
        model(x + 1)
    model(x)
    assert list(recorder.layers) == ["0", "1.0", "2"]
    relu = recorder.layers["1.0"]
    assert relu.means == [1.0, 1.5]
    assert relu.zeros == [0.5, 0.5]
    assert relu.shape == (1, 4)
    assert relu.stds[0] == pytest.approx(1.5**0.5)
    assert relu.counts == [2.0, 0.0, 1.0, 1.0]
    assert relu.edges == [0.0, 1.0, 2.0, 3.0, 4.0]
    assert str(recorder).splitlines()[1] == "1.0 (ReLU) (1, 4): mean 1.5, std 1.658, zeros 50.0%"
    assert len(recorder.layers["2"].means) == 2


def test_kinds_odd_outputs_and_layers_that_are_not_called() -> None:
    class Odd(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x[:0] if len(x) == 2 else x / 0

    model = nn.ModuleDict({"odd": Odd(), "never": nn.ReLU()})
    with ActivationRecorder(model) as recorder:
        model["odd"](torch.ones(2))
        model["odd"](torch.ones(3))
    assert recorder.layers["odd"].counts == []
    assert "not called" in repr(recorder.layers["never"])
    assert list(ActivationRecorder(model, kinds=(nn.ReLU,)).layers) == ["never"]


def test_the_picture(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="the picture is drawn by matplotlib")
    model = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 2), nn.Sigmoid())
    with ActivationRecorder(model) as recorder:
        model(torch.randn(64, 8))
    figure = plot_activations(recorder, columns=2)
    assert [axes.get_title() for axes in figure.axes][1] == "1 (ReLU)"
    assert len(figure.axes) == 4
    figure.savefig(tmp_path / "activations.png")
    assert (tmp_path / "activations.png").stat().st_size > 5000
