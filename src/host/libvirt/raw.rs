//! The one call that the `virt` crate does not wrap. Audited: the only file with `unsafe` in it.
#![expect(
    unsafe_code,
    reason = "virNodeGetMemoryStats is in libvirt's C interface only"
)]

use std::ffi::CStr;
use std::os::raw::c_int;

use virt::connect::Connect;
use virt::error::Error;
use virt::sys;

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
    let asked = unsafe {
        sys::virNodeGetMemoryStats(conn.as_ptr(), all_cells, std::ptr::null_mut(), &raw mut count, 0)
    };
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
