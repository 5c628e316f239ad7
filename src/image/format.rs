//! What the files of disks say of themselves, read without a tool: which format, how large, whether whole, what they lean on.
//! Pure: all of it is read through [`read::Source`].

pub mod apart;
pub mod boot;
pub mod check;
pub mod detect;
pub mod esp;
pub mod fat;
pub mod flaw;
pub mod load_option;
pub mod lvm;
pub mod packed;
pub mod qcow2;
pub mod raw;
pub mod read;
pub mod shape;
pub mod table;
pub mod varstore;
pub mod vdi;
pub mod vhd;
pub mod vhdx;
pub mod vmdk;
