//! `GET /start?ticket=…`: the first screen of a hand-over. Says what is asked and why; changes nothing.

use shared::mailbox_secret::MailboxSecret;
use shared::secret_store::versions::CURRENT;

use crate::authorize::refusal;
use crate::page::Reply;
use crate::request::Request;
use crate::{Answer, Ending, OAuthCallback, now, screens, texts};

impl OAuthCallback {
    pub(crate) async fn start(&self, request: &Request) -> Answer {
        let Some(text) = request.query("ticket") else {
            return Err(Ending::new("no-ticket", texts::invalid_link()));
        };
        let key = self.ticket_key().await?;
        let ticket = key
            .verify(&text, now())
            .map_err(|refused| refusal(refused, &text))?;
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
