"""How tensors are printed: texts known from PyTorch 2.13."""

from __future__ import annotations

import math

import pytest

import rustnn
from rustnn import nn

T = rustnn.tensor


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: T(7), "tensor(7)"),
        (lambda: T(3.5), "tensor(3.5000)"),
        (lambda: T(True), "tensor(True)"),
        (lambda: T([]), "tensor([])"),
        (lambda: T([1, 2, 3]), "tensor([1, 2, 3])"),
        (lambda: T([1.0, 2.5, -3.25]), "tensor([ 1.0000,  2.5000, -3.2500])"),
        (lambda: T([1.0, 2.0]), "tensor([1., 2.])"),
        (
            lambda: T([[1, -20], [300, 4]]),
            "tensor([[  1, -20],\n        [300,   4]])",
        ),
        (lambda: T([0.00001, 1.0]), "tensor([1.0000e-05, 1.0000e+00])"),
        (lambda: T([1e9, 1.0]), "tensor([1.0000e+09, 1.0000e+00])"),
        (lambda: T([1.5, 2000.0]), "tensor([1.5000e+00, 2.0000e+03])"),
        (lambda: T([math.nan, math.inf, -math.inf, 1.0]), "tensor([nan, inf, -inf, 1.])"),
        (lambda: T([math.nan]), "tensor([nan])"),
        (lambda: T([0.0, -0.0]), "tensor([0., -0.])"),
        (lambda: T([True, False]), "tensor([ True, False])"),
        (lambda: T([1, 2], dtype=rustnn.int32), "tensor([1, 2], dtype=rustnn.int32)"),
        (lambda: T([1.5], dtype=rustnn.float64), "tensor([1.5000], dtype=rustnn.float64)"),
        (lambda: T([1.5], dtype=rustnn.bfloat16), "tensor([1.5000], dtype=rustnn.bfloat16)"),
        (lambda: T([1 + 2j, -0.5j]), "tensor([1.+2.0000j, -0.-0.5000j])"),
        (lambda: rustnn.zeros(2, 0), "tensor([], size=(2, 0))"),
        (lambda: rustnn.zeros(0, dtype=rustnn.int64), "tensor([], dtype=rustnn.int64)"),
        (
            lambda: rustnn.arange(8).view(2, 2, 2),
            "tensor([[[0, 1],\n         [2, 3]],\n\n        [[4, 5],\n         [6, 7]]])",
        ),
        (lambda: rustnn.zeros(1, 1, 1, 1), "tensor([[[[0.]]]])"),
        (
            lambda: rustnn.arange(30),
            "tensor([ 0,  1,  2,  3,  4,  5,  6,  7,  8,  9, 10, 11, 12, 13, 14, 15, 16, 17,\n"
            "        18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29])",
        ),
        (
            lambda: T([1.0] * 7, dtype=rustnn.float64),
            "tensor([1., 1., 1., 1., 1., 1., 1.], dtype=rustnn.float64)",
        ),
        (
            lambda: rustnn.arange(12.0).view(3, 4)[:, ::2].t(),
            "tensor([[ 0.,  4.,  8.],\n        [ 2.,  6., 10.]])",
        ),
    ],
)
def test_known_texts(make, text):
    assert repr(make()).replace("torch.", "rustnn.") == text


def test_large_tensors_are_summarised():
    assert repr(rustnn.arange(1001)) == "tensor([   0,    1,    2,  ...,  998,  999, 1000])"
    text = repr(rustnn.zeros(50, 60))
    assert text.splitlines() == [
        "tensor([[0., 0., 0.,  ..., 0., 0., 0.],",
        "        [0., 0., 0.,  ..., 0., 0., 0.],",
        "        [0., 0., 0.,  ..., 0., 0., 0.],",
        "        ...,",
        "        [0., 0., 0.,  ..., 0., 0., 0.],",
        "        [0., 0., 0.,  ..., 0., 0., 0.],",
        "        [0., 0., 0.,  ..., 0., 0., 0.]])",
    ]


def test_gradients_are_mentioned():
    x = rustnn.ones(2, requires_grad=True)
    assert repr(x) == "tensor([1., 1.], requires_grad=True)"
    assert repr(x * 2) == "tensor([2., 2.], grad_fn=<MulBackward0>)"
    assert repr(nn.Parameter(rustnn.ones(1))) == "Parameter containing:\ntensor([1.], requires_grad=True)"


def test_print_options():
    try:
        rustnn.set_printoptions(precision=2, threshold=4, edgeitems=1)
        assert repr(T([0.123, 4.567])) == "tensor([0.12, 4.57])"
        assert repr(rustnn.arange(5)) == "tensor([0,  ..., 4])"
        rustnn.set_printoptions(sci_mode=True)
        assert repr(T([1.5])) == "tensor([1.50e+00])"
    finally:
        rustnn.set_printoptions(profile="default")
    assert repr(T([0.123])) == "tensor([0.1230])"


def test_notebooks_show_the_facts_below_the_text():
    x = rustnn.ones(2, 3, requires_grad=True)
    assert x._repr_html_().startswith("<pre>tensor([[1., 1., 1.],\n")
    assert (
        "<small>shape (2, 3) · float32 · cpu · 24 B · a leaf with no gradient yet</small>" in x._repr_html_()
    )
    assert "made by MulBackward0" in (x * 2)._repr_html_()
    assert "shape () · int64 · cpu · 8 B</small>" in rustnn.tensor(1)._repr_html_()
    net = rustnn.nn.Sequential(rustnn.nn.Linear(2, 3), rustnn.nn.ReLU()).eval()
    net[0].bias.requires_grad_(False)
    html = net._repr_html_()
    assert html.startswith("<pre>Sequential(\n  (0): Linear(in_features=2")
    assert "9 parameters, 3 of them frozen · 36 B · evaluating" in html
    assert "LazyLinear" in rustnn.nn.LazyLinear(2)._repr_html_()
