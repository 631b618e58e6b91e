"""Thousands of damaged files: each is refused with an ordinary exception or gives what it held."""

from __future__ import annotations

import io
import os
import pickle
import zipfile
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import rustnn
from rustnn import nn, optim

COUNT = int(os.environ.get("RUSTNN_FUZZ_FILES", "1500"))
REFUSALS = (RuntimeError, pickle.UnpicklingError, EOFError)


def written(how: Any) -> bytes:
    stream = io.BytesIO()
    how(stream)
    return stream.getvalue()


def objects() -> Any:
    base = rustnn.arange(12.0)
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2), nn.GRU(2, 2))
    return {
        "w": base,
        "v": base[2:5],
        "m": model,
        "o": optim.SGD(model.parameters(), lr=0.1),
        "l": [1, "two"],
    }


MODERN = written(lambda f: rustnn.save(objects(), f))
OLD = written(lambda f: rustnn.save(objects(), f, _use_new_zipfile_serialization=False))
PICKLE = zipfile.ZipFile(io.BytesIO(MODERN)).read("archive/data.pkl")
STORAGES = {
    name: zipfile.ZipFile(io.BytesIO(MODERN)).read(name)
    for name in zipfile.ZipFile(io.BytesIO(MODERN)).namelist()
    if name != "archive/data.pkl"
}

changes = st.lists(
    st.one_of(
        st.tuples(st.just("flip"), st.integers(0, 1 << 20), st.integers(0, 7)),
        st.tuples(st.just("set"), st.integers(0, 1 << 20), st.integers(0, 255)),
        st.tuples(st.just("cut"), st.integers(0, 1 << 20), st.just(0)),
        st.tuples(st.just("drop"), st.integers(0, 1 << 20), st.integers(1, 40)),
        st.tuples(st.just("repeat"), st.integers(0, 1 << 20), st.integers(1, 40)),
    ),
    min_size=1,
    max_size=4,
)


def spoilt(content: bytes, how: Any) -> bytes:
    data = bytearray(content)
    for kind, at, amount in how:
        at %= len(data) or 1
        if not data:
            break
        if kind == "flip":
            data[at] ^= 1 << amount
        elif kind == "set":
            data[at] = amount
        elif kind == "cut":
            del data[at:]
        elif kind == "drop":
            del data[at : at + amount]
        else:
            data[at:at] = data[at : at + amount]
    return bytes(data)


def read(content: bytes, load: Any = rustnn.load) -> Any:
    try:
        return load(io.BytesIO(content))
    except REFUSALS as error:
        assert str(error)
        return None


quickly = settings(
    max_examples=COUNT,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    database=None,
    derandomize=True,
)


@quickly
@given(changes)
def test_archives(how: Any) -> None:
    read(spoilt(MODERN, how))


@quickly
@given(changes)
def test_pickles_in_sound_archives(how: Any) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("archive/data.pkl", spoilt(PICKLE, how))
        for name, content in STORAGES.items():
            archive.writestr(name, content)
    read(stream.getvalue())


@quickly
@given(changes)
def test_old_files(how: Any) -> None:
    read(spoilt(OLD, how))


@settings(quickly, max_examples=COUNT // 3)
@given(changes)
def test_safetensors(tmp_path_factory: Any, how: Any) -> None:
    folder = tmp_path_factory.getbasetemp()
    good, bad = folder / "good.safetensors", folder / "bad.safetensors"
    if not good.exists():
        rustnn.save_safetensors({"a": rustnn.arange(5.0), "b": rustnn.ones(2, 3, dtype=rustnn.int8)}, good)
    bad.write_bytes(spoilt(good.read_bytes(), how))
    try:
        for tensor in rustnn.load_safetensors(bad).values():
            tensor.tolist()
    except REFUSALS:
        pass


@settings(quickly, max_examples=COUNT // 3)
@given(changes)
def test_npz(how: Any) -> None:
    arrays: dict[str, Any] = {"a": np.arange(5.0), "b": np.ones((2, 3), np.int8)}
    content = written(lambda f: np.savez_compressed(f, **arrays))
    read(spoilt(content, how), rustnn.load_npz)


def test_archives_that_grow() -> None:
    """Many entries over the same bytes, and sizes that no file of that length can have."""
    pickled = pickle.dumps([0], 2)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", pickled)
        archive.writestr("archive/data/0", bytes(10_000_000))
    with pytest.raises(RuntimeError, match="compressed"):
        rustnn.load(io.BytesIO(stream.getvalue()))
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("archive/data.pkl", PICKLE)
        for name in STORAGES:
            archive.writestr(name, STORAGES[name] if "/data/" not in name else b"")
    with pytest.raises(RuntimeError, match="are declared"):
        rustnn.load(io.BytesIO(stream.getvalue()))


def test_names_are_never_paths(tmp_path: Any, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({"a": 1}, 2))
        archive.writestr("../../outside.txt", b"x")
        archive.writestr("/absolute.txt", b"x")
    assert rustnn.load(io.BytesIO(stream.getvalue())) == {"a": 1}
    assert list(tmp_path.iterdir()) == []
