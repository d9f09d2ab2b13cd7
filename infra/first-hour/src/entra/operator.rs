//! Who runs this: signed in to the Azure CLI, or with a token for Graph in the environment.

use std::process::Stdio;
use std::time::Duration;

use secrecy::SecretString;
use serde::Deserialize;
use shared::config::Reader;
use shared::failure::{Failure, Kind};
use shared::ids::DirectoryId;
use tokio::process::Command;
use tokio::time::timeout;

/// The CLI's first start on a slow machine, with a token that is to be had anew.
const LONGEST: Duration = Duration::from_secs(60);

pub struct SignedIn {
    pub tenant: DirectoryId,
    /// For Graph.
    pub token: SecretString,
}

/// `GRAPH_TOKEN` with `TENANT_ID`, or else what the Azure CLI gives.
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
    let mut az = Command::new("az");
    // It may ask, and nobody would see what.
    let output = az.args(arguments).stdin(Stdio::null()).kill_on_drop(true);
    let output = timeout(LONGEST, output.output()).await;
    let output = output.map_err(|_| refused("az did not answer"))?;
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
