//! `GET /authorize?ticket=…`: from the link to Microsoft's sign-in page. Changes nothing.

use shared::entra::sign_in::{authorize_url, scopes};
use tracing::info;

use crate::link::Link;
use crate::page::Reply;
use crate::request::Request;
use crate::session::Session;
use crate::{Answer, OAuthCallback, now};

impl OAuthCallback {
    pub(crate) async fn authorize(&self, request: &Request) -> Answer {
        let Link { text, key, ticket } = self.link(request).await?;
        let (_, mailbox) = self.bound(&ticket).await?;
        let app = self.app(&mailbox);
        let session = Session::begin(text)?;
        let location = authorize_url(
            &app,
            &self.settings.redirect_uri(),
            &scopes(&app, &mailbox.connections, &ticket.mailbox),
            &mailbox.sign_in_name(&ticket.mailbox),
            &session.secrets,
            // After another account's sign-in Microsoft would take that one again.
            request.query("anew").is_some(),
        )?;
        info!(mailbox = %ticket.mailbox, "to Microsoft's sign-in");
        Ok(Reply::to(location).with_cookie(session.cookie(&key, now())?))
    }
}
