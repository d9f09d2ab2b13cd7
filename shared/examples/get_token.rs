//! Does a client secret sign in? An app-only token for Graph by the client credentials grant, of which only the
//! permissions and the end are printed. `rotation` proves a new secret by it. It needs no permission and changes
//! nothing.
//!
//! ```sh
//! export TENANT_ID=... CLIENT_ID=...
//! read -rs CLIENT_SECRET && export CLIENT_SECRET # not in the shell's history
//! cargo run -p shared --example get_token
//! ```
use data_encoding::BASE64URL_NOPAD;
use secrecy::ExposeSecret;
use shared::cloud::{Cloud, MicrosoftSettings};
use shared::config::Reader;
use shared::credential::ClientSecret;
use shared::entra::App;
use shared::entra::token::{ClientProof, TokenEndpoint};
use shared::failure::{Failure, Kind};
use shared::http::{Client, Limits};
use shared::{ids::DirectoryId, period::Period};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let mut settings = Reader::new(|name| std::env::var(name).ok());
    let mut text = |name| -> String { settings.required(name) };
    let ids = ["TENANT_ID", "CLIENT_ID"].map(|name| DirectoryId::read(&text(name)));
    let proof = ClientProof::Secret(ClientSecret::new(text("CLIENT_SECRET")));
    let endpoints = MicrosoftSettings::read(&mut settings).endpoints(Cloud::Global);
    settings.finish()?;
    let not_ids = Failure::new(Kind::Misconfigured, "TENANT_ID and CLIENT_ID are no GUIDs");
    let [Some(tenant), Some(client_id)] = ids else {
        return Err(not_ids);
    };
    let app = App {
        endpoints,
        tenant,
        client_id,
    };
    let (connect, request) = (Period::seconds(3), Period::seconds(10));
    let http = Client::new(Limits { connect, request })?;
    let endpoint = TokenEndpoint::new(http, app, proof);
    let tokens = endpoint.client_credentials().await;
    let tokens = tokens.map_err(|error| error.into_call_error("signing in as the app"))?;
    let payload = tokens.access.expose_secret().split('.').nth(1);
    let payload = BASE64URL_NOPAD.decode(payload.unwrap_or_default().as_bytes());
    let claims: serde_json::Value =
        serde_json::from_slice(&payload.unwrap_or_default()).unwrap_or_default();
    println!("Entra's clock:           {}", tokens.now);
    println!(
        "ends (Unix time):        {}",
        claims.get("exp").unwrap_or_default()
    );
    println!(
        "application permissions: {}",
        claims.get("roles").unwrap_or_default()
    );
    println!("echoed scopes:           {:?}", tokens.scopes());
    Ok(())
}
