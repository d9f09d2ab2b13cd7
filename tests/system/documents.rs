//! The documents lead where they say: to files that are there, and to headings that are in them. A newcomer follows them.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use crate::support::samples;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The files below the project's folders, and those in its root; what is built is no part of it.
fn files() -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = ["docs", "functions", "shared", "infra", "tests"]
        .map(|name| root().join(name))
        .to_vec();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.push(path);
            }
        }
    }
    let in_root = std::fs::read_dir(root()).unwrap();
    files.extend(in_root.map(|entry| entry.unwrap().path()));
    files
}

fn with_ending<'a>(files: &'a [PathBuf], endings: &[&str]) -> impl Iterator<Item = &'a PathBuf> {
    files.iter().filter(move |path| {
        let extension = path.extension().and_then(|extension| extension.to_str());
        path.is_file() && extension.is_some_and(|extension| endings.contains(&extension))
    })
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

/// The text without what stands in fences: there `](` is no link and `#` no heading.
fn prose(markdown: &str) -> String {
    let mut fenced = false;
    let lines = markdown.lines().filter(|line| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        !fenced && !fence
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn headings(markdown: &str) -> Vec<String> {
    let prose = prose(markdown);
    let headings = prose.lines().filter(|line| line.starts_with('#'));
    let text = |heading: &str| heading.trim_start_matches('#').trim().to_owned();
    headings.map(text).collect()
}

/// The anchor that GitHub makes of a heading.
fn anchor(heading: &str) -> String {
    let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    let kept = heading
        .to_lowercase()
        .chars()
        .filter(kept)
        .collect::<String>();
    kept.replace(' ', "-")
}

/// A path without its `..`, so that one that leaves the project does not pass for a file in it.
fn within_the_project(document: &Path, link: &str) -> Option<PathBuf> {
    let mut path = document.parent()?.strip_prefix(root()).ok()?.to_path_buf();
    for component in Path::new(link).components() {
        match component {
            Component::ParentDir => path.pop().then_some(())?,
            Component::Normal(name) => path.push(name),
            _ => {}
        }
    }
    Some(root().join(path))
}

fn leads_somewhere(document: &Path, link: &str) -> bool {
    let (file, wanted) = link.split_once('#').unwrap_or((link, ""));
    let target = if file.is_empty() {
        Some(document.to_path_buf())
    } else {
        within_the_project(document, file)
    };
    let Some(target) = target.filter(|target| target.exists()) else {
        return false;
    };
    let has = || {
        headings(&read(&target))
            .iter()
            .any(|heading| anchor(heading) == wanted)
    };
    wanted.is_empty() || has()
}

#[test]
fn every_link_within_the_project_leads_to_a_file_and_a_heading_that_are_there() {
    let files = files();
    let mut broken = Vec::new();
    let mut followed = 0;
    for document in with_ending(&files, &["md"]) {
        let text = prose(&read(document));
        let links = text
            .split("](")
            .skip(1)
            .filter_map(|after| after.split(')').next());
        for link in links.filter(|link| !link.contains("://")) {
            followed += 1;
            if !leads_somewhere(document, link) {
                broken.push(format!("{}: {link}", document.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
    assert!(followed > 100, "{followed}");
}

/// Next steps in mails and logs, and the templates' comments: "(docs/configuration.md, Settings)".
#[test]
fn every_document_that_code_or_a_template_names_is_there_with_its_heading() {
    let files = files();
    let mut missing = Vec::new();
    for source in with_ending(&files, &["rs", "yaml", "snap", "toml", "py"]) {
        // A comment may be broken in the middle of it.
        let text = read(source);
        let marks = ["//!", "///", "//", "#"];
        let words = text.split_whitespace().filter(|word| !marks.contains(word));
        let text = words.collect::<Vec<_>>().join(" ");
        for named in text.split("(docs/").skip(1) {
            let Some((name, rest)) = named.split_once(".md") else {
                continue;
            };
            // Not this file's own words.
            if !name.chars().all(|c| c.is_ascii_lowercase() || c == '-') {
                continue;
            }
            let document = root().join(format!("docs/{name}.md"));
            let headings = document.is_file().then(|| headings(&read(&document)));
            let heading = rest
                .strip_prefix(", ")
                .and_then(|rest| rest.split([')', ':']).next());
            let has = |headings: &[String]| {
                heading.is_none_or(|wanted| headings.iter().any(|is| is.starts_with(wanted)))
            };
            if !headings.is_some_and(|headings| has(&headings)) {
                missing.push(format!("{}: {name}, {heading:?}", source.display()));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn every_source_file_that_a_document_names_is_there() {
    let files = files();
    let sources: BTreeSet<String> = with_ending(&files, &["rs"])
        .map(|path| path.display().to_string())
        .collect();
    let mut missing = Vec::new();
    for document in with_ending(&files, &["md"]) {
        let text = read(document);
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

#[test]
fn every_sample_payload_is_in_the_list_and_nothing_else() {
    let listed: BTreeSet<String> = samples::listed()
        .into_iter()
        .map(|sample| sample.file)
        .collect();
    let files = std::fs::read_dir(samples::folder()).unwrap();
    let names = files.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let there: BTreeSet<String> = names.filter(|name| name.ends_with(".json")).collect();
    assert_eq!(listed, there);
}

#[test]
fn the_first_page_stays_short_enough_to_be_read() {
    let lines = read(&root().join("README.md")).lines().count();
    assert!(lines < 200, "{lines}");
}
