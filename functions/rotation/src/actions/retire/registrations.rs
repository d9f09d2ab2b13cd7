//! The app registrations that superseded credentials are in. A version's credential is in the one that its own
//! document names, which need not be today's.

use std::sync::Arc;

use shared::failure::Failure;
use shared::graph::application::{Application, Registration};
use shared::mailbox_secret::MailboxSecret;
use shared::retry::with_retries;

use super::old::Old;
use super::retirement::Retirement;

/// An app registration as its rotator sees it.
pub(super) struct Known {
    /// A document that names it.
    mailbox: MailboxSecret,
    pub(super) registration: Registration,
    pub(super) application: Application,
}

/// Each is looked at once.
#[derive(Default)]
pub(super) struct Registrations(Vec<Arc<Known>>);

impl Registrations {
    /// The one that a superseded version's credential is in.
    pub(super) async fn of(
        &mut self,
        run: &Retirement<'_>,
        old: &Old<'_>,
    ) -> Result<Arc<Known>, Failure> {
        let context = &run.context;
        // Today's document where it is the same app: the secret of an app that is its own rotator is there.
        let moved = |document: &&MailboxSecret| !document.has_the_app_of(&context.document);
        let mailbox = old.document.as_ref().filter(moved);
        let mailbox = mailbox.unwrap_or(&context.document);
        let mut known = self.0.iter();
        if let Some(known) = known.find(|known| known.mailbox.has_the_app_of(mailbox)) {
            return Ok(Arc::clone(known));
        }
        let registration = context
            .clients
            .registration(mailbox, context.deadline)
            .await?;
        let read = async || registration.read().await;
        let application = with_retries(context.deadline, read).await?;
        let known = Arc::new(Known {
            mailbox: mailbox.clone(),
            registration,
            application,
        });
        self.0.push(Arc::clone(&known));
        Ok(known)
    }
}
