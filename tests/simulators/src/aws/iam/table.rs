//! The tables of docs/permissions.md: tests compare them with `template.yaml`, and with what is seen without a permission.

use std::collections::BTreeSet;

const DOCUMENT: &str = include_str!("../../../../../docs/permissions.md");

/// A permission.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Permission {
    /// The role, or the resource whose policy it is.
    pub of: String,
    /// The `Sid`, or the service that may.
    pub by: String,
    /// `secretsmanager:TagResource`
    pub action: String,
    /// Without the beginning of an ARN; empty of what is its resource's own.
    pub on: String,
}

/// A row.
#[derive(Debug, Clone)]
pub struct Row {
    /// What it is of.
    pub permission: Permission,
    /// The condition keys.
    pub only_if: BTreeSet<String>,
    /// What is seen where it is missing: what the last column has in italics.
    pub seen: Vec<String>,
}

/// What the functions' roles may.
///
/// # Errors
/// When a row is not as the others.
pub fn of_roles() -> Result<Vec<Row>, String> {
    let mut of = "";
    let mut rows = Vec::new();
    for line in section("## The functions' roles") {
        if let Some(heading) = line.strip_prefix("### ") {
            of = heading.split(',').next().unwrap_or(heading);
        }
        let Some(cells) = cells(line) else { continue };
        let [sid, action, on, only_if, why, without] = cells[..] else {
            return Err(format!("not six cells: {line}"));
        };
        if why.is_empty() || without.is_empty() {
            return Err(format!("an empty cell: {line}"));
        }
        let keys = code(only_if).filter(|code| code.contains(':'));
        rows.push(Row {
            permission: Permission {
                of: of.to_owned(),
                by: the_code(sid)?,
                action: the_code(action)?,
                on: the_code(on)?,
            },
            only_if: keys.collect(),
            seen: between(without, '*').collect(),
        });
    }
    Ok(rows)
}

/// What the resources' own policies allow.
///
/// # Errors
/// When a row is not as the others.
pub fn of_resources() -> Result<Vec<Permission>, String> {
    let rows = section("## What resources let others do").filter_map(cells);
    rows.map(|cells| {
        let [of, by, action, ..] = cells[..] else {
            return Err(format!("too few cells: {cells:?}"));
        };
        Ok(Permission {
            of: the_code(of)?,
            by: the_code(by)?,
            action: the_code(action)?,
            on: String::new(),
        })
    })
    .collect()
}

/// The lines below a heading of the second level, up to the next one.
fn section(heading: &str) -> impl Iterator<Item = &'static str> {
    let lines = DOCUMENT.lines().skip_while(move |line| *line != heading);
    lines.skip(1).take_while(|line| !line.starts_with("## "))
}

/// Those of a row; the head of a table is none.
fn cells(line: &str) -> Option<Vec<&str>> {
    let row = line.strip_prefix('|')?.strip_suffix('|')?;
    let is_row = row.starts_with(" `");
    is_row.then(|| row.split('|').map(str::trim).collect())
}

fn between(cell: &str, mark: char) -> impl Iterator<Item = String> {
    let parts = cell.split(mark).skip(1).step_by(2);
    parts.map(str::to_owned)
}

fn code(cell: &str) -> impl Iterator<Item = String> {
    between(cell, '`')
}

fn the_code(cell: &str) -> Result<String, String> {
    let mut codes = code(cell);
    match (codes.next(), codes.next()) {
        (Some(code), None) => Ok(code),
        _ => Err(format!("not one name: {cell}")),
    }
}
