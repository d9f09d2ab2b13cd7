//! All mailbox secrets, listed page by page, or those of some tenants.

use std::collections::BTreeSet;

use shared::events::Left;
use shared::failure::{Failure, Kind};
use shared::ids::DirectoryId;
use shared::secret_store::SecretMetadata;
use shared::tags;
use tracing::warn;

use crate::call::{Check, Scope};
use crate::clients::Clients;
use crate::contacts::Contacts;
use crate::depth::Rules;
use crate::record::Record;
use crate::shared_apps::SharedApps;

/// A page that fails is asked for this often; the SDK has asked for it some times before each.
const ATTEMPTS: u32 = 3;

/// What is listed, sorted by ARN, each once.
#[derive(Debug)]
pub(crate) struct Fleet {
    pub(crate) records: Vec<Record>,
    pub(crate) apps: SharedApps,
    pub(crate) contacts: Contacts,
}

pub(crate) async fn list(
    clients: &Clients,
    check: &Check,
    rules: &Rules<'_>,
) -> Result<Fleet, Failure> {
    let mut listing = Listing {
        records: Vec::new(),
        contacts: Contacts::default(),
    };
    match &check.scope {
        Scope::Left(left) if !left.without_tenant => {
            for tenant in &left.tenants {
                let of_tenant = (tags::TENANT, tenant.as_str());
                list_with(clients, of_tenant, rules, &mut listing).await?;
            }
        }
        // No tag finds those without a tenant.
        Scope::All | Scope::Requested(_) | Scope::Left(_) => {
            let ours = (tags::MANAGED, "mailbox");
            list_with(clients, ours, rules, &mut listing).await?;
        }
    }
    let Listing {
        mut records,
        contacts,
    } = listing;
    records.sort_by(|one, other| one.arn.cmp(&other.arn));
    // A list that was begun anew shows some twice.
    records.dedup_by(|one, other| one.arn == other.arn);
    Ok(Fleet {
        apps: SharedApps::new(&records),
        contacts,
        records,
    })
}

struct Listing {
    records: Vec<Record>,
    contacts: Contacts,
}

impl Listing {
    fn add(&mut self, secret: SecretMetadata, rules: &Rules<'_>) {
        self.contacts.add(&secret, rules.policy, rules.now);
        self.records.push(Record::new(secret, rules));
    }
}

async fn list_with(
    clients: &Clients,
    (tag, value): (&str, &str),
    rules: &Rules<'_>,
    listing: &mut Listing,
) -> Result<(), Failure> {
    let (mut next, mut begun_anew) = (None, false);
    loop {
        match page(clients, (tag, value), next.clone()).await {
            Ok(page) => {
                let ours = |secret: &SecretMetadata| {
                    secret
                        .tags
                        .get(tags::MANAGED)
                        .is_some_and(|of| of == "mailbox")
                };
                for secret in page.secrets.into_iter().filter(ours) {
                    listing.add(secret, rules);
                }
                next = page.next;
                if next.is_none() {
                    return Ok(());
                }
            }
            // The token of a page may end; what was listed stays.
            Err(failure) if next.is_some() && !begun_anew => {
                warn!(%failure, "a page of the list failed; the list is begun anew");
                (next, begun_anew) = (None, true);
            }
            Err(failure) => return Err(failure),
        }
    }
}

async fn page(
    clients: &Clients,
    (tag, value): (&str, &str),
    next: Option<String>,
) -> Result<shared::secret_store::Page, Failure> {
    let mut attempt = 1;
    loop {
        match clients.store.list_page(tag, value, next.clone()).await {
            Ok(page) => return Ok(page),
            Err(error) if attempt < ATTEMPTS && error.failure.kind == Kind::Temporary => {
                attempt += 1;
            }
            Err(error) => return Err(error.failure),
        }
    }
}

/// By what another part of the check finds these records.
pub(crate) fn left<'r>(records: impl Iterator<Item = &'r Record>) -> Left {
    let tenants: BTreeSet<Option<DirectoryId>> =
        records.map(|record| record.tenant.clone()).collect();
    Left {
        rotations_wait: false,
        without_tenant: tenants.contains(&None),
        tenants: tenants.into_iter().flatten().collect(),
    }
}
