//! Scaled dot-product attention: softmax(scale q kᵀ + mask) v.

use smallvec::{SmallVec, smallvec};

use crate::autograd::{self, Backprop, Grads, Save};
use crate::bail;
use crate::cpu::attention::{self as kernel, Mask};
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::layout::{Layout, Sizes, broadcast, checked_numel};
use crate::ops::arithmetic::{add, mul, sub, where_};
use crate::ops::dropout::dropout_elements;
use crate::ops::matmul::{bmm, matmul};
use crate::ops::norm::{computed, typed};
use crate::ops::registry::{Args, Op};
use crate::ops::{copy, creation, reduce, softmax, table, view};
use crate::scalar::Scalar;
use crate::tensor::Tensor;

struct Attention<'a> {
    query: &'a Tensor,
    key: &'a Tensor,
    value: &'a Tensor,
    mask: Option<&'a Tensor>,
    dropout: f64,
    causal: bool,
    scale: Option<f64>,
    grouped: bool,
}

fn check(a: &Attention) -> Result<()> {
    let [q, k, v] = [a.query, a.key, a.value];
    if q.dtype() != k.dtype() || q.dtype() != v.dtype() {
        bail!(
            DType,
            "Expected query, key, and value to have the same dtype, but got query.dtype: {} key.dtype: {} and value.dtype: {} instead.",
            q.dtype().c_name(),
            k.dtype().c_name(),
            v.dtype().c_name()
        );
    }
    if [q, k, v].iter().any(|t| t.ndim() < 2) {
        bail!(
            Shape,
            "Expected query, key, and value to all be  at least 2 dimensional, but got query.dim: {} key.dim: {} and value.dim: {} instead.",
            q.ndim(),
            k.ndim(),
            v.ndim()
        );
    }
    if let Some(mask) = a.mask {
        if a.causal {
            bail!(
                Autograd,
                "_scaled_dot_product_attention: Explicit attn_mask should not be set when is_causal=True"
            );
        }
        if mask.dtype() != DType::Bool && mask.dtype() != DType::F32 && mask.dtype() != q.dtype() {
            bail!(
                DType,
                "Expected attn_mask dtype to be bool or float or to match query dtype, but got attn_mask.dtype: {} and  query.dtype: {} instead.",
                mask.dtype().c_name(),
                q.dtype().c_name()
            );
        }
    }
    if q.dtype().is_integral() {
        bail!(DType, "expected m1 and m2 to have the same dtype, but got: float != {}", q.dtype().c_name());
    }
    if q.dtype().is_complex() {
        bail!(
            Unsupported,
            "\"softmax_lastdim_kernel_impl\" not implemented for '{}'",
            q.dtype().scalar_name()
        );
    }
    if a.dropout > 1.0 {
        bail!(Autograd, "dropout probability has to be between 0 and 1, but got {}", a.dropout);
    }
    let last = |t: &Tensor, back: usize| t.size(t.ndim() - back);
    if last(q, 1) != last(k, 1) || last(k, 2) != last(v, 2) {
        bail!(
            Shape,
            "mat1 and mat2 shapes cannot be multiplied: query ({}x{}), key ({}x{}) and value ({}x{})",
            last(q, 2),
            last(q, 1),
            last(k, 2),
            last(k, 1),
            last(v, 2),
            last(v, 1)
        );
    }
    Ok(())
}

/// Heads in one dimension: queries (heads, l, e), keys (heads / group, s, e), values (heads / group, s, ev).
struct Heads {
    query: Tensor,
    key: Tensor,
    value: Tensor,
    group: usize,
    /// The sizes before the last two, as the result has them.
    lead: Sizes,
}

fn heads(a: &Attention, dtype: DType) -> Result<Heads> {
    let cast = |t: &Tensor| copy::to_dtype(t, dtype);
    let (query, mut key, mut value) = (cast(a.query)?, cast(a.key)?, cast(a.value)?);
    let lead = |t: &Tensor| -> Sizes { t.sizes()[..t.ndim() - 2].into() };
    let mut group = 1;
    if a.grouped {
        let Some(q_heads) = lead(&query).last().copied() else {
            bail!(Index, "Dimension out of range (expected to be in range of [-2, 1], but got -3)");
        };
        for t in [&mut key, &mut value] {
            let count = lead(t).last().copied().unwrap_or(1);
            if count == 0 || q_heads % count != 0 {
                bail!(Shape, "Number of heads in key and value must divide the number of heads in query");
            }
        }
        let counts = [&key, &value].map(|t| lead(t).last().copied().unwrap_or(1));
        let same_lead = |t: &Tensor| {
            t.ndim() == query.ndim() && t.sizes()[..t.ndim() - 3] == query.sizes()[..query.ndim() - 3]
        };
        if counts[0] == counts[1] && same_lead(&key) && same_lead(&value) {
            group = q_heads / counts[0];
        } else {
            key = repeat_heads(&key, q_heads / counts[0])?;
            value = repeat_heads(&value, q_heads / counts[1])?;
        }
    }
    let flat = |t: &Tensor, lead: &[usize]| -> Result<Tensor> {
        let mut sizes: Sizes = lead.into();
        sizes.extend_from_slice(&t.sizes()[t.ndim() - 2..]);
        let wide = if t.sizes() == sizes.as_slice() { t.clone() } else { view::expand_to(t, &sizes)? };
        view::reshape_to(&wide, &[checked_numel(lead)?, sizes[lead.len()], sizes[lead.len() + 1]])
    };
    if group > 1 {
        let (q_lead, k_lead) = (lead(&query), lead(&key));
        return Ok(Heads {
            query: flat(&query, &q_lead)?,
            key: flat(&key, &k_lead)?,
            value: flat(&value, &k_lead)?,
            group,
            lead: q_lead,
        });
    }
    let all = broadcast(&broadcast(&lead(&query), &lead(&key))?, &lead(&value))?;
    Ok(Heads {
        query: flat(&query, &all)?,
        key: flat(&key, &all)?,
        value: flat(&value, &all)?,
        group,
        lead: all,
    })
}

/// Every head `times` times in a row.
fn repeat_heads(t: &Tensor, times: usize) -> Result<Tensor> {
    let at = t.ndim() - 2;
    let mut sizes: Sizes = t.sizes().into();
    sizes.insert(at, times);
    let wide = view::expand_to(&view::unsqueeze(t, at as i64)?, &sizes)?;
    sizes.remove(at);
    sizes[at - 1] *= times;
    view::reshape_to(&wide, &sizes)
}

/// The mask as what is added to the scores: 0 and -inf for a bool mask.
fn additive(mask: &Tensor, dtype: DType) -> Result<Tensor> {
    if mask.dtype() != DType::Bool {
        return copy::to_dtype(mask, dtype);
    }
    let zero = creation::scalar(Scalar::Int(0), dtype)?;
    let nothing = creation::scalar(Scalar::Float(f64::NEG_INFINITY), dtype)?;
    where_(mask, &zero, &nothing)
}

/// The additive mask of causal attention, (l, s).
fn causal_mask(l: usize, s: usize, dtype: DType) -> Result<Tensor> {
    let positions =
        |n: usize| creation::arange(Scalar::Int(0), Scalar::Int(n as i64), Scalar::Int(1), DType::I64);
    additive(&table::le(&positions(s)?, &view::unsqueeze(&positions(l)?, 1)?)?, dtype)
}

fn attention(a: &Attention) -> Result<Tensor> {
    check(a)?;
    let dtype = if a.query.dtype() == DType::F64 { DType::F64 } else { DType::F32 };
    let h = heads(a, dtype)?;
    // Without a width all products are 0, whatever they are scaled by.
    let scale = a.scale.unwrap_or_else(|| (h.query.size(2).max(1) as f64).sqrt().recip());
    let (l, s) = (h.query.size(1), h.key.size(1));
    let mut score_sizes = h.lead.clone();
    score_sizes.extend([l, s]);
    let mask = a.mask.map(|m| additive(m, dtype)).transpose()?;
    if let Some(mask) = &mask
        && broadcast(mask.sizes(), &score_sizes)?.as_slice() != score_sizes.as_slice()
    {
        bail!(
            Shape,
            "output with shape {} doesn't match the broadcast shape {}",
            crate::layout::Show(&score_sizes),
            crate::layout::Show(&broadcast(mask.sizes(), &score_sizes)?)
        );
    }
    let out = if a.dropout <= 0.0 && !h.query.device().is_cuda() {
        let layout = mask.as_ref().map(|m| m.layout().broadcast_to(&score_sizes));
        let call = Tiled { group: h.group, scale, causal: a.causal, mask: mask.zip(layout) };
        call.run(&h.query, &h.key, &h.value)?
    } else {
        plain(a, &h, scale, mask.as_ref(), &score_sizes)?
    };
    let mut sizes = h.lead;
    sizes.extend([l, h.value.size(2)]);
    copy::to_dtype(&view::reshape_to(&out, &sizes)?, a.query.dtype())
}

/// Softmax along the last dimension; zero where all scores are -inf.
fn safe_softmax(scores: &Tensor) -> Result<Tensor> {
    let finite = table::ne(&scores.detached(), Scalar::Float(f64::NEG_INFINITY))?;
    let dead = table::eq(&reduce::sum(&finite, Some(&[-1]), true, None)?, Scalar::Int(0))?;
    let zero = creation::scalar(Scalar::Int(0), scores.dtype())?;
    where_(&dead, &zero, &softmax::softmax(&where_(&dead, &zero, scores)?, -1, false, None)?)
}

/// In operations over the whole matrix of scores.
fn plain(
    a: &Attention,
    h: &Heads,
    scale: f64,
    mask: Option<&Tensor>,
    score_sizes: &[usize],
) -> Result<Tensor> {
    let (heads, l, s) = (h.query.size(0), h.query.size(1), h.key.size(1));
    let wide = |t: &Tensor| if h.group == 1 { Ok(t.clone()) } else { repeat_first(t, h.group) };
    let (key, value) = (wide(&h.key)?, wide(&h.value)?);
    let mut scores = matmul(&mul(&h.query, scale)?, &view::transpose(&key, 1, 2)?)?;
    if let Some(mask) = mask {
        scores = add(&scores, &view::reshape_to(&view::expand_to(mask, score_sizes)?, &[heads, l, s])?)?;
    }
    if a.causal {
        scores = add(&scores, &causal_mask(l, s, scores.dtype())?)?;
    }
    let shares = view::reshape_to(&safe_softmax(&scores)?, score_sizes)?;
    let kept = if a.dropout > 0.0 { dropout_elements(&shares, a.dropout)? } else { shares };
    bmm(&view::reshape_to(&kept, &[heads, l, s])?, &value)
}

/// (n, a, b) → (n * times, a, b), every matrix `times` times in a row.
fn repeat_first(t: &Tensor, times: usize) -> Result<Tensor> {
    let [n, a, b] = [t.size(0), t.size(1), t.size(2)];
    let wide = view::expand_to(&view::unsqueeze(t, 1)?, &[n, times, a, b])?;
    view::reshape_to(&wide, &[n * times, a, b])
}

/// Attention by tiles, over flattened heads.
#[derive(Clone)]
struct Tiled {
    group: usize,
    scale: f64,
    causal: bool,
    /// Added to the scores, and its layout over (lead..., l, s).
    mask: Option<(Tensor, Layout)>,
}

impl Tiled {
    /// Where each head's part of the mask begins, relative to its first element.
    fn mask_offsets(&self, heads: usize) -> Vec<isize> {
        let Some((_, layout)) = &self.mask else { return Vec::new() };
        let lead = layout.ndim() - 2;
        (0..heads)
            .map(|head| {
                let mut rest = head;
                let mut offset = 0;
                for d in (0..lead).rev() {
                    offset += (rest % layout.sizes[d]) as isize * layout.strides[d];
                    rest /= layout.sizes[d];
                }
                offset
            })
            .collect()
    }

    fn run(&self, q: &Tensor, k: &Tensor, v: &Tensor) -> Result<Tensor> {
        let dtype = q.dtype();
        let (query, key, value) = (computed(q, dtype)?, computed(k, dtype)?, computed(v, dtype)?);
        let out = creation::zeros(&[q.size(0), q.size(1), v.size(2)], dtype)?;
        let lse = Tensor::empty(&[q.size(0), q.size(1)], dtype)?;
        self.with_kernel(&query, &key, &value, |dtype, call| {
            typed!(dtype, T => {
                let call = call.cast::<T>();
                // SAFETY: contiguous tensors of the sizes that the call says; the output is zero.
                unsafe { kernel::forward::<T>(&call, out.ptr().cast(), lse.ptr().cast()) }
            })
        })?;
        let mut inputs: SmallVec<[&Tensor; 4]> = smallvec![q, k, v];
        inputs.extend(self.mask.as_ref().map(|(mask, _)| mask));
        if !autograd::needs_grad(&inputs) {
            return Ok(out);
        }
        let mut save: SmallVec<[Save; 6]> =
            smallvec![Save::Input(0), Save::Input(1), Save::Input(2), Save::Output(0), Save::Other(&lse)];
        let mut call = self.clone();
        if let Some((mask, _)) = &mut call.mask {
            save.push(Save::Input(3));
            *mask = mask.detached();
        }
        Ok(autograd::record(out, "scaled_dot_product_attention", &inputs, &save, move |cx| call.backward(cx)))
    }

    /// Describes contiguous operands to `run`; out of memory if it says so.
    fn with_kernel(
        &self,
        q: &Tensor,
        k: &Tensor,
        v: &Tensor,
        run: impl Fn(DType, Untyped) -> bool,
    ) -> Result<()> {
        let offsets = self.mask_offsets(q.size(0));
        let call = Untyped { tiled: self, q, k, v, offsets: &offsets };
        if q.numel() == 0 && (q.size(0) == 0 || q.size(1) == 0) || run(q.dtype(), call) {
            return Ok(());
        }
        Err(Error::OutOfMemory { bytes: 2 * 64 * 128 * q.dtype().size() })
    }

    fn backward(&self, cx: &Backprop) -> Result<Grads> {
        let has_mask = self.mask.is_some();
        let Some(g) = cx.grad() else { return Ok(smallvec![None; 3 + has_mask as usize]) };
        let (q, k, v) = (cx.saved(0)?, cx.saved(1)?, cx.saved(2)?);
        let mask = if has_mask { Some(cx.saved(5)?) } else { None };
        if autograd::grad_enabled() || (has_mask && cx.needs(3)) {
            return self.differentiable(g, [&q, &k, &v], mask.as_ref());
        }
        let dtype = q.dtype();
        let (query, key, value) = (computed(&q, dtype)?, computed(&k, dtype)?, computed(&v, dtype)?);
        let (out, grad, lse) = (computed(&cx.saved(3)?, dtype)?, computed(g, dtype)?, cx.saved(4)?);
        let zeros = |t: &Tensor| creation::zeros(t.sizes(), dtype);
        let (gq, gk, gv) = (zeros(&q)?, zeros(&k)?, zeros(&v)?);
        self.with_kernel(&query, &key, &value, |dtype, call| {
            typed!(dtype, T => {
                let gradients = kernel::Backward::<T> {
                    out: out.ptr().cast(),
                    grad: grad.ptr().cast(),
                    lse: lse.ptr().cast(),
                    gq: gq.ptr().cast(),
                    gk: gk.ptr().cast(),
                    gv: gv.ptr().cast(),
                };
                // SAFETY: contiguous tensors of the sizes that the call says; the gradients are zero.
                unsafe { kernel::backward::<T>(&call.cast::<T>(), &gradients) }
            })
        })?;
        let mut grads: Grads = smallvec![Some(gq), Some(gk), Some(gv)];
        grads.extend(has_mask.then_some(None));
        Ok(grads)
    }

    /// The same in differentiable operations, over the whole matrix of scores. Heads that share keys lie
    /// next to each other: their queries are those of one longer head.
    fn differentiable(&self, g: &Tensor, [q, k, v]: [&Tensor; 3], mask: Option<&Tensor>) -> Result<Grads> {
        let (heads, l, s) = (q.size(0), q.size(1), k.size(1));
        let key_heads = heads / self.group;
        let joined = |t: &Tensor| view::reshape_to(t, &[key_heads, self.group * l, t.size(2)]);
        let (q, g) = (joined(q)?, joined(g)?);
        let turned = |t: &Tensor| view::transpose(t, 1, 2);
        let mut scores = mul(&bmm(&q, &turned(k)?)?, self.scale)?;
        if let (Some(mask), Some((_, layout))) = (mask, &self.mask) {
            let whole = view::expand_to(mask, &layout.sizes)?;
            scores = add(&scores, &view::reshape_to(&whole, &[key_heads, self.group * l, s])?)?;
        }
        if self.causal {
            let one = causal_mask(l, s, scores.dtype())?;
            let all = view::expand_to(&one, &[self.group, l, s])?;
            scores = add(&scores, &view::reshape_to(&all, &[self.group * l, s])?)?;
        }
        let p = safe_softmax(&scores)?;
        let gp = bmm(&g, &turned(v)?)?;
        let along = reduce::sum(&mul(&gp, &p)?, Some(&[-1]), true, None)?;
        let unscaled = mul(&p, &sub(&gp, &along)?)?;
        let gs = mul(&unscaled, self.scale)?;
        let gq = view::reshape_to(&bmm(&gs, k)?, &[heads, l, q.size(2)])?;
        let (gk, gv) = (bmm(&turned(&gs)?, &q)?, bmm(&turned(&p)?, &g)?);
        let mut grads: Grads = smallvec![Some(gq), Some(gk), Some(gv)];
        if let (Some(mask), Some((_, layout))) = (mask, &self.mask) {
            let whole = view::reshape_to(&unscaled, &layout.sizes)?;
            grads.push(Some(reduce::sum_to_size(&whole, mask.sizes())?));
        }
        Ok(grads)
    }
}

/// A call whose element type is not chosen yet.
struct Untyped<'a> {
    tiled: &'a Tiled,
    q: &'a Tensor,
    k: &'a Tensor,
    v: &'a Tensor,
    offsets: &'a [isize],
}

impl Untyped<'_> {
    fn cast<T: crate::cpu::exp::Exp>(&self) -> kernel::Attention<'_, T> {
        let n = |layout: &Layout, back: usize| layout.strides[layout.ndim() - back];
        kernel::Attention {
            heads: self.q.size(0),
            group: self.tiled.group,
            l: self.q.size(1),
            s: self.k.size(1),
            e: self.q.size(2),
            ev: self.v.size(2),
            scale: T::from(self.tiled.scale).unwrap_or_else(T::nan),
            causal: self.tiled.causal,
            q: self.q.ptr().cast(),
            k: self.k.ptr().cast(),
            v: self.v.ptr().cast(),
            mask: self.tiled.mask.as_ref().map(|(mask, layout)| Mask {
                ptr: mask.ptr().cast(),
                offsets: self.offsets,
                row_stride: n(layout, 2),
                column_stride: n(layout, 1),
            }),
        }
    }
}

fn call(a: &Args) -> Result<Tensor> {
    attention(&Attention {
        query: a.tensor(0),
        key: a.tensor(1),
        value: a.tensor(2),
        mask: a.opt_tensor(3),
        dropout: a.float(4),
        causal: a.bool(5),
        scale: a.opt_float(6),
        grouped: a.bool(7),
    })
}

pub const OPS: &[Op] = &[
    Op::new("nn.functional.scaled_dot_product_attention(Tensor query, Tensor key, Tensor value, Tensor? attn_mask=None, float dropout_p=0.0, bool is_causal=False, *, float? scale=None, bool enable_gqa=False) -> Tensor", |a| {
        Ok(call(a)?.into())
    })
    .doc("softmax(scale * query @ keyᵀ + attn_mask) @ value, for (..., length, width); a bool mask is True where a key is seen.")
    .samples("t(2, 3, 4), t(2, 5, 4), t(2, 5, 2) | nc(3, 4), t(5, 4), t(5, 4), bools(3, 5), scale=0.3 | t(4, 3, 2), t(2, 3, 2), t(2, 3, 2), is_causal=True, enable_gqa=True | t(2, 3, 4), t(2, 3, 4), t(2, 3, 4), t(3, 3)"),
];
