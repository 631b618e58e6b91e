//! Finds NVIDIA's libraries. Nothing of CUDA is linked: the driver comes with the machine, the compiler
//! (NVRTC) from a package, the system, or a folder that is named. What is there is loaded by its full path
//! before `cudarc` asks the system for it by name; what is missing becomes an error.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use libloading::Library;

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
fn preload(file: &Path) -> bool {
    #[cfg(unix)]
    // SAFETY: NVIDIA's libraries may be loaded at any time; what they run at loading is theirs to vouch for.
    let library = unsafe {
        use libloading::os::unix;
        unix::Library::open(Some(file), unix::RTLD_NOW | unix::RTLD_GLOBAL).map(Library::from)
    };
    #[cfg(not(unix))]
    // SAFETY: as above.
    let library = unsafe { Library::new(file) };
    library.map(std::mem::forget).is_ok()
}

/// Whether the driver's library is there. It is looked for once.
pub fn driver_is_there() -> bool {
    static THERE: OnceLock<bool> = OnceLock::new();
    *THERE.get_or_init(|| {
        if let Some(file) = std::env::var_os(DRIVER_VARIABLE) {
            preload(Path::new(&file));
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

/// Makes sure of the compiler.
pub fn load_compiler() -> Result<()> {
    static THERE: OnceLock<bool> = OnceLock::new();
    let there = *THERE.get_or_init(|| {
        let named = std::env::var_os(FOLDERS_VARIABLE);
        let mut folders: Vec<PathBuf> = named.iter().flat_map(std::env::split_paths).collect();
        folders.extend(FOLDERS.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned());
        for folder in folders {
            if COMPILER.map(|name| folder.join(name)).iter().filter(|f| f.is_file()).all(|f| preload(f))
                && folder.join(COMPILER[1]).is_file()
            {
                break;
            }
        }
        // SAFETY: loads the library by its name, if it is there.
        unsafe { cudarc::nvrtc::sys::is_culib_present() }
    });
    if there {
        return Ok(());
    }
    Err(Error::Device(format!(
        "the CUDA compiler (NVRTC 13.0) was not found: install it by `pip install nvidia-cuda-nvrtc==13.0.*`, or name its folder in {FOLDERS_VARIABLE}"
    )))
}
