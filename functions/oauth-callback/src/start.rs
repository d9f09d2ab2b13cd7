//! `GET /start?ticket=…`: the first screen of a hand-over. Says what is asked and why; changes nothing.

use shared::mailbox_secret::MailboxSecret;
use shared::secret_store::versions::CURRENT;

use crate::link::Link;
use crate::page::Reply;
use crate::request::Request;
use crate::{Answer, OAuthCallback, now, screens};

impl OAuthCallback {
    pub(crate) async fn start(&self, request: &Request) -> Answer {
        let Link { text, ticket, .. } = self.link(request).await?;
        let (bound, current) = tokio::join!(
            self.bound(&ticket),
            self.store.value_with_label(&ticket.secret, CURRENT),
        );
        let (_, document) = bound?;
        let current = MailboxSecret::read(&current?.text)?;
        Ok(Reply::Page(screens::start(&screens::Start {
            ticket: &ticket,
            text: &text,
            document: &document,
            ends: current.expires_at,
            ended: current.expires_at <= now(),
            callback_url: self.settings.callback_url.as_str(),
        })))
    }
}
