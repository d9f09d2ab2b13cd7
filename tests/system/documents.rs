//! The documents name only files that are there: a newcomer follows them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

#[test]
fn every_source_file_that_a_document_names_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut sources = BTreeSet::new();
    for part in ["functions", "shared", "infra", "tests"] {
        add_sources(&root.join(part), &mut sources);
    }
    let mut documents: Vec<PathBuf> =
        ["README.md", "CONTRIBUTING.md", "tests/simulators/README.md"]
            .map(|name| root.join(name))
            .into();
    let docs = std::fs::read_dir(root.join("docs")).unwrap();
    documents.extend(docs.map(|entry| entry.unwrap().path()));
    let mut missing = Vec::new();
    for document in documents {
        let text = std::fs::read_to_string(&document).unwrap();
        // What stands between backquotes: the odd parts.
        for named in text.split('`').skip(1).step_by(2) {
            let is_path = |c: char| c.is_ascii_alphanumeric() || "_-./".contains(c);
            let is_source = named.ends_with(".rs") && named.chars().all(is_path);
            let is_there = |source: &String| source.ends_with(&format!("/{named}"));
            // Another project's, named with its repository beside it.
            let is_foreign = named.starts_with("src/");
            if is_source && !is_foreign && !sources.iter().any(is_there) {
                missing.push(format!("{}: {named}", document.display()));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

fn add_sources(folder: &Path, sources: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            add_sources(&path, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            sources.insert(path.display().to_string());
        }
    }
}
