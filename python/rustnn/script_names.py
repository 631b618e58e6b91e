"""Which names of torch a script uses, and which of them rustnn lacks, without running it: ``check``.

A name is followed from the imports: ``import torch.nn as nn``, ``from torch import optim``, ``F.relu``.
Methods of tensors count where it is certain that there is a tensor: ``torch.zeros(3).name``, and variables
that hold only such results.
"""

from __future__ import annotations

import ast
import os
import sys

from rustnn import compat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

__all__ = ["ScriptNames", "check"]

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)

# Functions of torch whose results are tensors.
_MAKERS = frozenset(
    """arange as_tensor bmm cat concat empty empty_like exp eye flatten from_numpy full full_like linspace log
    matmul mm multinomial normal ones ones_like rand rand_like randint randn randn_like randperm relu reshape
    sigmoid softmax sqrt squeeze stack tanh tensor transpose tril triu unsqueeze where zeros
    zeros_like""".split()
)
_TENSOR = "torch.Tensor"


class ScriptNames(ast.NodeVisitor):
    """The names of torch in the text of a script: ``used`` has the lines of each, ``missing`` why it lacks.

    SyntaxError for a text that is not Python.
    """

    def __init__(self, text: str, file: str = "<script>") -> None:
        self.used: dict[str, list[int]] = {}
        self.missing: dict[str, str] = {}
        self._scopes: list[dict[str, str | None]] = [{}]
        self._optional = 0
        tree = ast.parse(text, file)
        # Imports first: a function may use what is imported below it.
        self._scopes[0].update(_tensor_variables(tree, self._imports(tree)))
        self.visit(tree)

    # ---- imports ----

    def _imports(self, tree: ast.AST) -> dict[str, str]:
        """What the imports of a scope bind."""
        bound: dict[str, str] = {}
        for node in _of_scope(tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    if _is_torch(alias.name):
                        first = alias.name.partition(".")[0]
                        bound[alias.asname or first] = alias.name if alias.asname else first
            elif isinstance(node, ast.ImportFrom) and node.level == 0 and _is_torch(node.module or ""):
                for alias in node.names:
                    bound[alias.asname or alias.name] = f"{node.module}.{alias.name}"
        self._scopes[-1].update(bound)
        return bound

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            if _is_torch(alias.name):
                self._note(alias.name, node.lineno)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        if node.level or not _is_torch(node.module or ""):
            return
        for alias in node.names:
            self._note(f"{node.module}.{alias.name}" if alias.name != "*" else node.module or "", node.lineno)

    def visit_Try(self, node: ast.Try) -> None:
        # What a script can do without: an import with an `except` behind it.
        handled = any(
            handler.type is None
            or "Error" in ast.unparse(handler.type)
            or "Exception" in ast.unparse(handler.type)
            for handler in node.handlers
        )
        self._optional += handled
        for statement in node.body:
            self.visit(statement)
        self._optional -= handled
        for part in (*node.handlers, *node.orelse, *node.finalbody):
            self.visit(part)

    # ---- scopes ----

    def visit(self, node: ast.AST) -> None:
        if isinstance(node, _COMPREHENSIONS):
            targets = (part for loop in node.generators for part in ast.walk(loop.target))
            self._scopes.append({part.id: None for part in targets if isinstance(part, ast.Name)})
            self.generic_visit(node)
            self._scopes.pop()
            return
        if not isinstance(node, _FUNCTIONS):
            super().visit(node)
            return
        if not isinstance(node, ast.Lambda):
            for part in (*node.decorator_list, *([node.returns] if node.returns else [])):
                self.visit(part)
        self.visit(node.args)
        local: dict[str, str | None] = dict.fromkeys(_bound_names(node))
        self._scopes.append(local)
        imports = self._imports(node)
        local.update(_tensor_variables(node, {**self._visible(), **imports}))
        body: list[ast.AST] = [*node.body] if isinstance(node.body, list) else [node.body]
        for inner in body:
            self.visit(inner)
        self._scopes.pop()

    def _visible(self) -> dict[str, str]:
        seen = {name: value for scope in self._scopes for name, value in scope.items()}
        return {name: value for name, value in seen.items() if value is not None}

    # ---- uses ----

    def visit_Attribute(self, node: ast.Attribute) -> None:
        name = _dotted(node, self._visible())
        if name is None:
            self.generic_visit(node)
        else:
            self._note(name, node.lineno)
            if _dotted(node.value, self._visible()) is None:  # torch.zeros(3).name: the call has names too
                self.visit(node.value)

    def visit_Name(self, node: ast.Name) -> None:
        name = self._visible().get(node.id)
        if name is not None and name != _TENSOR and "." in name and isinstance(node.ctx, ast.Load):
            self._note(name, node.lineno)

    def _note(self, name: str, line: int) -> None:
        """Keeps a name with its line, cut behind what is no module, no class and not missing."""
        found: Any = None
        parts = name.split(".")
        for end in range(1, len(parts) + 1):
            short = ".".join(parts[:end])
            try:
                found = compat.find(short)
            except (AttributeError, ModuleNotFoundError) as error:
                if not self._optional:
                    self.missing[short] = str(error).rpartition("; docs/")[0] or str(error)
                name = short
                break
            is_open = (
                isinstance(found, type(sys))
                or short == _TENSOR
                or type(found).__module__ == "rustnn.backends"
            )
            if not is_open:
                name = short
                break
        lines = self.used.setdefault(name, [])
        if line not in lines:
            lines.append(line)


def _is_torch(name: str) -> bool:
    return name.partition(".")[0] in ("torch", "torchvision", "torchaudio")


def _of_scope(scope: ast.AST) -> Iterator[ast.AST]:
    """All nodes within a scope, but for those of functions and comprehensions in it."""
    for node in ast.iter_child_nodes(scope):
        yield node
        if not isinstance(node, (*_FUNCTIONS, *_COMPREHENSIONS)):
            yield from _of_scope(node)


def _bound_names(function: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> set[str]:
    """What a function binds: arguments and what is assigned in it."""
    arguments = function.args
    every = [
        *arguments.posonlyargs,
        *arguments.args,
        *arguments.kwonlyargs,
        arguments.vararg,
        arguments.kwarg,
    ]
    bound = {argument.arg for argument in every if argument is not None}
    free: set[str] = set()
    for node in _of_scope(function):
        if isinstance(node, ast.Name) and isinstance(node.ctx, (ast.Store, ast.Del)):
            bound.add(node.id)
        elif isinstance(node, (ast.Global, ast.Nonlocal)):
            free.update(node.names)
    return bound - free


def _tensor_variables(scope: ast.AST, visible: dict[str, str]) -> dict[str, str]:
    """The variables of a scope that only ever hold tensors made by torch."""
    good: dict[str, int] = {}
    stores: dict[str, int] = {}
    for node in _of_scope(scope):
        if isinstance(node, ast.Name) and isinstance(node.ctx, (ast.Store, ast.Del)):
            stores[node.id] = stores.get(node.id, 0) + 1
        elif isinstance(node, ast.Assign) and _is_tensor(node.value, visible):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    good[target.id] = good.get(target.id, 0) + 1
    return {name: _TENSOR for name, count in good.items() if stores.get(name) == count}


def _is_tensor(node: ast.AST, visible: dict[str, str]) -> bool:
    """Whether an expression is a call that makes a tensor."""
    if not isinstance(node, ast.Call):
        return False
    name = _dotted(node.func, visible) or ""
    return name.startswith("torch.") and name.removeprefix("torch.") in _MAKERS


def _dotted(node: ast.AST, visible: dict[str, str]) -> str | None:
    """``torch.nn.Linear`` for an expression that stands for it."""
    if isinstance(node, ast.Name):
        return visible.get(node.id)
    if _is_tensor(node, visible):
        return _TENSOR
    if isinstance(node, ast.Attribute):
        before = _dotted(node.value, visible)
        return None if before is None else f"{before}.{node.attr}"
    return None


def _scripts(paths: Sequence[str]) -> Iterator[str]:
    """The scripts, and those in folders. FileNotFoundError for what does not exist."""
    for path in paths:
        if os.path.isdir(path):
            for folder, folders, files in os.walk(path):
                folders[:] = sorted(name for name in folders if not name.startswith((".", "__pycache__")))
                yield from (os.path.join(folder, name) for name in sorted(files) if name.endswith(".py"))
        elif os.path.exists(path):
            yield path
        else:
            raise FileNotFoundError(f"no such file or folder: {path}")


USAGE = """\
usage: python -m rustnn check [-q] PATH...

Lists the names of torch that scripts, and those in folders, use, with lines, and which of them rustnn lacks.
-q lists only what is missing. Exit status: 0 if all is there, 1 if a name is missing, 2 for unreadable files.
"""


def check(arguments: Sequence[str]) -> int:
    """Prints what scripts use and what is missing; the exit status, as ``USAGE`` has it."""
    paths = [argument for argument in arguments if argument not in ("-q", "--quiet")]
    if not paths or any(path in ("-h", "--help") for path in paths):
        print(USAGE, end="")
        return 0 if paths else 2
    quiet = len(paths) < len(arguments)
    status, scripts = 0, 0
    used: set[str] = set()
    lacking: set[str] = set()
    try:
        for path in _scripts(paths):
            try:
                with open(path, "rb") as file:
                    names = ScriptNames(file.read().decode("utf-8-sig", "replace"), path)
            except (SyntaxError, ValueError) as error:
                print(f"{path}: cannot be read: {error}", file=sys.stderr)
                status = 2
                continue
            scripts += 1
            used.update(names.used)
            lacking.update(names.missing)
            if (quiet and not names.missing) or not names.used:
                continue
            print(f"{path}: {len(names.used)} names, {len(names.missing) or 'none'} missing")
            for name, lines in sorted(names.used.items()):
                if name in names.missing:
                    print(f"  MISSING {name}  line {', '.join(map(str, lines))}: {names.missing[name]}")
                elif not quiet:
                    print(f"          {name}  line {', '.join(map(str, lines))}")
    except FileNotFoundError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{scripts} scripts, {len(used)} names, {len(lacking) or 'none'} missing")
    return status or int(bool(lacking))
