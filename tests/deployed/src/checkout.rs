//! The repository as somebody has it who installs it, after `sam build`: with the test's copy of the templates.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use simulators::binaries;
use tempfile::TempDir;

use crate::templates::Templates;

/// What is not a part of it, or is put there changed.
const OWN: [&str; 5] = [".git", "target", "infra", "template.yaml", ".aws-sam"];

/// A folder with everything of the repository in it; it is gone when this is dropped.
pub struct Checkout(TempDir);

impl Checkout {
    /// One after `sam build`: `sam deploy` takes `.aws-sam/build/template.yaml`, in which each function has a `CodeUri`
    /// of its own (SAM guide, *sam build*). `template.yaml` itself is as it is.
    pub fn new(templates: &Templates) -> Self {
        let checkout = Self(tempfile::tempdir().expect("a folder"));
        let folder = checkout.path();
        link_all(&repository(), folder, &OWN);
        symlink(
            repository().join("template.yaml"),
            folder.join("template.yaml"),
        )
        .expect("a link");
        let infra = folder.join("infra");
        fs::create_dir(&infra).expect("a folder");
        link_all(&repository().join("infra"), &infra, &["mailbox.yaml"]);
        fs::write(infra.join("mailbox.yaml"), templates.mailbox.text()).expect("a template");
        checkout.build(templates);
        checkout
    }

    fn build(&self, templates: &Templates) {
        let build = self.path().join(".aws-sam/build");
        fs::create_dir_all(&build).expect("a folder");
        let mut system = templates.system.clone();
        for (name, binary) in binaries::that_ship().expect("the functions") {
            let code = build.join(&name);
            fs::create_dir(&code).expect("a folder");
            fs::copy(binary, code.join("bootstrap")).expect("a binary");
            let metadata = format!("      BuildProperties: {{Binary: {name}}}\n    Properties:\n");
            system.replace(&metadata, &format!("{metadata}      CodeUri: {name}\n"));
        }
        fs::write(build.join("template.yaml"), system.text()).expect("a template");
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

/// Where the sources are.
pub fn repository() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    root.canonicalize().expect("the repository")
}

/// A link for everything in `from`, but for what is named.
fn link_all(from: &Path, to: &Path, but_for: &[&str]) {
    for entry in fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let name = entry.file_name();
        if !but_for.iter().any(|own| *own == name) {
            symlink(entry.path(), to.join(&name)).expect("a link");
        }
    }
}
