"""`python -m rustnn`: scripts with `import torch` run, what is missing says so, `check` finds it beforehand."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from rustnn.script_names import ScriptNames


def rustnn(
    folder: Path, *arguments: str, text: str | None = None, input: str | None = None
) -> subprocess.CompletedProcess[str]:
    """`python -m rustnn ARGUMENTS` in a folder, with `text` as script.py there."""
    if text is not None:
        (folder / "script.py").write_text(textwrap.dedent(text))
    command = [sys.executable, "-m", "rustnn", *arguments]
    return subprocess.run(command, cwd=folder, input=input, capture_output=True, text=True, check=False)


def printed(folder: Path, text: str) -> list[str]:
    ran = rustnn(folder, "script.py", text=text)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.splitlines()


def test_imports(tmp_path: Path) -> None:
    lines = printed(
        tmp_path,
        """
        import torch
        import torch.nn as nn
        import torch.nn.functional as F
        import torch.backends.cudnn as cudnn
        import torch.multiprocessing as mp
        import torch.optim.lr_scheduler as lr
        import torchvision
        import torchvision.transforms as T
        from torch import optim, Tensor
        from torch.autograd import Variable
        from torch.cuda.amp import GradScaler, autocast
        from torch.distributions import Categorical
        from torch.distributions.normal import Normal
        from torch.nn.modules.conv import _ConvNd
        from torch.nn.parallel import DistributedDataParallel
        from torch.nn.parameter import Parameter
        from torch.nn.utils.rnn import pack_padded_sequence
        from torch.optim.adamw import AdamW
        from torch.optim.optimizer import Optimizer
        from torch.utils.data import DataLoader, Dataset
        from torch.utils.data.dataloader import default_collate
        from torch.utils.data.distributed import DistributedSampler
        from torch.utils.tensorboard import SummaryWriter
        from torchvision import datasets, transforms
        from torchvision.datasets import MNIST
        from torchvision.transforms import v2
        from torchvision.transforms.v2 import ToImage
        from torchvision.utils import make_grid, save_image
        import rustnn

        cudnn.benchmark = True
        print(torch is rustnn, nn is rustnn.nn, F is rustnn.nn.functional, datasets is rustnn.datasets)
        print(T.Compose is torchvision.transforms.Compose, transforms is T is v2, cudnn is torch.backends.cudnn)
        print(torch.backends.cudnn.benchmark, torch.__version__ >= "2.0", issubclass(nn.Conv2d, _ConvNd))
        """,
    )
    assert lines == ["True True True True", "True True True", "True True True"]


def test_what_a_script_sees_of_itself(tmp_path: Path) -> None:
    (tmp_path / "deeper").mkdir()
    (tmp_path / "deeper" / "beside.py").write_text("import torch\nx = torch.ones(2)\n")
    script = tmp_path / "deeper" / "seen.py"
    script.write_text("import sys, beside\nprint(__name__, sys.argv, __file__, sys.path[0])\nsys.exit(3)\n")
    ran = rustnn(tmp_path, "deeper/seen.py", "-x", "--help")
    folder = os.path.realpath(tmp_path / "deeper")
    assert ran.returncode == 3, ran.stderr
    assert ran.stdout == f"__main__ {['deeper/seen.py', '-x', '--help']} {script} {folder}\n"
    assert rustnn(tmp_path, "-c", "import sys, torch; print(sys.argv, torch.ones(1))", "a").stdout == (
        "['-c', 'a'] tensor([1.])\n"
    )
    assert rustnn(tmp_path, "-cimport sys; print(sys.argv)").stdout == "['-c']\n"
    ran = rustnn(
        tmp_path, "-", "a", "-c", input="import sys, torch\nprint(__name__, sys.argv, torch.ones(1))\n"
    )
    assert ran.stdout == "__main__ ['-', 'a', '-c'] tensor([1.])\n", ran.stderr
    ran = rustnn(tmp_path, "-", input="import torch\ntorch.rleu\n")
    assert ran.stderr.splitlines()[1] == '  File "<stdin>", line 2, in <module>', ran.stderr
    ran = rustnn(tmp_path, "-m", "deeper.seen")
    assert "No module named 'beside'" in ran.stderr
    (tmp_path / "deeper" / "run.py").write_text(
        "import sys, torch\nprint(__name__, sys.argv[1:], __package__)\n"
    )
    assert rustnn(tmp_path, "-m", "deeper.run", "b").stdout == "__main__ ['b'] deeper\n"
    assert rustnn(tmp_path, "nowhere.py").returncode == 2
    assert rustnn(tmp_path, "--wrong").returncode == 2
    assert "usage: python -m rustnn" in rustnn(tmp_path, "--help").stdout
    assert rustnn(tmp_path, "--version").stdout.startswith("rustnn ")


def test_futures_of_a_script_are_its_own(tmp_path: Path) -> None:
    assert printed(tmp_path, "def f(x: int): pass\nprint(f.__annotations__)") == ["{'x': <class 'int'>}"]


def test_tracebacks_show_the_script_alone(tmp_path: Path) -> None:
    ran = rustnn(tmp_path, "script.py", text="import torch\ndef f():\n    torch.rleu\nf()\n")
    assert ran.returncode == 1
    assert (
        "AttributeError: module 'torch' has no attribute 'rleu' in rustnn; near it: relu; docs/COMING_FROM_PYTORCH"
        in ran.stderr
    )
    assert ran.stderr.count("File ") == 2
    assert ran.stderr.count("script.py") == 2
    ran = rustnn(tmp_path, "script.py", text="x = = 1\n")
    assert ran.returncode == 1
    assert "__main__" not in ran.stderr
    assert "SyntaxError" in ran.stderr


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            "torch.relu6",
            "AttributeError: module 'torch' has no attribute 'relu6' in rustnn; there is torch.nn.func",
        ),
        ("torch.rfft", "take torch.fft.rfft"),
        ("torch.symeig(torch.ones(2, 2))", "Take torch.linalg.eigvalsh"),
        ("torch.nn.Linaer(2, 3)", "near it: Linear"),
        (
            "torch.linalg.svdd",
            "AttributeError: module 'torch.linalg' has no attribute 'svdd' in rustnn; near it: svd",
        ),
        ("torch.distributed.fsdp", "has no attribute 'fsdp' in rustnn: rustnn trains in one process"),
        (
            "from torch import rleu",
            "ImportError: module 'torch' has no attribute 'rleu' in rustnn; near it: relu",
        ),
        ("from torch.nn import Cov2d", "near it: Conv2d"),
        (
            "from torch.nn.functional import rleu",
            "ImportError: module 'torch.nn.functional' has no attribute",
        ),
        (
            "import torch.fx.passes.split_module",
            "ModuleNotFoundError: No module named 'torch.fx.passes",
        ),
        ("from torch.fx import replace_patern", "near it: replace_pattern"),
        (
            "import torch.distributed.fsdp",
            "ModuleNotFoundError: No module named 'torch.distributed.fsdp' in rustnn",
        ),
        ("from torch.utils import cpp_extension", "there is no C++ interface"),
        ("import torch.utils.cpp_extension", "there is no C++ interface"),
        ("import torchaudio", "ModuleNotFoundError: No module named 'torchaudio' in rustnn"),
        ("from torchvision.models import alexnet", "there are mobilenet_v2"),
        ("import torchvision.models.detection", "No module named 'torchvision.models.detection'"),
    ],
)
def test_what_is_missing(line: str, said: str, tmp_path: Path) -> None:
    ran = rustnn(tmp_path, "-c", f"import torch, torch.nn.functional\n{line}")
    assert ran.returncode == 1
    assert said in ran.stderr


def test_install_and_uninstall(tmp_path: Path) -> None:
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch" / "__init__.py").write_text("from torch import inner\nname = 'installed'\n")
    (tmp_path / "torch" / "inner.py").write_text("")
    text = """
    import importlib.util, pickle, sys
    import torch
    from torch import inner
    assert torch.name == "installed"
    import rustnn
    from rustnn import compat
    before = dict(vars(rustnn))
    compat.install()
    compat.install()
    import torch as ours, torch.nn, torch.distributed
    assert ours is rustnn and sys.modules["torch.nn"] is rustnn.nn and "torch.inner" not in sys.modules
    assert importlib.util.find_spec("torch") and not importlib.util.find_spec("torch.ao")
    assert not importlib.util.find_spec("torchaudio")
    layer = pickle.loads(pickle.dumps(torch.nn.Linear(2, 3)))
    assert isinstance(layer, rustnn.nn.Linear)
    assert not hasattr(torch, "nonesuch") and not hasattr(torch.nn, "nonesuch")
    compat.uninstall()
    compat.uninstall()
    import torch
    assert torch.name == "installed" and torch.inner is inner
    assert vars(rustnn)["__getattr__"] is before["__getattr__"] and not hasattr(rustnn.distributed, "__path__")
    try:
        rustnn.nonesuch
    except AttributeError as error:
        assert str(error) == "module 'rustnn' has no attribute 'nonesuch'"
    assert rustnn.__name__ == rustnn.__spec__.name == "rustnn"
    """
    (tmp_path / "script.py").write_text(textwrap.dedent(text))
    ran = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr


def test_spawned_processes_import_torch_too(tmp_path: Path) -> None:
    lines = printed(
        tmp_path,
        """
        import torch
        from torch.utils.data import DataLoader, Dataset

        class Numbers(Dataset):
            def __len__(self):
                return 4
            def __getitem__(self, i):
                return torch.full((2,), float(i))

        if __name__ == "__main__":
            for batch in DataLoader(Numbers(), 2, num_workers=1, multiprocessing_context="spawn"):
                print(batch.sum().item(), torch.__name__)
        """,
    )
    assert lines == ["2.0 rustnn", "10.0 rustnn"]


def test_saved_models_name_pytorch(tmp_path: Path) -> None:
    lines = printed(
        tmp_path,
        """
        import torch
        from torch import nn
        torch.save([nn.Sequential(nn.Linear(2, 3)), torch.__version__], "model.pt")
        content = open("model.pt", "rb").read()
        print(b"rustnn." in content, b"torch.torch_version" in content)
        print(torch.load("model.pt", weights_only=False))
        """,
    )
    assert lines[0] == "False True"
    assert "(0): Linear(in_features=2, out_features=3, bias=True)" in lines[2]
    assert "2.13" in lines[3]


def test_it_costs_little(tmp_path: Path) -> None:
    """What it takes is what it imports beside the library: a handful of small modules."""

    def imported(*arguments: str) -> set[str]:
        done = subprocess.run(
            [sys.executable, *arguments], cwd=tmp_path, check=True, capture_output=True, text=True
        )
        return set(done.stdout.split())

    tell = "import sys\nprint(*sys.modules)\n"
    (tmp_path / "by_hand.py").write_text("import rustnn as torch\nfrom rustnn import nn\nnn.Linear\n" + tell)
    (tmp_path / "script.py").write_text("import torch\nfrom torch import nn\nnn.Linear\n" + tell)
    more = imported("-m", "rustnn", "script.py") - imported("by_hand.py")
    assert more <= {
        "importlib._abc",
        "importlib.util",
        "runpy",
        "pkgutil",
        "rustnn.compat",
        "rustnn.spawned",
        "torch",
    }


# ---- check -------------------------------------------------------------------------------------------------

SCRIPT = """
import torch, torch.ao
import torch.nn as nn
import torch.nn.functional as F
from torch import optim as O, rleu
from torch.distributions import Normal, Nromal
import numpy as np
try:
    import torch.sparse
except ImportError:
    pass
def f(x, nn):
    return nn.Foo(x), np.foo
def g(x):
    y = torch.zeros(3)
    y.foo()
    y.add_(1)
    x.foo2()
    torch.backends.cudnn.benchmark = True
    torch.backends.cudnn.foo = True
    return F.relu(x) + F.rleu(x) + torch.ones(2).bar
class M(nn.Module):
    def __init__(self, z=torch.zreos(2)):
        self.a = nn.Lin(3, 4)
        self.b = [F.c for F in range(3)]
y = 3
y.foo3
opt = O.Adam(M().parameters())
with torch.no_grad(), torch.cuda.amp.autocast():
    torch.tensor(3.).T.foo4
"""


def test_names_of_a_script() -> None:
    names = ScriptNames(SCRIPT)
    assert set(names.missing) == {
        "torch.ao",
        "torch.rleu",
        "torch.distributions.Nromal",
        "torch.Tensor.foo",
        "torch.backends.cudnn.foo",
        "torch.nn.functional.rleu",
        "torch.Tensor.bar",
        "torch.zreos",
        "torch.nn.Lin",
    }
    assert names.used["torch.Tensor.foo"] == [16]
    assert names.used["torch.rleu"] == [5]
    assert names.used["torch.nn.functional.relu"] == [21]
    for there in ("torch.optim.Adam", "torch.nn.Module", "torch.zeros", "torch.Tensor.add_", "torch.sparse"):
        assert there in names.used
    assert "near it: relu" in names.missing["torch.rleu"]


def test_check_prints_them(tmp_path: Path) -> None:
    ran = rustnn(tmp_path, "check", "script.py", text=SCRIPT)
    assert ran.returncode == 1
    assert "MISSING torch.nn.functional.rleu  line 21: module" in ran.stdout
    assert "        torch.optim.Adam  line 28\n" in ran.stdout
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "good.py").write_text("raise SystemError\nimport torch\ntorch.ones(3).relu_()\n")
    ran = rustnn(tmp_path, "check", "folder")
    assert (ran.returncode, ran.stdout.splitlines()[-1]) == (0, "1 scripts, 2 names, none missing")
    ran = rustnn(tmp_path, "check", "-q", ".")
    assert ran.returncode == 1
    assert "good.py" not in ran.stdout
    assert rustnn(tmp_path, "check", "nowhere").returncode == 2
    assert rustnn(tmp_path, "check").returncode == 2
    assert "usage: python -m rustnn check" in rustnn(tmp_path, "check", "--help").stdout
    (tmp_path / "bad.py").write_text("x = = 1")
    assert rustnn(tmp_path, "check", "bad.py").returncode == 2


def test_switches_of_the_compiler() -> None:
    from rustnn import compiler

    def f(x: int) -> int:
        return x + 1

    for same in (
        compiler.allow_in_graph,
        compiler.assume_constant_result,
        compiler.disable,
        compiler.disable(),
    ):
        assert same(f) is f
    assert compiler.set_stance("force_eager")(f) is f
    with compiler.set_stance("eager_on_recompile", skip_guard_eval_unsafe=True):
        assert f(1) == 2
    assert compiler.list_backends() == []
    assert not compiler.is_exporting()
    assert not compiler.is_compiling()
