//! Somebody's terminal: commands as documents have them, in a checkout, with MiniStack for AWS.

use std::collections::BTreeMap;
use std::env::{join_paths, split_paths};
use std::fmt::Display;
use std::fs::{self, Permissions};
use std::iter;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tempfile::TempDir;
use tokio::process::Command;
use tokio::time::timeout;

use crate::checkout::Checkout;
use crate::group::Group;
use crate::mini_stack::MiniStack;
use crate::programs::Programs;
use crate::until::PATIENCE;

/// A terminal.
pub struct Terminal {
    folder: PathBuf,
    env: BTreeMap<String, String>,
    /// Without a configuration of AWS's.
    _home: TempDir,
}

/// What came of a command.
#[derive(Debug, Clone)]
pub struct Ran {
    /// Whether it ended with status 0.
    pub succeeded: bool,
    /// Its standard output.
    pub output: String,
    /// Its standard error.
    pub errors: String,
}

impl Terminal {
    /// One in this checkout, as the account's root in this MiniStack: with nothing else in its environment, and with
    /// `aws` and `sam` in its path.
    pub fn new(checkout: &Checkout, programs: &Programs, mini_stack: &MiniStack) -> Self {
        let home = tempfile::tempdir().expect("a folder");
        let own = home.path().join("bin");
        fs::create_dir(&own).expect("a folder");
        put_aws(&own, &programs.aws);
        symlink(&programs.sam, own.join("sam")).expect("a link");
        let mut env = mini_stack.client_env();
        let more = [
            ("PATH", std::env::var("PATH").unwrap_or_default()),
            ("HOME", home.path().display().to_string()),
            ("LC_ALL", "C.UTF-8".to_owned()),
            ("SAM_CLI_TELEMETRY", "0".to_owned()),
            // `infra` in the checkout is the repository's own.
            ("PYTHONDONTWRITEBYTECODE", "1".to_owned()),
        ];
        env.extend(more.map(|(name, value)| (name.to_owned(), value)));
        let terminal = Self {
            folder: checkout.path().to_owned(),
            env,
            _home: home,
        };
        terminal.with_programs(&own)
    }

    /// The same with the programs in this folder, before all others.
    pub fn with_programs(self, folder: &Path) -> Self {
        let others = split_paths(&self.env["PATH"]);
        let path = join_paths(iter::once(folder.to_owned()).chain(others)).expect("a path");
        self.with("PATH", path.to_str().expect("UTF-8"))
    }

    /// The same with a variable more.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.env.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Its variables.
    pub fn env(&self) -> &BTreeMap<String, String> {
        &self.env
    }

    /// Runs a line, or several, in bash, which has to succeed, and returns its output.
    pub async fn run(&self, command: &str) -> String {
        let ran = self.try_to_run(command).await;
        assert!(ran.succeeded, "{command}\n{}{}", ran.output, ran.errors);
        ran.output
    }

    /// Runs a line, or several, in bash.
    pub async fn try_to_run(&self, command: &str) -> Ran {
        let mut bash = Command::new("bash");
        bash.args(["-euo", "pipefail", "-c", command])
            .current_dir(&self.folder)
            .env_clear()
            .envs(&self.env)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let (bash, _group) = Group::spawn(&mut bash);
        let ended = timeout(PATIENCE, bash.wait_with_output()).await;
        let ended = ended.unwrap_or_else(|_| panic!("no end after {PATIENCE:?}: {command}"));
        let ended = ended.expect("its output");
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Ran {
            succeeded: ended.status.success(),
            output: text(ended.stdout),
            errors: text(ended.stderr),
        }
    }
}

/// One word of the shell's, whatever is in it.
pub fn quoted(word: impl Display) -> String {
    format!("'{}'", word.to_string().replace('\'', r"'\''"))
}

/// The AWS CLI, of which PyPI has version 1: that goes past `AWS_ENDPOINT_URL` to AWS's own address with `aws sqs`
/// (awscli/customizations/overridesslcommonname.py).
fn put_aws(folder: &Path, aws: &Path) {
    let place = folder.join("aws");
    let script = format!(
        "#!/bin/bash\nif [[ $1 == sqs ]]; then set -- \"$@\" --endpoint-url \"$AWS_ENDPOINT_URL\"; fi\nexec {} \"$@\"\n",
        quoted(aws.display())
    );
    fs::write(&place, script).expect("a script");
    fs::set_permissions(&place, Permissions::from_mode(0o755)).expect("a script");
}
