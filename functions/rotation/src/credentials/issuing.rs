//! Adding a credential to the app registration, with our marker and the lifetime that the tenant allows.

use jiff::{SignedDuration, Timestamp};
use shared::credential::Marker;
use shared::failure::{Failure, Kind};
use shared::graph::application::{Application, Issued, Registration};
use shared::period::Period;
use shared::retry::{CallError, Deadline, Effect, Retry, backoff, out_of_time, with_retries};
use tracing::{info, warn};

use super::removal::remove_credential;
use crate::context::Context;
use crate::preflight::SHORTEST;

/// A list that does not show what was added is looked at this often.
const LOOKS: u32 = 4;

/// The lifetime counts from Graph's clock and the end from Entra's: one that is the longest that a tenant
/// allows must not be too long for the second between them.
const CLOCKS_DIFFER: SignedDuration = SignedDuration::from_secs(60);

/// Graph's code where the tenant's policy forbids a lifetime.
const LIFETIME_FORBIDDEN: &str = "CredentialInvalidLifetimeAsPerAppPolicy";

/// Adds a credential; where the tenant's policy forbids the lifetime, the longest shorter one that it does not.
pub(crate) async fn add_password(
    context: &Context<'_>,
    registration: &Registration,
) -> Result<Issued, Failure> {
    let mut lifetime = context.document.lifetime();
    let mut shorter: Option<Vec<Period>> = None;
    loop {
        match add_with_lifetime(context, registration, lifetime).await {
            Ok(issued) => return refuse_unmarked(context, registration, issued).await,
            Err(error) if error.has_code(LIFETIME_FORBIDDEN) => {
                warn!(%lifetime, "the tenant's policy forbids this lifetime; a shorter one is tried");
            }
            // After an unknown outcome the next attempt looks, and removes what this one may
            // have left once it has stored its own.
            Err(error) => return Err(error.failure),
        }
        let rungs = match &mut shorter {
            Some(rungs) => rungs,
            None => {
                let allowed = allowed_by_policy(registration, context.deadline).await;
                shorter.insert(ladder(lifetime, &allowed))
            }
        };
        lifetime = rungs.pop().ok_or_else(all_forbidden)?;
    }
}

async fn add_with_lifetime(
    context: &Context<'_>,
    registration: &Registration,
    lifetime: Period,
) -> Result<Issued, CallError> {
    let Context {
        document, deadline, ..
    } = context;
    let name = context.marker().display_name(&document.description);
    let end = registration
        .now()
        .checked_add(lifetime.signed() - CLOCKS_DIFFER);
    let end = end.unwrap_or(Timestamp::MAX);
    // What is issued has to be stored, too.
    if !deadline.leaves_time_for(2) {
        return Err(out_of_time());
    }
    let issued = with_retries(*deadline, async || {
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
    issued.await
}

/// The longest lifetimes of the policies that may hold for the app registration, where the rotator may read them.
async fn allowed_by_policy(registration: &Registration, deadline: Deadline) -> Vec<Period> {
    let (of_tenant, of_app) = tokio::join!(
        with_retries(deadline, async || registration
            .lifetimes_of_the_tenant()
            .await),
        with_retries(deadline, async || registration.lifetimes_of_the_app().await),
    );
    let mut allowed = Vec::new();
    for lifetimes in [of_tenant, of_app] {
        match lifetimes {
            Ok(lifetimes) => allowed.extend(lifetimes),
            Err(error) => info!(failure = %error.failure, "the usual lifetimes are tried alone"),
        }
    }
    allowed
}

fn all_forbidden() -> Failure {
    Failure::new(
        Kind::Misconfigured,
        "adding a client secret in Entra: the tenant's policy forbids every lifetime that was tried",
    )
    .code(LIFETIME_FORBIDDEN)
    .next_step("An Entra administrator has to allow client secrets of 7 days or more for this app registration.")
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

/// What is shorter than a lifetime that was refused, the longest last: the usual limits of tenants' policies, and
/// what this tenant's say.
fn ladder(refused: Period, allowed: &[Period]) -> Vec<Period> {
    let usual = [730, 545, 365, 270, 180, 120, 90, 60, 30, 14, 7].map(Period::days);
    let all = usual.iter().chain(allowed).copied();
    let mut shorter: Vec<Period> = all
        .filter(|lifetime| *lifetime < refused && *lifetime >= SHORTEST)
        .collect();
    shorter.sort();
    shorter.dedup();
    shorter
}

#[cfg(test)]
mod tests {
    use super::*;

    fn days(days: &[u64]) -> Vec<Period> {
        days.iter().map(|d| Period::days(*d)).collect()
    }

    #[test]
    fn the_longest_lifetime_below_the_refused_one_comes_last() {
        let from = |refused| ladder(Period::days(refused), &[]);
        assert_eq!(from(180), days(&[7, 14, 30, 60, 90, 120]));
        assert_eq!(from(730).last(), days(&[545]).last());
        assert_eq!(from(5), days(&[]));
    }

    #[test]
    fn what_the_policy_says_is_a_rung_of_its_own() {
        let policy = days(&[300, 730, 90, 0]);
        let rungs = ladder(Period::days(545), &policy);
        assert_eq!(rungs, days(&[7, 14, 30, 60, 90, 120, 180, 270, 300, 365]));
    }
}
