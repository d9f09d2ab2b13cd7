//! The functions' binaries.

use std::collections::BTreeMap;
use std::path::PathBuf;

use simulators::binaries;

/// Names the folder of those that ship: of each function `<folder>/<function>/bootstrap`.
const BUILT: &str = "BUILT";

/// The binary of each function, by package name.
#[derive(Debug, Clone)]
pub struct Functions(BTreeMap<String, PathBuf>);

impl Functions {
    /// Those that `BUILT` names, as they ship; else cargo's quick ones, which are never older than their source.
    ///
    /// # Errors
    /// When one is not there, or they do not build.
    pub fn built() -> Result<Self, String> {
        let Some(folder) = std::env::var_os(BUILT).map(PathBuf::from) else {
            return binaries::build().cloned().map(Self);
        };
        let built =
            binaries::FUNCTIONS.map(|name| (name.to_owned(), folder.join(name).join("bootstrap")));
        match built.iter().find(|(_, binary)| !binary.is_file()) {
            Some((_, missing)) => Err(format!("{BUILT}: {} is not there", missing.display())),
            None => Ok(Self(built.into())),
        }
    }

    /// The package names with the binaries.
    pub fn iter(&self) -> impl Iterator<Item = (&String, &PathBuf)> {
        self.0.iter()
    }
}
