//! Reading what is looked at in a guest: `tcp`, `service`, `file` and `package` steps.

use toml::Spanned;
use toml::de::DeValue;

use crate::input::names::{PACKAGE, UNIT, is_host, is_port};
use crate::input::read::Reader;
use crate::input::template::has_variables;
use crate::input::words::show;
use crate::lab::scenario::expect::{expectation, json_paths, text_keys};
use crate::lab::scenario::keys;
use crate::lab::scenario::values::{absolute, given, text_or_table, thing_name};
use crate::model::scenario::expect::TextExpectation;
use crate::model::scenario::{File, Package, Service, Tcp};

pub(super) fn tcp(reader: &mut Reader<'_>, what: String, value: &Spanned<DeValue<'_>>) -> Option<Tcp> {
    let example = "tcp = \"web:80\" or tcp = { host = \"web\", port = 80 }";
    if let DeValue::String(text) = value.get_ref() {
        let tcp = text.rsplit_once(':').and_then(|(host, port)| {
            let port = Some(port).filter(|port| is_port(port))?.parse().ok()?;
            (is_host(host) || has_variables(host)).then(|| Tcp {
                host: host.to_owned(),
                port,
                open: true,
            })
        });
        if tcp.is_none() {
            let message = format!("{what}: {} is not a host and a port from 1 to 65535", show(text));
            reader.hinted(value.span(), message, format!("write it like this: {example}"));
        }
        return tcp;
    }
    let table = text_or_table(reader, what, value, example)?;
    reader.known(&table, &keys::TCP.names(), &[]);
    let host = reader.required(&table, "host", "\"web\"");
    if !host.get_ref().is_empty() && !is_host(host.get_ref()) && !has_variables(host.get_ref()) {
        let message = format!("{} is not a host's name or address", show(host.get_ref()));
        reader.hinted(host.span(), message, format!("write it like this: {example}"));
    }
    if table.get("port").is_none() {
        reader.missing(&table, "port", "80");
    }
    Some(Tcp {
        host: host.into_inner(),
        port: reader.number(&table, "port", 1..=u16::MAX)?.into_inner(),
        open: reader.flag(&table, "open").unwrap_or(true),
    })
}

pub(super) fn service(
    reader: &mut Reader<'_>,
    what: String,
    value: &Spanned<DeValue<'_>>,
) -> Option<Service> {
    let example = "service = \"nginx\" or service = { name = \"nginx\", enabled = true }";
    let (name, running, enabled) = if value.get_ref().is_str() {
        (Some(reader.text_value(&what, value, example)?), true, None)
    } else {
        let table = text_or_table(reader, what, value, example)?;
        reader.known(&table, &keys::SERVICE.names(), &[]);
        let running = reader.flag(&table, "running").unwrap_or(true);
        (
            given(reader, &table, "name", "\"nginx\""),
            running,
            reader.flag(&table, "enabled"),
        )
    };
    let name = name?;
    thing_name(reader, &name, "service", UNIT, example);
    Some(Service {
        name: name.into_inner(),
        running,
        enabled,
    })
}

pub(super) fn file(reader: &mut Reader<'_>, what: String, value: &Spanned<DeValue<'_>>) -> Option<File> {
    let example = "file = { path = \"/etc/nginx/nginx.conf\", contains = \"...\" }";
    if let DeValue::String(_) = value.get_ref() {
        let path = reader.text_value(&what, value, example)?;
        return Some(File {
            path: absolute(reader, path),
            exists: true,
            mode: None,
            owner: None,
            text: TextExpectation::default(),
        });
    }
    let table = text_or_table(reader, what, value, example)?;
    reader.known(&table, &keys::FILE.names(), &[]);
    let path = given(reader, &table, "path", "\"/etc/nginx/nginx.conf\"");
    let exists = reader.flag(&table, "exists").unwrap_or(true);
    let mode = reader.text(&table, "mode", "\"0644\"");
    let octal = mode.as_ref().and_then(|mode| octal(mode.get_ref()));
    if let Some(mode) = &mode
        && octal.is_none()
    {
        let message = format!("{} is not a file's mode", show(mode.get_ref()));
        reader.hinted(mode.span(), message, "write its octal digits: mode = \"0644\"");
    }
    let owner = reader.text(&table, "owner", "\"root\"");
    let mut text = text_keys(reader, &table);
    text.json = json_paths(reader, &table, "json");
    if !exists && (mode.is_some() || owner.is_some() || !text.is_empty()) {
        reader.hinted(
            table.span_of("exists"),
            format!(
                "{} must not exist, and yet something is expected of it",
                table.what
            ),
            "take away `exists = false`, or the other expectations",
        );
    }
    Some(File {
        path: absolute(reader, path?),
        exists,
        mode: octal,
        owner: owner.map(Spanned::into_inner),
        text,
    })
}

/// Four octal digits of a mode.
fn octal(mode: &str) -> Option<String> {
    let digits = mode.bytes().all(|byte| matches!(byte, b'0'..=b'7'));
    (digits && matches!(mode.len(), 3 | 4)).then(|| format!("{mode:0>4}"))
}

pub(super) fn package(
    reader: &mut Reader<'_>,
    what: String,
    value: &Spanned<DeValue<'_>>,
) -> Option<Package> {
    let example = "package = \"nginx\" or package = { name = \"nginx\", version = { contains = \"1.22\" } }";
    let (name, installed, version) = if value.get_ref().is_str() {
        (
            Some(reader.text_value(&what, value, example)?),
            true,
            TextExpectation::default(),
        )
    } else {
        let table = text_or_table(reader, what, value, example)?;
        reader.known(&table, &keys::PACKAGE.names(), &[]);
        let name = given(reader, &table, "name", "\"nginx\"");
        let installed = reader.flag(&table, "installed").unwrap_or(true);
        let version = expectation(reader, &table, "version");
        if !installed && !version.is_empty() {
            reader.hinted(
                table.span_of("installed"),
                format!(
                    "{} must not be installed, and yet a version is expected",
                    table.what
                ),
                "take away `installed = false` or `version`",
            );
        }
        (name, installed, version)
    };
    let name = name?;
    thing_name(reader, &name, "package", PACKAGE, example);
    Some(Package {
        name: name.into_inner(),
        installed,
        version,
    })
}
