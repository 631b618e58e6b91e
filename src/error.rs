//! What can go wrong, sorted by what went wrong. The Python floor turns each variant into the
//! exception type that PyTorch raises; the message already names the op, shapes and dtypes.

/// The result of everything that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Sizes or strides that do not fit together, or that overflow.
    #[error("{0}")]
    Shape(String),
    /// A dtype that the operation does not take.
    #[error("{0}")]
    DType(String),
    /// A device that is not there.
    #[error("{0}")]
    Device(String),
    /// A dimension or an index out of range.
    #[error("{0}")]
    Index(String),
    /// A misuse of the tape: freed graphs, modified saved tensors, leaves changed in place.
    #[error("{0}")]
    Autograd(String),
    /// A matrix that has no inverse, no factor, or whose decomposition does not converge.
    #[error("{0}")]
    LinAlg(String),
    /// An argument of the wrong type.
    #[error("{0}")]
    Type(String),
    /// An argument of the right type with a value that makes no sense.
    #[error("{0}")]
    Value(String),
    /// Something PyTorch can do and we cannot yet.
    #[error("{0}")]
    Unsupported(String),
    /// An operation that has no kernel for a device: it read its memory as the host's.
    #[error("the operation is not implemented for tensors on '{0}'")]
    NoKernel(crate::device::Device),
    /// A GPU has no such block of memory to give.
    #[error("{0}")]
    GpuOutOfMemory(String),
    /// The machine has no such block of memory to give.
    #[error("can't allocate memory: you tried to allocate {bytes} bytes")]
    OutOfMemory { bytes: usize },
    /// A failure inside code that the engine calls back, such as a hook; `token` lets the caller
    /// find its own error again.
    #[error("{message}")]
    Callback { message: String, token: u64 },
}

/// Returns early with an [`Error`] of the named variant: `bail!(Shape, "got {n} elements")`.
#[macro_export]
macro_rules! bail {
    ($variant:ident, $($message:tt)*) => {
        return Err($crate::error::Error::$variant(format!($($message)*)))
    };
}
