//! Asking a person: a link in an event, once for each thing that is asked, and again at each threshold as the
//! client secret's end nears.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use shared::clock;
use shared::drift::DriftKind;
use shared::events::{AskedBefore, EventKind, HandOverConnection, MailFlow};
use shared::failure::{Failure, Kind};
use shared::half_done::HalfDone;
use shared::ids::MailboxAddress;
use shared::mailbox_secret::Connection;
use shared::policy;
use shared::secret_store::SecretMetadata;
use shared::secret_store::versions::CURRENT;
use shared::short_hash::short_hash;
use shared::tags;
use shared::tags::seen_drift::SeenDrift;
use shared::tags::state::{Asked, Sending, State};
use shared::ticket::{Purpose, Ticket, TicketKey, expiry};
use tracing::info;

use crate::clients::Clients;
use crate::context::Context;

/// What only a person can do.
#[derive(Debug, Clone)]
pub(crate) enum Need {
    /// Sign in as this mailbox; with Entra's code, or `no_grant`.
    SignIn {
        mailbox: MailboxAddress,
        reason: String,
    },
    /// Sign in as this mailbox before a rotation needs it: its grant is dead or dying.
    Renewal {
        mailbox: MailboxAddress,
        reason: String,
        redeemed_at: Option<Timestamp>,
    },
    /// Hand the new secret to ShopCtrl for these connections of one mailbox, or authorize it there.
    HandOver {
        mailbox: MailboxAddress,
        connections: Vec<Connection>,
    },
}

fn sign_in_as(mailbox: &MailboxAddress) -> String {
    format!("sign-in {}", mailbox.key())
}

/// The hash by which it is known that this mailbox's owner was asked to sign in.
pub(crate) fn asked_to_sign_in(mailbox: &MailboxAddress) -> String {
    short_hash(&sign_in_as(mailbox))
}

/// What a person is sent.
struct Link {
    address: String,
    ends: Timestamp,
    asked: AskedBefore,
    request: Request,
    mail: MailFlow,
}

impl Need {
    /// One request for each mailbox: a link admits one account.
    pub(crate) fn hand_overs<'c>(
        connections: impl IntoIterator<Item = &'c Connection>,
    ) -> Vec<Self> {
        let mut by_mailbox: BTreeMap<String, (MailboxAddress, Vec<Connection>)> = BTreeMap::new();
        for connection in connections {
            let mailbox = &connection.mailbox;
            let of_mailbox = by_mailbox.entry(mailbox.key());
            let (_, all) = of_mailbox.or_insert_with(|| (mailbox.clone(), Vec::new()));
            all.push(connection.clone());
        }
        let hand_overs = by_mailbox.into_values();
        let hand_overs = hand_overs.map(|(mailbox, connections)| Self::HandOver {
            mailbox,
            connections,
        });
        hand_overs.collect()
    }

    /// One request for each mailbox: the page of a hand-over has the sign-in too.
    pub(crate) fn together(sign_ins: Vec<Self>, hand_overs: Vec<Self>) -> Vec<Self> {
        let handing_over: BTreeSet<String> =
            hand_overs.iter().map(|need| need.mailbox().key()).collect();
        let mut needs = hand_overs;
        let sign_ins = sign_ins.into_iter();
        needs.extend(sign_ins.filter(|need| !handing_over.contains(&need.mailbox().key())));
        needs
    }

    /// The account whose owner is asked.
    pub(crate) fn mailbox(&self) -> &MailboxAddress {
        match self {
            Self::SignIn { mailbox, .. }
            | Self::Renewal { mailbox, .. }
            | Self::HandOver { mailbox, .. } => mailbox,
        }
    }

    /// Where the link leads: straight to Microsoft, or to the page that guides a hand-over.
    fn page(&self) -> &'static str {
        match self {
            Self::SignIn { .. } | Self::Renewal { .. } => "authorize",
            Self::HandOver { .. } => "start",
        }
    }

    fn what(&self) -> String {
        match self {
            Self::SignIn { mailbox, .. } | Self::Renewal { mailbox, .. } => sign_in_as(mailbox),
            Self::HandOver { connections, .. } => {
                let ids = connections.iter().map(|c| c.id.as_str());
                format!("hand-over {}", ids.collect::<Vec<_>>().join(" "))
            }
        }
    }

    /// By which it is known in what was asked.
    pub(crate) fn hash(&self) -> String {
        short_hash(&self.what())
    }

    fn into_event(self, link: Link) -> EventKind {
        let Link {
            address: link,
            ends: link_expires_at,
            asked,
            request:
                Request {
                    purpose,
                    due_by,
                    half_done,
                },
            mail,
        } = link;
        match self {
            Self::SignIn { mailbox, reason } => EventKind::AuthorizationRequired {
                mailbox,
                link,
                link_expires_at,
                asked,
                reason,
                purpose,
                mail,
                half_done,
                due_by,
            },
            Self::Renewal {
                mailbox,
                reason,
                redeemed_at,
            } => EventKind::GrantExpiring {
                mailbox,
                link,
                link_expires_at,
                asked,
                reason,
                redeemed_at,
                mail,
                due_by,
            },
            Self::HandOver {
                mailbox,
                connections,
            } => EventKind::HandOverRequired {
                mailbox,
                connections: connections.iter().map(hand_over).collect(),
                link,
                link_expires_at,
                asked,
                purpose,
                // Outside of a rotation ShopCtrl itself has asked for it.
                mail: match purpose {
                    Purpose::Rotate => mail,
                    Purpose::Connect => MailFlow::NotKnown,
                },
                half_done,
                due_by,
            },
        }
    }
}

/// Asks, unless the same was asked in this rotation at this threshold with a link that is still good, and
/// returns the failure with which the step ends. The links are bound to the context's version. `now` is Entra's clock.
pub(crate) async fn ask(
    context: &Context<'_>,
    needs: Vec<Need>,
    request: Request,
    now: Timestamp,
) -> Result<Failure, Failure> {
    let waiting = Failure::new(
        Kind::WaitingForPerson,
        needs.iter().map(Need::what).collect::<Vec<_>>().join(", "),
    );
    let signing = Signing::begin(context.clients).await?;
    let thresholds = context.clients.thresholds(&context.secret);
    // 0 when mail has stopped already.
    let due_by = request.due_by;
    let threshold = match is_refused(&context.secret) {
        true => Some(0),
        false => due_by.and_then(|due_by| thresholds.urgency(now, due_by)),
    };
    let state = State::read(context.secret.tags.get(tags::STATE).map(String::as_str));
    let before = state
        .as_ref()
        .and_then(|state| state.asked(&context.version));
    let open = before.filter(|asked| {
        asked.until > signing.now.as_second()
            && asked.is_signed_with(&signing.key_id)
            && !policy::tightened(asked.threshold, threshold)
    });
    let fresh = || Asked::new(signing.sending(), threshold);
    let mut asked = open.cloned().unwrap_or_else(fresh);
    let mut new = Vec::new();
    for need in needs {
        if asked.add(need.hash()) {
            new.push(need);
        } else {
            info!(
                need = need.what(),
                "the person was asked before, and is not asked again"
            );
        }
    }
    if !new.is_empty() {
        let until = before.map(|asked| asked.until);
        send(context, &signing, new, request, until, asked).await?;
    }
    Ok(waiting)
}

/// Whether a check saw Entra refuse the current client secret, whatever its end says: mail stands still then.
pub(crate) fn is_refused(secret: &SecretMetadata) -> bool {
    let seen = SeenDrift::read(secret.tags.get(tags::DRIFT).map(String::as_str));
    seen.published(&DriftKind::SecretRefused.into())
}

/// Sends the links anew because somebody asked for them.
pub(crate) async fn ask_again(
    context: &Context<'_>,
    signing: &Signing,
    needs: Vec<Need>,
    request: Request,
    before: Option<&Asked>,
) -> Result<(), Failure> {
    let due_by = request.due_by;
    let thresholds = context.clients.thresholds(&context.secret);
    let threshold = due_by.and_then(|due_by| thresholds.urgency(signing.now, due_by));
    let fresh = || Asked::new(signing.sending(), threshold);
    let mut asked = before.map_or_else(fresh, |asked| asked.again(signing.sending()));
    for need in &needs {
        asked.add(need.hash());
    }
    let until = before.map(|asked| asked.until);
    send(context, signing, needs, request, until, asked).await
}

/// The key that signs links now, and what all of them have.
pub(crate) struct Signing {
    key: TicketKey,
    pub(crate) key_id: String,
    /// By the machine's clock, which also ends the tickets.
    pub(crate) now: Timestamp,
    ends: Timestamp,
}

impl Signing {
    pub(crate) async fn begin(clients: &Clients) -> Result<Self, Failure> {
        let Clients {
            store, settings, ..
        } = clients;
        let key = store
            .value_with_label(&settings.ticket_key_secret, CURRENT)
            .await
            .map_err(|error| error.failure.while_doing("reading the ticket key"))?;
        let key = TicketKey::new(key.text)?;
        let now = clock::machine();
        Ok(Self {
            key_id: key.id(),
            key,
            now,
            ends: expiry(now, settings.ticket_lifetime.signed()),
        })
    }

    fn sending(&self) -> Sending<'_> {
        Sending {
            at: self.now,
            until: self.ends,
            key: &self.key_id,
        }
    }
}

/// Publishes the links and notes what was asked, in this order: a kill between the two repeats it, and never
/// swallows it. `until`: when the links before ended.
async fn send(
    context: &Context<'_>,
    signing: &Signing,
    needs: Vec<Need>,
    request: Request,
    until: Option<i64>,
    asked: Asked,
) -> Result<(), Failure> {
    let Context {
        clients, secret, ..
    } = context;
    let mut events = Vec::new();
    for need in needs {
        let ticket = signing.key.sign(&Ticket {
            purpose: request.purpose,
            secret: secret.arn.clone(),
            version: context.version.clone(),
            mailbox: need.mailbox().clone(),
            expires_at: signing.ends,
        })?;
        let page = need.page();
        let link = Link {
            address: format!("{}/{page}?ticket={ticket}", clients.settings.callback_url),
            ends: signing.ends,
            asked: AskedBefore {
                until,
                threshold: asked.threshold,
                times: asked.times,
            },
            request,
            mail: match request.due_by {
                _ if is_refused(secret) => MailFlow::StandsStill,
                Some(due_by) => MailFlow::until(due_by, signing.now),
                None => MailFlow::NotKnown,
            },
        };
        events.push(context.event(need.into_event(link)));
    }
    clients.events.publish(&events).await?;
    let state = State::Waiting {
        token: context.version.clone(),
        asked,
    };
    let tag = (tags::STATE, state.to_string());
    Ok(clients.store.tag(&secret.arn, &[tag]).await?)
}

/// A connection, as events describe it.
pub(crate) fn hand_over(connection: &Connection) -> HandOverConnection {
    HandOverConnection {
        id: connection.id.clone(),
        direction: connection.direction,
        delivery: connection.delivery,
        mailbox: connection.mailbox.clone(),
        shopctrl_ui: connection.shopctrl.ui.clone(),
    }
}

/// For what a person is asked, and by when.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Request {
    /// What the links are for.
    pub purpose: Purpose,
    /// When mail stops, where that is known.
    pub due_by: Option<Timestamp>,
    /// Where the delivery came to, if that is half way.
    pub half_done: Option<HalfDone>,
}
