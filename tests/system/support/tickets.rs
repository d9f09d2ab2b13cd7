//! Tickets and links made by somebody who is not our functions.

use jiff::SignedDuration;
use shared::clock;
use shared::ids::MailboxAddress;
use shared::ticket::{Purpose, Refused, Ticket, TicketKey, expiry};
use simulators::aws::secrets_manager::CURRENT;
use simulators::world::{TICKET_KEY, World};
use url::Url;

use super::Scenario;
use super::visitor::ticket_of;

/// A ticket made by whoever has the key.
#[derive(Debug, Clone)]
pub struct Forged {
    pub ticket: Ticket,
    key: String,
}

impl Forged {
    /// What a link of ours says.
    pub fn like(link: &str) -> Self {
        let ticket = match key(TICKET_KEY).verify(&ticket_of(link), clock::machine()) {
            Ok(ticket) | Err(Refused::Expired(ticket)) => ticket,
            Err(Refused::Invalid | Refused::OtherKey) => panic!("no ticket of ours: {link}"),
        };
        Self {
            ticket,
            key: TICKET_KEY.to_owned(),
        }
    }

    /// For the first grant of a mailbox.
    pub fn connect(scenario: &Scenario) -> Self {
        let (secret, mailbox) = (scenario.secret(), &scenario.mailbox);
        let ticket = Ticket {
            purpose: Purpose::Connect,
            secret: mailbox.arn.clone(),
            version: secret.labelled(CURRENT).unwrap().id.clone(),
            mailbox: MailboxAddress::read(&mailbox.address).unwrap(),
            expires_at: expiry(clock::machine(), SignedDuration::from_hours(1)),
        };
        Self {
            ticket,
            key: TICKET_KEY.to_owned(),
        }
    }

    /// Ends so many seconds from now.
    pub fn ending_in(mut self, seconds: i64) -> Self {
        self.ticket.expires_at = expiry(clock::machine(), SignedDuration::from_secs(seconds));
        self
    }

    pub fn with(mut self, change: impl FnOnce(&mut Ticket)) -> Self {
        change(&mut self.ticket);
        self
    }

    pub fn signed_with(mut self, key: &str) -> Self {
        key.clone_into(&mut self.key);
        self
    }

    pub fn text(&self) -> String {
        key(&self.key).sign(&self.ticket).unwrap()
    }

    /// The link with it.
    pub fn link(&self, world: &World) -> String {
        link(world, &self.text())
    }
}

fn key(text: &str) -> TicketKey {
    TicketKey::new(text.to_owned().into()).unwrap()
}

/// The link with a ticket, whatever it is.
pub fn link(world: &World, ticket: &str) -> String {
    let mut url = Url::parse(&format!("{}/authorize", world.callback_url)).unwrap();
    url.query_pairs_mut().append_pair("ticket", ticket);
    url.into()
}
