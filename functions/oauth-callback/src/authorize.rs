//! `GET /authorize?ticket=…`: from the link to Microsoft's sign-in page. Changes nothing.

use shared::entra::sign_in::{authorize_url, scopes};
use shared::ticket::Refused;
use tracing::info;

use crate::page::{Reply, WayOn};
use crate::request::Request;
use crate::session::Session;
use crate::{Answer, Ending, OAuthCallback, now, texts};

impl OAuthCallback {
    pub(crate) async fn authorize(&self, request: &Request) -> Answer {
        let Some(text) = request.query("ticket") else {
            return Err(Ending::new("no-ticket", texts::invalid_link()));
        };
        let key = self.ticket_key().await?;
        let ticket = key
            .verify(&text, now())
            .map_err(|refused| refusal(refused, &text))?;
        let (_, mailbox) = self.bound(&ticket).await?;
        let app = self.app(&mailbox);
        let session = Session::begin(text)?;
        let location = authorize_url(
            &app,
            &self.settings.redirect_uri(),
            &scopes(&app, &mailbox.connections, &ticket.mailbox),
            &ticket.mailbox,
            &session.secrets,
            // After another account's sign-in Microsoft would take that one again.
            request.query("anew").is_some(),
        )?;
        info!(mailbox = %ticket.mailbox, "to Microsoft's sign-in");
        Ok(Reply::to(location).with_cookie(session.cookie(&key, now())?))
    }
}

/// The page for a ticket that is not taken.
pub(crate) fn refusal(refused: Refused, text: &str) -> Ending {
    match refused {
        Refused::Expired(_) => Ending {
            way_on: WayOn::NewLink {
                ticket: text.to_owned(),
            },
            ..Ending::new("expired-ticket", texts::expired())
        },
        Refused::Invalid => Ending::new("invalid-ticket", texts::invalid_link()),
    }
}
