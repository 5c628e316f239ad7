//! Building sealed images from recipes. What is one family's stands behind [`Builder`](builder::Builder), in a file of its
//! name.

pub mod builder;
pub mod builders;
mod debian;
pub mod key;
pub mod stage;
mod tree;
pub mod whole;
