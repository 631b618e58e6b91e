//! QR by Householder reflections, a panel at a time: I - V F Vᴴ (R. Schreiber and C. Van Loan, A storage-efficient
//! WY representation for products of Householder transformations, 1989).

use super::{Arguments, Function, LEAF, part, product, subtract_product, threads_for, turned};
use crate::error::Result;
use crate::ops::cuda::pointwise::gpu_of;
use crate::ops::products::conj;
use crate::tensor::Tensor;

pub const PANEL: Function = Function {
    text: concat!(
        include_str!("../../../cuda/kernels/matrix.cu"),
        include_str!("../../../cuda/kernels/qr.cu")
    ),
    name: "qr_panel",
    parameters: "rn::Part<$T> a, rn::Part<$T> tau, int m, int w",
};
pub const REFLECTORS: Function = Function {
    text: PANEL.text,
    name: "reflectors",
    parameters: "rn::Part<$T> a, $T* v, int m, int w, long long total",
};
pub const FACTOR: Function = Function {
    text: PANEL.text,
    name: "reflector_factor",
    parameters: "const $T* products, rn::Part<$T> tau, $T* factor, int w, int adjoint",
};

/// Factors `a` (count, m, n) in place: R above, the tails of the vectors below the diagonal; `tau` is
/// (count, min(m, n), 1).
pub fn factor(a: &Tensor, tau: &Tensor) -> Result<()> {
    let (m, n) = (a.size(1), a.size(2));
    if a.numel() == 0 {
        return Ok(());
    }
    let k = m.min(n);
    for first in (0..k).step_by(LEAF) {
        let end = (first + LEAF).min(k);
        let panel = part(a, first..m, first..end);
        let its_tau = part(tau, first..end, 0..1);
        let arguments = Arguments::default().part(&panel).part(&its_tau).ints(&[m - first, end - first])?;
        let threads = threads_for((m - first).max(32 * (end - first).min(8)));
        PANEL.launch(gpu_of(a)?, a.dtype(), a.size(0), threads, arguments)?;
        apply_panel(&panel, &its_tau, &part(a, first..m, end..n), true)?;
    }
    Ok(())
}

/// Overwrites `c` (count, m, columns) with Q C or Qᴴ C, where Q is the product of the reflections in `a`
/// (count, m, at least k) with factors `tau` (count, k, 1).
pub fn apply(a: &Tensor, tau: &Tensor, c: &Tensor, adjoint: bool) -> Result<()> {
    let (m, k, columns) = (a.size(1), tau.size(1), c.size(2));
    let one = |first: usize| {
        let end = (first + LEAF).min(k);
        let panel = part(a, first..m, first..end);
        apply_panel(&panel, &part(tau, first..end, 0..1), &part(c, first..m, 0..columns), adjoint)
    };
    let mut starts = (0..k.min(m)).step_by(LEAF);
    if adjoint { starts.try_for_each(one) } else { starts.rev().try_for_each(one) }
}

/// [`apply`] to a `q` (count, m, columns) of unit vectors, of which Q makes its own first columns.
pub fn form(a: &Tensor, tau: &Tensor, q: &Tensor) -> Result<()> {
    let (m, k, columns) = (a.size(1), tau.size(1), q.size(2));
    (0..k.min(m).min(columns)).step_by(LEAF).rev().try_for_each(|first| {
        let end = (first + LEAF).min(k);
        let panel = part(a, first..m, first..end);
        // The unit vectors before are left alone.
        apply_panel(&panel, &part(tau, first..end, 0..1), &part(q, first..m, first..columns), false)
    })
}

/// [`apply`] of the reflections of one panel.
fn apply_panel(panel: &Tensor, tau: &Tensor, c: &Tensor, adjoint: bool) -> Result<()> {
    let (count, m, w) = (panel.size(0), panel.size(1), panel.size(2));
    if c.numel() == 0 || w == 0 {
        return Ok(());
    }
    let gpu = gpu_of(c)?;
    let v = Tensor::empty(&[count, w, m], panel.dtype())?;
    let arguments = Arguments::default().part(panel).pointer(&v).ints(&[m, w])?.long(v.numel() as i64);
    REFLECTORS.launch(gpu, panel.dtype(), v.numel().div_ceil(256).min(4096), 256, arguments)?;
    // The buffer is the transpose of V.
    let vh = conj(&v)?;
    let products = product(&vh, &turned(&v))?;
    let factor = Tensor::empty(&[count, w, w], panel.dtype())?;
    let arguments = Arguments::default().pointer(&products).part(tau).pointer(&factor);
    FACTOR.launch(gpu, panel.dtype(), count, 32, arguments.ints(&[w, usize::from(adjoint)])?)?;
    let turned_c = product(&factor, &product(&vh, c)?)?;
    subtract_product(c, &turned(&v), &turned_c)
}
