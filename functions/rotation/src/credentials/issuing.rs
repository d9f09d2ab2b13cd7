//! Adding a credential to the app registration, with our marker and the lifetime that the tenant allows.

use jiff::{SignedDuration, Timestamp};
use shared::credential::Marker;
use shared::failure::{Failure, Kind};
use shared::graph::application::{Application, Issued, Registration};
use shared::period::Period;
use shared::retry::{CallError, Deadline, Effect, Retry, backoff, out_of_time, with_retries};
use tracing::warn;

use super::removal::remove_credential;
use crate::context::Context;

/// A list that does not show what was added is looked at this often.
const LOOKS: u32 = 4;

/// The lifetime counts from Graph's clock and the end from Entra's: one that is the longest that a tenant
/// allows must not be too long for the second between them.
const CLOCKS_DIFFER: SignedDuration = SignedDuration::from_secs(60);

/// Graph's code where the tenant's policy forbids a lifetime.
const LIFETIME_FORBIDDEN: &str = "CredentialInvalidLifetimeAsPerAppPolicy";

/// Adds a credential; where the tenant's policy forbids the lifetime, a shorter one.
pub(crate) async fn add_password(
    context: &Context<'_>,
    registration: &Registration,
) -> Result<Issued, Failure> {
    let Context {
        document, deadline, ..
    } = context;
    let name = context.marker().display_name(&document.description);
    for lifetime in lifetimes(document.lifetime) {
        let lifetime = lifetime.signed() - CLOCKS_DIFFER;
        let end = registration.now().checked_add(lifetime);
        let end = end.unwrap_or(Timestamp::MAX);
        // What is issued has to be stored, too.
        if !deadline.leaves_time_for(2) {
            return Err(out_of_time().failure);
        }
        let answer = with_retries(*deadline, async || {
            let answer = registration.add_password(&name, end).await;
            // Only where nothing can have been added may it be asked again.
            answer.map_err(|error| match error.effect {
                Effect::None => error,
                Effect::Unknown => CallError {
                    retry: Retry::No,
                    ..error
                },
            })
        });
        match answer.await {
            Ok(issued) => return refuse_unmarked(context, registration, issued).await,
            Err(error) if error.has_code(LIFETIME_FORBIDDEN) => {
                warn!(%lifetime, "the tenant's policy forbids this lifetime; a shorter one is tried");
            }
            // After an unknown outcome the next attempt looks, and removes what this one may
            // have left once it has stored its own.
            Err(error) => return Err(error.failure),
        }
    }
    Err(Failure::new(
        Kind::Misconfigured,
        "adding a client secret in Entra: the tenant's policy forbids every lifetime that was tried",
    )
    .code(LIFETIME_FORBIDDEN)
    .next_step("An Entra administrator has to allow client secrets of 7 days or more for this app registration."))
}

/// Where Entra allows two credentials, a refusal may come of a list that did not show the second one
/// yet: mostly what an earlier attempt lost, and the next attempt removes.
pub(crate) async fn refused_for_want_of_room(
    registration: &Registration,
    before: &Application,
    failure: Failure,
    deadline: Deadline,
) -> Failure {
    let Some(most) = before.most_credentials() else {
        return failure;
    };
    if failure.kind != Kind::Misconfigured {
        return failure;
    }
    for look in 1..=LOOKS {
        let apart = registration.apart();
        let seen = with_retries(deadline, async || apart.read().await).await;
        if seen.is_ok_and(|seen| seen.credentials.len() >= most) {
            return Failure::new(
                Kind::Temporary,
                "adding a client secret in Entra: the app registration allows two and has two, which its list showed late",
            );
        }
        if look == LOOKS || !deadline.sleep(backoff(look)).await {
            break;
        }
    }
    failure
}

/// A credential whose name does not carry the marker could not be found again after a kill.
async fn refuse_unmarked(
    context: &Context<'_>,
    registration: &Registration,
    issued: Issued,
) -> Result<Issued, Failure> {
    let marker = issued.name.as_deref().map(Marker::read);
    if marker.is_none_or(|marker| marker == Some(context.marker())) {
        return Ok(issued);
    }
    let removal = remove_credential(
        context.clients,
        registration,
        issued.key_id,
        context.deadline,
    );
    removal.await?;
    Err(Failure::new(
        Kind::Misconfigured,
        "adding a client secret in Entra: Entra gave it another name than was asked for",
    ))
}

/// The lifetime that is wanted, then the usual limits of tenants' policies below it.
fn lifetimes(wanted: Period) -> Vec<Period> {
    let usual = [365, 180, 90, 60, 30, 14, 7].map(Period::days);
    let shorter = usual.into_iter().filter(|period| *period < wanted);
    std::iter::once(wanted).chain(shorter).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shorter_lifetimes_are_tried_in_falling_order() {
        let days = |days: &[u64]| days.iter().map(|d| Period::days(*d)).collect::<Vec<_>>();
        assert_eq!(
            lifetimes(Period::days(180)),
            days(&[180, 90, 60, 30, 14, 7])
        );
        assert_eq!(lifetimes(Period::days(5)), days(&[5]));
    }
}
