//! The events that are published, of source `shopmail`, each at least once: what happened, and by what a repeated
//! one is known. The client is in [`crate::event_bus`].

mod detail_type;
mod fields;
mod id;
mod one_line;
mod totals;
mod weekly;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use crate::ids::MailboxAddress;
use crate::secret_store::SecretMetadata;
use crate::tags;

pub use detail_type::EventKind;
pub use fields::{
    AskedBefore, DueReason, FleetEntry, FleetState, HandOverConnection, Left, MailFlow,
    OpenTrouble, Renewal, RetiredReason, StoppedConnection, StoppedWhy, Stops, Trouble,
};
pub use totals::{Counts, Looked, MOST_URGENT, SOON, Totals};
pub use weekly::{NotWell, Urgent, WeeklyReport};

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
    Secret(MailboxSubject),
    /// All of them, in the check of this time.
    Fleet(Timestamp),
}

/// One mailbox secret, as whoever reads a mail knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MailboxSubject {
    /// The secret's name.
    #[serde(rename = "secret")]
    pub name: String,
    /// Its ARN.
    #[serde(rename = "secret_arn")]
    pub arn: String,
    /// The shop's number in ShopCtrl, where the tag says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shop: Option<String>,
    /// The mailboxes whose mail depends on it, where they are known.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mailboxes: Vec<MailboxAddress>,
    /// Who hears of it; never one of the mailboxes whose mail may stand still.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contact: Option<String>,
}

impl MailboxSubject {
    /// By its tags, with the mailboxes that its document names, where that was read.
    #[must_use]
    pub fn new(secret: &SecretMetadata, mailboxes: Option<Vec<MailboxAddress>>) -> Self {
        let tag = |key: &str| secret.tags.get(key).cloned();
        let mailboxes = mailboxes.unwrap_or_else(|| {
            let tagged = tag(tags::MAILBOXES).unwrap_or_default();
            let read = tagged.split(' ').filter_map(MailboxAddress::read);
            read.collect()
        });
        let own = |contact: &String| {
            MailboxAddress::read(contact).is_some_and(|contact| mailboxes.contains(&contact))
        };
        Self {
            name: secret.name.clone(),
            arn: secret.arn.clone(),
            shop: tag(tags::SHOP),
            contact: tag(tags::CONTACT).filter(|contact| !own(contact)),
            mailboxes,
        }
    }
}

impl Event {
    /// The event's `detail`, whose texts are of one line. Its `id` is the same each time the same
    /// thing is published.
    #[must_use]
    pub fn detail(&self) -> Value {
        let mut detail = serde_json::to_value(&self.kind).unwrap_or_default();
        if let Some(fields) = detail.as_object_mut() {
            fields.insert("id".into(), self.id().into());
            if let Subject::Secret(mailbox) = &self.subject
                && let Ok(Value::Object(of_secret)) = serde_json::to_value(mailbox)
            {
                fields.extend(of_secret);
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
                half_done: None,
                next_step: format!("Store {{\"username\": \"…\"}}.\n{why}"),
                mail: MailFlow::NotKnown,
                expires_at: None,
            };
            let leaked = EventKind::CredentialRetired {
                key_id: KeyId(uuid::Uuid::nil()),
                reason: RetiredReason::Emergency,
                stops: Some(Stops { connections: Vec::new(), summary: why }),
            };
            let subject = Subject::Secret(MailboxSubject {
                name: "shopmail/or\"ders".into(),
                arn: "arn:aws:secretsmanager:eu-central-1:1:secret:shopmail/orders-AbC123".into(),
                shop: Some("1\"2".into()),
                mailboxes: Vec::new(),
                contact: None,
            });
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
