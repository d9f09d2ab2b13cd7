//! Which permissions are used: each process of a test run adds to a file of its own what its functions were allowed, and
//! the command `permissions` compares all of them with what the template grants.

use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use super::KEYS;
use super::policy::{Part, Role};

/// Names the folder of the files; without it nothing is noted.
const FOLDER: &str = "PERMISSIONS_USED";
/// In a `Sid`'s place, of what was refused.
pub(super) const BY_NONE: &str = "-";

/// What Lambda does itself with a function's role. No call of a function shows it.
const OF_LAMBDA: [&str; 5] = [
    "logs:CreateLogStream",
    "logs:PutLogEvents",
    // Its event source mapping takes the messages.
    "sqs:ReceiveMessage",
    "sqs:DeleteMessage",
    "sqs:GetQueueAttributes",
];

/// A role's name, a `Sid`, and an action with a resource, or a condition key with a value.
type Permission = [String; 4];

/// Notes what of a role allowed a call, or which action was refused, once in a process.
pub(super) fn note(role: &str, [sid, of, what]: Part<'_>) {
    static FILE: OnceLock<Option<PathBuf>> = OnceLock::new();
    static NOTED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let of_this_process = || {
        let folder = std::env::var_os(FOLDER)?;
        Some(Path::new(&folder).join(std::process::id().to_string()))
    };
    let Some(file) = FILE.get_or_init(of_this_process) else {
        return;
    };
    let line = format!("{role}\t{sid}\t{of}\t{what}\n");
    let mut noted = NOTED.lock().unwrap_or_else(PoisonError::into_inner);
    if noted.insert(line.clone()) {
        // What could not be noted is named as used by nobody.
        append(file, &line).ok();
    }
}

/// A line is one write, so that no other one, of a process that had the number before, comes between.
fn append(file: &Path, line: &str) -> io::Result<()> {
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let mut file = OpenOptions::new().create(true).append(true).open(file)?;
    file.write_all(line.as_bytes())
}

/// What differs between the permissions that are granted and those that the files of the folder show in use, a line for
/// each.
///
/// # Errors
/// When a file or the template cannot be read.
pub fn differences(folder: &Path) -> Result<Vec<String>, String> {
    let told = |error: io::Error| format!("{}: {error}", folder.display());
    let mut used = BTreeSet::new();
    for file in std::fs::read_dir(folder).map_err(told)? {
        let text = std::fs::read_to_string(file.map_err(told)?.path()).map_err(told)?;
        used.extend(text.lines().filter_map(permission));
    }
    let mut granted = BTreeSet::new();
    for (_, _, role) in KEYS {
        let of_role = Role::of_the_template(role)?;
        let all = of_role.granted();
        granted.extend(all.map(|[sid, of, what]| [role, sid, of, what].map(str::to_owned)));
    }
    Ok(compared(&granted, &used))
}

fn permission(line: &str) -> Option<Permission> {
    let words: Vec<String> = line.split('\t').map(str::to_owned).collect();
    words.try_into().ok()
}

fn compared(granted: &BTreeSet<Permission>, used: &BTreeSet<Permission>) -> Vec<String> {
    let of_lambda = |permission: &&Permission| OF_LAMBDA.contains(&permission[2].as_str());
    let by_some_statement: BTreeSet<[&String; 2]> = granted
        .iter()
        .map(|[role, _, action, _]| [role, action])
        .collect();
    let unused = granted
        .difference(used)
        .filter(|permission| !of_lambda(permission))
        .map(|permission| format!("granted, and used by no test: {}", permission.join(" ")));
    let seen = granted.intersection(used).filter(of_lambda);
    let seen = seen.map(|permission| {
        let permission = permission.join(" ");
        format!("taken for Lambda's own, and used by a function: {permission}")
    });
    let ungranted = used
        .iter()
        .filter(|[role, _, action, _]| !by_some_statement.contains(&[role, action]))
        .map(|[role, _, action, _]| format!("used, and granted by no statement: {role} {action}"));
    unused.chain(seen).chain(ungranted).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_granted_and_not_used_and_what_is_used_and_not_granted_is_named() {
        let all = |lines: &[&str]| lines.iter().copied().filter_map(permission).collect();
        let granted = all(&[
            "R\tReads\ts:Get\tx",
            "R\tWrites\ts:Put\tx",
            "R\tLog\tlogs:PutLogEvents\tx",
        ]);
        let told = |used: &[&str]| compared(&granted, &all(used));
        // Refused once, under another condition, and allowed by a statement in another call.
        assert_eq!(
            told(&[
                "R\tReads\ts:Get\tx",
                "R\tWrites\ts:Put\tx",
                "R\t-\ts:Get\ty"
            ]),
            Vec::<String>::new()
        );
        assert_eq!(
            told(&["R\tReads\ts:Get\tx"]),
            ["granted, and used by no test: R Writes s:Put x"]
        );
        let more = [
            "R\tReads\ts:Get\tx",
            "R\tWrites\ts:Put\tx",
            "R\t-\ts:Delete\tx",
        ];
        assert_eq!(
            told(&more),
            ["used, and granted by no statement: R s:Delete"]
        );
        let log = [
            "R\tReads\ts:Get\tx",
            "R\tWrites\ts:Put\tx",
            "R\tLog\tlogs:PutLogEvents\tx",
        ];
        assert_eq!(told(&log).len(), 1);
    }

    #[test]
    fn a_line_is_added_to_what_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("new/1");
        for line in ["RotationRole\t-\ta:B\tx\n", "RotationRole\tC\td:E\tx\n"] {
            append(&file, line).unwrap();
        }
        let text = std::fs::read_to_string(&file).unwrap();
        assert_eq!(text, "RotationRole\t-\ta:B\tx\nRotationRole\tC\td:E\tx\n");
        let differences = differences(file.parent().unwrap()).unwrap();
        let ungranted = "used, and granted by no statement: RotationRole a:B";
        assert!(differences.iter().any(|line| line == ungranted));
        assert!(differences.len() > 20, "{differences:?}");
    }
}
