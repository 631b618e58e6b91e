//! What can be done with tensors. One file a family; in it stand, for each operation, its shape rule,
//! its forward, its backward and its declaration (`OPS`). Pointwise operations are rows of [`table`].

// First: its macros are for the files below.
#[macro_use]
pub mod row;

pub mod activation;
pub mod arithmetic;
pub mod attention;
pub mod avg_pool;
pub mod axis_map;
pub mod complex;
pub mod conv;
pub mod conv_kernel;
pub mod coordinates;
pub mod copy;
pub mod creation;
pub mod ctc;
pub mod cuda;
pub mod distance;
pub mod distributions;
pub mod dropout;
pub mod einsum;
pub mod embedding;
pub mod extreme;
pub mod fft;
pub mod fold;
pub mod gather;
pub mod graph_math;
pub mod grid_sample;
pub mod histogram;
pub mod index;
mod index_write;
pub mod joining;
pub mod layer_norm;
pub mod linalg;
pub mod lines;
pub mod loss;
pub mod mask;
pub mod matmul;
pub mod moments;
pub mod node_names;
pub mod norm;
pub mod pad;
pub mod parts;
pub mod plane;
pub mod pointwise;
pub mod pointwise_loss;
pub mod pool;
pub mod pool_windows;
pub mod products;
pub mod properties;
pub mod random;
pub mod rearrange;
pub mod recurrence;
pub mod reduce;
pub mod registry;
pub mod resample;
pub mod rnn_cells;
pub mod scan;
pub mod scatter;
pub mod search;
pub mod softmax;
pub mod sort;
pub mod special;
pub mod spectrogram;
pub mod strided;
pub mod table;
pub mod unique;
pub mod vector_norm;
pub mod view;
pub mod windows;

use std::sync::OnceLock;

use registry::Op;

/// Rows, with their declarations if they are operations by themselves.
type Table = &'static [(&'static pointwise::Row, Option<Op>)];

static TABLES: [Table; 4] = [table::TABLE, activation::TABLE, special::TABLE, pointwise_loss::TABLE];

/// Every row of the tables.
pub fn rows() -> impl Iterator<Item = &'static pointwise::Row> {
    TABLES.into_iter().flatten().map(|(row, _)| *row)
}

/// Every declared operation, overloads of a name next to each other in the order to try them.
pub fn all() -> &'static [&'static Op] {
    static ALL: OnceLock<Vec<&'static Op>> = OnceLock::new();
    ALL.get_or_init(|| {
        let rows = TABLES.into_iter().flatten().filter_map(|(_, op)| op.as_ref());
        let families: &[&'static [Op]] = &[
            arithmetic::OPS,
            attention::OPS,
            activation::OPS,
            avg_pool::OPS,
            complex::OPS,
            conv::OPS,
            coordinates::OPS,
            copy::OPS,
            creation::OPS,
            ctc::OPS,
            distance::OPS,
            distributions::OPS,
            dropout::OPS,
            einsum::OPS,
            embedding::OPS,
            fold::OPS,
            grid_sample::OPS,
            extreme::OPS,
            gather::OPS,
            histogram::OPS,
            index::OPS,
            joining::OPS,
            layer_norm::OPS,
            fft::OPS,
            linalg::cholesky::OPS,
            linalg::determinant::OPS,
            linalg::eigen::OPS,
            linalg::functions::OPS,
            linalg::inverse::OPS,
            linalg::least_squares::OPS,
            linalg::lu::OPS,
            linalg::norms::OPS,
            linalg::qr::OPS,
            linalg::svd::OPS,
            linalg::triangular::OPS,
            loss::OPS,
            mask::OPS,
            matmul::OPS,
            moments::OPS,
            norm::OPS,
            pad::OPS,
            pointwise_loss::OPS,
            parts::OPS,
            pool::OPS,
            pool_windows::OPS,
            products::OPS,
            properties::OPS,
            random::OPS,
            rearrange::OPS,
            reduce::OPS,
            resample::OPS,
            scan::OPS,
            search::OPS,
            recurrence::OPS,
            rnn_cells::OPS,
            index_write::OPS,
            scatter::OPS,
            softmax::OPS,
            special::OPS,
            spectrogram::OPS,
            sort::OPS,
            unique::OPS,
            vector_norm::OPS,
            strided::OPS,
            view::OPS,
            windows::OPS,
        ];
        rows.chain(families.iter().copied().flatten()).collect()
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    #[test]
    fn no_operation_is_declared_twice() {
        let mut seen = HashSet::new();
        for op in super::all() {
            assert!(seen.insert(op.signature) || op.signature.is_empty(), "{}", op.signature);
        }
    }
}
