//! Asking a person: a link in an event, once for each thing that is asked, and again on each rung of
//! the ladder that tightens as the client secret's end nears.

use std::fmt;

use jiff::Timestamp;
use shared::clock;
use shared::events::{AskedBefore, EventKind, HandOverConnection};
use shared::failure::{Failure, Kind};
use shared::ids::MailboxAddress;
use shared::mailbox_secret::{Connection, MailboxSecret};
use shared::policy;
use shared::secret_store::SecretMetadata;
use shared::secret_store::versions::CURRENT;
use shared::short_hash::short_hash;
use shared::tags;
use shared::ticket::{Purpose, Ticket, TicketKey, expiry};
use tracing::info;

use crate::{Invocation, Rotation};

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
    /// Hand the new secret to ShopCtrl for these connections, or authorize it there.
    HandOver(Vec<Connection>),
}

impl Need {
    /// The account whose owner is asked.
    fn mailbox(&self) -> Option<&MailboxAddress> {
        match self {
            Self::SignIn { mailbox, .. } | Self::Renewal { mailbox, .. } => Some(mailbox),
            Self::HandOver(connections) => connections.first().map(|c| &c.mailbox),
        }
    }

    /// Where the link leads: straight to Microsoft, or to the page that guides a hand-over.
    fn page(&self) -> &'static str {
        match self {
            Self::SignIn { .. } | Self::Renewal { .. } => "authorize",
            Self::HandOver(_) => "start",
        }
    }

    fn what(&self) -> String {
        match self {
            Self::SignIn { mailbox, .. } | Self::Renewal { mailbox, .. } => {
                format!("sign-in {}", mailbox.key())
            }
            Self::HandOver(connections) => {
                let ids = connections.iter().map(|c| c.id.as_str());
                format!("hand-over {}", ids.collect::<Vec<_>>().join(" "))
            }
        }
    }
}

impl Rotation {
    /// Asks, unless the same was asked in this rotation on this rung of the ladder with a link that is
    /// still good, and returns the failure with which the step ends.
    pub(crate) async fn ask(
        &self,
        run: &Invocation,
        mailbox: &MailboxSecret,
        needs: Vec<Need>,
        request: Request,
    ) -> Result<Failure, Failure> {
        let waiting = Failure::new(
            Kind::WaitingForPerson,
            needs.iter().map(Need::what).collect::<Vec<_>>().join(", "),
        );
        // The machine's clock, which also ends the tickets.
        let now = clock::machine();
        let ends = expiry(now, self.settings.ticket_lifetime.signed());
        let rung = request.rung();
        let state = run.secret.tags.get(tags::STATE).map(String::as_str);
        let before = Asked::read(state, &run.token);
        let open = before
            .as_ref()
            .filter(|asked| asked.until > now.as_second() && !policy::tightened(asked.rung, rung));
        let mut asked = open.cloned().unwrap_or_else(|| Asked::new(ends, rung));
        let before = AskedBefore {
            until: before.as_ref().map(|asked| asked.until),
            threshold: asked.rung,
        };
        let contact = contact(&run.secret, mailbox);
        let due_by = request.due_by;
        let mut events = Vec::new();
        for need in needs {
            let Some(whom) = need.mailbox().cloned() else {
                continue;
            };
            if !asked.add(short_hash(&need.what())) {
                info!(need = need.what(), "the person was asked before");
                continue;
            }
            let ticket = self
                .ticket(run, request.purpose, whom.clone(), ends)
                .await?;
            let page = need.page();
            let link = format!("{}/{page}?ticket={ticket}", self.settings.callback_url);
            let contact = contact.clone();
            events.push(run.event(match need {
                Need::SignIn { mailbox, reason } => EventKind::AuthorizationRequired {
                    mailbox,
                    link,
                    link_expires_at: ends,
                    asked: before,
                    reason,
                    due_by,
                    contact,
                },
                Need::Renewal {
                    mailbox,
                    reason,
                    redeemed_at,
                } => EventKind::GrantExpiring {
                    mailbox,
                    link,
                    link_expires_at: ends,
                    asked: before,
                    reason,
                    redeemed_at,
                    due_by,
                    contact,
                },
                Need::HandOver(connections) => EventKind::HandOverRequired {
                    mailbox: whom,
                    connections: connections.iter().map(described).collect(),
                    link,
                    link_expires_at: ends,
                    asked: before,
                    due_by,
                    contact,
                },
            }));
        }
        if !events.is_empty() {
            self.events.publish(&events).await?;
            let state = format!("{}{asked}", tags::waiting(&run.token));
            self.store
                .tag(&run.secret.arn, &[(tags::STATE, state)])
                .await?;
        }
        Ok(waiting)
    }

    async fn ticket(
        &self,
        run: &Invocation,
        purpose: Purpose,
        mailbox: MailboxAddress,
        expires_at: Timestamp,
    ) -> Result<String, Failure> {
        let key = self
            .store
            .value_with_label(&self.settings.ticket_key_secret, CURRENT)
            .await
            .map_err(|error| error.failure.while_doing("reading the ticket key"))?;
        TicketKey::new(key.text)?.sign(&Ticket {
            purpose,
            secret: run.secret.arn.clone(),
            version: run.token.clone(),
            mailbox,
            expires_at,
        })
    }
}

/// Whom to tell; never one of the mailboxes whose mail may stand still.
pub(crate) fn contact(secret: &SecretMetadata, mailbox: &MailboxSecret) -> Option<String> {
    let contact = secret.tags.get(tags::CONTACT)?;
    let own = MailboxAddress::read(contact)
        .is_some_and(|contact| mailbox.own_addresses().contains(&contact));
    (!own).then(|| contact.clone())
}

pub(crate) fn described(connection: &Connection) -> HandOverConnection {
    HandOverConnection {
        id: connection.id.clone(),
        direction: connection.direction,
        mailbox: connection.mailbox.clone(),
        shopctrl_ui: connection.shopctrl.ui.clone(),
    }
}

/// For what a person is asked, and by when.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Request {
    /// What the links are for; they are bound to the invocation's version.
    pub purpose: Purpose,
    /// Entra's clock.
    pub now: Timestamp,
    /// When mail stops.
    pub due_by: Timestamp,
}

impl Request {
    /// The rung of the ladder on which it is asked; 0 when mail has stopped already.
    fn rung(&self) -> Option<i64> {
        policy::urgency(self.now, self.due_by)
    }
}

/// What was asked in a rotation, as the tag keeps it: `<until>/<rung>:<what>.<what>…`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Asked {
    /// When the first of the links ends, in Unix seconds.
    until: i64,
    /// The rung of the ladder on which it was asked.
    rung: Option<i64>,
    what: Vec<String>,
}

/// A tag has 256 characters, of which a token takes up to 64. What is beyond this is asked for again
/// in each attempt.
const MOST: usize = 16;

impl Asked {
    fn new(ends: Timestamp, rung: Option<i64>) -> Self {
        Self {
            until: ends.as_second(),
            rung,
            what: Vec::new(),
        }
    }

    fn read(state: Option<&str>, token: &str) -> Option<Self> {
        let rest = state?.strip_prefix(&tags::waiting(token))?;
        let (when, what) = rest.split_once(':')?;
        let (until, rung) = when.split_once('/').unwrap_or((when, ""));
        Some(Self {
            until: until.parse().ok()?,
            rung: rung.parse().ok(),
            what: what.split('.').map(str::to_owned).collect(),
        })
    }

    /// Whether it is new.
    fn add(&mut self, what: String) -> bool {
        let new = !self.what.contains(&what);
        if new && self.what.len() < MOST {
            self.what.push(what);
        }
        new
    }
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rung = self.rung.map(|rung| rung.to_string()).unwrap_or_default();
        write!(f, "{}/{rung}:{}", self.until, self.what.join("."))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_asked_reads_back_for_its_own_rotation_only() {
        let mut asked = Asked::new(Timestamp::from_second(1000).unwrap(), Some(14));
        assert!(asked.add("abcd".into()));
        assert!(asked.add("ef01".into()));
        assert!(!asked.add("abcd".into()));
        let state = format!("{}{asked}", tags::waiting("t"));
        assert_eq!(state, "waiting:t:1000/14:abcd.ef01");
        assert_eq!(Asked::read(Some(&state), "t"), Some(asked));
        assert_eq!(Asked::read(Some(&state), "u"), None);
        assert_eq!(Asked::read(Some("rotated"), "t"), None);
    }

    #[test]
    fn the_longest_state_fits_into_a_tag() {
        let mut asked = Asked::new(Timestamp::MAX, Some(30));
        for n in 0..100 {
            asked.add(short_hash(&n.to_string()));
        }
        let state = format!("{}{asked}", tags::waiting(&"t".repeat(64)));
        assert!(state.len() <= 256, "{}", state.len());
    }
}
