//! The function binaries, built by cargo once for each process that needs them.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

/// Selected beside the functions, so that nothing they rest on is built once more with other features.
const FEATURES: &str = "workspace-hack";

/// The packages whose binaries are run as functions.
pub const FUNCTIONS: [&str; 4] = ["expiry-checker", "notifier", "oauth-callback", "rotation"];

/// Names the folder of those that ship: of each function `<folder>/<function>/bootstrap`.
const BUILT: &str = "BUILT";

static OF_CARGO: OnceLock<Result<BTreeMap<String, PathBuf>, String>> = OnceLock::new();

/// What is seen of the build on standard error. Errors always are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// All that cargo says.
    Everything,
    /// Its progress bar alone, in a terminal of this width.
    Bar {
        /// In characters.
        width: u16,
    },
    /// Nothing else.
    Errors,
}

/// The path of each function's binary, by package name. `cargo test` and `cargo run` build no other
/// package's binaries, so cargo is asked here, and tells the paths itself.
///
/// # Errors
/// When they do not build.
pub fn build() -> Result<&'static BTreeMap<String, PathBuf>, String> {
    build_showing(Shown::Everything)
}

/// The same; who asks first says what is seen of it.
///
/// # Errors
/// When they do not build.
pub fn build_showing(shown: Shown) -> Result<&'static BTreeMap<String, PathBuf>, String> {
    build_as(shown, "dev")
}

/// The same by a profile of the workspace's; who asks first decides.
///
/// # Errors
/// When they do not build.
pub fn build_as(shown: Shown, profile: &str) -> Result<&'static BTreeMap<String, PathBuf>, String> {
    let built = OF_CARGO.get_or_init(|| run_cargo(shown, profile));
    built.as_ref().map_err(Clone::clone)
}

/// Those that `BUILT` names, as they ship; else cargo's quick ones, which are never older than their source.
///
/// # Errors
/// When one is not there, or they do not build.
pub fn that_ship() -> Result<BTreeMap<String, PathBuf>, String> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let Some(folder) = std::env::var_os(BUILT).map(|folder| workspace.join(folder)) else {
        return build().cloned();
    };
    let built = FUNCTIONS.map(|name| (name.to_owned(), folder.join(name).join("bootstrap")));
    match built.iter().find(|(_, binary)| !binary.is_file()) {
        Some((_, missing)) => Err(format!("{BUILT}: {} is not there", missing.display())),
        None => Ok(built.into()),
    }
}

fn run_cargo(shown: Shown, profile: &str) -> Result<BTreeMap<String, PathBuf>, String> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .current_dir(workspace)
        .args([
            "build",
            "--locked",
            "--message-format=json-render-diagnostics",
        ])
        .args(["--profile", profile])
        .args(["--package", FEATURES])
        .args(FUNCTIONS.iter().flat_map(|package| ["--package", package]))
        .stdin(Stdio::null())
        .stderr(Stdio::inherit());
    show(shown, &mut command);
    for name in of_the_running_package() {
        command.env_remove(name);
    }
    let output = command
        .output()
        .map_err(|error| format!("cargo cannot be run: {error}"))?;
    if !output.status.success() {
        return Err("the function binaries do not build".to_owned());
    }
    let binaries: BTreeMap<String, PathBuf> = String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(executable)
        .collect();
    let missing = FUNCTIONS.iter().find(|name| !binaries.contains_key(**name));
    match missing {
        None => Ok(binaries),
        Some(name) => Err(format!("cargo named no binary of {name}")),
    }
}

/// `--quiet` leaves out the bar too, unless it is asked for always, and then cargo asks for a width (Cargo book,
/// *Configuration*, `term.progress`).
fn show(shown: Shown, command: &mut Command) {
    match shown {
        Shown::Everything => {}
        Shown::Bar { width } => {
            command
                .arg("--quiet")
                .env("CARGO_TERM_PROGRESS_WHEN", "always")
                .env("CARGO_TERM_PROGRESS_WIDTH", width.to_string());
        }
        Shown::Errors => {
            command
                .arg("--quiet")
                .env("CARGO_TERM_PROGRESS_WHEN", "never");
        }
    }
}

/// What cargo tells a program that it runs about its package. Build scripts that watch these (ring's)
/// would run again, and all that rests on them would be built again, each time it is another package
/// that asks.
fn of_the_running_package() -> impl Iterator<Item = OsString> {
    let names = std::env::vars_os().map(|(name, _)| name);
    names.filter(|name| {
        let name = name.to_string_lossy();
        name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")
    })
}

fn executable(message: &str) -> Option<(String, PathBuf)> {
    let message: Value = serde_json::from_str(message).ok()?;
    let path = message.get("executable")?.as_str()?;
    let name = message.get("target")?.get("name")?.as_str()?;
    Some((name.to_owned(), path.into()))
}
