//! What files say, as far as it does not matter whose: places and findings, the TOML reader, and texts made safe.

mod clip;
pub mod decode;
pub mod finding;
pub mod json;
pub mod keys;
pub mod names;
pub mod number;
pub mod pattern;
pub mod read;
pub mod safe;
pub mod schema;
pub mod section;
pub mod template;
pub mod url;
mod values;
pub mod words;

pub use clip::clip;

/// Bytes as lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            use std::fmt::Write;
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}
