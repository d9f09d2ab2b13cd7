//! The corpus, replayed: what libFuzzer's targets are started with, and what they found once.

use std::path::{Path, PathBuf};

use fuzz::TARGETS;

#[test]
fn every_file_of_the_corpus_keeps_to_its_targets_property() {
    let mut failing = Vec::new();
    for (name, property) in TARGETS {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("corpus")
            .join(name);
        let files = std::fs::read_dir(&folder).unwrap_or_else(|_| panic!("{name} has no corpus"));
        let mut replayed = 0;
        for file in files {
            let file = file.unwrap().path();
            let data = std::fs::read(&file).unwrap();
            if std::panic::catch_unwind(|| property(&data)).is_err() {
                failing.push(
                    file.strip_prefix(env!("CARGO_MANIFEST_DIR"))
                        .unwrap()
                        .to_owned(),
                );
            }
            replayed += 1;
        }
        assert!(replayed >= 5, "{name}: {replayed} are no corpus");
    }
    assert_eq!(failing, Vec::<PathBuf>::new(), "why is told above");
}

#[test]
fn every_folder_of_the_corpus_and_every_target_has_its_property() {
    let names_in = |folder: &str| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        let mut names: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
            .collect();
        names.sort();
        names
    };
    let wanted: Vec<&str> = TARGETS.iter().map(|(name, _)| *name).collect();
    assert_eq!(names_in("corpus"), wanted);
    assert_eq!(names_in("fuzz_targets"), wanted);
}
