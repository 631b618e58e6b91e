"""Tables of numbers: CSV files, columns to tensors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rustnn import _C
from rustnn.datasets.files import open_binary
from rustnn.utils.data import Dataset

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from os import PathLike

    from rustnn._C import Tensor, dtype

__all__ = ["Table", "read_csv"]

_NOTHING = ("", "na", "n/a", "nan", "null", "none", "?")


class Table(Dataset[Any]):
    """Rows of numbers: ``data`` (N, columns), and ``targets`` (N), or ``None`` without a target column.

    ``columns`` names the columns of ``data``; ``classes`` has the names behind targets that are numbers of
    classes. A sample is a pair (row, target) of tensors, or the row alone.
    """

    def __init__(
        self,
        data: Tensor,
        targets: Tensor | None = None,
        columns: Sequence[str] = (),
        classes: Sequence[str] = (),
        transform: Callable[[Tensor], Any] | None = None,
        target_transform: Callable[[Tensor], Any] | None = None,
    ) -> None:
        if targets is not None and len(targets) != len(data):
            raise ValueError(f"{len(targets)} targets for {len(data)} rows")
        self.data = data
        self.targets = targets
        self.columns = list(columns)
        self.classes = list(classes)
        self.transform = transform
        self.target_transform = target_transform

    def __getitem__(self, index: Any) -> Any:
        row = self.data[index]
        if self.transform is not None:
            row = self.transform(row)
        if self.targets is None:
            return row
        target = self.targets[index]
        return row, target if self.target_transform is None else self.target_transform(target)

    def __len__(self) -> int:
        return len(self.data)


def read_csv(
    path: str | PathLike[str],
    target: str | int | None = None,
    columns: Sequence[str | int] | None = None,
    *,
    header: bool = True,
    delimiter: str = ",",
    dtype: dtype = _C.float32,
    missing: str | float = "error",
    encoding: str = "utf-8",
    transform: Callable[[Tensor], Any] | None = None,
    target_transform: Callable[[Tensor], Any] | None = None,
) -> Table:
    """The table in a CSV file, packed by gzip or not.

    ``columns`` are those of ``data``, by name or number from 0 (all but the target, unless said); ``target``
    is the column to learn: numbers become a tensor of ``dtype``, whole numbers int64, text the number of its
    class among the sorted names. ``header`` says whether the first line has names; blank lines are skipped.
    ``missing`` says what becomes of an empty cell (or NA, NaN, null, None, ?): "error", "drop" its row, or a
    number in its place; a missing target is an error or drops its row.

    ValueError with file, line and column for a cell that is no number or is missing, for lines of unequal
    length and columns that are not there.
    """
    path = Path(path)
    names, rows, lines = _cells(path, header, delimiter, encoding)
    if missing != "error" and missing != "drop" and isinstance(missing, str):
        raise ValueError(f'missing must be "error", "drop" or a number, but got {missing!r}')
    goal = None if target is None else _column(path, names, target)
    if columns is None:
        taken = [i for i in range(len(names)) if i != goal]
    else:
        taken = [_column(path, names, column) for column in columns]

    values: list[list[float]] = []
    goals: list[str] = []
    kept: list[int] = []
    for row, line in zip(rows, lines, strict=True):
        wanted = taken if goal is None else [*taken, goal]
        gaps = [i for i in wanted if row[i].strip().lower() in _NOTHING]
        if gaps and missing == "drop":
            continue
        for i in gaps:
            if missing == "error" or i == goal:
                raise ValueError(
                    f"{path}, line {line}, column {names[i]!r}: the value is missing ({row[i]!r}); "
                    'missing="drop" leaves such rows out, missing=0.0 puts a number in its place'
                )
        values.append([float(missing) if i in gaps else _number(path, line, names[i], row[i]) for i in taken])
        if goal is not None:
            goals.append(row[goal].strip())
            kept.append(line)
    data = _C.tensor(values, dtype=dtype).reshape(len(values), len(taken))
    targets, classes = (None, []) if goal is None else _targets(goals, dtype)
    return Table(data, targets, [names[i] for i in taken], classes, transform, target_transform)


def _cells(
    path: Path, header: bool, delimiter: str, encoding: str
) -> tuple[list[str], list[list[str]], list[int]]:
    """The names of the columns, the rows, and the lines they stand in."""
    import csv
    import io

    rows, lines = [], []
    with open_binary(path) as stream:
        text = io.TextIOWrapper(stream, encoding=encoding, newline="")
        reader = csv.reader(text, delimiter=delimiter, strict=True, skipinitialspace=True)
        try:
            for row in reader:
                if row:
                    rows.append(row)
                    lines.append(reader.line_num)
        except (csv.Error, UnicodeError) as error:
            raise ValueError(f"{path}, line {reader.line_num + 1}: not a CSV file: {error}") from error
    if not rows:
        raise ValueError(f"{path}: the file is empty")
    names = (
        [name.strip().removeprefix("\ufeff") for name in rows[0]]
        if header
        else [str(i) for i in range(len(rows[0]))]
    )
    if header:
        rows, lines = rows[1:], lines[1:]
    for row, line in zip(rows, lines, strict=True):
        if len(row) != len(names):
            raise ValueError(f"{path}, line {line}: {len(row)} cells where {len(names)} should be")
    return names, rows, lines


def _column(path: Path, names: list[str], column: str | int) -> int:
    if isinstance(column, str):
        if column not in names:
            raise ValueError(f"{path}: there is no column {column!r}; there are {', '.join(names)}")
        return names.index(column)
    if not -len(names) <= column < len(names):
        raise ValueError(f"{path}: there is no column {column}: the table has {len(names)}")
    return column % len(names)


def _number(path: Path, line: int, name: str, cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        raise ValueError(
            f"{path}, line {line}, column {name!r}: {cell!r} is not a number; leave the column out "
            "(columns=...) or make it the target"
        ) from None


def _targets(cells: list[str], dtype: dtype) -> tuple[Tensor, list[str]]:
    """Whole numbers as int64, other numbers as they are, text as numbers of classes."""
    for kind, make in ((_C.int64, int), (dtype, float)):
        try:
            return _C.tensor([make(cell) for cell in cells], dtype=kind), []
        except ValueError:
            pass
    classes = sorted(set(cells))
    numbers = {name: number for number, name in enumerate(classes)}
    return _C.tensor([numbers[cell] for cell in cells], dtype=_C.int64), classes
