"""The code in README.md and the documentation runs, and prints what the pages show."""

from __future__ import annotations

from pathlib import Path

import pages
import pytest

TUTORIAL = pages.ROOT / "docs" / "tutorial"
CHAPTERS = sorted(path.name for path in (TUTORIAL / "en").glob("*.md"))


@pytest.mark.parametrize("path", [str(path.relative_to(pages.ROOT)) for path in pages.pages()])
def test_page(path: str, tmp_path: Path) -> None:
    page = pages.read(pages.ROOT / path)
    for block, printed in zip(page.blocks, pages.run(page, tmp_path), strict=not page.missing()):
        shown = page.shown(block)
        assert shown is None or pages.same(shown, printed), f"{path}:{block.line + 1} prints\n{printed}"
    if page.missing():
        pytest.skip(f"the rest needs {', '.join(page.missing())}")


def test_the_tutorial_in_both_languages() -> None:
    assert sorted(path.name for path in (TUTORIAL / "zh").glob("*.md")) == CHAPTERS
    for name in CHAPTERS:
        english, chinese = (pages.read(TUTORIAL / language / name) for language in ("en", "zh"))
        assert [b.code for b in english.blocks] == [b.code for b in chinese.blocks], name
        assert list(map(english.shown, english.blocks)) == list(map(chinese.shown, chinese.blocks)), name
        assert english.text.count("\n#") == chinese.text.count("\n#"), name


@pytest.mark.parametrize(
    ("shown", "printed", "same"),
    [
        ("a 1.50\n", "a 1.51 \n\n", True),
        ("a 1.50\n", "a 1.52\n", False),
        ("3 of 4\n", "3 of 5\n", False),
        ("1e-05 2.0e-05", "1e-05 2.1e-05", True),
        ("2.0e-05", "2.2e-05", False),
        ("-0.1, [2.]", "-0.1, [2.]", True),
        ("first\n...\nlast", "first\nx\ny\nlast", True),
        ("first\n...\nlast", "first\nlast", True),
        ("took ... ms", "took 3.25 ms", True),
        ("took ... ms", "took 3\n ms", False),
        ("a|b (c)*", "a|b (c)*", True),
    ],
)
def test_what_counts_as_shown(shown: str, printed: str, same: bool) -> None:
    assert pages.same(shown, printed) is same


def test_a_page(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    path.write_text(
        "# Page\n<!-- run: x = 2 -->\n```python\nprint(x)\n```\nsays\n```text\n3\n```\n"
        "```py\nclass A:\n    pass\n\nprint(A.__module__)\nA.b\n```\n```text\n__main__\nAttributeError: ...\n```\n"
        "<!-- needs: os, no_such_thing -->\n```sh\nls\n```\n```python\nimport no_such_thing\n```\n"
    )
    page = pages.read(path)
    assert page.missing() == ["no_such_thing"]
    hidden, number, error = pages.run(page, tmp_path)
    assert (hidden, number) == ("", "2\n")
    assert error.startswith("__main__\nAttributeError: type object 'A' has no attribute 'b'")
    assert pages.with_output(page, [hidden, number, error]) == page.text.replace(
        "```text\n3\n", "```text\n2\n"
    )
    path.write_text("```text\nnothing\n```\n")
    with pytest.raises(ValueError, match="no code prints this"):
        pages.read(path)


def test_an_error_that_is_not_shown(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    path.write_text("\n```python\n1 / 0\n```\n")
    with pytest.raises(ZeroDivisionError) as caught:
        pages.run(pages.read(path), tmp_path)
    assert (str(caught.traceback[-1].path), caught.traceback[-1].lineno) == (str(path), 2)
