//! Blocks of images as columns and back (`unfold`, `fold`), and moving channels into space.

use smallvec::{SmallVec, smallvec};

use crate::autograd;
use crate::bail;
use crate::device::{self, Device};
use crate::dtype::DType;
use crate::error::Result;
use crate::layout::{Layout, MemoryFormat, Show, Sizes, checked_numel, sizes_from};
use crate::ops::pool::axes;
use crate::ops::registry::{Args, Op};
use crate::ops::{arithmetic, copy, creation, cuda, view};
use crate::tensor::Tensor;

/// How blocks lie in an image; rows, then columns.
#[derive(Clone, Copy)]
struct Blocks {
    image: [usize; 2],
    kernel: [usize; 2],
    dilation: [usize; 2],
    padding: [usize; 2],
    stride: [usize; 2],
    /// Blocks along each axis.
    count: [usize; 2],
}

fn two(a: &Args, i: usize, name: &str, what: &str, least: i64) -> Result<[usize; 2]> {
    let values = axes(a.ints(i), 2, name, what)?;
    if values.iter().any(|&v| v < least) {
        bail!(Shape, "{what}: {name} should be at least {least}, but got {}", Show(&values));
    }
    Ok([values[0] as usize, values[1] as usize])
}

impl Blocks {
    fn read(a: &Args, image: [usize; 2], first: usize, what: &str) -> Result<Blocks> {
        let kernel = two(a, first, "kernel_size", what, 1)?;
        let dilation = two(a, first + 1, "dilation", what, 1)?;
        let padding = two(a, first + 2, "padding", what, 0)?;
        let stride = two(a, first + 3, "stride", what, 1)?;
        let along = |i: usize| {
            let padded = image[i].checked_add(padding[i].checked_mul(2)?)?;
            let reach = (kernel[i] - 1).checked_mul(dilation[i])?.checked_add(1)?;
            Some(padded.checked_sub(reach)? / stride[i] + 1)
        };
        let (Some(rows), Some(columns)) = (along(0), along(1)) else {
            bail!(
                Shape,
                "{what}: Given an image of {} with kernel_size={}, dilation={}, padding={}, stride={}, there is no block: its elements must be positive",
                Show(&image),
                Show(&kernel),
                Show(&dilation),
                Show(&padding),
                Show(&stride)
            );
        };
        Ok(Blocks { image, kernel, dilation, padding, stride, count: [rows, columns] })
    }

    /// The padded image's sizes.
    fn padded(&self) -> [usize; 2] {
        [0, 1].map(|i| self.image[i] + 2 * self.padding[i])
    }

    /// For a dense padded image (n, c, h, w): what tap (y, x) of each block reads, (n, c, rows, columns).
    fn tap(&self, padded: &Tensor, y: usize, x: usize) -> Tensor {
        let whole = padded.layout();
        let mut strides = whole.strides.clone();
        let mut sizes = whole.sizes.clone();
        let mut offset = whole.offset as isize;
        for (i, tap) in [(0, y), (1, x)] {
            offset += (tap * self.dilation[i]) as isize * strides[2 + i];
            // A single block has no next one, however large the stride.
            strides[2 + i] = strides[2 + i].saturating_mul(self.stride[i] as isize);
            sizes[2 + i] = self.count[i];
        }
        padded.alias(Layout { sizes, strides, offset: offset as usize })
    }

    fn inside(&self, padded: &Tensor) -> Result<Tensor> {
        let rows = view::narrow(padded, 2, self.padding[0] as i64, self.image[0] as i64)?;
        view::narrow(&rows, 3, self.padding[1] as i64, self.image[1] as i64)
    }
}

/// What kernels of a GPU are told.
fn on_gpu(b: &Blocks) -> Result<cuda::fold::Fold> {
    cuda::fold::Fold::of([b.image, b.kernel, b.count], [b.stride, b.padding, b.dilation])
}

/// Elements of a plane of the image, and of its blocks.
fn planes(b: &Blocks) -> Result<[usize; 2]> {
    let sizes = [b.kernel, b.count].concat();
    Ok([checked_numel(&b.image)?, checked_numel(&sizes)?])
}

/// The blocks of `x`, (n, c, taps, rows, columns). No tape.
fn blocks_of(x: &Tensor, b: &Blocks) -> Result<Tensor> {
    let (n, c) = (x.size(0), x.size(1));
    let [rows, columns] = b.count;
    let [kh, kw] = b.kernel;
    if x.device().is_cuda() {
        let out = Tensor::empty(&[n, c, checked_numel(&[kh, kw])?, rows, columns], x.dtype())?;
        cuda::fold::write(&out, &copy::contiguous(&x.detached())?, on_gpu(b)?, false, planes(b)?)?;
        return Ok(out);
    }
    let input = if b.padding == [0, 0] {
        x.detached()
    } else {
        let [h, w] = b.padded();
        let padded = creation::zeros(&[n, c, h, w], x.dtype())?;
        copy::write(&b.inside(&padded)?, &x.detached())?;
        padded
    };
    let out = Tensor::empty(&[n, c, checked_numel(&[kh, kw])?, rows, columns], x.dtype())?;
    if out.numel() > 0 {
        for tap in 0..kh * kw {
            copy::write(&view::select(&out, 2, tap as i64)?, &b.tap(&input, tap / kw, tap % kw))?;
        }
    }
    Ok(out)
}

/// (n, c, h, w) to (n, c * taps, blocks).
fn unfold(x: &Tensor, b: Blocks) -> Result<Tensor> {
    let (n, c) = (x.size(0), x.size(1));
    let [rows, columns] = b.count;
    let [kh, kw] = b.kernel;
    let out = blocks_of(x, &b)?;
    let out =
        out.alias(Layout::contiguous(&[n, checked_numel(&[c, kh, kw])?, checked_numel(&[rows, columns])?]));
    if !autograd::needs_grad(&[x]) {
        return Ok(out);
    }
    Ok(autograd::record(out, "im2col", &[x], &[], move |cx| {
        let Some(g) = cx.grad() else { return Ok(smallvec![None]) };
        Ok(smallvec![Some(fold(g, b)?)])
    }))
}

/// (n, c, h, w) where blocks (n, c * taps, blocks) are laid over one another. No tape.
fn sum_of_blocks(x: &Tensor, b: &Blocks) -> Result<Tensor> {
    let [rows, columns] = b.count;
    let [kh, kw] = b.kernel;
    let (n, c) = (x.size(0), x.size(1) / (kh * kw));
    if x.device().is_cuda() {
        let out = Tensor::empty(&[n, c, b.image[0], b.image[1]], x.dtype())?;
        let [image, taps] = planes(b)?;
        cuda::fold::write(&out, &copy::contiguous(&x.detached())?, on_gpu(b)?, true, [taps, image])?;
        return Ok(out);
    }
    let half = matches!(x.dtype(), DType::F16 | DType::BF16);
    let input = if half { copy::to_dtype(&x.detached(), DType::F32)? } else { x.detached() };
    let [h, w] = b.padded();
    let padded = creation::zeros(&[n, c, h, w], input.dtype())?;
    if input.numel() > 0 {
        let taps = view::reshape_to(&copy::contiguous(&input)?, &[n, c, kh * kw, rows, columns])?;
        autograd::no_grad(|| -> Result<()> {
            for tap in 0..kh * kw {
                let place = b.tap(&padded, tap / kw, tap % kw);
                arithmetic::add_(&place, &view::select(&taps, 2, tap as i64)?)?;
            }
            Ok(())
        })?;
    }
    copy::to_dtype(&copy::contiguous(&b.inside(&padded)?.detach())?, x.dtype())
}

/// (n, c * taps, blocks) to (n, c, h, w): sums where blocks overlap.
fn fold(x: &Tensor, b: Blocks) -> Result<Tensor> {
    let out = sum_of_blocks(x, &b)?;
    if !autograd::needs_grad(&[x]) {
        return Ok(out);
    }
    Ok(autograd::record(out, "col2im", &[x], &[], move |cx| {
        let Some(g) = cx.grad() else { return Ok(smallvec![None]) };
        Ok(smallvec![Some(unfold(g, b)?)])
    }))
}

/// Frames (batch, count, size) laid over one another, `hop` apart, and summed: (batch, length).
pub fn overlap_add(frames: &Tensor, hop: usize, length: usize) -> Result<Tensor> {
    let b = Blocks {
        image: [1, length],
        kernel: [1, frames.size(2)],
        dilation: [1, 1],
        padding: [0, 0],
        stride: [1, hop],
        count: [1, frames.size(1)],
    };
    view::reshape_to(&fold(&view::transpose(frames, 1, 2)?, b)?, &[frames.size(0), length])
}

fn supported(x: &Tensor, name: &str) -> Result<()> {
    if x.dtype().is_integral() && x.dtype() != DType::Bool {
        bail!(Unsupported, "\"{name}\" not implemented for '{}'", x.dtype().scalar_name());
    }
    Ok(())
}

fn unfold_call(a: &Args) -> Result<Tensor> {
    let x = a.tensor(0);
    let n = x.ndim();
    if n != 3 && n != 4 || x.sizes()[n - 3..].contains(&0) {
        bail!(
            Shape,
            "Expected 3D or 4D (batch mode) tensor with possibly 0 batch size and other non-zero dimensions for input, but got: {}",
            Show(x.sizes())
        );
    }
    let blocks = Blocks::read(a, [x.size(n - 2), x.size(n - 1)], 1, "unfold")?;
    supported(x, "im2col")?;
    if n == 4 {
        return unfold(x, blocks);
    }
    view::squeeze(&unfold(&view::unsqueeze(x, 0)?, blocks)?, Some(&[0]))
}

fn fold_call(a: &Args) -> Result<Tensor> {
    let x = a.tensor(0);
    let n = x.ndim();
    if n != 2 && n != 3 || x.sizes()[n - 2..].contains(&0) {
        bail!(
            Shape,
            "Expected 2D or 3D (batch mode) tensor for input with possibly 0 batch size and non-zero dimensions for input, but got: {}",
            Show(x.sizes())
        );
    }
    let blocks = Blocks::read(a, two(a, 1, "output_size", "fold", 1)?, 2, "fold")?;
    let (taps, count) = (checked_numel(&blocks.kernel)?, checked_numel(&blocks.count)?);
    if !x.size(n - 2).is_multiple_of(taps) {
        bail!(
            Shape,
            "Expected size of input's dimension 1 to be divisible by the product of kernel_size, but got input.size(1)={} and kernel_size={}",
            x.size(n - 2),
            Show(&blocks.kernel)
        );
    }
    if x.size(n - 1) != count {
        bail!(
            Shape,
            "Given output_size={} and kernel_size={}, expected size of input's dimension 2 to match the calculated number of sliding blocks {} = {count}, but got input.size(2)={}",
            Show(&blocks.image),
            Show(&blocks.kernel),
            Show(&blocks.count),
            x.size(n - 1)
        );
    }
    supported(x, "col2im")?;
    if n == 3 {
        return fold(x, blocks);
    }
    view::squeeze(&fold(&view::unsqueeze(x, 0)?, blocks)?, Some(&[0]))
}

// ---- channels ----

/// Splits dims into parts, permutes the parts, and joins them to `sizes`. `back` undoes it.
fn rearranged(
    x: &Tensor,
    name: &'static str,
    [parts, sizes]: [&[usize]; 2],
    order: &[usize],
    back: impl Fn(&Tensor) -> Result<Tensor> + Send + Sync + 'static,
) -> Result<Tensor> {
    let lead = x.ndim() - sizes.len();
    let lead_sizes = || x.sizes()[..lead].iter().copied();
    let split: Sizes = lead_sizes().chain(parts.iter().copied()).collect();
    let order: SmallVec<[i64; 8]> =
        (0..lead).chain(order.iter().map(|i| lead + i)).map(|i| i as i64).collect();
    let joined: Sizes = lead_sizes().chain(sizes.iter().copied()).collect();
    let turned = view::permute(&view::reshape_to(&x.detached(), &split)?, &order)?;
    let mut out = copy::contiguous_copy(&turned)?.alias(Layout::contiguous(&joined));
    if x.ndim() == 4 {
        out = copy::in_format(&out, MemoryFormat::suggested_by(x.layout()))?;
    }
    if !autograd::needs_grad(&[x]) {
        return Ok(out);
    }
    Ok(autograd::record(out, name, &[x], &[], move |cx| Ok(smallvec![cx.grad().map(&back).transpose()?])))
}

/// (..., c * r * r, h, w) to (..., c, h * r, w * r).
fn pixel_shuffle(x: &Tensor, factor: i64) -> Result<Tensor> {
    let n = x.ndim();
    if n < 3 {
        bail!(
            Shape,
            "pixel_shuffle expects input to have at least 3 dimensions, but got input with {n} dimension(s)"
        );
    }
    if factor <= 0 {
        bail!(Shape, "pixel_shuffle expects a positive upscale_factor, but got {factor}");
    }
    let (c, h, w, r) = (x.size(n - 3), x.size(n - 2), x.size(n - 1), factor as usize);
    let Some(square) = r.checked_mul(r).filter(|square| c.is_multiple_of(*square)) else {
        bail!(
            Shape,
            "pixel_shuffle expects its input's 'channel' dimension to be divisible by the square of upscale_factor, but input.size(-3)={c} is not divisible by the square of {factor}"
        );
    };
    let c = c / square;
    checked_numel(&[h, r])?;
    checked_numel(&[w, r])?;
    let parts: [&[usize]; 2] = [&[c, r, r, h, w], &[c, h * r, w * r]];
    rearranged(x, "pixel_shuffle", parts, &[0, 3, 1, 4, 2], move |g| pixel_unshuffle(g, factor))
}

/// (..., c, h * r, w * r) to (..., c * r * r, h, w).
fn pixel_unshuffle(x: &Tensor, factor: i64) -> Result<Tensor> {
    let n = x.ndim();
    if n < 3 {
        bail!(
            Shape,
            "pixel_unshuffle expects input to have at least 3 dimensions, but got input with {n} dimension(s)"
        );
    }
    if factor <= 0 {
        bail!(Shape, "pixel_unshuffle expects a positive downscale_factor, but got {factor}");
    }
    let (c, h, w, r) = (x.size(n - 3), x.size(n - 2), x.size(n - 1), factor as usize);
    for (name, size) in [("height", h), ("width", w)] {
        if !size.is_multiple_of(r) {
            bail!(
                Shape,
                "pixel_unshuffle expects {name} to be divisible by downscale_factor, but {size} is not divisible by {factor}"
            );
        }
    }
    let square = checked_numel(&[c, r, r])?;
    let parts: [&[usize]; 2] = [&[c, h / r, r, w / r, r], &[square, h / r, w / r]];
    rearranged(x, "pixel_unshuffle", parts, &[0, 2, 4, 1, 3], move |g| pixel_shuffle(g, factor))
}

/// The channels of (n, c, ...) dealt out to groups.
fn channel_shuffle(x: &Tensor, groups: i64) -> Result<Tensor> {
    if x.ndim() < 3 {
        bail!(
            Shape,
            "channel_shuffle expects input with > 2 dims, but got input with sizes {}",
            Show(x.sizes())
        );
    }
    if groups <= 0 {
        bail!(Shape, "Number of groups to divide channels in must be positive. Value of groups:{groups}");
    }
    let (c, groups) = (x.size(1), groups as usize);
    if !c.is_multiple_of(groups) || c == 0 {
        bail!(Shape, "Number of channels must be divisible by groups. Got {c} channels and {groups} groups.");
    }
    let rest = x.sizes()[2..].iter().product();
    let mut sizes: Sizes = smallvec![c];
    sizes.extend_from_slice(&x.sizes()[2..]);
    let each = c / groups;
    let parts: [&[usize]; 2] = [&[groups, each, rest], &sizes];
    rearranged(x, "native_channel_shuffle", parts, &[1, 0, 2], move |g| channel_shuffle(g, each as i64))
}

// ---- affine grids ----

/// Coordinates along an axis from -1 to 1: of the corners' pixels, or of the pixels' centres.
fn coordinates(count: usize, align_corners: bool, dtype: DType) -> Result<Tensor> {
    if count == 1 {
        return creation::zeros(&[1], dtype);
    }
    let end = if align_corners { 1.0 } else { (count as f64 - 1.0) / count as f64 };
    // A short table, which the host makes.
    device::at(Device::Cpu, || creation::linspace(-end, end, count as i64, dtype))?.at_place()
}

/// The sampling grid of an affine map: theta (n, d, d + 1), size (n, c, ...) to (n, ..., d).
fn affine_grid(theta: &Tensor, size: &[i64], align_corners: bool) -> Result<Tensor> {
    let dims = size.len().wrapping_sub(2);
    if dims != 2 && dims != 3 {
        bail!(Unsupported, "affine_grid needs 4d (2D) or 5d (3D) sizes. Got size {}.", Show(size));
    }
    if !theta.dtype().is_floating() {
        bail!(Unsupported, "affine_grid is not implemented for '{}'", theta.dtype().scalar_name());
    }
    if theta.ndim() != 3 || theta.sizes()[1..] != [dims, dims + 1] {
        bail!(
            Value,
            "Expected a batch of {dims}D affine matrices of shape Nx{dims}x{} for size {}. Got {}.",
            dims + 1,
            Show(size),
            Show(theta.sizes())
        );
    }
    if size.iter().any(|&s| s <= 0) {
        bail!(Value, "Expected non-zero, positive output size. Got {}", Show(size));
    }
    let sizes = sizes_from(size)?;
    if theta.size(0) != sizes[0] {
        bail!(
            Shape,
            "Expected a batch of {} affine matrices, got theta of size {}",
            sizes[0],
            Show(theta.sizes())
        );
    }
    let space = &sizes[2..];
    let mut whole: Sizes = space.into();
    whole.push(dims + 1);
    let base = creation::full(&whole, crate::scalar::Scalar::Int(1), theta.dtype())?;
    for axis in 0..dims {
        // The last axis is the first coordinate.
        let line = coordinates(space[axis], align_corners, theta.dtype())?;
        let mut along: Sizes = smallvec![1; dims];
        along[axis] = space[axis];
        copy::write(
            &view::select(&base, dims as i64, (dims - 1 - axis) as i64)?,
            &view::reshape_to(&line, &along)?,
        )?;
    }
    let points = view::reshape_to(&base, &[1, checked_numel(space)?, dims + 1])?;
    let points = view::expand_to(&points, &[sizes[0], checked_numel(space)?, dims + 1])?;
    let grid = crate::ops::matmul::bmm(&points, &view::transpose(theta, 1, 2)?)?;
    let out: Sizes = sizes[..1].iter().chain(space).copied().chain([dims]).collect();
    view::reshape_to(&grid, &out)
}

pub const OPS: &[Op] = &[
    Op::new("nn.functional.unfold(Tensor input, int[2] kernel_size, int[2] dilation=1, int[2] padding=0, int[2] stride=1) -> Tensor", |a| {
        Ok(unfold_call(a)?.into())
    })
    .doc("The blocks of (n, c, h, w) or (c, h, w) as columns: (n, c * elements of a block, blocks).")
    .samples("t(2, 3, 5, 6), 2 | nc(3, 6, 5), (2, 3), (2, 1), (1, 2), (2, 1) | t(0, 2, 3, 3), 2"),
    Op::new("nn.functional.fold(Tensor input, int[2] output_size, int[2] kernel_size, int[2] dilation=1, int[2] padding=0, int[2] stride=1) -> Tensor", |a| {
        Ok(fold_call(a)?.into())
    })
    .doc("The image (n, c, *output_size) whose blocks the columns of (n, c * elements of a block, blocks) add up to.")
    .samples("t(2, 12, 20), (5, 6), 2 | t(18, 15), (6, 5), (2, 3), (2, 1), (1, 1), (2, 1)"),
    Op::new("pixel_shuffle(Tensor input, int upscale_factor) -> Tensor", |a| {
        Ok(pixel_shuffle(a.tensor(0), a.int(1))?.into())
    })
    .doc("(..., c * r * r, h, w) to (..., c, h * r, w * r).")
    .samples("t(2, 8, 2, 3), 2"),
    Op::new("pixel_unshuffle(Tensor input, int downscale_factor) -> Tensor", |a| {
        Ok(pixel_unshuffle(a.tensor(0), a.int(1))?.into())
    })
    .doc("(..., c, h * r, w * r) to (..., c * r * r, h, w).")
    .samples("t(2, 2, 4, 6), 2"),
    Op::new("channel_shuffle(Tensor input, int groups) -> Tensor", |a| {
        Ok(channel_shuffle(a.tensor(0), a.int(1))?.into())
    })
    .doc("The channels of (n, c, ...) dealt out to groups: channel i of group j comes after channel i of group j - 1.")
    .samples("t(2, 6, 3), 3 | t(1, 4, 2, 2), 2"),
    Op::new("affine_grid_generator(Tensor theta, int[] size, bool align_corners) -> Tensor", |a| {
        Ok(affine_grid(a.tensor(0), a.ints(1), a.bool(2))?.into())
    })
    .doc("The grid at which affine maps theta (n, d, d + 1) sample: (n, ..., d) for the size (n, c, ...)."),
];
