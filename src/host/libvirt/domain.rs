//! VMs: their XML, their state, their console.

use virt::connect::Connect;
use virt::domain::{
    Domain, DomainPausedReason, DomainShutoffReason, DomainState, DomainStateEnum, DomainStateReason,
    DomainStateReasonEnum,
};
use virt::error::ErrorNumber;
use virt::sys;

use crate::host::libvirt::describe::{Places, describe};
use crate::host::libvirt::error::{doing, found, is_absent, lab_error};
use crate::host::libvirt::xml::{Mark, child, is_of_run, parse, read_mark};
use crate::host::libvirt::{firmware, pool, saved, volume};
use crate::model::id::RunId;
use crate::model::name::{DomainName, VolumePath};
use crate::port::{LabError, Power, VmSpec, VmState};

/// The first libvirt that knows `<tb-cache>` (<https://libvirt.org/formatdomain.html#hypervisor-features>).
const TB_CACHE_SINCE: u32 = 8_000_000;

/// What goes with a domain. The state of an emulated TPM, which is libvirt's, goes unless a flag says to keep it; the one that
/// says so of its removal is not known to each libvirt
/// (<https://libvirt.org/html/libvirt-libvirt-domain.html#virDomainUndefineFlagsValues>).
const UNDEFINE: sys::virDomainUndefineFlagsValues = sys::VIR_DOMAIN_UNDEFINE_MANAGED_SAVE
    | sys::VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
    | sys::VIR_DOMAIN_UNDEFINE_NVRAM;

/// Bytes of the console that are shown.
const CONSOLE_TAIL: u64 = 8 * 1024;

/// Defines and starts a VM, or leaves nothing. `local` is whether the host is this machine.
pub fn create(conn: &Connect, local: bool, spec: &VmSpec) -> Result<(), LabError> {
    match &spec.power {
        Power::On | Power::Saved { .. } => {}
        Power::Savable { ram } => {
            let ram = VolumePath::new(&spec.pool, ram);
            drop(volume::create_owned(conn, &ram, spec.memory.bytes())?);
        }
    }
    let reading = || doing(format!("reading the disks of domain {}", spec.name));
    let mut disks = Vec::new();
    for disk in &spec.disks {
        let (_, overlay) = volume::find(conn, &VolumePath::new(&spec.pool, &disk.volume))?;
        disks.push(overlay.path().map_err(reading())?);
    }
    let pool = conn
        .lookup_storage_pool_by_name(spec.pool.as_str())
        .map_err(reading())?;
    let folder = pool::target(&pool)?;
    let places = Places {
        flash: firmware::flash(conn, local, spec, &folder)?,
        disks,
        folder,
    };
    let tb_cache = conn.lib_version().map_err(reading())? >= TB_CACHE_SINCE;
    // Defined rather than transient: a transient domain vanishes when its guest stops, and with it the reason, which
    // tells a guest that powered off from a QEMU that the host killed.
    let domain = conn
        .define_domain_xml(&describe(spec, &places, tb_cache).render())
        .map_err(doing(format!("defining domain {}", spec.name)))?;
    domain.create().map_err(|error| {
        let error = lab_error(&format!("starting domain {}", spec.name), &error);
        // Its failure leaves a domain that is off and carries the mark, which `clean` finds.
        let _ = domain.undefine_flags(UNDEFINE);
        error
    })?;
    match &spec.power {
        Power::On | Power::Savable { .. } => Ok(()),
        Power::Saved { state, .. } => saved::load(conn, &domain, spec, state).inspect_err(|_| {
            // What is left of it is in the run's ledger.
            let _ = remove(conn, &spec.name, &spec.tag.run);
        }),
    }
}

/// Stops a VM's CPUs.
pub fn pause(conn: &Connect, name: &DomainName) -> Result<(), LabError> {
    let pausing = || doing(format!("pausing domain {name}"));
    conn.lookup_domain_by_name(name.as_str())
        .and_then(|domain| domain.suspend())
        .map_err(pausing())
}

/// Lets a VM's CPUs go on.
pub fn resume(conn: &Connect, name: &DomainName) -> Result<(), LabError> {
    let resuming = || doing(format!("resuming domain {name}"));
    conn.lookup_domain_by_name(name.as_str())
        .and_then(|domain| domain.resume())
        .map_err(resuming())
}

/// What a VM is doing.
pub fn state(conn: &Connect, name: &DomainName) -> Result<VmState, LabError> {
    let Some(domain) = found(
        conn.lookup_domain_by_name(name.as_str()),
        &format!("domain {name}"),
    )?
    else {
        return Ok(VmState::Gone);
    };
    // `Domain::state` swallows errors; `info` does not.
    match domain.info() {
        Ok(_) => {}
        Err(error) if is_absent(&error) => return Ok(VmState::Gone),
        Err(error) => return Err(lab_error(&format!("reading the state of domain {name}"), &error)),
    }
    let (state, reason) = domain
        .state()
        .map_err(doing(format!("reading the state of domain {name}")))?;
    Ok(translate(state, reason))
}

fn translate(state: DomainStateEnum, reason: DomainStateReasonEnum) -> VmState {
    let DomainStateEnum::Known(state) = state else {
        return VmState::Gone;
    };
    let DomainStateReasonEnum::Known(reason) = reason else {
        return VmState::Killed("libvirt gives no reason".into());
    };
    match (state, reason) {
        (DomainState::Paused, DomainStateReason::Paused(reason)) => VmState::Paused {
            io_error: reason.is(DomainPausedReason::IOError),
        },
        (DomainState::Shutoff, DomainStateReason::Shutoff(reason))
            if reason.is(DomainShutoffReason::Shutdown) =>
        {
            VmState::Off("the guest powered itself off".into())
        }
        (DomainState::Shutoff, DomainStateReason::Shutoff(reason)) => VmState::Killed(
            if reason.is(DomainShutoffReason::Crashed) {
                "its QEMU process ended unexpectedly; the host's log says whether it ran out of memory"
            } else if reason.is(DomainShutoffReason::Failed) {
                "its QEMU process failed to start"
            } else if reason.is(DomainShutoffReason::Destroyed) {
                "somebody stopped it"
            } else {
                "libvirt says no more than that it is off"
            }
            .into(),
        ),
        (DomainState::Shutdown, _) => VmState::Off("the guest is powering off".into()),
        (DomainState::Crashed, _) => VmState::Off("the guest crashed".into()),
        (DomainState::Shutoff, _) => VmState::Killed("it is off, and libvirt does not say why".into()),
        (DomainState::Paused | DomainState::PMSuspended, _) => VmState::Paused { io_error: false },
        (DomainState::NoState | DomainState::Running | DomainState::Blocked, _) => VmState::Running,
    }
}

/// Stops and undefines a VM of a run; no error where it is not there. Another's is left alone.
pub fn remove(conn: &Connect, name: &DomainName, run: &RunId) -> Result<(), LabError> {
    let Some(domain) = found(
        conn.lookup_domain_by_name(name.as_str()),
        &format!("domain {name}"),
    )?
    else {
        return Ok(());
    };
    // Not running is an answer: it may have stopped a moment ago.
    let gone =
        |error: &virt::error::Error| is_absent(error) || error.code().is(ErrorNumber::OperationInvalid);
    if !is_of_run(&format!("domain {name}"), domain.xml_desc(0), run)? {
        return Ok(());
    }
    let stopped = domain
        .destroy()
        .or_else(|error| if gone(&error) { Ok(()) } else { domain.destroy() });
    match stopped {
        Err(error) if !gone(&error) => return Err(lab_error(&format!("stopping domain {name}"), &error)),
        Ok(()) | Err(_) => {}
    }
    // A transient domain is gone with its process.
    match domain.undefine_flags(UNDEFINE) {
        Err(error) if !gone(&error) => Err(lab_error(&format!("undefining domain {name}"), &error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// All domains with patchgate's mark.
pub fn marked(conn: &Connect) -> Result<Vec<(DomainName, Mark)>, LabError> {
    let domains = conn.list_all_domains(0).map_err(doing("listing the domains"))?;
    Ok(domains
        .iter()
        // One that vanishes while we look is none.
        .filter_map(|domain| {
            Some((
                domain.name().ok()?.parse().ok()?,
                read_mark(&domain.xml_desc(0).ok()?)?,
            ))
        })
        .collect())
}

/// The end of a VM's console, read through its pool, so that it works on any host and for any user.
pub fn console_tail(conn: &Connect, name: &DomainName) -> Result<Vec<u8>, LabError> {
    let reading = || doing(format!("reading the console of domain {name}"));
    let domain: Domain = conn.lookup_domain_by_name(name.as_str()).map_err(reading())?;
    let xml = domain.xml_desc(0).map_err(reading())?;
    match console_file(&xml) {
        Some(file) => volume::tail(conn, &file, CONSOLE_TAIL),
        None => Ok(Vec::new()),
    }
}

fn console_file(xml: &str) -> Option<String> {
    let document = parse(xml)?;
    let serial = child(child(document.root_element(), "devices")?, "serial")?;
    Some(child(serial, "log")?.attribute("file")?.to_owned())
}

/// A console's bytes as text: escape sequences and other control characters out, lines kept. Guests are untrusted.
pub fn console_text(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes).replace("\r\n", "\n");
    let mut clean = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            // ECMA-48: a control sequence is ESC [ parameters, then one final byte of @ to ~.
            '\x1b' if rest.peek() == Some(&'[') => {
                rest.next();
                while rest.next_if(|c| matches!(c, ' '..='?')).is_some() {}
                rest.next_if(|c| matches!(c, '@'..='~'));
            }
            '\r' => clean.push('\n'),
            '\n' | '\t' => clean.push(c),
            c if c.is_control() => {}
            c => clean.push(c),
        }
    }
    clean
}

#[cfg(test)]
mod tests {
    use virt::domain::{DomainPausedReasonEnum, DomainShutoffReasonEnum};

    use crate::host::libvirt::xml::mark_run;

    use super::*;

    /// Libvirt's own driver of made-up things, which needs no daemon (<https://libvirt.org/drvtest.html>).
    #[test]
    fn a_domain_without_the_runs_mark_is_left_alone() {
        let conn = Connect::open(Some("test:///default")).expect("the test driver");
        let run: RunId = "20261123-140912-7c1f".parse().expect("a run id");
        let other: RunId = "20261123-140912-7c20".parse().expect("a run id");
        let name: DomainName = format!("pg-{run}-0-control-web").parse().expect("a name");
        let define = |mark: &str| {
            let xml = format!(
                "<domain type='test'><name>{name}</name>{mark}<memory>1024</memory><os><type>hvm</type></os></domain>"
            );
            conn.define_domain_xml(&xml).expect("a domain");
        };
        let mark = |run: &RunId| mark_run(run, std::path::Path::new("/runs/1")).render();
        for (text, is_ours) in [
            (String::new(), false),
            (mark(&other), false),
            ("<metadata><x/></metadata>".to_owned(), false),
            (mark(&run), true),
        ] {
            define(&text);
            let left = remove(&conn, &name, &run).is_err_and(|error| {
                error
                    .message
                    .contains(&format!("is not of run {run} and is left alone"))
            });
            assert_eq!(left, !is_ours, "{text}");
            // The driver of made-up things does not know the flags with which one is undefined.
            if let Ok(domain) = conn.lookup_domain_by_name(name.as_str()) {
                domain.undefine().expect("undefine");
            }
        }
        remove(&conn, &name, &run).expect("what is not there is no error");
    }

    #[test]
    fn a_domains_console_is_where_its_xml_says() {
        let xml = "<domain><devices><serial type='pty'><log file='/p/pg-7c1f-1-web.console'/></serial></devices></domain>";
        assert_eq!(console_file(xml).as_deref(), Some("/p/pg-7c1f-1-web.console"));
        assert_eq!(console_file("<domain><devices/></domain>"), None);
    }

    #[test]
    fn a_full_disk_and_a_killed_qemu_are_told_apart() {
        let paused = |reason| {
            translate(
                DomainStateEnum::Known(DomainState::Paused),
                DomainStateReasonEnum::Known(DomainStateReason::Paused(DomainPausedReasonEnum::Known(
                    reason,
                ))),
            )
        };
        assert_eq!(
            paused(DomainPausedReason::IOError),
            VmState::Paused { io_error: true }
        );
        assert_eq!(
            paused(DomainPausedReason::User),
            VmState::Paused { io_error: false }
        );
        let off = |reason| {
            translate(
                DomainStateEnum::Known(DomainState::Shutoff),
                DomainStateReasonEnum::Known(DomainStateReason::Shutoff(DomainShutoffReasonEnum::Known(
                    reason,
                ))),
            )
        };
        assert_eq!(
            off(DomainShutoffReason::Shutdown),
            VmState::Off("the guest powered itself off".into())
        );
        let VmState::Killed(crashed) = off(DomainShutoffReason::Crashed) else {
            panic!("not killed");
        };
        assert!(crashed.contains("QEMU process ended unexpectedly"), "{crashed}");
        let unknown = translate(
            DomainStateEnum::Unknown(u32::MAX),
            DomainStateReasonEnum::Unknown(-1),
        );
        assert_eq!(unknown, VmState::Gone);
    }

    #[test]
    fn the_console_loses_its_control_characters_and_keeps_its_words() {
        for (bytes, text) in [
            (
                &b"\x1b[0;1;31mFAILED\x1b[0m to start\r\nnext\n"[..],
                "FAILED to start\nnext\n",
            ),
            (b"a\rb\x07\x00c\tq", "a\nbc\tq"),
            (b"\xff\xfe ok", "\u{fffd}\u{fffd} ok"),
            (b"cut \x1b[3", "cut "),
            (b"", ""),
        ] {
            assert_eq!(console_text(bytes), text);
        }
    }
}
