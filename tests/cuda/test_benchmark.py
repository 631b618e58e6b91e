"""`make bench-cuda` works: with the smallest sizes a case of each kind goes through, and a table comes out."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "benches" / "python" / "compare_cuda.py"
ONLY = "^copy|^add of two|^matmul float32|^MLP, as|^x . y|^first use"


def test_the_table(tmp_path: Path) -> None:
    answer = subprocess.run(
        [
            sys.executable,
            SCRIPT,
            "--tiny",
            "--alone",
            "--rounds",
            "1",
            "--only",
            ONLY,
            "--json",
            tmp_path / "rows",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    rows = json.loads((tmp_path / "rows").read_text())
    kinds = {row["case"]: row["kind"] for row in rows}
    assert len(rows) == 6
    assert set(kinds.values()) == {"bandwidth", "float32", "launches", "host"}
    assert all(row["seconds"][0] > 0 for row in rows)
    assert all(row["result"] for row in rows if row["case"] != "first use")
    assert answer.stdout.count("\n| ") + answer.stdout.startswith("| ") == 7
    assert "100%" in answer.stdout
