"""A GraphModule as a folder with a Python module."""

from __future__ import annotations

from pathlib import Path

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os

    from rustnn.fx.graph_module import GraphModule

__all__ = ["write"]

_HEAD = """
import torch
from math import inf
from math import nan
NoneType = type(None)
from torch import device

from torch.nn import *
class {name}(torch.nn.Module):
    def __init__(self):
        super().__init__()
"""


def write(module: GraphModule, folder: str | os.PathLike[str], name: str) -> None:
    """Writes ``__init__.py``, ``module.py``, ``state_dict.pt`` and a file for each child that needs one."""
    from rustnn import nn
    from rustnn.serialization import save

    # Those that their text makes.
    plain = (
        nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d
    )  # fmt: skip
    folder = Path(folder)
    folder.mkdir(exist_ok=True)
    save(module.state_dict(), folder / "state_dict.pt")
    lines, files = [], []
    for child_name, child in module.named_children():
        made = repr(child)
        if type(child) not in plain:
            file = folder / f"{child_name}.pt"
            save(child, file)
            files.append(child_name)
            shown = made.replace("\r", " ").replace("\n", " ")
            made = f"torch.load(r'{file}', weights_only=False)"
            lines.append(f"setattr(self, '{child_name}', {made}) # {shown}")
        else:
            lines.append(f"setattr(self, '{child_name}', {made})")
    for buffer_name, buffer in module._buffers.items():
        if buffer is not None:
            empty = f"torch.empty({list(buffer.shape)}, dtype={buffer.dtype})"
            lines.append(f"self.register_buffer('{buffer_name}', {empty})")
    for parameter_name, parameter in module._parameters.items():
        if parameter is not None:
            empty = f"torch.empty({list(parameter.shape)}, dtype={parameter.dtype})"
            lines.append(f"setattr(self, '{parameter_name}', torch.nn.Parameter({empty}))")
    lines.append(f"self.load_state_dict(torch.load(r'{folder}/state_dict.pt'))")
    body = "".join(f"        {line}\n" for line in lines)
    code = "\n".join(f"    {line}" if line.strip() else "" for line in module.code.splitlines())
    text = f"{_HEAD.format(name=name)}{body}{code}\n"
    (folder / "module.py").write_text(text, encoding="utf-8")
    (folder / "__init__.py").write_text("from .module import *", encoding="utf-8")
    if files:
        import warnings

        warnings.warn(
            "Was not able to save the following children modules as reprs -saved as pickled files instead: "
            f"{files}",
            stacklevel=3,
        )
