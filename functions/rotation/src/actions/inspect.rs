//! inspect: looks at many mailbox secrets' worlds and says what there is, without changing anything. So the checker
//! learns of what it may not read itself. What is the same for all of a tenant is asked once.

mod documents;
mod facts;
mod mailboxes;
mod registrations;
mod shops;
mod target;

use std::collections::BTreeMap;

use futures_util::future::join_all;
use shared::credential::{Credential, IssuedBy};
use shared::entra::rotator::Assertions;
use shared::failure::Failure;
use shared::graph::application::Application;
use shared::graph::registrations::BATCH;
use shared::ids::{DirectoryId, KeyId};
use shared::mailbox_secret::Rotator;
use shared::out_of_reach::OutOfReach;
use shared::retry::Deadline;
use shared::rotation::inspection::{
    Facts, Inspect, Inspected, LightSecret, ListedCredential, TenantRotator,
};

use self::documents::Document;
use self::facts::{Seen, facts};
use self::mailboxes::{MailServers, SeenMailboxes};
use self::registrations::{SeenRegistrations, see};
use self::shops::Shops;
use self::target::Target;
use crate::clients::Clients;
use crate::credentials::lost::settled;
use crate::preflight::{self, Ownership, Registered};

pub(super) async fn run(
    clients: &Clients,
    call: &Inspect,
    deadline: Deadline,
) -> Result<Inspected, Failure> {
    let before = clients.http.calls();
    let mut inspected = Inspected::default();
    let mut documents = Vec::new();
    for (arn, read) in documents::read(clients, &call.deep).await {
        match read {
            Ok(document) => documents.push(document),
            Err(failure) => drop(inspected.deep.insert(arn, Err(failure))),
        }
    }
    let look = Look {
        clients,
        deadline,
        assertions: Assertions::default(),
        shops: Shops::of(clients, &documents).await,
        mail_servers: MailServers::of(clients, &documents),
    };
    let groups = group(call, &documents);
    let groups = groups.iter().map(|(key, group)| look.at_group(key, group));
    for (light, deep) in join_all(groups).await {
        for LightSeen { arn, lacks, listed } in light {
            inspected.lacking.extend(lacks.then(|| arn.clone()));
            inspected.light.insert(arn, listed);
        }
        inspected.deep.extend(deep);
    }
    inspected.calls = clients.http.calls() - before;
    Ok(inspected)
}

/// What all of one invocation share.
struct Look<'a> {
    clients: &'a Clients,
    deadline: Deadline,
    assertions: Assertions,
    shops: Shops<'a>,
    mail_servers: MailServers,
}

/// A rotator in a tenant; an app that is its own is apart from all others.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct GroupKey {
    of: TenantRotator,
    itself: Option<DirectoryId>,
}

#[derive(Default)]
struct Group<'a> {
    light: Vec<&'a LightSecret>,
    deep: Vec<&'a Document>,
}

/// By what the documents say, which the tags of a secret that is looked at lightly say for it.
fn group<'a>(call: &'a Inspect, documents: &'a [Document]) -> BTreeMap<GroupKey, Group<'a>> {
    let mut groups: BTreeMap<GroupKey, Group<'a>> = BTreeMap::new();
    for look in &call.light {
        let key = GroupKey {
            of: look.of.clone(),
            itself: None,
        };
        groups.entry(key).or_default().light.extend(&look.secrets);
    }
    for document in documents {
        let mailbox = &document.mailbox;
        let itself = mailbox.rotator == Rotator::Itself {};
        let key = GroupKey {
            of: TenantRotator::of(mailbox),
            itself: itself.then(|| mailbox.client_id.clone()),
        };
        groups.entry(key).or_default().deep.push(document);
    }
    groups
}

type Light = Vec<LightSeen>;
type Deep = Vec<(String, Result<Facts, Failure>)>;

/// What a light look saw of one secret.
struct LightSeen {
    arn: String,
    /// Whether something is missing that a rotation needs.
    lacks: bool,
    listed: Result<Vec<ListedCredential>, Failure>,
}

impl Look<'_> {
    async fn at_group(&self, key: &GroupKey, group: &Group<'_>) -> (Light, Deep) {
        let tenant = OutOfReach::Tenant(key.of.tenant_id.clone());
        let tenant = Target::new(tenant, group.deep.len() + group.light.len() / BATCH);
        let wanted: Vec<DirectoryId> = group.client_ids().cloned().collect();
        let sign_ins = group.deep.iter().map(|document| async {
            let Some(stored) = document.mailbox.credential.stored() else {
                return (None, SeenMailboxes::unseen(document));
            };
            let secret = &stored.client_secret;
            let signs_in = tenant.signs_in(self.clients, &document.mailbox, secret);
            let signs_in = signs_in.await;
            // Nothing is redeemed with one that is refused.
            let mailboxes = match signs_in {
                Ok(true) => {
                    let servers = &self.mail_servers;
                    SeenMailboxes::look(self.clients, document, &tenant, servers).await
                }
                Ok(false) | Err(_) => SeenMailboxes::unseen(document),
            };
            (Some(signs_in), mailboxes)
        });
        let shops = group.deep.iter().map(|document| self.shops.look(document));
        let companions = group
            .deep
            .iter()
            .map(|document| document.has_unfinished_grants(self.clients));
        let (seen, sign_ins, shops, unfinished) = tokio::join!(
            see(self, key, group, &tenant, &wanted),
            join_all(sign_ins),
            join_all(shops),
            join_all(companions),
        );
        let light: Vec<LightSeen> = group
            .light
            .iter()
            .map(|secret| LightSeen {
                arn: secret.arn.clone(),
                lacks: self.lacks(secret, &seen),
                listed: self.light(secret, &seen),
            })
            .collect();
        let each = group.deep.iter().zip(sign_ins).zip(shops).zip(unfinished);
        let seen = &seen;
        let deep = each.map(
            |(((document, (signs_in, mailboxes)), shops), unfinished)| async move {
                let seen = Seen {
                    registrations: seen,
                    signs_in,
                    shops,
                    mailboxes,
                };
                let mut facts = facts(self, document, seen).await;
                facts.grants_unfinished = unfinished;
                (document.arn.clone(), Ok(facts))
            },
        );
        (light, join_all(deep).await)
    }

    fn light(
        &self,
        secret: &LightSecret,
        seen: &SeenRegistrations,
    ) -> Result<Vec<ListedCredential>, Failure> {
        let application = seen.application(&secret.client_id)?;
        Ok(self.listed(application, seen, &secret.arn, &secret.keys))
    }

    /// Whether something is missing that a rotation needs, by what is listed anyway.
    fn lacks(&self, secret: &LightSecret, seen: &SeenRegistrations) -> bool {
        let Ok(application) = seen.application(&secret.client_id) else {
            return false;
        };
        let ownership = match seen.owns(&secret.client_id) {
            Some(true) => Ownership::Owner,
            Some(false) => Ownership::NoOwner,
            None => Ownership::NotSeen,
        };
        let registered = Registered {
            application,
            arn: &secret.arn,
            keys: &secret.keys,
            // The only one that labels name.
            current: secret.keys.first().copied(),
            now: seen.now(),
            quarantine: self.clients.settings.quarantine.signed(),
        };
        let mut rows = preflight::rights(preflight::right(seen.may(), false), ownership);
        rows.push(preflight::room(&registered));
        rows.iter().any(|row| row.drift().is_some())
    }

    /// Of the credentials those that this secret's labels name, and those that carry our marker for it.
    fn listed(
        &self,
        application: &Application,
        seen: &SeenRegistrations,
        arn: &str,
        keys: &[KeyId],
    ) -> Vec<ListedCredential> {
        let settled = seen.now().map(|now| settled(self.clients, now));
        let listed = |credential: &Credential| {
            let marker = credential.marker();
            let marker = marker.filter(|marker| marker.issued_by(arn) != IssuedBy::Another);
            let named = keys.contains(&credential.key_id);
            (named || marker.is_some()).then(|| ListedCredential {
                key_id: credential.key_id,
                start: credential.start,
                end: credential.end,
                issued_for: marker.map(|marker| marker.token),
                settled: credential
                    .start
                    .zip(settled)
                    .is_some_and(|(start, by)| start <= by),
            })
        };
        application.credentials.iter().filter_map(listed).collect()
    }
}

impl Group<'_> {
    fn client_ids(&self) -> impl Iterator<Item = &DirectoryId> {
        let light = self.light.iter().map(|secret| &secret.client_id);
        light.chain(self.deep.iter().map(|document| &document.mailbox.client_id))
    }
}
