"""The table of names: what rustnn has of PyTorch's `nn` and its parts. `make names-table`.

Each public name is one of

- *held*: there, and a test of tests/parity names it (or runs its samples against PyTorch),
- *present*: there, without such a test,
- *missing*, with the reason.

Writes docs/NN.md. Exits with 1 if a name is missing without a reason.
"""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path
from types import ModuleType

from parity.ops import listed
from parity.programs import CANDIDATE, REFERENCE

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "NN.md"
PARTS = [
    "nn",
    "nn.functional",
    "nn.init",
    "nn.modules.module",
    "nn.parameter",
    "nn.utils",
    "nn.utils.clip_grad",
    "nn.utils.parametrizations",
    "nn.utils.parametrize",
    "nn.utils.prune",
    "nn.utils.rnn",
    "nn.utils.stateless",
]
#: How programs call what belongs to a part, besides its full name.
SHORT = {
    "nn.functional": ["F", "functional"],
    "nn.init": ["init"],
    "nn.modules.module": ["_mm"],
    "nn.utils.rnn": ["rnn"],
}
#: Why a name is missing: a regular expression for `part.name`, and the reason.
REASONS = [
    (r"nn\.factory_kwargs|nn\.functional\.(assert_int_or_pair|\w*has_torch_function\w*|handle_torch_function)", "internal to PyTorch"),
    (r"nn\.functional\.(ScalingType|SwizzleType|scaled_(grouped_)?mm)", "quantized: products of float8 and float4 matrices"),
]  # fmt: skip


def public(module: ModuleType) -> list[str]:
    """What a module offers: its `__all__`, and the functions and classes that are its own."""
    names = set(getattr(module, "__all__", ()))
    for name, value in vars(module).items():
        home = getattr(value, "__module__", None) or "torch._C"
        if not name.startswith("_") and callable(value) and home.startswith((module.__name__, "torch._C")):
            names.add(name)
    return sorted(names)


def find(lib: ModuleType, part: str) -> object | None:
    """The module `part` of a library, if it can be imported."""
    try:
        return importlib.import_module(f"{lib.__name__}.{part}")
    except ImportError:
        found: object | None = lib
        for step in part.split("."):
            found = getattr(found, step, None)
        return found


def tested() -> tuple[str, set[str]]:
    """The text of all parity tests, and the operations whose samples they run."""
    text = "\n".join(
        path.read_text(encoding="utf-8") for path in sorted(HERE.rglob("*.py")) if path.name != "names.py"
    )
    return text, {op.name for op in listed() if op.samples}


def is_held(part: str, name: str, text: str, sampled: set[str]) -> bool:
    if f"{part}.{name}" in sampled or (part == "nn.functional" and name in sampled):
        return True
    prefixes = "|".join(re.escape(prefix) for prefix in [part, *SHORT.get(part, [])])
    if re.search(rf"(?<![\w.])(?:torch\.)?(?:{prefixes})\.{name}\b", text):
        return True
    # Tables of cases hold names as strings, with or without arguments: ("L1Loss", ...), "uniform_(_x)".
    return part != "nn.functional" and bool(re.search(rf"""["']{name}["'(]""", text))


def state(part: str, name: str, text: str, sampled: set[str]) -> str:
    """`held`, `present`, or `missing: why`."""
    home = find(CANDIDATE, part)
    if home is not None and hasattr(home, name):
        return "held" if is_held(part, name, text, sampled) else "present"
    for pattern, reason in REASONS:
        if re.fullmatch(pattern, f"{part}.{name}"):
            return f"missing: {reason}"
    return "missing"


def main() -> int:
    text, sampled = tested()
    summary = ["| part | names | held | present | missing |", "|---|---|---|---|---|"]
    sections: list[str] = []
    unexplained = 0
    for part in PARTS:
        theirs = find(REFERENCE, part)
        assert isinstance(theirs, ModuleType), part
        states = {name: state(part, name, text, sampled) for name in public(theirs)}
        counts = [
            sum(value.startswith(kind) for value in states.values())
            for kind in ("held", "present", "missing")
        ]
        unexplained += sum(value == "missing" for value in states.values())
        summary.append(f"| `{part}` | {len(states)} | " + " | ".join(map(str, counts)) + " |")
        sections += ["", f"## {part}", "", "| name | state |", "|---|---|"]
        sections += [f"| `{name}` | {value} |" for name, value in states.items()]
    head = [
        "# Names of PyTorch's `nn`",
        "",
        f"Made by `make names-table` against PyTorch {REFERENCE.__version__}. *held*: a parity test runs it "
        "with both libraries and compares. *present*: there, without such a test. *missing*: with the reason; "
        f"{unexplained} have none yet.",
        "",
    ]
    PAGE.write_text("\n".join([*head, *summary, *sections]) + "\n", encoding="utf-8")
    print("\n".join([*summary, *sections]))
    print(f"\n{unexplained} names are missing without a reason; written to {PAGE.name}")
    return int(unexplained > 0)


if __name__ == "__main__":
    sys.exit(main())
