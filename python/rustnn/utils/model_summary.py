"""`summary`: the layers of a model as a table, with shapes, parameters, multiply-adds and memory."""

from __future__ import annotations

from rustnn import _C
from rustnn.autograd import no_grad
from rustnn.nn.parameter import is_lazy
from rustnn.notebook import size_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    from rustnn.nn import Module

__all__ = ["ModelSummary", "Row", "summary"]


class Row:
    """A module of the model: what it is called, what it gave, and what it costs.

    ``macs``: multiply-adds of its own matrix products and convolutions, in all calls; ``output_bytes``:
    memory of what it gave, for modules without called children.
    """

    def __init__(self, name: str, depth: int, module: Module) -> None:
        self.name = name
        self.depth = depth
        self.kind = type(module).__name__
        self.calls = 0
        self.shapes: list[tuple[int, ...]] = []
        self.params = 0
        self.trainable = 0
        self.macs = 0
        self.output_bytes = 0


class ModelSummary:
    """A table of a model. `print` shows it; a notebook shows it by itself. Its numbers are attributes.

    ``total_params``, ``trainable_params``, ``total_macs``, and in bytes ``input_bytes``, ``output_bytes``
    (what all layers give in one run), ``param_bytes`` (parameters and buffers).
    """

    def __init__(
        self, rows: list[Row], params: Sequence[_C.Tensor], buffers: Sequence[_C.Tensor], inputs: int
    ) -> None:
        self.rows = rows
        self.total_params = sum(p.numel() for p in params)
        self.trainable_params = sum(p.numel() for p in params if p.requires_grad)
        self.total_macs = sum(row.macs for row in rows)
        self.input_bytes = inputs
        self.output_bytes = sum(row.output_bytes for row in rows)
        self.param_bytes = sum(t.numel() * t.itemsize for t in (*params, *buffers))

    def _cells(self) -> list[tuple[str, str, str, str]]:
        cells = [("Layer", "Output shape", "Parameters", "Multiply-adds")]
        for row in self.rows:
            name = f"{row.name}: {row.kind}" if row.name else row.kind
            if row.calls > 1:
                name += f" ×{row.calls}"
            shapes = ", ".join("(" + ", ".join(map(str, shape)) + ")" for shape in row.shapes) or "-"
            params = f"{row.params:,}" if row.params else "-"
            if row.params and not row.trainable:
                params += " (frozen)"
            cells.append(("  " * row.depth + name, shapes, params, f"{row.macs:,}" if row.macs else "-"))
        return cells

    def _totals(self) -> list[tuple[str, str]]:
        total = self.input_bytes + self.output_bytes + self.param_bytes
        return [
            ("Parameters", f"{self.total_params:,}"),
            ("  trainable", f"{self.trainable_params:,}"),
            ("Multiply-adds", f"{self.total_macs:,}"),
            ("Memory", size_text(total)),
            ("  input", size_text(self.input_bytes)),
            ("  outputs of layers", size_text(self.output_bytes)),
            ("  parameters and buffers", size_text(self.param_bytes)),
        ]

    def __str__(self) -> str:
        cells = self._cells()
        widths = [max(len(row[i]) for row in cells) for i in range(4)]
        lines = [
            f"{a:<{widths[0]}}  {b:<{widths[1]}}  {c:>{widths[2]}}  {d:>{widths[3]}}".rstrip()
            for a, b, c, d in cells
        ]
        rule = "─" * (sum(widths) + 6)
        totals = self._totals()
        label = max(len(name) for name, _ in totals)
        number = max(len(value) for _, value in totals)
        return "\n".join(
            [rule, lines[0], rule, *lines[1:], rule]
            + [f"{name:<{label}}  {value:>{number}}" for name, value in totals]
            + [rule]
        )

    __repr__ = __str__

    def _repr_html_(self) -> str:
        from html import escape

        def line(tag: str, cells: Sequence[str]) -> str:
            sides = ["left", "left", *["right"] * (len(cells) - 2)] if len(cells) > 2 else ["left", "right"]
            made = []
            for side, cell in zip(sides, cells, strict=True):
                indent = len(cell) - len(cell.lstrip())
                style = f"text-align:{side};padding-left:{0.5 + indent / 2}em"
                made.append(f'<{tag} style="{style}">{escape(cell.strip())}</{tag}>')
            return f"<tr>{''.join(made)}</tr>"

        head, *rows = self._cells()
        table = f"<thead>{line('th', head)}</thead><tbody>{''.join(line('td', row) for row in rows)}</tbody>"
        totals = "".join(line("td", row) for row in self._totals())
        return f"<table>{table}</table><table><tbody>{totals}</tbody></table>"


def summary(
    model: Module,
    input_size: Sequence[int] | Sequence[Sequence[int]] | None = None,
    input_data: Any = None,
    dtypes: Sequence[_C.dtype] | None = None,
    depth: int | None = None,
) -> ModelSummary:
    """Run a model once, in evaluation mode and without gradients, and give a table of its layers.

    ``input_size``: the shape of the input with the batch, such as ``(1, 3, 32, 32)``, or a list of shapes for
    several arguments; zeros of these shapes go in, of float32 or of ``dtypes``. ``input_data`` instead: a
    tensor, or a tuple of all arguments. With neither, no model runs, and the table has parameters only.
    ``depth``: how many levels of modules the table shows; the totals are of all.

    Multiply-adds are those of linear, bilinear, convolutional, recurrent and attention layers.
    """
    rows: dict[int, Row] = {}
    for path, module in model.named_modules():
        level = path.count(".") + 1 if path else 0
        rows[id(module)] = Row(path.rpartition(".")[2], level, module)

    args: tuple[Any, ...] = ()
    if input_data is not None:
        args = tuple(input_data) if isinstance(input_data, (tuple, list)) else (input_data,)
    elif input_size is not None:
        args = _zeros(model, input_size, dtypes)
    if args:
        _run(model, args, rows)
    for module in model.modules():  # after the run: lazy layers have their parameters only now
        row = rows[id(module)]
        row.kind = type(module).__name__
        own = _made(module.parameters(recurse=False))
        row.params = sum(p.numel() for p in own)
        row.trainable = sum(p.numel() for p in own if p.requires_grad)
    shown = [row for row in rows.values() if depth is None or row.depth <= depth]
    table = ModelSummary(list(rows.values()), _made(model.parameters()), _made(model.buffers()), _bytes(args))
    table.rows = shown
    return table


def _zeros(
    model: Module, input_size: Sequence[Any], dtypes: Sequence[_C.dtype] | None
) -> tuple[_C.Tensor, ...]:
    shapes = [input_size] if all(isinstance(size, int) for size in input_size) else list(input_size)
    if dtypes is not None and len(dtypes) != len(shapes):
        raise ValueError(f"{len(shapes)} shapes, but {len(dtypes)} dtypes")
    parameter = next(iter(model.parameters()), None)
    default = parameter.dtype if parameter is not None else _C.float32
    device = parameter.device if parameter is not None else None
    return tuple(
        _C.zeros(shape, dtype=default if dtypes is None else dtypes[i], device=device)
        for i, shape in enumerate(shapes)
    )


def _made(tensors: Iterable[_C.Tensor]) -> list[_C.Tensor]:
    """Those that are no longer waiting for their size."""
    return [tensor for tensor in tensors if not is_lazy(tensor)]


def _tensors(value: Any) -> list[_C.Tensor]:
    if isinstance(value, _C.Tensor):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    return [t for item in value for t in _tensors(item)] if isinstance(value, (tuple, list)) else []


def _bytes(value: Any) -> int:
    return sum(t.numel() * t.itemsize for t in _tensors(value))


def _run(model: Module, args: tuple[Any, ...], rows: dict[int, Row]) -> None:
    open_calls: list[bool] = []  # for each call, whether it has called another

    def enter(module: Module, args: tuple[Any, ...]) -> None:
        if open_calls:
            open_calls[-1] = True
        open_calls.append(False)

    def leave(module: Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
        row = rows[id(module)]
        row.calls += 1
        row.shapes = [tuple(t.shape) for t in _tensors(output)]
        row.macs += _macs(module, args, kwargs, output)
        if not open_calls.pop():
            row.output_bytes += _bytes(output)

    training = {module: module.training for module in model.modules()}
    handles = []
    try:
        model.eval()
        for module in training:
            handles.append(module.register_forward_pre_hook(enter))
            handles.append(module.register_forward_hook(leave, with_kwargs=True))
        with no_grad():
            model(*args)
    finally:
        for handle in handles:
            handle.remove()
        for module, was in training.items():
            module.training = was


def _macs(module: Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> int:
    """Multiply-adds of one call, without those of the modules that it calls."""
    from rustnn import nn

    inputs = _tensors((args, kwargs))
    first = _tensors(output)[0].numel() if _tensors(output) else 0
    weight = getattr(module, "weight", None)
    if isinstance(module, nn.Linear):
        return first * module.in_features
    if isinstance(module, nn.Bilinear):
        return first * module.in1_features * module.in2_features
    if isinstance(module, (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)):
        return inputs[0].numel() * module.weight[0].numel()
    if isinstance(module, (nn.Conv1d, nn.Conv2d, nn.Conv3d)) and weight is not None:
        return first * module.weight[0].numel()
    if isinstance(module, (nn.RNNBase, nn.RNNCellBase)):
        weights = sum(p.numel() for name, p in module.named_parameters() if name.startswith("weight"))
        return weights * (inputs[0].numel() // inputs[0].shape[-1])
    if isinstance(module, nn.MultiheadAttention) and len(inputs) >= 3:
        query, key, value = inputs[:3]
        embed = module.embed_dim
        queries, keys = query.numel() // query.shape[-1], key.numel() // key.shape[-1]
        length = key.shape[-2 if module.batch_first or key.dim() == 2 else 0]
        projections = queries * embed * (query.shape[-1] + embed) + keys * embed * (
            key.shape[-1] + value.shape[-1]
        )
        return projections + 2 * queries * length * embed
    return 0
