//! Asking a person: a link in an event, once for each thing that is asked.

use std::fmt;

use data_encoding::HEXLOWER;
use jiff::Timestamp;
use ring::digest::{SHA256, digest};
use shared::clock;
use shared::events::{EventKind, HandOverConnection};
use shared::failure::{Failure, Kind};
use shared::mailbox_secret::{Connection, MailboxAddress, MailboxSecret};
use shared::secret_store::versions::CURRENT;
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
    /// Hand the new secret to ShopCtrl for these connections, or authorize it there.
    HandOver(Vec<Connection>),
}

impl Need {
    /// The account whose owner is asked.
    fn mailbox(&self) -> Option<&MailboxAddress> {
        match self {
            Self::SignIn { mailbox, .. } => Some(mailbox),
            Self::HandOver(connections) => connections.first().map(|c| &c.mailbox),
        }
    }

    fn what(&self) -> String {
        match self {
            Self::SignIn { mailbox, .. } => format!("sign-in {}", mailbox.key()),
            Self::HandOver(connections) => {
                let ids = connections.iter().map(|c| c.id.as_str());
                format!("hand-over {}", ids.collect::<Vec<_>>().join(" "))
            }
        }
    }
}

impl Rotation {
    /// Asks, unless the same was asked in this rotation with a link that is still good, and returns
    /// the failure with which the step ends.
    ///
    /// `version` is what the links are bound to; `due_by` is when mail stops.
    pub(crate) async fn ask(
        &self,
        run: &Invocation,
        mailbox: &MailboxSecret,
        purpose: Purpose,
        needs: Vec<Need>,
        due_by: Timestamp,
    ) -> Result<Failure, Failure> {
        let waiting = Failure::new(
            Kind::WaitingForPerson,
            needs.iter().map(Need::what).collect::<Vec<_>>().join(", "),
        );
        // The machine's clock, which also ends the tickets.
        let now = clock::machine();
        let ends = expiry(now, self.settings.ticket_lifetime.signed());
        let state = run.secret.tags.get(tags::STATE).map(String::as_str);
        let before = Asked::read(state, &run.token);
        let open = before
            .as_ref()
            .filter(|asked| asked.until > now.as_second());
        let mut asked = open.cloned().unwrap_or_else(|| Asked::until(ends));
        let asked_until = before.as_ref().map(|asked| asked.until);
        let contact = self.contact(run, mailbox);
        let mut events = Vec::new();
        for need in needs {
            let Some(whom) = need.mailbox() else { continue };
            if !asked.add(short_hash(&need.what())) {
                info!(need = need.what(), "the person was asked before");
                continue;
            }
            let link = self.link(run, purpose, whom.clone(), ends).await?;
            let contact = contact.clone();
            events.push(run.event(match need {
                Need::SignIn { mailbox, reason } => EventKind::AuthorizationRequired {
                    mailbox,
                    link,
                    link_expires_at: ends,
                    asked_until,
                    reason,
                    due_by,
                    contact,
                },
                Need::HandOver(connections) => EventKind::HandOverRequired {
                    connections: connections.into_iter().map(described).collect(),
                    link,
                    link_expires_at: ends,
                    asked_until,
                    due_by,
                    contact,
                },
            }));
        }
        if !events.is_empty() {
            self.events.put(&events).await?;
            let state = format!("{}{asked}", tags::waiting(&run.token));
            self.store
                .tag(&run.secret.arn, &[(tags::STATE, state)])
                .await?;
        }
        Ok(waiting)
    }

    async fn link(
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
        let ticket = TicketKey::new(key.text)?.sign(&Ticket {
            purpose,
            secret: run.secret.arn.clone(),
            version: run.token.clone(),
            mailbox,
            expires_at,
        })?;
        Ok(format!(
            "{}/authorize?ticket={ticket}",
            self.settings.callback_url
        ))
    }

    /// Whom to tell; never one of the mailboxes whose mail may stand still.
    fn contact(&self, run: &Invocation, mailbox: &MailboxSecret) -> Option<String> {
        let contact = run.secret.tags.get(tags::CONTACT)?;
        let own = MailboxAddress::read(contact)
            .is_some_and(|contact| mailbox.connections.iter().any(|c| c.mailbox == contact));
        (!own).then(|| contact.clone())
    }
}

fn described(connection: Connection) -> HandOverConnection {
    HandOverConnection {
        id: connection.id,
        direction: connection.direction,
        mailbox: connection.mailbox,
        shopctrl_ui: connection.shopctrl.ui,
    }
}

/// What was asked in a rotation, as the tag keeps it: `<until>:<what>.<what>…`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Asked {
    /// When the first of the links ends, in Unix seconds.
    until: i64,
    what: Vec<String>,
}

/// A tag has 256 characters, of which a token takes up to 64. What is beyond this is asked for again
/// in each attempt.
const MOST: usize = 16;

impl Asked {
    fn until(ends: Timestamp) -> Self {
        Self {
            until: ends.as_second(),
            what: Vec::new(),
        }
    }

    fn read(state: Option<&str>, token: &str) -> Option<Self> {
        let rest = state?.strip_prefix(&tags::waiting(token))?;
        let (until, what) = rest.split_once(':')?;
        Some(Self {
            until: until.parse().ok()?,
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
        write!(f, "{}:{}", self.until, self.what.join("."))
    }
}

fn short_hash(text: &str) -> String {
    let hash = digest(&SHA256, text.as_bytes());
    let (front, _) = hash.as_ref().split_at(4);
    HEXLOWER.encode(front)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_asked_reads_back_for_its_own_rotation_only() {
        let mut asked = Asked::until(Timestamp::from_second(1000).unwrap());
        assert!(asked.add("abcd".into()));
        assert!(asked.add("ef01".into()));
        assert!(!asked.add("abcd".into()));
        let state = format!("{}{asked}", tags::waiting("t"));
        assert_eq!(state, "waiting:t:1000:abcd.ef01");
        assert_eq!(Asked::read(Some(&state), "t"), Some(asked));
        assert_eq!(Asked::read(Some(&state), "u"), None);
        assert_eq!(Asked::read(Some("rotated"), "t"), None);
    }

    #[test]
    fn the_longest_state_fits_into_a_tag() {
        let mut asked = Asked::until(Timestamp::MAX);
        for n in 0..100 {
            asked.add(short_hash(&n.to_string()));
        }
        let state = format!("{}{asked}", tags::waiting(&"t".repeat(64)));
        assert!(state.len() <= 256, "{}", state.len());
    }
}
