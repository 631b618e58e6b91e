"""Fourier transforms on a GPU against the CPU: lengths that take other ways, strides, norms, gradients."""

from __future__ import annotations

from typing import Any

import pytest
from layers import check

import rustnn as torch

# Of one step, several, large radices, several passes, convolutions (17, 2 * 19), and convolutions of several passes.
LENGTHS = [1, 2, 3, 8, 17, 30, 38, 77, 169, 1000, 2048, 2310, 4096, 4099]
COMPLEX = [torch.complex64, torch.complex128]
REAL = {torch.complex64: torch.float32, torch.complex128: torch.float64}


def points(*sizes: int, dtype: Any = torch.complex128) -> Any:
    torch.manual_seed(sum(sizes))
    return torch.randn(*sizes, dtype=dtype)


def near(a: Any, b: Any) -> bool:
    """As `alike`, by the largest of the numbers: what sums of many of them are precise to."""
    if a.shape != b.shape or a.dtype != b.dtype or a.stride() != b.stride():
        return False
    a = a.cpu()
    if a.numel() == 0:
        return True
    tolerance = 1e-5 if a.dtype in (torch.float32, torch.complex64) else 1e-12
    return bool((a - b).abs().max() <= tolerance * b.abs().max())


@pytest.mark.parametrize("n", LENGTHS)
def test_lengths(n: int) -> None:
    for dtype in COMPLEX if n in (8, 38, 169, 4096) else COMPLEX[:1]:
        x, real = points(3, n, dtype=dtype), points(3, n, dtype=REAL[dtype])
        for f in (torch.fft.fft, torch.fft.ifft):
            assert near(f(x.cuda()), f(x)), f
        for f in (torch.fft.rfft, torch.fft.ihfft):
            assert near(f(real.cuda()), f(real)), f
        half = points(3, n // 2 + 1, dtype=dtype)
        for f in (torch.fft.irfft, torch.fft.hfft):
            assert near(f(half.cuda(), n=n), f(half, n=n)), f


def test_dimensions_and_strides() -> None:
    x = points(6, 5, 4, dtype=torch.complex64)
    cases = [
        lambda x: torch.fft.fft(x, dim=0),
        lambda x: torch.fft.fft(x, n=7, dim=1, norm="ortho"),
        lambda x: torch.fft.fft(x, n=2, dim=1, norm="forward"),
        lambda x: torch.fft.ifft(x, dim=1, norm="forward"),
        lambda x: torch.fft.fftn(x),
        lambda x: torch.fft.ifftn(x, dim=(2, 0), norm="ortho"),
        lambda x: torch.fft.fft2(x[:, ::2]),
        lambda x: torch.fft.fft2(x.permute(2, 0, 1), s=(3, 8)),
        lambda x: torch.fft.irfftn(x, s=(5, 6), dim=(0, 1)),
        lambda x: torch.fft.irfft2(x, s=(4, 7), norm="ortho"),
        lambda x: torch.fft.hfftn(x, dim=(0, 2)),
        lambda x: torch.fft.rfftn(x.real),
        lambda x: torch.fft.rfft(x.real.permute(2, 1, 0), dim=-1),
        lambda x: torch.fft.rfft(x.real, n=9, dim=1),
        lambda x: torch.fft.ihfftn(x.imag, dim=(1, 0), norm="forward"),
        lambda x: torch.fft.rfft2(x.imag, dim=(0, 2)),
        lambda x: torch.fft.fft(x, dim=1)[:0],
        lambda x: torch.fft.fft(x[:0], dim=1),
        lambda x: torch.fft.rfft(x.real[:, :0], dim=0),
        lambda x: torch.fft.irfft(x[:0]),
        lambda x: torch.fft.fftn(x[0, 0, 0]),
        lambda x: torch.fft.fft(x.real.to(torch.int32)),
        # Pairs of numbers that do not lie where complex ones would.
        lambda x: torch.fft.rfft(x.real.flatten()[1:9]),
        lambda x: torch.fft.fft(x.mT.contiguous().mT, dim=1),
        lambda x: torch.fft.fft(torch.cat([x, x], 1).expand(2, 6, 10, 4), dim=2),
    ]
    for number, f in enumerate(cases):
        assert near(f(x.cuda()), f(x)), number
    assert torch.equal(x.cuda().cpu(), x)


def test_long_lines_that_are_not_contiguous() -> None:
    x = points(2000, 9, dtype=torch.complex64)
    assert near(torch.fft.fft(x.cuda(), dim=0), torch.fft.fft(x, dim=0))
    x = points(700, 33, dtype=torch.complex64)
    assert near(torch.fft.fft2(x.cuda()), torch.fft.fft2(x))
    x = points(600, 67, dtype=torch.float64)
    assert near(torch.fft.rfft2(x.cuda()), torch.fft.rfft2(x))
    assert near(torch.fft.irfft2(points(600, 35).cuda()), torch.fft.irfft2(points(600, 35)))
    x = points(9000, dtype=torch.float32)
    assert near(torch.fft.rfft(x.cuda()), torch.fft.rfft(x))
    assert near(torch.fft.irfft(torch.fft.rfft(x.cuda())), x)


def test_gradients() -> None:
    check(lambda x: torch.fft.fft(x, n=7, norm="ortho"), points(2, 5), second=True)
    check(lambda x: torch.fft.ifft2(x, norm="forward"), points(2, 5, 4))
    check(lambda x: torch.fft.fft(x) * torch.fft.rfft(x, n=9)[..., :5], points(2, 5, dtype=torch.float64))
    check(lambda x: torch.fft.rfft2(x), points(3, 6, dtype=torch.float64), second=True)
    check(lambda x: torch.fft.ihfft(x), points(3, 5, dtype=torch.float64))
    check(lambda x: torch.fft.irfft(x), points(3, 4), second=True)
    check(lambda x: torch.fft.hfft(x, n=9), points(3, 5))
    check(lambda x: torch.fft.irfftn(x, s=(4, 5)), points(3, 4))
    check(lambda x: torch.fft.fftshift(torch.fft.fft(x, dim=0)), points(5, 3))


def test_one_line_does_not_change_another() -> None:
    x = points(4, 64, dtype=torch.float32)
    x[1, 3] = float("nan")
    y = torch.fft.rfft(x.cuda()).cpu()
    assert y[1].isnan().all()
    assert not y[[0, 2, 3]].isnan().any()
    again = torch.fft.rfft(x.cuda()).cpu()
    assert torch.equal(torch.view_as_real(y[0]), torch.view_as_real(again[0]))


def test_halves_are_refused_and_bad_calls_raise() -> None:
    x = torch.zeros(4).cuda()
    for bad in (
        lambda: torch.fft.fft(x.half()),
        lambda: torch.fft.rfft(torch.fft.fft(x)),
        lambda: torch.fft.fft(x, n=0),
        lambda: torch.fft.fft(x, norm="other"),
        lambda: torch.fft.fftn(x, dim=(0, 0)),
        lambda: torch.fft.fft(x[:0]),
    ):
        with pytest.raises(RuntimeError):
            bad()


@pytest.mark.filterwarnings("ignore:A window was not provided")
def test_spectrograms() -> None:
    x = points(2, 100, dtype=torch.float64)
    window = torch.hann_window(16, dtype=torch.float64)
    for options in ({}, {"center": False}, {"normalized": True, "onesided": False}, {"hop_length": 5}):
        there = torch.stft(x.cuda(), 16, window=window.cuda(), return_complex=True, **options)
        here = torch.stft(x, 16, window=window, return_complex=True, **options)
        assert near(there, here), options

    def way_back(x: Any, window: Any) -> Any:
        spectrum = torch.stft(x, 16, hop_length=4, window=window, return_complex=True)
        return torch.istft(spectrum, 16, hop_length=4, window=window, length=100)

    check(way_back, x, window)
    assert torch.allclose(way_back(x.cuda(), window.cuda()).cpu(), x)
    check(lambda x: torch.stft(x, 12, return_complex=True).abs(), x)
