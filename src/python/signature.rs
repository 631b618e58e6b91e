//! Signatures in PyTorch's notation, read into a form that arguments can be held against.
//!
//! `name(Tensor input, *int[] size, *, ScalarType? dtype=None) -> Tensor`: a `?` allows None, `*int[]`
//! also takes the numbers one by one, a `*` alone ends the positional parameters, `int[2]` takes one
//! number for both. `Number|Tensor` is either. `-> (Tensor values, Tensor indices)` is a tuple, also for `out=`.

use smallvec::SmallVec;

use crate::ops::registry::Value;
use crate::scalar::Scalar;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Tensor,
    Tensors,
    Number,
    NumberOrTensor,
    Int,
    /// A list; a single number stands for as many as are given here (0: a list is asked for).
    Ints(usize),
    Float,
    /// A list; a single number is a list of one.
    Floats,
    Bool,
    Str,
    DType,
    Generator,
    MemoryFormat,
}

impl Kind {
    fn read(text: &str) -> Kind {
        match text {
            "Tensor" => Kind::Tensor,
            "Tensor[]" => Kind::Tensors,
            "Scalar" => Kind::Number,
            "Number|Tensor" => Kind::NumberOrTensor,
            "int" => Kind::Int,
            "int[]" => Kind::Ints(0),
            "int[1]" => Kind::Ints(1),
            "int[2]" => Kind::Ints(2),
            "int[3]" => Kind::Ints(3),
            "float" => Kind::Float,
            "float[]" => Kind::Floats,
            "bool" => Kind::Bool,
            "str" => Kind::Str,
            "ScalarType" => Kind::DType,
            "Generator" => Kind::Generator,
            "MemoryFormat" => Kind::MemoryFormat,
            other => panic!("a signature names the unknown type {other}"),
        }
    }

    /// As PyTorch's messages call it.
    pub fn display(self) -> &'static str {
        match self {
            Kind::Tensor => "Tensor",
            Kind::Tensors => "tuple of Tensors",
            Kind::Number | Kind::NumberOrTensor => "Number",
            Kind::Int => "int",
            Kind::Ints(_) => "tuple of ints",
            Kind::Float => "float",
            Kind::Floats => "tuple of floats",
            Kind::Bool => "bool",
            Kind::Str => "str",
            Kind::DType => "torch.dtype",
            Kind::Generator => "torch.Generator",
            Kind::MemoryFormat => "torch.memory_format",
        }
    }
}

#[derive(Debug)]
pub struct Parameter {
    pub name: &'static str,
    pub kind: Kind,
    pub nullable: bool,
    pub default: Option<DefaultValue>,
    pub keyword_only: bool,
    /// Takes the remaining positional numbers as a list.
    pub variadic: bool,
}

#[derive(Debug, Clone)]
pub enum DefaultValue {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Str(&'static str),
    Ints(SmallVec<[i64; 6]>),
}

#[derive(Debug)]
pub struct Signature {
    pub parameters: Vec<Parameter>,
    /// Whether the factory keywords (`device`, `requires_grad`, ...) are accepted.
    pub is_factory: bool,
    /// How many tensors `out=` takes: 1 for `Tensor`, 2 for `(Tensor values, Tensor indices)`; 0 for
    /// results that cannot be written into given tensors.
    pub results: usize,
}

impl Signature {
    /// Reads a declaration. They are ours, so a malformed one is a bug: a test reads them all.
    pub fn read(text: &'static str) -> Signature {
        let open = text.find('(').expect("a signature has parameters");
        let close = text.rfind(") ->").expect("a signature names its result");
        let mut parameters = Vec::new();
        let mut keyword_only = false;
        for part in split_parameters(&text[open + 1..close]) {
            if part == "*" {
                keyword_only = true;
                continue;
            }
            let (part, variadic) = match part.strip_prefix('*') {
                Some(rest) => (rest, true),
                None => (part, false),
            };
            let (declared, default) = match part.split_once('=') {
                Some((declared, default)) => (declared, Some(default)),
                None => (part, None),
            };
            let (kind, name) = declared.split_once(' ').expect("a parameter has a type and a name");
            let (kind, nullable) = match kind.strip_suffix('?') {
                Some(kind) => (kind, true),
                None => (kind, false),
            };
            let kind = Kind::read(kind);
            let default = default.map(read_default);
            parameters.push(Parameter { name, kind, nullable, default, keyword_only, variadic });
        }
        let is_factory = parameters.iter().any(|p| p.kind == Kind::DType && p.keyword_only);
        let results = match text[close + 4..].trim() {
            "Tensor" => 1,
            tuple if tuple.starts_with('(') => tuple.split(',').count(),
            _ => 0,
        };
        Signature { parameters, is_factory, results }
    }
}

/// Splits at commas that are not inside brackets.
fn split_parameters(text: &'static str) -> Vec<&'static str> {
    let mut parts = Vec::new();
    let (mut depth, mut start) = (0, 0);
    for (i, c) in text.char_indices() {
        match c {
            '[' | '(' => depth += 1,
            ']' | ')' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(text[start..i].trim());
                start = i + 1;
            }
            _ => {}
        }
    }
    parts.push(text[start..].trim());
    parts.retain(|p| !p.is_empty());
    parts
}

fn read_default(text: &'static str) -> DefaultValue {
    match text {
        "None" => DefaultValue::None,
        "True" => DefaultValue::Bool(true),
        "False" => DefaultValue::Bool(false),
        _ if text.starts_with('[') => {
            let inner = text.trim_start_matches('[').trim_end_matches(']');
            let numbers = inner.split(',').map(str::trim).filter(|s| !s.is_empty());
            DefaultValue::Ints(numbers.map(|n| n.parse().expect("a list of ints")).collect())
        }
        _ if text.starts_with('\'') => DefaultValue::Str(text.trim_matches('\'')),
        _ => match text.parse::<i64>() {
            Ok(i) => DefaultValue::Int(i),
            Err(_) => DefaultValue::Float(text.parse().expect("a number")),
        },
    }
}

impl Parameter {
    /// What stands in when the argument is left out.
    pub fn default_value(&self) -> Option<Value> {
        Some(match (self.default.as_ref()?, self.kind) {
            (DefaultValue::None, _) => Value::None,
            (DefaultValue::Bool(b), _) => Value::Bool(*b),
            (DefaultValue::Int(i), Kind::Number | Kind::NumberOrTensor) => Value::Scalar(Scalar::Int(*i)),
            (DefaultValue::Float(x), Kind::Number | Kind::NumberOrTensor) => Value::Scalar(Scalar::Float(*x)),
            (DefaultValue::Int(i), Kind::Float) => Value::Float(*i as f64),
            (DefaultValue::Int(i), Kind::Ints(n)) => Value::Ints(SmallVec::from_elem(*i, n.max(1))),
            (DefaultValue::Int(i), _) => Value::Int(*i),
            (DefaultValue::Float(x), _) => Value::Float(*x),
            (DefaultValue::Str(s), _) => Value::Str((*s).to_owned()),
            (DefaultValue::Ints(list), _) => Value::Ints(list.clone()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_declaration_can_be_read() {
        for op in crate::ops::all() {
            let signature = Signature::read(op.signature);
            for p in &signature.parameters {
                if p.default.is_some() {
                    assert!(p.default_value().is_some(), "{}", op.signature);
                }
            }
        }
    }

    #[test]
    fn the_notation() {
        let s = Signature::read(
            "f(Tensor input, *int[] size, int[2] stride=1, *, float? eps=1e-05, int[] d=[1, 2]) -> Tensor",
        );
        let names: Vec<_> = s.parameters.iter().map(|p| (p.name, p.keyword_only, p.variadic)).collect();
        assert_eq!(
            names,
            [
                ("input", false, false),
                ("size", false, true),
                ("stride", false, false),
                ("eps", true, false),
                ("d", true, false)
            ]
        );
        assert!(s.parameters[3].nullable && s.results == 1 && !s.is_factory);
    }
}
