"""`SummaryWriter`: what a training loop calls."""

from __future__ import annotations

import os
import time

from tensorboard.compat.proto.event_pb2 import Event, SessionLog

from rustnn.utils.tensorboard import media, summary
from rustnn.utils.tensorboard.arrays import make_np
from rustnn.utils.tensorboard.event_file import FileWriter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any, Self

    from matplotlib.figure import Figure

    from rustnn._C import Tensor
    from rustnn.nn import Module

__all__ = ["FileWriter", "SummaryWriter"]


class SummaryWriter:
    """Writes what `tensorboard --logdir` shows, to a directory: by default a new one in `runs`.

    ``comment`` is put behind the name of the default directory. ``purge_step``: TensorBoard forgets what
    earlier writers wrote from that step on. Events are written when ``max_queue`` of them wait, every
    ``flush_secs`` seconds, and by ``flush`` and ``close``. ``filename_suffix`` ends the names of the files.

    In all methods ``global_step`` is the step that is written, ``walltime`` the time, if it is not now.
    """

    def __init__(
        self,
        log_dir: str | os.PathLike[str] | None = None,
        comment: str = "",
        purge_step: int | None = None,
        max_queue: int = 10,
        flush_secs: float = 120,
        filename_suffix: str = "",
    ) -> None:
        if not log_dir:
            import socket

            log_dir = os.path.join(
                "runs", time.strftime("%b%d_%H-%M-%S") + f"_{socket.gethostname()}{comment}"
            )
        self.log_dir = log_dir
        self.purge_step = purge_step
        self.max_queue = max_queue
        self.flush_secs = flush_secs
        self.filename_suffix = filename_suffix
        self.file_writer: FileWriter | None = None
        self.all_writers: dict[str, FileWriter] | None = None
        self._embeddings: list[Any] = []
        self._get_file_writer()

    @property
    def default_bins(self) -> list[float]:
        """The limits of the bins that `add_histogram` sorts into."""
        return list(summary.default_bins())

    def _get_file_writer(self) -> FileWriter:
        """The writer of the directory itself; after `close`, one that goes on in a new file."""
        writer = self.file_writer
        if writer is None:
            writer = self.file_writer = FileWriter(
                self.log_dir, self.max_queue, self.flush_secs, self.filename_suffix
            )
            self.all_writers = {writer.get_logdir(): writer}
            if self.purge_step is not None:
                writer.add_event(Event(step=self.purge_step, file_version="brain.Event:2"))
                start = SessionLog(status=SessionLog.START)
                writer.add_event(Event(step=self.purge_step, session_log=start))
                self.purge_step = None
        return writer

    def get_logdir(self) -> str | os.PathLike[str]:
        """The directory that is written to."""
        return self.log_dir

    def add_hparams(
        self,
        hparam_dict: dict[str, bool | str | float | None],
        metric_dict: dict[str, float],
        hparam_domain_discrete: dict[str, list[Any]] | None = None,
        run_name: str | None = None,
        global_step: int | None = None,
    ) -> None:
        """Hyperparameters and what was reached with them, in a run of their own.

        TypeError for what is no dict.
        """
        if type(hparam_dict) is not dict or type(metric_dict) is not dict:
            raise TypeError("hparam_dict and metric_dict should be dictionary.")
        events = summary.hparams(hparam_dict, metric_dict, hparam_domain_discrete)
        directory = os.path.join(self._get_file_writer().get_logdir(), run_name or str(time.time()))
        with SummaryWriter(log_dir=directory) as writer:
            for event in events:
                writer._get_file_writer().add_summary(event, global_step)
            for tag, value in metric_dict.items():
                writer.add_scalar(tag, value, global_step)

    def add_scalar(
        self,
        tag: str,
        scalar_value: Any,
        global_step: int | None = None,
        walltime: float | None = None,
        new_style: bool = False,
        double_precision: bool = False,
    ) -> None:
        """A number: a float, or a tensor or an array of one element (AssertionError for more).

        ``new_style`` writes it as a tensor, with ``double_precision`` in float64.
        """
        writer = self.file_writer or self._get_file_writer()
        if new_style:
            writer.add_summary(summary.scalar(tag, scalar_value, double_precision), global_step, walltime)
        else:
            writer.add_scalar(tag, summary.scalar_value(scalar_value), global_step, walltime)

    def add_scalars(
        self,
        main_tag: str,
        tag_scalar_dict: Mapping[str, Any],
        global_step: int | None = None,
        walltime: float | None = None,
    ) -> None:
        """Several numbers in one chart. Each is a run of its own, in a directory of its own."""
        walltime = time.time() if walltime is None else walltime
        directory = self._get_file_writer().get_logdir()
        writers = self.all_writers
        assert writers is not None  # made with the file writer
        for tag, value in tag_scalar_dict.items():
            number = summary.scalar_value(value)
            path = f"{directory}/{main_tag.replace('/', '_')}_{tag}"
            if path not in writers:
                writers[path] = FileWriter(path, self.max_queue, self.flush_secs, self.filename_suffix)
            writers[path].add_scalar(main_tag, number, global_step, walltime)

    def add_tensor(
        self, tag: str, tensor: Tensor, global_step: int | None = None, walltime: float | None = None
    ) -> None:
        """A tensor as it is. ValueError for a dtype that TensorBoard does not know, and from 2 GB on."""
        self._get_file_writer().add_summary(summary.tensor_proto(tag, tensor), global_step, walltime)

    def add_histogram(
        self,
        tag: str,
        values: Any,
        global_step: int | None = None,
        bins: Any = "tensorflow",
        walltime: float | None = None,
        max_bins: int | None = None,
    ) -> None:
        """How values are spread. ``bins``: ``tensorflow``, what `numpy.histogram` takes, or limits.

        ValueError where there are no values, or none within the bins.
        """
        if isinstance(bins, str) and bins == "tensorflow":
            bins = summary.default_bins()
        event = summary.histogram(tag, values, bins, max_bins)
        self._get_file_writer().add_summary(event, global_step, walltime)

    def add_histogram_raw(
        self,
        tag: str,
        min: float,
        max: float,
        num: float,
        sum: float,
        sum_squares: float,
        bucket_limits: Sequence[float],
        bucket_counts: Sequence[float],
        global_step: int | None = None,
        walltime: float | None = None,
    ) -> None:
        """A histogram that was counted elsewhere: the right limit of each bucket, and how many lie in it."""
        if len(bucket_limits) != len(bucket_counts):
            raise ValueError("len(bucket_limits) != len(bucket_counts), see the document.")
        event = summary.histogram_raw(tag, min, max, num, sum, sum_squares, bucket_limits, bucket_counts)
        self._get_file_writer().add_summary(event, global_step, walltime)

    def add_image(
        self,
        tag: str,
        img_tensor: Any,
        global_step: int | None = None,
        walltime: float | None = None,
        dataformats: str = "CHW",
    ) -> None:
        """A picture: (3, H, W), (1, H, W), or as ``dataformats`` says (CHW, HWC, HW).

        0 to 255 if uint8, else 0 to 1.

        AssertionError where the shape and ``dataformats`` differ.
        """
        event = media.image(tag, img_tensor, dataformats=dataformats)
        self._get_file_writer().add_summary(event, global_step, walltime)

    def add_images(
        self,
        tag: str,
        img_tensor: Any,
        global_step: int | None = None,
        walltime: float | None = None,
        dataformats: str = "NCHW",
    ) -> None:
        """Many pictures in a grid, eight in a row: (N, 3, H, W), (N, 1, H, W), or as ``dataformats`` says."""
        self.add_image(tag, img_tensor, global_step, walltime, dataformats)

    def add_image_with_boxes(
        self,
        tag: str,
        img_tensor: Any,
        box_tensor: Any,
        global_step: int | None = None,
        walltime: float | None = None,
        rescale: float = 1,
        dataformats: str = "CHW",
        labels: str | Sequence[str] | None = None,
    ) -> None:
        """A picture with frames (N, 4), each (xmin, ymin, xmax, ymax), and labels if each frame has one.

        Needs pillow: ImportError without it.
        """
        if isinstance(labels, str):
            labels = [labels]
        if labels is not None and len(labels) != box_tensor.shape[0]:
            labels = None
        event = media.image_boxes(tag, img_tensor, box_tensor, rescale, dataformats, labels)
        self._get_file_writer().add_summary(event, global_step, walltime)

    def add_figure(
        self,
        tag: str,
        figure: Figure | list[Figure],
        global_step: int | None = None,
        close: bool = True,
        walltime: float | None = None,
    ) -> None:
        """A figure of matplotlib, or a grid of several; they are closed unless ``close`` is False."""
        formats = "NCHW" if isinstance(figure, list) else "CHW"
        self.add_image(tag, media.figure_to_image(figure, close), global_step, walltime, formats)

    def add_video(
        self,
        tag: str,
        vid_tensor: Any,
        global_step: int | None = None,
        fps: float = 4,
        walltime: float | None = None,
    ) -> None:
        """Videos (N, T, C, H, W), side by side; 0 to 255 if uint8, else 0 to 1. Needs pillow."""
        self._get_file_writer().add_summary(media.video(tag, vid_tensor, fps), global_step, walltime)

    def add_audio(
        self,
        tag: str,
        snd_tensor: Any,
        global_step: int | None = None,
        sample_rate: int = 44100,
        walltime: float | None = None,
    ) -> None:
        """Sound (1, L) or (L,), from -1 to 1."""
        self._get_file_writer().add_summary(media.audio(tag, snd_tensor, sample_rate), global_step, walltime)

    def add_text(
        self, tag: str, text_string: str, global_step: int | None = None, walltime: float | None = None
    ) -> None:
        """A text, in Markdown."""
        self._get_file_writer().add_summary(summary.text(tag, text_string), global_step, walltime)

    def add_onnx_graph(self, prototxt: str | os.PathLike[str]) -> None:
        """The graph in a file of ONNX. Needs the package ``onnx``."""
        from rustnn.utils.tensorboard.onnx_graph import load_onnx_graph

        self._get_file_writer().add_onnx_graph(load_onnx_graph(prototxt))

    def add_graph(
        self, model: Module, input_to_model: Any = None, verbose: bool = False, use_strict_trace: bool = True
    ) -> None:
        """The graph of a model.

        A tensor, or a tuple of all arguments, goes through it once, in evaluation mode.

        ``verbose`` prints the nodes; ``use_strict_trace`` is accepted for PyTorch's sake.
        """
        from rustnn.utils.tensorboard.module_graph import graph

        self._get_file_writer().add_graph(graph(model, input_to_model, verbose))

    @staticmethod
    def _encode(rawstr: str) -> str:
        """A tag as the name of a directory."""
        return rawstr.replace("%", "%25").replace("/", "%2f").replace("\\", "%5c")

    def add_embedding(
        self,
        mat: Any,
        metadata: Sequence[Any] | None = None,
        label_img: Any = None,
        global_step: int | None = None,
        tag: str = "default",
        metadata_header: Sequence[str] | None = None,
    ) -> None:
        """Points (N, D) for the projector, with labels (N) and pictures (N, C, H, W).

        With ``metadata_header``, the names of columns, ``metadata`` has a row of them for each point.
        AssertionError where the numbers of points, labels and pictures differ.
        """
        from google.protobuf import text_format
        from tensorboard.plugins.projector.projector_config_pb2 import ProjectorConfig

        from rustnn.utils.tensorboard.projector import write_embedding

        step = str(global_step or 0).zfill(5)
        directory = self._get_file_writer().get_logdir()
        folder = f"{step}/{self._encode(tag)}"
        name = f"{tag}:{step}"
        info = write_embedding(directory, folder, make_np(mat), metadata, label_img, metadata_header, name)
        self._embeddings.append(info)
        config = text_format.MessageToString(ProjectorConfig(embeddings=self._embeddings))
        with open(os.path.join(directory, "projector_config.pbtxt"), "w", encoding="utf-8") as file:
            file.write(config)

    def add_pr_curve(
        self,
        tag: str,
        labels: Any,
        predictions: Any,
        global_step: int | None = None,
        num_thresholds: int = 127,
        weights: Any = None,
        walltime: float | None = None,
    ) -> None:
        """Precision over recall.

        ``labels`` are 0 and 1, ``predictions`` probabilities; at most 127 thresholds.
        """
        event = summary.pr_curve(tag, make_np(labels), make_np(predictions), num_thresholds, weights)
        self._get_file_writer().add_summary(event, global_step, walltime)

    def add_pr_curve_raw(
        self,
        tag: str,
        true_positive_counts: Any,
        false_positive_counts: Any,
        true_negative_counts: Any,
        false_negative_counts: Any,
        precision: Any,
        recall: Any,
        global_step: int | None = None,
        num_thresholds: int = 127,
        weights: Any = None,
        walltime: float | None = None,
    ) -> None:
        """A curve of precision over recall that was counted elsewhere, one number a threshold."""
        event = summary.pr_curve_raw(
            tag,
            true_positive_counts,
            false_positive_counts,
            true_negative_counts,
            false_negative_counts,
            precision,
            recall,
            num_thresholds,
        )
        self._get_file_writer().add_summary(event, global_step, walltime)

    def add_custom_scalars_multilinechart(
        self, tags: Sequence[str], category: str = "default", title: str = "untitled"
    ) -> None:
        """A chart of several scalars, on the page of custom scalars."""
        self.add_custom_scalars({category: {title: ["Multiline", tags]}})

    def add_custom_scalars_marginchart(
        self, tags: Sequence[str], category: str = "default", title: str = "untitled"
    ) -> None:
        """A chart of a scalar between two others: three tags, AssertionError otherwise."""
        if len(tags) != 3:
            raise AssertionError(f"Expected 3 tags, got {len(tags)}.")
        self.add_custom_scalars({category: {title: ["Margin", tags]}})

    def add_custom_scalars(self, layout: summary.Layout) -> None:
        """All charts of the page: ``{page: {chart: ['Multiline', tags]}}``, or ``['Margin', three tags]``."""
        self._get_file_writer().add_summary(summary.custom_scalars(layout))

    def add_mesh(
        self,
        tag: str,
        vertices: Any,
        colors: Any = None,
        faces: Any = None,
        config_dict: Mapping[str, Any] | None = None,
        global_step: int | None = None,
        walltime: float | None = None,
    ) -> None:
        """Bodies of points (N, points, 3), with colours (N, points, 3) and triangles (N, faces, 3)."""
        event = summary.mesh(tag, vertices, colors, faces, config_dict)
        self._get_file_writer().add_summary(event, global_step, walltime)

    def flush(self) -> None:
        """Write all that waits."""
        for writer in (self.all_writers or {}).values():
            writer.flush()

    def close(self) -> None:
        """Write all that waits, and close the files. What is added later goes to a new file."""
        for writer in (self.all_writers or {}).values():
            writer.close()
        self.file_writer = self.all_writers = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()
