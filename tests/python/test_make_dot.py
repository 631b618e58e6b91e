"""`utils.make_dot`: the boxes and arrows of the graph, the same as torchviz has, and the files that `dot` makes."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import rustnn as torch
from rustnn import nn

if importlib.util.find_spec("graphviz") is None:
    pytest.skip("the package graphviz is not installed", allow_module_level=True)

from rustnn.utils import make_dot


class Double(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(x)
        return x * 2

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> torch.Tensor:
        return grad * 2


def read(source: str) -> tuple[Counter, Counter]:
    """The labels of a drawing's boxes with their colours, and its arrows from label to label."""
    found: dict[str, tuple[str, str]] = {}
    arrows = []
    text = source.replace("\\n", "\n")
    for key, attributes in re.findall(r'^\t(\w+) \[(label=(?:"[^"]*"|\w+).*?)\]$', text, re.M | re.S):
        label = re.search(r'label=(?:"(.*?)"|(\w+))', attributes, re.S)
        colour = re.search(r"fillcolor=(\w+)", attributes)
        assert label is not None
        found[key] = ((label[1] or label[2] or "").strip(), colour[1] if colour else "")
    for tail, head, style in re.findall(r"^\t(\w+) -> (\w+)(.*)$", text, re.M):
        arrows.append((found[tail][0], found[head][0], style.strip()))
    return Counter(found.values()), Counter(arrows)


def model() -> nn.Sequential:
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))


def test_a_network() -> None:
    net = model()
    boxes, arrows = read(make_dot(net(torch.ones(5, 3)).sum(), params=dict(net.named_parameters())).source)
    assert boxes["()", "darkolivegreen1"] == 1
    assert boxes["0.weight\n (4, 3)", "lightblue"] == 1
    assert boxes["AddmmBackward0", ""] == 2
    assert arrows["TanhBackward0", "AddmmBackward0", ""] == 1
    assert arrows["0.bias\n (4)", "AccumulateGrad", ""] == 1
    assert arrows["SumBackward0", "()", ""] == 1


def test_several_outputs_share_what_they_share() -> None:
    x = torch.ones(2, requires_grad=True)
    shared = x.exp()
    for outputs in (
        (shared * 2, shared.sin()),
        [shared * 2, shared.sin()],
        {"a": shared * 2, "b": shared.sin()},
    ):
        boxes, _ = read(make_dot(outputs).source)
        assert boxes["ExpBackward0", ""] == 1
        assert boxes["(2)", "darkolivegreen1"] == 2


def test_views_and_saved_tensors() -> None:
    x = torch.ones(4, requires_grad=True)
    boxes, arrows = read(make_dot(Double.apply(x).view(2, 2)).source)
    assert boxes["(4)", "darkolivegreen3"] == 1
    assert boxes["DoubleBackward", ""] == 1
    assert sum(style == "[style=dotted]" for _, _, style in arrows) == 1
    assert sum(style == "[dir=none]" for _, _, style in arrows) == 1


def test_what_operations_saved() -> None:
    x = torch.ones(2, 3, requires_grad=True)
    y = (x.exp() * torch.ones(2, 3)).sum()
    boxes, arrows = read(make_dot(y, {"x": x}, show_saved=True, show_attrs=True).source)
    assert boxes["result\n (2, 3)", "orange"] == 1
    assert any("result: [saved tensor]" in label for label, _ in boxes)
    assert sum(style == "[dir=none]" for _, _, style in arrows) == 2
    y.backward()
    boxes, _ = read(make_dot(y, show_saved=True).source)  # what was freed is not shown
    assert not [label for label, colour in boxes if colour == "orange"]


def test_a_long_chain() -> None:
    x = torch.ones(1, requires_grad=True)
    y = x
    for _ in range(5000):
        y = y + 1
    boxes, _ = read(make_dot(y).source)
    assert boxes["AddBackward0", ""] == 5000


def test_what_is_no_tensor() -> None:
    with pytest.raises(TypeError, match="int"):
        make_dot(3)
    with pytest.raises(TypeError, match="'a'"):
        make_dot(torch.ones(1), params={"a": 3})


def test_no_graph() -> None:
    boxes, arrows = read(make_dot(torch.ones(3)).source)
    assert (sum(boxes.values()), sum(arrows.values())) == (1, 0)


def test_without_the_package_the_error_says_what_to_install() -> None:
    program = (
        "import sys\n"
        "sys.modules['graphviz'] = None\n"
        "import rustnn\n"
        "try:\n"
        "    rustnn.utils.make_dot(rustnn.ones(1))\n"
        "except ImportError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=True
    )
    assert "pip install graphviz" in done.stdout


@pytest.mark.skipif(not shutil.which("dot"), reason="Graphviz's program dot is not installed")
@pytest.mark.parametrize(("kind", "start"), [("pdf", b"%PDF"), ("svg", b"<?xml"), ("png", b"\x89PNG")])
def test_files(kind: str, start: bytes, tmp_path: Path) -> None:
    net = model()
    dot = make_dot(
        net(torch.ones(5, 3)), params=dict(net.named_parameters()), show_attrs=True, show_saved=True
    )
    path = Path(dot.render("graph", directory=tmp_path, format=kind))
    content = path.read_bytes()
    assert content.startswith(start)
    if kind == "svg":
        for text in (b"0.weight", b"TanhBackward0", b"(4, 3)"):
            assert text in content


@pytest.mark.parametrize("attributes", ["", ", show_attrs=True, show_saved=True"])
def test_torchviz_draws_the_same(attributes: str) -> None:
    """torchviz itself, which takes rustnn for PyTorch."""
    if importlib.util.find_spec("torchviz") is None:
        pytest.skip("the package torchviz is not installed")
    if sys.version_info >= (3, 12):
        pytest.skip("torchviz needs distutils")
    program = (
        "import sys, warnings\n"
        "warnings.simplefilter('ignore')\n"
        "import rustnn as torch\n"
        "sys.modules['torch'], sys.modules['torch.autograd'] = torch, torch.autograd\n"
        "from torchviz import make_dot as theirs\n"
        "from rustnn.utils import make_dot as ours\n"
        "from rustnn import nn\n"
        "class Double(torch.autograd.Function):\n"
        "    @staticmethod\n"
        "    def forward(ctx, x):\n"
        "        ctx.save_for_backward(x)\n"
        "        return x * 2\n"
        "    @staticmethod\n"
        "    def backward(ctx, grad):\n"
        "        return grad * 2\n"
        "net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.Flatten(), nn.Linear(8, 3))\n"
        "out = Double.apply(net(torch.ones(2, 1, 4, 4)))\n"
        "outputs = out.mean(), out[0]\n"
        f"for make in (theirs, ours): print(make(outputs, dict(net.named_parameters()){attributes}).source, '\\0')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    theirs, ours, _ = done.stdout.split("\0")
    assert read(ours) == read(theirs)
