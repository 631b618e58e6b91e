"""``save`` and ``load``: everything comes back, nothing runs, nothing half-written stays behind."""

from __future__ import annotations

import io
import os
import pickle
import random
import zipfile
from collections import Counter, OrderedDict

import pytest

import rustnn
from rustnn import nn, optim, serialization


def again(obj, **options):
    """``obj`` saved and loaded."""
    stream = io.BytesIO()
    rustnn.save(obj, stream)
    stream.seek(0)
    return rustnn.load(stream, **options)


def same(a, b):
    """Whether two tensors agree in everything."""
    return (
        a.dtype == b.dtype
        and tuple(a.shape) == tuple(b.shape)
        and tuple(a.stride()) == tuple(b.stride())
        and a.requires_grad == b.requires_grad
        and a.tolist() == b.tolist()
    )


DTYPES = "float16 bfloat16 float32 float64 int8 int16 int32 int64 uint8 bool complex64 complex128".split()


@pytest.mark.parametrize("name", DTYPES)
def test_every_dtype(name):
    tensor = rustnn.tensor([0, 1, 2]).to(getattr(rustnn, name))
    assert same(again(tensor), tensor)


def test_every_layout():
    base = rustnn.arange(24.0).view(4, 6)
    tensors = {
        "0-d": rustnn.tensor(3),
        "empty": rustnn.empty(0, 3),
        "transposed": base.t(),
        "slice": base[1:3, ::2],
        "expanded": base[:1].expand(5, 6),
        "gradient": rustnn.ones(2, requires_grad=True),
    }
    loaded = again(tensors)
    assert list(loaded) == list(tensors)
    for name, tensor in tensors.items():
        assert same(loaded[name], tensor), name


def test_shared_storage_stays_shared():
    base = rustnn.zeros(6)
    one, other = again([base, base[2:4]])
    one[2] = 7.0
    assert other[0].item() == 7.0
    assert other.storage_offset() == 2


@pytest.mark.parametrize("weights_only", [True, False])
def test_containers_and_plain_values(weights_only):
    obj = {
        "list": [1, -5, 2**70, 300, 70000, 1.5, None, True, "é", b"bytes", 1 + 2j, (), [], {}],
        "tuple": (1, (2, (3,))),
        "set": {1, 2},
        "counter": Counter("aab"),
        "ordered": OrderedDict(b=1, a=2),
        "dtype": rustnn.float16,
        "device": rustnn.device("cpu"),
        7: "number",
    }
    loaded = again(obj, weights_only=weights_only)
    assert loaded == obj
    assert type(loaded["ordered"]) is OrderedDict


def test_a_model_and_its_optimizer_resume():
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    optimizer = optim.Adam(model.parameters())
    model(rustnn.rand(5, 3)).sum().backward()
    optimizer.step()
    loaded = again({"model": model.state_dict(), "optimizer": optimizer.state_dict()})
    assert loaded["model"]._metadata == model.state_dict()._metadata
    fresh = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    fresh.load_state_dict(loaded["model"])
    resumed = optim.Adam(fresh.parameters())
    resumed.load_state_dict(loaded["optimizer"])
    assert fresh[0].weight.tolist() == model[0].weight.tolist()
    assert (
        resumed.state[fresh[0].weight]["exp_avg"].tolist()
        == optimizer.state[model[0].weight]["exp_avg"].tolist()
    )


def test_parameters_stay_parameters():
    loaded = again(nn.Parameter(rustnn.ones(2)))
    assert type(loaded) is nn.Parameter
    assert loaded.requires_grad


def test_a_whole_model_needs_trust():
    model = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
    with pytest.raises(pickle.UnpicklingError, match=r"Unsupported global: GLOBAL torch.nn.modules"):
        again(model)
    assert repr(again(model, weights_only=False)) == repr(model)
    with serialization.safe_globals([nn.Sequential, nn.Linear, nn.ReLU]):
        assert repr(again(model)) == repr(model)
    assert serialization.get_safe_globals() == []


# ---- files -------------------------------------------------------------------------------------------------


def test_the_archive_is_pytorchs(tmp_path):
    rustnn.save({"w": rustnn.ones(3)}, tmp_path / "net.pth")
    with zipfile.ZipFile(tmp_path / "net.pth") as archive:
        assert {"net/data.pkl", "net/byteorder", "net/version", "net/data/0"} <= set(archive.namelist())
        assert archive.read("net/version") == b"3\n"
        assert len(archive.read("net/data/0")) == 12
        assert b"torch._utils\n_rebuild_tensor_v2" in archive.read("net/data.pkl")
        assert b"rustnn" not in archive.read("net/data.pkl")
    assert rustnn.load(tmp_path / "net.pth", mmap=True)["w"].tolist() == [1, 1, 1]


def test_a_failed_save_leaves_the_old_file(tmp_path):
    path = tmp_path / "net.pth"
    rustnn.save(rustnn.ones(1), path)
    before = path.read_bytes()
    with pytest.raises((pickle.PicklingError, AttributeError)):
        rustnn.save([rustnn.zeros(1), lambda: None], path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["net.pth"]


def test_wrong_places(tmp_path):
    with pytest.raises(RuntimeError, match=r"Parent directory .* does not exist"):
        rustnn.save(1, tmp_path / "no" / "net.pth")
    with pytest.raises(FileNotFoundError):
        rustnn.load(tmp_path / "none.pth")
    with pytest.raises(AttributeError, match="seekable"):
        rustnn.load(3)
    with pytest.raises(AttributeError, match="file-like object with a 'write' attribute"):
        rustnn.save(1, 3)


def test_places_of_storages():
    tensor = rustnn.ones(2)
    for location in ("cpu", rustnn.device("cpu"), {"cpu": "cpu"}, lambda storage, where: storage):
        assert same(again(tensor, map_location=location), tensor)
    with pytest.raises(RuntimeError, match="don't know how to restore data location"):
        again(tensor, map_location="moon")


# ---- files that are none -----------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [b"abc", b"x" * 1000, b"PK\x03\x04" + b"x" * 1000, pickle.dumps([1, 2])])
def test_foreign_files(content):
    with pytest.raises((RuntimeError, pickle.UnpicklingError)):
        rustnn.load(io.BytesIO(content))


def test_an_empty_file():
    with pytest.raises(EOFError):
        rustnn.load(io.BytesIO())


def test_damaged_files_raise_or_load_as_they_were():
    stream = io.BytesIO()
    obj = {"w": rustnn.arange(40.0), "n": [1, "two"]}
    rustnn.save(obj, stream)
    whole = stream.getvalue()
    chance = random.Random(0)
    for _ in range(400):
        damaged = bytearray(whole)
        if chance.random() < 0.5:
            del damaged[chance.randrange(len(damaged)) :]
        else:
            damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
        try:
            loaded = rustnn.load(io.BytesIO(bytes(damaged)))
        except (RuntimeError, pickle.UnpicklingError, EOFError):
            continue
        assert same(loaded["w"], obj["w"])
        assert loaded["n"] == obj["n"]


def archive(pickled, storage=b"\0" * 16):
    """A file with this pickle, well-formed otherwise."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as file:
        file.writestr("archive/data.pkl", pickled)
        file.writestr("archive/data/0", storage)
        file.writestr("archive/version", b"3\n")
    stream.seek(0)
    return stream


class Call:
    """Pickles as a call of a function."""

    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize(
    "call",
    [
        Call(os.system, "exit 1"),
        Call(eval, "1"),
        Call(getattr, 3, "real"),
        Call(bytearray, 10**15),
        Call(print),
    ],
)
def test_no_code_is_run(call):
    with pytest.raises(pickle.UnpicklingError):
        rustnn.load(archive(pickle.dumps([call], 2)))


REBUILD = (
    b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n((X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000"
    b"X\x03\x00\x00\x00cpu%btQ%b%b%b\x89ccollections\nOrderedDict\n)RtR."
)


def integer(n):
    return b"\x8a\x0a" + n.to_bytes(10, "little", signed=True)


@pytest.mark.parametrize(
    ("count", "offset", "size", "stride"),
    [
        (4, 0, 5, 1),
        (4, 1, 4, 1),
        (4, 0, 3, 2),
        (4, -1, 2, 1),
        (4, 0, 2**62, 1),
        (2**60, 0, 4, 1),
        (5, 0, 4, 1),
        (4, 0, -1, 1),
    ],
)
def test_tensors_stay_within_their_storage(count, offset, size, stride):
    pickled = REBUILD % (integer(count), integer(offset), integer(size) + b"\x85", integer(stride) + b"\x85")
    with pytest.raises((RuntimeError, pickle.UnpicklingError)):
        rustnn.load(archive(pickled))


def test_the_hand_made_tensor_is_right_otherwise():
    pickled = REBUILD % (integer(4), integer(1), integer(3) + b"\x85", integer(1) + b"\x85")
    assert rustnn.load(archive(pickled)).tolist() == [0, 0, 0]


def test_compressed_archives_are_refused():
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("archive/data.pkl", pickle.dumps([0] * 1000, 2))
    stream.seek(0)
    with pytest.raises(RuntimeError, match="compressed"):
        rustnn.load(stream)
