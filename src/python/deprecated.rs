//! Orders of arguments that PyTorch deprecates and still takes: numbers stood before the tensors that they scale.

use std::sync::Once;

use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::python::arguments::Call;
use crate::python::convert::{number_of, tensor_of};
use crate::python::entry::{Keywords, Positional};
use crate::python::warnings;

/// Such orders of an operation.
struct Orders {
    /// The keywords that its numbers are today.
    keywords: &'static [&'static str],
    /// What the positional arguments are, `n`umbers and `t`ensors.
    function: &'static [&'static str],
    method: &'static [&'static str],
}

fn orders_of(operation: &str) -> Option<Orders> {
    Some(match operation {
        "add" | "sub" => Orders { keywords: &["alpha"], function: &["tnt"], method: &["nt"] },
        "addcdiv" | "addcmul" => Orders { keywords: &["value"], function: &["tntt"], method: &["ntt"] },
        "addbmm" | "addmm" | "addmv" | "addr" | "baddbmm" => {
            Orders { keywords: &["beta", "alpha"], function: &["nttt", "ntntt"], method: &["ntt", "nntt"] }
        }
        _ => return None,
    })
}

/// The same call with its numbers as keywords, if it is one of those. Warns, once in a process.
pub fn modernized<'py>(
    py: Python<'py>,
    name: &str,
    is_method: bool,
    call: &Call<'_, 'py>,
) -> PyResult<Option<(Positional<'py>, Keywords<'py>)>> {
    let Some(Orders { keywords, function, method }) = orders_of(name.trim_end_matches('_')) else {
        return Ok(None);
    };
    let mut order = String::new();
    let mut positional = Positional::new();
    let mut numbers = Positional::new();
    for argument in call.positional {
        if tensor_of(argument).is_some() {
            order.push('t');
            positional.push(argument.clone());
        } else if number_of(argument)?.is_some() {
            order.push('n');
            numbers.push(argument.clone());
        } else {
            return Ok(None);
        }
    }
    if !(if is_method { method } else { function }).contains(&&*order) {
        return Ok(None);
    }
    let listed = keywords[..numbers.len()].join(", ");
    static WARN: Once = Once::new();
    let mut warning = None;
    WARN.call_once(|| {
        warning = Some(format!(
            "This overload of {name} is deprecated: numbers before the tensors. Consider using keywords instead: {listed}"
        ));
    });
    if let Some(text) = warning {
        warnings::show(py, &text)?;
    }
    let named = keywords.iter().map(|keyword| PyString::new(py, keyword)).zip(numbers);
    Ok(Some((positional, named.chain(call.keywords.iter().cloned()).collect())))
}
