//! `[secret.NAME]` of a lab file: where a secret is, never what it is.

use toml::Spanned;

use crate::input::read::Reader;
use crate::input::section::Section;
use crate::input::template::is_secret;
use crate::input::words::show;
use crate::lab::file::SecretSection;

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
    let secret = SecretSection {
        env: reader.text(section, "env"),
        file: reader.path(section, "file"),
        departments: reader.list(section, "departments"),
    };
    reader.one_of_two(section, "env", "file");
    if let Some(env) = &secret.env
        && (env.get_ref().is_empty() || env.get_ref().contains(['=', '\0']))
    {
        let message = format!(
            "{} is not the name of an environment variable",
            show(env.get_ref())
        );
        reader.hinted(
            env.span(),
            message,
            format!("write it like this: {}", section.like("env")),
        );
    }
    let departments = section.key("departments");
    if !section.has("departments") {
        let example = format!("{}   ({})", departments.example(), departments.meaning());
        reader.missing_like(section, "departments", &example);
    } else if secret.departments.is_empty() {
        reader.hinted(
            section.span_of("departments"),
            format!("{} is for no department", section.what),
            format!("name those {}: {}", departments.meaning(), departments.like()),
        );
    }
    secret
}
