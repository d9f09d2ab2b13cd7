//! Dovecot's processes: whose they are, how they start, and that they end with the one who started them.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Result;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

use super::configuration::MAIN;

pub(super) const DOVECOT: &str = "/usr/sbin/dovecot";
/// Who it runs as where root starts it: Dovecot gives no mail to root.
const NOBODY: &str = "nobody";
/// Runs what comes after it, and kills it with all that came of it when standard input ends: when a test drops it, and
/// also when a test's process is killed.
const UNTIL_INPUT_ENDS: &str =
    r#"exec 3<&0 </dev/null; { read -r _ <&3; kill -KILL 0; } & exec "$@" 3<&-"#;

/// Whose processes and files they are.
#[derive(Debug, Clone)]
pub(super) struct Owner {
    pub(super) user: String,
    pub(super) group: String,
    uid: u32,
    gid: u32,
    /// Whether it is somebody else than who runs the test.
    other: bool,
}

impl Owner {
    pub(super) fn find() -> Result<Self> {
        let other = id(&["-u"])? == "0";
        let user = match other {
            true => NOBODY.to_owned(),
            false => id(&["-un"])?,
        };
        let number = |of: &str| {
            let number = id(&[of, &user])?.parse();
            number.map_err(std::io::Error::other)
        };
        Ok(Self {
            group: id(&["-gn", &user])?,
            uid: number("-u")?,
            gid: number("-g")?,
            user,
            other,
        })
    }

    /// Makes it the owner's.
    pub(super) fn give(&self, path: &Path) -> Result<()> {
        chown(path, Some(self.uid), Some(self.gid))
    }

    /// A file of the owner's.
    pub(super) fn write(&self, path: &Path, content: impl AsRef<[u8]>) -> Result<()> {
        std::fs::write(path, content)?;
        self.give(path)
    }
}

pub(super) fn version() -> Result<String> {
    said(DOVECOT, &["--version"])
}

fn id(arguments: &[&str]) -> Result<String> {
    said("id", arguments)
}

fn said(program: &str, arguments: &[&str]) -> Result<String> {
    let output = Command::new(program).args(arguments).output()?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    match output.status.success() {
        true => Ok(text),
        false => Err(std::io::Error::other(format!("{program} {arguments:?}"))),
    }
}

/// The processes, all of one group.
#[derive(Debug)]
pub(super) struct Process {
    /// The one whose number is the group's.
    pub(super) master: Child,
}

impl Process {
    /// Starts it with the configuration in this folder.
    pub(super) fn start(owner: &Owner, folder: &Path) -> Result<Self> {
        let configuration = folder.join(MAIN);
        let mut command = Command::new("sh");
        command.args(["-c", UNTIL_INPUT_ENDS, "sh"]);
        if owner.other {
            let user = format!("--reuid={}", owner.uid);
            let group = format!("--regid={}", owner.gid);
            command.args(["setpriv", &user, &group, "--clear-groups"]);
        }
        command
            .args([DOVECOT, "-F", "-c"].map(OsStr::new))
            .arg(configuration)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(File::create(folder.join("said"))?)
            .process_group(0);
        let master = command.spawn()?;
        Ok(Self { master })
    }

    pub(super) fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.master.try_wait()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.master.stdin.take());
        let _ = self.master.wait();
    }
}
