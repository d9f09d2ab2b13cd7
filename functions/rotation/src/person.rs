//! Asking a person: a link in an event, once for each thing that is asked.

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
        let asked = format!("{}{}", tags::waiting(&run.token), short_hash(&waiting.what));
        let state = run.secret.tags.get(tags::STATE).map(String::as_str);
        if was_asked(state, &asked, now) {
            info!("the person was asked before");
            return Ok(waiting);
        }
        let contact = self.contact(run, mailbox);
        let mut events = Vec::new();
        for need in needs {
            let whom = match &need {
                Need::SignIn { mailbox, .. } => mailbox.clone(),
                Need::HandOver(connections) => match connections.first() {
                    Some(connection) => connection.mailbox.clone(),
                    None => continue,
                },
            };
            let link = self.link(run, purpose, whom, ends).await?;
            let contact = contact.clone();
            events.push(run.event(match need {
                Need::SignIn { mailbox, reason } => EventKind::AuthorizationRequired {
                    mailbox,
                    link,
                    link_expires_at: ends,
                    reason,
                    due_by,
                    contact,
                },
                Need::HandOver(connections) => EventKind::HandOverRequired {
                    connections: connections.into_iter().map(described).collect(),
                    link,
                    link_expires_at: ends,
                    due_by,
                    contact,
                },
            }));
        }
        self.events.put(&events).await?;
        let state = format!("{asked}:{}", ends.as_second());
        self.store
            .tag(&run.secret.arn, &[(tags::STATE, state)])
            .await?;
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

/// Whether the tag says that this was asked, with links that are still good.
fn was_asked(state: Option<&str>, asked: &str, now: Timestamp) -> bool {
    let ends = state
        .and_then(|state| state.strip_prefix(asked))
        .and_then(|rest| rest.strip_prefix(':'))
        .and_then(|ends| ends.parse().ok());
    ends.is_some_and(|ends: i64| ends > now.as_second())
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
    fn the_same_is_asked_again_only_when_its_link_has_ended() {
        let now = Timestamp::from_second(1000).unwrap();
        assert!(was_asked(
            Some("waiting:t:abcd:1001"),
            "waiting:t:abcd",
            now
        ));
        assert!(!was_asked(
            Some("waiting:t:abcd:1000"),
            "waiting:t:abcd",
            now
        ));
        assert!(!was_asked(
            Some("waiting:t:ffff:1001"),
            "waiting:t:abcd",
            now
        ));
        assert!(!was_asked(Some("rotated"), "waiting:t:abcd", now));
        assert!(!was_asked(None, "waiting:t:abcd", now));
    }
}
