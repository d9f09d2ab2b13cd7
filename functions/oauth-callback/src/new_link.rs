//! `POST /ticket`: an ended link has a new one sent to the contact; it never gets one itself.

use shared::ticket::{Purpose, Refused};
use tracing::info;

use crate::request::Request;
use crate::{Answer, Ending, OAuthCallback, now, texts};

impl OAuthCallback {
    /// What asked before is run again: the rotation that waits, or the configuration test. It stops at
    /// the person again and asks anew, which it does once for each link that has ended. So a flood of
    /// requests brings one message.
    pub(crate) async fn new_link(&self, request: &Request) -> Answer {
        let text = request.form("ticket").unwrap_or_default();
        let key = self.ticket_key().await?;
        let ticket = match key.verify(&text, now()) {
            Err(Refused::Expired(ticket)) => ticket,
            Err(Refused::Invalid) => {
                return Err(Ending::new("invalid-ticket", texts::invalid_link()));
            }
            // It is good yet: no need for another.
            Ok(_) => return Err(Ending::new("good-ticket", texts::start_again()).or_sign_in(&text)),
        };
        let (secret, _) = self.bound(&ticket).await?;
        if !secret.rotation_enabled {
            return Err(Ending::new("rotation-off", texts::switched_off()));
        }
        match ticket.purpose {
            Purpose::Rotate => {
                self.store
                    .rotate(&secret.arn, Some(&ticket.version))
                    .await?
            }
            // The configuration test asks for a grant that is missing, as it did at onboarding.
            Purpose::Connect => self.store.test_rotation(&secret.arn).await?,
        }
        info!("a new link was asked for");
        Err(Ending::new("new-link", texts::new_link_sent()))
    }
}
