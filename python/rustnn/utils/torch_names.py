"""What PyTorch calls the classes and functions of this library, and the other way round.

Files name classes by PyTorch's modules, so that either library reads them.
"""

from __future__ import annotations

from rustnn import _C

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["our_name", "our_object", "torch_name"]

# Where PyTorch keeps what is in these files here. Those of `rustnn.nn` that are not named are of one name.
_MODULES = {
    "rustnn._C": "torch",
    "rustnn.distributions.dim_transforms": "torch.distributions.transforms",
    "rustnn.distributions.elementwise_transforms": "torch.distributions.transforms",
    "rustnn.distributions.matrix_transforms": "torch.distributions.transforms",
    "rustnn.distributions.transform": "torch.distributions.transforms",
    "rustnn.nn.loss_base": "torch.nn.modules.loss",
    "rustnn.nn.loss_classification": "torch.nn.modules.loss",
    "rustnn.nn.loss_comparison": "torch.nn.modules.loss",
    "rustnn.nn.loss_regression": "torch.nn.modules.loss",
    "rustnn.optim._adafactor": "torch.optim",
    "rustnn.optim._muon": "torch.optim",
    "rustnn.nn.attention": "torch.nn.modules.activation",
    "rustnn.nn.cross_map": "torch.nn.modules._functions",
    "rustnn.nn.embedding": "torch.nn.modules.sparse",
    "rustnn.nn.parallel": "torch.nn.parallel.data_parallel",
    "rustnn.nn.parameter": "torch.nn.parameter",
    "rustnn.nn.parameter_container": "torch.nn.modules.container",
    "rustnn.nn.recurrent": "torch.nn.modules.rnn",
    "rustnn.nn.recurrent_cell": "torch.nn.modules.rnn",
    "rustnn.nn.hooks": "torch.nn.modules.module",
    "rustnn.optim.stateless": "torch.optim",
    "rustnn.size": "torch",
}
# Classes whose neighbours in our file live elsewhere in PyTorch.
_CLASSES = {
    "rustnn.Generator": "torch._C",
    "rustnn.UntypedStorage": "torch.storage",
    "rustnn.nn.parallel.DistributedDataParallel": "torch.nn.parallel.distributed",
    "rustnn.nn.resample.ChannelShuffle": "torch.nn.modules.channelshuffle",
    "rustnn.nn.resample.Fold": "torch.nn.modules.fold",
    "rustnn.nn.resample.PixelShuffle": "torch.nn.modules.pixelshuffle",
    "rustnn.nn.resample.PixelUnshuffle": "torch.nn.modules.pixelshuffle",
    "rustnn.nn.resample.Unfold": "torch.nn.modules.fold",
    "rustnn.nn.resample.Upsample": "torch.nn.modules.upsampling",
    "rustnn.nn.resample.UpsamplingBilinear2d": "torch.nn.modules.upsampling",
    "rustnn.nn.resample.UpsamplingNearest2d": "torch.nn.modules.upsampling",
    "rustnn.optim.adam.AdamW": "torch.optim.adamw",
    "rustnn.version.TorchVersion": "torch.torch_version",
}


def torch_name(module: str, name: str) -> tuple[str, str]:
    """PyTorch's name of what is called so here; names from elsewhere stay as they are."""
    if module != "rustnn" and not module.startswith("rustnn."):
        return module, name
    home = _CLASSES.get(f"{module}.{name}") or _MODULES.get(module)
    if module == "rustnn._C" and name.startswith("_nn_"):
        return "torch.nn.functional", name[len("_nn_") :]
    if home is not None:
        return home, name
    head, _, tail = module.rpartition(".")
    if head == "rustnn.nn" and tail.startswith("functional"):
        return "torch.nn.functional", name
    if head == "rustnn.nn" and tail not in ("init", "utils", "modules"):
        return f"torch.nn.modules.{tail}", name
    if head == "rustnn.optim.lr_scheduler":
        return head.replace("rustnn", "torch"), name
    return "torch" + module[len("rustnn") :], name


def our_name(module: str, name: str) -> tuple[str, str]:
    """The path under which what PyTorch calls so is found here; names from elsewhere stay as they are."""
    if module == "torch._C._nn":
        module = "torch.nn.functional"
    elif module in ("torch._C", "torch._VF"):
        module = "torch"
    elif module == "torch.optim.adamw":
        module = "torch.optim"
    elif module in ("torch.nn.parallel.data_parallel", "torch.nn.parallel.distributed"):
        module = "torch.nn.parallel"
    elif module == "torch.torch_version":
        module = "torch.version"
    if module == "torch" or module.startswith("torch."):
        module = "rustnn" + module[len("torch") :]
    return module, name


def our_object(module: str, name: str) -> Any:
    """What PyTorch calls so, here. AttributeError or ImportError if there is no such thing."""
    from importlib import import_module

    if module == "torch._C" and name == "_VariableFunctionsClass":
        return _C
    home, name = our_name(module, name)
    try:
        found: Any = import_module(home)
        for part in name.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError):
        if not home.startswith("rustnn.nn.modules."):
            raise
        # Private classes of a layer's file, which the modules that bear PyTorch's names do not list.
        tail = home.rpartition(".")[2]
        for ours, theirs in _MODULES.items():
            if theirs == f"torch.nn.modules.{tail}" and hasattr(import_module(ours), name):
                return getattr(import_module(ours), name)
        return getattr(import_module(f"rustnn.nn.{tail}"), name)
    return found
