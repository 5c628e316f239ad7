//! What the queue answers.

use crate::model::id::Arm;
use crate::model::outcome::Cause;

/// Arms that start now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Start {
    /// The cell's index.
    pub cell: usize,
    /// Its arms that start.
    pub arms: &'static [Arm],
    /// The host's index.
    pub host: usize,
    /// For the first start of a cell's second try: the host that was lost.
    pub instead_of: Option<usize>,
    /// Which try of its cell it belongs to; counts from 1.
    pub nth_try: u32,
}

/// An arm that will never start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stranded {
    /// The cell's index.
    pub cell: usize,
    /// Which arm.
    pub arm: Arm,
    /// Of which try of its cell.
    pub nth_try: u32,
    /// Why.
    pub cause: Cause,
}

/// An arm whose VMs are to be made before its turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ahead {
    /// The cell's index.
    pub cell: usize,
    /// Which arm.
    pub arm: Arm,
    /// Of which try of its cell.
    pub nth_try: u32,
    /// The host's index.
    pub host: usize,
}
