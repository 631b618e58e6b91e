"""Files that one library writes and the other reads: each kind of object, both ways, in both formats."""

from __future__ import annotations

import importlib
import inspect
import io
import pickle
import warnings
from pathlib import Path
from typing import Any

import pytest

from parity import test_attention_embedding_ctc, test_layers, test_lr_scheduler, test_norm_activation_layers
from parity.compare import compare, is_tensor
from parity.programs import CANDIDATE, REFERENCE, run, same_outcome

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


def test_generators_of_pytorch() -> None:
    theirs = REFERENCE.Generator().manual_seed(3)
    REFERENCE.rand(5, generator=theirs)
    loaded = transfer(theirs, REFERENCE, CANDIDATE, weights_only=False)
    assert loaded.initial_seed() == theirs.initial_seed()
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
    "nn.AdaptiveLogSoftmaxWithLoss(4, 9, [3, 6], div_value=2.0) | t(5, 4), torch.arange(5)",
    "nn.RNNBase('GRU', 3, 2, num_layers=2, bidirectional=True) | ",
    "nn.RNNCellBase(3, 2, bias=True, num_chunks=4) | ",
    "nn.Unflatten(1, (2, 3)) | t(4, 6)",
]


def test_every_class_of_layers_is_here() -> None:
    lines = " ".join([*layer_lines(), *CONTAINERS])
    for name in dir(REFERENCE.nn):
        kind = getattr(REFERENCE.nn, name)
        if isinstance(kind, type) and issubclass(kind, REFERENCE.nn.Module) and hasattr(CANDIDATE.nn, name):
            assert f"nn.{name}(" in lines or name in ("Module", "Container"), name


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
LBFGS(p, lr=0.5, max_iter=3)
SparseAdam(p)
""".strip().splitlines()


def step(optimizer: Any, times: int) -> Any:
    for n in range(times):
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                parameter.grad = parameter.detach() * (0.3 + n)
        optimizer.step(lambda: (optimizer.param_groups[0]["params"][0].detach() ** 2).sum())
    return optimizer


def in_order(state: Any) -> Any:
    """Nested dicts in the order of their keys, whoever put them in."""
    if not isinstance(state, dict):
        return state
    return {key: in_order(state[key]) for key in sorted(state, key=str)}


def test_every_optimizer_is_here() -> None:
    base = REFERENCE.optim.Optimizer
    kinds = [kind for kind in vars(REFERENCE.optim).values() if isinstance(kind, type)]
    expected = {kind.__name__ for kind in kinds if issubclass(kind, base) and kind is not base}
    assert {call.split("(")[0] for call in OPTIMIZERS} == expected


@pytest.mark.parametrize("call", OPTIMIZERS)
def test_whole_optimizers(call: Any) -> None:
    def make(lib: Any) -> Any:
        p = [lib.nn.Parameter(lib.arange(6.0).view(2, 3) / 5)]
        optimizer = eval(f"optim.{call}", {"optim": lib.optim, "p": p})
        return step(optimizer, 2) if "Sparse" not in call else optimizer

    ours, theirs = make(CANDIDATE), make(REFERENCE)
    from_torch = transfer(theirs, REFERENCE, CANDIDATE)
    from_ours = transfer(ours, CANDIDATE, REFERENCE, weights_only=False)
    assert type(from_torch) is type(ours)
    compare(in_order(from_torch.state_dict()), in_order(from_ours.state_dict()))
    compare(transfer(ours, CANDIDATE, CANDIDATE).state_dict(), from_ours.state_dict())
    if "Sparse" in call:
        return
    # PyTorch's LBFGS does not get over its own files: it misses `_params`.
    readers = [from_torch, from_ours] if "LBFGS" not in call else [from_torch]
    for optimizer in (*readers, theirs):
        step(optimizer, 2)
    loose: dict[str, Any] = {"rtol": 1e-2, "atol": 1e-3} if "Muon" in call else {}
    for mine in readers:
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
    from_torch = transfer(theirs, REFERENCE, CANDIDATE)
    from_ours = transfer(ours, CANDIDATE, REFERENCE, weights_only=False)
    expected = rates(theirs)
    again = transfer(ours, CANDIDATE, CANDIDATE)
    for scheduler in (from_torch, from_ours, again):
        compare(rates(scheduler), expected)


def test_a_scheduler_that_waits_for_progress() -> None:
    def make(lib: Any) -> Any:
        optimizer = lib.optim.SGD([lib.nn.Parameter(lib.ones(2))], lr=0.1)
        return lib.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=1, cooldown=1)

    theirs = make(REFERENCE)
    loaded = transfer(theirs, REFERENCE, CANDIDATE)
    back = transfer(make(CANDIDATE), CANDIDATE, REFERENCE, weights_only=False)
    for loss in (3.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0):
        for scheduler in (theirs, loaded, back):
            scheduler.step(loss)
    assert loaded.get_last_lr() == back.get_last_lr() == theirs.get_last_lr()
    compare(loaded.state_dict(), theirs.state_dict())


@pytest.mark.parametrize(
    "call", [c for c in test_lr_scheduler.SCHEDULERS if "lambda" in c and "_S." not in c]
)
def test_lambdas_cannot_be_saved(call: Any) -> None:
    for lib in (CANDIDATE, REFERENCE):
        optimizer = lib.optim.SGD(
            [{"params": [lib.ones(2)]}, {"params": [lib.ones(1)]}], lr=0.1, momentum=0.9
        )
        scheduler = eval(f"_S.{call}", {"_o": optimizer, "_S": lib.optim.lr_scheduler})
        with pytest.raises((AttributeError, pickle.PicklingError), match=r"[Cc]an't pickle"):
            lib.save(scheduler, io.BytesIO())
        lib.save(scheduler.state_dict(), io.BytesIO())


@pytest.mark.parametrize(
    "options", ["'cpu'", "'cpu', init_scale=8.0, growth_interval=2", "'cpu', enabled=False"]
)
def test_scalers(options: Any) -> None:
    def make(lib: Any) -> Any:
        return run_scaler(eval(f"GradScaler({options})", {"GradScaler": lib.amp.GradScaler}), lib)

    def run_scaler(scaler: Any, lib: Any) -> Any:
        weight = lib.nn.Parameter(lib.ones(2))
        optimizer = lib.optim.SGD([weight], lr=0.1)
        for factor in (1.0, float("inf"), 1.0):
            optimizer.zero_grad()
            scaler.scale((weight * factor).sum()).backward()
            scaler.step(optimizer)
            scaler.update()
        return scaler

    ours, theirs = make(CANDIDATE), make(REFERENCE)
    loaded = transfer(theirs, REFERENCE, CANDIDATE)
    again = transfer(ours, CANDIDATE, CANDIDATE)
    back = transfer(ours, CANDIDATE, REFERENCE, weights_only=False)
    assert loaded.state_dict() == again.state_dict() == back.state_dict() == theirs.state_dict()
    expected = run_scaler(theirs, REFERENCE).state_dict()
    for scaler, lib in ((loaded, CANDIDATE), (again, CANDIDATE), (back, REFERENCE)):
        assert run_scaler(scaler, lib).state_dict() == expected


HOOKED = """
prune.l1_unstructured(nn.Linear(3, 2), "weight", 2)
prune.random_structured(prune.l1_unstructured(nn.Linear(3, 2), "weight", 2), "weight", 1, 0)
prune.ln_structured(nn.Linear(3, 2), "weight", 1, 2, 1)
prune.identity(nn.Linear(3, 2), "bias")
nn.utils.weight_norm(nn.Linear(3, 2))
nn.utils.spectral_norm(nn.Linear(3, 2), n_power_iterations=5)
optim.swa_utils.AveragedModel(nn.Linear(3, 2))
""".strip().splitlines()


@pytest.mark.parametrize("call", HOOKED)
def test_modules_with_hooks_of_the_library(call: Any) -> None:
    def make(lib: Any) -> Any:
        lib.manual_seed(0)
        prune = importlib.import_module(f"{lib.__name__}.nn.utils.prune")
        importlib.import_module(f"{lib.__name__}.optim.swa_utils")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return eval(call, {"nn": lib.nn, "optim": lib.optim, "prune": prune})

    ours, theirs = make(CANDIDATE), make(REFERENCE)
    from_torch = transfer(theirs, REFERENCE, CANDIDATE)
    again = transfer(ours, CANDIDATE, CANDIDATE)
    from_ours = transfer(ours, CANDIDATE, REFERENCE, weights_only=False)
    compare(from_torch(CANDIDATE.ones(1, 3)), theirs(REFERENCE.ones(1, 3)))
    compare(again(CANDIDATE.ones(1, 3)), from_ours(REFERENCE.ones(1, 3)))


def test_data_sets() -> None:
    def make(lib: Any) -> Any:
        data = lib.utils.data
        pairs = data.TensorDataset(lib.arange(4.0), lib.arange(4))
        return [pairs, data.Subset(data.ConcatDataset([pairs, pairs]), [5, 1]), data.StackDataset(a=pairs)]

    theirs = make(REFERENCE)
    for loaded in (
        transfer(theirs, REFERENCE, CANDIDATE),
        transfer(make(CANDIDATE), CANDIDATE, CANDIDATE),
        transfer(make(CANDIDATE), CANDIDATE, REFERENCE, weights_only=False),
    ):
        compare([data[1] for data in loaded], [data[1] for data in theirs])
        assert [len(data) for data in loaded] == [4, 2, 4]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: REFERENCE.eye(2).to_sparse(), "rustnn has nothing of this name"),
        (lambda: REFERENCE.ones(2).to(REFERENCE.float8_e4m3fn), "rustnn has no tensors of dtype"),
    ],
)
def test_what_is_not_here_is_said_so(make: Any, message: Any) -> None:
    with pytest.raises(pickle.UnpicklingError, match=message):
        transfer(make(), REFERENCE, CANDIDATE)


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


@pytest.mark.parametrize("modern", [True, False])
@pytest.mark.parametrize(
    ("writer", "reader"), [(REFERENCE, CANDIDATE), (CANDIDATE, REFERENCE), (CANDIDATE, CANDIDATE)]
)
def test_files_are_read_from_where_they_stand(writer: Any, reader: Any, modern: Any, tmp_path: Any) -> None:
    path = tmp_path / "several.bin"
    with open(path, "wb") as file:
        file.write(b"before")
        for number in (1, 2) if not modern else (1,):
            obj = {"n": number, "w": writer.full((3,), float(number))}
            writer.save(obj, file, _use_new_zipfile_serialization=modern)
    with open(path, "rb") as file:
        file.seek(6)
        for number in (1, 2) if not modern else (1,):
            loaded = reader.load(file)
            assert loaded["n"] == number
            assert loaded["w"].tolist() == [number] * 3


@pytest.mark.parametrize("modern", [True, False])
def test_files_that_are_packed(modern: Any, tmp_path: Any) -> None:
    import gzip

    path = tmp_path / "net.gz"
    for writer, reader in ((REFERENCE, CANDIDATE), (CANDIDATE, REFERENCE), (CANDIDATE, CANDIDATE)):
        with gzip.open(path, "wb") as file:
            writer.save({"w": writer.arange(5.0)}, file, _use_new_zipfile_serialization=modern)
        with gzip.open(path, "rb") as file:
            assert reader.load(file)["w"].tolist() == [0, 1, 2, 3, 4]


def test_a_file_at_its_end_holds_nothing() -> None:
    for lib in (CANDIDATE, REFERENCE):
        stream = io.BytesIO()
        lib.save(lib.ones(1), stream)
        with pytest.raises(EOFError):
            lib.load(stream)


@pytest.mark.parametrize(
    "program",
    [
        "s = torch.UntypedStorage.from_file(path, False, 6); out = s.nbytes(), s.tolist(), s[1:4].tolist()",
        "s = torch.UntypedStorage.from_file(path, nbytes=4); s[0] = 9; out = s.tolist(), content()",
        "s = torch.UntypedStorage.from_file(path, True, 12); s[11] = 7; out = s.tolist(), content()",
        "torch.UntypedStorage.from_file(path, False, 100)",
        "torch.UntypedStorage.from_file(path + 'x', False, 4)",
        "out = torch.from_file(path, size=2, dtype=torch.int32)",
        "t = torch.from_file(path, shared=True, size=4, dtype=torch.int16); t += 1; out = t, content()",
        "torch.from_file(path, size=9, dtype=torch.int64)",
        "s = torch.ones(4).untyped_storage(); p = s[4:8]; p.fill_(0); out = p.tolist(), s.tolist(), len(s[3:3]), len(s[5:99])",
        "torch.ones(4).untyped_storage()[::2]",
    ],
)
def test_mapped_files(program: str, tmp_path: Path) -> None:
    def outcome(lib: Any) -> Any:
        path = tmp_path / lib.__name__
        path.write_bytes(bytes(range(8)))
        names = {"torch": lib, "path": str(path), "content": path.read_bytes}
        try:
            exec(program, names)
        except Exception as error:
            return error
        return names["out"]

    same_outcome(outcome(CANDIDATE), outcome(REFERENCE))


@pytest.mark.parametrize(
    "space",
    "nn nn.utils.rnn nn.utils.prune optim optim.lr_scheduler optim.swa_utils distributions "
    "distributions.transforms distributions.constraints".split(),
)
def test_classes_are_named_as_pytorch_names_them(space: str) -> None:
    from inspect import isclass

    from rustnn.utils.torch_names import our_object, torch_name

    theirs, ours = (importlib.import_module(f"{lib.__name__}.{space}") for lib in (REFERENCE, CANDIDATE))
    seen = 0
    for name in theirs.__all__ if hasattr(theirs, "__all__") else dir(theirs):
        there, here = getattr(theirs, name), getattr(ours, name, None)
        if not isclass(there) or not isclass(here) or not there.__module__.startswith("torch."):
            continue
        seen += 1
        known = torch_name(here.__module__, here.__qualname__)
        assert known == (there.__module__, there.__qualname__)
        assert our_object(*known) is here
    assert seen
