//! `[secret.NAME]` of a lab file: where a secret is, never what it is.

use toml::Spanned;

use crate::input::read::{Reader, Section};
use crate::input::template::is_secret;
use crate::input::words::show;
use crate::lab::file::SecretSection;
use crate::lab::sections::values::path;

/// Names that a shell or the loader of programs takes for its own.
const RESERVED: [&str; 14] = [
    "PATH", "HOME", "IFS", "ENV", "SHELL", "USER", "LOGNAME", "LANG", "PWD", "OLDPWD", "CDPATH", "PS4",
    "TERM", "OPTIND",
];

/// Complains of a name that no secret can have.
pub(super) fn name(reader: &mut Reader<'_>, name: &Spanned<String>) {
    let text = name.get_ref().as_str();
    let taken = RESERVED.contains(&text)
        || ["LD_", "LC_", "BASH", "GCONV_"]
            .iter()
            .any(|start| text.starts_with(start));
    if !is_secret(text) || taken {
        let hint = if taken {
            "the guest's shell has a use for that name; take another, such as ERP_PASSWORD"
        } else {
            "write upper-case letters, digits and `_`, such as ERP_PASSWORD"
        };
        reader.hinted(
            name.span(),
            format!("{} cannot be the name of a secret", show(text)),
            hint,
        );
    }
}

/// Reads the section.
pub(super) fn read(reader: &mut Reader<'_>, section: &Section<'_>) -> SecretSection {
    reader.known(
        section,
        &["env", "file", "departments"],
        &[(
            "value",
            "a secret does not belong into a file that others read: name where it is with `env` or `file`",
        )],
    );
    let secret = SecretSection {
        env: reader.text(section, "env", "\"ERP_PASSWORD\""),
        file: path(reader, section, "file", "\"secrets/erp-password\""),
        departments: reader
            .texts(section, "departments", "[\"erp\"]")
            .map(Spanned::into_inner)
            .unwrap_or_default(),
    };
    let remedy = "give one of them: env = \"ERP_PASSWORD\", or file = \"secrets/erp-password\"";
    match (section.get("env"), section.get("file")) {
        (Some(_), Some(_)) => {
            let message = format!("{} has both `env` and `file`", section.what);
            reader.hinted(section.key_span("file"), message, remedy);
        }
        (None, None) => {
            let message = format!("{} has neither `env` nor `file`", section.what);
            reader.hinted(section.span.clone(), message, remedy);
        }
        (Some(_), None) | (None, Some(_)) => {}
    }
    if let Some(env) = &secret.env
        && (env.get_ref().is_empty() || env.get_ref().contains(['=', '\0']))
    {
        let message = format!(
            "{} is not the name of an environment variable",
            show(env.get_ref())
        );
        reader.hinted(env.span(), message, "write it like this: env = \"ERP_PASSWORD\"");
    }
    if section.get("departments").is_none() {
        reader.missing(
            section,
            "departments",
            "[\"erp\"]   (whose scenarios may ask for it)",
        );
    } else if secret.departments.is_empty() {
        let message = format!("{} is for no department", section.what);
        reader.hinted(
            section.span_of("departments"),
            message,
            "name those whose scenarios may ask for it: departments = [\"erp\"]",
        );
    }
    secret
}
