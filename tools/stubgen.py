"""Writes python/rustnn/_C.pyi, the types of the native module; ``--check`` only says if it is up to date.

The operations come from their own declarations (``_C._ops()``), the rest from tools/native.pyi. Everything
that the module has must be in the stub.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import rustnn
from rustnn import _C

ROOT = Path(__file__).resolve().parent.parent
STUB = ROOT / "python" / "rustnn" / "_C.pyi"
NATIVE = ROOT / "tools" / "native.pyi"

TYPES = {
    "Tensor": "Tensor",
    "Tensor[]": "Sequence[Tensor]",
    "Scalar": "_Number",
    "Number|Tensor": "Tensor | _Number",
    "int": "_int",
    "int[]": "_Sizes",
    "int[1]": "_int | _Sizes",
    "int[2]": "_int | _Sizes",
    "int[3]": "_int | _Sizes",
    "float[]": "_float | Sequence[_float]",
    "float": "_float",
    "bool": "_bool",
    "str": "str",
    "ScalarType": "_dtype",
    "Generator": "Generator",
    "MemoryFormat": "Any",
}
RESULTS = {"Tensor": "Tensor", "Tensor[]": "tuple[Tensor, ...]", "bool": "_bool"}
# One tensor, or several: their arguments say which.
ONE_OR_SEVERAL = ("unique", "unique_consecutive")
FACTORY = (
    "device: str | _device | None = None",
    "pin_memory: _bool = False",
    "requires_grad: _bool = False",
)
KEYWORDS = {"from": "from_"}


def returned(signature: str) -> str:
    """What a declaration returns: a type, or ``(`` for a tuple of named tensors."""
    result = signature.rsplit("-> ", 1)[1]
    return "(" if result.startswith("(") else result


def fields(signature: str) -> tuple[str, ...]:
    """The names of the tensors that a declaration returns."""
    if returned(signature) != "(":
        return ()
    return tuple(re.findall(r"Tensor (\w+)", signature.rsplit("-> ", 1)[1]))


def named_tuple(names: tuple[str, ...]) -> str:
    """The class of results with these names."""
    return "_" + "_".join(names)


def named_tuples() -> list[str]:
    """The classes of all results with names."""
    lines: list[str] = []
    for names in sorted({fields(entry["signature"]) for entry in _C._ops()} - {()}):
        lines.append(f"class {named_tuple(names)}(tuple[{', '.join(['Tensor'] * len(names))}]):")
        for name in names:
            lines += ["    @property", f"    def {name}(self) -> Tensor: ..."]
        lines.append("")
    return lines[:-1]


TAKE_OUT = {entry["name"] for entry in _C._ops() if entry["takes_out"]}


def parameters(signature: str, *, method: bool) -> str:
    """The parameter list of a declaration, in Python."""
    inside = signature[signature.index("(") + 1 : signature.rindex(") ->")]
    parts = [part.strip() for part in re.split(r",(?![^\[]*\])", inside) if part.strip()]
    out: list[str] = []
    starred = False
    for i, part in enumerate(parts):
        if part == "*":
            if not starred:
                out.append("*")
            starred = True
            continue
        if method and i == 0:
            out.append("self")
            continue
        declared, _, default = part.partition("=")
        kind, name = declared.rsplit(" ", 1)
        variadic = kind.startswith("*")
        kind = kind.removeprefix("*")
        nullable = kind.endswith("?")
        python = TYPES[kind.removesuffix("?")] + (" | None" if nullable else "")
        name = KEYWORDS.get(name, name)
        if variadic:
            out.append(f"*{name}: Any")
            starred = True
        else:
            out.append(f"{name}: {python}" + (f" = {default}" if default else ""))
    name = signature[: signature.index("(")]
    creates = not inside.startswith("Tensor") or name.startswith("new_") or name.endswith("_like")
    if "ScalarType? dtype" in signature and creates:
        out.extend(FACTORY)
    outs = {"Tensor": "Tensor", "(": "Sequence[Tensor]"}.get(returned(signature))
    if outs and not method and name in TAKE_OUT:
        if not starred:
            out.append("*")
        out.append(f"out: {outs} | None = None")
    return ", ".join(out)


def definition(name: str, signatures: list[str], *, method: bool, indent: str) -> list[str]:
    """The lines of one function, with its overloads."""
    lines = []
    for signature in signatures:
        if len(signatures) > 1:
            lines.append(f"{indent}@overload")
        kind = returned(signature)
        result = named_tuple(fields(signature)) if kind == "(" else RESULTS[kind]
        if name in ONE_OR_SEVERAL:
            result = "Any"
        lines.append(f"{indent}def {name}({parameters(signature, method=method)}) -> {result}: ...")
    return lines


def operations(owner: object, *, method: bool, indent: str, known: set[str]) -> list[str]:
    """Stubs of all operations that ``owner`` has."""
    by_name: dict[str, list[str]] = {}
    aliases = {entry["name"]: entry for entry in _C._ops()}
    for entry in _C._ops():
        by_name.setdefault(entry["native"], []).append(entry["signature"])
    lines: list[str] = []
    for name in sorted(dir(owner)):
        if name in known or name.startswith("__"):
            continue
        if f"_{name}" in by_name:
            continue  # only where pickles look for it
        plain = name if name in by_name else name.removesuffix("_")
        if plain in by_name:
            lines += definition(name, by_name[plain], method=method, indent=indent)
        elif callable(getattr(owner, name)) and aliases:
            own = "self, " if method else ""
            lines.append(f"{indent}def {name}({own}*args: Any, **kwargs: Any) -> Tensor: ...")
    return lines


def public_names() -> list[str]:
    """``__all__``: the names that rustnn takes over, without those that it has other functions for."""
    names = [
        name
        for name in sorted(_C.__all__)
        if not name.startswith("_") and getattr(rustnn, name) is getattr(_C, name)
    ]
    return ["__all__ = [", *(f'    "{name}",' for name in names), "]"]


def stub() -> str:
    """The whole stub."""
    text = NATIVE.read_text()
    tensor_part = text[text.index("class Tensor:") : text.index("# <methods>")]
    in_class = set(re.findall(r"^    (?:def )?(\w+)[(:]", tensor_part, re.MULTILINE))
    outside = text[: text.index("class Tensor:")] + text[text.index("# <methods>") :]
    in_module = set(re.findall(r"^(?:def |class )?(\w+)[(:]", outside, re.MULTILINE)) | {"Tensor"}
    methods = operations(_C.Tensor, method=True, indent="    ", known=in_class)
    functions = operations(_C, method=False, indent="", known=in_module)
    header = "# Made by tools/stubgen.py; not to be edited.\n# fmt: off\n"
    text = text[text.index("\n\n") + 2 :]
    text = text.replace("# <names>", "\n".join(public_names()))
    text = text.replace("# <results>", "\n".join(named_tuples()))
    text = text.replace("    # <methods>", "\n".join(methods)).replace("# <functions>", "\n".join(functions))
    return header + "\n" + text


def main() -> int:
    """Writes or checks the stub."""
    text = stub()
    if "--check" in sys.argv[1:]:
        if not STUB.exists() or STUB.read_text() != text:
            print("python/rustnn/_C.pyi is out of date: run tools/stubgen.py")
            return 1
        return 0
    STUB.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
