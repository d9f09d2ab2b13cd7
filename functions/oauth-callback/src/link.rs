//! The link that a person opened: its ticket, if it is good.

use jiff::{SignedDuration, Timestamp};
use shared::ticket::{Refused, Ticket, TicketKey, claimed_expiry};

use crate::clients::Clients;
use crate::load;
use crate::message::{Button, Message};
use crate::outcome::Outcome;
use crate::request::Request;

/// A link that is good.
pub(crate) struct Link {
    /// The ticket as text.
    pub text: String,
    /// The key that it is signed with.
    pub key: TicketKey,
    /// What it says.
    pub ticket: Ticket,
}

pub(crate) async fn open(
    clients: &Clients,
    request: &Request,
    now: Timestamp,
) -> Result<Link, Message> {
    let text = request.query("ticket").ok_or(Outcome::NoTicket)?;
    let text = without_what_mail_adds(&text);
    may_be_ours(&text, now)?;
    let key = load::ticket_key(clients).await?;
    match load::verify(clients, &key, &text, now).await? {
        Ok(ticket) => Ok(Link { text, key, ticket }),
        Err(Refused::Expired(_)) => {
            let button = Button::NewLink { ticket: text };
            Err(Message::from(Outcome::ExpiredTicket).with_button(button))
        }
        Err(Refused::OtherKey) => Err(Outcome::OtherKey.into()),
        Err(Refused::Invalid) => Err(Outcome::InvalidTicket.into()),
    }
}

/// So long after its end a link does nothing any more.
const KEPT: SignedDuration = SignedDuration::from_hours(30 * 24);

/// What can be seen without the key, which costs a call: whether it has a ticket's form, and is not too old.
pub(crate) fn may_be_ours(text: &str, now: Timestamp) -> Result<(), Outcome> {
    let ends = claimed_expiry(text).ok_or(Outcome::InvalidTicket)?;
    match now.duration_since(ends) > KEPT {
        true => Err(Outcome::TooOld),
        false => Ok(()),
    }
}

/// The ticket without what mail programs and people put around a link: a line break inside, and a quotation mark,
/// bracket or full stop behind (aws-cdk#38121, #5924). A ticket is a JWT: letters, digits, `-`, `_` and dots
/// inside (RFC 7515, 3.1).
fn without_what_mail_adds(text: &str) -> String {
    let ticket = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let whole = text.chars().filter(|c| !c.is_whitespace());
    let front: String = whole.take_while(ticket).collect();
    front.trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_opens_though_something_was_put_behind_or_into_it() {
        let ticket = "eyJ0.eyJw-_9.c2ln";
        for odd in ["\"", ".", ">", ")", ",", ".\"", " ", "\r\n", "&quot;"] {
            assert_eq!(without_what_mail_adds(&format!("{ticket}{odd}")), ticket);
        }
        assert_eq!(without_what_mail_adds("eyJ0.ey\r\n Jw-_9.c2ln"), ticket);
        assert_eq!(without_what_mail_adds("\""), "");
    }
}
