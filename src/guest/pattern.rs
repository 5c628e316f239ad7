//! Patterns of the lab file's for what update sources are called.

/// Whether a text is what a pattern means, in which `*` is any text. No pattern takes longer than both lengths' product.
pub fn fits(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut at, mut seen) = (0, 0);
    let mut star = None;
    while seen < text.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, seen));
                at += 1;
            }
            Some(byte) if *byte == text[seen] => {
                at += 1;
                seen += 1;
            }
            Some(_) | None => {
                let Some((of, taken)) = star else { return false };
                star = Some((of, taken + 1));
                at = of + 1;
                seen = taken + 1;
            }
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_any_text_and_no_pattern_takes_long() {
        for (pattern, text, is) in [
            ("a*c", "abbc", true),
            ("a*c", "ac", true),
            ("a*c", "acd", false),
            ("*a*", "xay", true),
            ("**", "", true),
            ("a", "", false),
            ("é*", "éa", true),
        ] {
            assert_eq!(fits(pattern, text), is, "{pattern} on {text}");
        }
        assert!(!fits(&"a*".repeat(2_000), &format!("{}b", "c".repeat(20_000))));
        assert!(!fits(&format!("{}b", "a*".repeat(500)), &"a".repeat(20_000)));
    }
}
