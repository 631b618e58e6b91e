//! Finds NVIDIA's libraries. Nothing of CUDA is linked: the driver comes with the machine, the compiler
//! (NVRTC) from a package, the system, or a folder that is named. The driver is loaded by its full path before
//! `cudarc` asks the system for it by name; what is missing becomes an error.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use libloading::Library;

use crate::cuda::nvrtc::Compiler;
use crate::error::{Error, Result};

/// A driver at another place than the system's: a path to a file.
pub const DRIVER_VARIABLE: &str = "RUSTNN_CUDA_DRIVER";
/// Folders of NVIDIA's libraries, in the notation of PATH; they come before all others.
pub const FOLDERS_VARIABLE: &str = "RUSTNN_CUDA_LIBRARIES";

static FOLDERS: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// Adds a folder in which libraries are looked for.
pub fn add_folder(folder: PathBuf) {
    FOLDERS.lock().unwrap_or_else(PoisonError::into_inner).push(folder);
}

/// Loads a file for the whole process; it stays loaded, as code of it may run until the end.
fn open(file: &Path) -> Option<&'static Library> {
    #[cfg(unix)]
    // SAFETY: NVIDIA's libraries may be loaded at any time; what they run at loading is theirs to vouch for.
    let library = unsafe {
        use libloading::os::unix;
        unix::Library::open(Some(file), unix::RTLD_NOW | unix::RTLD_GLOBAL).map(Library::from)
    };
    #[cfg(not(unix))]
    // SAFETY: as above.
    let library = unsafe { Library::new(file) };
    library.ok().map(|library| &*Box::leak(Box::new(library)))
}

/// Whether the driver's library is there. It is looked for once.
pub fn driver_is_there() -> bool {
    static THERE: OnceLock<bool> = OnceLock::new();
    *THERE.get_or_init(|| {
        if let Some(file) = std::env::var_os(DRIVER_VARIABLE) {
            open(Path::new(&file));
        }
        // SAFETY: loads the library by its name, if it is there.
        unsafe { cudarc::driver::sys::is_culib_present() }
    })
}

/// The compiler's files in the order in which they must be loaded: the second does not find the first.
#[cfg(unix)]
const COMPILER: [&str; 2] = ["libnvrtc-builtins.so.13.0", "libnvrtc.so.13"];
#[cfg(not(unix))]
const COMPILER: [&str; 2] = ["nvrtc-builtins64_130.dll", "nvrtc64_130_0.dll"];

/// The compiler. It is looked for once.
pub fn compiler() -> Result<&'static Compiler> {
    static FOUND: OnceLock<Option<Compiler>> = OnceLock::new();
    let found = FOUND.get_or_init(|| {
        let named = std::env::var_os(FOLDERS_VARIABLE);
        let mut folders: Vec<PathBuf> = named.iter().flat_map(std::env::split_paths).collect();
        folders.extend(FOLDERS.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned());
        let in_folder = |folder: PathBuf| {
            let [builtins, compiler] = COMPILER.map(|name| folder.join(name));
            if builtins.is_file() && open(&builtins).is_none() || !compiler.is_file() {
                return None;
            }
            Compiler::of(open(&compiler)?)
        };
        folders.into_iter().find_map(in_folder).or_else(|| Compiler::of(open(Path::new(COMPILER[1]))?))
    });
    found.as_ref().ok_or_else(|| {
        Error::Device(format!(
            "the CUDA compiler (NVRTC 13.0) was not found: install it by `pip install nvidia-cuda-nvrtc==13.0.*`, or name its folder in {FOLDERS_VARIABLE}"
        ))
    })
}
