//! PyTorch's names of backward nodes, where they are not simply the operation's own name.
//!
//! They count overloads (`SumBackward1` is the sum over dimensions), and an operation that is made of
//! others here may be one there. The outermost node of such a result is called as PyTorch calls it.

use crate::ops::registry::{Args, Value};

/// The name of the node behind the result of a call; empty if it is to keep its own.
pub type NodeName = fn(&Args) -> &'static str;

/// The name for an operation of this name, if it needs one.
pub fn of(op: &str) -> Option<NodeName> {
    NAMES.iter().find(|(name, _)| *name == op).map(|(_, node)| *node)
}

fn tensor(a: &Args, i: usize) -> bool {
    matches!(a.0.get(i), Some(Value::Tensor(_)))
}

/// One of three, by which of two arguments are tensors: the first, both, the second.
fn by_tensors(a: &Args, names: [&'static str; 3]) -> &'static str {
    match (tensor(a, 0), tensor(a, 1)) {
        (_, false) => names[0],
        (true, true) => names[1],
        (false, true) => names[2],
    }
}

/// Whether the call is that of an overload with more than `n` parameters.
fn longer(a: &Args, n: usize) -> bool {
    a.0.len() > n
}

const NAMES: &[(&str, NodeName)] = &[
    // Overloads.
    ("sum", |a| if longer(a, 2) { "SumBackward1" } else { "SumBackward0" }),
    ("mean", |a| if longer(a, 2) { "MeanBackward1" } else { "MeanBackward0" }),
    ("prod", |a| if longer(a, 2) { "ProdBackward1" } else { "ProdBackward0" }),
    ("median", |a| if longer(a, 1) { "MedianBackward1" } else { "MedianBackward0" }),
    ("nanmedian", |a| if longer(a, 1) { "NanmedianBackward1" } else { "NanmedianBackward0" }),
    ("max", |a| match () {
        () if tensor(a, 1) => "MaximumBackward0",
        () if longer(a, 1) => "MaxBackward0",
        () => "MaxBackward1",
    }),
    ("min", |a| match () {
        () if tensor(a, 1) => "MinimumBackward0",
        () if longer(a, 1) => "MinBackward0",
        () => "MinBackward1",
    }),
    ("squeeze", |a| match a.0.get(1) {
        None => "SqueezeBackward0",
        Some(Value::Ints(dims)) if dims.len() != 1 => "SqueezeBackward2",
        Some(_) => "SqueezeBackward1",
    }),
    ("pow", |a| by_tensors(a, ["PowBackward0", "PowBackward1", "PowBackward2"])),
    ("float_power", |a| by_tensors(a, ["PowBackward0", "PowBackward1", "PowBackward2"])),
    ("remainder", |a| by_tensors(a, ["RemainderBackward0", "RemainderBackward1", "RemainderBackward1"])),
    ("fmod", |a| by_tensors(a, ["FmodBackward0", "FmodBackward1", "FmodBackward1"])),
    ("copysign", |a| by_tensors(a, ["CopysignBackward1", "CopysignBackward0", "CopysignBackward0"])),
    ("xlogy", |a| by_tensors(a, ["XlogyBackward2", "XlogyBackward0", "XlogyBackward1"])),
    ("special.xlogy", |a| by_tensors(a, ["XlogyBackward2", "XlogyBackward0", "XlogyBackward1"])),
    ("special.zeta", |a| {
        by_tensors(a, ["SpecialZetaBackward2", "SpecialZetaBackward0", "SpecialZetaBackward1"])
    }),
    ("special.xlog1py", |a| {
        by_tensors(a, ["SpecialXlog1PyBackward2", "SpecialXlog1PyBackward0", "SpecialXlog1PyBackward1"])
    }),
    ("rsub", |a| if tensor(a, 1) { "RsubBackward0" } else { "RsubBackward1" }),
    ("div", |a| match a.str(2) {
        None => "DivBackward0",
        Some(_) if tensor(a, 1) => "DivBackward1",
        Some(_) => "DivBackward2",
    }),
    ("clamp", |a| if tensor(a, 1) || tensor(a, 2) { "ClampBackward0" } else { "ClampBackward1" }),
    ("round", |a| if a.opt_int(1).unwrap_or(0) == 0 { "RoundBackward0" } else { "RoundBackward1" }),
    ("lerp", |a| if tensor(a, 2) { "LerpBackward1" } else { "LerpBackward0" }),
    ("fill", |a| if tensor(a, 1) { "FillBackward1" } else { "FillBackward0" }),
    ("masked_fill", |a| if tensor(a, 2) { "MaskedFillBackward1" } else { "MaskedFillBackward0" }),
    ("index_fill", |a| if tensor(a, 3) { "IndexFillBackward1" } else { "IndexFillBackward0" }),
    ("scatter", |a| match (tensor(a, 3), longer(a, 4)) {
        (true, false) => "ScatterBackward0",
        (false, false) => "ScatterBackward1",
        (true, true) => "ScatterBackward2",
        (false, true) => "ScatterBackward3",
    }),
    // One operation there, several here.
    ("matmul", |a| match (a.tensor(0).ndim(), a.tensor(1).ndim()) {
        (1, 1) => "DotBackward0",
        (2, 1) => "MvBackward0",
        (1, 2) => "SqueezeBackward4",
        _ => "",
    }),
    ("linear", |a| match (a.tensor(0).ndim(), tensor(a, 2)) {
        (1, false) => "SqueezeBackward4",
        (2, false) => "MmBackward0",
        _ => "",
    }),
    ("mv", |_| "MvBackward0"),
    ("dot", |_| "DotBackward0"),
    ("vdot", |_| "VdotBackward0"),
    ("addmm", |_| "AddmmBackward0"),
    ("addmv", |_| "AddmvBackward0"),
    ("addr", |_| "AddrBackward0"),
    ("addbmm", |_| "AddbmmBackward0"),
    ("baddbmm", |_| "BaddbmmBackward0"),
    ("cross", |_| "LinalgCrossBackward0"),
    ("linalg.cross", |_| "LinalgCrossBackward0"),
    ("cholesky", |_| "CholeskyBackward0"),
    ("linalg.cholesky", |_| "LinalgCholeskyExBackward0"),
    ("linalg.cholesky_ex", |_| "LinalgCholeskyExBackward0"),
    ("linalg.solve", |_| "LinalgSolveExBackward0"),
    ("linalg.solve_ex", |_| "LinalgSolveExBackward0"),
    ("linalg.solve_triangular", |_| "LinalgSolveTriangularBackward0"),
    ("triangular_solve", |_| "TriangularSolveBackward0"),
    ("linalg.lstsq", |_| "LinalgLstsqBackward0"),
    ("linalg.lu", |_| "LinalgLuBackward0"),
    ("lu_unpack", |_| "LuUnpackBackward0"),
    ("linalg.lu_solve", |_| "LinalgLuSolveBackward0"),
    ("lu_solve", |_| "LinalgLuSolveBackward0"),
    ("linalg.householder_product", |_| "LinalgHouseholderProductBackward0"),
    ("orgqr", |_| "LinalgHouseholderProductBackward0"),
    ("ormqr", |_| "OrmqrBackward0"),
    ("fft.fftshift", |_| "RollBackward0"),
    ("fft.ifftshift", |_| "RollBackward0"),
    ("combinations", |_| "StackBackward0"),
    ("cdist", |_| "CdistBackward0"),
    ("tril", |_| "TrilBackward0"),
    ("triu", |_| "TriuBackward0"),
    ("trace", |_| "TraceBackward0"),
    ("roll", |_| "RollBackward0"),
    ("rot90", |_| "Rot90Backward0"),
    ("nansum", |_| "NansumBackward0"),
    ("dist", |_| "DistBackward0"),
    ("renorm", |_| "RenormBackward0"),
    ("norm", |_| "LinalgVectorNormBackward0"),
    ("linalg.vector_norm", |_| "LinalgVectorNormBackward0"),
    ("pairwise_distance", |_| "NormBackward1"),
    ("cosine_similarity", |_| "SumBackward1"),
    ("linalg.vecdot", |_| "SumBackward1"),
    ("polygamma", |_| "PolygammaBackward0"),
    ("mvlgamma", |_| "MvlgammaBackward0"),
    ("ldexp", |_| "LdexpBackward0"),
    ("sgn", |_| "SgnBackward0"),
    ("polar", |_| "PolarBackward0"),
    ("stack", |_| "StackBackward0"),
    ("take", |_| "TakeBackward0"),
    ("put", |_| "PutBackward0"),
    ("index_select", |_| "IndexSelectBackward0"),
    ("unbind", |_| "UnbindBackward0"),
    ("chunk", |_| "SplitBackward0"),
    ("split", |a| if a.opt_ints(1).is_some() { "SplitWithSizesBackward0" } else { "SplitBackward0" }),
    ("split_with_sizes", |_| "SplitWithSizesBackward0"),
    ("unsafe_split", |_| "UnsafeSplitBackward0"),
    ("unsafe_split_with_sizes", |_| "UnsafeSplitWithSizesBackward0"),
    ("unsafe_chunk", |_| "UnsafeSplitBackward0"),
    ("narrow_copy", |_| "NarrowCopyBackward0"),
    ("aminmax", |_| "AminmaxBackward0"),
    ("var_mean", |_| "VarMeanBackward0"),
    ("std_mean", |_| "StdMeanBackward0"),
    ("embedding", |_| "EmbeddingBackward0"),
    ("prelu", |_| "PreluKernelBackward0"),
    ("rrelu", |_| "RreluWithNoiseBackward0"),
    ("selu", |_| "EluBackward0"),
    ("channel_shuffle", |_| "ChannelShuffleBackward0"),
    ("conv_tbc", |_| "ConvTbcBackward0"),
    ("conv_transpose1d", |_| "ConvolutionBackward0"),
    ("conv_transpose2d", |_| "ConvolutionBackward0"),
    ("conv_transpose3d", |_| "ConvolutionBackward0"),
    ("nn.functional.unfold", |_| "Im2ColBackward0"),
    ("nn.functional.fold", |_| "Col2ImBackward0"),
    ("nn.functional.glu", |_| "GluBackward0"),
    ("nn.functional.logsigmoid", |_| "LogSigmoidBackward0"),
    ("nn.functional.selu", |_| "EluBackward0"),
    ("nn.functional.prelu", |_| "PreluKernelBackward0"),
    ("nn.functional.rrelu", |_| "RreluWithNoiseBackward0"),
    ("nn.functional.mse_loss", |_| "MseLossBackward0"),
    ("nn.functional.smooth_l1_loss", |_| "SmoothL1LossBackward0"),
    ("nn.functional.soft_margin_loss", |_| "SoftMarginLossBackward0"),
    ("nn.functional.huber_loss", |_| "HuberLossBackward0"),
    ("nn.functional.binary_cross_entropy", |_| "BinaryCrossEntropyBackward0"),
    ("binary_cross_entropy_with_logits", |_| "BinaryCrossEntropyWithLogitsBackward0"),
    ("nn.functional.multi_margin_loss", |_| "MultiMarginLossBackward0"),
    ("nn.functional.multilabel_margin_loss", |_| "MultilabelMarginLossBackward0"),
    ("nn.functional.max_unpool2d", |_| "MaxUnpool2DBackward0"),
    ("nn.functional.max_unpool3d", |_| "MaxUnpool3DBackward0"),
    ("nn.functional.affine_grid", |_| "AffineGridGeneratorBackward0"),
    // Names of their own.
    ("special.erfcx", |_| "SpecialErfcxBackward0"),
    ("special.ndtri", |_| "SpecialNdtriBackward0"),
    ("special.log_ndtr", |_| "SpecialLogNdtrBackward0"),
    ("special.entr", |_| "SpecialEntrBackward0"),
    ("special.i0e", |_| "SpecialI0EBackward0"),
    ("special.i1", |_| "SpecialI1Backward0"),
    ("special.i1e", |_| "SpecialI1EBackward0"),
];
