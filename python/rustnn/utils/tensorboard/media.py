"""Pictures, videos, figures and sound as TensorBoard keeps them: PNG, GIF and WAV files within an event."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
from tensorboard.compat.proto.summary_pb2 import Summary

from rustnn.utils.tensorboard.arrays import convert_to_hwc, make_np, scale_to_bytes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from numpy.typing import NDArray


def encode_png(pixels: NDArray[np.uint8]) -> bytes:
    """Pixels (H, W, C) as a PNG file: grey, grey and alpha, RGB or RGBA by C."""
    height, width, channels = pixels.shape
    if channels not in (1, 2, 3, 4):
        raise ValueError(f"a picture has 1 to 4 channels, not {channels}")
    colour = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    rows = np.zeros((height, 1 + width * channels), np.uint8)  # each row begins with its filter: 0, none
    rows[:, 1:] = pixels.reshape(height, -1)

    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(rows.tobytes(), 6))
        + chunk(b"IEND", b"")
    )


def pillow(purpose: str) -> Any:
    try:
        import PIL.Image
        import PIL.ImageDraw
    except ImportError as error:
        raise ImportError(f"{purpose} needs the package 'pillow': pip install pillow") from error
    return PIL


def image(tag: str, tensor: object, rescale: float = 1, dataformats: str = "NCHW") -> Summary:
    pixels = scale_to_bytes(convert_to_hwc(make_np(tensor), dataformats))
    return Summary(value=[Summary.Value(tag=tag, image=_picture(pixels, rescale))])


def _picture(pixels: NDArray[np.uint8], rescale: float) -> Summary.Image:
    height, width, channels = pixels.shape
    if rescale != 1:
        module = pillow("a rescaled picture")
        size = (int(width * rescale), int(height * rescale))
        pixels = np.asarray(module.Image.fromarray(pixels).resize(size, module.Image.Resampling.LANCZOS))
    return Summary.Image(
        height=height, width=width, colorspace=channels, encoded_image_string=encode_png(pixels)
    )


def image_boxes(
    tag: str,
    tensor_image: object,
    tensor_boxes: object,
    rescale: float = 1,
    dataformats: str = "CHW",
    labels: Sequence[str] | None = None,
) -> Summary:
    """A picture with red frames around (xmin, ymin, xmax, ymax), and a label at the foot of each."""
    module = pillow("add_image_with_boxes")
    drawn = module.Image.fromarray(scale_to_bytes(convert_to_hwc(make_np(tensor_image), dataformats)))
    pen = module.ImageDraw.Draw(drawn)
    for i, (left, top, right, bottom) in enumerate(make_np(tensor_boxes).tolist()):
        corners = [(left, top), (left, bottom), (right, bottom), (right, top), (left, top)]
        pen.line(corners, width=2, fill="Red")
        if labels is not None and labels[i]:
            x0, y0, x1, y1 = pen.textbbox((0, 0), labels[i])
            margin = np.ceil(0.05 * (y1 - y0))
            foot = bottom - (y1 - y0) - 2 * margin
            pen.rectangle([(left, foot), (left + x1 - x0, bottom)], fill="Red")
            pen.text((left + margin, foot + margin), labels[i], fill="black")
    return Summary(value=[Summary.Value(tag=tag, image=_picture(np.asarray(drawn), rescale))])


def figure_to_image(figures: Any, close: bool = True) -> NDArray[np.uint8]:
    """A figure of matplotlib as (3, H, W); a list of figures of one size as (N, 3, H, W)."""
    import matplotlib.pyplot as plt
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    def draw(figure: Any) -> NDArray[np.uint8]:
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        pixels = np.array(canvas.buffer_rgba(), np.uint8)[:, :, :3]
        if close:
            plt.close(figure)
        return pixels.transpose(2, 0, 1)

    return np.stack([draw(figure) for figure in figures]) if isinstance(figures, list) else draw(figures)


def video(tag: str, tensor: object, fps: float = 4) -> Summary:
    """Videos (N, T, C, H, W), side by side, as one GIF."""
    module = pillow("add_video")
    frames = make_np(tensor)
    if frames.ndim != 5:
        raise ValueError(f"a video has the dimensions (N, T, C, H, W), got shape {frames.shape}")
    count, length, channels, height, width = frames.shape
    padded = 1 << (count - 1).bit_length()
    rows = 1 << (count.bit_length() - 1) // 2
    pixels = np.zeros((padded, *frames.shape[1:]), np.uint8)
    pixels[:count] = scale_to_bytes(frames)
    pixels = pixels.reshape(rows, padded // rows, length, channels, height, width).transpose(2, 0, 4, 1, 5, 3)
    pixels = pixels.reshape(length, rows * height, padded // rows * width, channels)
    pictures = [module.Image.fromarray(frame[:, :, 0] if channels == 1 else frame) for frame in pixels]
    file = io.BytesIO()
    pictures[0].save(
        file, format="GIF", save_all=True, append_images=pictures[1:], duration=int(1000 / fps), loop=0
    )
    encoded = Summary.Image(
        height=pixels.shape[1],
        width=pixels.shape[2],
        colorspace=channels,
        encoded_image_string=file.getvalue(),
    )
    return Summary(value=[Summary.Value(tag=tag, image=encoded)])


def audio(tag: str, tensor: object, sample_rate: int = 44100) -> Summary:
    """Samples from -1 to 1 (what is louder is cut off) as a WAV file of 16 bits."""
    samples = make_np(tensor).squeeze()
    if samples.ndim != 1:
        raise AssertionError(f"input tensor should be 1 dimensional, got shape {samples.shape}")
    if samples.size and np.abs(samples).max() > 1:
        print("warning: audio amplitude out of range, auto clipped.")
        samples = samples.clip(-1, 1)
    data = (samples * np.iinfo(np.int16).max).astype("<i2").tobytes()
    head = struct.pack("<4sI4s", b"RIFF", 36 + len(data), b"WAVE")
    # PCM, one channel, bytes a second, bytes a sample, bits a sample
    head += struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, sample_rate, sample_rate * 2, 2, 16)
    head += struct.pack("<4sI", b"data", len(data))
    encoded = Summary.Audio(
        sample_rate=sample_rate,
        num_channels=1,
        length_frames=samples.shape[-1],
        encoded_audio_string=head + data,
        content_type="audio/wav",
    )
    return Summary(value=[Summary.Value(tag=tag, audio=encoded)])
