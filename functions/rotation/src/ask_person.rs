//! Asking a person: a link in an event, once for each thing that is asked, and again at each threshold as the
//! client secret's end nears.

use std::collections::BTreeMap;

use jiff::Timestamp;
use shared::clock;
use shared::events::{AskedBefore, EventKind, HandOverConnection, MailFlow};
use shared::failure::{Failure, Kind};
use shared::ids::MailboxAddress;
use shared::mailbox_secret::Connection;
use shared::policy;
use shared::secret_store::versions::CURRENT;
use shared::short_hash::short_hash;
use shared::tags;
use shared::tags::state::{Asked, State};
use shared::ticket::{Purpose, Ticket, TicketKey, expiry};
use tracing::info;

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

    /// The account whose owner is asked.
    fn mailbox(&self) -> &MailboxAddress {
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

    fn into_event(self, link: Link) -> EventKind {
        let Link {
            address: link,
            ends: link_expires_at,
            asked,
            request,
        } = link;
        let Request {
            purpose, due_by, ..
        } = request;
        let until = |due_by| MailFlow::until(due_by, request.now);
        let mail = due_by.map_or(MailFlow::NotKnown, until);
        match self {
            Self::SignIn { mailbox, reason } => EventKind::AuthorizationRequired {
                mailbox,
                link,
                link_expires_at,
                asked,
                reason,
                purpose,
                mail,
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
                due_by,
            },
        }
    }
}

/// Asks, unless the same was asked in this rotation at this threshold with a link that is still good, and
/// returns the failure with which the step ends. The links are bound to the context's version.
pub(crate) async fn ask(
    context: &Context<'_>,
    needs: Vec<Need>,
    request: Request,
) -> Result<Failure, Failure> {
    let Context {
        clients, secret, ..
    } = context;
    let waiting = Failure::new(
        Kind::WaitingForPerson,
        needs.iter().map(Need::what).collect::<Vec<_>>().join(", "),
    );
    // The machine's clock, which also ends the tickets.
    let now = clock::machine();
    let ends = expiry(now, clients.settings.ticket_lifetime.signed());
    // 0 when mail has stopped already.
    let due_by = request.due_by;
    let threshold = due_by.and_then(|due_by| policy::urgency(request.now, due_by));
    let state = State::read(secret.tags.get(tags::STATE).map(String::as_str));
    let before = state
        .as_ref()
        .and_then(|state| state.asked(&context.version));
    let open = before.filter(|asked| {
        asked.until > now.as_second() && !policy::tightened(asked.threshold, threshold)
    });
    let mut asked = open.cloned().unwrap_or_else(|| Asked::new(ends, threshold));
    let before = AskedBefore {
        until: before.map(|asked| asked.until),
        threshold: asked.threshold,
    };
    let mut events = Vec::new();
    for need in needs {
        if !asked.add(short_hash(&need.what())) {
            info!(
                need = need.what(),
                "the person was asked before, and is not asked again"
            );
            continue;
        }
        let ticket = sign_ticket(context, request.purpose, need.mailbox().clone(), ends).await?;
        let page = need.page();
        let link = Link {
            address: format!("{}/{page}?ticket={ticket}", clients.settings.callback_url),
            ends,
            asked: before,
            request,
        };
        events.push(context.event(need.into_event(link)));
    }
    if !events.is_empty() {
        clients.events.publish(&events).await?;
        let state = State::Waiting {
            token: context.version.clone(),
            asked,
        };
        let tag = (tags::STATE, state.to_string());
        clients.store.tag(&secret.arn, &[tag]).await?;
    }
    Ok(waiting)
}

async fn sign_ticket(
    context: &Context<'_>,
    purpose: Purpose,
    mailbox: MailboxAddress,
    expires_at: Timestamp,
) -> Result<String, Failure> {
    let Context {
        clients, secret, ..
    } = context;
    let key = clients
        .store
        .value_with_label(&clients.settings.ticket_key_secret, CURRENT)
        .await
        .map_err(|error| error.failure.while_doing("reading the ticket key"))?;
    TicketKey::new(key.text)?.sign(&Ticket {
        purpose,
        secret: secret.arn.clone(),
        version: context.version.clone(),
        mailbox,
        expires_at,
    })
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
    /// Entra's clock.
    pub now: Timestamp,
    /// When mail stops, where that is known.
    pub due_by: Option<Timestamp>,
}
