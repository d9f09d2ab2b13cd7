//! The look at one secret: what there is, and what could not be learned.

use std::collections::BTreeSet;

use shared::failure::{Failure, Kind};
use shared::ids::KeyId;
use shared::policy;
use shared::retry::{CallError, backoff};
use shared::secret_store::SecretMetadata;
use tracing::warn;

use crate::call::Check;
use crate::clients::Clients;
use crate::contacts::Contacts;
use crate::plan::found::Found;
use crate::report::{Failed, LOOK};
use crate::shared_apps::SharedApps;

/// What the list says of the other secrets.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Others<'a> {
    pub(crate) apps: &'a SharedApps,
    pub(crate) contacts: &'a Contacts,
}

/// A promotion that does not show is looked for so often more.
const PROMOTION_LOOKS: u32 = 5;
/// So many mailboxes on one app registration, or on ones that are not known yet, are asked one by one.
const MOST_NEIGHBOURS: usize = 50;

/// A probe that fails leaves labels and tags to decide by, a policy that cannot be read the one of the settings.
pub(crate) async fn look(
    clients: &Clients,
    arn: &str,
    others: Others<'_>,
    check: &Check,
) -> Result<(Found, Vec<Failed>), Failure> {
    let Others { apps, contacts } = others;
    let promoted = check.only.as_ref().filter(|only| only.arn == arn);
    let promoted = promoted.and_then(|only| only.promoted.as_deref());
    let secret = describe(clients, arn, promoted);
    let (secret, probe) = tokio::join!(secret, clients.rotation.probe(arn));
    let secret = secret?;
    let mut failures = Vec::new();
    let tag = secret.tags.get(policy::TAG).map(String::as_str);
    let own = clients.settings.policy.clone();
    let policy = own.clone().with_tag(tag).unwrap_or_else(|failure| {
        failures.push(failure);
        own
    });
    let probe = probe.map_err(|failure| failures.push(failure)).ok();
    let problems = probe.iter().flat_map(|probe| &probe.problems);
    failures.extend(problems.map(|problem| Failure::read(Kind::Temporary, problem)));
    let failures = failures.into_iter().map(|failure| Failed {
        step: LOOK,
        failure,
    });
    let failures = failures.collect();
    let found = Found {
        named_by_others: named_by_others(clients, &secret, apps).await,
        requested: check.only.is_some(),
        shares_a_leaked_secret: apps.shares_a_leaked_secret(&secret),
        contact_is_asked: contacts.is_asked_for_another(&secret),
        secret,
        probe,
        policy,
    };
    Ok((found, failures))
}

/// The secret; right after a promotion once that shows, if it does within some seconds.
async fn describe(
    clients: &Clients,
    arn: &str,
    promoted: Option<&str>,
) -> Result<SecretMetadata, Failure> {
    let mut looks = 1;
    loop {
        let secret = clients.store.describe(arn).await?;
        let shows = promoted.is_none_or(|version| secret.versions.current() == Some(version));
        if shows || looks > PROMOTION_LOOKS {
            return Ok(secret);
        }
        tokio::time::sleep(backoff(looks)).await;
        looks += 1;
    }
}

/// What the others name, by what each of them says now and not by the list, which may be minutes old.
/// `None` where one does not say, cannot be asked, or where there are too many to ask.
async fn named_by_others(
    clients: &Clients,
    secret: &SecretMetadata,
    apps: &SharedApps,
) -> Option<BTreeSet<KeyId>> {
    let neighbours = apps.neighbours(secret);
    if neighbours.len() > MOST_NEIGHBOURS {
        return None;
    }
    let asked = neighbours
        .iter()
        .map(|other| clients.store.describe(&other.arn));
    let asked = futures_util::future::join_all(asked).await;
    let asked: Result<Vec<SecretMetadata>, CallError> = asked.into_iter().collect();
    match asked {
        Ok(described) => SharedApps::new(&described).named_by_others(secret),
        Err(error) => {
            warn!(failure = %error.failure, "another mailbox secret could not be described; nothing is removed");
            None
        }
    }
}
