//! A person's refresh token: redeemed with a new client secret, and once the old one is gone. One sign-in, by a link to
//! Microsoft that comes back to a port of this machine.

use std::collections::BTreeMap;
use std::future::ready;
use std::io::Write;

use axum::Router;
use axum::extract::Query;
use axum::routing::get;
use http::StatusCode;
use secrecy::SecretString;
use serde_json::json;
use shared::credential::ClientSecret;
use shared::entra::sign_in::{AuthorizationRequest, Secrets, authorize_url};
use shared::entra::token::{ClientProof, Code};
use shared::failure::{Failure, Kind, sanitized_code};
use shared::ids::MailboxAddress;
use shared::mailbox_secret::SignInName;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::timeout;
use uuid::Uuid;

use super::throw_away::{Audience, ThrowAwayApp};
use super::{DAY, Entra, refused_with};
use crate::beliefs;
use crate::findings::Findings;

pub async fn probe(
    entra: &Entra,
    person: Option<&MailboxAddress>,
    findings: &mut Findings,
) -> Result<(), Failure> {
    let person = person.ok_or_else(|| {
        let what = "a person has to sign in once, and nobody is named";
        let next_step =
            "name an account of the tenant with --sign-in, and open the link that is printed";
        Failure::new(Kind::WaitingForPerson, what).next_step(next_step)
    })?;
    let app = entra.register("refresh-token", Audience::MyOrg).await?;
    let old = entra.issue(&app, "old", DAY).await?;
    entra.tokens_of(&app, &old.secret).await?;
    let scopes = scopes(entra);
    let refresh_token = sign_in(entra, &app, &old.secret, person, &scopes).await?;
    let new = entra.issue(&app, "new", DAY).await?;
    entra.tokens_of(&app, &new.secret).await?;
    let redeem = async || {
        let proof = ClientProof::Secret(new.secret.clone());
        let redeemed = entra
            .token_endpoint(&app, proof)
            .refresh(&refresh_token, &scopes)
            .await;
        redeemed.map(drop).map_err(|error| refused_with(&error))
    };
    let beside = redeem().await;
    entra.remove(&app, &old).await?;
    let gone = entra.until_refused(&app, &old.secret).await?.is_some();
    let after = redeem().await;
    let told = |answer: &Result<(), String>| match answer {
        Ok(()) => "redeemed".to_owned(),
        Err(code) => format!("refused with {code}"),
    };
    let old = if gone {
        "refused by then"
    } else {
        "still taken"
    };
    let seen = format!(
        "with the new secret, beside the old one: {}; after its removal: {} (the old one {old})",
        told(&beside),
        told(&after)
    );
    findings.saw(
        beliefs::REFRESH_TOKEN,
        beside.is_ok() && after.is_ok() && gone,
        seen,
    );
    Ok(())
}

/// What people may consent to in any tenant that lets them consent at all.
fn scopes(entra: &Entra) -> Vec<String> {
    let mut scopes: Vec<String> = ["openid", "profile", "offline_access"]
        .map(str::to_owned)
        .into();
    scopes.push(entra.endpoints.graph_scope("User.Read"));
    scopes
}

async fn sign_in(
    entra: &Entra,
    app: &ThrowAwayApp,
    secret: &ClientSecret,
    person: &MailboxAddress,
    scopes: &[String],
) -> Result<SecretString, Failure> {
    let what = "signing a person in";
    let listener = TcpListener::bind(("127.0.0.1", 0))
        .await
        .map_err(|_| no_port())?;
    let port = listener.local_addr().map_err(|_| no_port())?.port();
    let redirect_uri = format!("http://localhost:{port}/first-hour");
    let random = || format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
    let (state, verifier) = (random(), SecretString::from(random()));
    let secrets = Secrets {
        state: state.clone().into(),
        nonce: random().into(),
        verifier: verifier.clone(),
    };
    let url = link(entra, app, &redirect_uri, scopes, person, &secrets)?;
    let _ = writeln!(
        std::io::stderr(),
        "\n{person} signs in here, in a browser of this machine:\n{url}\n"
    );
    let back = timeout(entra.pace.long_wait.duration(), way_back(listener, state));
    let code = back.await.map_err(|_| {
        let failure = Failure::new(Kind::WaitingForPerson, format!("{what}: nobody came back"));
        failure.next_step("run it again, and open the link within --long-wait")
    })??;
    let code = Code {
        code: &code,
        verifier: &verifier,
        redirect_uri: &redirect_uri,
        scopes,
    };
    let proof = ClientProof::Secret(secret.clone());
    let tokens = entra.token_endpoint(app, proof).code(code).await;
    let tokens = tokens.map_err(|error| error.into_call_error(what).failure)?;
    tokens.refresh.ok_or_else(|| {
        Failure::new(
            Kind::Misconfigured,
            format!("{what}: Entra gave no refresh token"),
        )
    })
}

/// Microsoft's sign-in page, as the product asks for it.
fn link(
    entra: &Entra,
    app: &ThrowAwayApp,
    redirect_uri: &str,
    scopes: &[String],
    person: &MailboxAddress,
    secrets: &Secrets,
) -> Result<String, Failure> {
    // As a mailbox document has it.
    let name = json!({"name": person, "rests_on": "SignInAs"});
    let name = serde_json::from_value::<SignInName>(name);
    let name = name.map_err(|_| Failure::new(Kind::Refused, "reading the name of --sign-in"))?;
    authorize_url(&AuthorizationRequest {
        app: &entra.app(app),
        redirect_uri,
        scopes,
        name: &name,
        secrets,
        anew: false,
    })
}

/// The code with which the browser comes back.
async fn way_back(listener: TcpListener, state: String) -> Result<SecretString, Failure> {
    let (sender, mut receiver) = mpsc::channel(1);
    let route = get(move |Query(query): Query<BTreeMap<String, String>>| {
        let is_ours = query.get("state") == Some(&state);
        if is_ours {
            // Who comes again, with the page still open, is thanked as well.
            let _ = sender.try_send(code(&query));
        }
        ready(match is_ours {
            true => (StatusCode::OK, "Thank you. This window can be closed."),
            false => (StatusCode::NOT_FOUND, "Nothing is here."),
        })
    });
    let router = Router::new().route("/first-hour", route);
    tokio::select! {
        answer = receiver.recv() => answer,
        _ = axum::serve(listener, router) => None,
    }
    .unwrap_or_else(|| Err(no_port()))
}

fn code(query: &BTreeMap<String, String>) -> Result<SecretString, Failure> {
    let code = query.get("code").map(|code| code.clone().into());
    code.ok_or_else(|| {
        let error = query.get("error").map_or("", String::as_str);
        let what = "signing a person in: Microsoft refused it";
        let failure = Failure::new(Kind::WaitingForPerson, what).code(sanitized_code(error));
        failure.next_step("read what Microsoft's page said, and run it again")
    })
}

fn no_port() -> Failure {
    let what = "signing a person in: no port of this machine can be had";
    Failure::new(Kind::Temporary, what)
}
