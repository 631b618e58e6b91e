//! rustnn: a tensor engine that speaks PyTorch in Python.

pub mod cpu;
