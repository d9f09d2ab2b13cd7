//! The mailboxes' folders, in Dovecot's Maildir format: a mail is a file in `new`, or in `cur` once somebody saw it.

use std::fs;
use std::io::{ErrorKind, Result};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::process::Owner;

pub(super) struct Maildirs {
    root: PathBuf,
    owner: Owner,
    delivered: AtomicU64,
}

impl Maildirs {
    pub(super) fn below(root: &Path, owner: Owner) -> Result<Self> {
        fs::create_dir(root)?;
        owner.give(root)?;
        Ok(Self {
            root: root.to_owned(),
            owner,
            delivered: AtomicU64::new(0),
        })
    }

    pub(super) fn deliver(&self, mailbox: &str, mail: &[u8]) -> Result<()> {
        let folder = self.of(mailbox)?;
        for part in ["", "tmp", "cur", "new"] {
            let part = folder.join(part);
            match fs::create_dir(&part) {
                Ok(()) => self.owner.give(&part)?,
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        let number = self.delivered.fetch_add(1, Ordering::Relaxed);
        // Names are unique, and in the order of their coming.
        let name = format!("{number:06}.relay.simulated");
        let written = folder.join("tmp").join(&name);
        self.owner.write(&written, mail)?;
        fs::rename(written, folder.join("new").join(name))
    }

    pub(super) fn subjects(&self, mailbox: &str) -> Result<Vec<String>> {
        let folder = self.of(mailbox)?;
        let mut mails = Vec::new();
        for part in ["new", "cur"] {
            match fs::read_dir(folder.join(part)) {
                Ok(files) => {
                    for file in files {
                        let file = file?;
                        mails.push((file.file_name(), fs::read(file.path())?));
                    }
                }
                // Nobody has come to it yet, in either sense.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        mails.sort();
        Ok(mails.iter().map(|(_, mail)| subject(mail)).collect())
    }

    /// Puts a file where the folder was.
    pub(super) fn take_away(&self, mailbox: &str) -> Result<()> {
        let folder = self.of(mailbox)?;
        match fs::rename(&folder, away(&folder)) {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            moved => moved?,
        }
        self.owner.write(&folder, "")
    }

    pub(super) fn bring_back(&self, mailbox: &str) -> Result<()> {
        let folder = self.of(mailbox)?;
        fs::remove_file(&folder)?;
        match fs::rename(away(&folder), &folder) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            moved => moved,
        }
    }

    fn of(&self, mailbox: &str) -> Result<PathBuf> {
        match mailbox.contains('/') || mailbox.starts_with('.') {
            true => Err(ErrorKind::InvalidFilename.into()),
            // As Dovecot does with who signs in.
            false => Ok(self.root.join(mailbox.to_lowercase())),
        }
    }
}

fn away(folder: &Path) -> PathBuf {
    folder.with_added_extension("away")
}

/// The subject, on one line (RFC 5322, 2.2.3); nothing where there is none.
fn subject(mail: &[u8]) -> String {
    let mail = String::from_utf8_lossy(mail);
    let mut lines = mail.lines().take_while(|line| !line.is_empty());
    let first = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("subject").then_some(value)
    });
    let folded = lines.take_while(|line| line.starts_with([' ', '\t']));
    let whole: String = first.into_iter().chain(folded).collect();
    whole.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_is_read_over_its_lines_and_never_out_of_the_text() {
        let mail =
            b"From: a@shop.example\r\nsubject: one\r\n two\r\n\tthree\r\nTo: b\r\n\r\nhi\r\n";
        assert_eq!(subject(mail), "one two\tthree");
        assert_eq!(subject(b"To: b\r\n\r\nSubject: hi\r\n"), "");
    }
}
