//! Values of a section by the shapes that its table of keys has.

use std::fmt::Display;
use std::path::PathBuf;

use serde::de::value::Error;
use serde::de::{DeserializeOwned, IntoDeserializer};
use toml::Spanned;
use toml::de::DeValue;

use crate::input::keys::Shape;
use crate::input::read::Reader;
use crate::input::section::Section;
use crate::input::words::{list, show};

impl Reader<'_> {
    /// A text that must be given and not be blank; empty where it is not, which is an error already.
    pub fn required(&mut self, section: &Section<'_>, key: &str) -> Spanned<String> {
        let missing = Spanned::new(section.span.clone(), String::new());
        if !section.has(key) {
            self.missing(section, key);
            return missing;
        }
        match self.text(section, key) {
            Some(text) if text.get_ref().trim().is_empty() => {
                self.empty(section, key);
                missing
            }
            Some(text) => text,
            None => missing,
        }
    }

    /// A path where one is given.
    pub fn path(&mut self, section: &Section<'_>, key: &str) -> Option<Spanned<PathBuf>> {
        let text = self.text(section, key)?;
        if text.get_ref().is_empty() {
            self.empty(section, key);
            return None;
        }
        Some(Spanned::new(text.span(), PathBuf::from(text.into_inner())))
    }

    /// True or false.
    pub fn flag(&mut self, section: &Section<'_>, key: &str) -> Option<bool> {
        let value = section.get(key)?;
        if let DeValue::Boolean(flag) = value.get_ref() {
            return Some(*flag);
        }
        let wanted = "true or false, without quotes";
        self.wrong_type(&section.what_of(key), value, wanted, &section.like(key));
        None
    }

    /// A whole number of the key's range.
    pub fn number<T: TryFrom<i64>>(&mut self, section: &Section<'_>, key: &str) -> Option<Spanned<T>> {
        let value = section.get(key)?;
        let what = section.what_of(key);
        let DeValue::Integer(integer) = value.get_ref() else {
            let wanted = "a whole number, without quotes";
            self.wrong_type(&what, value, wanted, &section.like(key));
            return None;
        };
        let (least, most) = match section.key(key).shape {
            Shape::Whole(least, most) => (least, most),
            _ => (i64::MIN, i64::MAX),
        };
        let number = i64::from_str_radix(integer.as_str(), integer.radix())
            .ok()
            .filter(|number| (least..=most).contains(number))
            .and_then(|number| T::try_from(number).ok());
        if number.is_none() {
            self.error(value.span(), out_of_range(&what, least, most));
        }
        number.map(|number| Spanned::new(value.span(), number))
    }

    /// A fraction of the key's range.
    pub fn fraction(&mut self, section: &Section<'_>, key: &str) -> Option<f64> {
        let value = section.get(key)?;
        let what = section.what_of(key);
        let like = section.like(key);
        let DeValue::Float(number) = value.get_ref() else {
            self.wrong_type(&what, value, "a fraction, without quotes", &like);
            return None;
        };
        let (least, most) = match section.key(key).shape {
            Shape::Fraction(least, most) => (least, most),
            _ => (f64::MIN, f64::MAX),
        };
        let number = number
            .as_str()
            .parse::<f64>()
            .ok()
            .filter(|number| (least..=most).contains(number));
        if number.is_none() {
            let message = out_of_range(&what, least, most);
            self.hinted(value.span(), message, format!("write it like this: {like}"));
        }
        number
    }

    /// One of the key's words.
    pub fn choice<T: DeserializeOwned>(&mut self, section: &Section<'_>, key: &str) -> Option<T> {
        let text = self.text(section, key)?;
        let given = text.get_ref().as_str();
        let words = section.key(key).shape.words();
        let known = words.iter().find(|word| **word == given);
        let value = known.and_then(|word| {
            let word: serde::de::value::StrDeserializer<'_, Error> = (*word).into_deserializer();
            T::deserialize(word).ok()
        });
        if value.is_none() {
            self.hinted(
                text.span(),
                format!("{} cannot be {}", section.what_of(key), show(given)),
                // All of them: the nearest word may be the opposite of what was meant.
                format!("one of {}", list(words.iter().copied())),
            );
        }
        value
    }

    /// A list of texts where one is given.
    pub fn texts(&mut self, section: &Section<'_>, key: &str) -> Option<Spanned<Vec<Spanned<String>>>> {
        let value = section.get(key)?;
        let what = section.what_of(key);
        let like = section.like(key);
        let texts = self.texts_value(&what, value, &like)?;
        Some(Spanned::new(value.span(), texts))
    }

    /// A value as a list of texts.
    pub fn texts_value(
        &mut self,
        what: &str,
        value: &Spanned<DeValue<'_>>,
        like: &str,
    ) -> Option<Vec<Spanned<String>>> {
        let DeValue::Array(array) = value.get_ref() else {
            self.wrong_type(what, value, "a list", like);
            return None;
        };
        let item = format!("an entry of {what}");
        let texts = array
            .iter()
            .filter_map(|entry| self.text_value(&item, entry, like))
            .collect();
        Some(texts)
    }

    /// A list of texts, empty where none is given.
    pub fn list(&mut self, section: &Section<'_>, key: &str) -> Vec<Spanned<String>> {
        self.texts(section, key)
            .map(Spanned::into_inner)
            .unwrap_or_default()
    }

    /// A list of texts that must be given and not be empty; empty where it is not, which is an error already.
    pub fn required_list(&mut self, section: &Section<'_>, key: &str) -> Spanned<Vec<Spanned<String>>> {
        let of = section.key(key);
        if !section.has(key) {
            let example = format!("{}   ({})", of.example(), of.meaning());
            self.missing_like(section, key, &example);
        }
        let texts = self.texts(section, key);
        // A list of which every entry is wrong has been told already.
        let is_empty = section
            .get(key)
            .is_some_and(|value| matches!(value.get_ref(), DeValue::Array(array) if array.is_empty()));
        if let Some(texts) = &texts
            && is_empty
        {
            self.hinted(
                texts.span(),
                format!("{} is empty", section.what_of(key)),
                format!("write {}: {}", of.meaning(), of.like()),
            );
        }
        texts.unwrap_or_else(|| Spanned::new(0..0, Vec::new()))
    }
}

fn out_of_range(what: &str, least: impl Display, most: impl Display) -> String {
    format!("{what} must be from {least} to {most}")
}
