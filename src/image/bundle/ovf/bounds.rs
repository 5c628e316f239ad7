//! What a descriptor may cost. roxmltree compares each attribute of an element, and each namespace, with all others of it, so that a
//! small file could take hours.

/// Attributes of one element.
const ATTRIBUTES: usize = 256;
/// Namespaces of a document; the exports of VMware and VirtualBox have about ten.
const NAMESPACES: usize = 256;

/// What there is too much of, if anything.
pub fn exceeded(text: &str) -> Option<&'static str> {
    if text.matches("xmlns").count() > NAMESPACES {
        return Some("namespaces");
    }
    let mut rest = text;
    while let Some(at) = rest.find('<') {
        rest = &rest[at + 1..];
        for (begin, end) in [("!--", "-->"), ("![CDATA[", "]]>")] {
            if let Some(inside) = rest.strip_prefix(begin) {
                rest = inside.split_once(end).map_or("", |(_, rest)| rest);
            }
        }
        let (values, after) = tag(rest);
        if values > ATTRIBUTES {
            return Some("attributes of one element");
        }
        rest = after;
    }
    None
}

/// How many quoted values a tag has up to its `>`, and what follows.
fn tag(text: &str) -> (usize, &str) {
    let mut values = 0;
    let mut rest = text;
    while let Some(at) = rest.find(['>', '"', '\'', '<']) {
        let mark = &rest[at..=at];
        if mark == ">" || mark == "<" {
            return (values, &rest[at..]);
        }
        values += 1;
        rest = rest[at + 1..].split_once(mark).map_or("", |(_, rest)| rest);
    }
    (values, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_cost_too_much_is_seen_before_it_is_read() {
        let many = |text: &str| text.repeat(300);
        assert_eq!(
            exceeded(&format!("<a {}/>", many("x='>' "))),
            Some("attributes of one element")
        );
        assert_eq!(
            exceeded(&format!("<!-- < ' --><a {}/>", many("x=\"'\" "))),
            Some("attributes of one element")
        );
        assert_eq!(exceeded(&many("<a xmlns:b='c'>")), Some("namespaces"));
        for fine in [
            format!("<!-- {} --><a/>", many("'\"' ")),
            format!("<![CDATA[ {} ]]><a/>", many("'' ")),
            many("<a x='1' y=\"2\">text's</a>"),
            "<".to_owned(),
            "<a x='".to_owned(),
            "<!--".to_owned(),
        ] {
            assert_eq!(exceeded(&fine), None, "{fine}");
        }
    }
}
