//! Values that several actions have: names, paths, time spans, and what has a short form.

use toml::Spanned;

use crate::input::names::{is_absolute, is_name};
use crate::input::read::Reader;
use crate::input::section::Section;
use crate::input::template::has_variables;
use crate::input::words::show;
use crate::units::Period;

/// The shortest time-out and pause: a question to a guest's agent takes some 0.1 s.
const SHORTEST: Period = Period::seconds(1);

/// A time span that is long enough to mean something.
pub(super) fn period(reader: &mut Reader<'_>, section: &Section<'_>, key: &str) -> Option<Spanned<Period>> {
    let period = reader.parsed::<Period>(section, key)?;
    if *period.get_ref() < SHORTEST {
        reader.hinted(
            period.span(),
            format!(
                "{} is {}; the shortest is {SHORTEST}",
                section.what_of(key),
                period.get_ref()
            ),
            format!("write it like this: {}", section.like(key)),
        );
        return None;
    }
    Some(period)
}

pub(super) fn absolute(reader: &mut Reader<'_>, path: Spanned<String>) -> String {
    let text = path.get_ref();
    if !is_absolute(text) && !text.starts_with("${") {
        let message = format!("{} is not an absolute path of the guest", show(text));
        reader.hinted(path.span(), message, "begin it with /");
    }
    path.into_inner()
}

/// A text that must be given, where it is.
pub(super) fn given(reader: &mut Reader<'_>, section: &Section<'_>, key: &str) -> Option<Spanned<String>> {
    Some(reader.required(section, key)).filter(|text| !text.get_ref().is_empty())
}

/// Complains of a name with characters that no such thing has.
pub(super) fn thing_name(
    reader: &mut Reader<'_>,
    name: &Spanned<String>,
    what: &str,
    also: &str,
    like: &str,
) {
    let text = name.get_ref();
    if is_name(text, also, 255) || has_variables(text) {
        return;
    }
    let message = format!("{} is not a {what}'s name", show(text));
    reader.hinted(name.span(), message, format!("write it like this: {like}"));
}

/// The guest's user who runs a command.
pub(super) fn user(reader: &mut Reader<'_>, step: &Section<'_>) -> Option<String> {
    let user = reader.text(step, "user")?;
    if !is_name(user.get_ref(), "_-.", 32) {
        reader.hinted(
            user.span(),
            format!("{} is not a user's name", show(user.get_ref())),
            format!("write a user of the guest, such as {}", step.like("user")),
        );
    }
    Some(user.into_inner())
}

/// Complains of a path that could leave the department's folder; what links do is found where the file is read.
pub(super) fn department_file(reader: &mut Reader<'_>, file: &Spanned<String>) {
    let text = file.get_ref();
    let plain = |part: &str| is_name(part, "._-", 100) && !part.starts_with('.');
    if text.len() > 200 || !text.split('/').all(plain) {
        reader.hinted(
            file.span(),
            format!(
                "{} is not the path of a file in the department's folder",
                show(text)
            ),
            "put the file beside the scenario, and write its name: letters, digits, `.`, `_` and `-`",
        );
    }
}
