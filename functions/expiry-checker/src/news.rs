//! What people are to hear of: gathered while the check looks at one secret after the other, and published at its end,
//! so that what one check finds comes at once and is one mail. A kill before that swallows nothing: what notes that it
//! was published is written after it.

use futures_util::future::join_all;
use shared::events::{Event, EventKind, MailboxSubject, Subject};
use shared::failure::Failure;
use tracing::error;

use crate::clients::Clients;
use crate::report::{Failed, Outcome};

/// So many events are in one call to EventBridge (`PutEvents`), and so many calls under way at once.
const AT_ONCE: usize = 10;

/// What is to be published of one secret, and the tags that say so.
#[derive(Debug)]
pub(crate) struct News {
    pub(crate) subject: MailboxSubject,
    pub(crate) events: Vec<EventKind>,
    pub(crate) tags: Vec<(&'static str, String)>,
}

impl News {
    pub(crate) fn none(subject: MailboxSubject) -> Self {
        Self {
            subject,
            events: Vec::new(),
            tags: Vec::new(),
        }
    }

    fn events(&self) -> Vec<Event> {
        let events = self.events.iter().map(|kind| Event {
            subject: Subject::Secret(self.subject.clone()),
            token: None,
            kind: kind.clone(),
        });
        events.collect()
    }
}

/// Publishes all of it. What could not be is told by the next check, and is a failure of its secret.
pub(crate) async fn publish(clients: &Clients, checked: &mut [(Outcome, News)]) {
    let mut with_news: Vec<&mut (Outcome, News)> = checked
        .iter_mut()
        .filter(|(_, news)| !news.events.is_empty() || !news.tags.is_empty())
        .collect();
    for part in with_news.chunks_mut(AT_ONCE * AT_ONCE) {
        let published = part
            .chunks_mut(AT_ONCE)
            .map(|chunk| publish_together(clients, chunk));
        join_all(published).await;
    }
}

/// Publishes that of one secret now; whether all of it was.
pub(crate) async fn publish_at_once(
    clients: &Clients,
    outcome: &mut Outcome,
    news: &mut News,
) -> bool {
    let events = news.events();
    let published = match events.as_slice() {
        [] => Ok(()),
        events => clients.events.publish(events).await,
    };
    let told = match published {
        Ok(()) => note(clients, news).await,
        Err(failure) => Err(failure),
    };
    let done = told.is_ok();
    outcome.failures.extend(told.err().map(|failure| Failed {
        step: "check",
        failure,
    }));
    news.events.clear();
    news.tags.clear();
    done
}

async fn publish_together(clients: &Clients, chunk: &mut [&mut (Outcome, News)]) {
    let events: Vec<Event> = chunk.iter().flat_map(|(_, news)| news.events()).collect();
    let published = match events.as_slice() {
        [] => Ok(()),
        events => clients.events.publish(events).await,
    };
    if let Err(failure) = &published {
        error!(%failure, "what people are to hear of could not be published");
    }
    let noted = chunk.iter_mut().map(async |(outcome, news)| {
        let told = match &published {
            Ok(()) => note(clients, news).await,
            Err(failure) => Err(failure.clone()),
        };
        outcome.failures.extend(told.err().map(|failure| Failed {
            step: "check",
            failure,
        }));
    });
    join_all(noted).await;
}

async fn note(clients: &Clients, news: &News) -> Result<(), Failure> {
    if !news.tags.is_empty() {
        clients.tag(&news.subject.arn, &news.tags).await?;
    }
    Ok(())
}
