//! The app registrations of one rotator: what it owns in one list, and what that does not show by themselves.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use shared::entra::token::{ApplicationPermissions, Tokens};
use shared::failure::{Failure, Kind};
use shared::graph::application::{Application, Registration};
use shared::graph::policies::Policies;
use shared::graph::registrations::{BATCH, OwnedPage, Registrations};
use shared::ids::DirectoryId;
use shared::mailbox_secret::Rotator;
use shared::retry::{CallError, Deadline, Effect, Retry};
use tokio::time::{Instant, timeout_at};
use tracing::info;

use super::target::Target;
use super::{Group, GroupKey, Look};
use crate::preflight::may_read_policies;

/// What was seen of a rotator's tenant.
pub(super) struct SeenRegistrations(Result<Seen, Failure>);

struct Seen {
    tokens: Tokens,
    /// Until when more may be asked of this tenant.
    ends: Instant,
    applications: BTreeMap<DirectoryId, Result<Application, Failure>>,
    owned: Named,
    /// What the rotator may do, as its token says.
    may: Option<ApplicationPermissions>,
    /// What the tenant's policies say, where the rotator may read that.
    policies: Option<Policies>,
}

impl SeenRegistrations {
    /// Entra's clock.
    pub(super) fn now(&self) -> Option<Timestamp> {
        self.0.as_ref().ok().map(|seen| seen.tokens.now)
    }

    /// As much as is left for this tenant.
    pub(super) fn deadline(&self, deadline: Deadline) -> Deadline {
        let ends = self
            .0
            .as_ref()
            .map_or_else(|_| Instant::now(), |seen| seen.ends);
        deadline.at_most(ends.duration_since(Instant::now()))
    }

    pub(super) fn may(&self) -> Option<&ApplicationPermissions> {
        self.0.as_ref().ok()?.may.as_ref()
    }

    pub(super) fn policies(&self) -> Option<&Policies> {
        self.0.as_ref().ok()?.policies.as_ref()
    }

    /// Whether the list of what the rotator owns has it; `None` of what it does not name and was not listed in full.
    pub(super) fn owns(&self, client_id: &DirectoryId) -> Option<bool> {
        let owned = &self.0.as_ref().ok()?.owned;
        let named = owned.apps.contains(client_id);
        (named || owned.complete).then_some(named)
    }

    pub(super) fn tokens(&self) -> Option<&Tokens> {
        self.0.as_ref().ok().map(|seen| &seen.tokens)
    }

    pub(super) fn application(&self, client_id: &DirectoryId) -> Result<&Application, Failure> {
        let seen = self.0.as_ref().map_err(Clone::clone)?;
        match seen.applications.get(client_id) {
            Some(Ok(application)) => Ok(application),
            Some(Err(failure)) => Err(failure.clone()),
            None => Err(Failure::new(
                Kind::Temporary,
                "reading the app registration in Entra: it was not asked for",
            )),
        }
    }
}

pub(super) async fn see(
    look: &Look<'_>,
    key: &GroupKey,
    group: &Group<'_>,
    tenant: &Target,
    wanted: &[DirectoryId],
) -> SeenRegistrations {
    SeenRegistrations(try_to_see(look, key, group, tenant, wanted).await)
}

async fn try_to_see(
    look: &Look<'_>,
    key: &GroupKey,
    group: &Group<'_>,
    tenant: &Target,
    wanted: &[DirectoryId],
) -> Result<Seen, Failure> {
    let rotators = look.clients.rotators();
    let sign_in = match group.deep.first() {
        Some(document) if key.itself.is_some() => rotators.as_itself(&document.mailbox)?,
        _ => rotators.sign_in(&key.of, &look.assertions).await?,
    };
    let tokens = tenant.call(async || sign_in.token().await).await?;
    let wanted: BTreeSet<&DirectoryId> = wanted.iter().collect();
    let clients = look.clients;
    let endpoints = clients.settings.microsoft.endpoints(key.of.cloud);
    let graph = Registrations::new(clients.http.clone(), endpoints, tokens.clone());
    let (applications, owned) = match &key.of.rotator {
        // It signs in for one app: there is nothing to list.
        Rotator::Itself {} => (
            one_by_one(look, group, tenant, &tokens).await,
            Named::default(),
        ),
        Rotator::Federated { client_id } | Rotator::Secret { client_id, .. } => {
            let Owned { shown, named } = owned(&graph, client_id, tenant, &wanted).await;
            (complete(&graph, tenant, shown, &wanted).await, named)
        }
    };
    let may = tokens.application_permissions();
    let policies = match may_read_policies(may.as_ref()) {
        true => Some(policies(&graph, tenant, group).await),
        false => None,
    };
    Ok(Seen {
        tokens,
        ends: tenant.ends(),
        applications,
        owned,
        may,
        policies,
    })
}

/// The tenant's app management policy, and those of the app registrations that are looked at deeply. They are asked for
/// once, and what comes after one that fails is not seen: that they are slow or throttled keeps nothing else of the tenant
/// waiting.
async fn policies(graph: &Registrations, tenant: &Target, group: &Group<'_>) -> Policies {
    let apps: BTreeSet<&DirectoryId> = group.deep.iter().map(|d| &d.mailbox.client_id).collect();
    let apps: Vec<DirectoryId> = apps.into_iter().cloned().collect();
    let mut policies = Policies::default();
    for some in apps.chunks(BATCH - 1) {
        match timeout_at(tenant.ends(), graph.policies(some)).await {
            Ok(Ok(read)) => policies.extend(read),
            Ok(Err(CallError { failure, .. })) => {
                info!(%failure, "the app management policies cannot be read");
                break;
            }
            Err(_) => break,
        }
    }
    policies
}

type Applications = BTreeMap<DirectoryId, Result<Application, Failure>>;

async fn one_by_one(
    look: &Look<'_>,
    group: &Group<'_>,
    tenant: &Target,
    tokens: &Tokens,
) -> Applications {
    let mut applications = Applications::new();
    // Another mailbox secret may be on the same app.
    for document in &group.deep {
        let client_id = &document.mailbox.client_id;
        if !applications.contains_key(client_id) {
            let app = look.clients.app(&document.mailbox);
            let registration = Registration::new(look.clients.http.clone(), app, tokens.clone());
            let read = tenant.call(async || registration.read().await).await;
            applications.insert(client_id.clone(), read);
        }
    }
    applications
}

/// What a list of a rotator's objects shows.
struct Owned {
    /// The wanted ones.
    shown: Applications,
    named: Named,
}

/// What the rotator owns.
#[derive(Default)]
struct Named {
    apps: BTreeSet<DirectoryId>,
    /// Whether the list was shown to its end, with the id of each.
    complete: bool,
}

/// What the list of the rotator's objects shows of the wanted ones. A rotator that may change all apps owns none; so
/// what is not there is no drift by itself, and a list that cannot be had costs only calls.
async fn owned(
    graph: &Registrations,
    rotator: &DirectoryId,
    tenant: &Target,
    wanted: &BTreeSet<&DirectoryId>,
) -> Owned {
    let mut shown = Applications::new();
    let mut named = Named {
        complete: true,
        ..Named::default()
    };
    // One app asked for by itself is one call, and so is the first page.
    let mut next: Option<String> = None;
    // One that owns thousands of others has them asked for instead.
    for _ in 0..=wanted.len() / BATCH {
        let page = tenant
            .call(async || graph.owned(rotator, next.as_deref()).await)
            .await;
        let OwnedPage {
            applications,
            named: of_page,
            next: after,
        } = match page {
            Ok(page) => page,
            Err(failure) => {
                info!(%failure, "what the rotator owns cannot be listed; each registration is asked for");
                named.complete = false;
                return Owned { shown, named };
            }
        };
        named.complete &= of_page.is_some();
        named.apps.extend(of_page.into_iter().flatten());
        let ours = applications.into_iter();
        let ours = ours.filter(|(client_id, _)| wanted.contains(client_id));
        shown.extend(ours.map(|(client_id, application)| (client_id, Ok(application))));
        next = after;
        if next.is_none() || shown.len() == wanted.len() {
            break;
        }
    }
    named.complete &= next.is_none();
    Owned { shown, named }
}

/// The rest, twenty in a request.
async fn complete(
    graph: &Registrations,
    tenant: &Target,
    mut shown: Applications,
    wanted: &BTreeSet<&DirectoryId>,
) -> Applications {
    let rest = wanted
        .iter()
        .filter(|client_id| !shown.contains_key(**client_id));
    let rest: Vec<DirectoryId> = rest.map(|client_id| (*client_id).clone()).collect();
    let batches = rest
        .chunks(BATCH)
        .map(|batch| read_batch(graph, tenant, batch));
    for read in futures_util::future::join_all(batches).await {
        shown.extend(read);
    }
    shown
}

/// What is refused for a moment is asked for again, with those alone.
async fn read_batch(graph: &Registrations, tenant: &Target, batch: &[DirectoryId]) -> Applications {
    let mut read = Applications::new();
    let asked = tenant.call(async || {
        let left: Vec<DirectoryId> = batch
            .iter()
            .filter(|client_id| !matches!(read.get(*client_id), Some(Ok(_))))
            .cloned()
            .collect();
        let mut again: Option<CallError> = None;
        for (client_id, item) in graph.read(&left).await? {
            let item = item.map_err(|error| {
                let failure = error.failure.clone();
                if error.retry != Retry::No {
                    again = Some(error);
                }
                failure
            });
            read.insert(client_id, item);
        }
        match again {
            None => Ok(()),
            Some(error) => Err(CallError {
                effect: Effect::None,
                ..error
            }),
        }
    });
    if let Err(failure) = asked.await {
        for client_id in batch {
            let of_the_batch = || Err(failure.clone());
            read.entry(client_id.clone()).or_insert_with(of_the_batch);
        }
    }
    read
}
