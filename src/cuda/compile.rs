//! Compiles the text of kernels to code for one architecture, and keeps it on disk.

use std::ffi::CString;
use std::fs;
use std::hash::{DefaultHasher, Hasher};
use std::path::PathBuf;

use crate::cuda::library;
use crate::error::{Error, Result};

/// Where compiled kernels are kept; an empty value keeps none.
pub const CACHE_VARIABLE: &str = "RUSTNN_KERNEL_CACHE";

/// Goes before every kernel: types, conversions, strides, and the functions of formulas.
pub const PROLOGUE: &str = concat!(include_str!("kernels/prologue.cu"), include_str!("kernels/math.cu"));

/// Machine code of `source` for an architecture such as `sm_90`, from the cache or from the compiler.
pub fn cubin(source: &str, architecture: &str) -> Result<Vec<u8>> {
    let text = format!("{PROLOGUE}{source}");
    let file = cache_file(&text, architecture);
    if let Some(code) = file.as_ref().and_then(|f| read(f, &text)) {
        return Ok(code);
    }
    let code = compile(&text, architecture)?;
    if let Some(file) = file {
        write(&file, &text, &code);
    }
    Ok(code)
}

/// Compiles without a cache.
pub fn compile(text: &str, architecture: &str) -> Result<Vec<u8>> {
    let failed = |what: &str| Error::Device(format!("a CUDA kernel did not compile: {what}"));
    let compiler = library::compiler()?;
    let text = CString::new(text).map_err(|_| failed("its text has a zero byte"))?;
    let architecture = CString::new(format!("--gpu-architecture={architecture}"))
        .map_err(|_| failed("its architecture has a zero byte"))?;
    let options = [architecture, c"--std=c++17".to_owned(), c"-default-device".to_owned()];
    compiler.cubin(&text, &options).map_err(|what| failed(&what))
}

fn cache_file(text: &str, architecture: &str) -> Option<PathBuf> {
    let folder = match std::env::var_os(CACHE_VARIABLE) {
        Some(folder) if folder.is_empty() => return None,
        Some(folder) => PathBuf::from(folder),
        None => match std::env::var_os("XDG_CACHE_HOME").filter(|f| !f.is_empty()) {
            Some(cache) => PathBuf::from(cache).join("rustnn"),
            None => PathBuf::from(std::env::var_os("HOME")?).join(".cache").join("rustnn"),
        },
    };
    let mut hasher = DefaultHasher::new();
    hasher.write(text.as_bytes());
    Some(folder.join(format!("{:016x}.{architecture}", hasher.finish())))
}

/// A file has the length of the text, the text, and the code: two texts of one hash are told apart.
fn read(file: &PathBuf, text: &str) -> Option<Vec<u8>> {
    let bytes = fs::read(file).ok()?;
    let (length, rest) = bytes.split_at_checked(8)?;
    let length = usize::try_from(u64::from_le_bytes(length.try_into().ok()?)).ok()?;
    let (kept, code) = rest.split_at_checked(length)?;
    (kept == text.as_bytes()).then(|| code.to_vec())
}

/// A cache that cannot be written is no error. The file appears whole or not at all.
fn write(file: &PathBuf, text: &str, code: &[u8]) {
    let mut bytes = (text.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(text.as_bytes());
    bytes.extend_from_slice(code);
    let temporary = file.with_extension(format!("{}.tmp", std::process::id()));
    let Some(folder) = file.parent() else { return };
    let written = fs::create_dir_all(folder)
        .and_then(|()| fs::write(&temporary, bytes))
        .and_then(|()| fs::rename(&temporary, file));
    if written.is_err() {
        let _ = fs::remove_file(temporary);
    }
}
