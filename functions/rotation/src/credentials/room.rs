//! Room for one more credential, where Entra allows two only.

use jiff::Timestamp;
use shared::credential::Credential;
use shared::failure::{Failure, Kind};
use shared::graph::application::{Application, Registration};
use shared::ids::KeyId;
use shared::secret_store::SecretMetadata;

use super::lost::{lost_for_good, settled, stored_value};
use super::orphans::orphans;
use super::removal::remove_orphans;
use crate::context::Context;

/// What earlier attempts lost must not hold the second place; where there are more, it can wait for the
/// sweep. Returns what was removed.
pub(crate) async fn make_room(
    context: &Context<'_>,
    registration: &Registration,
    application: &Application,
) -> Result<Vec<KeyId>, Failure> {
    let Context {
        clients,
        document: current,
        deadline,
        ..
    } = context;
    let most = application.most_credentials().unwrap_or(usize::MAX);
    if application.credentials.len() < most {
        return Ok(Vec::new());
    }
    // Labels may have been set since the secret was described.
    let secret = clients.store.describe(&context.secret.arn).await?;
    let before = settled(clients, registration.now());
    let orphans = orphans(application, &secret, current.credential.key_id(), before);
    let may_go_yet = !orphans.is_empty();
    let mut lost = lost_for_good(clients, &secret, current, orphans, *deadline).await?;
    let own = own_lost(context, &secret, application, before);
    // An earlier attempt's value may show late, and its credential is not lost then.
    if !own.is_empty() && stored_value(context, true).await?.is_some() {
        return Err(Failure::new(
            Kind::Temporary,
            "making room for a client secret: the value of an earlier attempt shows only now",
        ));
    }
    lost.extend(own);
    let removal = remove_orphans(clients, &secret, registration, lost, *deadline);
    let (lost, failure) = removal.await;
    if let Some(failure) = failure {
        return Err(failure);
    }
    if application.credentials.len() - lost.len() < most {
        return Ok(lost);
    }
    let what = "making room for a client secret: the app registration allows two and has two";
    let twin = application
        .credentials
        .iter()
        .any(|credential| context.issued(credential) && !lost.contains(&credential.key_id));
    Err(if twin || may_go_yet {
        Failure::new(Kind::Temporary, what)
    } else {
        Failure::new(Kind::Misconfigured, what).next_step(
            "In the Entra portal remove a client secret that nobody uses, or wait until the quarantine of the superseded one is over.",
        )
    })
}

/// Those of this very rotation that are too old for a twin of this invocation to be about to store them.
fn own_lost(
    context: &Context<'_>,
    secret: &SecretMetadata,
    application: &Application,
    before: Timestamp,
) -> Vec<KeyId> {
    let unstored = secret.versions.keys_of(&context.version).is_empty();
    let settled = |credential: &&Credential| credential.start.is_some_and(|start| start <= before);
    let own = application.credentials.iter();
    let own = own.filter(|credential| unstored && context.issued(credential));
    own.filter(settled)
        .map(|credential| credential.key_id)
        .collect()
}
