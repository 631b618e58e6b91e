"""Files of weights."""

from __future__ import annotations

from .case import Case

WEIGHTS = (
    "import os, tempfile\npath = os.path.join(tempfile.gettempdir(), f'bench-{torch.__name__}.pth')\n"
    "w = {'w': torch.arange(12_500_000.0), 'n': 3}; torch.save(w, path)"
)

CASES = [
    Case("save of 50 MB", 1, WEIGHTS, "torch.save(w, path)", "torch.load(path)['w'][:99]"),
    Case("load of 50 MB", 1, WEIGHTS, "torch.load(path)", "torch.load(path)['w'][:99]"),
    Case("mapped load of 50 MB", 1, WEIGHTS, "torch.load(path, mmap=True)", "torch.load(path)['w'][:99]"),
]
