//! The short-time Fourier transform and its inverse.

use super::fft::{check_precision, complex_to_complex, half_to_real, real_to_half};
use crate::bail;
use crate::dtype::DType;
use crate::error::Result;
use crate::layout::{Show, Sizes};
use crate::ops::arithmetic::{div, mul};
use crate::ops::gather::scatter_add;
use crate::ops::registry::{Args, Op};
use crate::ops::{complex, copy, creation, fold, pad, strided, table, view};
use crate::scalar::Scalar;
use crate::tensor::Tensor;
use crate::warn_once;

/// What both directions are told.
struct Frames<'a> {
    n_fft: usize,
    hop: usize,
    window: Option<&'a Tensor>,
    win_length: usize,
    normalized: bool,
}

impl<'a> Frames<'a> {
    fn read(a: &'a Args, function: &str) -> Result<Frames<'a>> {
        let n_fft = a.int(1);
        if n_fft < 1 {
            bail!(Shape, "{function}: expected n_fft > 0, but got n_fft={n_fft}");
        }
        let hop = a.opt_int(2).unwrap_or(n_fft / 4);
        if hop < 1 {
            bail!(Shape, "{function}: expected hop_length > 0, but got hop_length={hop}");
        }
        let win_length = a.opt_int(3).unwrap_or(n_fft);
        if win_length < 1 || win_length > n_fft {
            bail!(Shape, "{function}: expected 0 < win_length <= n_fft, but got win_length={win_length}");
        }
        let window = a.opt_tensor(4);
        if let Some(w) = window
            && w.sizes() != [win_length as usize]
        {
            bail!(
                Shape,
                "{function}: expected a 1D window tensor of size equal to win_length={win_length}, but got window with size {}",
                Show(w.sizes())
            );
        }
        let size = |n: i64| n as usize;
        Ok(Frames {
            n_fft: size(n_fft),
            hop: size(hop),
            window,
            win_length: size(win_length),
            normalized: false,
        })
    }

    /// The window, with zeros around it up to n_fft; ones where none was given.
    fn padded_window(&self, dtype: DType) -> Result<Option<Tensor>> {
        let window = match self.window {
            None if self.win_length == self.n_fft => return Ok(None),
            None => creation::full(&[self.win_length], Scalar::Int(1), dtype)?,
            Some(w) => w.clone(),
        };
        let before = (self.n_fft - self.win_length) / 2;
        let after = self.n_fft - self.win_length - before;
        Ok(Some(pad::pad_by_mode(&window, &[before as i64, after as i64], "constant", None)?))
    }

    fn scale(&self, inverse: bool) -> f64 {
        let n = self.n_fft as f64;
        match (self.normalized, inverse) {
            (true, _) => 1.0 / n.sqrt(),
            (false, false) => 1.0,
            (false, true) => 1.0 / n,
        }
    }
}

fn stft(a: &Args) -> Result<Tensor> {
    let x = a.tensor(0);
    let mut frames = Frames::read(a, "stft")?;
    frames.normalized = a.bool(7);
    let (center, align) = (a.bool(5), a.opt_bool(10));
    if center && align.is_some() {
        bail!(Autograd, "stft align_to_window should only be set when center = false");
    }
    if !x.dtype().is_differentiable() {
        bail!(DType, "stft: expected a tensor of floating point or complex values");
    }
    if !(1..=2).contains(&x.ndim()) {
        bail!(Shape, "stft: expected a 1D or 2D tensor");
    }
    let is_complex = x.dtype().is_complex() || frames.window.is_some_and(|w| w.dtype().is_complex());
    let onesided = a.opt_bool(8).unwrap_or(!is_complex);
    if onesided && is_complex {
        bail!(Autograd, "Cannot have onesided output if window or input is complex");
    }
    let Some(return_complex) = a.opt_bool(9).or(is_complex.then_some(true)) else {
        bail!(
            Autograd,
            "stft requires the return_complex parameter be given for real inputs, and will further require that return_complex=True in a future PyTorch release."
        );
    };
    if frames.window.is_none() {
        warn_once!(
            "A window was not provided. A rectangular window will be applied,which is known to cause spectral leakage. Other windows such as torch.hann_window or torch.hamming_window are recommended."
        );
    }
    let mut signal = if x.ndim() == 1 { view::unsqueeze(x, 0)? } else { x.clone() };
    let mut n_fft = frames.n_fft;
    if center {
        let around = (n_fft / 2) as i64;
        let wide = view::unsqueeze(&signal, 0)?;
        let padded = pad::pad_by_mode(&wide, &[around, around], a.str(6).unwrap_or("reflect"), None)?;
        signal = view::squeeze(&padded, Some(&[0]))?;
    }
    let mut window = frames.padded_window(x.dtype().to_real())?;
    if align == Some(true) {
        // Only the samples under the window are looked at; the zeros come after the cut.
        window = frames.window.cloned();
        n_fft = frames.win_length;
    }
    if n_fft > signal.size(1) {
        bail!(Shape, "stft: expected 0 < n_fft < {}, but got n_fft={}", signal.size(1), frames.n_fft);
    }
    let mut cut = strided::unfold(&signal, 1, n_fft as i64, frames.hop as i64)?;
    if let Some(window) = window {
        cut = mul(&cut, &window)?;
    }
    if n_fft < frames.n_fft {
        let before = (frames.n_fft - n_fft) / 2;
        let after = frames.n_fft - n_fft - before;
        cut = pad::pad_by_mode(&cut, &[before as i64, after as i64], "constant", None)?;
    }
    check_precision(&cut)?;
    let scale = frames.scale(false);
    let spectrum = if onesided {
        real_to_half(&cut, &[2], false, scale)?
    } else {
        complex_to_complex(&copy::to_dtype(&cut, cut.dtype().to_complex())?, &[2], false, scale)?
    };
    let mut out = view::transpose(&spectrum, 1, 2)?;
    if x.ndim() == 1 {
        out = view::squeeze(&out, Some(&[0]))?;
    }
    if return_complex { Ok(out) } else { complex::pair_of_reals(&out) }
}

/// Frames (batch, count, n) laid over one another, `hop` apart, and summed.
fn overlap_add(frames: &Tensor, hop: usize) -> Result<Tensor> {
    let (batch, count, n) = (frames.size(0), frames.size(1), frames.size(2));
    let Some(length) = count.checked_sub(1).and_then(|c| c.checked_mul(hop)).and_then(|l| l.checked_add(n))
    else {
        bail!(Shape, "istft: {count} frames make no signal");
    };
    if frames.device().is_cuda() {
        // Gathered by kernels, where the sum below depends on who comes first.
        return fold::overlap_add(frames, hop, length);
    }
    let places: Vec<i64> = (0..count).flat_map(|f| (0..n).map(move |k| (f * hop + k) as i64)).collect();
    let places = Tensor::from_slice(&places, &[1, count * n])?;
    let index = view::expand_to(&places, &[batch, count * n])?;
    let zero = creation::zeros(&[batch, length], frames.dtype())?;
    scatter_add(&zero, 1, &index, &view::reshape_to(frames, &[batch, count * n])?)
}

fn istft(a: &Args) -> Result<Tensor> {
    let x = a.tensor(0);
    let mut frames = Frames::read(a, "istft")?;
    frames.normalized = a.bool(6);
    let (center, length, return_complex) = (a.bool(5), a.opt_int(8), a.bool(9));
    if frames.window.is_none() {
        warn_once!(
            "A window was not provided. A rectangular window will be applied.Please provide the same window used by stft to make the inversion lossless."
        );
    }
    if !x.dtype().is_complex() {
        bail!(
            DType,
            "istft requires a complex-valued input tensor matching the output from stft with return_complex=True."
        );
    }
    if !(2..=3).contains(&x.ndim()) {
        bail!(Shape, "istft: expected a tensor with 2 or 3 dimensions, but got {}", x.ndim());
    }
    if x.numel() == 0 {
        bail!(Shape, "istft: input tensor cannot be empty.");
    }
    if frames.hop > frames.win_length {
        bail!(Shape, "istft: expected 0 < hop_length <= win_length");
    }
    let (n_fft, bins) = (frames.n_fft, x.size(x.ndim() - 2));
    let onesided = a.opt_bool(7).unwrap_or(bins != n_fft);
    let expected = if onesided { n_fft / 2 + 1 } else { n_fft };
    if bins != expected {
        bail!(
            Shape,
            "istft: expected the frequency dimension (3rd to the last) of the input tensor to match n_fft{} when onesided={}, but got {bins}",
            if onesided { " / 2 + 1" } else { "" },
            if onesided { "True" } else { "False" }
        );
    }
    let complex_window = frames.window.is_some_and(|w| w.dtype().is_complex());
    if return_complex && onesided {
        bail!(Autograd, "Cannot have onesided output if window or input is complex");
    }
    if complex_window && !return_complex {
        bail!(Autograd, "Complex windows are incompatible with return_complex=False");
    }
    let x = if x.ndim() == 2 { view::unsqueeze(x, 0)? } else { x.clone() };
    let spectrum = view::transpose(&x, 1, 2)?;
    let scale = frames.scale(true);
    let cut = if return_complex {
        complex_to_complex(&spectrum, &[2], true, scale)?
    } else {
        let half = view::narrow(&spectrum, 2, 0, (n_fft / 2 + 1) as i64)?;
        half_to_real(&half, &[2], n_fft, true, scale)?
    };
    let count = cut.size(1);
    let window = match frames.padded_window(cut.dtype().to_real())? {
        Some(window) => window,
        None => creation::full(&[n_fft], Scalar::Int(1), cut.dtype().to_real())?,
    };
    let signal = overlap_add(&mul(&cut, &window)?, frames.hop)?;
    let weights = view::expand_to(&table::square(&window)?, &[1, count, n_fft])?;
    let envelope = overlap_add(&weights, frames.hop)?;
    let whole = signal.size(1);
    let start = if center { n_fft / 2 } else { 0 };
    let end = match length {
        Some(length) if length < 0 => bail!(Shape, "istft: length must not be negative, but is {length}"),
        Some(length) => start.saturating_add(length as usize),
        None if center => whole.saturating_sub(n_fft / 2),
        None => whole,
    };
    let available = end.min(whole).saturating_sub(start) as i64;
    let signal = view::narrow(&signal, 1, start.min(whole) as i64, available)?;
    let envelope = view::narrow(&envelope, 1, start.min(whole) as i64, available)?;
    let lowest = copy::values::<f64>(&crate::ops::arithmetic::abs(&envelope)?)?;
    if let Some(lowest) = lowest.into_iter().find(|w| w.is_nan() || *w <= 1e-11) {
        bail!(Autograd, "istft: window overlap add min: {lowest}");
    }
    let mut out = div(&signal, &envelope)?;
    let wanted = end.saturating_sub(start);
    if out.size(1) < wanted {
        let more = (wanted - out.size(1)) as i64;
        out = pad::pad_by_mode(&out, &[0, more], "constant", None)?;
    }
    let batched = a.tensor(0).ndim() == 3;
    if batched {
        return Ok(out);
    }
    let sizes: Sizes = out.sizes()[1..].into();
    view::reshape_to(&out, &sizes)
}

pub const OPS: &[Op] = &[
    Op::new(
        "stft(Tensor input, int n_fft, int? hop_length=None, int? win_length=None, Tensor? window=None, bool center=True, str pad_mode='reflect', bool normalized=False, bool? onesided=None, bool? return_complex=None, bool? align_to_window=None) -> Tensor",
        |a| Ok(stft(a)?.into()),
    )
    .method()
    .doc("The short-time Fourier transform: (*, frequencies, frames).")
    .samples("t(20), 8, return_complex=True | t(2, 20), 8, 3, 6, t(6), center=False, normalized=True, return_complex=True | t(20), 6, pad_mode='constant', onesided=False, return_complex=False | t(20), 8, 3, 6, t(6), False, align_to_window=True, return_complex=True"),
    Op::new(
        "istft(Tensor input, int n_fft, int? hop_length=None, int? win_length=None, Tensor? window=None, bool center=True, bool normalized=False, bool? onesided=None, int? length=None, bool return_complex=False) -> Tensor",
        |a| Ok(istft(a)?.into()),
    )
    .method()
    .doc("The inverse of stft, by overlapping and adding; frames are weighted by the squared window."),
];
