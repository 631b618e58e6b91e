"""What rustnn lacks of PyTorch's public names, as lists in docs/COMING_FROM_PYTORCH.md. `make missing-table`.

A name that is missing is either left out for one of the reasons below, or not there yet.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

from parity.names import find, public
from parity.programs import CANDIDATE, REFERENCE

PAGE = Path(__file__).parents[2] / "docs" / "COMING_FROM_PYTORCH.md"
START, END = "<!-- lists: make missing-table -->\n", "<!-- end of the lists -->\n"
SPACES = """
    torch Tensor nn nn.functional nn.init nn.utils nn.utils.rnn nn.utils.parametrize nn.utils.parametrizations
    nn.utils.prune optim optim.lr_scheduler optim.swa_utils utils.data utils.checkpoint utils.tensorboard utils.benchmark
    autograd autograd.functional autograd.graph autograd.forward_ad func linalg fft special signal.windows distributions
    distributions.constraints distributions.transforms amp profiler onnx random testing overrides hub jit multiprocessing
    serialization cpu accelerator
""".split()
#: Why names are left out: the reason, and a regular expression for `space.name`.
REASONS = [
    (
        "Quantized tensors",
        r".*(quant|qparams|fbgemm|_qscheme|\bq_|qint|quint|int_repr|fused_moving_avg|\.qscheme).*|torch\.(u?int[1-7]|bit.*)"
        r"|nn\.functional\.(ScalingType|SwizzleType|scaled_(grouped_)?mm)",
    ),
    (
        "Sparse, nested and other layouts",
        r".*(sparse|spmm|smm\b|sspaddmm|dsmm|saddmm|hspmm|coalesce|(ccol|crow|col|row)_indices|padded|mkldnn)"
        r".*|Tensor\.(values|indices)|torch\.(values|indices)_copy",
    ),
    (
        "The compiler and TorchScript: programs run eagerly",
        r"torch\.(\w*Type|Script.*|sym_.*|Sym.*|parse_.*|import_ir.*|merge_type.*|unify_type_list|Alias.*|Argument.*|Await.*"
        r"|Benchmark.*|Block|CallStack|Capsule|Code|Comp.*|Concrete.*|Graph.*|Gradient|IODescriptor|JIT.*|Lite.*|\w*Logger"
        r"|Module.*|Noop.*|Op.*|ParameterDict|BufferDict|Static.*|Throughput.*|Tracing.*|Use|Value|Exec.*|FileCheck|Function.*"
        r"|Dispatch.*|Exclude.*|Deep.*|Error.*|Tag|AVG|SUM|Aggregation.*|\w*SerializationStorage.*|\w*serializationStorage.*"
        r"|PyTorchFile.*|Future|fork|wait|cpp|vitals.*|Fatal.*|init_num_threads|while_loop)"
        r"|func\.(functionalize|debug_unwrap)|onnx\.(ops|Exp.*|Input.*)|profiler\.Exec.*",
    ),
    (
        "Other machines and vendors' kernels",
        r"torch\.(cudnn|miopen|.*_(ipu|xla)_.*|is_vulkan.*|.*_(ipu|xla)\b).*|Tensor\.(ipu|xpu|mtia)|serialization\.validate_.*"
        r"|torch\.batch_norm_.*|torch\.native_.*",
    ),
    (
        "Several processes that train together",
        r".*\.is_distributed",
    ),
    (
        "Internal to PyTorch",
        r"torch\.(\w+_copy|slice_inverse)|Tensor\.slice_inverse|nn\.factory_kwargs|nn\.functional\.(assert_int_or_pair|has_torch_function.*)|torch\.(thread_safe_generator"
        r"|norm_except_dim|set_anomaly_enabled|DisableTorchFunction)|Tensor\.(module_load|grad_dtype|map2_|index|storage_type)"
        r"|utils\.checkpoint\.(DefaultDeviceType|check_backward_validity|detach_variable|.et_device_states|Graph.*|SAC.*)"
        r"|autograd\.(NestedIOFunction|variable|enforce.*)|overrides\.(enable_re.*|redispatch.*)|utils\.tensorboard\.Record.*"
        r"|autograd\.graph\.(set_|region_).*|serialization\.(mkdtemp|StorageType|normalize.*|storage_to.*|check_mod.*|Source.*)"
        r"|utils\.benchmark\.(Colorize|ordered_unique|select_unit|set_torch.*|trim_sig.*|unit_to.*)",
    ),
    (
        "Gone from PyTorch too, or only an error there",
        r"Tensor\.(eig|lstsq|solve|symeig|reinforce|volatile)|torch\.(eig|lstsq|solve|symeig|matrix_rank)",
    ),
    (
        "DataPipes: write an `IterableDataset`",
        r"utils\.data\..*",
    ),
    (
        "Valgrind and fuzzers of the benchmark tool",
        r"utils\.benchmark\.(Callgrind|CopyIf|Function|Fuzz|Language|ParameterAlias).*",
    ),
]  # fmt: skip


def names(space: str) -> list[str]:
    """The public names of a module of PyTorch, or of the class Tensor."""
    if space == "Tensor":
        return sorted(name for name in dir(REFERENCE.Tensor) if not name.startswith("_"))
    module = REFERENCE if space == "torch" else find(REFERENCE, space)
    assert isinstance(module, ModuleType), space
    listed = sorted(getattr(module, "__all__", ())) or public(module)
    return [n for n in listed if n != "Tensor" and not isinstance(getattr(module, n, None), ModuleType)]


def is_there(space: str, name: str) -> bool:
    """Whether rustnn has a name; what only explains why it is missing is not there."""
    home = CANDIDATE if space == "torch" else find(CANDIDATE, space)
    try:
        getattr(home, name)
    except Exception:
        return False
    return True


def reason(space: str, name: str) -> str | None:
    """Why a name that is missing is left out; None if it is not there yet."""
    return next((why for why, pattern in REASONS if re.fullmatch(pattern, f"{space}.{name}")), None)


def items(what: str, found: Iterable[str]) -> list[str]:
    """An item of a list in Markdown: a title, and names."""
    text = f"- **{what}**: " + ", ".join(f"`{name}`" for name in found)
    return [line + "\n" for line in textwrap.wrap(text, 118, subsequent_indent="  ", break_on_hyphens=False)]


def lists() -> str:
    """The part of the page that is made from the code of both libraries."""
    rows = ["| module | names | there | not yet | left out |\n", "|---|---|---|---|---|\n"]
    waiting: list[str] = []
    left_out: dict[str, list[str]] = {why: [] for why, _ in REASONS}
    for space in SPACES:
        theirs = names(space)
        missing = [name for name in theirs if not is_there(space, name)]
        not_yet = [name for name in missing if reason(space, name) is None]
        for name in missing:
            why = reason(space, name)
            if why is not None:
                left_out[why].append(f"{space}.{name}".removeprefix("torch."))
        if not_yet:
            waiting += items(space, not_yet)
        counts = (len(theirs), len(theirs) - len(missing), len(not_yet), len(missing) - len(not_yet))
        rows.append(f"| `{space}` | {' | '.join(map(str, counts))} |\n")
    reasons = [line for why, found in left_out.items() if found for line in items(why, found)]
    return "".join(
        [*rows, "\n### Not there yet\n\n", *waiting, "\n### Left out, and why\n\n", *reasons],
    )


def fresh() -> str:
    """The page as it should be."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(START)
    return before + START + lists() + END + rest.partition(END)[2]


if __name__ == "__main__":
    PAGE.write_text(fresh(), encoding="utf-8")
