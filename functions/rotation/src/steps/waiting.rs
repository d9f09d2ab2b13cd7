//! What it costs to leave the current secret where it is for now.

use jiff::Timestamp;
use tracing::info;

use super::begin::Stored;
use super::beside::Beside;
use crate::ask_person::is_refused;
use crate::context::Context;
use crate::proof::sign_in::signs_in;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Waiting {
    CostsNothing,
    /// Mail stands still, or stops before the hard stop of the policy is over.
    CostsMail,
    /// Nobody knows when the current secret ends.
    NotKnown,
}

/// `now` is Entra's clock. Asks Entra whether it still takes the current secret: an end says nothing of one that somebody
/// removed.
pub(super) async fn waiting(stored: &Stored<'_>, beside: &Beside<'_>, now: Timestamp) -> Waiting {
    let Context {
        clients,
        secret,
        deadline,
        ..
    } = &stored.context;
    let end = beside.mail_stops(secret);
    let policy = clients.policy(secret);
    let policy = policy.unwrap_or_else(|_| clients.settings.policy.clone());
    if is_refused(secret) || end.is_some_and(|end| policy.is_in_hard_stop(now, end)) {
        return Waiting::CostsMail;
    }
    let current = beside.current();
    if let Some(credential) = current.credential.stored() {
        match signs_in(clients, current, &credential.client_secret, *deadline).await {
            Ok(true) => {}
            Ok(false) => return Waiting::CostsMail,
            Err(failure) => info!(%failure, "whether the current secret signs in is not known"),
        }
    }
    match end {
        Some(_) => Waiting::CostsNothing,
        None => Waiting::NotKnown,
    }
}
