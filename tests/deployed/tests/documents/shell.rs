//! A shell in which a person types what a document says: `bash -euo pipefail`, so that nothing fails unseen.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use deployed::group::Group;
use deployed::terminal::quoted;
use deployed::until::PATIENCE;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

/// The shell, which keeps its variables from block to block.
pub struct Shell {
    _group: Group,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
    folder: PathBuf,
    blocks: u32,
}

impl Shell {
    /// One that begins in `folder`, with these variables and the system's programs.
    pub fn start(folder: &Path, variables: &BTreeMap<String, String>) -> Self {
        let mut bash = Command::new("bash");
        bash.args(["--noprofile", "--norc", "-euo", "pipefail"])
            .current_dir(folder)
            .env_clear()
            .envs(variables)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let (mut bash, group) = Group::spawn(&mut bash);
        let input = bash.stdin.take().unwrap();
        let output = BufReader::new(bash.stdout.take().unwrap()).lines();
        Self {
            _group: group,
            input,
            output,
            folder: folder.to_owned(),
            blocks: 0,
        }
    }

    /// Runs a block, and gives what it printed.
    ///
    /// # Errors
    /// What it printed on both ways, where one of its commands failed or it took too long.
    pub async fn run(&mut self, block: &str) -> Result<String, String> {
        self.blocks += 1;
        let path = |end: &str| self.folder.join(format!(".block-{}.{end}", self.blocks));
        let (script, out, err) = (path("sh"), path("out"), path("err"));
        std::fs::write(&script, block).unwrap();
        // Read by the shell itself, so that it keeps the variables; a block's own commands have nothing to read.
        let line = format!(
            ". {} </dev/null >{} 2>{}; echo\n",
            quoted(script.display()),
            quoted(out.display()),
            quoted(err.display())
        );
        let ended = async {
            self.input.write_all(line.as_bytes()).await.ok()?;
            self.output.next_line().await.ok()?
        };
        // A block that waits for ever is an error.
        let ended = timeout(PATIENCE, ended).await;
        let said = |path: &Path| std::fs::read_to_string(path).unwrap_or_default();
        match ended {
            Ok(Some(_)) => Ok(said(&out)),
            Ok(None) => Err(format!("{}{}", said(&out), said(&err))),
            Err(_) => Err(format!("no end: {}{}", said(&out), said(&err))),
        }
    }
}

#[tokio::test]
async fn variables_stay_from_block_to_block_and_a_failing_part_ends_it_with_its_words() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("it's a folder");
    std::fs::create_dir(&folder).unwrap();
    let path = std::env::var("PATH").unwrap();
    let mut shell = Shell::start(&folder, &[("PATH".to_owned(), path)].into());
    shell.run("a=$(echo one | tr o 0)\ncat").await.unwrap();
    assert_eq!(shell.run("echo \"$a\"").await.unwrap(), "0ne\n");
    let refused = shell
        .run("echo begun; echo why >&2; false | true; echo on")
        .await;
    assert_eq!(refused.unwrap_err(), "begun\nwhy\n");
}
