//! Where the parts of a VM are on its host.

/// Where a VM's files are on its host.
pub struct Places {
    /// The paths of its disks, in their order.
    pub disks: Vec<String>,
    /// Its pool's folder.
    pub folder: String,
    /// Its firmware, where that keeps variables.
    pub flash: Option<Flash>,
}

/// A firmware that keeps variables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flash {
    /// The path of its code.
    pub code: String,
    /// Whether it keeps its variables from everybody else (System Management Mode).
    pub smm: bool,
    /// The path of what the VM's variables are a copy of.
    pub template: String,
    /// The path of the VM's variables, which libvirt makes with it.
    pub variables: String,
}
