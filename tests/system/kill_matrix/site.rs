//! Where in the life cycle a call is made: the part, the step or action, the operation, and which of
//! several like it. Without ids, so that every run of the cycle names its calls alike.

use std::collections::{BTreeSet, HashMap};
use std::fmt;

use serde_json::{Value, json};
use simulators::gate::Call;

/// The parts of a life cycle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Part {
    /// A check finds the secret due; Secrets Manager runs the four steps.
    Renewal,
    /// A person does what the renewal waits for, and it goes on.
    Person,
    /// After the quarantine a check has the old credential removed.
    Retirement,
    /// The check after that sees it on no replica of Entra any more, and its labels go.
    LettingGo,
}

/// One call of the cycle.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Site {
    pub part: Part,
    /// `check`, or what `rotation` was invoked for.
    pub step: String,
    /// The service's name in the journal.
    pub service: &'static str,
    /// What was asked, and of what.
    pub operation: String,
    /// From 1, within the step.
    pub nth: usize,
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = match self.part {
            Part::Renewal => "",
            Part::Person => " with the person",
            Part::Retirement => " after the quarantine",
            Part::LettingGo => " after the removal",
        };
        write!(
            f,
            "{}{part}: {} {}",
            self.step, self.service, self.operation
        )?;
        match self.nth {
            1 => Ok(()),
            nth => write!(f, " ({nth})"),
        }
    }
}

/// Follows a run of the cycle from call to call.
#[derive(Debug)]
pub struct Locator {
    pub part: Part,
    /// The step that Secrets Manager is delivering.
    pub step: Option<String>,
    /// The page that a person has asked our callback for, while a person acts.
    pub page: Option<String>,
    /// What the checker invoked `rotation` for last.
    action: String,
    counts: HashMap<(Part, String, &'static str, String), usize>,
}

impl Default for Locator {
    fn default() -> Self {
        Self {
            part: Part::Renewal,
            step: None,
            page: None,
            action: String::new(),
            counts: HashMap::new(),
        }
    }
}

impl Locator {
    /// The site of the call that is being made now; `None` for calls that no function makes.
    pub fn locate(&mut self, call: &Call) -> Option<Site> {
        if call.service == "api-gateway" {
            let path = call.operation.rsplit('/').next().unwrap_or_default();
            if let Some(page) = &mut self.page {
                path.clone_into(page);
            }
            return None;
        }
        if self.page.is_some() && is_the_browsers(call) || is_a_mail_servers(call) {
            return None;
        }
        let operation = describe(call);
        if call.service == "lambda" {
            self.action = invoked_for(&body(call));
        }
        let step = match (&self.page, &self.step, is_checkers(call)) {
            (Some(page), _, _) => page.clone(),
            (None, _, true) => "check".to_owned(),
            (None, Some(step), false) => step.clone(),
            (None, None, false) => self.action.clone(),
        };
        let counted = (self.part, step.clone(), call.service, operation.clone());
        let nth = self.counts.entry(counted).or_default();
        *nth += 1;
        Some(Site {
            part: self.part,
            step,
            service: call.service,
            operation,
            nth: *nth,
        })
    }
}

/// A person's way through Microsoft's pages.
fn is_the_browsers(call: &Call) -> bool {
    let pages = ["GET authorize", "POST login", "POST consent"];
    call.service == "entra" && pages.contains(&call.operation.as_str())
}

/// A mail server that others wrote asks Entra whose token it was shown.
fn is_a_mail_servers(call: &Call) -> bool {
    call.service == "entra" && call.operation == "POST introspect"
}

/// The checker speaks to AWS alone, and not with the key that `rotation` signs with.
fn is_checkers(call: &Call) -> bool {
    let signed = call.headers.get("authorization");
    let signed = signed.and_then(|value| value.to_str().ok());
    let aws = ["secretsmanager", "events", "sts", "lambda"].contains(&call.service);
    aws && !signed.is_some_and(|signed| signed.contains("ASIAROTATION"))
}

fn body(call: &Call) -> Value {
    serde_json::from_slice(&call.body).unwrap_or_default()
}

fn invoked_for(body: &Value) -> String {
    let name = body["Action"].as_str().or_else(|| body["Step"].as_str());
    name.unwrap_or_default().to_owned()
}

/// The operation with what tells its uses apart.
pub fn describe(call: &Call) -> String {
    let operation = call.operation.as_str();
    let asked = body(call);
    let of = match (call.service, operation) {
        ("lambda", _) => return format!("Invoke {}", invoked_for(&asked)),
        ("secretsmanager", "GetSecretValue") => value_of(&asked).to_owned(),
        ("secretsmanager", "BatchGetSecretValue") => {
            let asked = asked["SecretIdList"].as_array().into_iter().flatten();
            let asked = asked.map(|id| value_of(&json!({ "SecretId": id })));
            let asked: BTreeSet<&str> = asked.collect();
            asked.into_iter().collect::<Vec<_>>().join(", ")
        }
        ("secretsmanager", "UpdateSecretVersionStage") => {
            let label = asked["VersionStage"].as_str().unwrap_or_default();
            let kind = label.split_once('-').map_or(label, |(kind, _)| kind);
            match secret_of(&asked) {
                "mailbox" => kind.to_owned(),
                other => format!("{other} {kind}"),
            }
        }
        ("secretsmanager", "TagResource") => {
            let tags = asked["Tags"].as_array().into_iter().flatten();
            let keys = tags.filter_map(|tag| tag["Key"].as_str()?.strip_prefix("shopmail:"));
            keys.collect::<Vec<_>>().join(" ")
        }
        ("secretsmanager", "PutSecretValue" | "DescribeSecret") => match secret_of(&asked) {
            "mailbox" => String::new(),
            other => other.to_owned(),
        },
        ("events", _) => {
            let entries = asked["Entries"].as_array().into_iter().flatten();
            let kinds: BTreeSet<&str> = entries
                .filter_map(|entry| entry["DetailType"].as_str())
                .collect();
            kinds.into_iter().collect::<Vec<_>>().join(", ")
        }
        ("shopctrl", _) if call.uri.contains("-in") => "receiving".to_owned(),
        ("shopctrl", _) if call.uri.contains("-out") => "sending".to_owned(),
        _ => String::new(),
    };
    match of.is_empty() {
        true => operation.to_owned(),
        false => format!("{operation} [{of}]"),
    }
}

fn secret_of(asked: &Value) -> &'static str {
    let secret = asked["SecretId"].as_str().unwrap_or_default();
    if secret.contains("/grants") {
        "grants"
    } else if secret.contains("shopmail-shopctrl") {
        "login"
    } else if secret.contains("ticket-key") {
        "ticket key"
    } else {
        "mailbox"
    }
}

fn value_of(asked: &Value) -> &'static str {
    match secret_of(asked) {
        "mailbox" if asked["VersionId"].is_string() => "pending",
        "mailbox" => "current",
        other => other,
    }
}
