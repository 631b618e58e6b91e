"""``save`` and ``load``: everything comes back, nothing runs, nothing half-written stays behind."""

from __future__ import annotations

import io
import mmap
import os
import pickle
import random
import warnings
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


def test_whole_models_of_our_own_layers_just_load():
    model = nn.Sequential(nn.Linear(2, 3), nn.ModuleDict({"a": nn.GELU(), "b": nn.GRU(2, 2)}))
    optimizer = optim.AdamW(model.parameters())
    scheduler = optim.lr_scheduler.StepLR(optimizer, 3)
    loaded, resumed, after = again([model, optimizer, scheduler])
    assert repr(loaded) == repr(model)
    assert after.optimizer is resumed
    assert resumed.param_groups[0]["params"][0] is loaded[0].weight


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(2, 1)


def test_a_users_class_needs_trust():
    with pytest.raises(pickle.UnpicklingError, match=r"GLOBAL .*Net was not an allowed") as raised:
        again(Net())
    assert "add_safe_globals([" in str(raised.value)
    assert "weights_only=False" in str(raised.value)
    assert "\n" not in str(raised.value)
    assert type(again(Net(), weights_only=False)) is Net
    with serialization.safe_globals([Net]):
        assert type(again(Net())) is Net
    assert serialization.get_safe_globals() == []
    stream = io.BytesIO()
    rustnn.save([Net(), nn.Linear(1, 1)], stream)
    assert serialization.get_unsafe_globals_in_checkpoint(stream) == [f"{Net.__module__}.Net"]


def test_layers_are_never_called_by_a_file():
    import rustnn.nn.linear as home

    class Call:
        def __reduce__(self):
            return home.Linear, (10**6, 10**6)

    with pytest.raises(pickle.UnpicklingError, match="not an allowed function"):
        again(Call())


def test_a_partial_calls_only_what_it_was_made_of():
    from functools import partial

    from rustnn.optim.lr_scheduler import CyclicLR

    class Forged:
        def __init__(self, function):
            self.function = function

        def __reduce__(self):
            return partial, (self.function,), (nn.functional.relu, (0.5,), None, None)

    loaded = again(Forged(CyclicLR._exp_range_scale_fn))
    assert loaded(2) == 0.25
    for function in (nn.functional.relu, nn.Linear):
        with pytest.raises(pickle.UnpicklingError, match="partial is not allowed"):
            again(Forged(function))


class Marked(rustnn.Tensor):
    pass


def test_subclasses_and_attributes_of_tensors():
    tensor = rustnn.ones(2).as_subclass(Marked)
    tensor.mark = "x"
    plain = rustnn.zeros(2)
    plain.note = [1]
    buffer = nn.Buffer(rustnn.ones(1), persistent=False)
    with serialization.safe_globals([Marked]):
        loaded, other, kept = again([tensor, plain, buffer])
    assert type(loaded) is Marked
    assert loaded.mark == "x"
    assert other.note == [1]
    assert type(kept) is nn.Buffer
    assert kept.persistent is False


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


# ---- mapped files ------------------------------------------------------------------------------------------


def test_mapped_storages_are_private(tmp_path):
    path = tmp_path / "net.pth"
    rustnn.save({"w": rustnn.arange(5.0), "empty": rustnn.empty(0)}, path)
    before = path.read_bytes()
    loaded = rustnn.load(path, mmap=True)
    loaded["w"].add_(1)
    assert loaded["w"].tolist() == [1, 2, 3, 4, 5]
    assert path.read_bytes() == before
    os.unlink(path)
    assert loaded["w"].sum().item() == 15
    rustnn.save([rustnn.ones(1)], path, _use_new_zipfile_serialization=False)
    with pytest.raises(RuntimeError, match="mmap can only be used"):
        rustnn.load(path, mmap=True)
    with pytest.raises(ValueError, match="file path"):
        rustnn.load(io.BytesIO(before), mmap=True)


@pytest.mark.skipif(not hasattr(mmap, "MAP_SHARED"), reason="files are not shared here")
def test_mapped_storages_are_shared_if_asked_for(tmp_path):
    path = tmp_path / "net.pth"
    rustnn.save(rustnn.arange(5.0), path)
    with rustnn.serialization.set_default_mmap_options(mmap.MAP_SHARED):
        rustnn.load(path, mmap=True).mul_(2)
    assert rustnn.load(path, mmap=True).mul_(2).tolist() == [0, 4, 8, 12, 16]
    assert rustnn.load(path, mmap=True).tolist() == [0, 2, 4, 6, 8]
    # Its checksum is that of before.
    with pytest.raises(RuntimeError, match="checksum"):
        rustnn.load(path)


def test_files_that_do_not_tell_their_order_of_bytes(tmp_path):
    path = tmp_path / "net.pth"
    rustnn.save(rustnn.arange(5.0), path)
    told, untold = io.BytesIO(path.read_bytes()), io.BytesIO()
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(untold, "w") as new:
        for name in old.namelist():
            if not name.endswith("byteorder"):
                new.writestr(name, old.read(name))
    defaults = rustnn.serialization
    try:
        for order in (None, defaults.LoadEndianness.LITTLE, defaults.LoadEndianness.NATIVE):
            defaults.set_default_load_endianness(order)
            untold.seek(0)
            assert rustnn.load(untold).tolist() == [0, 1, 2, 3, 4]
        defaults.set_default_load_endianness(defaults.LoadEndianness.BIG)
        assert rustnn.load(told).tolist() == [0, 1, 2, 3, 4]
        untold.seek(0)
        with pytest.raises(RuntimeError, match="little-endian"):
            rustnn.load(untold)
    finally:
        defaults.set_default_load_endianness(None)


# ---- older formats -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("modern", [True, False])
@pytest.mark.parametrize("weights_only", [True, False])
def test_formats_and_protocols(tmp_path, protocol, modern, weights_only):
    base = rustnn.arange(6.0)
    obj = {"a": base, "b": base[2:4], "n": nn.Linear(2, 2), "e": rustnn.empty(0, 2)}
    path = tmp_path / "old.pth"
    rustnn.save(obj, path, pickle_protocol=protocol, _use_new_zipfile_serialization=modern)
    loaded = rustnn.load(path, weights_only=weights_only)
    loaded["a"][2] = 9.0
    assert loaded["b"][0].item() == 9.0
    assert same(loaded["n"].weight, obj["n"].weight)
    with open(path, "rb") as file:
        assert rustnn.load(file, weights_only=weights_only)["a"].tolist() == base.tolist()


LEGACY = (
    b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.\x80\x02}q\x00X\r\x00\x00\x00little_endianq\x01\x88s."
    b"\x80\x02]q\x00(ctorch._utils\n_rebuild_tensor\nq\x01((U\x07storagectorch\nIntStorage\nU\x01aU\x03cpuK\x04%btQK\x00K\x02\x85"
    b"K\x01\x85tRh\x01((U\x07storagectorch\nIntStorage\nU\x01aU\x03cpuK\x04(U\x01bK\x02K\x02ttQK\x00K\x02\x85K\x01\x85tRe."
    b"\x80\x02]q\x00U\x01aa." + b"\x04" + bytes(7) + bytes([1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0])
)


@pytest.mark.parametrize("weights_only", [True, False])
def test_a_file_of_python_2_with_a_view_of_a_storage(weights_only):
    data = LEGACY % b"N"
    first, second = rustnn.load(io.BytesIO(data), weights_only=weights_only)
    assert (first.tolist(), second.tolist()) == ([1, 2], [3, 4])
    for end in range(5, len(data), 3):
        with pytest.raises((RuntimeError, pickle.UnpicklingError, EOFError)):
            rustnn.load(io.BytesIO(data[:end]))


def tar_file():
    import struct
    import tarfile

    float_storage = b"ctorch\nFloatStorage\n"

    def row(*parts):
        return b"\x80\x02(" + b"".join(parts) + b"t."

    def number(n):
        return b"M" + struct.pack("<H", n)

    text = b"X\x03\x00\x00\x00cpu"
    storages = pickle.dumps(1, 2) + row(number(1), text, float_storage)
    storages += struct.pack("<q", 4) + struct.pack("<4f", 1, 2, 3, 4)
    storages += pickle.dumps([(2, 1, 2, 2)], 2)
    tensors = pickle.dumps(2, 2)
    tensors += row(number(3), number(1), float_storage) + struct.pack("<q2q2qq", 2, 2, 2, 1, 2, 0)
    tensors += row(number(4), number(2), float_storage) + struct.pack("<qqqq", 1, 2, 1, 0)
    pickled = b"\x80\x02}(X\x01\x00\x00\x00aX\x01\x00\x00\x003QX\x01\x00\x00\x00bX\x01\x00\x00\x004Qu."
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for name, content in (("storages", storages), ("tensors", tensors), ("pickle", pickled)):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    stream.seek(0)
    return stream


@pytest.mark.parametrize("weights_only", [True, False])
def test_tar_files(weights_only):
    loaded = rustnn.load(tar_file(), weights_only=weights_only)
    assert loaded["a"].tolist() == [[1, 3], [2, 4]]
    assert loaded["b"].tolist() == [3, 4]
    loaded["b"][0] = 7.0
    assert loaded["a"][0, 1].item() == 7.0


# ---- files are replaced whole ------------------------------------------------------------------------------


def test_links_and_permissions_stay(tmp_path):
    real, link = tmp_path / "real.pth", tmp_path / "link.pth"
    rustnn.save(rustnn.zeros(1), real)
    os.chmod(real, 0o640)
    link.symlink_to("real.pth")
    rustnn.save(rustnn.ones(1), link)
    assert link.is_symlink()
    assert rustnn.load(real).tolist() == [1.0]
    assert os.stat(real).st_mode & 0o777 == 0o640
    with pytest.raises(RuntimeError, match="directory"):
        rustnn.save(1, tmp_path)


def test_large_archives_have_checksums(tmp_path):
    path = tmp_path / "large.pth"
    tensors = [rustnn.arange(3_000_000.0), rustnn.ones(5)]
    rustnn.save(tensors, path)
    with zipfile.ZipFile(path) as file:
        assert file.testzip() is None
    assert rustnn.load(path)[0].sum().item() == tensors[0].sum().item()
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    with pytest.raises(RuntimeError, match="checksum"):
        rustnn.load(io.BytesIO(content))
    serialization.set_crc32_options(False)
    try:
        rustnn.save(tensors, path)
    finally:
        serialization.set_crc32_options(True)
    assert rustnn.load(path)[1].tolist() == [1] * 5


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are killed with a signal")
def test_a_killed_save_leaves_a_whole_file(tmp_path):
    """A hundred times, at random moments, a process that does nothing but save is killed."""
    import signal
    import time

    path = tmp_path / "net.pth"
    tensor = rustnn.ones(1_200_000)
    rustnn.save({"n": 1, "w": tensor}, path)
    chance = random.Random(1)
    kinds = set()
    for round_ in range(100):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of forks beside threads
            child = os.fork()
        if child == 0:
            try:
                n = 1
                while True:
                    n += 1
                    rustnn.save({"n": n, "w": tensor.fill_(float(n % 1000))}, path)
            finally:
                os._exit(1)
        time.sleep(0.01 + chance.random() * 0.1)
        os.kill(child, signal.SIGKILL)
        assert os.WIFSIGNALED(os.waitpid(child, 0)[1]), f"the process of round {round_} ended by itself"
        loaded = rustnn.load(path)
        assert loaded["w"].numel() == 1_200_000
        assert loaded["w"].min() == loaded["w"].max() == loaded["n"] % 1000
        kinds.add(loaded["n"])
    assert len(kinds) > 1


# ---- other formats -----------------------------------------------------------------------------------------


def test_safetensors(tmp_path):
    path = tmp_path / "net.safetensors"
    tensors = {
        name: rustnn.tensor([[0, 1], [2, 3]]).to(getattr(rustnn, name))
        for name in DTYPES
        if name != "complex128"
    }
    tensors |= {
        "0-d": rustnn.tensor(3.5),
        "empty": rustnn.empty(0, 2),
        "turned": rustnn.arange(6.0).view(2, 3).t(),
    }
    rustnn.save_safetensors(tensors, path, {"note": "é"})
    loaded = rustnn.load_safetensors(path)
    assert set(loaded) == set(tensors)
    for name, tensor in tensors.items():
        assert loaded[name].dtype == tensor.dtype
        assert loaded[name].tolist() == tensor.tolist()
    loaded["0-d"].fill_(1)
    assert rustnn.load_safetensors(path)["0-d"].item() == 3.5
    with pytest.raises(TypeError, match="complex128"):
        rustnn.save_safetensors({"z": rustnn.zeros(1, dtype=rustnn.complex128)}, path)


def test_safetensors_of_the_package(tmp_path):
    package = pytest.importorskip("safetensors.numpy")
    path = tmp_path / "net.safetensors"
    tensor = rustnn.arange(6.0).view(2, 3)
    rustnn.save_safetensors({"w": tensor}, path)
    assert package.load_file(path)["w"].tolist() == tensor.tolist()
    package.save_file({"v": tensor.numpy()}, path)
    assert rustnn.load_safetensors(path)["v"].tolist() == tensor.tolist()


@pytest.mark.parametrize("compressed", [True, False])
def test_npz(tmp_path, compressed):
    path = tmp_path / "net.npz"
    tensors = {
        "a": rustnn.arange(6.0).view(2, 3),
        "turned": rustnn.arange(6).view(2, 3).t(),
        "0-d": rustnn.tensor(True),
        "empty": rustnn.empty(0, 3, dtype=rustnn.complex64),
    }
    rustnn.save_npz(tensors, path, compressed=compressed)
    loaded = rustnn.load_npz(path)
    assert list(loaded) == list(tensors)
    for name, tensor in tensors.items():
        assert loaded[name].dtype == tensor.dtype
        assert loaded[name].tolist() == tensor.tolist()


def test_damaged_tar_files_raise_or_load():
    whole = tar_file().getvalue()
    chance = random.Random(0)
    for _ in range(400):
        damaged = bytearray(whole)
        for _ in range(chance.randrange(1, 4)):
            at = chance.randrange(5200)  # behind that is only padding
            if chance.random() < 0.8:
                damaged[at] = chance.randrange(256)
            else:
                del damaged[at : at + chance.randrange(1, 64)]
        try:
            rustnn.load(io.BytesIO(bytes(damaged)))
        except (RuntimeError, pickle.UnpicklingError, EOFError) as error:
            assert str(error)
