//! The functions' binaries.

use std::collections::BTreeMap;
use std::path::PathBuf;

use simulators::binaries;

/// The binary of each function, by package name.
#[derive(Debug, Clone)]
pub struct Functions(BTreeMap<String, PathBuf>);

impl Functions {
    /// Those that `BUILT` names, as they ship; else cargo's quick ones, which are never older than their source.
    ///
    /// # Errors
    /// When one is not there, or they do not build.
    pub fn built() -> Result<Self, String> {
        binaries::that_ship().map(Self)
    }

    /// The package names with the binaries.
    pub fn iter(&self) -> impl Iterator<Item = (&String, &PathBuf)> {
        self.0.iter()
    }
}
