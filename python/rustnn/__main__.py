"""``python -m rustnn script.py`` runs a script written for PyTorch; ``check`` says what it needs."""

from __future__ import annotations

import os
import sys

from rustnn import compat
from rustnn.spawned import SCRIPT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType, TracebackType

USAGE = """\
usage: python -m rustnn script.py [arguments]     run a script written for PyTorch, with rustnn as torch
       python -m rustnn -m module [arguments]     the same with a module
       python -m rustnn -c code [arguments]       the same with a line of code
       python -m rustnn - [arguments]             the same with what comes from standard input
       python -m rustnn check PATH...             list the names of torch that scripts use, not running them;
                                                  exit status 1 if rustnn lacks one of them
       python -m rustnn --version

`import torch`, `from torch.utils.data import DataLoader`, `import torchvision.transforms` and so on are
answered by rustnn's modules. A program can do so itself: `import rustnn.compat; rustnn.compat.install()`.
"""


def main_module(file: str | None) -> ModuleType:
    """A new ``__main__`` for a script."""
    from importlib.machinery import ModuleSpec

    made = type(sys)("__main__")
    vars(made)["__builtins__"] = __builtins__
    if file is not None:
        made.__file__ = file
        # A process that multiprocessing spawns runs the module of this name to have the script's functions.
        made.__spec__ = ModuleSpec("rustnn.spawned", None)
        os.environ[SCRIPT] = file
    sys.modules["__main__"] = made
    return made


def run_file(path: str) -> None:
    """Runs a script, or a folder or an archive with a ``__main__.py``, as ``__main__``."""
    if os.path.isdir(path) or path.endswith((".zip", ".pyz")):
        from runpy import run_path

        run_path(path, run_name="__main__")
        return
    try:
        with open(path, "rb") as file:
            source = file.read()
    except OSError as error:
        print(f"python -m rustnn: can't open file {os.path.abspath(path)!r}: {error}", file=sys.stderr)
        sys.exit(2)
    if not sys.flags.safe_path:
        sys.path[0] = os.path.dirname(os.path.realpath(path))
    exec(compile(source, path, "exec", dont_inherit=True), vars(main_module(os.path.abspath(path))))


def run_code(code: str | bytes, name: str = "<string>") -> None:
    """Runs a text as ``__main__``."""
    if not sys.flags.safe_path:
        sys.path[0] = ""
    exec(compile(code, name, "exec", dont_inherit=True), vars(main_module(None)))


def run_input(_: str) -> None:
    """Runs what comes from standard input as ``__main__``."""
    run_code(sys.stdin.buffer.read(), "<stdin>")


def run_module(name: str) -> None:
    """Runs a module, found as ``python -m`` finds it, as ``__main__``."""
    from runpy import run_module as run

    run(name, run_name="__main__", alter_sys=True)


def is_ours(traceback: TracebackType) -> bool:
    """Whether a frame is of what started the script, or of what explains a missing name."""
    file = traceback.tb_frame.f_code.co_filename
    return file in (__file__, compat.__file__) or file.startswith(("<frozen runpy>", "<frozen importlib"))


def print_exception(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Prints a traceback without the frames before the script's, and those behind a missing name."""
    while trace is not None and is_ours(trace):
        trace = trace.tb_next
    last = trace
    while last is not None and last.tb_next is not None:
        if last.tb_next.tb_frame.f_code.co_filename == compat.__file__:
            last.tb_next = None
        else:
            last = last.tb_next
    sys.__excepthook__(kind, error.with_traceback(trace), trace)


def main() -> None:
    """Does what the command line says."""
    arguments = sys.argv[1:]
    if not arguments or arguments[0] in ("-h", "--help"):
        print(USAGE, end="")
        sys.exit(0 if arguments else 2)
    first, *rest = arguments
    if first == "--version":
        from rustnn import version

        print(f"rustnn {version.rustnn}, for scripts of PyTorch {version.__version__}")
        return
    if first == "check":
        from rustnn.script_names import check

        sys.exit(check(rest))
    if first[:2] in ("-m", "-c"):
        # As for Python itself: "-c code" and "-ccode".
        given = [first[2:], *rest] if first[2:] else rest
        if not given:
            print(f"python -m rustnn: argument expected for {first}", file=sys.stderr)
            sys.exit(2)
        first, (what, *rest) = first[:2], given
        sys.argv = [first, *rest]
    elif first == "-":
        what, sys.argv = first, arguments
    elif first.startswith("-") and not os.path.exists(first):
        print(f"python -m rustnn: unknown option {first}\n{USAGE}", end="", file=sys.stderr)
        sys.exit(2)
    else:
        what = first
        sys.argv = arguments
    compat.install()
    sys.excepthook = print_exception
    runs: dict[str, Callable[[str], None]] = {"-m": run_module, "-c": run_code, "-": run_input}
    runs.get(first, run_file)(what)


if __name__ == "__main__":
    main()
