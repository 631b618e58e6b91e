"""Tries a wheel as a newcomer does: an environment without Rust, pip (and uv), a first gradient, a script.

    python tools/wheel_smoke.py dist [--python PYTHON]... [--seconds 10]

Looks into the wheel first: size, tag, licences, types, nothing of CUDA, no newer glibc than its tag says.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

LARGEST_WHEEL = 10e6
LARGEST_INSTALLED = 40e6
# What a clean environment has before, and what may come with the wheel.
EXPECTED = {"pip", "setuptools", "rustnn", "numpy"}

FIRST_GRADIENT = """\
import rustnn as torch
x = torch.tensor([1.0, 2.0], requires_grad=True)
(x * x).sum().backward()
assert x.grad.tolist() == [2.0, 4.0]
"""

SCRIPT = """\
import sys
import torch
import torch.nn.functional as F
from torch import nn, optim
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
x = torch.randn(256, 4)
y = x @ torch.tensor([[1.0], [-2.0], [3.0], [0.5]])
net = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 1))
optimizer = optim.Adam(net.parameters(), lr=0.01)
for epoch in range(20):
    for points, values in DataLoader(TensorDataset(x, y), batch_size=32, shuffle=True):
        optimizer.zero_grad()
        loss = F.mse_loss(net(points), values)
        loss.backward()
        optimizer.step()
assert loss.item() < 0.5, loss
torch.save(net.state_dict(), "net.pth")
net.load_state_dict(torch.load("net.pth"))
assert torch.from_numpy(net(x).detach().numpy()).shape == (256, 1)
print("trained", *sys.argv[1:])
"""


def check(condition: bool, message: str) -> None:
    """Ends with a message unless a condition holds."""
    if not condition:
        sys.exit(f"wheel_smoke: {message}")


def look_into(wheel: Path) -> None:
    """What can be seen without installing it."""
    size = wheel.stat().st_size
    check(size <= LARGEST_WHEEL, f"{wheel.name} has {size / 1e6:.1f} MB")
    check("-cp311-abi3-" in wheel.name, f"{wheel.name} is not for all Pythons from 3.11 on")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (library,) = (name for name in names if re.search(r"rustnn/_C.*\.(so|pyd)$", name))
        content = archive.read(library)
    for ending in ("/licenses/LICENSE-MIT", "/licenses/LICENSE-APACHE", "rustnn/py.typed", "rustnn/_C.pyi"):
        check(any(name.endswith(ending) for name in names), f"no {ending} in the wheel")
    of_cuda = [name for name in names if re.search(r"nvidia|libcu|cudart|cudnn|\.cubin|\.ptx", name)]
    check(not of_cuda and b"libcudart" not in content, f"CUDA in the wheel: {of_cuda or library}")
    others = [name for name in names if name.endswith((".so", ".pyd", ".dll", ".dylib")) and name != library]
    check(not others, f"libraries in the wheel: {others}")
    glibc = max((int(minor) for minor in re.findall(rb"GLIBC_2\.(\d+)", content)), default=0)
    if tag := re.search(r"manylinux_2_(\d+)_", wheel.name):
        check(glibc <= int(tag[1]), f"glibc 2.{glibc} is newer than the wheel's tag says")
    elif sys.platform == "linux":
        check(False, f"{wheel.name} is for this machine only")
    print(f"{wheel.name}: {size / 1e6:.2f} MB" + (f", glibc 2.{glibc}" if glibc else ""))


class Environment:
    """An environment in a folder, whose programs see nothing of the machine's (no Rust above all)."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bin = folder / ("Scripts" if os.name == "nt" else "bin")
        self.python = self.bin / ("python.exe" if os.name == "nt" else "python")
        kept = ("HOME", "TMPDIR", "TEMP", "TMP", "SYSTEMROOT", "USERPROFILE", "LOCALAPPDATA", "APPDATA")
        settings = ("PIP_", "UV_", "SSL_", "REQUESTS_", "HTTP", "http", "NO_PROXY", "no_proxy")
        self.variables = {
            name: value for name, value in os.environ.items() if name in kept or name.startswith(settings)
        }
        self.variables |= {"PATH": str(self.bin), "VIRTUAL_ENV": str(folder)}

    def run(self, *command: str | Path, text: str | None = None) -> str:
        """Runs a program in the folder; what it printed. Ends with its error if it fails."""
        ran = subprocess.run(
            [str(part) for part in command],
            cwd=self.folder,
            env=self.variables,
            input=text,
            capture_output=True,
            text=True,
            check=False,
        )
        check(ran.returncode == 0, f"{' '.join(map(str, command))}\n{ran.stdout}{ran.stderr}")
        return ran.stdout

    def installed_size(self) -> int:
        """Bytes of the files that belong to rustnn, compiled Python included."""
        places = [path for path in self.folder.rglob("rustnn*") if path.parent.name == "site-packages"]
        return sum(file.stat().st_size for place in places for file in place.rglob("*") if file.is_file())


def try_with_pip(wheel: Path, python: str, folder: Path) -> float:
    """Installs with pip and uses it; seconds from the installation to the first gradient."""
    subprocess.run([python, "-m", "venv", folder], check=True)
    environment = Environment(folder)
    start = time.perf_counter()
    environment.run(environment.python, "-m", "pip", "--disable-pip-version-check", "install", "-q", wheel)
    environment.run(environment.python, "-c", FIRST_GRADIENT)
    seconds = time.perf_counter() - start
    listed = environment.run(environment.python, "-m", "pip", "list", "--format=json")
    names = {entry["name"] for entry in json.loads(listed.splitlines()[0])}
    check(names <= EXPECTED, f"what came with it: {sorted(names - EXPECTED)}")
    size = environment.installed_size()
    check(size <= LARGEST_INSTALLED, f"installed it has {size / 1e6:.1f} MB")
    (folder / "script.py").write_text(SCRIPT)
    for command, text in (("script.py", None), ("-", SCRIPT)):
        said = environment.run(environment.python, "-m", "rustnn", command, "--fast", text=text)
        check(said == "trained --fast\n", f"python -m rustnn {command} printed {said!r}")
    environment.run(environment.python, "-m", "rustnn", "check", "script.py")
    version = environment.run(environment.python, "--version").strip()
    print(f"pip, {version}: first gradient after {seconds:.1f} s, installed {size / 1e6:.1f} MB")
    return seconds


def try_with_uv(wheel: Path, python: str, folder: Path) -> None:
    """The same with uv, if it is installed."""
    if importlib.util.find_spec("uv") is None:
        print("uv is not installed: not tried")
        return
    uv = [sys.executable, "-m", "uv"]
    subprocess.run([*uv, "venv", "-q", "--python", python, folder], check=True)
    environment = Environment(folder)
    start = time.perf_counter()
    environment.run(*uv, "pip", "install", "-q", "--python", environment.python, wheel)
    environment.run(environment.python, "-c", FIRST_GRADIENT)
    print(f"uv: first gradient after {time.perf_counter() - start:.1f} s")


def main() -> None:
    """Does what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path, help="where the wheel is")
    parser.add_argument("--python", action="append", help="to make environments with; may be given twice")
    parser.add_argument("--seconds", type=float, default=10, help="until the first gradient, at most")
    arguments = parser.parse_args()
    (wheel,) = arguments.folder.resolve().glob("*.whl")
    look_into(wheel)
    for python in arguments.python or [sys.executable]:
        with tempfile.TemporaryDirectory() as temporary:
            seconds = try_with_pip(wheel, python, Path(temporary) / "pip")
            if seconds > arguments.seconds:  # what the network took is not the wheel's fault
                seconds = try_with_pip(wheel, python, Path(temporary) / "again")
            check(seconds <= arguments.seconds, f"{seconds:.1f} s from pip install to the first gradient")
            try_with_uv(wheel, python, Path(temporary) / "uv")
    print("the wheel works")


if __name__ == "__main__":
    main()
