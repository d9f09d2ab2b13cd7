//! What a rotator may do with the role alone, as an owner alone, and with both.

use serde_json::json;
use shared::entra::token::Tokens;
use shared::failure::{Failure, Kind};
use shared::graph::registrations::Registrations;
use shared::retry::CallError;

use super::throw_away::{Audience, GRAPH_APP, ThrowAwayApp, text};
use super::{DAY, Entra};
use crate::beliefs;
use crate::findings::Findings;

/// `Application.ReadWrite.OwnedBy` (graph-docs, permissions-reference).
const OWNED_BY: &str = "18a4783c-866b-4cc7-a460-3d5e5662c884";

pub async fn probe(entra: &Entra, findings: &mut Findings) -> Result<(), Failure> {
    let owned = entra.register("owned", Audience::MyOrg).await?;
    let rotator = entra.register("rotator", Audience::MyOrg).await?;
    let of_others = entra.register("not-owned", Audience::MyOrg).await?;
    let secret = entra.issue(&rotator, "rotator", DAY).await?.secret;
    let reference = json!({"@odata.id": format!(
        "{}/v1.0/directoryObjects/{}", entra.endpoints.graph, rotator.principal())});
    let target = owned.target("owners/$ref");
    let what = "making the rotator an owner";
    entra.post(what, &target, &reference).await?;
    let tokens = entra.tokens_of(&rotator, &secret).await?;
    let refused = add(entra, &owned, &tokens).await;
    let (right, seen) = told(&refused);
    findings.saw(
        beliefs::OWNERSHIP_ALONE,
        right,
        format!("an owner without the role: {seen}"),
    );
    grant(entra, &rotator).await?;
    let what = "the role does not show in the rotator's token";
    let with_role = entra.pace.must(what, async || {
        let tokens = entra.tokens_of(&rotator, &secret).await?;
        Ok((tokens.has_application_permissions() == Some(true)).then_some(tokens))
    });
    let tokens = with_role.await?.what;
    role_alone(entra, [&owned, &of_others], &tokens, findings).await?;
    owned_objects(entra, &owned, &rotator, &tokens, findings).await?;
    policy(entra, &owned, &tokens, findings).await;
    Ok(())
}

/// With the role: at an app that it owns, and then at one that it does not.
async fn role_alone(
    entra: &Entra,
    [owned, of_others]: [&ThrowAwayApp; 2],
    tokens: &Tokens,
    findings: &mut Findings,
) -> Result<(), Failure> {
    let own = entra
        .pace
        .until(async || Ok(add(entra, owned, tokens).await.ok()));
    let own = own.await?.is_some();
    let (right, seen) = told(&add(entra, of_others, tokens).await);
    let at_own = if own { "added" } else { "refused" };
    findings.saw(
        beliefs::ROLE_ALONE,
        right && own,
        format!("at an app of others: {seen}; at its own: {at_own}"),
    );
    Ok(())
}

/// The tenant's policy on client secrets, in the rotator's name.
async fn policy(entra: &Entra, owned: &ThrowAwayApp, tokens: &Tokens, findings: &mut Findings) {
    let policy = entra
        .registration(owned, tokens)
        .lifetimes_of_the_tenant()
        .await;
    let (right, seen) = match policy {
        Err(error) => (error.status == Some(403), error.failure.what),
        Ok(lifetimes) => {
            let lifetimes: Vec<String> = lifetimes.iter().map(ToString::to_string).collect();
            (
                false,
                format!(
                    "it can be read: longest lifetimes: {}",
                    lifetimes.join(", ")
                ),
            )
        }
    };
    findings.saw(beliefs::POLICY, right, seen);
}

async fn add(entra: &Entra, app: &ThrowAwayApp, tokens: &Tokens) -> Result<(), CallError> {
    let end = shared::clock::machine() + DAY;
    let added = entra
        .registration(app, tokens)
        .add_password("by the rotator", end)
        .await;
    added.map(drop)
}

fn told(answer: &Result<(), CallError>) -> (bool, String) {
    match answer {
        Ok(()) => (false, "added".to_owned()),
        Err(error) => {
            let code = error.failure.code.as_deref().unwrap_or("no code");
            let status = error.status.unwrap_or_default();
            let right = status == 403 && code == "Authorization_RequestDenied";
            (right, format!("{status} {code}"))
        }
    }
}

async fn grant(entra: &Entra, rotator: &ThrowAwayApp) -> Result<(), Failure> {
    let path = format!("servicePrincipals(appId='{GRAPH_APP}')?$select=id");
    let graph = entra
        .read("looking for Graph's service principal", &path)
        .await?;
    let (principal, graph) = (rotator.principal(), text(&graph, "id")?);
    let role = json!({"principalId": principal, "resourceId": graph, "appRoleId": OWNED_BY});
    let what = "granting Application.ReadWrite.OwnedBy";
    let target = rotator.principals_target("appRoleAssignments");
    let granted = entra.post(what, &target, &role).await;
    granted.map(drop).map_err(|failure| match failure.kind {
        Kind::Misconfigured => {
            failure.next_step("sign in to Azure with the role Privileged Role Administrator too")
        }
        Kind::Temporary | Kind::WaitingForPerson | Kind::Frozen | Kind::Refused => failure,
    })
}

async fn owned_objects(
    entra: &Entra,
    owned: &ThrowAwayApp,
    rotator: &ThrowAwayApp,
    tokens: &Tokens,
    findings: &mut Findings,
) -> Result<(), Failure> {
    let registrations =
        Registrations::new(entra.http.clone(), entra.endpoints.clone(), tokens.clone());
    let listed = entra.pace.until(async || {
        let page = registrations.owned(rotator.client_id(), None).await?;
        let shown = page.applications.get(owned.client_id());
        Ok(shown
            .map(|app| app.credentials.len())
            .filter(|count| *count > 0))
    });
    let (right, seen) = match listed.await? {
        Some(listed) => {
            let (count, after) = (listed.what, listed.after.as_secs_f64());
            (
                true,
                format!("listed with {count} credential after {after:.1} s"),
            )
        }
        None => (false, "not listed, or without its credentials".to_owned()),
    };
    findings.saw(beliefs::OWNED_OBJECTS, right, seen);
    Ok(())
}
