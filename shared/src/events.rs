//! The events that are published, of source `shopmail`, each at least once: what happened, and by what a repeated
//! one is known. The client is in [`crate::event_bus`].

mod detail_type;
mod fields;
mod id;
mod one_line;

use jiff::Timestamp;
use serde_json::Value;

pub use detail_type::EventKind;
pub use fields::{
    AskedBefore, DueReason, FleetEntry, FleetState, HandOverConnection, RetiredReason,
    StoppedConnection, StoppedWhy, Stops,
};

/// An event. No field of any kind can hold a secret.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Of what.
    pub subject: Subject,
    /// The rotation, where there is one.
    pub token: Option<String>,
    /// What happened.
    pub kind: EventKind,
}

/// What an event is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// One mailbox secret.
    Secret {
        /// Its name.
        name: String,
        /// Its ARN.
        arn: String,
    },
    /// All of them, in the check of this time.
    Fleet(Timestamp),
}

impl Event {
    /// The event's `detail`, whose texts any mail template can take. Its `id` is the same each time the same
    /// thing is published.
    #[must_use]
    pub fn detail(&self) -> Value {
        let mut detail = serde_json::to_value(&self.kind).unwrap_or_default();
        if let Some(fields) = detail.as_object_mut() {
            fields.insert("id".into(), self.id().into());
            if let Subject::Secret { name, arn } = &self.subject {
                fields.insert("secret".into(), name.clone().into());
                fields.insert("secret_arn".into(), arn.clone().into());
            }
            if let Some(token) = &self.token {
                fields.insert("token".into(), token.clone().into());
            }
        }
        one_line::in_one_line(&mut detail);
        detail
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ids::KeyId;

    /// What EventBridge makes of a line of an `InputTemplate`: values as they are, between the marks of
    /// the template's own.
    fn line(detail: &Value, template: &str) -> String {
        let fields = detail.as_object().unwrap();
        fields
            .iter()
            .fold(template.to_owned(), |line, (name, value)| {
                let value = value.as_str().unwrap_or_default();
                line.replace(&format!("<{name}>"), value)
            })
    }

    proptest! {
        #[test]
        fn no_text_of_an_event_breaks_the_line_of_a_mail(
            what in r#"[a-c"\\\n\r\t\u{0}\u{7f}\u{85}]{0,12}|.{0,40}"#,
            code in proptest::option::of(r#"[a"\\\n]{0,6}"#),
            why in ".{0,40}",
        ) {
            let failed = EventKind::RotationFailed {
                step: "createSecret".into(),
                error_type: "Misconfigured".into(),
                what,
                code,
                next_step: format!("Store {{\"username\": \"…\"}}.\n{why}"),
            };
            let leaked = EventKind::CredentialRetired {
                key_id: KeyId(uuid::Uuid::nil()),
                reason: RetiredReason::Emergency,
                stops: Some(Stops { connections: Vec::new(), summary: why }),
            };
            let subject = Subject::Secret {
                name: "shopmail/or\"ders".into(),
                arn: "arn:aws:secretsmanager:eu-central-1:1:secret:shopmail/orders-AbC123".into(),
            };
            for kind in [failed, leaked] {
                let event = Event { subject: subject.clone(), token: None, kind };
                let mut detail = event.detail();
                if let Some(words) = detail.pointer("/stops/summary").cloned() {
                    detail["what"] = words;
                }
                for template in ["\"<secret> <what> <code>\"", "\"Next: <next_step>\""] {
                    let line = line(&detail, template);
                    prop_assert!(serde_json::from_str::<String>(&line).is_ok(), "{line}");
                }
            }
        }
    }
}
