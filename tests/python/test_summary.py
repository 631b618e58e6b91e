"""`utils.summary` and `utils.benchmark`: tables of models, times of statements."""

from __future__ import annotations

import re

import pytest

import rustnn as torch
from rustnn import nn
from rustnn.utils import summary
from rustnn.utils.benchmark import Compare, Measurement, TaskSpec, Timer


def macs(layer: nn.Module, *args: torch.Tensor) -> int:
    return summary(layer, input_data=args).total_macs


def test_a_table() -> None:
    net = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(128, 10)
    )
    net[4].bias.requires_grad_(False)
    table = summary(net, (2, 3, 4, 4))
    assert [row.kind for row in table.rows] == [
        "Sequential",
        "Conv2d",
        "BatchNorm2d",
        "ReLU",
        "Flatten",
        "Linear",
    ]
    assert table.rows[1].shapes == [(2, 8, 4, 4)]
    assert table.rows[5].params == 1290
    assert table.total_params == sum(p.numel() for p in net.parameters())
    assert table.trainable_params == table.total_params - 10
    assert table.total_macs == 2 * 8 * 16 * 27 + 2 * 10 * 128
    assert table.input_bytes == 2 * 3 * 16 * 4
    assert table.output_bytes == (4 * 256 + 20) * 4
    assert table.param_bytes == table.total_params * 4 + 16 * 4 + 8
    text = str(table)
    assert text == repr(table)
    assert "  0: Conv2d" in text
    assert "(2, 8, 4, 4)" in text
    assert f"{table.total_macs:,}" in text
    assert len({len(line) for line in text.splitlines() if line.startswith("─")}) == 1


def test_a_table_for_notebooks() -> None:
    html = summary(nn.Sequential(nn.Linear(2, 3)), (1, 2))._repr_html_()
    assert html.count("<tr>") == html.count("</tr>") == 3 + 7
    assert "0: Linear" in html


def test_the_model_stays_as_it_was() -> None:
    net = nn.Sequential(nn.BatchNorm1d(2), nn.Sequential(nn.Dropout()))
    net[1].eval()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    summary(net, (3, 2))
    assert net.training
    assert not net[1].training
    assert all((value == before[name]).all() for name, value in net.state_dict().items())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in net.modules())
    with pytest.raises(RuntimeError):
        summary(net, (3, 5))
    assert not net[0]._forward_hooks


def test_calls_and_depth() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(3, 3)
            self.unused = nn.Sequential(nn.Linear(3, 1))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.layer(self.layer(x))

    table = summary(Twice(), (2, 3))
    assert "layer: Linear ×2" in str(table)
    assert table.total_macs == 2 * 2 * 9
    assert table.total_params == 16
    shallow = summary(Twice(), (2, 3), depth=0)
    assert (len(shallow.rows), shallow.total_macs, shallow.total_params) == (1, table.total_macs, 16)


def test_inputs() -> None:
    words = summary(nn.Embedding(5, 3), (2, 4), dtypes=[torch.int64])
    assert words.rows[0].shapes == [(2, 4, 3)]
    two = summary(nn.Bilinear(2, 3, 4), [(5, 2), (5, 3)])
    assert two.total_macs == 5 * 4 * 6
    assert summary(nn.Linear(2, 3).double(), (1, 2)).input_bytes == 16
    plain = summary(nn.Linear(2, 3))
    assert (plain.total_params, plain.total_macs, plain.rows[0].shapes) == (9, 0, [])
    with pytest.raises(ValueError, match="dtypes"):
        summary(nn.Linear(2, 3), (1, 2), dtypes=[])


def test_multiply_adds() -> None:
    assert macs(nn.Linear(3, 4), torch.ones(5, 2, 3)) == 5 * 2 * 12
    assert macs(nn.Conv1d(4, 6, 3, groups=2), torch.ones(1, 4, 10)) == 6 * 8 * 2 * 3
    assert macs(nn.ConvTranspose2d(4, 6, 2, stride=2), torch.ones(1, 4, 5, 5)) == 4 * 25 * 6 * 4
    assert macs(nn.LSTM(3, 5), torch.ones(7, 2, 3)) == 14 * 20 * 8
    assert macs(nn.GRUCell(3, 5), torch.ones(2, 3)) == 2 * 15 * 8
    x = torch.ones(7, 2, 8)
    assert macs(nn.MultiheadAttention(8, 2), x, x, x) == 14 * 4 * 64 + 2 * 14 * 7 * 8


def test_timer() -> None:
    threads = torch.get_num_threads()
    seen = []
    timer = Timer("x + 1", setup="x = torch.ones(3)", label="add", sub_label="three", description="small")
    once = timer.timeit(100)
    assert (once.number_per_run, len(once.raw_times), once.title) == (100, 1, "add: three")
    assert 0 < once.median < 1
    blocks = timer.blocked_autorange(
        lambda number, seconds: seen.append((number, seconds)), min_run_time=0.02
    )
    assert len(seen) == len(blocks.raw_times) >= 2
    assert sum(blocks.raw_times) >= 0.02
    assert "Median" in repr(blocks)
    adapted = timer.adaptive_autorange(threshold=0.5, max_run_time=0.1)
    assert len(adapted.times) >= 4
    assert torch.get_num_threads() == threads
    with pytest.raises(ValueError, match="Python"):
        Timer("x", language="c++")
    with pytest.raises(NameError):
        Timer("nothing_of_this_name").timeit(1)


def test_measurements() -> None:
    spec = TaskSpec("f()", "pass")
    one = Measurement(10, [1.0, 2.0, 3.0, 4.0, 5.0], spec)
    assert one.times == [0.1, 0.2, 0.3, 0.4, 0.5]
    assert (one.median, one.mean) == (0.3, pytest.approx(0.3))
    assert one.iqr == pytest.approx(0.2)
    assert one.has_warnings
    assert one.stmt == "f()"
    (both,) = Measurement.merge([one, Measurement(1, [0.3], spec)])
    assert both.times == [*one.times, 0.3]
    assert "Median: 300.00 ms" in repr(one)
    assert one.significant_figures == 1
    assert Measurement(1, [1.0, 1.001, 1.002, 1.003], spec).significant_figures == 3
    assert one.as_row_name == "f()"


def test_a_table_of_times(capsys: pytest.CaptureFixture[str]) -> None:
    def measured(row: str, column: str, seconds: float, threads: int = 1) -> Measurement:
        spec = TaskSpec("f()", "pass", label="sums", sub_label=row, description=column, num_threads=threads)
        return Measurement(1, [seconds, seconds * 1.01], spec)

    table = Compare([measured("small", "ours", 2e-3), measured("small", "theirs", 4e-3)])
    table.extend_results([measured("large", "ours", 20e-3), measured("large", "ours", 10e-3, threads=2)])
    table.print()
    lines = capsys.readouterr().out.splitlines()
    assert "[ sums ]" in lines[0]
    assert lines[1].split() == ["|", "ours", "|", "theirs"]
    assert lines[2].startswith("1 thread:")
    assert lines[3].split() == ["small", "|", "2.0", "|", "4.0"]
    assert lines[4].split() == ["large", "|", "20.1", "|"]
    assert lines[5].startswith("2 threads:")
    assert lines[-1] == "Times are in ms."
    table.trim_significant_figures()
    assert "20.1" not in str(table)
    with pytest.raises(ValueError, match="Measurement"):
        table.extend_results([3.0])


def test_lazy_layers_are_counted_once_they_are_made() -> None:
    net = nn.Sequential(nn.LazyLinear(3), nn.ReLU(), nn.LazyLinear(2))
    assert [row.params for row in summary(net).rows] == [0, 0, 0, 0]
    table = summary(net, (1, 4))
    assert [row.kind for row in table.rows[1:]] == ["Linear", "ReLU", "Linear"]
    assert table.total_params == 15 + 8
    assert table.total_macs == 12 + 6


def test_colours_and_warnings_in_a_table_of_times() -> None:
    def measured(time: float, label: str, spread: float = 0.0) -> Measurement:
        times = [time * (1 + spread * (i - 2)) for i in range(5)]
        return Measurement(1, times, TaskSpec("x", "", "", "ops", label, "add", None, 1))

    table = Compare([measured(1e-6, "a"), measured(1.5e-6, "b"), measured(3e-6, "c", 0.3)])
    plain = str(table)
    table.colorize()
    assert "\033[32;1m1.0\033[0m" in str(table)
    assert "\033[31m3.0\033[0m" in str(table)
    assert re.sub(r"\033\[[\d;]*m", "", str(table)) == plain
    table.colorize(rowwise=True)
    assert "\033[31m" not in str(table)
    table.highlight_warnings()
    assert "(! 60%) 3.0" in str(table)
