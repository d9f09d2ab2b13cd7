//! What the function was called with: a batch of the queue's, each message an event (Lambda guide, *Using Lambda with
//! Amazon SQS*), one event of EventBridge's, or the checker's question whether mail would arrive.

use serde::Deserialize;
use serde_json::Value;
use shared::failure::Failure;
use shared::preflight::ACTION;

use crate::event::{Notice, Weekly};
use crate::refused;

/// What is asked.
#[derive(Debug)]
pub(crate) enum Call {
    /// To say whether mail would arrive.
    Preflight,
    /// To mail.
    Mail(Invocation),
}

impl Call {
    /// Reads an event. What is wrong in one that is to be mailed stands in the [`Invocation`].
    pub(crate) fn read(event: &Value) -> Result<Self, Failure> {
        match event.get("Action") {
            None => Ok(Self::Mail(Invocation::read(event))),
            Some(Value::String(action)) if action == ACTION => Ok(Self::Preflight),
            Some(_) => Err(refused(&format!("Action is not {ACTION}, the only one"))),
        }
    }
}

/// What came.
#[derive(Debug)]
pub(crate) struct Invocation {
    /// Of a batch, the id of each message.
    pub(crate) message_ids: Option<Vec<String>>,
    /// Each event.
    pub(crate) received: Vec<Received>,
}

/// An event that came.
#[derive(Debug)]
pub(crate) enum Received {
    /// It is to be mailed.
    Notice(Box<Notice>),
    /// The weekly report.
    Weekly(Box<Weekly>),
    /// Nobody is mailed of such.
    NotMailed,
    /// Something in it is missing or wrong.
    Unreadable(Failure),
}

#[derive(Deserialize)]
struct Batch {
    #[serde(rename = "Records")]
    records: Vec<Message>,
}

#[derive(Deserialize)]
struct Message {
    #[serde(rename = "messageId")]
    id: String,
    body: String,
}

impl Invocation {
    pub(crate) fn read(event: &Value) -> Self {
        let Ok(Batch { records }) = Batch::deserialize(event) else {
            return Self {
                message_ids: None,
                received: vec![read(event)],
            };
        };
        let bodies =
            records.iter().map(
                |message| match serde_json::from_str::<Value>(&message.body) {
                    Ok(event) => read(&event),
                    Err(_) => Received::Unreadable(refused("the message's body is no JSON")),
                },
            );
        Self {
            received: bodies.collect(),
            message_ids: Some(records.into_iter().map(|message| message.id).collect()),
        }
    }

    /// What is to be mailed, each with its place; a repeat, which has the same `id`, with that of the first.
    pub(crate) fn notices(&self) -> Vec<(usize, &Notice)> {
        let mut notices: Vec<(usize, &Notice)> = Vec::new();
        for (n, received) in self.received.iter().enumerate() {
            if let Received::Notice(notice) = received
                && notices.iter().all(|(_, known)| known.id != notice.id)
            {
                notices.push((n, notice));
            }
        }
        notices
    }

    /// The weekly reports, in the same way.
    pub(crate) fn weekly_reports(&self) -> Vec<(usize, &Weekly)> {
        let mut reports: Vec<(usize, &Weekly)> = Vec::new();
        for (n, received) in self.received.iter().enumerate() {
            if let Received::Weekly(weekly) = received
                && reports.iter().all(|(_, known)| known.id != weekly.id)
            {
                reports.push((n, weekly));
            }
        }
        reports
    }
}

fn read(event: &Value) -> Received {
    match (Weekly::read(event), Notice::read(event)) {
        (Ok(Some(weekly)), _) => Received::Weekly(Box::new(weekly)),
        (Ok(None), Ok(Some(notice))) => Received::Notice(Box::new(notice)),
        (Ok(None), Ok(None)) => Received::NotMailed,
        (Err(failure), _) | (Ok(None), Err(failure)) => Received::Unreadable(failure),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_payload_is_a_batch_of_two_events_to_mail() {
        let sample = include_str!("../../../infra/events/notices.json");
        let invocation = Invocation::read(&serde_json::from_str(sample).unwrap());
        assert_eq!(invocation.message_ids.as_ref().map(Vec::len), Some(2));
        assert_eq!(invocation.notices().len(), 2);
    }

    #[test]
    fn the_sample_payload_of_a_preflight_is_one() {
        let sample = include_str!("../../../infra/events/preflight.json");
        let call = Call::read(&serde_json::from_str(sample).unwrap());
        assert!(matches!(call, Ok(Call::Preflight)));
    }
}
