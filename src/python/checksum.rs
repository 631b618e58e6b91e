//! The checksum of files: CRC-32 as zip archives have it, several times as fast as the standard library's.

use pyo3::buffer::PyUntypedBuffer;
use pyo3::exceptions::PyBufferError;
use pyo3::prelude::*;

/// The checksum of `data`, contiguous bytes, going on from that of the bytes before.
#[pyfunction]
#[pyo3(signature = (data, value = 0))]
fn _crc32(data: &Bound<'_, PyAny>, value: u32) -> PyResult<u32> {
    let buffer = PyUntypedBuffer::get(data)?;
    if !buffer.is_c_contiguous() {
        return Err(PyBufferError::new_err("a checksum needs contiguous memory"));
    }
    let (address, len) = (buffer.buf_ptr() as usize, buffer.len_bytes());
    let mut hasher = crc32fast::Hasher::new_with_initial(value);
    if len > 0 {
        data.py().detach(|| {
            // SAFETY: the buffer keeps `len` bytes there; who writes to them meanwhile gets another sum.
            hasher.update(unsafe { std::slice::from_raw_parts(address as *const u8, len) });
        });
    }
    Ok(hasher.finalize())
}

pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_function(wrap_pyfunction!(_crc32, m)?)
}
