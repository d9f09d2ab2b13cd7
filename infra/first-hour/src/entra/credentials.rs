//! What Graph shows of client secrets, and how Entra refuses those that are wrong, removed or ended.

use bytes::Bytes;
use http::{Method, Request};
use jiff::SignedDuration;
use secrecy::ExposeSecret;
use serde_json::Value;
use shared::credential::ClientSecret;
use shared::entra::token::{ClientProof, Tokens};
use shared::failure::Failure;
use shared::graph::application::{Issued, Removal};

use super::throw_away::{Audience, ThrowAwayApp, text};
use super::{DAY, Entra, password};
use crate::aws::identity::part;
use crate::beliefs;
use crate::findings::Findings;

/// The entry that means nothing.
const EVERY_TOKENS_WID: &str = "0997a1d0-0d1d-4acb-b408-d5ca73121e90";
/// In place of a code.
const TAKEN: &str = "taken";
const LONG_NAME: usize = 120;
/// What Graph documents of a key credential's name, and is believed of a client secret's.
const KEPT: usize = 90;

pub async fn probe(entra: &Entra, findings: &mut Findings) -> Result<(), Failure> {
    let ending = entra.register("ending", Audience::MyOrg).await?;
    let app = entra.register("credentials", Audience::MyOrg).await?;
    let one = entra.issue(&app, "one", DAY).await?;
    long_name(entra, &app, findings).await?;
    let tokens = entra.tokens_of(&app, &one.secret).await?;
    shown_in_a_token(&tokens, findings);
    date(entra, findings).await?;
    hints(entra, &app, &one, findings).await?;
    on_the_principal(entra, &app, findings).await?;
    let wrong = ClientSecret::new(format!("{}x", one.secret.expose()));
    let wrong = code_of(entra, &app, &wrong).await;
    let removed = removed(entra, &app, &one, findings).await?;
    let ended = ended(entra, &ending).await?;
    // One that is taken all that while yet is told of above.
    let removed_code = Some(&removed).filter(|code| *code != TAKEN);
    let codes = [Some(&wrong), removed_code, Some(&ended)];
    let is_the_secrets = |code: &String| {
        let code = code.strip_prefix("invalid_client");
        code.is_some_and(|rest| ["", " AADSTS7000215", " AADSTS7000222"].contains(&rest))
    };
    let seen = format!("wrong: {wrong}; removed: {removed}; ended: {ended}");
    findings.saw(
        beliefs::REFUSED_CODES,
        codes.into_iter().flatten().all(is_the_secrets),
        seen,
    );
    Ok(())
}

async fn code_of(entra: &Entra, app: &ThrowAwayApp, secret: &ClientSecret) -> String {
    match entra
        .sign_in(app, ClientProof::Secret(secret.clone()))
        .await
    {
        Ok(_) => TAKEN.to_owned(),
        Err(code) => code,
    }
}

async fn long_name(
    entra: &Entra,
    app: &ThrowAwayApp,
    findings: &mut Findings,
) -> Result<(), Failure> {
    let body = password(&"n".repeat(LONG_NAME));
    let target = app.target("addPassword");
    let answer = entra.write(Method::POST, &target, Some(&body)).await?;
    let seen = match answer.body.get("displayName").and_then(Value::as_str) {
        Some(name) => format!("{} come back", name.len()),
        None => format!(
            "refused: {} {}, \"{}\"",
            answer.status, answer.code, answer.text
        ),
    };
    let as_believed = seen == format!("{KEPT} come back");
    findings.saw(beliefs::NAME, as_believed, seen);
    Ok(())
}

fn shown_in_a_token(tokens: &Tokens, findings: &mut Findings) {
    // Microsoft keeps the form of tokens for Graph to itself.
    let Some(claims) = part(tokens.access.expose_secret(), 1) else {
        return;
    };
    let list = |name: &str| {
        let list = claims
            .get(name)
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        list.filter_map(Value::as_str).collect::<Vec<_>>()
    };
    let (roles, wids) = (list("roles"), list("wids"));
    let told = match roles.is_empty() {
        true => "a token without roles".to_owned(),
        false => format!("a token with the roles {}", roles.join(", ")),
    };
    findings.saw(beliefs::NO_PERMISSION, roles.is_empty(), told);
    findings.saw(
        beliefs::WIDS,
        wids == [EVERY_TOKENS_WID],
        format!("wids: {}", wids.join(", ")),
    );
}

/// A request without any proof is refused, and that is answer enough.
async fn date(entra: &Entra, findings: &mut Findings) -> Result<(), Failure> {
    let url = entra
        .endpoints
        .tenant_url(&entra.tenant, "oauth2/v2.0/token");
    let request = Request::post(url).header("Content-Type", "application/x-www-form-urlencoded");
    let Ok(request) = request.body(Bytes::from_static(b"grant_type=client_credentials")) else {
        return Ok(());
    };
    let response = entra.http.send(request).await;
    let response = response.map_err(|error| error.while_doing("asking Entra").failure)?;
    let date = shared::http::date(&response);
    let seen = if date.is_some() {
        "it has one"
    } else {
        "it has none"
    };
    findings.saw(beliefs::DATE, date.is_some(), seen);
    Ok(())
}

/// No character of a hint is told: they are those of a secret.
async fn hints(
    entra: &Entra,
    app: &ThrowAwayApp,
    issued: &Issued,
    findings: &mut Findings,
) -> Result<(), Failure> {
    let key_id = issued.key_id.to_string();
    let listed = entra.pace.until(async || {
        let listed = entra.listed(app).await?;
        let shows = |entry: &&Value| entry.get("keyId").and_then(Value::as_str) == Some(&key_id);
        let own = listed.iter().find(shows).cloned();
        Ok(own.map(|own| (own, listed)))
    });
    let Some(listed) = listed.await? else {
        return Ok(());
    };
    let (own, all) = listed.what;
    let hint = |entry: &Value| entry.get("hint").and_then(Value::as_str).map(str::to_owned);
    let with = all.iter().filter(|entry| hint(entry).is_some()).count();
    let seen = format!("{with} of {} that are listed have one", all.len());
    findings.saw(beliefs::HINT_SENT, with == all.len(), seen);
    let (right, seen) = match hint(&own) {
        None => (false, "there is none".to_owned()),
        Some(hint) => {
            let begins = issued.secret.expose().starts_with(&hint);
            let length = hint.chars().count();
            let how = if begins {
                "the value's first"
            } else {
                "not the value's first"
            };
            (begins && length == 3, format!("{length} characters, {how}"))
        }
    };
    findings.saw(beliefs::HINT, right, seen);
    Ok(())
}

async fn on_the_principal(
    entra: &Entra,
    app: &ThrowAwayApp,
    findings: &mut Findings,
) -> Result<(), Failure> {
    let body = password("on the service principal");
    let what = "adding a secret to a service principal";
    let target = app.principals_target("addPassword");
    let added = entra.post(what, &target, &body).await?;
    let (key_id, value) = (text(&added, "keyId")?, text(&added, "secretText")?);
    let seen = entra
        .until_signed_in(app, &ClientSecret::new(value))
        .await?;
    let listed = entra.listed(app).await?;
    let listed = listed
        .iter()
        .any(|entry| text(entry, "keyId").ok().as_deref() == Some(&key_id));
    let signs = if seen.in_a_row {
        "it signs in"
    } else {
        "it does not sign in"
    };
    let shows = if listed { "is listed" } else { "is not listed" };
    findings.saw(
        beliefs::ON_PRINCIPAL,
        seen.in_a_row && !listed,
        format!("{signs}, and {shows}"),
    );
    Ok(())
}

/// Removes a secret twice; the code with which it is refused then.
async fn removed(
    entra: &Entra,
    app: &ThrowAwayApp,
    issued: &Issued,
    findings: &mut Findings,
) -> Result<String, Failure> {
    let registration = entra.registration(app, &entra.operator);
    entra.remove(app, issued).await?;
    let refused = entra.until_refused(app, &issued.secret).await?;
    let gone = entra.pace.until(async || {
        let read = registration.apart().read().await?;
        Ok(read.credential(issued.key_id).is_none().then_some(()))
    });
    let gone = gone.await?.is_some();
    let (seen, code) = match refused {
        Some((until, code)) => (
            format!("taken for {:.1} s yet, then refused", until.as_secs_f64()),
            code,
        ),
        None => ("still taken".to_owned(), TAKEN.to_owned()),
    };
    let listed = if gone { "not listed" } else { "still listed" };
    findings.saw(
        beliefs::REMOVED,
        gone && code != TAKEN,
        format!("{seen}; {listed}"),
    );
    let again = registration.remove_password(issued.key_id).await?;
    let (right, seen) = match again {
        Removal::Removed => (false, "the second removal is taken".to_owned()),
        not_found @ Removal::NotFound(_) => match not_found.refused() {
            None => (true, "400 with that text".to_owned()),
            Some(error) => (false, error.failure.to_string()),
        },
    };
    findings.saw(beliefs::REMOVED_TWICE, right, seen);
    Ok(code)
}

/// The code once the only secret of an app has ended.
async fn ended(entra: &Entra, app: &ThrowAwayApp) -> Result<String, Failure> {
    let life = entra.pace.short_life.signed();
    let issued = entra.issue(app, "ends soon", life).await?;
    // It may end before a slow replica has heard of it; then that is the answer.
    let until_end =
        issued.end.duration_since(shared::clock::machine()) + SignedDuration::from_secs(1);
    tokio::time::sleep(until_end.try_into().unwrap_or_default()).await;
    match entra.until_refused(app, &issued.secret).await? {
        Some((_, code)) => Ok(code),
        None => Ok(TAKEN.to_owned()),
    }
}
