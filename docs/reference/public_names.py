"""The directive ``public-names``: all that a module or a class offers, with signatures and docstrings.

``.. public-names:: rustnn.nn`` makes a table of names, and an entry for each. With ``:by-file:`` names are
grouped by the file that they come from, below the first sentence of its docstring.

Signatures of native functions come from ``_C.pyi``. Docstrings are plain text with code in backquotes, not
reStructuredText, and are translated.
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
from collections.abc import Iterable
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

import rustnn

STUB = Path(rustnn.__file__).with_name("_C.pyi")
CODE = re.compile(r"``.+?``|`[^`]+`")
# What reStructuredText would take for markup.
MARKUP = re.compile(r"[*|\\`]|(?<=\w)_+(?!\w)|(?<!\w)_+(?=\w)")
#: Types that signatures link to. Sphinx would look for any other among all names, for seconds.
LINKED = {"Tensor": "rustnn.Tensor", "Module": "rustnn.nn.Module", "Parameter": "rustnn.nn.Parameter"}
#: Classes that have a page, and so no entry on the page of their module.
OWN_PAGES = ("rustnn.Tensor",)
#: Names of the stub that stand for types of Python or rustnn.
TYPES = {"_Number": "Number", "_Sizes": "Sequence[int]"}


# ---- docstrings -------------------------------------------------------------------------------------------


def plain_text(lines: Iterable[str]) -> list[str]:
    """A docstring as reStructuredText that shows it as it is."""
    done: list[str] = []
    text = "\n".join(lines)
    place = 0
    parts: list[str] = []
    for match in CODE.finditer(text):
        parts.append(MARKUP.sub(r"\\\g<0>", text[place : match.start()]))
        code = " ".join(match[0].strip("`").split())
        parts.append(f"``{code}``" if code else match[0])
        # Markup ends at a word: "``x``s" would not.
        if text[match.end() : match.end() + 1].isalnum():
            parts.append("\\ ")
        place = match.end()
    parts.append(MARKUP.sub(r"\\\g<0>", text[place:]))
    for line in "".join(parts).split("\n"):
        item = re.match(r"\s*([-*]|\d+\.) ", line)
        before = done[-1] if done else ""
        if item and before.strip() and not re.match(r"\s*([-*]|\d+\.) |\s{2,}", before):
            done.append("")
        done.append(line)
    return done


def docstring(value: object) -> list[str]:
    """The docstring of an object as reStructuredText."""
    text = value.__doc__ if isinstance(value.__doc__, str) else ""
    signature, separator, rest = text.partition("\n--\n")
    if separator and "(" in signature:
        text = rest
    return plain_text(inspect.cleandoc(text).splitlines())


def translate(app: Sphinx, what: str, name: str, value: object, options: object, lines: list[str]) -> None:
    """What autodoc calls with every docstring that it shows."""
    lines[:] = plain_text(lines)


def link_types(app: Sphinx, document: nodes.document) -> None:
    """Links the types in signatures that are of interest, and no others."""
    for line in list(document.findall(addnodes.desc_signature)):
        for reference in list(line.findall(addnodes.pending_xref)):
            name = reference["reftarget"].rpartition(".")[2]
            target = LINKED.get(name)
            if target is None:
                reference.replace_self(nodes.Text(name))
            else:
                reference["reftarget"] = target


# ---- signatures of what is native -------------------------------------------------------------------------


def signature(function: ast.FunctionDef, *, method: bool) -> str:
    """``(input: Tensor, dim: int) -> Tensor``."""
    if method and function.args.args:
        del function.args.args[0]
    text = f"({ast.unparse(function.args)})"
    if function.returns is not None:
        text += f" -> {ast.unparse(function.returns)}"
    for name, meaning in TYPES.items():
        text = re.sub(rf"\b{name}\b", meaning, text)
    return re.sub(r"(?<![\w.])_(?=(int|float|bool|dtype|device|layout|memory_format)\b)", "", text)


@cache
def native_signatures() -> dict[str, dict[str, list[str]]]:
    """By class ("" for functions) and name: all signatures in the stub of the native module."""
    found: dict[str, dict[str, list[str]]] = {"": {}}

    def add(owner: str, function: ast.FunctionDef) -> None:
        found[owner].setdefault(function.name, []).append(signature(function, method=bool(owner)))

    for statement in ast.parse(STUB.read_text(encoding="utf-8")).body:
        if isinstance(statement, ast.FunctionDef):
            add("", statement)
        elif isinstance(statement, ast.ClassDef):
            found[statement.name] = {}
            for part in statement.body:
                if isinstance(part, ast.FunctionDef):
                    add(statement.name, part)
    return found


# ---- entries ----------------------------------------------------------------------------------------------


def public(owner: Any) -> dict[str, Any]:
    """Name and value of what a module or class offers: ``__all__``, or what does not begin with ``_``."""
    names = getattr(owner, "__all__", None) or [name for name in dir(owner) if not name.startswith("_")]
    values = {
        name: inspect.getattr_static(owner, name) if isinstance(owner, type) else getattr(owner, name)
        for name in sorted(names, key=str.lower)
    }
    return {
        name: value for name, value in values.items() if callable(value) and not isinstance(value, ModuleType)
    }


def indented(lines: Iterable[str], by: int = 3) -> list[str]:
    return [" " * by + line if line else "" for line in lines]


def entry(path: str, value: Any) -> list[str]:
    """The directive that shows one name."""
    owner = path.rpartition(".")[0]
    if inspect.isbuiltin(value) or inspect.ismethoddescriptor(value):
        of_class = owner.rpartition(".")[2] if inspect.ismethoddescriptor(value) else ""
        known = native_signatures()[of_class]
        own = value.__name__
        signatures = known.get(own) or known.get(f"_{own}") or ["(*args, **kwargs)"]
        kind = "method" if of_class else "function"
        first, *others = [f"{path}{text}" for text in signatures]
        head = [f".. py:{kind}:: {first}", *indented(others, len(f".. py:{kind}:: "))]
        return [*head, "", *indented(docstring(value)), ""]
    if isinstance(value, type):
        return [f".. autoclass:: {path}", "   :members:", ""]
    kind = "automethod" if isinstance(getattr_path(owner), type) else "autofunction"
    return [f".. {kind}:: {path}", ""]


def getattr_path(path: str) -> Any:
    """The module, or the class in one, called ``path``."""
    try:
        return import_module(path)
    except ModuleNotFoundError:
        owner, _, name = path.rpartition(".")
        return getattr(import_module(owner), name)


def summary(line: str) -> str:
    """The first sentence of a docstring."""
    return re.split(r"(?<=[.!?])\s", line, maxsplit=1)[0]


def table(paths: dict[str, Any]) -> list[str]:
    """Names with the first sentence of their docstrings."""
    lines = [".. list-table::", "   :widths: 30 70", ""]
    for path, value in paths.items():
        name = path.rpartition(".")[2]
        place = home(path, value)
        target = path if place.endswith("itself") else f"{place}.{name}"
        role = "class" if isinstance(value, type) else "meth" if ".Tensor." in path else "func"
        text = " ".join(docstring(value)).strip()
        lines += [f"   * - :py:{role}:`{name} <{target}>`", f"     - {summary(text)}"]
    return [*lines, ""]


def home(path: str, value: Any) -> str:
    """Where a class is shown that several modules offer: the package that its file lies in."""
    owner, _, name = path.rpartition(".")
    if path in OWN_PAGES:
        return f"{path} itself"
    package = getattr(value, "__module__", owner).rpartition(".")[0]
    while isinstance(value, type) and package and package != owner:
        if getattr(sys.modules.get(package), name, None) is value:
            return package
        package = package.rpartition(".")[0]
    return owner


class PublicNames(SphinxDirective):
    required_arguments = 1
    option_spec = {"by-file": directives.flag}  # noqa: RUF012

    def run(self) -> list[nodes.Node]:
        values = public(getattr_path(self.arguments[0]))
        groups: dict[str, dict[str, Any]] = {}
        for name, value in values.items():
            file = getattr(value, "__module__", "") if "by-file" in self.options else ""
            groups.setdefault(file, {})[f"{self.arguments[0]}.{name}"] = value
        lines = []
        for file, paths in sorted(groups.items()):
            if file:
                title = file.rpartition(".")[2].replace("_", " ")
                about = " ".join(docstring(sys.modules[file]))
                lines += [title, "-" * len(title), "", summary(about), ""]
            lines += table(paths)
            for path, value in paths.items():
                if home(path, value) == self.arguments[0]:
                    lines += entry(path, value)
        return self.parse_text_to_nodes("\n".join(lines), allow_section_headings=True)


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("public-names", PublicNames)
    app.connect("autodoc-process-docstring", translate)
    app.connect("doctree-read", link_types)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
