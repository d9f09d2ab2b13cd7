//! What a step needs beside the pending version, in one call: the current document, the ShopCtrl logins and, where it
//! asks for them, the grants.

use jiff::Timestamp;
use shared::failure::{Failure, Kind};
use shared::grants::{GrantsDocument, companion};
use shared::mailbox_secret::MailboxSecret;
use shared::secret_store::SecretMetadata;
use shared::tags;

use super::begin::Stored;
use super::give_up::give_way;
use crate::context::Context;
use crate::delivery::logins::Logins;

/// Whether a step needs the grants' document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Companion {
    Always,
    /// For what people attested.
    IfAttended,
}

pub(super) struct Beside<'a> {
    current: MailboxSecret,
    pub(super) logins: Logins<'a>,
    /// `None` where it was not asked for.
    grants: Option<Result<GrantsDocument, Failure>>,
}

/// What belongs to the context's version, whichever that is.
pub(super) async fn read<'a>(
    context: &Context<'a>,
    companion_for: Companion,
) -> Result<Beside<'a>, Failure> {
    let Context {
        clients,
        secret,
        document,
        ..
    } = context;
    let grants = companion(&secret.name);
    let with_grants = companion_for == Companion::Always || document.has_attended();
    let mut asked = Logins::names(document.connections.iter());
    asked.push(&secret.arn);
    asked.extend(with_grants.then_some(grants.as_str()));
    let mut values = clients.store.values(&asked).await?;
    let mut take = |id: &str| {
        let value = values.remove(id).ok_or_else(not_read)?;
        value.map_err(Failure::from)
    };
    let current = MailboxSecret::read(&take(&secret.arn)?.text)?;
    let grants = with_grants.then(|| {
        let value = take(&grants).map_err(|failure| failure.while_doing("reading the grants"));
        GrantsDocument::read(&value?.text)
    });
    Ok(Beside {
        current,
        logins: Logins::among(clients, values),
        grants,
    })
}

impl Beside<'_> {
    /// The document that consumers use now.
    pub(super) fn current(&self) -> &MailboxSecret {
        &self.current
    }

    /// When mail stops unless the pending credential takes the current one's place, where that is known.
    pub(super) fn mail_stops(&self, secret: &SecretMetadata) -> Option<Timestamp> {
        let cached = secret.tags.get(tags::EXPIRES_AT);
        self.current.credential.end(cached)
    }

    /// # Errors
    /// Why the grants could not be read.
    pub(super) fn grants(&self) -> Result<&GrantsDocument, Failure> {
        match &self.grants {
            Some(grants) => grants.as_ref().map_err(Failure::clone),
            None => Err(not_read()),
        }
    }
}

impl<'a> Stored<'a> {
    /// What belongs to the pending version.
    ///
    /// # Errors
    /// [`Failure`], also where somebody changed the mailbox document since this rotation copied it: promoting the
    /// copy would take the change back. The pending version gives way, and the next check rotates with the new
    /// document; connections that hold the pending secret get the current one back from its sweep.
    pub(super) async fn beside(&self, companion: Companion) -> Result<Beside<'a>, Failure> {
        let context = &self.context;
        let beside = read(context, companion).await?;
        if context.document.differs_only_in_credential(&beside.current) {
            return Ok(beside);
        }
        give_way(context).await?;
        Err(Failure::new(
            Kind::Temporary,
            "going on with the rotation: the mailbox document was changed since it began, and it gives way",
        )
        .next_step("Nothing to do: the next check starts a rotation with the new document."))
    }
}

fn not_read() -> Failure {
    Failure::new(Kind::Temporary, "reading secrets: one was not read")
}
