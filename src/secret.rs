//! Secrets: handed to the steps that name them, and replaced by their names in everything that is kept. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::{ExposeSecret, SecretString};

/// The shortest secret: what is shorter would be found everywhere, and its base64 form hardly anywhere.
pub const SHORTEST: usize = 6;

/// The longest secret.
pub const LONGEST: usize = 16 * 1024;

/// RFC 3986's unreserved characters stay.
const COMPONENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');
/// What JavaScript's `encodeURIComponent` encodes.
const SCRIPT: &AsciiSet = &COMPONENT
    .remove(b'!')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'*');

/// The secrets of a run, by name. Its debug form has no value.
#[derive(Debug, Clone, Default)]
pub struct Secrets(BTreeMap<String, SecretString>);

impl Secrets {
    /// Keeps a secret.
    ///
    /// # Errors
    /// Why the value cannot be one, in words that do not contain it.
    pub fn add(&mut self, name: &str, value: SecretString) -> Result<(), String> {
        let text = value.expose_secret();
        if text.len() < SHORTEST {
            return Err(format!(
                "it is shorter than {SHORTEST} bytes: no report could be kept clear of it"
            ));
        }
        if text.len() > LONGEST {
            return Err(format!("it is longer than {LONGEST} bytes"));
        }
        if text.contains('\0') {
            return Err("it holds a NUL character".to_owned());
        }
        self.0.insert(name.to_owned(), value);
        Ok(())
    }

    /// The value of a secret.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(ExposeSecret::expose_secret)
    }

    /// What replaces them in texts.
    pub fn mask(&self) -> Mask {
        let mut forms: Vec<(SecretString, String)> = Vec::new();
        for (name, value) in &self.0 {
            let label = format!("[secret {name}]");
            let seen = forms_of(value.expose_secret());
            forms.extend(seen.into_iter().map(|form| (form.into(), label.clone())));
        }
        forms.sort_by_key(|(form, _)| std::cmp::Reverse(form.expose_secret().len()));
        Mask(forms)
    }
}

/// Replaces secrets by their names. Its debug form has no value.
#[derive(Debug, Clone, Default)]
pub struct Mask(Vec<(SecretString, String)>);

impl Mask {
    /// The text without any form of any secret.
    pub fn apply(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (form, label) in &self.0 {
            if text.contains(form.expose_secret()) {
                text = text.replace(form.expose_secret(), label);
            }
        }
        text
    }

    /// As [`Mask::apply`], of a text that was cut at its end: the beginning of a secret there goes as well.
    pub fn apply_cut(&self, text: &str) -> String {
        let mut text = self.apply(text);
        let begins = self
            .0
            .iter()
            .filter_map(|(form, _)| {
                let form = form.expose_secret();
                let starts = form.char_indices().map(|(at, _)| at).filter(|at| *at > 0);
                starts.rev().find(|at| text.ends_with(&form[..*at]))
            })
            .max();
        if let Some(length) = begins {
            text.truncate(text.len() - length);
        }
        text
    }
}

/// Every form in which a value is likely to come back.
fn forms_of(value: &str) -> BTreeSet<String> {
    let mut forms = BTreeSet::from([value.to_owned()]);
    // The lines of a key, say, one by one.
    forms.extend(value.lines().map(str::trim).map(str::to_owned));
    for set in [NON_ALPHANUMERIC, COMPONENT, SCRIPT] {
        forms.insert(utf8_percent_encode(value, set).to_string());
    }
    forms.insert(form_urlencoded::byte_serialize(value.as_bytes()).collect());
    forms.insert(crate::input::url::encoded(value));
    let lower: Vec<String> = forms.iter().map(|form| lower_hex(form)).collect();
    forms.extend(lower);
    for offset in 0..3 {
        let inner = base64_inner(value.as_bytes(), offset);
        forms.insert(inner.replace('+', "-").replace('/', "_"));
        forms.insert(inner);
    }
    let json = serde_json::Value::from(value).to_string();
    let json = json.trim_matches('"');
    forms.insert(json.to_owned());
    forms.insert(json.replace('/', "\\/"));
    forms.insert(ascii_json(json));
    forms.insert(value.escape_debug().to_string());
    forms.insert(value.replace('\'', "''"));
    forms.insert(value.replace('\\', "\\\\").replace('\'', "''"));
    let html = value
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    forms.insert(html.replace('"', "&quot;"));
    forms.insert(html.replace('"', "&quot;").replace('\'', "&#39;"));
    forms.insert(html.replace('"', "&#34;").replace('\'', "&#x27;"));
    forms.insert(html);
    forms.retain(|form| form.len() >= SHORTEST);
    forms
}

/// `%2F` as `%2f`.
fn lower_hex(text: &str) -> String {
    let mut lower = String::with_capacity(text.len());
    let mut digits = 0;
    for c in text.chars() {
        lower.push(if digits > 0 { c.to_ascii_lowercase() } else { c });
        digits = if c == '%' { 2 } else { (digits - 1).max(0) };
    }
    lower
}

/// The base64 characters that depend on the value alone, where it begins `offset` bytes into a group of three: `user:value`
/// has them too.
fn base64_inner(value: &[u8], offset: usize) -> String {
    let mut bytes = vec![0; offset];
    bytes.extend_from_slice(value);
    let encoded = STANDARD_NO_PAD.encode(&bytes);
    let start = (offset * 8).div_ceil(6);
    let end = bytes.len() * 8 / 6;
    encoded.get(start..end).unwrap_or_default().to_owned()
}

/// JSON text with everything beyond ASCII as `\uXXXX`.
fn ascii_json(text: &str) -> String {
    let mut ascii = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_ascii() {
            ascii.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a String cannot fail.
                let _ = write!(ascii, "\\u{unit:04x}");
            }
        }
    }
    ascii
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::{STANDARD, URL_SAFE};

    use super::*;

    fn secrets(value: &str) -> Secrets {
        let mut secrets = Secrets::default();
        secrets
            .add("PASSWORD", value.to_owned().into())
            .expect("a secret");
        secrets
    }

    #[test]
    fn every_form_is_replaced() {
        let value = "pä/ss'w \"o\\rd&1";
        let mask = secrets(value).mask();
        let percent = utf8_percent_encode(value, NON_ALPHANUMERIC).to_string();
        let forms = [
            value.to_owned(),
            percent.clone(),
            percent.to_lowercase(),
            form_urlencoded::byte_serialize(value.as_bytes()).collect(),
            STANDARD.encode(value),
            URL_SAFE.encode(value),
            STANDARD.encode(format!("clerk:{value}")),
            STANDARD.encode(format!("me:{value} and more")),
            STANDARD.encode(format!("u:{value}")),
            serde_json::to_string(value).expect("JSON"),
            "p\\u00e4/ss'w \\\"o\\\\rd&1".to_owned(),
            "pä/ss'w &quot;o\\rd&amp;1".to_owned(),
            value.replace('\'', "''"),
        ];
        for form in forms {
            let masked = mask.apply(&format!("a {form} b"));
            assert!(masked.contains("[secret PASSWORD]"), "{form}: {masked}");
            assert!(!masked.contains(&form), "{form}: {masked}");
        }
        assert_eq!(mask.apply("nothing to hide"), "nothing to hide");
    }

    #[test]
    fn a_cut_leaves_no_beginning() {
        let mask = secrets("hunter2-hunter2").mask();
        assert_eq!(mask.apply_cut("the word is hunter2-hunt"), "the word is ");
        assert_eq!(
            mask.apply_cut("the word is hunter2-hunter2"),
            "the word is [secret PASSWORD]"
        );
    }

    #[test]
    fn debug_forms_have_no_value() {
        let secrets = secrets("hunter2-hunter2");
        let shown = format!("{secrets:?} {:?}", secrets.mask());
        assert!(!shown.contains("hunter2"), "{shown}");
    }

    #[test]
    fn what_cannot_be_masked_is_no_secret() {
        for (value, says) in [("q9zx", "shorter than 6"), ("with\0nul", "NUL")] {
            let refused = Secrets::default()
                .add("X", value.to_owned().into())
                .expect_err(says);
            assert!(refused.contains(says) && !refused.contains(value), "{refused}");
        }
    }
}
