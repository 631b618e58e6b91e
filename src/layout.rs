//! Sizes, strides and offset of a tensor, and everything that can be worked out from them without
//! touching memory: broadcasting, views, reordering. All products are checked for overflow.

use smallvec::SmallVec;

use crate::bail;
use crate::error::{Error, Result};

/// Sizes, one a dimension. Up to five stay inline.
pub type Sizes = SmallVec<[usize; 5]>;
/// Strides in elements, one a dimension.
pub type Strides = SmallVec<[isize; 5]>;

#[derive(Debug, PartialEq, Eq, Default)]
pub struct Layout {
    pub sizes: Sizes,
    pub strides: Strides,
    /// Element of the storage at which index (0, ..., 0) stands.
    pub offset: usize,
}

impl Clone for Layout {
    #[inline(always)]
    fn clone(&self) -> Layout {
        let mut layout = Layout::default();
        layout.copy_from(self);
        layout
    }
}

impl Layout {
    /// Becomes a copy of `other`: all bytes at once where nothing is on the heap. A derived clone goes
    /// element by element, and reading the short stores of that back at once stalls the processor.
    #[inline(always)]
    pub fn copy_from(&mut self, other: &Layout) {
        let on_heap = |l: &Layout| l.sizes.spilled() || l.strides.spilled();
        if on_heap(self) || on_heap(other) {
            return self.copy_from_heap(other);
        }
        // SAFETY: inline lists of plain values own nothing, so their bytes are lists of their own.
        unsafe { std::ptr::copy_nonoverlapping(other, self, 1) };
    }

    #[cold]
    #[inline(never)]
    fn copy_from_heap(&mut self, other: &Layout) {
        let (sizes, strides) = (other.sizes.clone(), other.strides.clone());
        *self = Layout { sizes, strides, offset: other.offset };
    }

    /// Becomes the layout of a contiguous tensor.
    pub fn set_contiguous(&mut self, sizes: &[usize]) {
        self.sizes.clear();
        self.strides.clear();
        self.offset = 0;
        for &size in sizes {
            self.sizes.push(size);
            self.strides.push(1);
        }
        write_contiguous_strides(sizes, &mut self.strides);
    }
}

/// Whether two shapes are the same; for the few dimensions there are, sooner than a call of `memcmp`.
#[inline]
pub fn same_sizes(a: &[usize], b: &[usize]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(x, y)| x == y)
}

/// `[2, 3]`, as PyTorch's messages print sizes.
pub struct Show<'a, T>(pub &'a [T]);

impl<T: std::fmt::Display> std::fmt::Display for Show<'_, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[")?;
        for (i, v) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str(", ")?;
            }
            write!(f, "{v}")?;
        }
        f.write_str("]")
    }
}

/// Row-major strides. Dimensions of size 0 count as 1, as in PyTorch.
pub fn contiguous_strides(sizes: &[usize]) -> Strides {
    let mut strides: Strides = SmallVec::from_elem(1, sizes.len());
    write_contiguous_strides(sizes, &mut strides);
    strides
}

#[inline]
fn write_contiguous_strides(sizes: &[usize], strides: &mut [isize]) {
    let mut step = 1isize;
    for (stride, &size) in strides.iter_mut().zip(sizes).rev() {
        *stride = step;
        step = step.wrapping_mul(size.max(1) as isize);
    }
}

/// The order of the dimensions in memory that a caller may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemoryFormat {
    /// As the source has it, if that is dense.
    Preserve,
    Contiguous,
    /// Channels innermost: (N, H, W, C) in memory for sizes (N, C, H, W).
    ChannelsLast,
    ChannelsLast3d,
}

impl MemoryFormat {
    /// From the name that Python gives.
    pub fn read(name: Option<&str>) -> Result<Option<MemoryFormat>> {
        Ok(match name {
            None => None,
            Some("torch.preserve_format") => Some(MemoryFormat::Preserve),
            Some("torch.contiguous_format") => Some(MemoryFormat::Contiguous),
            Some("torch.channels_last") => Some(MemoryFormat::ChannelsLast),
            Some("torch.channels_last_3d") => Some(MemoryFormat::ChannelsLast3d),
            Some(other) => bail!(Type, "argument 'memory_format' must be torch.memory_format, not {other}"),
        })
    }

    /// What results take over from an input: channels innermost, where it has them so, else row-major.
    pub fn suggested_by(layout: &Layout) -> MemoryFormat {
        let format =
            if layout.ndim() == 5 { MemoryFormat::ChannelsLast3d } else { MemoryFormat::ChannelsLast };
        if !layout.is_contiguous() && format.describes(layout) { format } else { MemoryFormat::Contiguous }
    }

    /// Dense strides of this format for a copy of `source`.
    pub fn strides(self, source: &Layout) -> Result<Strides> {
        let (rank, name) = match self {
            MemoryFormat::Preserve => return Ok(source.dense_like()),
            MemoryFormat::Contiguous => return Ok(contiguous_strides(&source.sizes)),
            MemoryFormat::ChannelsLast => (4, "channels_last"),
            MemoryFormat::ChannelsLast3d => (5, "channels_last_3d"),
        };
        if source.ndim() != rank {
            bail!(Shape, "required rank {rank} tensor to use {name} format");
        }
        let mut order: SmallVec<[usize; 6]> = SmallVec::from_slice(&[1]);
        order.extend((2..rank).rev());
        order.push(0);
        Ok(dense_strides(&source.sizes, &order))
    }

    /// Whether a tensor has this format already.
    pub fn describes(self, layout: &Layout) -> bool {
        match self {
            MemoryFormat::Preserve | MemoryFormat::Contiguous => layout.is_contiguous(),
            _ => self.strides(layout).is_ok_and(|wanted| {
                let pairs = wanted.iter().zip(&layout.strides).zip(&layout.sizes);
                layout.numel() == 0 || pairs.into_iter().all(|((a, b), &n)| a == b || n == 1)
            }),
        }
    }
}

/// Number of elements, or an error when it does not fit.
pub fn checked_numel(sizes: &[usize]) -> Result<usize> {
    // Zeros do not excuse the other sizes from fitting: strides are products of them.
    let extent = sizes.iter().try_fold(1usize, |n, &s| n.checked_mul(s.max(1)));
    match extent {
        Some(n) if n <= isize::MAX as usize => Ok(sizes.iter().product()),
        _ => bail!(Shape, "Storage size calculation overflowed with sizes={}", Show(sizes)),
    }
}

/// Turns a dimension that may count from the end into an index below `ndim`.
/// A 0-d tensor accepts 0 and -1.
pub fn wrap_dim(dim: i64, ndim: usize) -> Result<usize> {
    let n = ndim.max(1) as i64;
    if dim < -n || dim >= n {
        bail!(
            Index,
            "Dimension out of range (expected to be in range of [{}, {}], but got {dim})",
            -n,
            n - 1
        );
    }
    Ok(if dim < 0 { dim + n } else { dim } as usize)
}

/// Several dimensions at once, each only once. The mask has bit `d` set for dimension `d`.
pub fn wrap_dims(dims: &[i64], ndim: usize) -> Result<u64> {
    let mut mask = 0u64;
    if ndim > 64 {
        bail!(Shape, "only tensors with up to 64 dims are supported");
    }
    for &dim in dims {
        let d = wrap_dim(dim, ndim)?;
        if mask & (1 << d) != 0 {
            bail!(Shape, "dim {d} appears multiple times in the list of dims");
        }
        mask |= 1 << d;
    }
    Ok(mask)
}

/// The shape two tensors broadcast to.
pub fn broadcast(a: &[usize], b: &[usize]) -> Result<Sizes> {
    if a == b {
        return Ok(a.into());
    }
    let n = a.len().max(b.len());
    let mut out: Sizes = SmallVec::from_elem(1, n);
    for i in 0..n {
        // `i` counts from the last dimension.
        let x = if i < a.len() { a[a.len() - 1 - i] } else { 1 };
        let y = if i < b.len() { b[b.len() - 1 - i] } else { 1 };
        out[n - 1 - i] = match (x, y) {
            (x, y) if x == y => x,
            (1, y) => y,
            (x, 1) => x,
            (x, y) => bail!(
                Shape,
                "The size of tensor a ({x}) must match the size of tensor b ({y}) at non-singleton dimension {}",
                n - 1 - i
            ),
        };
    }
    Ok(out)
}

/// Fills in at most one -1 of a requested shape so that it holds `numel` elements.
pub fn infer_size(shape: &[i64], numel: usize) -> Result<Sizes> {
    let mut known = 1usize;
    let mut unknown = None;
    for (i, &s) in shape.iter().enumerate() {
        match s {
            -1 if unknown.is_some() => bail!(Shape, "only one dimension can be inferred"),
            -1 => unknown = Some(i),
            s if s < 0 => bail!(Shape, "invalid shape dimension {s}"),
            s => {
                known = match known.checked_mul(s as usize) {
                    Some(k) => k,
                    None => bail!(Shape, "shape '{}' is invalid for input of size {numel}", Show(shape)),
                };
            }
        }
    }
    if unknown.is_some() && known == 0 {
        bail!(
            Shape,
            "cannot reshape tensor of {numel} elements into shape {} because the unspecified dimension size -1 can be any value and is ambiguous",
            Show(shape)
        );
    }
    let fits = if unknown.is_some() { numel.is_multiple_of(known) } else { known == numel };
    if !fits {
        bail!(Shape, "shape '{}' is invalid for input of size {numel}", Show(shape));
    }
    Ok(shape.iter().map(|&s| if s == -1 { numel / known } else { s as usize }).collect())
}

/// Sizes given by a user: none may be negative.
pub fn sizes_from(sizes: &[i64]) -> Result<Sizes> {
    if sizes.len() > 64 {
        bail!(Shape, "tensors with more than 64 dimensions are not supported, got {}", sizes.len());
    }
    sizes
        .iter()
        .map(|&s| {
            usize::try_from(s).map_err(|_| {
                Error::Shape(format!("Trying to create tensor with negative dimension {s}: {}", Show(sizes)))
            })
        })
        .collect()
}

/// The order of dimensions, innermost first, in which operands lie in memory. Earlier operands
/// decide before later ones; where none decides, the last dimension is innermost. These are the
/// rules by which PyTorch's TensorIterator lays out its results.
pub fn memory_order(sizes: &[usize], strides: &[&[isize]]) -> SmallVec<[usize; 6]> {
    let mut order: SmallVec<[usize; 6]> = (0..sizes.len()).rev().collect();
    // 1: `a` belongs outside `b`; -1: the other way; 0: undecided.
    let compare = |a: usize, b: usize| -> i32 {
        for s in strides {
            let (x, y) = (s[a], s[b]);
            if x == 0 || y == 0 {
                continue;
            }
            match x.cmp(&y) {
                std::cmp::Ordering::Less => return -1,
                std::cmp::Ordering::Greater => return 1,
                std::cmp::Ordering::Equal if sizes[a] > sizes[b] => return 1,
                std::cmp::Ordering::Equal => {}
            }
        }
        0
    };
    // Insertion sort, because "undecided" is not transitive.
    for i in 1..order.len() {
        let mut at = i;
        for j in (0..i).rev() {
            match compare(order[j], order[at]) {
                1 => {
                    order.swap(j, at);
                    at = j;
                }
                -1 => break,
                _ => {}
            }
        }
    }
    order
}

/// Dense strides for a new tensor whose dimensions lie in `order` (innermost first).
pub fn dense_strides(sizes: &[usize], order: &[usize]) -> Strides {
    let mut strides: Strides = SmallVec::from_elem(1, sizes.len());
    let mut step = 1isize;
    for &d in order {
        strides[d] = step;
        step = step.wrapping_mul(sizes[d].max(1) as isize);
    }
    strides
}

impl Layout {
    pub fn contiguous(sizes: &[usize]) -> Layout {
        let mut layout = Layout::default();
        layout.set_contiguous(sizes);
        layout
    }

    pub fn ndim(&self) -> usize {
        self.sizes.len()
    }

    #[inline]
    pub fn numel(&self) -> usize {
        self.sizes.iter().product()
    }

    #[inline]
    pub fn is_contiguous(&self) -> bool {
        let mut step = 1isize;
        for (&size, &stride) in self.sizes.iter().zip(&self.strides).rev() {
            if size != 1 {
                if stride != step {
                    return self.numel() == 0;
                }
                step *= size as isize;
            }
        }
        true
    }

    /// Whether every element has its own place and there are no gaps: any permutation of a
    /// contiguous layout.
    pub fn is_non_overlapping_and_dense(&self) -> bool {
        let mut dims: SmallVec<[(isize, usize); 5]> =
            self.strides.iter().copied().zip(self.sizes.iter().copied()).filter(|&(_, n)| n != 1).collect();
        dims.sort_unstable();
        let mut step = 1isize;
        for (stride, size) in dims {
            if size == 0 {
                return true;
            }
            if stride != step {
                return false;
            }
            step *= size as isize;
        }
        true
    }

    /// Whether two indices may reach the same element (conservative for exotic strides).
    pub fn has_internal_overlap(&self) -> bool {
        self.sizes.iter().zip(&self.strides).any(|(&n, &s)| n > 1 && s == 0) && self.numel() > 0
    }

    /// Lowest and one past the highest element of the storage that is reached; (offset, offset) when
    /// there are no elements.
    pub fn extent(&self) -> Option<(usize, usize)> {
        if self.numel() == 0 {
            return Some((self.offset, self.offset));
        }
        let (mut low, mut high) = (self.offset as isize, self.offset as isize);
        for (&n, &s) in self.sizes.iter().zip(&self.strides) {
            let span = s.checked_mul(n as isize - 1)?;
            if span < 0 {
                low = low.checked_add(span)?;
            } else {
                high = high.checked_add(span)?;
            }
        }
        (low >= 0).then_some((low as usize, high as usize + 1))
    }

    /// A view of this layout with more or larger dimensions of stride 0. `sizes` must be what
    /// [`broadcast`] returned for it.
    pub fn broadcast_to(&self, sizes: &[usize]) -> Layout {
        let lead = sizes.len() - self.ndim();
        let mut strides: Strides = SmallVec::from_elem(0, sizes.len());
        for d in 0..self.ndim() {
            if self.sizes[d] != 1 || sizes[lead + d] == 1 {
                strides[lead + d] = self.strides[d];
            }
        }
        Layout { sizes: sizes.into(), strides, offset: self.offset }
    }

    /// `Tensor.expand`: -1 keeps a size.
    pub fn expand(&self, shape: &[i64]) -> Result<Layout> {
        let n = self.ndim();
        if shape.len() < n {
            bail!(
                Shape,
                "expand(torch.FloatTensor{{{}}}, size={}): the number of sizes provided ({}) must be greater or equal to the number of dimensions in the tensor ({n})",
                Show(&self.sizes),
                Show(shape),
                shape.len()
            );
        }
        let lead = shape.len() - n;
        let mut out = Layout { offset: self.offset, ..Layout::default() };
        for (i, &s) in shape.iter().enumerate() {
            let own = if i >= lead { Some((self.sizes[i - lead], self.strides[i - lead])) } else { None };
            let (size, stride) = match (s, own) {
                (-1, Some((size, stride))) => (size, stride),
                (-1, None) => bail!(
                    Shape,
                    "The expanded size of the tensor (-1) isn't allowed in a leading, non-existing dimension {i}"
                ),
                (s, _) if s < 0 => bail!(
                    Shape,
                    "The expanded size of the tensor ({s}) isn't allowed to be negative at dimension {i}"
                ),
                (s, None) => (s as usize, 0),
                (s, Some((size, stride))) if size == s as usize => (size, stride),
                (s, Some((1, _))) => (s as usize, 0),
                (s, Some((size, _))) => bail!(
                    Shape,
                    "The expanded size of the tensor ({s}) must match the existing size ({size}) at non-singleton dimension {i}.  Target sizes: {}.  Tensor sizes: {}",
                    Show(shape),
                    Show(&self.sizes)
                ),
            };
            out.sizes.push(size);
            out.strides.push(stride);
        }
        checked_numel(&out.sizes)?;
        Ok(out)
    }

    /// Strides that show the same elements in another shape without a copy, if there are any.
    pub fn view(&self, sizes: &[usize]) -> Option<Layout> {
        let strides =
            if self.is_contiguous() { contiguous_strides(sizes) } else { self.view_strides(sizes)? };
        Some(Layout { sizes: Sizes::from_slice(sizes), strides, offset: self.offset })
    }

    /// Walks both shapes from the back, matching runs of dimensions that lie evenly in memory.
    fn view_strides(&self, sizes: &[usize]) -> Option<Strides> {
        if self.ndim() == 0 {
            return Some(SmallVec::from_elem(1, sizes.len()));
        }
        let mut strides: Strides = SmallVec::from_elem(0, sizes.len());
        let mut v = sizes.len() as isize - 1;
        let mut base = *self.strides.last()?;
        let (mut chunk, mut viewed) = (1usize, 1usize);
        for d in (0..self.ndim()).rev() {
            chunk *= self.sizes[d];
            let ends = d == 0 || (self.sizes[d - 1] != 1 && self.strides[d - 1] != chunk as isize * base);
            if !ends {
                continue;
            }
            while v >= 0 && (viewed < chunk || sizes[v as usize] == 1) {
                strides[v as usize] = viewed as isize * base;
                viewed *= sizes[v as usize];
                v -= 1;
            }
            if viewed != chunk {
                return None;
            }
            if d > 0 {
                base = self.strides[d - 1];
                (chunk, viewed) = (1, 1);
            }
        }
        (v == -1).then_some(strides)
    }

    pub fn transpose(&self, a: usize, b: usize) -> Layout {
        let mut out = self.clone();
        if self.ndim() > 0 {
            out.sizes.swap(a, b);
            out.strides.swap(a, b);
        }
        out
    }

    pub fn permute(&self, dims: &[usize]) -> Layout {
        Layout {
            sizes: dims.iter().map(|&d| self.sizes[d]).collect(),
            strides: dims.iter().map(|&d| self.strides[d]).collect(),
            offset: self.offset,
        }
    }

    pub fn unsqueeze(&self, dim: usize) -> Layout {
        let mut out = self.clone();
        let stride = if dim < self.ndim() { self.sizes[dim] as isize * self.strides[dim] } else { 1 };
        out.sizes.insert(dim, 1);
        out.strides.insert(dim, stride);
        out
    }

    /// Drops the dimensions of `mask` that have size 1.
    pub fn squeeze(&self, mask: u64) -> Layout {
        let keep = |d: &usize| self.sizes[*d] != 1 || mask & (1 << d) == 0;
        Layout {
            sizes: (0..self.ndim()).filter(keep).map(|d| self.sizes[d]).collect(),
            strides: (0..self.ndim()).filter(keep).map(|d| self.strides[d]).collect(),
            offset: self.offset,
        }
    }

    /// Without dimension `dim`, at `index` (which must be in range).
    pub fn select(&self, dim: usize, index: usize) -> Layout {
        let mut out = self.clone();
        out.offset = (out.offset as isize + index as isize * self.strides[dim]) as usize;
        out.sizes.remove(dim);
        out.strides.remove(dim);
        out
    }

    /// Every `step`-th of the indices `start..start + length * step` along `dim`.
    pub fn narrow(&self, dim: usize, start: usize, length: usize, step: usize) -> Layout {
        let mut out = self.clone();
        out.offset = (out.offset as isize + start as isize * self.strides[dim]) as usize;
        out.sizes[dim] = length;
        out.strides[dim] *= step as isize;
        out
    }

    /// The dense strides in this layout's own order of dimensions: what `empty_like` keeps.
    pub fn dense_like(&self) -> Strides {
        if self.is_contiguous() {
            contiguous_strides(&self.sizes)
        } else if self.is_non_overlapping_and_dense() {
            self.strides.clone()
        } else {
            dense_strides(&self.sizes, &memory_order(&self.sizes, &[&self.strides]))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn views_follow_memory() {
        let l = Layout::contiguous(&[2, 3, 4]);
        assert_eq!(l.view(&[6, 4]).unwrap().strides[..], [4, 1]);
        let t = l.transpose(0, 1);
        assert!(t.view(&[6, 4]).is_none());
        assert_eq!(t.view(&[3, 2, 2, 2]).unwrap().strides[..], [4, 12, 2, 1]);
        let expanded = Layout::contiguous(&[3, 1]).expand(&[3, 4]).unwrap();
        assert!(expanded.view(&[12]).is_none());
    }

    #[test]
    fn broadcasting_names_the_dimension() {
        assert_eq!(broadcast(&[2, 1], &[3]).unwrap()[..], [2, 3]);
        let message = broadcast(&[2, 4], &[3]).unwrap_err().to_string();
        assert!(message.contains("(4)") && message.contains("(3)") && message.ends_with("dimension 1"));
    }

    #[test]
    fn overflow_is_an_error() {
        assert!(checked_numel(&[usize::MAX, 2]).is_err());
        assert!(checked_numel(&[0, usize::MAX, 4]).is_err());
        assert!(infer_size(&[i64::MAX, 4], 8).is_err());
        assert!(infer_size(&[-1, 0], 0).is_err());
    }

    #[test]
    fn extents_cover_negative_strides() {
        let l = Layout { sizes: [3, 2].as_slice().into(), strides: [-2, 1].as_slice().into(), offset: 4 };
        assert_eq!(l.extent(), Some((0, 6)));
    }

    #[test]
    fn transposed_inputs_give_transposed_results() {
        assert_eq!(memory_order(&[3, 4], &[&[1, 3]])[..], [0, 1]);
        assert_eq!(memory_order(&[3, 4], &[&[4, 1], &[1, 3]])[..], [1, 0]);
        assert_eq!(dense_strides(&[3, 4], &[0, 1])[..], [1, 3]);
    }
}
