//! A whole rotation, by this command's own calls: a client secret is issued, stored with its labels, read back, proved and
//! promoted, and the one before is removed.

use secrecy::{ExposeSecret, SecretString};
use shared::credential::ClientSecret;
use shared::failure::Failure;
use shared::secret_store::versions::{CURRENT, PENDING, key_label};
use uuid::Uuid;

use super::throw_away::Audience;
use super::{DAY, Entra};
use crate::aws::{Aws, ThrowAwaySecret};
use crate::beliefs;
use crate::findings::Findings;
use crate::pace::Shown;

pub async fn probe(entra: &Entra, aws: &Aws, findings: &mut Findings) -> Result<(), Failure> {
    let app = entra.register("whole-rotation", Audience::MyOrg).await?;
    let old = entra.issue(&app, "old", DAY).await?;
    entra.tokens_of(&app, &old.secret).await?;
    let [first, second] = [(); 2].map(|()| Uuid::new_v4().to_string());
    let secret = aws
        .secrets
        .make("whole-rotation", &first, old.secret.expose())
        .await?;
    let new = entra.issue(&app, "new", DAY).await?;
    let label = key_label(new.key_id);
    let labels = [PENDING, &label];
    secret.put(&second, new.secret.expose(), &labels).await??;
    let pending = value_of(entra, &secret, PENDING, &second).await?;
    let labelled = secret.versions().await?.has(&second, &label);
    let read_back = ClientSecret::new(pending.what.expose_secret().to_owned());
    let signed_in = entra.until_signed_in(&app, &read_back).await?;
    let (from, to) = (Some(first.as_str()), Some(second.as_str()));
    secret.move_label(CURRENT, from, to).await??;
    let current = value_of(entra, &secret, CURRENT, &second).await?;
    entra.remove(&app, &old).await?;
    let refused = entra.until_refused(&app, &old.secret).await?;
    let same = current.what.expose_secret() == new.secret.expose();
    let as_believed = labelled && signed_in.in_a_row && same && refused.is_some();
    let told = |is: bool, yes: &str, no: &str| if is { yes.to_owned() } else { no.to_owned() };
    let steps = [
        format!("the value shows after {:.1} s", pending.after.as_secs_f64()),
        told(
            labelled,
            "its label is described",
            "its label is not described",
        ),
        told(signed_in.in_a_row, "it signs in", "it does not sign in"),
        told(same, "it is current then", "another value is current then"),
        told(
            refused.is_some(),
            "the old one is refused",
            "the old one is still taken",
        ),
    ];
    findings.saw(beliefs::WHOLE_ROTATION, as_believed, steps.join("; "));
    Ok(())
}

/// The value with this label, once it is this version's.
async fn value_of(
    entra: &Entra,
    secret: &ThrowAwaySecret<'_>,
    label: &str,
    version: &str,
) -> Result<Shown<SecretString>, Failure> {
    let what = format!("the value does not show as {label}");
    let look = async || secret.value_at(label, version).await;
    entra.pace.must(&what, look).await
}
