//! EventBridge, where events are published.

use aws_sdk_eventbridge::Client;
use aws_sdk_eventbridge::types::PutEventsRequestEntry;

use crate::aws::{AwsSettings, Service, classify};
use crate::events::{Event, Subject};
use crate::failure::{Failure, Kind, sanitized_code};
use crate::http;
use crate::retry::backoff;

/// A bus of EventBridge.
#[derive(Debug, Clone)]
pub struct EventBus {
    client: Client,
    name: String,
}

/// PutEvents takes this many entries.
const BATCH: usize = 10;
/// PutEvents answers 200 also when entries failed: those are sent again, this often in all.
const TRIES: u32 = 4;

/// What EventBridge did not take of a batch, and one of the reasons.
#[derive(Default)]
struct NotTaken {
    entries: Vec<PutEventsRequestEntry>,
    code: String,
}

impl EventBus {
    /// The bus with this name or ARN.
    #[must_use]
    pub fn new(settings: &AwsSettings, http: &http::Client, name: String) -> Self {
        let config = settings.config(Service::EventBridge, http);
        Self {
            client: Client::new(&config),
            name,
        }
    }

    /// Publishes events, again those that EventBridge did not take.
    ///
    /// # Errors
    /// [`Kind::Temporary`] when some were not taken in the end.
    pub async fn publish(&self, events: &[Event]) -> Result<(), Failure> {
        for batch in events.chunks(BATCH) {
            let mut left: Vec<PutEventsRequestEntry> =
                batch.iter().map(|event| self.entry(event)).collect();
            for attempt in 1..=TRIES {
                let NotTaken { entries, code } = self.send_batch(left).await?;
                left = entries;
                if left.is_empty() {
                    break;
                }
                if attempt == TRIES {
                    let what = format!("putting events: EventBridge did not take {}", left.len());
                    return Err(Failure::new(Kind::Temporary, what).code(sanitized_code(&code)));
                }
                tokio::time::sleep(backoff(attempt)).await;
            }
        }
        Ok(())
    }

    async fn send_batch(&self, entries: Vec<PutEventsRequestEntry>) -> Result<NotTaken, Failure> {
        let request = self.client.put_events().set_entries(Some(entries.clone()));
        let answer = request
            .send()
            .await
            .map_err(|error| classify("putting events", &error).failure)?;
        let mut not_taken = NotTaken::default();
        if answer.failed_entry_count() == 0 {
            return Ok(not_taken);
        }
        for (entry, result) in entries.into_iter().zip(answer.entries()) {
            if result.event_id().is_none() {
                not_taken.entries.push(entry);
                not_taken.code = result.error_code().unwrap_or("no code").to_owned();
            }
        }
        Ok(not_taken)
    }

    fn entry(&self, event: &Event) -> PutEventsRequestEntry {
        let entry = PutEventsRequestEntry::builder()
            .source("shopmail")
            .detail_type(event.kind.detail_type())
            .detail(event.detail().to_string())
            .event_bus_name(&self.name);
        match &event.subject {
            Subject::Secret(mailbox) => entry.resources(&mailbox.arn).build(),
            Subject::Fleet(_) => entry.build(),
        }
    }
}
