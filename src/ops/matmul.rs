use crate::ops::registry::Op;
pub const OPS: &[Op] = &[];
