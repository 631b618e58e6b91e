"""Export to ONNX of every operation that can be, called as the engine's own samples call it."""

from collections.abc import Iterator

import pytest
from onnx_checks import agree, session_of
from parity.ops import Call, Op, listed

import rustnn as torch
import rustnn.onnx
from rustnn.onnx import operators
from rustnn.onnx.errors import UnsupportedOperatorError
from rustnn.onnx.nested import exchanged, tensors_in

MAPPED = {name for names in operators.families().values() for name in names}
# Their results are drawn, or not initialised.
RANDOM = {"rand", "randn", "rand_like", "randn_like", "normal", "dropout", "empty", "empty_like", "new_empty"}
# More output padding than onnxruntime takes.
REFUSED_BY_RUNTIME = {"function:conv_transpose1d(t(3, 4), t(3, 2, 3), None, 1, 1, 2, 1, 3)"}

# Their samples are of the kinds that cannot be exported.
ALL_REFUSED = {
    "adaptive_max_pool1d",
    "nn.functional.adaptive_max_pool1d",
    "nn.functional.adaptive_max_pool2d_with_indices",
    "nn.functional.adaptive_max_pool3d_with_indices",
    "nn.functional.lp_pool1d",
}


def is_mapped(op: Op) -> bool:
    name = op.name.removeprefix("nn.functional.").replace(".", "_")
    return op.name not in RANDOM and (name in MAPPED or f"_{name}" in MAPPED)


class Sample:
    """A call whose tensors are inputs."""

    def __init__(self, call: Call) -> None:
        self.call = call
        self.given = call.arguments(torch, call.data(torch))
        self.inputs = tuple(t.detach() for t in tensors_in(self.given))

    def __call__(self, *inputs: torch.Tensor) -> object:
        left = iter(inputs)
        given = exchanged(self.given, lambda x: next(left).clone() if isinstance(x, torch.Tensor) else x)
        call = Call(self.call.op, self.call.variant, self.call.sample)
        object.__setattr__(call, "arguments", lambda lib, data: given)
        return call.make(torch, call.data(torch))

    def is_for_onnx(self) -> bool:
        """No complex numbers, and no empty tensors: runtimes do not agree on them."""
        with torch.no_grad():
            tensors = [*self.inputs, *tensors_in(self(*self.inputs))]
        return not any(t.is_complex() or t.numel() == 0 for t in tensors)


OPS: dict[str, list[Op]] = {}
for _op in listed():
    if is_mapped(_op):
        OPS.setdefault(_op.name, []).append(_op)


def calls(name: str) -> Iterator[Call]:
    """Each sample of an operation, in each way of calling that it can be used for."""
    for op in OPS[name]:
        for variant in op.variants:
            for text in op.samples:
                call = Call(op, variant, text)
                first = call.arguments(torch, call.data(torch))[0][0]
                if variant != "function" and not isinstance(first, torch.Tensor):
                    continue
                if call.known(torch) and call.fits(torch) and str(call) not in REFUSED_BY_RUNTIME:
                    yield call


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", OPS)
def test_samples(name: str) -> None:
    done = tried = 0
    for call in calls(name):
        sample = Sample(call)
        if not sample.is_for_onnx():
            continue
        tried += 1
        try:
            program = rustnn.onnx.export(sample, sample.inputs)
        except UnsupportedOperatorError:
            continue
        agree(session_of(program), program, sample, sample.inputs)
        done += 1
    assert done or not tried or name in ALL_REFUSED
