//! NVIDIA's run-time compiler, called in the very file that was found for it: something else in the process may
//! have loaded another library of the same name.

use std::ffi::{CStr, CString, c_char, c_int, c_void};

use libloading::Library;

type Program = *mut c_void;
type Names = *const *const c_char;

/// The functions of the compiler that are used.
pub struct Compiler {
    create: unsafe extern "C" fn(*mut Program, *const c_char, *const c_char, c_int, Names, Names) -> c_int,
    destroy: unsafe extern "C" fn(*mut Program) -> c_int,
    compile: unsafe extern "C" fn(Program, c_int, Names) -> c_int,
    log_size: unsafe extern "C" fn(Program, *mut usize) -> c_int,
    log: unsafe extern "C" fn(Program, *mut c_char) -> c_int,
    cubin_size: unsafe extern "C" fn(Program, *mut usize) -> c_int,
    cubin: unsafe extern "C" fn(Program, *mut c_char) -> c_int,
    error_string: unsafe extern "C" fn(c_int) -> *const c_char,
}

impl Compiler {
    /// Of a library that stays loaded; `None` if it lacks a function.
    pub fn of(library: &'static Library) -> Option<Compiler> {
        // SAFETY: the functions have had these types in every version of the compiler that makes cubins.
        unsafe {
            Some(Compiler {
                create: *library.get(b"nvrtcCreateProgram\0").ok()?,
                destroy: *library.get(b"nvrtcDestroyProgram\0").ok()?,
                compile: *library.get(b"nvrtcCompileProgram\0").ok()?,
                log_size: *library.get(b"nvrtcGetProgramLogSize\0").ok()?,
                log: *library.get(b"nvrtcGetProgramLog\0").ok()?,
                cubin_size: *library.get(b"nvrtcGetCUBINSize\0").ok()?,
                cubin: *library.get(b"nvrtcGetCUBIN\0").ok()?,
                error_string: *library.get(b"nvrtcGetErrorString\0").ok()?,
            })
        }
    }

    /// Machine code of a text; what the compiler says against it, if there is none.
    pub fn cubin(&self, text: &CStr, options: &[CString]) -> Result<Vec<u8>, String> {
        struct Made<'a>(&'a Compiler, Program);
        impl Drop for Made<'_> {
            fn drop(&mut self) {
                // SAFETY: made below, destroyed once.
                unsafe { (self.0.destroy)(&mut self.1) };
            }
        }
        let options: Vec<*const c_char> = options.iter().map(|o| o.as_ptr()).collect();
        let mut program: Program = std::ptr::null_mut();
        // SAFETY: texts end in zero; there are no headers.
        let made = unsafe {
            let (none, name) = (std::ptr::null(), c"rustnn.cu");
            (self.create)(&mut program, text.as_ptr(), name.as_ptr(), 0, none, none)
        };
        self.checked(made)?;
        let made = Made(self, program);
        // SAFETY: the program is alive; as many options as it is told.
        let compiled = unsafe { (self.compile)(made.1, options.len() as c_int, options.as_ptr()) };
        if let Err(error) = self.checked(compiled) {
            let log = self.bytes(made.1, self.log_size, self.log).unwrap_or_default();
            return Err(format!("{error}\n{}", String::from_utf8_lossy(&log).trim_end_matches('\0')));
        }
        self.bytes(made.1, self.cubin_size, self.cubin)
    }

    /// What a pair of functions tells the size of, and writes.
    fn bytes(
        &self,
        program: Program,
        size: unsafe extern "C" fn(Program, *mut usize) -> c_int,
        write: unsafe extern "C" fn(Program, *mut c_char) -> c_int,
    ) -> Result<Vec<u8>, String> {
        let mut count = 0;
        // SAFETY: the program is alive.
        self.checked(unsafe { size(program, &mut count) })?;
        let mut bytes = vec![0u8; count];
        // SAFETY: the buffer has the size that was told.
        self.checked(unsafe { write(program, bytes.as_mut_ptr().cast()) })?;
        Ok(bytes)
    }

    fn checked(&self, code: c_int) -> Result<(), String> {
        if code == 0 {
            return Ok(());
        }
        // SAFETY: the compiler has a static text for every code.
        Err(unsafe { CStr::from_ptr((self.error_string)(code)) }.to_string_lossy().into_owned())
    }
}
