//! How long a new client secret takes until it signs in, and until it is listed: several, one after the other.

use std::collections::BTreeSet;
use std::time::Duration;

use shared::failure::{Failure, Kind};
use shared::ids::KeyId;

use super::throw_away::{Audience, ThrowAwayApp};
use super::{DAY, Entra};
use crate::beliefs;
use crate::findings::Findings;
use crate::pace::{Shown, Spread};

/// `PROPAGATION_WAIT`.
const BELIEVED: Duration = Duration::from_secs(180);

pub async fn probe(entra: &Entra, findings: &mut Findings) -> Result<(), Failure> {
    let app = entra.register("new-secrets", Audience::MyOrg).await?;
    // The app itself has to be known first.
    let first = entra.issue(&app, "first", DAY).await?;
    entra.tokens_of(&app, &first.secret).await?;
    let (mut signs_in, mut listed) = (Spread::default(), Spread::default());
    let (mut codes, mut setbacks, mut steady) = (BTreeSet::new(), 0, true);
    for at in 0..entra.pace.tries {
        let issued = entra.issue(&app, &format!("try {at}"), DAY).await?;
        let (seen, shown) = tokio::join!(
            entra.until_signed_in(&app, &issued.secret),
            until_listed(entra, &app, issued.key_id),
        );
        let seen = seen?;
        signs_in.add(seen.first.as_ref());
        listed.add(shown?.as_ref());
        setbacks += seen.setbacks;
        steady &= seen.in_a_row;
        codes.extend(seen.codes);
    }
    let seen = format!("{signs_in}; refused after it was taken: {setbacks} times");
    findings.saw(
        beliefs::PROPAGATION,
        steady && signs_in.is_within(BELIEVED),
        seen,
    );
    findings.saw(
        beliefs::READS_LAG,
        listed.is_within(entra.pace.patience.duration()),
        listed.to_string(),
    );
    if codes.is_empty() {
        let failure = Failure::new(
            Kind::Temporary,
            "each new secret signed in at the first look",
        );
        let next_step = "nothing; a run with more --tries may meet a slower replica";
        findings.not_answered(beliefs::MEANWHILE, &failure.next_step(next_step));
        return Ok(());
    }
    let known = |code: &String| {
        [
            "invalid_client AADSTS7000215",
            "invalid_client AADSTS7000222",
        ]
        .contains(&code.as_str())
    };
    let all: Vec<&str> = codes.iter().map(String::as_str).collect();
    findings.saw(beliefs::MEANWHILE, codes.iter().all(known), all.join(", "));
    Ok(())
}

/// Each look over a connection of its own, and so perhaps at another replica.
async fn until_listed(
    entra: &Entra,
    app: &ThrowAwayApp,
    key_id: KeyId,
) -> Result<Option<Shown<()>>, Failure> {
    let registration = entra.registration(app, &entra.operator);
    entra
        .pace
        .until(async || {
            let read = registration.apart().read().await?;
            Ok(read.credential(key_id).map(|_| ()))
        })
        .await
}
