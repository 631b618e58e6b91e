//! Turns a formula of the table into the text of a kernel.

use std::fmt::Write;
use std::sync::LazyLock;

use crate::cpu::{bessel, special};
use crate::cuda::compile::PROLOGUE;
use crate::dtype::DType;

/// What a kernel gets for an argument of a formula.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Operand {
    Tensor(DType),
    /// A number, in the type that is computed in.
    Number,
}

/// How elements are found.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Side by side in all operands, as many at once.
    Flat(u8),
    /// By loops; the flag says whether 32 bits can count the elements.
    Strided { narrow: bool },
}

/// A kernel to be written: `out = formula(operands)`.
pub struct Kernel<'a> {
    pub formula: &'a str,
    pub names: &'a [&'a str],
    pub operands: &'a [Operand],
    /// What is computed in.
    pub compute: DType,
    /// The formula yields truth values.
    pub to_bool: bool,
    pub out: DType,
    pub order: Order,
}

/// The type of an element in memory.
pub fn stored(dtype: DType) -> &'static str {
    match dtype {
        DType::U8 => "unsigned char",
        DType::I8 => "signed char",
        DType::I16 => "short",
        DType::I32 => "int",
        DType::I64 => "long long",
        DType::F16 => "rn::f16",
        DType::BF16 => "rn::bf16",
        DType::F32 => "float",
        DType::F64 => "double",
        DType::C64 => "rn::Complex<float>",
        DType::C128 => "rn::Complex<double>",
        DType::Bool => "bool",
    }
}

/// The type in which elements of a dtype are computed.
pub fn computed(dtype: DType) -> DType {
    match dtype {
        DType::F16 | DType::BF16 | DType::F32 => DType::F32,
        DType::F64 | DType::C64 | DType::C128 => dtype,
        _ => DType::I64,
    }
}

fn computed_name(dtype: DType) -> &'static str {
    if dtype == DType::I64 { "rn::Int" } else { stored(dtype) }
}

/// A formula in C++: literals get the type that is computed in.
fn translate(formula: &str) -> String {
    let mut out = String::with_capacity(formula.len() + 32);
    let mut rest = formula;
    while let Some(c) = rest.chars().next() {
        let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '.';
        let mut end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
        if c.is_ascii_digit() {
            // The sign of an exponent belongs to the number.
            if rest[..end].ends_with('e') && rest[end..].starts_with('-') {
                end += 1 + rest[end + 1..].find(|c| !is_word(c)).unwrap_or(rest.len() - end - 1);
            }
            let _ = write!(out, "T({})", &rest[..end]);
            rest = &rest[end..];
        } else if end > 0 {
            out.push_str(&rest[..end]);
            rest = &rest[end..];
        } else {
            out.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    out
}

/// Goes before formulas that call a function of it: tables of coefficients, which are the CPU's, and functions.
fn special() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| {
        let tables: [(&str, &[f64]); 6] = [
            ("BERNOULLI_OVER_FACTORIAL", &special::BERNOULLI_OVER_FACTORIAL),
            ("K0", &bessel::K0),
            ("K1", &bessel::K1),
            ("AIRY_LARGE", &bessel::AIRY_LARGE),
            ("AIRY_MIDDLE", &bessel::AIRY_MIDDLE),
            ("AIRY_NEGATIVE", &bessel::AIRY_NEGATIVE),
        ];
        let mut text = String::from("namespace rn {\n");
        for (name, values) in tables {
            let list: Vec<String> = values.iter().map(|v| format!("{v:e}")).collect();
            let _ = writeln!(text, "__constant__ double {name}[{}] = {{{}}};", list.len(), list.join(", "));
        }
        text + "}\n" + include_str!("kernels/special.cu")
    });
    &TEXT
}

/// The names of the functions that a formula calls.
fn calls(formula: &str) -> impl Iterator<Item = &str> {
    formula.match_indices('(').filter_map(|(open, _)| {
        let before = &formula[..open];
        let start = before.rfind(|c: char| !(c.is_alphanumeric() || c == '_')).map_or(0, |i| i + 1);
        Some(&before[start..]).filter(|name| !name.is_empty())
    })
}

/// Whether a text defines a function.
fn defines(text: &str, function: &str) -> bool {
    text.contains(&format!(" {function}(")) || text.contains(&format!("({function},"))
}

/// A function that a formula calls and that has no twin for GPUs.
pub fn missing_function(formula: &str) -> Option<&str> {
    calls(formula).find(|name| !defines(PROLOGUE, name) && !defines(special(), name))
}

impl Kernel<'_> {
    /// The text; the kernel is called `pointwise`.
    pub fn text(&self) -> String {
        let t = computed_name(self.compute);
        let result = if self.to_bool { "bool" } else { t };
        let parameters: Vec<String> = self.names.iter().map(|n| format!("{t} {n}")).collect();
        let before = if calls(self.formula).any(|name| !defines(PROLOGUE, name)) { special() } else { "" };
        let mut text = format!(
            "{before}namespace rn {{ typedef {t} T;\n__device__ __forceinline__ {result} formula({}) {{ return {result}({}); }} }}\n",
            parameters.join(", "),
            translate(self.formula),
        );
        let o = stored(self.out);
        let strided = matches!(self.order, Order::Strided { .. });
        let tensors = self.operands.iter().filter(|o| **o != Operand::Number).count();
        text += "extern \"C\" __global__ void __launch_bounds__(256) pointwise(";
        if strided {
            let _ = write!(text, "rn::Loops<{}> loops, ", tensors + 1);
        }
        let _ = write!(text, "{o}* out");
        for (i, operand) in self.operands.iter().enumerate() {
            match operand {
                Operand::Tensor(dtype) => write!(text, ", const {}* x{i}", stored(*dtype)),
                Operand::Number => write!(text, ", {t} x{i}"),
            }
            .expect("strings can be written to");
        }
        text += ", long long n) {\n";
        let call = |value: &dyn Fn(usize) -> String| {
            let values: Vec<String> = (0..self.operands.len())
                .map(|i| match self.operands[i] {
                    Operand::Tensor(_) => format!("rn::convert<{t}>({})", value(i)),
                    Operand::Number => format!("x{i}"),
                })
                .collect();
            format!("rn::convert<{o}>(rn::formula({}))", values.join(", "))
        };
        match self.order {
            Order::Flat(1) => {
                let _ = write!(
                    text,
                    "long long i = (long long)blockIdx.x * 256 + threadIdx.x;\nif (i < n) out[i] = {};\n",
                    call(&|k| format!("x{k}[i]"))
                );
            }
            Order::Flat(width) => {
                let _ =
                    writeln!(text, "long long i = ((long long)blockIdx.x * 256 + threadIdx.x) * {width};");
                let _ = writeln!(text, "if (i + {width} <= n) {{\nrn::Pack<{o}, {width}> y;");
                for (i, operand) in self.operands.iter().enumerate() {
                    if let Operand::Tensor(dtype) = operand {
                        let s = stored(*dtype);
                        let _ = writeln!(
                            text,
                            "rn::Pack<{s}, {width}> p{i} = *(const rn::Pack<{s}, {width}>*)(x{i} + i);"
                        );
                    }
                }
                let _ = writeln!(
                    text,
                    "#pragma unroll\nfor (int k = 0; k < {width}; k++) y.v[k] = {};\n*(rn::Pack<{o}, {width}>*)(out + i) = y;\n}} else for (; i < n; i++) out[i] = {};",
                    call(&|k| format!("p{k}.v[k]")),
                    call(&|k| format!("x{k}[i]"))
                );
            }
            Order::Strided { narrow } => {
                let index = if narrow { "unsigned" } else { "unsigned long long" };
                let _ = writeln!(
                    text,
                    "long long i = (long long)blockIdx.x * 256 + threadIdx.x;\nif (i >= n) return;\nlong long at[{}];\nloops.find(({index})i, at);",
                    tensors + 1
                );
                let position =
                    |i: usize| self.operands[..i].iter().filter(|o| **o != Operand::Number).count() + 1;
                let _ = writeln!(
                    text,
                    "rn::place(out, at[0]) = {};",
                    call(&|k| format!("rn::read(x{k}, at[{}])", position(k)))
                );
            }
        }
        text += "}\n";
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_take_the_computed_type() {
        assert_eq!(translate("1.0 / (1.0 + exp(-x))"), "T(1.0) / (T(1.0) + exp(-x))");
        assert_eq!(translate("x1 * 0.5 + log1p(x)"), "x1 * T(0.5) + log1p(x)");
        assert_eq!(translate("maximum(x, 1e-12)"), "maximum(x, T(1e-12))");
    }

    #[test]
    fn functions_without_a_twin_are_named() {
        assert_eq!(missing_function("x * sigmoid(x)"), None);
        assert_eq!(missing_function("exp(digamma(x))"), None);
        assert_eq!(missing_function("exp(unheard_of(x))"), Some("unheard_of"));
        assert_eq!(missing_function("(a + b)"), None);
    }
}
