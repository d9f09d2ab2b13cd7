//! The table is held to the documents.

use super::*;

const BELIEFS: &str = include_str!("../../../../docs/beliefs.md");
const FIRST_HOUR: &str = include_str!("../../../../docs/first-hour.md");
const LAST: &str = "\n## Believed without a source";

/// The text below the heading that GitHub gives this anchor: the second of a name ends in `-1`.
fn below(anchor: &str) -> &'static str {
    let mut seen = std::collections::BTreeMap::new();
    for part in BELIEFS.split("\n#").skip(1) {
        let (heading, text) = part.split_once('\n').unwrap();
        let heading = heading.trim_start_matches('#').trim().to_lowercase();
        let slug: String = heading
            .chars()
            .filter(|c| c.is_alphanumeric() || " -".contains(*c))
            .map(|c| if c == ' ' { '-' } else { c })
            .collect();
        let count = seen.entry(slug.clone()).or_insert(0);
        let slug = match count {
            0 => slug,
            _ => format!("{slug}-{count}"),
        };
        *count += 1;
        if slug == anchor {
            return text;
        }
    }
    panic!("no heading {anchor}");
}

#[test]
fn each_row_has_the_words_of_its_belief_and_its_place() {
    let mut ids = std::collections::BTreeSet::new();
    for belief in ALL {
        assert!(ids.insert(belief.id), "{} twice", belief.id);
        assert!(
            below(belief.anchor).contains(belief.text),
            "{}: not below #{}: {}",
            belief.id,
            belief.anchor,
            belief.text
        );
    }
    for probe in Probe::ALL {
        assert!(ALL.iter().any(|belief| belief.probe == probe), "{probe:?}");
    }
}

#[test]
fn each_belief_without_a_source_is_tried_or_the_document_says_why_not() {
    let (_, last) = BELIEFS.split_once(LAST).unwrap();
    let rows = last
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| belief"));
    let (_, left) = FIRST_HOUR.split_once("\n## What it cannot answer").unwrap();
    let left = left.lines().filter(|line| line.starts_with("| "));
    let left: Vec<&str> = left
        .map(|line| line.rsplit_once(" | ").unwrap().0)
        .collect();
    let mut count = 0;
    for row in rows {
        count += 1;
        let tried = ALL.iter().any(|belief| row.contains(belief.text));
        let is_left = left.iter().any(|begin| row.starts_with(begin));
        assert!(tried != is_left, "tried: {tried}, left: {is_left}: {row}");
    }
    assert!(count > 40, "{count}");
}

#[test]
fn what_the_document_shows_are_rows_of_this_table() {
    let sample = FIRST_HOUR.split("```text\n").nth(1).unwrap();
    let (sample, _) = sample.split_once("```").unwrap();
    let rows = sample.lines().filter(|line| {
        let verdicts = ["same ", "DIFFERENT ", "not answered "];
        verdicts.iter().any(|verdict| line.starts_with(verdict))
    });
    let texts: Vec<String> = ALL
        .iter()
        .map(|b| b.text.replace("**", "").replace('`', ""))
        .collect();
    let mut count = 0;
    for row in rows {
        let (_, text) = row.split_at(13);
        assert!(texts.iter().any(|known| known.starts_with(text)), "{row}");
        count += 1;
    }
    assert_eq!(count, 4);
}

#[test]
fn what_rests_on_a_belief_is_there() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut sources = Vec::new();
    let mut folders: Vec<_> = ["functions", "shared", "infra"]
        .map(|name| root.join(name))
        .into();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false => sources.push(path.display().to_string()),
            }
        }
    }
    let decisions = std::fs::read_to_string(root.join("docs/decisions.md")).unwrap();
    for touched in ALL.iter().flat_map(|belief| belief.touches) {
        if let Some(heading) = touched.strip_prefix("docs/decisions.md: ") {
            assert!(decisions.contains(&format!("\n### {heading}")), "{heading}");
        }
        for word in touched
            .split([' ', ','])
            .filter(|word| word.ends_with(".rs"))
        {
            let is_there = |source: &String| source.ends_with(&format!("/{word}"));
            assert!(sources.iter().any(is_there), "{word}");
        }
    }
}
