//! Microsoft Entra and Graph: who asks, and how an app signs in.

pub mod at_once;
pub mod credentials;
pub mod federation;
mod graph;
pub mod new_secrets;
pub mod operator;
pub mod ownership;
pub mod refresh_token;
mod throw_away;
pub mod two_secrets;
pub mod whole_rotation;

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use shared::cloud::Endpoints;
use shared::credential::ClientSecret;
use shared::entra::App;
use shared::entra::token::{ClientProof, TokenEndpoint, TokenError, Tokens};
use shared::failure::{Failure, Kind};
use shared::graph::application::{Issued, Registration, Removal};
use shared::http::Client;
use shared::ids::DirectoryId;
use shared::retry::Retry;
use tokio::time::Instant;

use crate::marker::Run;
use crate::pace::{IN_A_ROW, LONGER, Pace, Shown};
use throw_away::ThrowAwayApp;

/// A tenant, asked by whoever is signed in.
pub struct Entra {
    http: Client,
    endpoints: Endpoints,
    tenant: DirectoryId,
    /// Of whoever is signed in.
    operator: Tokens,
    run: Run,
    pace: Pace,
    /// The object ids of what was made.
    made: Mutex<Vec<String>>,
}

/// How a client secret came to sign in.
pub(crate) struct SignedIn {
    /// When it first did.
    first: Option<Shown<Tokens>>,
    /// Whether it did several times in a row.
    in_a_row: bool,
    /// With which codes it was refused before.
    codes: BTreeSet<String>,
    /// How often it was refused after it was taken.
    setbacks: u32,
}

impl Entra {
    pub fn new(
        http: Client,
        endpoints: Endpoints,
        signed_in: operator::SignedIn,
        run: Run,
        pace: Pace,
    ) -> Self {
        let operator::SignedIn { tenant, token } = signed_in;
        Self {
            http,
            endpoints,
            tenant,
            operator: Tokens::of_bearer(token, shared::clock::machine()),
            run,
            pace,
            made: Mutex::default(),
        }
    }

    fn app(&self, app: &ThrowAwayApp) -> App {
        App {
            endpoints: self.endpoints.clone(),
            tenant: self.tenant.clone(),
            client_id: app.client_id().clone(),
        }
    }

    /// The app registration as the product's own client reaches it, in whose name it says.
    fn registration(&self, app: &ThrowAwayApp, tokens: &Tokens) -> Registration {
        Registration::new(self.http.clone(), self.app(app), tokens.clone())
    }

    fn token_endpoint(&self, app: &ThrowAwayApp, proof: ClientProof) -> TokenEndpoint {
        // A connection of its own each time: replicas may be tied to it.
        TokenEndpoint::new(self.http.apart(), self.app(app), proof)
    }

    /// One sign-in as the app, or the code with which it is refused.
    async fn sign_in(&self, app: &ThrowAwayApp, proof: ClientProof) -> Result<Tokens, String> {
        let tokens = self.token_endpoint(app, proof).client_credentials().await;
        tokens.map_err(|error| refused_with(&error))
    }

    /// Signs in as the app until that succeeds several times in a row.
    async fn until_signed_in(
        &self,
        app: &ThrowAwayApp,
        secret: &ClientSecret,
    ) -> Result<SignedIn, Failure> {
        let began = Instant::now();
        let (mut first, mut row, mut looks) = (None, 0, 0);
        let mut seen = SignedIn {
            first: None,
            in_a_row: false,
            codes: BTreeSet::new(),
            setbacks: 0,
        };
        let all = self.pace.until(async || {
            looks += 1;
            match self.sign_in(app, ClientProof::Secret(secret.clone())).await {
                Ok(tokens) => {
                    row += 1;
                    let (after, look) = (began.elapsed(), looks);
                    first.get_or_insert(Shown {
                        what: tokens,
                        after,
                        look,
                    });
                }
                Err(code) => {
                    seen.setbacks += u32::from(row > 0);
                    row = 0;
                    seen.codes.insert(code);
                }
            }
            Ok((row >= IN_A_ROW).then_some(()))
        });
        seen.in_a_row = all.await?.is_some();
        seen.first = first;
        Ok(seen)
    }

    /// Tokens of the app, which needs them for what follows.
    async fn tokens_of(
        &self,
        app: &ThrowAwayApp,
        secret: &ClientSecret,
    ) -> Result<Tokens, Failure> {
        let seen = self.until_signed_in(app, secret).await?;
        let codes: Vec<String> = seen.codes.into_iter().collect();
        seen.first.map(|first| first.what).ok_or_else(|| {
            let what = "the throw-away app does not sign in with its client secret";
            let failure = Failure::new(Kind::Temporary, what).code(codes.join(", "));
            failure.next_step(LONGER)
        })
    }

    /// Until the secret is refused several times in a row: how long it was taken yet, and the last code.
    async fn until_refused(
        &self,
        app: &ThrowAwayApp,
        secret: &ClientSecret,
    ) -> Result<Option<(Duration, String)>, Failure> {
        let began = Instant::now();
        let (mut row, mut taken_until) = (0, Duration::ZERO);
        let refused = self.pace.until(async || {
            match self.sign_in(app, ClientProof::Secret(secret.clone())).await {
                Ok(_) => {
                    (row, taken_until) = (0, began.elapsed());
                    Ok(None)
                }
                Err(code) => {
                    row += 1;
                    Ok((row >= IN_A_ROW).then_some(code))
                }
            }
        });
        let refused = refused.await?;
        Ok(refused.map(|refused| (taken_until, refused.what)))
    }

    /// Adds a client secret in the name of whoever is signed in. An app that was just made may not be known everywhere.
    async fn issue(
        &self,
        app: &ThrowAwayApp,
        name: &str,
        life: SignedDuration,
    ) -> Result<Issued, Failure> {
        let registration = self.registration(app, &self.operator);
        let issued = self
            .pace
            .must("adding a client secret to a throw-away app", async || {
                let end = shared::clock::machine() + life;
                match registration.add_password(name, end).await {
                    Ok(issued) => Ok(Some(issued)),
                    Err(error) if error.status == Some(404) || error.retry != Retry::No => Ok(None),
                    Err(error) if error.status == Some(403) => {
                        Err(error.failure.next_step(graph::AS_ADMINISTRATOR))
                    }
                    Err(error) => Err(error.failure),
                }
            });
        issued.await.map(|issued| issued.what)
    }

    /// Removes a client secret. That it is not known may be a replica that has not heard of it.
    async fn remove(&self, app: &ThrowAwayApp, issued: &Issued) -> Result<(), Failure> {
        let registration = self.registration(app, &self.operator);
        let what = "removing a client secret from a throw-away app";
        let removed = self.pace.must(what, async || {
            let removal = registration.remove_password(issued.key_id).await?;
            Ok(matches!(removal, Removal::Removed).then_some(()))
        });
        removed.await.map(drop)
    }
}

/// A day: long enough for a run, and it ends by itself.
const DAY: SignedDuration = SignedDuration::from_hours(24);

/// What addPassword is asked for where its answer is read as it is. Without an end it would be two years (graph-docs,
/// application-addpassword), which outlives a run and which a tenant's policy may refuse.
fn password(name: &str) -> Value {
    // Whole seconds, as the product asks.
    let end = (shared::clock::machine() + DAY).as_second();
    let end = Timestamp::from_second(end).unwrap_or_default();
    json!({"passwordCredential": {"displayName": name, "endDateTime": end.to_string()}})
}

fn refused_with(error: &TokenError) -> String {
    error.code().unwrap_or_else(|| "no answer".to_owned())
}
