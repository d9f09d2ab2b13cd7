//! What one run of retire goes by.

use std::collections::BTreeSet;

use jiff::Timestamp;
use shared::clock;
use shared::drift::DriftKind;
use shared::events::{Event, EventKind, OpenTrouble, RetiredReason, Trouble};
use shared::failure::Failure;
use shared::ids::KeyId;
use shared::tags;
use shared::tags::superseded::{SupersededWarnings, Why};

use crate::context::{Context, event};
use crate::delivery::held::{Held, stops};

pub(super) struct Retirement<'a> {
    /// Of the current version.
    pub(super) context: Context<'a>,
    /// When the current value was stored, by AWS's clock.
    pub(super) stored_at: Option<Timestamp>,
    pub(super) held: &'a [Held<'a>],
    /// The credentials that other managed secrets name; unknown, nothing is removed.
    pub(super) named_by_others: Option<&'a BTreeSet<KeyId>>,
}

impl Retirement<'_> {
    /// Whether the tag says that this version's credential leaked.
    pub(super) fn leaked(&self, version: &str) -> bool {
        let emergency = self.context.secret.tags.get(tags::EMERGENCY);
        emergency.is_some_and(|leaked| leaked == version)
    }

    pub(super) fn may_be_named_by_others(&self, key_id: KeyId) -> bool {
        self.named_by_others
            .is_none_or(|named| named.contains(&key_id))
    }

    pub(super) async fn publish_retired(
        &self,
        key_id: KeyId,
        reason: RetiredReason,
    ) -> Result<(), Failure> {
        let Context {
            clients,
            secret,
            document,
            ..
        } = &self.context;
        let emergency = reason == RetiredReason::Emergency;
        let retired = EventKind::CredentialRetired {
            key_id,
            reason,
            stops: emergency.then(|| stops(document, self.held, key_id)),
        };
        let mut events = vec![event(secret, None, retired)];
        events.extend(self.what_is_over(key_id));
        clients.events.publish(&events).await
    }

    /// Says that what people were told of a credential is over, where they were told something.
    pub(super) async fn publish_over(&self, key_id: KeyId) -> Result<(), Failure> {
        match self.what_is_over(key_id) {
            Some(over) => self.context.clients.events.publish(&[over]).await,
            None => Ok(()),
        }
    }

    /// What people were told of a credential that is gone, or has ended.
    fn what_is_over(&self, key_id: KeyId) -> Option<Event> {
        let secret = &self.context.secret;
        let tag = secret.tags.get(tags::SUPERSEDED).map(String::as_str);
        let told = SupersededWarnings::read(tag, std::iter::once(key_id)).of(key_id)?;
        let what = match told.why {
            Why::Used => DriftKind::SupersededSecretInUse,
            Why::Leaked => DriftKind::LeakedSecretStillValid,
            Why::EndOnly => return None,
        };
        let over = EventKind::MailboxRecovered {
            closes: OpenTrouble {
                trouble: Trouble::of(what.into()),
                since: None,
            },
            at: clock::machine(),
            seen: what.seen_over().to_owned(),
        };
        Some(event(secret, None, over))
    }
}
