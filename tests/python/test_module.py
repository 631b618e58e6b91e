"""``nn.Module``: what it finds, says, saves and refuses."""

from __future__ import annotations

import copy
import pickle
import warnings
from collections import OrderedDict

import pytest

import rustnn
from rustnn import nn


class Net(nn.Module):
    """Two layers and a buffer, one of them shared."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(3, 4)
        self.body = nn.Sequential(nn.ReLU(), nn.BatchNorm1d(4))
        self.again = self.first
        self.scale = nn.Parameter(rustnn.ones(1))
        self.register_buffer("seen", rustnn.zeros(1), persistent=False)

    def forward(self, x):
        return self.body(self.first(x)) * self.scale


def test_members_are_found_by_dotted_names_once():
    net = Net()
    assert [name for name, _ in net.named_parameters()] == [
        "scale",
        "first.weight",
        "first.bias",
        "body.1.weight",
        "body.1.bias",
    ]
    assert [name for name, _ in net.named_parameters(prefix="x", recurse=False)] == ["x.scale"]
    assert [name for name, _ in net.named_modules()] == ["", "first", "body", "body.0", "body.1"]
    assert [name for name, _ in net.named_modules(remove_duplicate=False)][-1] == "again"
    assert [name for name, _ in net.named_children()] == ["first", "body"]
    assert next(name for name, _ in net.named_buffers()) == "seen"
    assert next(net.parameters()) is net.scale
    assert net.get_parameter("body.1.weight") is net.body[1].weight
    assert net.get_submodule("body.0") is net.body[0]
    assert net.get_buffer("body.1.running_mean") is net.body[1].running_mean
    assert {"first", "scale", "seen"} <= set(dir(net))


@pytest.mark.parametrize(
    ("path", "complaint"),
    [
        ("body.7", "Sequential has no attribute `7`"),
        ("scale", "`scale` is not an nn.Module"),
        ("nothing.at.all", "Net has no attribute `nothing`"),
    ],
)
def test_a_wrong_path_says_where_it_ends(path, complaint):
    with pytest.raises(AttributeError, match=complaint):
        Net().get_submodule(path)


def test_assignment_registers_and_reassignment_is_checked():
    net = Net()
    with pytest.raises(TypeError, match="as parameter 'scale'"):
        net.scale = rustnn.ones(1)
    with pytest.raises(TypeError, match="as child module 'first'"):
        net.first = 3
    with pytest.raises(TypeError, match="as buffer 'seen'"):
        net.seen = "yes"
    net.scale = None
    assert net.scale is None
    assert "scale" not in dict(net.named_parameters())
    net.seen = rustnn.ones(2)
    assert net.get_buffer("seen").tolist() == [1, 1]
    del net.first
    with pytest.raises(AttributeError, match="'Net' object has no attribute 'first'"):
        _ = net.first
    net.extra = nn.Buffer(rustnn.ones(1))
    assert "extra" in net.state_dict()


@pytest.mark.parametrize(
    "value", [nn.ReLU, lambda: nn.Parameter(rustnn.ones(1)), lambda: nn.Buffer(rustnn.ones(1))]
)
def test_assignment_before_init_is_an_error(value):
    class Forgetful(nn.Module):
        def __init__(self):
            self.member = value()

    with pytest.raises(AttributeError, match=r"cannot assign \w+ before Module.__init__\(\) call"):
        Forgetful()


@pytest.mark.parametrize(
    ("name", "error"),
    [("a.b", KeyError), ("", KeyError), (3, TypeError), ("first", KeyError), ("train", KeyError)],
)
def test_names_of_buffers_are_checked(name, error):
    with pytest.raises(error):
        Net().register_buffer(name, None)


def test_parameters_must_be_leaves():
    with pytest.raises((ValueError, TypeError)):
        nn.Module().register_parameter("p", nn.Parameter(rustnn.ones(1)) * 2)
    with pytest.raises(RuntimeError, match="floating point and complex"):
        nn.Parameter(rustnn.tensor([1]))
    assert not nn.Parameter(rustnn.tensor([1]), requires_grad=False).requires_grad


def test_repr_shows_the_tree():
    assert repr(Net()) == (
        "Net(\n"
        "  (first): Linear(in_features=3, out_features=4, bias=True)\n"
        "  (body): Sequential(\n"
        "    (0): ReLU()\n"
        "    (1): BatchNorm1d(4, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=True)\n"
        "  )\n"
        "  (again): Linear(in_features=3, out_features=4, bias=True)\n"
        ")"
    )
    assert (
        repr(nn.ModuleList([nn.ReLU(), nn.ReLU(), nn.Tanh()]))
        == "ModuleList(\n  (0-1): 2 x ReLU()\n  (2): Tanh()\n)"
    )
    assert repr(nn.Conv2d(2, 4, (3, 5), 2, 1, dilation=2, groups=2, bias=False)) == (
        "Conv2d(2, 4, kernel_size=(3, 5), stride=(2, 2), padding=(1, 1), dilation=(2, 2), groups=2, bias=False)"
    )


# ---- state -------------------------------------------------------------------------------------------------


def test_state_dict_goes_around():
    net, other = Net(), Net()
    state = net.state_dict()
    assert list(state) == [
        "scale",
        "first.weight",
        "first.bias",
        "body.1.weight",
        "body.1.bias",
        "body.1.running_mean",
        "body.1.running_var",
        "body.1.num_batches_tracked",
        "again.weight",
        "again.bias",
    ]
    assert state._metadata["body.1"] == {"version": 2}
    assert state["scale"].data_ptr() == net.scale.data_ptr()
    assert not state["scale"].requires_grad
    assert repr(other.load_state_dict(state)) == "<All keys matched successfully>"
    assert (other.first.weight == net.first.weight).all()
    assert other.first.weight.data_ptr() != net.first.weight.data_ptr()
    other.load_state_dict(state, assign=True)
    assert other.first.weight.data_ptr() == net.first.weight.data_ptr()
    assert isinstance(other.first.weight, nn.Parameter)


def test_load_state_dict_lists_all_that_is_wrong():
    net = nn.Sequential(nn.Linear(2, 3))
    bad = OrderedDict({"0.weight": rustnn.zeros(4, 4), "extra": rustnn.zeros(1)})
    with pytest.raises(RuntimeError) as caught:
        net.load_state_dict(bad)
    assert str(caught.value) == (
        "Error(s) in loading state_dict for Sequential:\n"
        '\tMissing key(s) in state_dict: "0.bias". \n'
        '\tUnexpected key(s) in state_dict: "extra". \n'
        f"\tsize mismatch for 0.weight: copying a param with shape {rustnn.zeros(4, 4).shape} from checkpoint, "
        f"the shape in current model is {net[0].weight.shape}."
    )
    missing, unexpected = net.load_state_dict({"more": 1}, strict=False)
    assert (missing, unexpected) == (["0.weight", "0.bias"], ["more"])
    with pytest.raises(TypeError, match="dict-like"):
        net.load_state_dict(3)


def test_batch_norm_reads_states_of_before_it_counted():
    norm = nn.BatchNorm1d(2)
    old = {name: value for name, value in norm.state_dict().items() if name != "num_batches_tracked"}
    norm.load_state_dict(old)


def test_extra_state_and_hooks():
    class Keeper(nn.Module):
        def get_extra_state(self):
            return {"n": 3}

        def set_extra_state(self, state):
            self.n = state["n"]

    keeper = Keeper()
    keeper.load_state_dict(keeper.state_dict())
    assert keeper.n == 3
    keeper.register_state_dict_post_hook(lambda module, state, prefix, metadata: state.update(late=1))
    assert list(keeper.state_dict()) == ["_extra_state", "late"]


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))])
def test_copies_are_whole_and_separate(duplicate):
    net = Net()
    twin = duplicate(net)
    assert repr(twin) == repr(net)
    assert twin.again is twin.first
    assert twin.first.weight is not net.first.weight
    assert twin.first.weight.requires_grad
    for (name, mine), (same, its) in zip(net.state_dict().items(), twin.state_dict().items(), strict=True):
        assert name == same
        assert mine.tolist() == its.tolist()


# ---- conversions and modes ---------------------------------------------------------------------------------


def test_dtype_changes_keep_the_parameters():
    net = Net()
    weight = net.first.weight
    net(rustnn.ones(5, 3)).sum().backward()
    net.double()
    assert net.first.weight is weight
    assert weight.dtype == rustnn.float64
    assert weight.grad.dtype == rustnn.float64
    assert net.body[1].num_batches_tracked.dtype == rustnn.int64
    assert net.to(rustnn.float16).first.bias.dtype == rustnn.float16
    with pytest.raises(TypeError, match="floating point or complex"):
        net.to(rustnn.int32)


def test_modes_and_gradients():
    net = Net()
    assert net.eval() is net
    assert not net.body[1].training
    assert net.train().body[1].training
    with pytest.raises(ValueError, match="boolean"):
        net.train("yes")
    net(rustnn.ones(2, 3)).sum().backward()
    net.zero_grad(set_to_none=False)
    assert net.first.bias.grad.tolist() == [0, 0, 0, 0]
    net.zero_grad()
    assert net.first.bias.grad is None
    net.requires_grad_(False)
    assert not any(parameter.requires_grad for parameter in net.parameters())
    seen = []
    net.apply(lambda module: seen.append(type(module).__name__))
    assert seen == ["Linear", "ReLU", "BatchNorm1d", "Sequential", "Net"]


# ---- calls and hooks ---------------------------------------------------------------------------------------


def test_forward_hooks_see_and_replace():
    layer = nn.Identity()
    calls = []
    first = layer.register_forward_pre_hook(lambda module, args: (args[0] + 1,))
    layer.register_forward_hook(lambda module, args, output: calls.append((args, output)))
    second = layer.register_forward_hook(lambda module, args, kwargs, output: output * 10, with_kwargs=True)
    assert layer(1) == 20
    assert calls == [((2,), 2)]
    first.remove()
    with second:
        pass
    assert layer(1) == 1


def test_a_hook_may_insist_on_being_called():
    class Broken(nn.Module):
        def forward(self, x):
            raise KeyError("inside")

    broken, calls = Broken(), []
    broken.register_forward_hook(lambda module, args, output: calls.append(output), always_call=True)
    with pytest.raises(KeyError, match="inside"):
        broken(1)
    assert calls == [None]


def test_forward_must_be_defined():
    with pytest.raises(
        NotImplementedError, match=r'Module \[Module\] is missing the required "forward" function'
    ):
        nn.Module()(1)


def test_a_weight_may_be_replaced_by_a_plain_attribute():
    layer = nn.Linear(2, 1, bias=False)
    del layer.weight
    layer.weight = rustnn.tensor([[1.0, 2.0]])
    assert layer(rustnn.tensor([[3.0, 4.0]])).tolist() == [[11.0]]


# ---- containers --------------------------------------------------------------------------------------------


def test_sequential_is_a_list_of_modules():
    row = nn.Sequential(nn.ReLU(), nn.Tanh(), nn.Sigmoid())
    assert [type(module) for module in row[1:]] == [nn.Tanh, nn.Sigmoid]
    assert type(row[-1]) is nn.Sigmoid
    row.insert(1, nn.Softmax(dim=0)).append(nn.ELU())
    del row[0]
    assert [type(module).__name__ for module in row] == ["Softmax", "Tanh", "Sigmoid", "ELU"]
    assert list(row._modules) == ["0", "1", "2", "3"]
    assert len(row + nn.Sequential(nn.ReLU())) == 5
    assert len(row * 2) == 8
    with pytest.raises(IndexError, match="index 4 is out of range"):
        row[4]
    with pytest.raises(TypeError, match="list is not a Module subclass"):
        nn.Sequential([nn.ReLU()])
    named = nn.Sequential(OrderedDict(first=nn.ReLU(), second=nn.Tanh()))
    assert type(named.second) is nn.Tanh


def test_lists_and_dicts_of_modules_and_parameters():
    modules = nn.ModuleList([nn.Linear(1, 1)])
    modules += [nn.ReLU()]
    assert len(list(modules.parameters())) == 2
    with pytest.raises(TypeError, match="should be called with an iterable, but got int"):
        modules.extend(3)
    table = nn.ModuleDict({"a": nn.ReLU(), "b": nn.Linear(1, 1)})
    assert list(table) == ["a", "b"]
    assert type(table.pop("a")) is nn.ReLU
    with pytest.raises(KeyError, match="already exists"):
        table["keys"] = nn.ReLU()
    parameters = nn.ParameterList([rustnn.ones(2), nn.Parameter(rustnn.zeros(1, 3))])
    assert [tuple(p.shape) for p in parameters.parameters()] == [(2,), (1, 3)]
    assert (
        repr(nn.ParameterDict({"b": rustnn.ones(2), "a": 3})).splitlines()[1]
        == "    (a): Object of type: int"
    )


def test_losses_warn_of_shapes_that_do_not_match():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        nn.MSELoss()(rustnn.zeros(2), rustnn.zeros(2, 1))
    assert "different to the input size" in str(caught[0].message)
    with pytest.raises(ValueError, match="foo is not a valid value for reduction"):
        nn.MSELoss(reduction="foo")(rustnn.zeros(2), rustnn.zeros(2))


@pytest.mark.parametrize(
    "make",
    [
        lambda: nn.Conv2d(2, 3, 3, groups=0),
        lambda: nn.Conv2d(2, 3, 3, groups=2),
        lambda: nn.Conv2d(2, 3, 3, padding="same", stride=2),
        lambda: nn.Conv2d(2, 3, 3, padding="some"),
        lambda: nn.Conv2d(2, 3, 3, padding_mode="some"),
        lambda: nn.Dropout(2),
        lambda: nn.BatchNorm2d(3)(rustnn.zeros(3, 3)),
        lambda: nn.BatchNorm1d(3)(rustnn.zeros(1, 3)),
    ],
)
def test_settings_that_make_no_sense_are_value_errors(make):
    with pytest.raises(ValueError, match=r"\w+"):
        make()


@pytest.mark.parametrize("kernel", [2, 3, (2, 3), (4, 1)])
def test_padding_same_keeps_the_size(kernel):
    image = rustnn.rand(2, 3, 7, 6)
    layer = nn.Conv2d(3, 4, kernel, padding="same")
    assert tuple(layer(image).shape) == (2, 4, 7, 6)


def test_initial_weights_have_the_promised_spread():
    rustnn.manual_seed(0)
    weight = rustnn.empty(200, 300)
    nn.init.xavier_uniform_(weight)
    assert weight.abs().max().item() <= (6 / 500) ** 0.5
    nn.init.kaiming_normal_(weight, nonlinearity="relu")
    assert weight.pow(2).mean().sqrt().item() == pytest.approx((2 / 300) ** 0.5, rel=0.02)
    nn.init.trunc_normal_(weight, std=2.0, a=-1.0, b=3.0)
    assert weight.min().item() >= -1
    assert weight.max().item() <= 3
    assert nn.init.eye_(rustnn.empty(2, 3)).tolist() == [[1, 0, 0], [0, 1, 0]]
    assert nn.init.calculate_gain("tanh") == 5 / 3
    with pytest.raises(ValueError, match="fewer than 2 dimensions"):
        nn.init.xavier_uniform_(rustnn.empty(3))


def test_sequential_calls_its_members_as_a_call_would():
    class Doubled(nn.Identity):
        def __call__(self, x):
            return super().__call__(x) * 2

    class Child(Doubled):
        pass

    hooked = nn.Identity()
    hooked.register_forward_hook(lambda module, args, output: output + 1)
    patched = nn.Identity()
    patched.forward = lambda x: x * 10
    assert nn.Sequential(hooked, Child(), patched)(1) == 40


def test_tuples_of_arguments() -> None:
    from rustnn.nn.modules import utils

    assert utils._pair(2) == (2, 2)
    assert utils._pair([1, 2]) == (1, 2)
    assert utils._triple((1,)) == (1,)
    assert utils._ntuple(4)("a") == ("a",)
    assert utils._reverse_repeat_tuple((1, 2), 2) == (2, 2, 1, 1)
    assert utils._list_with_default([None, 3], [1, 2, 3, 4]) == [3, 3]
    with pytest.raises(ValueError, match="at least 3"):
        utils._list_with_default([1, 2], [1, 2])
    state = nn.DataParallel(nn.Sequential(nn.Linear(1, 1))).state_dict()
    utils.consume_prefix_in_state_dict_if_present(state, "module.")
    assert list(state) == ["0.weight", "0.bias"]
    assert list(state._metadata) == ["", "0"]
