"""Discrete Fourier transforms: ``rustnn.fft``, with PyTorch's names.

float32, float64, complex64 and complex128 (integers are converted); RuntimeError for others. ``norm`` is
"backward" (the inverse divides by n), "forward" or "ortho". The transforms are those of the crate rustfft.
"""

from __future__ import annotations

from rustnn import _C

fft = _C._fft_fft
fft2 = _C._fft_fft2
fftfreq = _C._fft_fftfreq
fftn = _C._fft_fftn
fftshift = _C._fft_fftshift
hfft = _C._fft_hfft
hfft2 = _C._fft_hfft2
hfftn = _C._fft_hfftn
ifft = _C._fft_ifft
ifft2 = _C._fft_ifft2
ifftn = _C._fft_ifftn
ifftshift = _C._fft_ifftshift
ihfft = _C._fft_ihfft
ihfft2 = _C._fft_ihfft2
ihfftn = _C._fft_ihfftn
irfft = _C._fft_irfft
irfft2 = _C._fft_irfft2
irfftn = _C._fft_irfftn
rfft = _C._fft_rfft
rfft2 = _C._fft_rfft2
rfftfreq = _C._fft_rfftfreq
rfftn = _C._fft_rfftn
