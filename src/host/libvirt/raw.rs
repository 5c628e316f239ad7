//! The calls that the `virt` crate does not wrap, or wraps so that an error is lost. Audited: the only file with `unsafe` in it.
#![expect(unsafe_code, reason = "these calls are in libvirt's C interface only")]

use std::ffi::{CStr, CString};
use std::os::raw::{c_char, c_int, c_void};
use std::ptr::null_mut;

use virt::connect::Connect;
use virt::domain::Domain;
use virt::error::Error;
use virt::sys;

unsafe extern "C" {
    /// The C library's own, with which a text of libvirt's is given back.
    fn free(memory: *mut c_void);
}

/// Memory of the host by libvirt's names (`total`, `free`, `buffers`, `cached`, ...), in KiB
/// (<https://libvirt.org/html/libvirt-libvirt-host.html#virNodeGetMemoryStats>).
pub fn memory_stats(conn: &Connect) -> Result<Vec<(String, u64)>, Error> {
    // Libvirt knows some five fields; it writes at most `count` of them and says how many.
    let mut stats = [sys::virNodeMemoryStats {
        field: [0; sys::VIR_NODE_MEMORY_STATS_FIELD_LENGTH as usize],
        value: 0,
    }; 16];
    let all_cells = sys::VIR_NODE_MEMORY_STATS_ALL_CELLS;
    let mut count: c_int = 0;
    // SAFETY: the connection is alive while `conn` is borrowed; without parameters libvirt only writes `count`.
    let asked =
        unsafe { sys::virNodeGetMemoryStats(conn.as_ptr(), all_cells, null_mut(), &raw mut count, 0) };
    if asked < 0 {
        return Err(Error::last_error());
    }
    count = count.clamp(0, 16);
    // SAFETY: `stats` has room for `count` parameters, and libvirt writes no more than that.
    let filled = unsafe {
        sys::virNodeGetMemoryStats(conn.as_ptr(), all_cells, stats.as_mut_ptr(), &raw mut count, 0)
    };
    if filled < 0 {
        return Err(Error::last_error());
    }
    Ok(stats
        .iter()
        .take(usize::try_from(count).unwrap_or(0))
        .map(|stat| {
            let field: Vec<u8> = stat.field.iter().map(|c| c.to_ne_bytes()[0]).collect();
            let name = CStr::from_bytes_until_nul(&field).map(CStr::to_string_lossy);
            (name.unwrap_or_default().into_owned(), stat.value)
        })
        .collect())
}

/// Freezes all of a guest's file systems through its agent; how many there were
/// (<https://libvirt.org/html/libvirt-libvirt-domain.html#virDomainFSFreeze>).
pub fn fs_freeze(domain: &Domain) -> Result<u32, Error> {
    // SAFETY: the domain is alive while it is borrowed; without mount points all file systems are meant.
    let frozen = unsafe { sys::virDomainFSFreeze(domain.as_ptr(), null_mut(), 0, 0) };
    counted(frozen)
}

/// Thaws them; how many there were.
pub fn fs_thaw(domain: &Domain) -> Result<u32, Error> {
    // SAFETY: as above.
    let thawed = unsafe { sys::virDomainFSThaw(domain.as_ptr(), null_mut(), 0, 0) };
    counted(thawed)
}

/// An answer that is negative where the call failed.
fn counted(answer: c_int) -> Result<u32, Error> {
    u32::try_from(answer).map_err(|_| Error::last_error())
}

/// Begins a backup, without a checkpoint, so that no bitmap is left
/// (<https://libvirt.org/html/libvirt-libvirt-domain.html#virDomainBackupBegin>).
pub fn backup_begin(domain: &Domain, xml: &str) -> Result<(), Error> {
    let xml = CString::new(xml)?;
    // SAFETY: the domain is alive while it is borrowed, and the text until the call is over.
    let begun = unsafe { sys::virDomainBackupBegin(domain.as_ptr(), xml.as_ptr(), std::ptr::null(), 0) };
    counted(begun).map(drop)
}

/// What backup is under way, as XML; nothing where there is none.
pub fn backup(domain: &Domain) -> Option<String> {
    // SAFETY: the domain is alive while it is borrowed.
    let text = unsafe { sys::virDomainBackupGetXMLDesc(domain.as_ptr(), 0) };
    if text.is_null() {
        return None;
    }
    // SAFETY: libvirt gives a text of its own, with a NUL at its end, and leaves it to the caller to `free` it.
    unsafe {
        let owned = CStr::from_ptr(text).to_string_lossy().into_owned();
        free(text.cast());
        Some(owned)
    }
}

/// Ends the job that is under way.
pub fn abort_job(domain: &Domain) -> Result<(), Error> {
    // SAFETY: the domain is alive while it is borrowed.
    counted(unsafe { sys::virDomainAbortJob(domain.as_ptr()) }).map(drop)
}

/// A job of a domain (<https://libvirt.org/html/libvirt-libvirt-domain.html#virDomainGetJobStats>).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Job {
    /// libvirt's number for how it stands.
    pub state: i32,
    /// Why it failed.
    pub message: Option<String>,
}

impl Job {
    /// Whether it goes on.
    pub fn goes_on(&self) -> bool {
        [sys::VIR_DOMAIN_JOB_BOUNDED, sys::VIR_DOMAIN_JOB_UNBOUNDED]
            .iter()
            .any(|state| i64::from(*state) == i64::from(self.state))
    }

    /// Whether it came to its end.
    pub fn is_completed(&self) -> bool {
        i64::from(sys::VIR_DOMAIN_JOB_COMPLETED) == i64::from(self.state)
    }
}

/// The job that is under way, or, where `over`, the last one that is not any more.
pub fn job(domain: &Domain, over: bool) -> Result<Job, Error> {
    let flags = if over {
        sys::VIR_DOMAIN_JOB_STATS_COMPLETED
    } else {
        0
    };
    let mut job = Job::default();
    let mut params: sys::virTypedParameterPtr = null_mut();
    let mut count: c_int = 0;
    // SAFETY: the domain is alive while it is borrowed; libvirt writes to the three places and allocates the list itself.
    let asked = unsafe {
        sys::virDomainGetJobStats(
            domain.as_ptr(),
            &raw mut job.state,
            &raw mut params,
            &raw mut count,
            flags,
        )
    };
    counted(asked)?;
    if params.is_null() {
        return Ok(job);
    }
    let mut message: *const c_char = std::ptr::null();
    // SAFETY: the list is libvirt's own, with `count` entries. A text that is found in it lives as long as the list, which is
    // freed once, after the text was copied.
    unsafe {
        let name = sys::VIR_DOMAIN_JOB_ERRMSG.as_ptr();
        if sys::virTypedParamsGetString(params, count, name, &raw mut message) == 1 && !message.is_null() {
            job.message = Some(CStr::from_ptr(message).to_string_lossy().into_owned());
        }
        sys::virTypedParamsFree(params, count);
    }
    Ok(job)
}

/// Bytes that a disk takes on its host, and that its guest sees of it
/// (<https://libvirt.org/html/libvirt-libvirt-domain.html#virDomainGetBlockInfo>).
pub fn block_info(domain: &Domain, disk: &str) -> Result<(u64, u64), Error> {
    let disk = CString::new(disk)?;
    let mut info = sys::virDomainBlockInfo {
        capacity: 0,
        allocation: 0,
        physical: 0,
    };
    // SAFETY: the domain is alive while it is borrowed; libvirt writes to the one structure.
    let asked = unsafe { sys::virDomainGetBlockInfo(domain.as_ptr(), disk.as_ptr(), &raw mut info, 0) };
    counted(asked)?;
    Ok((info.allocation, info.capacity))
}
