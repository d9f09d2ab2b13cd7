//! What one run of retire goes by.

use std::collections::BTreeSet;

use jiff::Timestamp;
use shared::events::{EventKind, RetiredReason};
use shared::failure::Failure;
use shared::ids::KeyId;
use shared::tags;

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
        clients
            .events
            .publish(&[event(secret, None, retired)])
            .await
    }
}
