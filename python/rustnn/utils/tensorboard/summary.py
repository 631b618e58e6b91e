"""Numbers, histograms, texts, hyperparameters and curves as the messages that TensorBoard's plugins read."""

from __future__ import annotations

import functools
import json

import numpy as np
from google.protobuf import struct_pb2
from tensorboard.compat.proto.summary_pb2 import HistogramProto, Summary, SummaryMetadata
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto

from rustnn import _C
from rustnn.utils.tensorboard.arrays import make_np

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    from numpy.typing import ArrayLike, NDArray

    Layout = Mapping[str, Mapping[str, Sequence[Any]]]


def _plugin(name: str, content: bytes = b"") -> SummaryMetadata:
    return SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name=name, content=content))


def shape_proto(shape: Iterable[int]) -> TensorShapeProto:
    return TensorShapeProto(dim=[TensorShapeProto.Dim(size=size) for size in shape])


def scalar_value(value: Any) -> float:
    """The one number that a tensor, an array or a number is."""
    if type(value) is float or type(value) is int:
        return float(value)
    if isinstance(value, _C.Tensor):
        if value.numel() == 1 and not value.is_complex():
            return float(value.item())
        raise AssertionError(f"Tensor should contain one element, was given size {tuple(value.shape)}")
    array = make_np(value).squeeze()
    if array.ndim != 0:
        raise AssertionError(f"Tensor should contain one element, was given size {array.shape}")
    return float(array)


def scalar(tag: str, value: object, double_precision: bool = False) -> Summary:
    """A number in the new style: as a tensor."""
    number = scalar_value(value)
    if double_precision:
        tensor = TensorProto(double_val=[number], dtype="DT_DOUBLE")
    else:
        tensor = TensorProto(float_val=[number], dtype="DT_FLOAT")
    return Summary(value=[Summary.Value(tag=tag, tensor=tensor, metadata=_plugin("scalars"))])


@functools.cache
def default_bins() -> tuple[float, ...]:
    """Bins that grow by a tenth each from 1e-12 to 1e20, on both sides of zero."""
    positive = []
    edge = 1e-12
    while edge < 1e20:
        positive.append(edge)
        edge *= 1.1
    return (*(-edge for edge in reversed(positive)), 0.0, *positive)


def histogram(tag: str, values: object, bins: Any, max_bins: int | None = None) -> Summary:
    given = make_np(values).reshape(-1)
    array = given.astype(np.float64)
    if array.size == 0:
        raise ValueError("The input has no element.")
    if bins is default_bins():
        # As np.histogram counts, but float32 is sorted as it is.
        limits = np.array(bins)
        below = np.sort(given).searchsorted(limits)
        below[-1] += np.count_nonzero(array == limits[-1])
        counts = np.diff(below)
    else:
        counts, limits = np.histogram(array, bins=bins)
    if max_bins is not None and len(counts) > max_bins:
        step = len(counts) // max_bins
        counts = np.add.reduceat(counts, np.arange(0, len(counts), step))
        limits = np.append(limits[:-1:step], limits[-1])
    (filled,) = np.nonzero(counts)
    if filled.size == 0:
        raise ValueError("The histogram is empty: no value lies within the bins")
    first, last = filled[0], filled[-1]
    # A bucket is known by its right limit only: an empty one in front says where the first begins.
    return histogram_raw(
        tag,
        array.min(),
        array.max(),
        array.size,
        array.sum(),
        array.dot(array),
        limits[first : last + 2].tolist(),
        [0.0, *counts[first : last + 1].tolist()],
    )


def histogram_raw(
    tag: str,
    min: float,
    max: float,
    num: float,
    sum: float,
    sum_squares: float,
    bucket_limits: Sequence[float],
    bucket_counts: Sequence[float],
) -> Summary:
    content = HistogramProto(
        min=min,
        max=max,
        num=num,
        sum=sum,
        sum_squares=sum_squares,
        bucket_limit=bucket_limits,
        bucket=bucket_counts,
    )
    return Summary(value=[Summary.Value(tag=tag, histo=content)])


def text(tag: str, string: str) -> Summary:
    from tensorboard.plugins.text.plugin_data_pb2 import TextPluginData

    tensor = TensorProto(dtype="DT_STRING", string_val=[string.encode()], tensor_shape=shape_proto([1]))
    metadata = _plugin("text", TextPluginData(version=0).SerializeToString())
    return Summary(value=[Summary.Value(tag=f"{tag}/text_summary", metadata=metadata, tensor=tensor)])


def _flat(tensor: _C.Tensor) -> list[Any]:
    numbers: list[Any] = tensor.flatten().tolist()
    return numbers


def _half_bits(tensor: _C.Tensor) -> list[int]:
    bits: list[int] = tensor.contiguous().flatten().view(_C.int16).tolist()
    return [number & 0xFFFF for number in bits]


def _real_pairs(tensor: _C.Tensor) -> list[float]:
    return _flat(_C.view_as_real(tensor.resolve_conj()))


@functools.cache
def _tensor_fields() -> dict[_C.dtype, tuple[str, str, Any]]:
    """For each dtype: its name, the field that its numbers go to, and how they are had."""
    return {
        _C.float16: ("DT_HALF", "half_val", _half_bits),
        _C.bfloat16: ("DT_BFLOAT16", "half_val", _half_bits),
        _C.float32: ("DT_FLOAT", "float_val", _flat),
        _C.float64: ("DT_DOUBLE", "double_val", _flat),
        _C.int8: ("DT_INT8", "int_val", _flat),
        _C.int16: ("DT_INT16", "int_val", _flat),
        _C.int32: ("DT_INT32", "int_val", _flat),
        _C.int64: ("DT_INT64", "int64_val", _flat),
        _C.uint8: ("DT_UINT8", "uint32_val", _flat),
        _C.bool: ("DT_BOOL", "bool_val", _flat),
        _C.complex64: ("DT_COMPLEX64", "scomplex_val", _real_pairs),
        _C.complex128: ("DT_COMPLEX128", "dcomplex_val", _real_pairs),
    }


def tensor_proto(tag: str, tensor: _C.Tensor) -> Summary:
    if tensor.numel() * tensor.itemsize >= 1 << 31:
        raise ValueError("tensor is bigger than protocol buffer's hard limit of 2GB in size")
    if tensor.dtype not in _tensor_fields():
        raise ValueError(f"{tag} has unsupported tensor dtype {tensor.dtype}")
    dtype, field, numbers = _tensor_fields()[tensor.dtype]
    content: dict[str, Any] = {field: numbers(tensor.detach().cpu())}
    proto = TensorProto(dtype=dtype, tensor_shape=shape_proto(tensor.shape), **content)
    return Summary(value=[Summary.Value(tag=tag, metadata=_plugin("tensor"), tensor=proto)])


def custom_scalars(layout: Layout) -> Summary:
    """Pages of charts, from {page: {chart: ['Multiline', tags] or ['Margin', [value, lower, upper]]}}."""
    from tensorboard.plugins.custom_scalar import layout_pb2

    pages = []
    for page, charts in layout.items():
        content = []
        for title, (kind, tags) in charts.items():
            if kind == "Margin":
                if len(tags) != 3:
                    raise AssertionError(f"Expected 3 tags, got {len(tags)}.")
                series = layout_pb2.MarginChartContent.Series(value=tags[0], lower=tags[1], upper=tags[2])
                margin = layout_pb2.MarginChartContent(series=[series])
                content.append(layout_pb2.Chart(title=title, margin=margin))
            else:
                multiline = layout_pb2.MultilineChartContent(tag=tags)
                content.append(layout_pb2.Chart(title=title, multiline=multiline))
        pages.append(layout_pb2.Category(title=page, chart=content))
    encoded = layout_pb2.Layout(category=pages).SerializeToString()
    tensor = TensorProto(dtype="DT_STRING", string_val=[encoded], tensor_shape=TensorShapeProto())
    value = Summary.Value(tag="custom_scalars__config__", tensor=tensor, metadata=_plugin("custom_scalars"))
    return Summary(value=[value])


# TensorBoard reads the number of thresholds as a single byte.
_MOST_THRESHOLDS = 127


def pr_curve(
    tag: str, labels: NDArray[Any], predictions: NDArray[Any], num_thresholds: int = 127, weights: Any = None
) -> Summary:
    """The curve of precision over recall, by thresholds from 0 to 1."""
    num_thresholds = min(num_thresholds, _MOST_THRESHOLDS)
    weight = 1.0 if weights is None else make_np(weights)
    truth = labels.astype(np.float64)
    bucket = np.floor(predictions * (num_thresholds - 1)).astype(np.int32)

    def above(weights: Any) -> NDArray[np.float64]:
        """How much lies at or above each threshold."""
        counts, _ = np.histogram(bucket, bins=num_thresholds, range=(0, num_thresholds - 1), weights=weights)
        return counts[::-1].cumsum()[::-1]

    hits, false_alarms = above(truth * weight), above((1.0 - truth) * weight)
    misses = hits[0] - hits
    precision = hits / np.maximum(1e-7, hits + false_alarms)
    recall = hits / np.maximum(1e-7, hits + misses)
    return pr_curve_raw(
        tag, hits, false_alarms, false_alarms[0] - false_alarms, misses, precision, recall, num_thresholds
    )


def pr_curve_raw(
    tag: str,
    tp: ArrayLike,
    fp: ArrayLike,
    tn: ArrayLike,
    fn: ArrayLike,
    precision: ArrayLike,
    recall: ArrayLike,
    num_thresholds: int = 127,
) -> Summary:
    from tensorboard.plugins.pr_curve.plugin_data_pb2 import PrCurvePluginData

    data = np.stack(
        [make_np(row) if isinstance(row, _C.Tensor) else row for row in (tp, fp, tn, fn, precision, recall)]
    )
    plugin_data = PrCurvePluginData(version=0, num_thresholds=min(num_thresholds, _MOST_THRESHOLDS))
    tensor = TensorProto(
        dtype="DT_FLOAT", float_val=data.reshape(-1).tolist(), tensor_shape=shape_proto(data.shape)
    )
    metadata = _plugin("pr_curves", plugin_data.SerializeToString())
    return Summary(value=[Summary.Value(tag=tag, metadata=metadata, tensor=tensor)])


def mesh(tag: str, vertices: Any, colors: Any, faces: Any, config_dict: Mapping[str, Any] | None) -> Summary:
    """Bodies of points (N, points, 3), their colours (N, points, 3) and triangles (N, faces, 3)."""
    from tensorboard.plugins.mesh import metadata
    from tensorboard.plugins.mesh.plugin_data_pb2 import MeshPluginData

    config = "{}" if config_dict is None else json.dumps(config_dict, sort_keys=True)
    parts = [
        (_C.as_tensor(part), kind)
        for part, kind in (
            (vertices, MeshPluginData.VERTEX),
            (faces, MeshPluginData.FACE),
            (colors, MeshPluginData.COLOR),
        )
        if part is not None
    ]
    components = metadata.get_components_bitmask([kind for _, kind in parts])
    values = []
    for part, kind in parts:
        if part.dim() != 3:
            raise ValueError(f"vertices, colors and faces have 3 dimensions, got shape {tuple(part.shape)}")
        about = metadata.create_summary_metadata(
            tag, None, kind, components, list(part.shape), None, json_config=config
        )
        numbers = _flat(part.detach().cpu())
        tensor = TensorProto(dtype="DT_FLOAT", float_val=numbers, tensor_shape=shape_proto(part.shape))
        values.append(Summary.Value(tag=metadata.get_instance_name(tag, kind), tensor=tensor, metadata=about))
    return Summary(value=values)


def hparams(
    hparam_dict: Mapping[str, Any],
    metric_dict: Mapping[str, Any],
    hparam_domain_discrete: Mapping[str, list[Any]] | None = None,
) -> tuple[Summary, Summary, Summary]:
    """The experiment, the start of a run with its hyperparameters, and its end."""
    from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2

    domains = {} if hparam_domain_discrete is None else hparam_domain_discrete
    names = ("hparam_dict", "metric_dict", "hparam_domain_discrete")
    for name, given in zip(names, (hparam_dict, metric_dict, domains), strict=True):
        if not isinstance(given, dict):
            raise TypeError(f"parameter: {name} should be a dictionary, nothing logged.")
    for key, domain in domains.items():
        known = key in hparam_dict and isinstance(domain, list)
        if not known or not all(isinstance(choice, type(hparam_dict[key])) for choice in domain):
            raise TypeError(
                f"parameter: hparam_domain_discrete[{key}] "
                f"should be a list of same type as hparam_dict[{key}]."
            )

    infos = []
    start = plugin_data_pb2.SessionStartInfo()
    for key, value in hparam_dict.items():
        if value is None:
            continue
        if isinstance(value, str):
            kind, field = "DATA_TYPE_STRING", "string_value"
        elif isinstance(value, (int, float)):  # bool too, as in PyTorch
            kind, field = "DATA_TYPE_FLOAT64", "number_value"
        elif isinstance(value, _C.Tensor):
            kind, field, value = "DATA_TYPE_FLOAT64", "number_value", float(make_np(value).reshape(-1)[0])
        else:
            raise ValueError("value should be one of int, float, str, bool, or torch.Tensor")
        setattr(start.hparams[key], field, value)
        choices = None
        if key in domains:
            choices = struct_pb2.ListValue(values=[struct_pb2.Value(**{field: c}) for c in domains[key]])
        infos.append(api_pb2.HParamInfo(name=key, type=api_pb2.DataType.Value(kind), domain_discrete=choices))
    metrics = [api_pb2.MetricInfo(name=api_pb2.MetricName(tag=key)) for key in metric_dict]

    def summary(tag: str, **content: Any) -> Summary:
        data = plugin_data_pb2.HParamsPluginData(version=metadata.PLUGIN_DATA_VERSION, **content)
        about = _plugin(metadata.PLUGIN_NAME, data.SerializeToString())
        return Summary(value=[Summary.Value(tag=tag, metadata=about)])

    end = plugin_data_pb2.SessionEndInfo(status=api_pb2.Status.Value("STATUS_SUCCESS"))
    return (
        summary(
            metadata.EXPERIMENT_TAG, experiment=api_pb2.Experiment(hparam_infos=infos, metric_infos=metrics)
        ),
        summary(metadata.SESSION_START_INFO_TAG, session_start_info=start),
        summary(metadata.SESSION_END_INFO_TAG, session_end_info=end),
    )
