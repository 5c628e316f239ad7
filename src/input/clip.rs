//! Bounded texts.

/// The start of a text for an error message.
pub fn clip(text: &str) -> String {
    const MOST: usize = 120;
    let mut clipped: String = text.chars().take(MOST).collect();
    if clipped.len() < text.len() {
        clipped.push('…');
    }
    clipped
}
