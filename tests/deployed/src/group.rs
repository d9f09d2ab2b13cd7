//! A program with all that it starts: they end together.

use std::process::Stdio;

use tokio::process::{Child, Command};

/// A group of processes; it is killed when this is dropped.
pub struct Group(u32);

impl Group {
    /// Starts a program as the first of a group of its own (setpgid(2)).
    pub fn spawn(command: &mut Command) -> (Child, Self) {
        let first = command.process_group(0).spawn().expect("a program");
        let group = Self(first.id().expect("it was not waited for"));
        (first, group)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let group = format!("-{}", self.0);
        let mut kill = std::process::Command::new("kill");
        // Most have ended by themselves.
        let kill = kill.args(["-KILL", "--", &group]).stderr(Stdio::null());
        let _ = kill.status();
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncBufReadExt, BufReader};
    use tokio::time::timeout;

    use super::*;
    use crate::until::PATIENCE;

    #[tokio::test]
    async fn what_a_program_has_started_ends_with_it() {
        let mut bash = Command::new("bash");
        bash.args(["-c", "sleep 1000 & echo begun; wait"])
            .stdout(Stdio::piped());
        let (mut bash, group) = Group::spawn(&mut bash);
        let mut said = BufReader::new(bash.stdout.take().unwrap()).lines();
        assert_eq!(said.next_line().await.unwrap().as_deref(), Some("begun"));
        drop(group);
        // Its output ends when nobody is left who could write to it.
        let end = timeout(PATIENCE, said.next_line()).await;
        assert_eq!(end.expect("an end").unwrap(), None);
    }
}
