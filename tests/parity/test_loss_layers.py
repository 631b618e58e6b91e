"""Losses and distances as layers: values, gradients, attributes, buffers, what they refuse and warn of."""

from __future__ import annotations

import pytest

from parity.programs import hold

TWO = "t(4, 5), t(4, 5)"
CLASSES = "t(4, 5), ints(4, low=0, high=5)"
SIGNS = "torch.tensor([1.0, -1, -1, 1])"
WEIGHT = "weight=torch.tensor([1.0, 2, 3, 4, 5])"
SHARES = "torch.sigmoid(t(4, 5))"
LISTED = "torch.tensor([[3, 0, -1, 1, 2], [1, -1, 0, 0, 0], [-1, 0, 0, 0, 0], [0, 1, 2, 3, 4]])"

# A layer's name, the arguments it is made with, what it is called with: the first is differentiated.
CASES = [
    ("L1Loss", ["", "reduction='sum'", "reduction='none'", "reduction='most'"], [TWO, "t(), t()", "t(0), t(0)"]),
    ("MSELoss", ["", "reduction='none'"], [TWO, "t(4, 5), t(4, 3)"]),
    ("SmoothL1Loss", ["", "beta=0.3", "beta=0.0", "beta=-1.0"], [TWO]),
    ("HuberLoss", ["", "'sum', 0.4", "delta=-1.0", "delta='1'"], [TWO]),
    ("NLLLoss", ["", WEIGHT, "ignore_index=2", f"{WEIGHT}, reduction='none'"], [CLASSES, "t(2, 5, 3), ints(2, 3, low=0, high=5)"]),
    ("NLLLoss2d", ["", WEIGHT], ["t(2, 5, 2, 2), ints(2, 2, 2, low=0, high=5)"]),
    ("CrossEntropyLoss", ["", WEIGHT, f"{WEIGHT}, ignore_index=2, label_smoothing=0.2", "label_smoothing=2.0"], [CLASSES, f"t(4, 5), {SHARES}"]),
    ("PoissonNLLLoss", ["", "log_input=False", "full=True", "reduction='sum', eps=1e-3"], ["t(4, 5, low=0.1, high=1), t(4, 5, low=0, high=4)"]),
    ("GaussianNLLLoss", ["", "full=True", "eps=0.5, reduction='none'", "True"], [f"{TWO}, {SHARES}", f"{TWO}, 0.7", f"{TWO}, t(4, 1, low=0.5, high=1)", f"{TWO}, -1.0"]),
    ("KLDivLoss", ["", "reduction='batchmean'", "log_target=True", "reduction='batchmean', log_target=True"], [f"t(4, 5), {SHARES}"]),
    ("BCELoss", ["", WEIGHT, "reduction='none'"], [f"{SHARES}, {SHARES}", f"{SHARES}, t(4, low=0, high=1)", f"{SHARES} + 1, {SHARES}"]),
    ("BCEWithLogitsLoss", ["", WEIGHT, "pos_" + WEIGHT], [f"t(4, 5), {SHARES}", "t(4, 5), t(4, low=0, high=1)", "t(4), ints(4)", "ints(4), t(4)", "t(4), bools(4)"]),
    ("MarginRankingLoss", ["", "margin=0.5", "0.5, reduction='none'"], [f"t(4), t(4), {SIGNS}", f"t(4, 1), t(4), {SIGNS}"]),
    ("HingeEmbeddingLoss", ["", "margin=0.3", "reduction='sum'"], [f"t(4), {SIGNS}"]),
    ("MultiLabelMarginLoss", ["", "reduction='none'"], [f"t(4, 5), {LISTED}", "t(5), torch.tensor([1, 3, -1, 0, 0])", "t(4, 5), t(4, 5)"]),
    ("SoftMarginLoss", ["", "reduction='none'"], [f"t(4), {SIGNS}"]),
    ("MultiLabelSoftMarginLoss", ["", WEIGHT, "reduction='none'"], [f"t(4, 5), {SHARES}", "t(4, 5), t(4)"]),
    ("MultiMarginLoss", ["", "p=2", "margin=0.3", WEIGHT, "p=3", "weight=torch.ones(2, 2)"], [CLASSES, "t(4, 5), torch.tensor([0, 1, 5, 2])"]),
    ("CosineEmbeddingLoss", ["", "margin=0.4", "0.4, reduction='none'"], [f"t(4, 5), t(4, 5), {SIGNS}", f"t(4, 5), t(4, 5), {SIGNS}.reshape(2, 2)"]),
    ("TripletMarginLoss", ["", "p=1", "swap=True, margin=2.0", "margin=0.0"], ["t(4, 5), t(4, 5), t(4, 5)", "t(5), t(4, 5), t(4, 5)"]),
    ("TripletMarginWithDistanceLoss", ["", "swap=True", "margin=-1.0", "distance_function=nn.CosineSimilarity()"], ["t(4, 5), t(4, 5), t(4, 5)"]),
    ("CTCLoss", ["", "blank=2", "reduction='none'", "zero_infinity=True"], [
        "torch.log_softmax(t(6, 2, 4), 2), torch.tensor([[1, 3, 1], [3, 3, 1]]), torch.tensor([6, 5]), torch.tensor([3, 2])",
        "torch.log_softmax(t(6, 2, 4), 2), torch.tensor([1, 3, 1]), (6, 6), (2, 1)",
        "torch.log_softmax(t(6, 2, 4), 2), torch.tensor([1, 3, 1]), (7, 6), (2, 1)",
    ]),
    ("CosineSimilarity", ["", "dim=0", "dim=-1, eps=0.5", "dim=3"], [TWO, "t(4, 5), t(1, 5)"]),
    ("PairwiseDistance", ["", "p=1", "keepdim=True", "p=3.0, eps=0.1"], [TWO, "t(5), t(5)", "t(4, 5), t(3, 5)"]),
]  # fmt: skip

CALLS = [
    pytest.param(name, made, called, id=f"{name}({made})-{i}")
    for name, makings, callings in CASES
    for made in makings
    for i, called in enumerate(callings)
]


@pytest.mark.parametrize(("name", "made", "called"), CALLS)
def test_loss_layer(name: str, made: str, called: str) -> None:
    """Value, gradient, printed text, keys, buffers and public attributes."""
    hold(f"""
_m = nn.{name}({made})
text = repr(_m)
held = dict(_m.state_dict())
seen = {{k: v for k, v in vars(_m).items() if not k.startswith("_") and not callable(v)}}
_x, *_rest = {called}
_x = _x.detach().requires_grad_()
y = _m(_x, *_rest)
_w = t(*y.shape)
(y * _w).sum().backward()
g = _x.grad
""", rtol=1e-5, atol=1e-6, strides=False)  # fmt: skip


@pytest.mark.parametrize(
    "made",
    [
        "L1Loss(size_average=False)",
        "MSELoss(True)",
        "NLLLoss(None, None, -100, False)",
        "SmoothL1Loss(reduce=False)",
        "KLDivLoss(size_average=True, reduce=True)",
        "MultiMarginLoss(1, 1.0, None, False)",
        "TripletMarginLoss(size_average=False)",
        "PoissonNLLLoss(reduce=True)",
        "NLLLoss2d()",
        "CrossEntropyLoss()",
    ],
)
def test_old_arguments_warn(made: str) -> None:
    """The reduction that they mean, and the warnings, word for word."""
    hold(f"""
import warnings as _warnings
with _warnings.catch_warnings(record=True) as _caught:
    _warnings.simplefilter("always")
    reduction = nn.{made}.reduction
said = [(w.category.__name__, str(w.message)) for w in _caught]
del __builtins__
""")
