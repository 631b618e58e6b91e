"""The note on an exception that leaves a layer: where the layer is, what it expects, what it was given."""

import copy
import pickle
import traceback
from collections import OrderedDict

import pytest

import rustnn
from rustnn import nn

module_file = nn.modules.module
pytestmark = pytest.mark.skipif(rustnn.__name__ != "rustnn", reason="PyTorch has no such notes")
ones, zeros, tensor = rustnn.ones, rustnn.zeros, rustnn.tensor


def notes_of(call, *args, **kwargs):
    """The notes on what the call raises."""
    with pytest.raises(Exception) as caught:
        call(*args, **kwargs)
    return getattr(caught.value, "__notes__", [])


def note_of(call, *args, **kwargs):
    """The one note on what the call raises."""
    (note,) = notes_of(call, *args, **kwargs)
    return note


LAYERS = [
    (
        nn.Linear(512, 2048),
        [ones(32, 10, 256)],
        "Linear 512 -> 2048: expected last dimension 512, got input [32, 10, 256]",
    ),
    (
        nn.Linear(3, 2),
        [ones(2, 3).double()],
        "Linear 3 -> 2: expected last dimension 3 of float32, got input [2, 3] float64",
    ),
    (nn.Linear(3, 2), ["x"], "Linear 3 -> 2: expected last dimension 3, got input a str"),
    (nn.Linear(3, 2), [], "Linear 3 -> 2: expected last dimension 3, got no arguments"),
    (
        nn.Bilinear(2, 3, 4),
        [ones(5, 2), ones(5, 2)],
        "Bilinear 2, 3 -> 4: expected last dimensions 2 and 3, got input1 [5, 2], input2 [5, 2]",
    ),
    (
        nn.Conv1d(3, 4, 3),
        [ones(2, 4, 9)],
        "Conv1d 3 -> 4, kernel 3: expected input [N, 3, L] or [3, L] with L >= 3, got input [2, 4, 9]",
    ),
    (
        nn.Conv2d(3, 4, 5, padding=1),
        [ones(2, 3, 2, 2)],
        "Conv2d 3 -> 4, kernel 5x5: expected input [N, 3, H, W] or [3, H, W] with H >= 3 and W >= 3, got input "
        "[2, 3, 2, 2]",
    ),
    (
        nn.Conv2d(3, 4, 3, padding="same"),
        [ones(2, 4, 2, 2)],
        "Conv2d 3 -> 4, kernel 3x3: expected input [N, 3, H, W] or [3, H, W], got input [2, 4, 2, 2]",
    ),
    (
        nn.Conv3d(1, 2, 1),
        [ones(2, 2)],
        "Conv3d 1 -> 2, kernel 1x1x1: expected input [N, 1, D, H, W] or [1, D, H, W], got input [2, 2]",
    ),
    (
        nn.ConvTranspose2d(3, 4, 5),
        [ones(2, 4, 8, 8)],
        "ConvTranspose2d 3 -> 4, kernel 5x5: expected input [N, 3, H, W] or [3, H, W], got input [2, 4, 8, 8]",
    ),
    (
        nn.MaxPool2d(9),
        [ones(1, 1, 4, 4)],
        "MaxPool2d kernel 9x9: expected input [N, C, H, W] or [C, H, W] with H >= 9 and W >= 9, got input "
        "[1, 1, 4, 4]",
    ),
    (
        nn.AvgPool1d(3),
        [ones(4)],
        "AvgPool1d kernel 3: expected input [N, C, L] or [C, L] with L >= 3, got input [4]",
    ),
    (
        nn.AdaptiveAvgPool2d((2, 3)),
        [ones(4)],
        "AdaptiveAvgPool2d to 2x3: expected input [N, C, H, W] or [C, H, W], got input [4]",
    ),
    (
        nn.MaxUnpool2d(2),
        [ones(1, 1, 2, 2), zeros(1, 1, 2, 3)],
        "MaxUnpool2d kernel 2x2: expected input [N, C, H, W] or [C, H, W] and indices of the same shape, got input "
        "[1, 1, 2, 2], indices [1, 1, 2, 3]",
    ),
    (
        nn.BatchNorm1d(10).eval(),
        [ones(4, 3)],
        "BatchNorm1d 10: expected input [N, 10] or [N, 10, L], got input [4, 3]",
    ),
    (
        nn.BatchNorm2d(10),
        [ones(1, 10, 1, 1)],
        "BatchNorm2d 10: expected input [N, 10, H, W], more than one value per channel, got input [1, 10, 1, 1]",
    ),
    (
        nn.InstanceNorm1d(3, affine=True),
        [ones(2, 4, 5)],
        "InstanceNorm1d 3: expected input [N, 3, L] or [3, L], got input [2, 4, 5]",
    ),
    (
        nn.GroupNorm(2, 4),
        [ones(2, 3, 3)],
        "GroupNorm 4 in 2 groups: expected input [N, 4, ...], got input [2, 3, 3]",
    ),
    (nn.LayerNorm(5), [ones(2, 3)], "LayerNorm 5: expected last dimension 5, got input [2, 3]"),
    (
        nn.LayerNorm([5, 6]),
        [ones(2, 3)],
        "LayerNorm 5, 6: expected last dimensions [5, 6], got input [2, 3]",
    ),
    (
        nn.Embedding(10, 3),
        [tensor([1, 12])],
        "Embedding 10 x 3: expected integers from 0 to 9, got input [2] int64 from 1 to 12",
    ),
    (
        nn.EmbeddingBag(10, 3),
        [tensor([[1, 12]])],
        "EmbeddingBag 10 x 3: expected integers from 0 to 9, got input [1, 2] int64 from 1 to 12",
    ),
    (
        nn.GRU(10, 20),
        [ones(5, 3, 10), ones(1, 4, 20)],
        "GRU 10 -> 20: expected input [L, N, 10] or [L, 10], hx [1, N, 20], got input [5, 3, 10], hx [1, 4, 20]",
    ),
    (
        nn.LSTM(10, 20, 2, batch_first=True, bidirectional=True),
        [ones(5, 3, 9)],
        "LSTM 10 -> 20: expected input [N, L, 10] or [L, 10], hx ([4, N, 20], [4, N, 20]), got input [5, 3, 9]",
    ),
    (
        nn.LSTMCell(10, 20),
        [ones(3, 10), (ones(3, 9), ones(3, 9))],
        "LSTMCell 10 -> 20: expected input [N, 10] or [10], hx ([N, 20], [N, 20]), got input [3, 10], hx ([3, 9], "
        "[3, 9])",
    ),
    (
        nn.MultiheadAttention(8, 2),
        [ones(5, 3, 7), ones(5, 3, 7), ones(5, 3, 7)],
        "MultiheadAttention 8, 2 heads: expected query [L, N, 8], key [S, N, 8], value [S, N, 8], got query "
        "[5, 3, 7], key [5, 3, 7], value [5, 3, 7]",
    ),
    (
        nn.Transformer(8, 2, 1, 1, 16, batch_first=True),
        [ones(5, 3, 7), ones(5, 3, 8)],
        "Transformer 8: expected src [N, S, 8], tgt [N, T, 8], got src [5, 3, 7], tgt [5, 3, 8]",
    ),
    (
        nn.PixelShuffle(2),
        [ones(1, 3, 2, 2)],
        "PixelShuffle by 2: expected input [..., C, H, W] with C a multiple of 4, got input [1, 3, 2, 2]",
    ),
    (nn.PReLU(3), [ones(2, 4)], "PReLU 3: expected input [N, 3, ...], got input [2, 4]"),
    (
        nn.CrossEntropyLoss(),
        [ones(2, 3), tensor([1, 5])],
        "CrossEntropyLoss: got input [2, 3], target [2] int64 from 1 to 5",
    ),
    (nn.Flatten(5), [ones(2, 3)], "Flatten: got input [2, 3]"),
    (nn.LazyLinear(3), ["x"], "LazyLinear: got input a str"),
    (nn.Module(), [ones(2)], "Module: got [2]"),
]


@pytest.mark.parametrize(("layer", "args", "note"), LAYERS, ids=[case[2].split(":")[0] for case in LAYERS])
def test_what_a_layer_expects_and_got(layer, args, note):
    assert note_of(copy.deepcopy(layer), *args) == note


class Block(nn.Module):
    """A layer in a model, between others."""

    def __init__(self, size=3):
        super().__init__()
        self.layer = nn.Linear(size, 2)

    def forward(self, x):
        return self.layer(x)


class Model(nn.Module):
    """Children in all the ways there are."""

    def __init__(self):
        super().__init__()
        self.row = nn.Sequential(nn.Identity(), Block())
        self.named = nn.Sequential(OrderedDict(a=nn.Identity(), b=nn.Sequential(Block())))
        self.list = nn.ModuleList([nn.Identity(), Block()])
        self.dict = nn.ModuleDict({"x": Block(), "y": nn.ModuleList([Block()])})
        self.shared = nn.Linear(3, 2)
        self.again = self.shared
        self.hidden = [Block()]
        self.own = Block()

    def forward(self, x, way):
        return way(self, x)


BAD = ones(2, 5)
SUFFIX = " (Linear 3 -> 2): expected last dimension 3, got input [2, 5]"


@pytest.mark.parametrize(
    ("way", "path"),
    [
        (lambda m, x: m.own(x), "own.layer"),
        (lambda m, x: m.row(x), "row.1.layer"),
        (lambda m, x: m.named(x), "named.b.0.layer"),
        (lambda m, x: m.list[1](x), "list.1.layer"),
        (lambda m, x: [layer(x) for layer in m.list], "list.1.layer"),
        (lambda m, x: m.dict["x"](x), "dict.x.layer"),
        (lambda m, x: m.dict["y"][0](x), "dict.y.0.layer"),
        (lambda m, x: m.again(x), "shared"),
        (lambda m, x: m.own.forward(x), "own.layer"),
        (lambda m, x: m.row[1].layer(x), "row.1.layer"),
        (lambda m, x: m.own(x=x), "own.layer"),
        (lambda m, x: m.hidden[0](x), "layer"),
    ],
)
def test_the_path_leads_from_the_root(way, path):
    assert note_of(Model(), BAD, way) == path + SUFFIX


def test_the_example_of_a_transformer():
    class Translator(nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder = nn.TransformerEncoder(
                nn.TransformerEncoderLayer(8, 2, 16), 1, enable_nested_tensor=False
            )
            self.encoder.layers[0].linear1 = nn.Linear(512, 2048)

        def forward(self, x):
            return self.encoder(x)

    assert note_of(Translator().train(), ones(4, 3, 8)) == (
        "encoder.layers.0.linear1 (Linear 512 -> 2048): expected last dimension 512, got input [4, 3, 8]"
    )


@pytest.mark.parametrize("depth", [1, 2, 8, 50])
def test_sequentials_of_sequentials(depth):
    model = nn.Linear(3, 2)
    for _ in range(depth):
        model = nn.Sequential(nn.Identity(), model)
    assert note_of(model, BAD) == ".".join(["1"] * depth) + SUFFIX


def test_modules_with_hooks_are_on_the_path():
    model = Model()
    for part in (model, model.row, model.row[1], model.row[1].layer):
        part.register_forward_pre_hook(lambda module, args: None)
        part.register_full_backward_hook(lambda module, grad_input, grad_output: None)
    assert note_of(model, BAD, lambda m, x: m.row(x)) == "row.1.layer" + SUFFIX


def test_an_exception_of_a_hook_is_noted_too():
    def hook(module, args, output):
        raise KeyError("hook")

    model = nn.Sequential(nn.Linear(3, 2))
    model[0].register_forward_hook(hook)
    assert note_of(model, ones(1, 3)) == "0 (Linear 3 -> 2): expected last dimension 3, got input [1, 3]"


def test_hooks_of_all_modules_change_nothing():
    handle = module_file.register_module_forward_hook(lambda module, args, output: None)
    try:
        assert note_of(Model(), BAD, lambda m, x: m.row(x)) == "row.1.layer" + SUFFIX
    finally:
        handle.remove()


def test_class_and_message_stay():
    class Odd(LookupError):
        pass

    class Raises(nn.Module):
        def forward(self, *args):
            raise Odd("mine", 3)

    with pytest.raises(Odd) as caught:
        nn.Sequential(Raises())(1)
    assert caught.value.args == ("mine", 3)
    assert caught.value.__notes__ == ["0 (Raises): got 1"]


def test_notes_of_others_stay():
    class Raises(nn.Module):
        def forward(self, x):
            error = ValueError("mine")
            error.add_note("first")
            raise error

    assert notes_of(nn.Sequential(Raises()), 2) == ["first", "0 (Raises): got x 2"]


def test_the_traceback_shows_the_note():
    try:
        nn.Sequential(nn.Linear(3, 2))(BAD)
    except RuntimeError as error:
        text = "".join(traceback.format_exception(error))
    assert text.rstrip().endswith("0" + SUFFIX)


def test_an_exception_that_is_raised_again_is_noted_once():
    class Retries(nn.Module):
        def __init__(self):
            super().__init__()
            self.block = Block()

        def forward(self, x):
            try:
                return self.block(x)
            except RuntimeError:
                return self.block(x)

    class Wraps(Retries):
        def forward(self, x):
            try:
                return self.block(x)
            except RuntimeError as error:
                raise ValueError("other") from error

    assert note_of(Retries(), BAD) == "block.layer" + SUFFIX
    assert note_of(nn.Sequential(Wraps()), BAD) == "0 (Wraps): got x [2, 5]"


def test_one_exception_object_raised_over_and_over():
    error = ValueError("kept")

    class Raises(nn.Module):
        def forward(self, x):
            raise error

    model = nn.Sequential(Raises())
    for _ in range(3):
        assert note_of(model, 1) == "0 (Raises): got x 1"


def test_a_module_that_catches_goes_on():
    class Catches(nn.Module):
        def __init__(self):
            super().__init__()
            self.block = Block()

        def forward(self, x):
            try:
                return self.block(x)
            except RuntimeError:
                return None

    assert nn.Sequential(Catches())(BAD) is None


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_what_ends_the_program_is_left_alone(kind):
    class Raises(nn.Module):
        def forward(self, x):
            raise kind

    with pytest.raises(kind) as caught:
        nn.Sequential(Raises())(1)
    assert not hasattr(caught.value, "__notes__")


def test_endless_recursion_stays_a_recursion_error():
    class Endless(nn.Module):
        def forward(self, x):
            return self(x)

    with pytest.raises(RecursionError):
        Endless()(1)


def test_exceptions_with_notes_are_pickled_without_the_model():
    try:
        Model()(BAD, lambda m, x: m.row(x))
    except RuntimeError as error:
        twin = pickle.loads(pickle.dumps(error))
        copied = copy.copy(error)
    assert [type(note) for note in twin.__notes__] == [str]
    assert twin.__notes__ == ["row.1.layer" + SUFFIX]
    assert copied.args == twin.args


def test_modules_that_cannot_be_described_raise_what_they_raise():
    class Broken(nn.Linear):
        @property
        def in_features(self):
            raise RuntimeError("no description")

        @in_features.setter
        def in_features(self, value):
            pass

    with pytest.raises(ZeroDivisionError):
        layer = Broken(3, 2)
        layer.forward = lambda x: 1 // 0
        nn.Sequential(layer)(1)


def test_arguments_are_told_in_few_words():
    class Takes(nn.Module):
        def forward(self, x, *rest, mask=None, flag=True, names=()):
            raise ValueError("no")

    big = [ones(1)] * 9
    assert note_of(Takes(), ones(2, 3), big, mask=None, flag=False, names={"a": 1}) == (
        "Takes: got x [2, 3], ([1], [1], [1], [1], ...), names a dict"
    )
    assert (
        note_of(Takes(), tensor([True]), tensor([], dtype=rustnn.int64)) == "Takes: got x [1] bool, [0] int64"
    )
    packed = nn.utils.rnn.pack_sequence([ones(2, 3), ones(1, 3)])
    assert note_of(Takes(), packed).startswith("Takes: got x PackedSequence([3, 3], [2] int64")


def test_subclasses_of_layers_expect_the_same():
    class MyLinear(nn.Linear):
        pass

    assert note_of(nn.Sequential(MyLinear(3, 2)), BAD) == (
        "0 (MyLinear 3 -> 2): expected last dimension 3, got input [2, 5]"
    )


def test_a_forward_of_the_instance():
    layer = nn.Linear(3, 2)
    layer.forward = lambda a, b=2: a.missing
    assert note_of(layer, BAD).endswith("got a [2, 5]")


def test_calls_that_are_replaced_are_noted_as_well(monkeypatch):
    before = nn.Module.__call__
    seen = []

    def watch(self, *args, **kwargs):
        seen.append(type(self).__name__)
        return before(self, *args, **kwargs)

    monkeypatch.setattr(nn.Module, "__call__", watch)
    assert note_of(nn.Sequential(Block()), BAD) == "0.layer" + SUFFIX
    assert seen == ["Sequential", "Block", "Linear"]


def test_functional_call_is_noted():
    model = nn.Sequential(Block())
    state = {name: value.detach() for name, value in model.named_parameters()}
    assert note_of(rustnn.func.functional_call, model, state, (BAD,)) == "0.layer" + SUFFIX


def test_removing_the_last_hook_of_all_modules_brings_the_fast_path_back():
    from rustnn.nn.hooks import HookMixin, hook_reasons

    first = module_file.register_module_forward_hook(lambda module, args, output: None)
    second = module_file.register_module_full_backward_hook(lambda module, grad_input, grad_output: None)
    assert HookMixin._hooked
    first.remove()
    assert "all modules" in hook_reasons
    second.remove()
    assert not HookMixin._hooked
    assert "all modules" not in hook_reasons
    layer = nn.Identity()
    handle = layer.register_forward_hook(lambda module, args, output: output + 1)
    assert layer(1) == 2
    handle.remove()
    assert layer(1) == 1
    assert not layer._hooked


def test_pickled_hooks_are_found_again():
    with pytest.warns(FutureWarning, match="weight_norm"):
        layer = nn.Sequential(nn.utils.weight_norm(nn.Linear(2, 2)))
    twin = pickle.loads(pickle.dumps(layer))
    assert twin[0]._hooked
    assert twin(ones(1, 2)).tolist() == layer(ones(1, 2)).tolist()
