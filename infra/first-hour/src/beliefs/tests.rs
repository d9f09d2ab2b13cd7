//! The table is held to the documents.

use super::*;
use crate::probes::all;

const FIRST_HOUR: &str = include_str!("../../../../docs/first-hour.md");

#[test]
fn each_belief_has_a_row_of_the_document_in_its_words() {
    let mut ids = std::collections::BTreeSet::new();
    for Belief { id, text, .. } in all() {
        assert!(ids.insert(id), "{id} twice");
        assert_eq!(DOCUMENT.matches(text).count(), 1, "{id}: {text}");
    }
    let [sourced, not] = [TWENTY_LABELS, DAILY].map(|belief| belief.row().unwrap());
    assert_eq!(sourced.place, "docs/beliefs.md, Versions and labels");
    assert!(
        sourced
            .touches
            .starts_with("rests on it: `create_secret.rs`")
    );
    assert_eq!(not.place, "docs/beliefs.md, ShopCtrl");
    assert!(
        not.touches
            .starts_with("either answer is safe, because: Two checks")
    );
    assert!(all().all(|belief| belief.row().is_some()));
}

#[test]
fn each_belief_without_a_source_is_tried_or_the_document_says_why_not() {
    let (_, last) = DOCUMENT
        .split_once("\n## Believed without a source")
        .unwrap();
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
        let tried = all().any(|belief| row.contains(belief.text));
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
    let texts: Vec<String> = all()
        .map(|belief| belief.text.replace("**", "").replace('`', ""))
        .collect();
    let mut count = 0;
    for row in rows {
        let (_, text) = row.split_at(13);
        assert!(texts.iter().any(|known| known.starts_with(text)), "{row}");
        count += 1;
    }
    assert_eq!(count, 4);
}
