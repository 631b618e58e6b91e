"""The code in Markdown pages: finds it, runs it, and holds what it prints against what the page shows.

The blocks of a page run in order, in one namespace, as one program in a folder of its own. In a page

- a block that begins with ```` ```python ```` or ```` ```py ```` is run;
- a block that begins with ```` ```text ```` shows what the block of code above it prints. A line ``...`` stands for any
  lines, and ``...`` within a line for any text; a fraction may differ by one in its last digit. If the code raises, the
  exception comes last, as in a traceback;
- a comment ``<!-- run: code -->`` is run too and not seen: what the reader is supposed to have done before;
- a comment ``<!-- needs: graphviz, dot -->`` names packages and programs without which the rest is left out.

``make pages`` runs all pages and writes what they print into their ```` ```text ```` blocks.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import os
import re
import shutil
import sys
import tempfile
import textwrap
import warnings
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
FENCE = re.compile(r"^( *)```(python|py|text)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
HIDDEN = re.compile(r"^<!-- run:(.*?)-->$", re.MULTILINE | re.DOTALL)
NEEDS = re.compile(r"^<!-- needs: (.*?) -->$", re.MULTILINE)
FRACTION = re.compile(r"[-+]?\d+\.\d*(?:e[-+]?\d+)?")


@dataclass
class Block:
    """A block of code, and where in the page the output is that is shown for it, if any."""

    code: str
    line: int
    needs: list[str]
    seen: bool = True
    shown: tuple[int, int] | None = None

    def missing(self) -> list[str]:
        """The packages and programs that the block needs and that are not here."""
        return [
            name for name in self.needs if importlib.util.find_spec(name) is None and not shutil.which(name)
        ]


@dataclass
class Page:
    path: Path
    text: str
    blocks: list[Block]

    def shown(self, block: Block) -> str | None:
        """The output that the page shows for a block."""
        return None if block.shown is None else self.text[slice(*block.shown)]

    def missing(self) -> list[str]:
        """What the page needs and is not here."""
        return self.blocks[-1].missing() if self.blocks else []


def read(path: Path) -> Page:
    """Takes a page apart."""
    text = path.read_text(encoding="utf-8")

    def block(match: re.Match[str], group: int, seen: bool) -> tuple[int, Block]:
        before = [names for names in NEEDS.finditer(text) if names.start() < match.start()]
        needs = [name for names in before for name in names[1].split(", ")]
        code = textwrap.dedent(match[group])
        return match.start(), Block(code, text.count("\n", 0, match.start(group)), needs, seen)

    fences = list(FENCE.finditer(text))
    outputs = [match.span(3) for match in fences if match[2] == "text"]
    found = [block(match, 3, True) for match in fences if match[2] != "text"]
    found += [block(match, 1, False) for match in HIDDEN.finditer(text)]
    found.sort(key=lambda pair: pair[0])
    for start, end in outputs:
        above = [block for place, block in found if place < start and block.seen]
        if not above or above[-1].shown is not None:
            raise ValueError(f"{path}:{text.count(chr(10), 0, start)}: no code prints this")
        above[-1].shown = start, end
    return Page(path, text, [block for _, block in found])


def pages() -> list[Path]:
    """The pages of the repository that have code to run."""
    files = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md")]
    return sorted(path for path in files if read(path).blocks)


def run(page: Page, folder: Path) -> list[str]:
    """What each block prints, up to the first that needs what is not here.

    Exceptions that the page does not show are raised.
    """
    module = ModuleType("__main__")
    old_main, old_folder = sys.modules["__main__"], Path.cwd()
    printed = []
    sys.modules["__main__"] = module  # so that pickles and workers find the page's classes
    os.chdir(folder)
    try:
        with warnings.catch_warnings():
            for block in page.blocks:
                if block.missing():
                    break
                printed.append(_printed(page, block, vars(module)))
    finally:
        os.chdir(old_folder)
        sys.modules["__main__"] = old_main
    return printed


def _printed(page: Page, block: Block, names: dict[str, Any]) -> str:
    """What a block prints."""
    # With the lines above it, so that tracebacks name the line of the page.
    program = compile("\n" * block.line + block.code, str(page.path), "exec")
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        try:
            exec(program, names)
        except Exception as error:
            if not _shows_an_error(page.shown(block)):
                raise
            print(f"{type(error).__name__}: {error}", *getattr(error, "__notes__", ()), sep="\n")
    return output.getvalue()


def _shows_an_error(shown: str | None) -> bool:
    error = re.compile(r"^(\w*(Error|Exception|Warning)\b|\s*\Z)", re.MULTILINE)
    return shown is not None and error.search(shown) is not None


def same(shown: str, printed: str) -> bool:
    """Whether a page shows what was printed."""
    shown, printed = _tidy(shown), _tidy(printed)
    fractions = FRACTION.findall(shown)
    pattern = re.escape(FRACTION.sub("\0", shown)).replace("\0", f"({FRACTION.pattern})")
    pattern = pattern.replace(re.escape("...\n"), r"(?s:.*?)").replace(re.escape("..."), ".*?")
    match = re.fullmatch(pattern, printed)
    return match is not None and all(map(_close, fractions, match.groups()))


def _tidy(text: str) -> str:
    return "".join(line.rstrip() + "\n" for line in text.strip().splitlines())


def _close(shown: str, printed: str) -> bool:
    digits, _, exponent = shown.partition("e")
    last = 10.0 ** (int(exponent or 0) - len(digits.partition(".")[2]))
    return abs(float(shown) - float(printed)) < 1.01 * last


def with_output(page: Page, printed: list[str]) -> str:
    """The page, showing what was printed."""
    text = page.text
    for block, output in reversed(list(zip(page.blocks, printed, strict=False))):
        shown = page.shown(block)
        if block.shown is not None and shown is not None and not same(shown, output):
            text = text[: block.shown[0]] + _tidy(output) + text[block.shown[1] :]
    return text


def main() -> None:
    for path in [Path(name).resolve() for name in sys.argv[1:]] or pages():
        page = read(path)
        with tempfile.TemporaryDirectory() as folder:
            text = with_output(page, run(page, Path(folder)))
        missing = f", but for what needs {', '.join(page.missing())}" if page.missing() else ""
        print(f"{path.relative_to(ROOT)}: {'as it was' if text == page.text else 'written'}{missing}")
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
