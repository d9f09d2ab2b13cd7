//! The mailboxes of documents, opened with the current client secret the way that each connection does: so that one that
//! breaks is found on the day it breaks, and not by a rotation. Only looks: no grant is stored.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use shared::drift::{Drift, DriftKind};
use shared::failure::Failure;
use shared::grants::consents::Grant;
use shared::ids::{ConnectionId, MailboxAddress};
use shared::mailbox::Unusable;
use shared::mailbox_secret::Connection;
use shared::retry::CallError;

use super::documents::Document;
use super::target::Target;
use crate::clients::Clients;
use crate::proof::grant::{NotRedeemed, Redeemer};
use crate::proof::opening::{Broken, open};
use crate::proof::patience::Patience;

/// The mail servers of a look, each with its own time.
pub(super) struct MailServers(BTreeMap<String, Target>);

impl MailServers {
    /// Of all connections of these documents.
    pub(super) fn of(clients: &Clients, documents: &[Document]) -> Self {
        let mut of_host: BTreeMap<String, usize> = BTreeMap::new();
        for document in documents {
            let servers = clients.app(&document.mailbox).endpoints.mail;
            let connections = document.mailbox.connections.iter();
            for server in connections.filter_map(|c| servers.of(c.protocol)) {
                *of_host.entry(server.host().to_owned()).or_default() += 1;
            }
        }
        let targets = of_host.into_iter().map(|(host, connections)| {
            let target = Target::of_mail_server(host.clone(), connections);
            (host, target)
        });
        Self(targets.collect())
    }
}

/// As long as the tenant and its mail servers have time.
struct OfALook<'a> {
    tenant: &'a Target,
    servers: &'a MailServers,
}

impl Patience for OfALook<'_> {
    async fn entra<T>(
        &self,
        call: impl AsyncFnMut() -> Result<T, CallError>,
    ) -> Result<T, Failure> {
        self.tenant.call(call).await
    }

    async fn mail_server<T>(
        &self,
        host: &str,
        mut call: impl AsyncFnMut() -> Result<T, CallError>,
    ) -> Result<T, Failure> {
        match self.servers.0.get(host) {
            // What it answers is of one mailbox: only silence is the server's.
            Some(target) => target.call(call).await.map_err(|failure| Failure {
                out_of_reach: failure.out_of_reach.filter(|_| failure.code.is_none()),
                ..failure
            }),
            None => Ok(call().await?),
        }
    }
}

/// What was seen of the mailboxes of one document.
#[derive(Default)]
pub(super) struct SeenMailboxes {
    pub(super) drift: Vec<Drift>,
    pub(super) problems: Vec<Failure>,
    /// Entra wants their owners to sign in.
    pub(super) refused: Vec<MailboxAddress>,
    /// The connections whose mailbox was not opened, and not for a fault of its own.
    pub(super) not_opened: Vec<ConnectionId>,
}

impl SeenMailboxes {
    /// None was opened.
    pub(super) fn unseen(document: &Document) -> Self {
        let connections = document.mailbox.connections.iter();
        Self {
            not_opened: connections.map(|c| c.id.clone()).collect(),
            ..Self::default()
        }
    }

    /// Opens those whose owner gave a grant.
    pub(super) async fn look(
        clients: &Clients,
        document: &Document,
        tenant: &Target,
        servers: &MailServers,
    ) -> Self {
        let (Some(stored), Ok(companion)) =
            (document.mailbox.credential.stored(), &document.companion)
        else {
            return Self::unseen(document);
        };
        let patience = &OfALook { tenant, servers };
        let probed = document.mailbox.probed_mailboxes().into_iter();
        let looks = probed.filter_map(|mailbox| {
            let grant: &Grant = companion.grants.of(mailbox)?;
            let redeemer = Redeemer {
                clients,
                document: &document.mailbox,
                secret: &stored.client_secret,
                mailbox,
                grant,
            };
            Some(look_at_one(redeemer, patience))
        });
        let mut seen = Self::default();
        for (mailbox, by_resource) in join_all(looks).await {
            for (connections, looked) in by_resource {
                seen.add(mailbox, &connections, looked);
            }
        }
        seen
    }

    fn add(
        &mut self,
        mailbox: &MailboxAddress,
        connections: &[&Connection],
        looked: Result<Vec<Broken<'_>>, NotRedeemed>,
    ) {
        let at = |unusable: Unusable, connection: &ConnectionId| Drift {
            what: DriftKind::Unusable(unusable),
            connection: Some(connection.clone()),
        };
        match looked {
            Ok(broken) => {
                for broken in broken {
                    match broken.unusable {
                        Some(unusable) => self.drift.push(at(unusable, &broken.connection.id)),
                        None => self.problems.push(broken.failure),
                    }
                }
            }
            Err(NotRedeemed::OwnerNeeded(_)) => {
                let not_opened = connections.iter().map(|c| c.id.clone());
                self.not_opened.extend(not_opened);
                if !self.refused.contains(mailbox) {
                    self.refused.push(mailbox.clone());
                }
            }
            Err(NotRedeemed::Unusable(unusable, _)) => {
                let drift = connections.iter().map(|c| at(unusable, &c.id));
                self.drift.extend(drift);
            }
            Err(NotRedeemed::Failed(failure)) => self.problems.push(failure),
        }
    }
}

type Looked<'a> = Vec<(Vec<&'a Connection>, Result<Vec<Broken<'a>>, NotRedeemed>)>;

async fn look_at_one<'a>(
    redeemer: Redeemer<'a>,
    patience: &OfALook<'_>,
) -> (&'a MailboxAddress, Looked<'a>) {
    let looks = redeemer.by_resource().into_iter().map(async |connections| {
        let looked = async {
            let tokens = redeemer.tokens(&connections, patience).await?;
            let Redeemer {
                clients, document, ..
            } = redeemer;
            Ok(open(clients, document, &tokens, &connections, patience).await)
        };
        let looked = looked.await;
        (connections, looked)
    });
    (redeemer.mailbox, join_all(looks).await)
}
