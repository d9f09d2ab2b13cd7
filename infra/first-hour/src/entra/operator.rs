//! Who runs this: signed in to the Azure CLI, or with a token for Graph in the environment.

use bytes::Bytes;
use http::{Request, Response};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use shared::cloud::Endpoints;
use shared::config::Reader;
use shared::entra::App;
use shared::entra::token::{ClientProof, TokenEndpoint, Tokens};
use shared::failure::{Failure, Kind};
use shared::http::{Client, ResponseFuture, Transport};
use shared::ids::DirectoryId;
use tokio::process::Command;

/// A token for Graph, and the tenant that it is for.
pub struct SignedIn {
    /// The tenant.
    pub tenant: DirectoryId,
    /// The token.
    pub token: SecretString,
}

/// `GRAPH_TOKEN` with `TENANT_ID`, or else what the Azure CLI gives.
///
/// # Errors
/// When nobody is signed in.
pub async fn signed_in(lookup: impl Fn(&str) -> Option<String>) -> Result<SignedIn, Failure> {
    let mut reader = Reader::new(lookup);
    let token = reader.optional::<String>("GRAPH_TOKEN");
    let tenant = reader.optional::<String>("TENANT_ID");
    let Some(token) = token else {
        return by_azure_cli().await;
    };
    let tenant = tenant
        .as_deref()
        .and_then(DirectoryId::read)
        .ok_or_else(|| {
            let what = "GRAPH_TOKEN is set, and TENANT_ID is not, or is no GUID";
            Failure::new(Kind::Misconfigured, what)
                .next_step("export TENANT_ID=<Directory (tenant) ID>")
        })?;
    let token = token.into();
    Ok(SignedIn { tenant, token })
}

/// What `az account get-access-token` prints.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Printed {
    access_token: SecretString,
    tenant: DirectoryId,
}

async fn by_azure_cli() -> Result<SignedIn, Failure> {
    let refused = |what: &str| {
        let what = format!("asking the Azure CLI for a token for Graph: {what}");
        let next_step = "az login --allow-no-subscriptions --tenant <Directory (tenant) ID>";
        Failure::new(Kind::Misconfigured, what).next_step(next_step)
    };
    let arguments = [
        "account",
        "get-access-token",
        "--resource-type",
        "ms-graph",
        "--output",
        "json",
    ];
    let output = Command::new("az").args(arguments).output().await;
    let output = output.map_err(|_| refused("az cannot be run"))?;
    if !output.status.success() {
        return Err(refused("nobody is signed in"));
    }
    let printed: Printed = serde_json::from_slice(&output.stdout)
        .map_err(|_| refused("what it printed cannot be read"))?;
    Ok(SignedIn {
        tenant: printed.tenant,
        token: printed.access_token,
    })
}

/// Answers a request for a token with the one that is there already, and sends nothing.
#[derive(Debug)]
struct TakenOver(SecretString);

impl Transport for TakenOver {
    fn send(&self, _: Request<Bytes>) -> ResponseFuture<'_> {
        let token = self.0.expose_secret();
        let body = serde_json::json!({"token_type": "Bearer", "access_token": token}).to_string();
        Box::pin(async move { Ok(Response::new(body.into())) })
    }
}

/// The token in the form in which the product's own client of Graph takes it.
pub(super) async fn tokens(
    endpoints: &Endpoints,
    tenant: &DirectoryId,
    token: SecretString,
) -> Result<Tokens, Failure> {
    let app = App {
        endpoints: endpoints.clone(),
        tenant: tenant.clone(),
        client_id: tenant.clone(), // the token names the real one
    };
    let proof = ClientProof::Assertion(SecretString::default());
    let endpoint = TokenEndpoint::new(Client::over(TakenOver(token)), app, proof);
    let tokens = endpoint.client_credentials().await;
    Ok(tokens.map_err(|error| error.into_call_error("taking over the token"))?)
}
