//! The system's events, in words that a shop's administrator reads.

use jiff::Timestamp;
use serde_json::Value;

use crate::fact::{Fact, day};
use crate::told::{Told, Tone};

/// What an event on EventBridge tells.
pub fn of_event(event: &Value) -> Told {
    let kind = text(event, "detail-type");
    let detail = event.get("detail").unwrap_or(&Value::Null);
    let told = match kind {
        "Client Secret Expiring" => expiring(detail),
        "Client Secret Expired" => Told::new(
            "expired",
            "The client secret has ended, so the shop's mail stands still.",
        )
        .tone(Tone::Bad),
        "Rotation Due" => Told::new(
            "rotation_due",
            format!("The secret has to be renewed now: {}.", due_reason(detail)),
        ),
        "Fleet Report" => report(detail),
        "Weekly Report" => Told::new(
            "weekly_report",
            "The weekly report goes out: how all mailboxes stand, and which secrets end first.",
        ),
        "Rotation Started" => Told::new(
            "issued",
            "Microsoft Entra issued a new client secret beside the old one. Its value is kept in AWS Secrets Manager.",
        ),
        "Connection Delivered" => Told::new(
            "delivered",
            format!(
                "ShopCtrl was given the client secret for {} mail.",
                text(detail, "direction")
            ),
        ),
        "Authorization Required" => authorization(detail),
        "Hand-over Required" => Told::new(
            "hand_over_required",
            "A person has to hand the new secret to ShopCtrl, led by a link.",
        )
        .tone(Tone::Person),
        "Client Secret Revealed" => Told::new(
            "revealed",
            "The page showed the new client secret to the mailbox's owner.",
        )
        .tone(Tone::Person),
        "Hand-over Attested" => Told::new(
            "attested",
            format!(
                "The person says of {} mail: {}.",
                text(detail, "direction"),
                match text(detail, "state") {
                    "attested" => "Status shows Authorized",
                    _ => "Status does not show Authorized",
                }
            ),
        )
        .tone(Tone::Person),
        "Client Secret Rotated" => Told::new(
            "rotated",
            "The new client secret is the current one from now on.",
        ),
        "Credential Retired" => retired(detail),
        "Rotation Failed" => failed(detail),
        "Rotation Stalled" => stalled(detail),
        "Drift Found" => drift(detail),
        "Mailbox Recovered" => Told::new(
            "recovered",
            "The check sees that it is over, and says so once.",
        )
        .tone(Tone::Good),
        "Superseded Secret Ending" => Told::new(
            "superseded_ending",
            "A mail announces that the old client secret will go: a person had made it, and something else may use it.",
        ),
        "Check Requested" => Told::new("check_requested", "A check is asked for at once."),
        other => Told::new("event", format!("Event: {other}.")),
    };
    let fact = |name| Some(Fact::new(name, detail.get(name)?.clone()));
    // Its direction is in the sentence.
    let connection = fact("connection").map(Fact::quiet);
    ["key_id", "previous_key_id", "contact"]
        .into_iter()
        .filter_map(fact)
        .chain(connection)
        .chain(ends(detail))
        .fold(told, Told::fact)
}

fn expiring(detail: &Value) -> Told {
    let days_left = detail
        .get("days_left")
        .and_then(Value::as_i64)
        .unwrap_or_default();
    let told = Told::new(
        "reminded",
        format!("A reminder goes out: the client secret works for {days_left} more days."),
    );
    told.fact(Fact::new("days_left", days_left).quiet())
}

fn due_reason(detail: &Value) -> &'static str {
    match text(detail, "reason") {
        "due" => "little time is left",
        "expired" => "it has ended",
        "emergency" => "it is marked as leaked",
        _ => "the checker says so",
    }
}

fn report(detail: &Value) -> Told {
    let count = |name| detail.get(name).and_then(Value::as_i64).unwrap_or_default();
    let states = [
        (count("healthy"), "in order"),
        (count("due"), "being renewed"),
        (count("waiting_for_person"), "waiting for a person"),
        (count("failed"), "in trouble"),
        (count("unreachable"), "out of reach"),
    ];
    let states = || states.iter().filter(|(count, _)| *count > 0);
    let words = match count("checked") {
        1 => {
            let states: Vec<&str> = states().map(|(_, state)| *state).collect();
            format!("one mailbox, and it is {}", states.join(" and "))
        }
        checked => {
            let states = states().map(|(count, state)| format!("{count} {state}"));
            let states: Vec<String> = states.collect();
            format!("{checked} mailboxes, {}", states.join(", "))
        }
    };
    let told = Told::new("report", format!("The check reports: {words}."));
    ["checked", "healthy", "due", "waiting_for_person", "failed"]
        .into_iter()
        .fold(told, |told, name| {
            told.fact(Fact::new(name, count(name)).quiet())
        })
}

fn authorization(detail: &Value) -> Told {
    let mailbox = text(detail, "mailbox");
    let why = match text(detail, "reason") {
        "no_grant" => "this system has no permission from its owner yet",
        "consent_required" => "a permission is missing",
        _ => "the stored permission has ended",
    };
    let told = Told::new(
        "person_asked",
        format!("{mailbox} has to sign in once: {why}. A link to do so goes to the contact."),
    );
    let reason = Fact::new("reason", text(detail, "reason")).quiet();
    let link = Fact::new("link", text(detail, "link")).quiet();
    let told = told
        .tone(Tone::Person)
        .fact(Fact::new("mailbox", mailbox).quiet())
        .fact(reason)
        .fact(link);
    ["link_expires_at", "due_by"]
        .into_iter()
        .filter_map(|name| Some(Fact::day(name, time(detail, name)?)))
        .fold(told, Told::fact)
}

fn retired(detail: &Value) -> Told {
    let why = match text(detail, "reason") {
        "quarantine_over" => "its days of grace are over",
        "emergency" => "it is marked as leaked",
        _ => "its value was never stored, so nothing can use it",
    };
    Told::new(
        "retired",
        format!("A client secret was removed from Microsoft Entra: {why}."),
    )
}

fn failed(detail: &Value) -> Told {
    let words = format!(
        "The renewal did not go on at {}: {}. {}",
        text(detail, "step"),
        text(detail, "what"),
        text(detail, "next_step")
    );
    Told::new("failed", words).tone(Tone::Bad)
}

fn stalled(detail: &Value) -> Told {
    let words = format!(
        "It has not been in order for a day: {}. {}",
        text(detail, "what"),
        text(detail, "next_step")
    );
    Told::new("stalled", words).tone(Tone::Bad)
}

fn drift(detail: &Value) -> Told {
    let found = format!(
        "The check found something wrong: {}.",
        text(detail, "meaning")
    );
    let mended = detail.get("mended").and_then(Value::as_bool);
    match (mended, time(detail, "matters_from")) {
        (Some(true), _) => Told::new("drift", format!("{found} It put that right.")),
        (_, None) => Told::new("drift", found).tone(Tone::Bad),
        (_, Some(at)) => {
            let words = format!("{found} It matters from {} on.", day(at));
            let told = Told::new("drift", words).tone(Tone::Bad);
            told.fact(Fact::day("matters_from", at).quiet())
        }
    }
}

fn ends(detail: &Value) -> Option<Fact> {
    let at = time(detail, "expires_at")?;
    Some(Fact::new("expires_at", at.to_string()).shown_as(day(at)))
}

/// A field that is a text.
pub fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// A field that is a time.
pub fn time(value: &Value, name: &str) -> Option<Timestamp> {
    text(value, name).parse().ok()
}

/// A link whose ticket is cut: it is long, and nobody types it.
pub fn shortened(link: &str) -> String {
    match link.split_once("ticket=") {
        Some((front, ticket)) => {
            let ticket: String = ticket.chars().take(8).collect();
            format!("{front}ticket={ticket}...")
        }
        None => link.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_event_becomes_a_sentence_with_its_facts() {
        let told = of_event(&json!({"detail-type": "Client Secret Expiring", "detail": {
            "days_left": 19, "threshold_days": 30, "contact": "owner@agency.example",
            "expires_at": "2027-01-15T00:00:00Z",
        }}));
        assert!(told.text.contains("19 more days"), "{}", told.text);
        let names: Vec<&str> = told.facts.iter().map(|fact| fact.name).collect();
        assert_eq!(names, ["days_left", "contact", "expires_at"]);
    }

    #[test]
    fn an_event_without_its_fields_is_told_all_the_same() {
        for kind in [
            "Authorization Required",
            "Fleet Report",
            "Rotation Failed",
            "Something New",
        ] {
            assert!(!of_event(&json!({ "detail-type": kind })).text.is_empty());
        }
    }

    #[test]
    fn a_link_is_shortened_to_what_can_be_recognized() {
        assert_eq!(
            shortened("http://localhost:1/authorize?ticket=eyJ0eXAiOiJKV1Qi"),
            "http://localhost:1/authorize?ticket=eyJ0eXAi..."
        );
    }
}
