"""Files that one library writes and the other reads: each kind of object, both ways, in both formats."""

from __future__ import annotations

import importlib
import inspect
import io
import warnings
from typing import Any

import pytest

from parity import test_attention_embedding_ctc, test_layers, test_lr_scheduler, test_norm_activation_layers
from parity.compare import compare, is_tensor
from parity.programs import CANDIDATE, REFERENCE, run

OBJECTS = """
t(3, 4)
[t(3, 4).t(), t(5)[1:4], t(4, 6)[::2, 1::3], t(1, 3).expand(4, 3), t(2, 3, 4).permute(2, 0, 1)]
[torch.tensor(3.5), torch.tensor(True), torch.empty(0), torch.empty(0, 3), torch.empty(2, 0, dtype=torch.int64)]
{"grad": t(2).requires_grad_(), "plain": t(2)}
[nn.Parameter(t(2, 3)), nn.Parameter(t(2), requires_grad=False)]
torch.view_as_real(t(2, dtype="complex64"))
{"a": [1, -5, 2**70, 1.5, None, True, "é", b"bytes", bytearray(b"xy"), 1 + 2j, (), [], {}], 3: (1, (2, (3,)))}
__import__("collections").OrderedDict([("b", 1), ("a", t(2))])
__import__("collections").Counter("aab")
[torch.float32, torch.int64, torch.bool, torch.bfloat16, torch.complex64, torch.float8_e5m2, torch.uint16]
[torch.device("cpu"), torch.Size([2, 3]), t(2, 3).shape, torch.strided]
[torch.ones(3).storage(), torch.ones(2, dtype=torch.int64).storage()]
nn.Linear(3, 4).state_dict()
nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.LSTM(2, 2)).state_dict()
optim.Adam([nn.Parameter(t(2))], lr=0.1).state_dict()
""".strip().splitlines()

# What needs trust in PyTorch, or is allowed there by name only.
TRUSTED = """
__import__("collections").defaultdict(list, a=[1])
__import__("collections").deque([1, 2], 5)
[np.arange(6.0).reshape(2, 3).T, np.float32(2), np.int64(3), np.bool_(True), np.dtype("int16"), np.array(["ab"])]
[range(3), slice(1, 2), frozenset([1]), ..., type(None), __import__("fractions").Fraction(1, 2)]
__import__("datetime").datetime(2020, 1, 2)
__import__("functools").partial(sorted, reverse=True)
[nn.Linear, nn.functional.relu, nn.functional.gelu, torch.relu]
list(torch.max(t(2, 2), dim=0))
torch.max(t(2, 2), dim=0)
nn.Buffer(t(2), persistent=False)
""".strip().splitlines()


def transfer(obj: Any, writer: Any, reader: Any, **options: Any) -> Any:
    """``obj``, written by one library and read by the other."""
    saving = {key: options.pop(key) for key in list(options) if key.startswith(("pickle", "_use"))}
    stream = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        writer.save(obj, stream, **saving)
        stream.seek(0)
        return reader.load(stream, **options)


def made(expression: str) -> tuple[Any, Any]:
    """An object of either library."""
    both = [run(f"obj = {expression}", lib) for lib in (CANDIDATE, REFERENCE)]
    for result in both:
        if isinstance(result, Exception):
            raise result
    return both[0]["obj"], both[1]["obj"]  # type: ignore[index]


def plain(value: Any) -> Any:
    """Storages as lists."""
    if type(value).__name__ in ("TypedStorage", "UntypedStorage", "FloatStorage", "LongStorage"):
        return value.tolist()
    if type(value) is list:
        return [plain(item) for item in value]
    return repr(value).replace("rustnn", "torch") if callable(value) and not is_tensor(value) else value


@pytest.mark.parametrize("modern", [True, False])
@pytest.mark.parametrize("expression", OBJECTS)
def test_objects(expression: Any, modern: Any) -> None:
    ours, theirs = made(expression)
    form = {"_use_new_zipfile_serialization": modern}
    for trust in (True, False):
        compare(plain(transfer(theirs, REFERENCE, CANDIDATE, weights_only=trust, **form)), plain(theirs))
        compare(plain(ours), plain(transfer(ours, CANDIDATE, REFERENCE, weights_only=trust, **form)))
    compare(plain(transfer(ours, CANDIDATE, CANDIDATE, **form)), plain(theirs))


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("expression", TRUSTED)
def test_objects_of_other_classes(expression: Any, protocol: Any) -> None:
    ours, theirs = made(expression)
    options: dict[str, Any] = {"weights_only": False, "pickle_protocol": protocol}
    names = "nn.functional" in expression  # printed otherwise
    for loaded, original in (
        (transfer(theirs, REFERENCE, CANDIDATE, **options), theirs),
        (transfer(ours, CANDIDATE, REFERENCE, **options), ours),
    ):
        if names:
            assert [item.__name__.replace("_nn_", "") for item in loaded] == [
                item.__name__.replace("_nn_", "") for item in original
            ]
        else:
            compare(plain(loaded), plain(original))


@pytest.mark.parametrize(
    "dtype", "float16 bfloat16 float32 float64 uint8 int8 int16 int32 int64 bool complex64 complex128".split()
)
def test_dtypes(dtype: Any) -> None:
    ours, theirs = made(f"t(5, dtype='{dtype}')")
    compare(transfer(theirs, REFERENCE, CANDIDATE), theirs)
    compare(ours, transfer(ours, CANDIDATE, REFERENCE))


@pytest.mark.parametrize(("writer", "reader"), [(REFERENCE, CANDIDATE), (CANDIDATE, REFERENCE)])
def test_shared_memory_stays_shared(writer: Any, reader: Any) -> None:
    base = writer.arange(6.0)
    a, b = transfer([base, base[2:4]], writer, reader)
    a[2] = 9.0
    assert b[0].item() == 9.0
    layer = writer.nn.Linear(2, 2)
    tied = writer.nn.Linear(2, 2)
    tied.weight = layer.weight
    model = transfer(writer.nn.Sequential(layer, tied), writer, reader, weights_only=False)
    assert model[0].weight is model[1].weight


def test_two_dtypes_over_the_same_memory() -> None:
    for lib in (CANDIDATE, REFERENCE):
        base = lib.arange(4.0)
        with pytest.raises(RuntimeError, match="view the same data as different types"):
            lib.save([base, base.view(lib.int32)], io.BytesIO())


@pytest.mark.parametrize("expression", ["t(2, dtype='complex64').conj()", "torch.ones(2).untyped_storage()"])
def test_what_only_the_young_format_has(expression: Any) -> None:
    ours, theirs = made(expression)
    compare(plain(transfer(theirs, REFERENCE, CANDIDATE)), plain(theirs))
    compare(plain(ours), plain(transfer(ours, CANDIDATE, REFERENCE)))


def test_generators() -> None:
    loaded = transfer(CANDIDATE.Generator().manual_seed(3), CANDIDATE, REFERENCE, weights_only=False)
    expected = REFERENCE.Generator().manual_seed(3)
    compare(REFERENCE.rand(3, generator=loaded), REFERENCE.rand(3, generator=expected))


@pytest.mark.skipif(
    not hasattr(CANDIDATE.Generator, "__setstate__"),
    reason="the engine's generators take no state of pickles",
)
def test_generators_of_pytorch() -> None:
    theirs = REFERENCE.Generator().manual_seed(3)
    REFERENCE.rand(5, generator=theirs)
    loaded = transfer(theirs, REFERENCE, CANDIDATE, weights_only=False)
    compare(CANDIDATE.rand(3, generator=loaded), REFERENCE.rand(3, generator=theirs))


# ---- modules -----------------------------------------------------------------------------------------------


def layer_lines() -> list[str]:
    """One call of each class of layers that the tests of layers have."""
    lines = (
        [*test_layers.LAYERS.splitlines()]
        if isinstance(test_layers.LAYERS, str)
        else list(test_layers.LAYERS)
    )
    for module in (test_norm_activation_layers, test_attention_embedding_ctc):
        for value in vars(module).values():
            if isinstance(value, (list, tuple)):
                lines += [line for line in value if isinstance(line, str) and line.startswith("nn.")]
    calls: dict[str, str] = {}
    for line in lines:
        call, _, inputs = line.partition(" | ")
        if call.startswith("nn."):
            calls.setdefault(call.split("(")[0], f"{call} | {inputs}")
    for name in sorted(dir(REFERENCE.nn)):
        kind = getattr(REFERENCE.nn, name)
        if not (isinstance(kind, type) and issubclass(kind, REFERENCE.nn.Module)) or f"nn.{name}" in calls:
            continue
        for arguments in ("()", "(2)", "(2, 2)", "(2, 2, 2)"):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                try:
                    eval(f"nn.{name}{arguments}", {"nn": REFERENCE.nn})
                except Exception:
                    continue
            if hasattr(CANDIDATE.nn, name):
                calls[f"nn.{name}"] = f"nn.{name}{arguments} | "
            break
    return sorted(calls.values())


CONTAINERS = [
    "nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Sequential(nn.Dropout(), nn.Linear(3, 1))) | t(4, 2)",
    "nn.ModuleList([nn.Linear(1, 1), nn.ModuleDict({'a': nn.Identity()})]) | ",
    "nn.ParameterList([t(2), t(3)]) | ",
    "nn.ParameterDict({'a': t(2), 'b': t(1)}) | ",
    "nn.Transformer(8, 2, 1, 1, 16, dropout=0.0) | t(3, 2, 8), t(2, 2, 8)",
    "nn.TransformerEncoderLayer(8, 2, 16, 0.0, activation=nn.functional.gelu) | t(3, 2, 8)",
    "nn.Sequential(nn.Linear(2, 3, dtype=torch.float64), nn.Tanh()).eval() | t(4, 2, dtype='float64')",
]


def forward(model: Any, inputs: str, lib: Any) -> Any:
    from parity.data import Data

    namespace = Data(lib).namespace()
    lib.manual_seed(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.eval()(*eval(f"({inputs},)", namespace))


@pytest.mark.parametrize("line", [*layer_lines(), *CONTAINERS])
def test_whole_modules(line: Any) -> None:
    call, _, inputs = line.partition(" | ")
    ours, theirs = made(call)
    from_torch = transfer(theirs, REFERENCE, CANDIDATE)
    from_ours = transfer(ours, CANDIDATE, REFERENCE, weights_only=False)
    again = transfer(ours, CANDIDATE, CANDIDATE)
    assert type(from_torch) is type(ours)
    assert type(from_ours) is type(theirs)
    assert repr(from_torch) == repr(again) == repr(theirs) == repr(from_ours)
    if "Lazy" not in call:
        compare(dict(from_torch.state_dict()), dict(theirs.state_dict()))
        compare(dict(ours.state_dict()), dict(from_ours.state_dict()))
    if not inputs.strip() or "Dropout" in call or "RReLU" in call or "Fractional" in call:
        return
    try:
        expected = forward(theirs, inputs, REFERENCE)
    except Exception:
        return
    compare(forward(from_torch, inputs, CANDIDATE), expected, strides=False)
    compare(forward(again, inputs, CANDIDATE), forward(from_ours, inputs, REFERENCE), strides=False)


def test_a_lazy_layer_learns_its_size_after_the_file() -> None:
    loaded = transfer(REFERENCE.nn.LazyLinear(2), REFERENCE, CANDIDATE)
    loaded(CANDIDATE.ones(1, 3))
    assert type(loaded) is CANDIDATE.nn.Linear
    back = transfer(CANDIDATE.nn.LazyLinear(2), CANDIDATE, REFERENCE, weights_only=False)
    back(REFERENCE.ones(1, 3))
    assert type(back) is REFERENCE.nn.Linear


# ---- optimizers and schedulers -----------------------------------------------------------------------------

OPTIMIZERS = """
SGD(p, lr=0.1, momentum=0.9)
Adam(p, amsgrad=True)
AdamW(p)
NAdam(p)
RAdam(p)
Adamax(p)
Adagrad(p)
Adadelta(p)
Adafactor(p)
RMSprop(p, momentum=0.5, centered=True)
Rprop(p)
ASGD(p)
Muon(p)
""".strip().splitlines()


def step(optimizer: Any, times: int) -> Any:
    for n in range(times):
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                parameter.grad = parameter.detach() * (0.3 + n)
        optimizer.step(lambda: (optimizer.param_groups[0]["params"][0].detach() ** 2).sum())
    return optimizer


@pytest.mark.parametrize("call", OPTIMIZERS)
def test_whole_optimizers(call: Any) -> None:
    def make(lib: Any) -> Any:
        p = [lib.nn.Parameter(lib.arange(6.0).view(2, 3) / 5)]
        return step(eval(f"optim.{call}", {"optim": lib.optim, "p": p}), 2)

    ours, theirs = make(CANDIDATE), make(REFERENCE)
    from_torch = transfer(theirs, REFERENCE, CANDIDATE)
    from_ours = transfer(ours, CANDIDATE, REFERENCE, weights_only=False)
    assert type(from_torch) is type(ours)
    compare(from_torch.state_dict(), from_ours.state_dict())
    for optimizer in (from_torch, from_ours, theirs):
        step(optimizer, 2)
    loose: dict[str, Any] = {"rtol": 1e-2, "atol": 1e-3} if "Muon" in call else {}
    for mine in (from_torch, from_ours):
        compare(
            mine.param_groups[0]["params"][0].detach().numpy(),
            theirs.param_groups[0]["params"][0].detach().numpy(),
            **loose,
        )


@pytest.mark.parametrize("call", [c for c in test_lr_scheduler.SCHEDULERS if "lambda" not in c])
def test_whole_schedulers(call: Any) -> None:
    def make(lib: Any) -> Any:
        p, q = lib.ones(2, requires_grad=True), lib.ones(2, requires_grad=True)
        groups = [{"params": [p], "lr": 0.1}, {"params": [q], "lr": 0.02}]
        names = {"_o": lib.optim.SGD(groups, lr=0.1, momentum=0.9), "_S": lib.optim.lr_scheduler}
        return advance(eval(f"_S.{call}", names), 3)

    def advance(scheduler: Any, steps: int) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for _ in range(steps):
                scheduler.step()
        return scheduler

    def rates(scheduler: Any) -> list[list[float]]:
        found = []
        for _ in range(10):
            advance(scheduler, 1)
            found.append([float(rate) for rate in scheduler.get_last_lr()])
        return found

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ours, theirs = make(CANDIDATE), make(REFERENCE)
    trust = "exp_range" in call  # holds a functools.partial
    from_torch = transfer(theirs, REFERENCE, CANDIDATE, weights_only=not trust)
    from_ours = transfer(ours, CANDIDATE, REFERENCE, weights_only=False)
    expected = rates(theirs)
    compare(rates(from_torch), expected)
    compare(rates(from_ours), expected)


# ---- names, places, errors ---------------------------------------------------------------------------------


def test_classes_have_pytorchs_names() -> None:
    from rustnn.utils.torch_names import our_object, torch_name

    wrong = []
    for path in ("nn", "optim", "optim.lr_scheduler", "optim.swa_utils", "nn.functional"):
        theirs, ours = (importlib.import_module(f"{lib.__name__}.{path}") for lib in (REFERENCE, CANDIDATE))
        for name in sorted(set(dir(theirs)) & set(dir(ours))):
            a, b = getattr(theirs, name), getattr(ours, name)
            if name.startswith("_") or not (isinstance(a, type) or inspect.isfunction(a)):
                continue
            home = getattr(a, "__module__", "") or ""
            if not home.startswith("torch.") or "<locals>" in a.__qualname__ or not callable(b):
                continue
            called = torch_name(b.__module__ or "", b.__qualname__)
            found: Any = importlib.import_module(called[0])
            try:
                for part in called[1].split("."):
                    found = getattr(found, part)
            except AttributeError:
                found = None
            if found is not a or our_object(home, a.__qualname__ if isinstance(a, type) else name) is not b:
                wrong.append((path, name, home, called))
    assert wrong == []


LOADS = """
dict(map_location="cpu")
dict(map_location=_lib.device("cpu"))
dict(map_location={"cpu": "cpu"})
dict(map_location=lambda storage, location: storage)
dict(map_location=lambda storage, location: None)
dict(map_location="moon")
dict(map_location="cuda")
dict(map_location={"cpu": "cuda:1"})
dict(map_location=3)
dict(mmap=True)
dict(pickle_module=__import__("pickle"), weights_only=True)
dict(pickle_module=__import__("pickle"))
""".strip().splitlines()


@pytest.mark.parametrize("options", LOADS)
def test_options_of_load(options: Any) -> None:
    from parity.programs import same_outcome

    def load(lib: Any) -> Any:
        stream = io.BytesIO()
        lib.save({"a": lib.ones(2)}, stream)
        stream.seek(0)
        try:
            return lib.load(stream, **eval(options, {"_lib": lib}))
        except Exception as error:
            return error

    same_outcome(load(CANDIDATE), load(REFERENCE))


def test_paths_and_mapped_files(tmp_path: Any) -> None:
    for writer, reader in ((REFERENCE, CANDIDATE), (CANDIDATE, REFERENCE)):
        path = tmp_path / f"{writer.__name__}.pth"
        writer.save({"w": writer.arange(5.0), "i": writer.arange(3)}, path)
        for where in (path, str(path)):
            for mapped in (True, False):
                loaded = reader.load(where, mmap=mapped)
                assert loaded["w"].tolist() == [0, 1, 2, 3, 4]
                loaded["w"].zero_()


def test_safetensors(tmp_path: Any) -> None:
    package = pytest.importorskip("safetensors.torch")
    path = tmp_path / "net.safetensors"
    ours, theirs = made("{'a': t(2, 3), 'b': t(4, dtype='bfloat16'), 'c': ints(3), 'd': torch.tensor(2.0)}")
    CANDIDATE.save_safetensors(ours, path)
    loaded = package.load_file(path)
    compare(ours, {name: loaded[name] for name in ours})
    package.save_file(theirs, path)
    loaded = CANDIDATE.load_safetensors(path)
    compare({name: loaded[name] for name in theirs}, theirs)
