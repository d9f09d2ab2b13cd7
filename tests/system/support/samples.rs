//! The sample payloads, as `infra/events/README.md` lists them.

use std::path::{Path, PathBuf};

/// A payload and whose it is.
pub struct Sample {
    pub file: String,
    pub function: String,
}

impl Sample {
    pub fn text(&self) -> String {
        std::fs::read_to_string(folder().join(&self.file)).unwrap()
    }
}

pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../infra/events")
}

/// The rows of the table.
pub fn listed() -> Vec<Sample> {
    let text = std::fs::read_to_string(folder().join("README.md")).unwrap();
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `"));
    let cells = rows.filter_map(|row| row.split_once("` | `"));
    let sample = |(file, rest): (&str, &str)| Sample {
        file: file.to_owned(),
        function: rest.split('`').next().unwrap_or_default().to_owned(),
    };
    cells.map(sample).collect()
}
