//! Copying disks of a running domain: libvirt's backup in push mode, to files in a pool of the copy's own
//! (<https://libvirt.org/formatbackup.html>). QEMU copies them as they are at one moment while the guest writes on, by keeping
//! what it is about to overwrite; there is no snapshot to merge, no bitmap, and a job that is ended leaves the domain as it is.

use std::time::Duration;

use virt::connect::Connect;
use virt::domain::Domain;
use virt::error::{Error, ErrorNumber};

use crate::host::libvirt::error::{doing, found, from_message, lab_error, one_line};
use crate::host::libvirt::xml::{Element, element};
use crate::host::libvirt::{pool, raw};
use crate::input::safe;
use crate::model::id::RunId;
use crate::model::name::{PoolName, VolumeName};
use crate::model::outcome::Cause;
use crate::model::uri::HostUri;
use crate::port::{LabError, LiveSpec};

/// Bytes that stay free where the copies are: a copy that finds no room would make the guest's own writes fail.
const RESERVE: u64 = 1 << 30;
/// How long a job may take to end once it was told to.
const END_LIMIT: Duration = Duration::from_secs(60);
/// The pause between two looks at it.
const POLL: Duration = Duration::from_millis(100);

/// How a copy stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stand {
    /// It goes on.
    GoesOn,
    /// It is whole.
    Whole,
}

/// The file of a disk's copy in its pool.
pub fn volume(disk: &str) -> Result<VolumeName, LabError> {
    Ok(format!("{disk}.qcow2").parse()?)
}

fn domain(conn: &Connect, name: &str) -> Result<Domain, LabError> {
    conn.lookup_domain_by_name(name)
        .map_err(doing(format!("looking up domain {}", safe::line(name))))
}

/// Whether there is room for copies of the disks; what they take on their host now is what a copy takes, since only what is
/// there at its beginning is copied.
pub fn has_room(conn: &Connect, uri: &HostUri, spec: &LiveSpec) -> Result<(), LabError> {
    let domain = domain(conn, &spec.domain)?;
    let mut wanted: u64 = 0;
    for (disk, _) in &spec.disks {
        let (taken, size) = raw::block_info(&domain, disk).map_err(doing(format!(
            "asking for the size of disk {disk} of domain {}",
            spec.domain
        )))?;
        // A disk that stands on another may hold more than its own file: then all of it.
        let alone = stands_alone(&domain, disk);
        wanted = wanted.saturating_add(if alone { taken.min(size) } else { size });
    }
    let free = pool::free(conn, uri)?;
    if free >= wanted.saturating_add(wanted / 64).saturating_add(RESERVE) {
        return Ok(());
    }
    Err(LabError::new(
        Cause::HostDisk,
        format!(
            "copying domain {}: its disks take up to {} MiB and {} MiB are free where libvirt keeps its images, of which 1 GiB \
             stays free",
            safe::line(&spec.domain),
            wanted >> 20,
            free >> 20
        ),
    )
    .with_hint("free disk space there, or shut the domain down and import it then"))
}

/// Whether libvirt knows of no file below a disk's.
fn stands_alone(domain: &Domain, disk: &str) -> bool {
    let Ok(xml) = domain.xml_desc(0) else {
        return false;
    };
    let Ok(read) = crate::image::domain_xml::whole::read(&xml) else {
        return false;
    };
    read.disks
        .iter()
        .any(|known| known.name == disk && known.links.len() == 1)
}

/// Whether too little room is left to go on.
pub fn is_full(conn: &Connect, uri: &HostUri) -> Result<(), LabError> {
    if pool::free(conn, uri)? > RESERVE / 2 {
        return Ok(());
    }
    Err(LabError::new(
        Cause::HostDisk,
        "the disk where libvirt keeps its images is almost full; the copy was ended before the domain would have suffered",
    )
    .with_hint("free disk space there"))
}

/// What came of a freeze.
pub enum Froze {
    /// So many file systems.
    Yes(u32),
    /// None, and nothing is to be thawed; why.
    No(String),
    /// Some perhaps; why not all.
    Partly(String),
}

/// Freezes the domain's file systems.
pub fn freeze(conn: &Connect, name: &str) -> Result<Froze, LabError> {
    let domain = domain(conn, name)?;
    Ok(match raw::fs_freeze(&domain) {
        Ok(count) => Froze::Yes(count),
        Err(error) if nobody_heard(&error) => Froze::No(one_line(error.message())),
        Err(error) => Froze::Partly(one_line(error.message())),
    })
}

/// Whether there was no agent to hear it.
fn nobody_heard(error: &Error) -> bool {
    [
        ErrorNumber::ArgumentUnsupported,
        ErrorNumber::OperationInvalid,
        ErrorNumber::OperationUnsupported,
    ]
    .into_iter()
    .any(|code| error.code().is(code))
}

/// Thaws them.
pub fn thaw(conn: &Connect, name: &str) -> Result<(), LabError> {
    let domain = domain(conn, name)?;
    match raw::fs_thaw(&domain) {
        Ok(_) => Ok(()),
        Err(error) => Err(lab_error(
            &format!("thawing the file systems of domain {}", safe::line(name)),
            &error,
        )
        .with_hint(format!("thaw them with `virsh domfsthaw {}`", safe::line(name)))),
    }
}

/// Begins the copy.
pub fn begin(conn: &Connect, spec: &LiveSpec) -> Result<(), LabError> {
    let pool = PoolName::of_run(&spec.id);
    let beginning = || doing(format!("copying domain {} as it runs", safe::line(&spec.domain)));
    let handle = conn
        .lookup_storage_pool_by_name(pool.as_str())
        .map_err(beginning())?;
    let folder = pool::target(&handle)?;
    let mut disks = Vec::new();
    for (disk, _) in &spec.disks {
        disks.push((disk.as_str(), format!("{folder}/{}", volume(disk)?)));
    }
    let domain = domain(conn, &spec.domain)?;
    raw::backup_begin(&domain, &describe(&disks).render()).map_err(beginning())
}

fn describe(disks: &[(&str, String)]) -> Element {
    let disks = disks.iter().map(|(disk, file)| {
        element("disk")
            .with("name", disk)
            .with("backup", "yes")
            .with("type", "file")
            .child(element("target").with("file", file))
            .child(element("driver").with("type", "qcow2"))
    });
    element("domainbackup")
        .with("mode", "push")
        .child(element("disks").children(disks))
}

/// How the copy stands.
pub fn stand(conn: &Connect, name: &str) -> Result<Stand, LabError> {
    let doing = || format!("copying domain {} as it runs", safe::line(name));
    let domain = domain(conn, name)?;
    let asked = raw::job(&domain, false).and_then(|job| {
        if job.goes_on() {
            Ok(job)
        } else {
            raw::job(&domain, true)
        }
    });
    match asked {
        Ok(job) if job.goes_on() => Ok(Stand::GoesOn),
        Ok(job) if job.is_completed() => Ok(Stand::Whole),
        Ok(job) => Err(from_message(
            &doing(),
            job.message.as_deref().unwrap_or("somebody ended it"),
        )),
        Err(error) if error.code().is(ErrorNumber::OperationInvalid) => {
            Err(from_message(&doing(), "it stopped before its copy was whole"))
        }
        Err(error) => Err(lab_error(&doing(), &error)),
    }
}

/// Ends what a copy of that id left.
pub fn end(conn: &Connect, uri: &HostUri, name: &str, id: &RunId, thaws: bool) -> Result<(), LabError> {
    let pool = PoolName::of_run(id);
    let what = format!("domain {}", safe::line(name));
    let mut thawed = Ok(());
    if let Some(domain) = found(conn.lookup_domain_by_name(name), &what)?
        && domain.is_active().unwrap_or(false)
    {
        if thaws {
            thawed = thaw(conn, name);
        }
        abort(&domain, &pool).map_err(doing(format!("ending the copy of {what}")))?;
    }
    pool::remove(conn, uri, &pool)?;
    thawed
}

/// Ends a backup into that pool, and no other.
fn abort(domain: &Domain, pool: &PoolName) -> Result<(), Error> {
    let ours = || raw::backup(domain).is_some_and(|xml| xml.contains(&format!("/{pool}")));
    if !ours() {
        return Ok(());
    }
    raw::abort_job(domain)?;
    let begin = std::time::Instant::now();
    while ours() && begin.elapsed() < END_LIMIT {
        std::thread::sleep(POLL);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backup_of_the_disks_that_are_named() {
        let xml = describe(&[("vda", "/p&/pg-1/vda.qcow2".to_owned())]).render();
        insta::assert_snapshot!(xml, @r#"
        <domainbackup mode="push">
          <disks>
            <disk name="vda" backup="yes" type="file">
              <target file="/p&amp;/pg-1/vda.qcow2"/>
              <driver type="qcow2"/>
            </disk>
          </disks>
        </domainbackup>
        "#);
    }
}
