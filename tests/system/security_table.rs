//! docs/security.md names a test for each attack: they exist, and no test of `attacks` is missing in it.

use std::collections::BTreeSet;
use std::path::Path;

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).unwrap()
}

/// The tests of a module: the functions behind the attribute, in its file and in its folder.
fn tests_in(module: &str) -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("system/{module}"));
    let files = std::fs::read_dir(folder).into_iter().flatten();
    let files = files.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap());
    let texts = files.chain([read(&format!("system/{module}.rs"))]);
    texts.flat_map(|text| tests_of(&text)).collect()
}

fn tests_of(text: &str) -> BTreeSet<String> {
    let functions = text.split("#[").filter_map(|rest| {
        let (attribute, rest) = rest.split_once("]\n")?;
        let named = rest.trim_start_matches("async ").strip_prefix("fn ")?;
        let (name, _) = named.split_once('(')?;
        let test = attribute == "test" || attribute.starts_with("tokio::test");
        test.then(|| name.to_owned())
    });
    functions.collect()
}

#[test]
fn the_table_of_attacks_and_the_tests_are_the_same() {
    let modules = [
        "attacks",
        "bad_input",
        "hand_over",
        "id_tokens",
        "leaks",
        "links",
        "sign_in",
        "sign_in_name",
    ];
    let known: BTreeSet<String> = modules.into_iter().flat_map(tests_in).collect();
    let table = read("../docs/security.md");
    let rows = table.lines().filter(|line| line.starts_with("| "));
    let named: BTreeSet<String> = rows
        .filter_map(|row| row.trim_end_matches(" |").rsplit_once(" | "))
        .flat_map(|(_, tests)| tests.split(", "))
        .filter_map(|test| test.strip_prefix('`')?.strip_suffix('`'))
        .map(str::to_owned)
        .collect();
    let missing: Vec<&String> = named.difference(&known).collect();
    assert!(missing.is_empty(), "no such test: {missing:?}");
    let attacks = tests_in("attacks");
    assert!(attacks.len() >= 20, "{attacks:?}");
    let untold: Vec<&String> = attacks.difference(&named).collect();
    assert!(untold.is_empty(), "not in the table: {untold:?}");
}
