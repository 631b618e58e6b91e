"""Writes the list of functions in docs/ONNX.md that can be exported, from the table of mappings."""

from __future__ import annotations

import textwrap
from pathlib import Path

from rustnn.onnx.operators import families

PAGE = Path(__file__).resolve().parent.parent / "docs" / "ONNX.md"
START, END = "<!-- list: tools/onnx_operators.py -->\n", "<!-- end of the list -->\n"
NAMES = {
    "getitem": "x[...]",
    "setitem": "x[...] = y",
    "recurrent": "nn.RNN, nn.LSTM, nn.GRU",
}


def fresh() -> str:
    """The page as it should be."""
    before, _, rest = PAGE.read_text().partition(START)
    lines = [START]
    for family, names in families().items():
        shown = ", ".join(f"`{NAMES.get(n, n.lstrip('_').replace('linalg_', 'linalg.'))}`" for n in names)
        text = f"- **{family.replace('_', ' ')}**: {shown}"
        lines += [line + "\n" for line in textwrap.wrap(text, 118, subsequent_indent="  ")]
    return before + "".join(lines) + END + rest.partition(END)[2]


if __name__ == "__main__":
    PAGE.write_text(fresh())
