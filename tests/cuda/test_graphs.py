"""CUDA graphs: what is recorded is replayed with the same results as if it were done at once."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import pytest

import rustnn as torch
import rustnn.nn.functional as F
from rustnn import nn


def _record(body: Any, **options: Any) -> tuple[torch.cuda.CUDAGraph, Any]:
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, **options):
        result = body()
    return graph, result


def test_a_graph_replays_with_new_inputs() -> None:
    x = torch.arange(6.0, device="cuda").reshape(2, 3)

    def body() -> Any:
        assert torch.cuda.is_current_stream_capturing()
        y = x * 2 + 1
        return y.softmax(1), y.sum()

    expected = [t.cpu() for t in ((x * 2 + 1).softmax(1), (x * 2 + 1).sum())]
    graph, (soft, total) = _record(body)
    assert not torch.cuda.is_current_stream_capturing()
    assert not torch.cuda.current_stream().cuda_stream
    # Nothing was computed while recording.
    assert not torch.equal(soft.cpu(), expected[0])
    graph.replay()
    assert torch.equal(soft.cpu(), expected[0])
    assert total.item() == expected[1].item()
    x.copy_(torch.ones(2, 3))
    graph.replay()
    assert total.item() == 18
    side = torch.cuda.Stream()
    with torch.cuda.stream(side):
        x.fill_(0)
        graph.replay()
    torch.cuda.current_stream().wait_stream(side)
    assert total.item() == 6


class _Convolutional(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.out = nn.Linear(4 * 3 * 3, 3)

    def forward(self, x: Any) -> Any:
        return self.out(F.max_pool2d(F.relu(self.norm(self.conv(x))), 2).flatten(1))


def _mlp() -> nn.Module:
    return nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Dropout(0.25), nn.Linear(8, 3))


def _sgd(parameters: Any) -> Any:
    return torch.optim.SGD(parameters, lr=0.1, momentum=0.9)


def _adamw(parameters: Any) -> Any:
    return torch.optim.AdamW(parameters, lr=0.01, capturable=True)


@pytest.mark.filterwarnings("ignore:This instance was constructed with capturable")
@pytest.mark.parametrize(
    ("model", "shape", "optimizer"),
    [(_mlp, (4, 5), _adamw), (_Convolutional, (2, 1, 6, 6), _sgd)],
    ids=["mlp", "convolutional"],
)
def test_a_training_step_learns_the_same(model: Any, shape: tuple[int, ...], optimizer: Any) -> None:
    batches = [(torch.randn(shape), torch.randint(3, shape[:1])) for _ in range(6)]

    def run(replayed: bool) -> tuple[list[float], list[Any]]:
        torch.manual_seed(3)
        net = model().cuda()
        optim = optimizer(net.parameters())
        x, target = (
            torch.empty(shape, device="cuda"),
            torch.zeros(shape[:1], dtype=torch.int64, device="cuda"),
        )

        def step() -> Any:
            optim.zero_grad(set_to_none=True)
            loss = F.cross_entropy(net(x), target)
            loss.backward()
            optim.step()
            return loss

        losses = []
        graph, loss = None, None
        for i, (data, label) in enumerate(batches):
            x.copy_(data)
            target.copy_(label)
            if replayed and i == 2:  # after two steps as a warm-up
                graph, loss = _record(step)
            if graph is None:
                loss = step()
            else:
                graph.replay()
            losses.append(loss.item())  # type: ignore[union-attr]
        return losses, [p.detach().cpu() for p in net.parameters()]

    (eager, weights), (replayed, others) = run(False), run(True)
    assert replayed == eager
    assert all(torch.equal(a, b) for a, b in zip(weights, others, strict=True))


def test_random_numbers_are_those_of_eager_work() -> None:
    x = torch.ones(500, device="cuda")
    own = torch.Generator("cuda")

    def draw() -> list[Any]:
        return [
            F.dropout(x, 0.5),
            torch.rand(300, device="cuda"),
            torch.randn(7, device="cuda"),
            torch.randint(10, (50,), device="cuda"),
            torch.rand(100, generator=own, device="cuda"),
            torch.empty(30, device="cuda").bernoulli_(0.5),
            torch.bernoulli(x * 0.5),
            torch.poisson(x[:20]),
        ]

    torch.manual_seed(5)
    own.manual_seed(9)
    eager = [[t.cpu() for t in draw()] for _ in range(3)]
    graph = torch.cuda.CUDAGraph()
    graph.register_generator_state(own)
    torch.manual_seed(5)
    own.manual_seed(9)
    with torch.cuda.graph(graph):
        drawn = draw()
    for expected in eager:
        graph.replay()
        for ours, theirs in zip(drawn, expected, strict=True):
            assert torch.equal(ours.cpu(), theirs)
    # The generator goes on behind them, and a seed begins anew.
    assert torch.equal(F.dropout(x, 0.5).cpu(), _dropout_after(3))
    torch.manual_seed(5)
    own.manual_seed(9)
    graph.replay()
    assert all(torch.equal(a.cpu(), b) for a, b in zip(drawn, eager[0], strict=True))


def _dropout_after(steps: int) -> Any:
    """What eager work draws after as many of the steps above."""
    x = torch.ones(500, device="cuda")
    torch.manual_seed(5)
    for _ in range(steps):
        F.dropout(x, 0.5)
        torch.rand(300, device="cuda")
        torch.randn(7, device="cuda")
        torch.randint(10, (50,), device="cuda")
        torch.empty(30, device="cuda").bernoulli_(0.5)
        torch.bernoulli(x * 0.5)
        torch.poisson(x[:20])
    return F.dropout(x, 0.5).cpu()


def test_generators_and_captures() -> None:
    own = torch.Generator("cuda")
    with pytest.raises(RuntimeError, match="register_generator_state"):
        _record(lambda: torch.rand(3, generator=own, device="cuda"))
    torch.manual_seed(1)
    for call in (
        lambda: torch.manual_seed(2),
        lambda: torch.cuda.get_rng_state(),
        lambda: torch.cuda.set_rng_state(torch.zeros(16, dtype=torch.uint8)),
        lambda: torch.cuda.default_generators[0].set_offset(4),
    ):
        with pytest.raises(RuntimeError, match="capture"):
            _record(call)
    graph, _ = _record(lambda: (torch.manual_seed(1), torch.rand(2, device="cuda")))
    with pytest.raises(RuntimeError, match="'cuda' generator"):
        graph.register_generator_state(torch.Generator())
    shared = own.graphsafe_get_state()
    own.manual_seed(77)
    assert shared.initial_seed() == 77


@pytest.mark.filterwarnings("ignore:This instance was constructed with capturable")
@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("Adam", {"weight_decay": 0.1, "amsgrad": True}),
        ("AdamW", {}),
        ("NAdam", {}),
        ("RAdam", {"lr": 0.02}),
        ("Adamax", {}),
        ("ASGD", {"t0": 2.0, "lambd": 0.01}),
        ("RMSprop", {"centered": True}),
        ("Rprop", {}),
        ("Adadelta", {"lr": 0.5}),
    ],
)
def test_optimizers_count_on_the_gpu(kind: str, settings: dict[str, Any]) -> None:
    def run(device: str, replayed: bool) -> list[Any]:
        torch.manual_seed(0)
        shapes = [(3, 4), (5,), (0, 2)]
        params = [torch.randn(shape).to(device).requires_grad_() for shape in shapes]
        optim = getattr(torch.optim, kind)(params, capturable=device == "cuda", **settings)
        for p in params:
            p.grad = p.detach().clone()

        def step() -> None:
            for p in params:
                p.grad.copy_(p.detach() * 3 + 1)  # type: ignore[union-attr]
            optim.step()

        step()
        graph = _record(step)[0] if replayed else None
        for _ in range(7):
            step() if graph is None else graph.replay()
        if device == "cuda":
            assert all(optim.state[p]["step"].is_cuda for p in params)
        steps = [float(optim.state[p]["step"]) for p in params]
        assert steps == [8, 8, 8]
        return [p.detach().cpu() for p in params]

    host, eager, replayed = run("cpu", False), run("cuda", False), run("cuda", True)
    for a, b, c in zip(host, eager, replayed, strict=True):
        assert torch.equal(b, c)
        assert torch.allclose(a, b, rtol=1e-5, atol=1e-6)


@pytest.mark.filterwarnings("ignore:This instance was constructed with capturable")
def test_a_rate_on_the_gpu_changes_a_replayed_step() -> None:
    rate = torch.tensor(0.5, device="cuda")
    p = torch.ones(3, device="cuda", requires_grad=True)
    p.grad = torch.ones(3, device="cuda")
    optim = torch.optim.Adam([p], lr=rate, capturable=True)
    optim.step()
    graph, _ = _record(optim.step)
    before = p.tolist()[0]
    rate.fill_(0.25)
    graph.replay()
    assert p.tolist()[0] == pytest.approx(before - 0.25, abs=1e-6)
    saved = optim.state_dict()
    other = torch.optim.Adam([p], lr=0.1)
    other.load_state_dict(saved)
    assert other.state[p]["step"].is_cuda
    assert other.state[p]["step"].item() == 2


def test_optimizers_that_count_on_the_host_are_refused() -> None:
    p = torch.ones(3, device="cuda", requires_grad=True)
    p.grad = torch.ones(3, device="cuda")
    for optim in (torch.optim.Adam([p]), torch.optim.Adagrad([p])):
        with pytest.raises(RuntimeError, match="Attempting CUDA graph capture of step"):
            _record(optim.step)
    with pytest.warns(UserWarning, match="capturable=True, but step"):
        torch.optim.Adam([p], capturable=True).step()
    assert p.isfinite().all()


def test_what_waits_cannot_be_recorded() -> None:
    x = torch.arange(4.0, device="cuda")
    host, pinned = torch.ones(4), torch.ones(4, pin_memory=True)
    not_permitted = "operation not permitted when stream is capturing"
    for body, message in (
        (lambda: x.sum().item(), not_permitted),
        (lambda: x.cpu(), "unless the CPU tensor is pinned"),
        (lambda: host.cuda(), "unless the CPU tensor is pinned"),
        (lambda: torch.tensor([1.0], device="cuda"), "unless the CPU tensor is pinned"),
        (lambda: pinned.cuda(), not_permitted),
        (lambda: x.nonzero(), "capturing|pinned"),
        (lambda: x[x > 1], "capturing|pinned"),
        (lambda: bool((x > 1).any()), not_permitted),
        (torch.cuda.synchronize, not_permitted),
        (lambda: torch.cuda.current_stream().synchronize(), not_permitted),
        (lambda: torch.cuda.current_stream().query(), not_permitted),
        (lambda: torch.cuda.current_stream().record_event().synchronize(), "captur"),
        (lambda: 1 // 0, "by zero"),
    ):
        graph = torch.cuda.CUDAGraph()
        with pytest.raises((RuntimeError, ZeroDivisionError), match=message):
            with torch.cuda.graph(graph):
                body()
        assert not torch.cuda.is_current_stream_capturing()
        with pytest.raises(RuntimeError, match="without a preceding successful capture"):
            graph.replay()
        # All goes on, also with this graph.
        assert x.sum().item() == 6
        with torch.cuda.graph(graph):
            y = x + 1
        graph.replay()
        assert y.tolist() == [1, 2, 3, 4]


def test_captures_are_begun_and_ended_in_order() -> None:
    graph = torch.cuda.CUDAGraph()
    with pytest.raises(RuntimeError, match="non-default stream"):
        graph.capture_begin()
    with pytest.raises(RuntimeError, match="not being captured"):
        graph.capture_end()
    with pytest.raises(RuntimeError, match="pool"):
        graph.pool()
    side = torch.cuda.Stream()
    x = torch.ones(3, device="cuda")
    with torch.cuda.stream(side):
        with pytest.raises(RuntimeError, match="Unknown capture error mode"):
            graph.capture_begin(capture_error_mode="strict")
        graph.capture_begin(capture_error_mode="thread_local")
        with pytest.raises(RuntimeError, match="already"):
            torch.cuda.CUDAGraph().capture_begin()
        y = x * 3
        with pytest.raises(RuntimeError, match="replay"):
            graph.replay()
        graph.capture_end()
    with pytest.raises(RuntimeError, match="already owns a captured graph"):
        _ = graph.capture_begin()
    graph.replay()
    assert y.tolist() == [3, 3, 3]
    with pytest.raises(RuntimeError, match="keep_graph"):
        graph.raw_cuda_graph()
    graph.reset()
    with pytest.raises(RuntimeError, match="without a preceding successful capture"):
        graph.replay()
    with pytest.warns(UserWarning, match="The CUDA Graph is empty"):
        _record(lambda: None)


def test_streams_join_a_capture() -> None:
    x = torch.ones(4, device="cuda")
    other = torch.cuda.Stream()

    def body() -> Any:
        main = torch.cuda.current_stream()
        y = x + 1
        other.wait_stream(main)
        with torch.cuda.stream(other):
            assert torch.cuda.is_current_stream_capturing()
            z = y * 2
        main.wait_stream(other)
        return z + y

    graph, result = _record(body)
    graph.replay()
    assert result.tolist() == [6, 6, 6, 6]

    def unjoined() -> None:
        other.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(other):
            x.mul(2)

    with pytest.raises(RuntimeError, match="unjoined"):
        _record(unjoined)
    assert (x + 1).tolist() == [2, 2, 2, 2]


def test_pinned_memory_in_graphs() -> None:
    sources = [torch.arange(4.0).pin_memory()]
    out = torch.zeros(4, pin_memory=True)

    def body() -> None:
        out.copy_(sources[0].to("cuda", non_blocking=True) * 2, non_blocking=True)

    graph, _ = _record(body)
    graph.replay()
    torch.cuda.synchronize()
    assert out.tolist() == [0, 2, 4, 6]
    sources[0].fill_(5)
    address = sources.pop().data_ptr()
    # The graph still reads the block: nobody else gets it.
    assert torch.empty(4, pin_memory=True).data_ptr() != address
    graph.replay()
    torch.cuda.synchronize()
    assert out.tolist() == [10, 10, 10, 10]
    graph.reset()
    torch.cuda.synchronize()
    assert torch.empty(4, pin_memory=True).data_ptr() == address


def test_memory_of_graphs_is_their_own() -> None:
    x = torch.ones(1 << 20, device="cuda")
    gc.collect()
    torch.cuda.empty_cache()
    before = torch.cuda.memory_reserved()
    pool = torch.cuda.graph_pool_handle()
    graph, y = _record(lambda: (x * 2 + 1) * 3, pool=pool)
    address = y.data_ptr()
    own = torch.cuda.memory_reserved()
    assert own > before
    del y
    # Ordinary work does not get it, and it stays though nothing lies in it.
    assert torch.empty(1 << 20, device="cuda").data_ptr() != address
    torch.cuda.empty_cache()
    assert torch.cuda.memory_reserved() == own
    # A graph of the same pool does.
    second, z = _record(lambda: x + 4, pool=graph.pool())
    assert torch.cuda.memory_reserved() == own
    graph.replay()
    second.replay()
    assert z.sum().item() == 5 * (1 << 20)
    del graph, second, z
    torch.cuda.empty_cache()
    assert torch.cuda.memory_reserved() == before


def test_an_index_out_of_range_in_a_graph_is_told() -> None:
    x = torch.arange(6.0, device="cuda").reshape(3, 2)
    index = torch.tensor([0, 2], device="cuda")
    graph, y = _record(lambda: x[index])
    graph.replay()
    assert y.tolist() == [[0, 1], [4, 5]]
    index.fill_(8)
    graph.replay()
    with pytest.raises(IndexError, match="index 8 is out of bounds for dimension 0 with size 3"):
        torch.cuda.synchronize()
    index.fill_(1)
    graph.replay()
    assert y.tolist() == [[2, 3], [2, 3]]


def test_graphs_that_are_kept(tmp_path: Path) -> None:
    graph = torch.cuda.CUDAGraph(keep_graph=True)
    x = torch.ones(2, device="cuda")
    with torch.cuda.graph(graph):
        y = x + 1
    assert graph.raw_cuda_graph()
    graph.debug_dump(str(tmp_path / "graph.dot"))
    assert (tmp_path / "graph.dot").read_text().startswith("digraph")
    graph.instantiate()
    graph.replay()
    assert y.tolist() == [2, 2]
    assert graph.raw_cuda_graph_exec()


def test_graphed_callables() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 2)).cuda()
    twin = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 2)).cuda()
    twin.load_state_dict(net.state_dict())

    def loss_of(y: Any, target: Any) -> Any:
        return {"loss": (y - target).square().mean()}

    sample = (torch.randn(4, 3, device="cuda"),)
    pair = (torch.randn(4, 2, device="cuda", requires_grad=True), torch.randn(4, 2, device="cuda"))
    graphed, loss = torch.cuda.make_graphed_callables((net, loss_of), (sample, pair))
    assert graphed is net
    optims = [torch.optim.SGD(m.parameters(), lr=0.1) for m in (net, twin)]
    for _ in range(3):
        x, target = torch.randn(4, 3, device="cuda"), torch.randn(4, 2, device="cuda")
        results = []
        for module, function, optim in ((net, loss, optims[0]), (twin, loss_of, optims[1])):
            optim.zero_grad()
            value = function(module(x), target)["loss"]
            value.backward()
            optim.step()
            results.append(value.item())
        assert results[0] == results[1]
        for a, b in zip(net.parameters(), twin.parameters(), strict=True):
            assert torch.equal(a.cpu(), b.cpu())
    # Gradients add up in their own memory.
    optims[0].zero_grad()
    for _ in range(2):
        loss(net(sample[0]), pair[1])["loss"].backward()
    twice = net[0].weight.grad.clone()
    optims[0].zero_grad()
    loss(net(sample[0]), pair[1])["loss"].backward()
    assert torch.allclose(twice, net[0].weight.grad * 2)
    # In the other mode the module runs as before, for any size.
    net.eval()
    assert net(torch.ones(7, 3, device="cuda")).shape == (7, 2)
    hooked = nn.Linear(2, 2).cuda()
    hooked.register_forward_hook(lambda *_: None)
    with pytest.raises(AssertionError, match="hooks"):
        torch.cuda.make_graphed_callables(hooked, (torch.ones(1, 2, device="cuda"),))
    with pytest.raises(AssertionError, match="tensors"):
        torch.cuda.make_graphed_callables(nn.Linear(2, 2).cuda(), (3,))
