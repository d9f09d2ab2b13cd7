//! One of the programs, in a folder of its own, with nothing in its environment but what it needs.

use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use simulators::aws::account::REGION;
use tempfile::TempDir;

use crate::support::{Scenario, left_out};

/// Names the AWS CLI, where it is not where `.ci/run` puts it.
const PLACE: &str = "AWS_CLI";
/// Set where a missing one is a failure.
const REQUIRED: &str = "REQUIRE_MINISTACK";

/// The AWS CLI; none, and a line on stderr, where there is none to be had, or no Python.
pub fn aws_or_say() -> Option<PathBuf> {
    let installed = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .parent()
        .map(|target| target.join("ci-emulators/bin/aws"));
    let named = std::env::var_os(PLACE).map(PathBuf::from).or(installed);
    let found = named
        .filter(|program| program.is_file())
        .or_else(|| in_path("aws"));
    if found.is_none() {
        left_out::say("AWS CLI", REQUIRED);
    }
    found.filter(|_| python_or_say())
}

/// Whether there is a Python.
pub fn python_or_say() -> bool {
    let is_there = python().is_some();
    if !is_there {
        left_out::say("python3", REQUIRED);
    }
    is_there
}

/// The program itself: what the path has may be a script that needs others.
fn python() -> Option<PathBuf> {
    let mut says = Command::new("python3");
    let says = says
        .args(["-c", "import sys; print(sys.executable)"])
        .output();
    let path = String::from_utf8(says.ok()?.stdout).ok()?;
    Some(PathBuf::from(path.trim())).filter(|python| python.is_file())
}

fn in_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let mut places = std::env::split_paths(&path).map(|folder| folder.join(program));
    places.find(|place| place.is_file())
}

/// A call of one of them.
pub struct Program<'a> {
    name: &'a str,
    args: Vec<String>,
    given: String,
    folder: TempDir,
    env: Vec<(&'static str, OsString)>,
}

/// What came of it.
pub struct Ran {
    pub succeeded: bool,
    /// All that it said, and then what went wrong.
    pub told: String,
}

impl<'a> Program<'a> {
    pub fn new(name: &'a str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        // Nothing is in its path: the AWS CLI only where a test says so.
        let path = folder.path().into();
        Self {
            name,
            args: Vec::new(),
            given: String::new(),
            folder,
            env: vec![("PATH", path)],
        }
    }

    pub fn args(mut self, args: &[&str]) -> Self {
        self.args.extend(args.iter().map(|arg| (*arg).to_owned()));
        self
    }

    /// On its standard input.
    pub fn given(mut self, text: &str) -> Self {
        text.clone_into(&mut self.given);
        self
    }

    /// A file in its folder.
    pub fn file(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        std::fs::write(self.folder.path().join(name), content).unwrap();
        self
    }

    /// With this AWS CLI, as an administrator of the simulated account.
    pub fn in_the_world(mut self, scenario: &Scenario, aws: &Path) -> Self {
        std::os::unix::fs::symlink(aws, self.folder.path().join("aws")).unwrap();
        let rotation = scenario.world.lambda.function("rotation").unwrap();
        for name in ["AWS_ENDPOINT_URL_SECRETS_MANAGER", "ENTRA_URL"] {
            self.env.push((name, rotation.env[name].clone().into()));
        }
        for (name, value) in [
            ("AWS_DEFAULT_REGION", REGION),
            ("AWS_ACCESS_KEY_ID", "AKIAADMINISTRATOR"),
            ("AWS_SECRET_ACCESS_KEY", "x"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
        ] {
            self.env.push((name, value.into()));
        }
        self
    }

    pub fn run(self) -> Ran {
        let program = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../infra/onboarding")
            .join(self.name);
        let mut child = Command::new(python().unwrap())
            .arg("-B") // leaves no compiled files in the sources
            .arg(program)
            .args(&self.args)
            .current_dir(self.folder.path())
            .env_clear()
            .env("HOME", self.folder.path())
            .envs(self.env)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        // It may have ended without reading.
        let _ = stdin.write_all(self.given.as_bytes());
        drop(stdin);
        let ended = child.wait_with_output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ran {
            succeeded: ended.status.success(),
            told: [text(&ended.stdout), text(&ended.stderr)].concat(),
        }
    }
}
