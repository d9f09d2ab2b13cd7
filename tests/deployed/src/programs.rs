//! MiniStack, the AWS CLI and the AWS SAM CLI, where they are to be had.

use std::path::{Path, PathBuf};

use simulators::left_out;

/// Set where a missing program is a failure.
const REQUIRED: &str = "REQUIRE_MINISTACK";

/// Where they are.
#[derive(Debug, Clone)]
pub struct Programs {
    /// `MINISTACK` names it, where it is not where `.ci/run` puts it.
    pub mini_stack: PathBuf,
    /// `AWS_CLI` names it.
    pub aws: PathBuf,
    /// `SAM` names it.
    pub sam: PathBuf,
}

impl Programs {
    /// None, and a line on stderr, where one is missing: the test is left out then.
    pub fn or_say() -> Option<Self> {
        let mut missing = Vec::new();
        let mut find = |name: &'static str, variable: &str, below_target: &str| {
            let found = place(name, variable, below_target);
            if found.is_none() {
                missing.push(name);
            }
            found.unwrap_or_default()
        };
        let programs = Self {
            mini_stack: find("ministack", "MINISTACK", "ci-emulators/bin"),
            aws: find("aws", "AWS_CLI", "ci-emulators/bin"),
            sam: find("sam", "SAM", "ci-venv/bin"),
        };
        if missing.is_empty() {
            return Some(programs);
        }
        left_out::say(&missing.join(", "), REQUIRED);
        None
    }
}

/// What the variable names; else what `.ci/run` has installed; else what is in the path.
fn place(name: &str, variable: &str, below_target: &str) -> Option<PathBuf> {
    let places = match std::env::var_os(variable) {
        Some(named) => vec![PathBuf::from(named)],
        None => {
            let path = std::env::var_os("PATH").unwrap_or_default();
            let in_path = std::env::split_paths(&path).map(|folder| folder.join(name));
            let installed = target().map(|target| target.join(below_target).join(name));
            installed.into_iter().chain(in_path).collect()
        }
    };
    places.into_iter().find(|place| place.is_file())
}

/// cargo's target folder: a test is `<target>/<profile>/deps/<test>`.
fn target() -> Option<PathBuf> {
    let test = std::env::current_exe().ok()?;
    test.ancestors().nth(3).map(Path::to_owned)
}
