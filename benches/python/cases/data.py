"""Data loaders: a whole epoch, but for the last."""

from __future__ import annotations

from .case import Case

ROWS_OF_DIGITS = """
D = torch.utils.data
images = torch.randn({n}, 784); labels = torch.randint(0, 10, ({n},))
class Rows(D.Dataset):
    def __len__(self): return len(images)
    def __getitem__(self, i): return images[i], int(labels[i])
"""

CASES = [
    Case(
        "DataLoader: tensors 60000 x 784, batch 64, shuffled",
        5,
        ROWS_OF_DIGITS.format(n=60000)
        + "loader = D.DataLoader(D.TensorDataset(images, labels), 64, shuffle=True)",
        "for batch in loader: pass",
        "next(iter(loader))[0][:4, :8]",
    ),
    Case(
        "DataLoader: 6400 Python samples, batch 64, 2 workers",
        1,
        ROWS_OF_DIGITS.format(n=6400)
        + "loader = D.DataLoader(Rows(), 64, shuffle=True, num_workers=2, multiprocessing_context='fork')",
        "for batch in loader: pass",
        "next(iter(loader))[0][:4, :8]",
    ),
    Case(
        "DataLoader: first batch of an epoch, 4 forked workers",
        2,
        ROWS_OF_DIGITS.format(n=6400) + "import warnings; warnings.simplefilter('ignore')\n"
        "loader = D.DataLoader(Rows(), 64, shuffle=True, num_workers=4, multiprocessing_context='fork')",
        "next(iter(loader))",
        "next(iter(loader))[0][:4, :8]",
    ),
]
