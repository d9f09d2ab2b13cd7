//! What Microsoft Graph lists of an app registration's client secrets. Changes nothing.
//!
//! ```sh
//! export CLIENT_ID=... # of the app; the account that is signed in to the CLI has to be allowed to read it
//! export GRAPH_TOKEN=$(az account get-access-token --resource https://graph.microsoft.com \
//!   --query accessToken --output tsv)
//! cargo run -p shared --example read_app_registration
//! ```
use bytes::Bytes;
use http::{Request, Response};
use secrecy::{ExposeSecret, SecretString};
use shared::cloud::{Cloud, MicrosoftSettings};
use shared::entra::{App, token::ClientProof, token::TokenEndpoint};
use shared::failure::{Failure, Kind};
use shared::graph::application::Registration;
use shared::http::{Client, Limits, ResponseFuture, Transport};
use shared::{config::Reader, ids::DirectoryId, period::Period};

/// The network, but for the request for a token: that is answered with the one that the CLI got.
#[derive(Debug)]
struct SignedInByCli(SecretString, Client);

impl Transport for SignedInByCli {
    fn send(&self, request: Request<Bytes>) -> ResponseFuture<'_> {
        if !request.uri().path().ends_with("/oauth2/v2.0/token") {
            return Box::pin(self.1.send(request));
        }
        let token = self.0.expose_secret();
        let body = serde_json::json!({"token_type": "Bearer", "access_token": token}).to_string();
        Box::pin(async move { Ok(Response::new(body.into())) })
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let mut settings = Reader::new(|name| std::env::var(name).ok());
    let id = DirectoryId::read(&settings.required::<String>("CLIENT_ID"));
    let token = settings.required::<String>("GRAPH_TOKEN");
    let endpoints = MicrosoftSettings::read(&mut settings).endpoints(Cloud::Global);
    settings.finish()?;
    let not_an_id = || Failure::new(Kind::Misconfigured, "CLIENT_ID is no GUID");
    let client_id = id.ok_or_else(not_an_id)?;
    let (connect, request) = (Period::seconds(3), Period::seconds(10));
    let network = Client::new(Limits { connect, request })?;
    let http = Client::over(SignedInByCli(token.into(), network));
    let app = App {
        endpoints,
        tenant: client_id.clone(), // the token names the real one
        client_id,
    };
    let proof = ClientProof::Assertion(String::new().into());
    let endpoint = TokenEndpoint::new(http.clone(), app.clone(), proof);
    let tokens = endpoint.client_credentials().await;
    let tokens = tokens.map_err(|error| error.into_call_error("taking over the CLI's token"))?;
    let application = Registration::new(http, app, tokens).read().await?;
    println!("{application:#?}");
    Ok(())
}
