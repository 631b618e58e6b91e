"""What is fed: hypothesis strategies for programs that call every function with anything at all.

A program is one line of Python that may leave a result in `x`. Three kinds: any function with any
arguments; a good sample call of an operation with one argument spoilt; indexing with anything.
"""

from __future__ import annotations

import ast

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from parity.ops import Call, calls

TENSORS = """
torch.zeros(2, 3)
torch.ones(3)
torch.tensor(2.5)
torch.zeros(0)
torch.zeros(2, 0, 3)
torch.arange(6).view(2, 3)
torch.tensor([True, False])
torch.full((2, 3), nan)
torch.tensor([inf, -inf, nan])
torch.ones(2, 3).t()
torch.ones(1).expand(4)
torch.ones(2, 3)[:, ::2]
torch.ones(2, 3, requires_grad=True)
torch.ones(2, 3, requires_grad=True) * 2
torch.ones(3, dtype=torch.float64)
torch.ones(2, dtype=torch.complex64)
torch.ones(2, dtype=torch.float16)
torch.ones(3, dtype=torch.bfloat16)
torch.ones(3, dtype=torch.uint8)
torch.tensor([-128, 127], dtype=torch.int8)
torch.tensor([5, -1, 100])
torch.tensor([-(2**63), 2**63 - 1])
torch.ones(1, 2, 3, 4)
torch.ones(2, 3, 8, 8)
torch.ones(1, 1, 1, 1, 1, 1)
""".strip().splitlines()

SCALARS = """
0 1 -1 2 3 -5 100 2**31 2**31-1 -2**31 2**40 2**62 2**63-1 2**63 -2**63 2**64 2**100 0.0 0.5 -0.5 1.5 1e30
1e308 -1e308 nan inf -inf 1j True False None 'x' '' 'sum' 'mean' 'cpu' b'x' [] [1,2] [-1] [0,0] [2**62,2**62]
(0,1) (1,) (2,3) (2,2.5) (None,) {} {1} object() int float torch torch.float32 torch.int64 torch.bool
torch.complex64 torch.float16 slice(0,2) ... np.float32(2) np.int64(3) np.bool_(True) np.ones(2) np.array('x')
range(3) [torch.ones(2),torch.ones(2)] [torch.ones(2),None] [torch.ones(2),torch.ones(3)] torch.Size([2,3])
torch.device('cpu') torch.Generator() (lambda:0)
""".split()

KEYWORDS = """
dim keepdim dtype alpha size requires_grad device min max other p training reduction bias stride padding
dilation groups weight ignore_index label_smoothing generator bogus start end step low high mean std correction
""".split()

FUNCTIONS = """
tensor as_tensor zeros ones full empty arange linspace eye rand randn randint randperm zeros_like ones_like
full_like empty_like rand_like randn_like from_numpy manual_seed cat stack where matmul mm bmm add sub mul div
pow maximum minimum eq ne lt le gt ge exp log sqrt tanh sigmoid relu abs neg sin cos sum mean max min argmax
argmin softmax log_softmax clamp reshape permute transpose squeeze unsqueeze flatten split chunk unbind narrow
broadcast_tensors equal allclose is_tensor set_grad_enabled set_num_threads Size device Generator prod any all
""".split()

METHODS = """
view reshape permute transpose t squeeze unsqueeze expand flatten split chunk unbind narrow select contiguous
clone detach to type float long item tolist numpy size stride dim numel sum mean max min argmax argmin amax prod
any all add sub mul div pow add_ sub_ mul_ div_ copy_ fill_ zero_ uniform_ normal_ bernoulli_ exp_ clamp_ relu_
requires_grad_ backward retain_grad register_hook matmul mm eq lt abs exp log sqrt tanh sigmoid softmax
expand_as view_as type_as new_zeros new_ones new_tensor __getitem__ __add__ __rsub__ __truediv__ __pow__
__matmul__ __eq__ __bool__ __int__ __len__ __format__ __array__ __deepcopy__ is_contiguous data_ptr
""".split()

LAYERS = """
nn.Linear nn.Conv2d nn.MaxPool2d nn.BatchNorm2d nn.Dropout nn.Flatten nn.ReLU nn.Sigmoid nn.Tanh nn.Sequential
nn.CrossEntropyLoss nn.MSELoss nn.Parameter
""".split()

PYTHON_SIDE = """
F.linear F.conv2d F.max_pool2d F.batch_norm F.dropout F.relu F.softmax F.log_softmax F.cross_entropy F.nll_loss
F.mse_loss nn.init.xavier_uniform_ nn.init.uniform_ nn.init.normal_ nn.init.constant_ optim.SGD optim.Adam
data.TensorDataset data.DataLoader torch.save torch.load
""".split()

value: SearchStrategy[str] = st.sampled_from(TENSORS) | st.sampled_from(SCALARS)
tensor: SearchStrategy[str] = st.sampled_from(TENSORS)
positional = st.lists(value, max_size=5)
named = st.dictionaries(st.sampled_from(KEYWORDS), value, max_size=2)


def call(function: str, arguments: list[str], keywords: dict[str, str]) -> str:
    return f"{function}({', '.join([*arguments, *(f'{k}={v}' for k, v in keywords.items())])})"


def any_function() -> SearchStrategy[str]:
    names = st.sampled_from([f"torch.{name}" for name in FUNCTIONS])
    return st.builds(lambda f, a, k: "x = " + call(f, a, k), names, positional, named)


def any_method() -> SearchStrategy[str]:
    names = st.sampled_from(METHODS)
    return st.builds(
        lambda target, f, a, k: "x = " + call(f"({target}).{f}", a, k), tensor, names, positional, named
    )


def any_layer() -> SearchStrategy[str]:
    made = st.builds(call, st.sampled_from(LAYERS), positional, named)
    used = st.builds(lambda layer, a: f"x = ({layer})({', '.join(a)})", made, st.lists(value, max_size=3))
    called = st.builds(call, st.sampled_from(PYTHON_SIDE), positional, named).map(lambda c: "x = " + c)
    return st.one_of(made, used, called)


BINARY = ["+", "-", "*", "/", "//", "%", "**", "@", "==", "<", ">=", "&", "|"]


def any_operator() -> SearchStrategy[str]:
    plain = st.builds(lambda a, op, b: f"x = ({a}) {op} ({b})", value, st.sampled_from(BINARY), value)
    augmented = st.builds(
        lambda a, op, b: f"x = {a}; x {op}= {b}",
        tensor,
        st.sampled_from(["+", "-", "*", "/", "**", "@"]),
        value,
    )
    # Without a tensor on either side it is Python's business (and 2**100 ** 2**100 never ends).
    return st.one_of(plain, augmented).filter(
        lambda program: "torch.ones" in program or "torch.zeros" in program
    )


def any_index() -> SearchStrategy[str]:
    small = st.integers(-9, 9).map(str) | st.sampled_from(["None", "2**63", "-2**70", "1.5", "True"])
    part = st.one_of(
        small,
        st.builds(lambda a, b, c: f"{a}:{b}:{c}", small, small, small),
        value,
        st.just("..."),
    )
    index = st.lists(part, min_size=1, max_size=6).map(", ".join)
    read = st.builds(lambda t, i: f"x = ({t})[{i}]", tensor, index)
    write = st.builds(lambda t, i, v: f"x = {t}; x[{i}] = {v}", tensor, index, value)
    return st.one_of(read, write)


SAMPLES = list(calls(deterministic=False))
MAKERS = "from parity.data import Data; from parity.ops import function; globals().update(Data(torch, requires_grad={grad}).namespace()); "


def spoil(sample: Call, position: int, new: str, grad: bool) -> str:
    """The sample's call with one argument replaced, taken away, or added."""
    parsed = ast.parse(f"f({sample.sample})", mode="eval").body
    assert isinstance(parsed, ast.Call)
    arguments = [ast.unparse(argument) for argument in parsed.args]
    keywords = {k.arg or "": ast.unparse(k.value) for k in parsed.keywords}
    place = position % (len(arguments) + len(keywords) + 1)
    if place == 0 and sample.variant != "function" and new not in TENSORS:
        arguments.append(new)  # a method belongs to a tensor
    elif place < len(arguments):
        arguments[place] = new
    elif place < len(arguments) + len(keywords):
        keywords[list(keywords)[place - len(arguments)]] = new
    else:
        arguments.append(new)
    name = sample.op.name
    if sample.variant == "inplace":
        name += "_"
    if sample.variant == "function" or "method" not in sample.op.variants:
        target = f"function(torch, {name!r})"
    else:
        target = f"({arguments.pop(0)}).{name}"
    return MAKERS.format(grad=grad) + "x = " + call(target, arguments, keywords)


def spoilt_sample() -> SearchStrategy[str]:
    if not SAMPLES:
        return any_function()
    return st.builds(spoil, st.sampled_from(SAMPLES), st.integers(0, 10), value, st.booleans())
