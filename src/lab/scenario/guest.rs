//! Reading what is looked at in a guest: `tcp`, `service`, `file` and `package` steps.

use toml::Spanned;
use toml::de::DeValue;

use crate::input::names::{PACKAGE, UNIT, is_host, is_port};
use crate::input::read::Reader;
use crate::input::section::Section;
use crate::input::template::has_variables;
use crate::input::words::show;
use crate::lab::scenario::expect::{expectation, json_paths, text_keys};
use crate::lab::scenario::values::{absolute, given, thing_name};
use crate::model::scenario::expect::TextExpectation;
use crate::model::scenario::{File, Package, Service, Tcp};

/// Reads `tcp`.
pub(super) fn tcp(reader: &mut Reader<'_>, step: &Section<'_>) -> Option<Tcp> {
    let like = step.like("tcp");
    let value = step.get("tcp")?;
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
            let message = format!(
                "{}: {} is not a host and a port from 1 to 65535",
                step.what_of("tcp"),
                show(text)
            );
            reader.hinted(value.span(), message, format!("write it like this: {like}"));
        }
        return tcp;
    }
    let table = reader.text_or_table(step, "tcp")?;
    let host = reader.required(&table, "host");
    if !host.get_ref().is_empty() && !is_host(host.get_ref()) && !has_variables(host.get_ref()) {
        let message = format!("{} is not a host's name or address", show(host.get_ref()));
        reader.hinted(host.span(), message, format!("write it like this: {like}"));
    }
    if !table.has("port") {
        reader.missing(&table, "port");
    }
    Some(Tcp {
        host: host.into_inner(),
        port: reader.number(&table, "port")?.into_inner(),
        open: reader.flag(&table, "open").unwrap_or(true),
    })
}

/// Reads `service`.
pub(super) fn service(reader: &mut Reader<'_>, step: &Section<'_>) -> Option<Service> {
    let like = step.like("service");
    let value = step.get("service")?;
    let (name, running, enabled) = if value.get_ref().is_str() {
        (Some(reader.text(step, "service")?), true, None)
    } else {
        let table = reader.text_or_table(step, "service")?;
        let running = reader.flag(&table, "running").unwrap_or(true);
        (
            given(reader, &table, "name"),
            running,
            reader.flag(&table, "enabled"),
        )
    };
    let name = name?;
    thing_name(reader, &name, "service", UNIT, &like);
    Some(Service {
        name: name.into_inner(),
        running,
        enabled,
    })
}

/// Reads `file`.
pub(super) fn file(reader: &mut Reader<'_>, step: &Section<'_>) -> Option<File> {
    let value = step.get("file")?;
    if let DeValue::String(_) = value.get_ref() {
        let path = reader.text(step, "file")?;
        return Some(File {
            path: absolute(reader, path),
            exists: true,
            mode: None,
            owner: None,
            text: TextExpectation::default(),
        });
    }
    let table = reader.text_or_table(step, "file")?;
    let path = given(reader, &table, "path");
    let exists = reader.flag(&table, "exists").unwrap_or(true);
    let mode = reader.text(&table, "mode");
    let octal = mode.as_ref().and_then(|mode| octal(mode.get_ref()));
    if let Some(mode) = &mode
        && octal.is_none()
    {
        let message = format!("{} is not a file's mode", show(mode.get_ref()));
        let hint = format!("write its octal digits: {}", table.like("mode"));
        reader.hinted(mode.span(), message, hint);
    }
    let owner = reader.text(&table, "owner");
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

/// Reads `package`.
pub(super) fn package(reader: &mut Reader<'_>, step: &Section<'_>) -> Option<Package> {
    let like = step.like("package");
    let value = step.get("package")?;
    let (name, installed, version) = if value.get_ref().is_str() {
        (
            Some(reader.text(step, "package")?),
            true,
            TextExpectation::default(),
        )
    } else {
        let table = reader.text_or_table(step, "package")?;
        let name = given(reader, &table, "name");
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
    thing_name(reader, &name, "package", PACKAGE, &like);
    Some(Package {
        name: name.into_inner(),
        installed,
        version,
    })
}
