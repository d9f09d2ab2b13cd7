//! Several client secrets added to one app at once: who is refused, with what, and whether that means that nothing was
//! added.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use http::Method;
use shared::failure::{Failure, Kind};

use super::throw_away::Audience;
use super::{DAY, Entra, password};
use crate::beliefs;
use crate::findings::Findings;

const AT_ONCE: usize = 8;

pub async fn probe(entra: &Entra, findings: &mut Findings) -> Result<(), Failure> {
    let app = entra.register("at-once", Audience::MyOrg).await?;
    // From here on the app is known.
    entra.issue(&app, "before", DAY).await?;
    let before = entra.listed(&app).await?.len();
    let target = app.target("addPassword");
    let body = password("at once");
    let all = (0..AT_ONCE).map(|_| entra.write(Method::POST, &target, Some(&body)));
    let (mut added, mut refused) = (0, BTreeMap::new());
    for answer in join_all(all).await {
        let answer = answer?;
        match answer.is_success() {
            true => added += 1,
            false => *refused.entry((answer.status, answer.code)).or_insert(0) += 1,
        }
    }
    if refused.is_empty() {
        let what = format!("of {AT_ONCE} at once none was refused");
        return Err(Failure::new(Kind::Temporary, what).next_step("run it again, or leave it"));
    }
    // One that was added all the same would show late: so a look more than it takes.
    entra.pace.pause().await;
    let mut listed = 0;
    let shown = entra.pace.until(async || {
        listed = entra.listed(&app).await?.len().saturating_sub(before);
        Ok((listed >= added).then_some(()))
    });
    shown.await?;
    let told: Vec<String> = refused
        .iter()
        .map(|((status, code), count)| format!("{count} refused with {status} {code}"))
        .collect();
    let told = told.join(", ");
    let seen = format!("{added} added and {told}; {listed} listed");
    findings.saw(beliefs::NOT_ADDED, listed == added, seen);
    let known = |(status, code): &(u16, String)| {
        code == "Directory_ConcurrencyViolation" && [400, 409, 503].contains(status)
    };
    findings.saw(beliefs::VIOLATION, refused.keys().all(known), told);
    Ok(())
}
