//! `oauth-callback`, the pages that a person reaches by a link: they sign in at Microsoft as the shop mailbox, and
//! the rotation that waited goes on. Where a person has to hand the new secret to ShopCtrl, four
//! screens lead through it: `start`, `task`, `proving`, and `hand_over_done`.
//!
//! No GET changes anything unless it carries the sealed cookie of its own `/authorize` and a fresh
//! authorization code: a link previewer can fetch every address.

mod clients;
mod hand_over;
mod link;
mod load;
mod message;
mod outcome;
mod pages;
mod request;
mod response;
mod rotation;
mod route;
mod routes;
mod session;
mod settings;
mod shopctrl;

use std::time::Duration;

use aws_lambda_events::apigw::ApiGatewayV2httpResponse;
use serde_json::Value;
use shared::clock;
use shared::failure::Failure;
use shared::function::{Environment, Function, Invoked};
use shared::http::Client;
use shared::retry::Deadline;
use tracing::{Instrument, error, info, info_span};
use url::Url;

use clients::Clients;
use message::Message;
use outcome::Outcome;
use request::Request;
use response::Response;
pub use route::{NoRoute, Route};
pub use settings::Settings;

/// The function, with its clients made.
#[derive(Debug)]
pub struct OAuthCallback(Clients);

impl Function for OAuthCallback {
    type Answer = ApiGatewayV2httpResponse;

    fn from_environment(environment: Environment) -> Result<Self, Failure> {
        let settings = Settings::read(environment)?;
        let http = Client::trusting(settings.aws.limits, &settings.aws.extra_roots)?;
        Ok(Self::over(settings, http))
    }

    async fn warm_up(&self) {
        let Self(clients) = self;
        let secrets_manager = clients.settings.aws.secrets_manager_url();
        clients.http.open(&secrets_manager).await;
    }

    async fn invoke(&self, invoked: Invoked) -> Result<ApiGatewayV2httpResponse, Failure> {
        self.handle(invoked.event, &invoked.request_id, invoked.left)
            .await
    }
}

impl OAuthCallback {
    /// Makes the clients over another HTTP client.
    #[must_use]
    pub fn over(settings: Settings, http: Client) -> Self {
        Self(Clients::over(settings, http))
    }

    /// Handles one HTTP request that has `left` until Lambda ends it. `reference` is on the page and
    /// in the log.
    ///
    /// # Errors
    /// [`shared::failure::Kind::Refused`] when the event is no HTTP request in payload format 2.0.
    pub async fn handle(
        &self,
        event: Value,
        reference: &str,
        left: Duration,
    ) -> Result<ApiGatewayV2httpResponse, Failure> {
        let Self(clients) = self;
        let request = Request::read(&event).inspect_err(|failure| {
            error!(kind = failure.kind.error_type(), %failure, "the event is no HTTP request");
        })?;
        let base = Url::parse(clients.settings.callback_url.as_str());
        let request = request.below(base.as_ref().map_or("", Url::path));
        let request = request.known_as(reference);
        let span = info_span!(
            "request",
            reference,
            step = request.step(),
            secret = tracing::field::Empty,
            token = tracing::field::Empty,
        );
        let left = left.saturating_sub(Duration::from_secs(2));
        let deadline = Deadline::within(left, clients.settings.aws.limits.request.duration());
        // By the machine's clock links and sessions end.
        let now = clock::machine();
        let work = async {
            let result = Box::pin(routes::respond(clients, &request, deadline, now));
            // The person gets a page in time, whatever hangs: Lambda's own end would be the gateway's page.
            let result = tokio::time::timeout(left, result)
                .await
                .unwrap_or_else(|_| Err(Outcome::OutOfTime.into()));
            let response = result.unwrap_or_else(|message| respond_with(&message));
            response.into_api_gateway(&request)
        };
        Ok(work.instrument(span).await)
    }
}

fn respond_with(message: &Message) -> Response {
    let outcome = &message.outcome;
    log(outcome);
    let response = Response::page(pages::outcome::page(message));
    match outcome {
        Outcome::WrongMethod { allow } => response.allowing(allow.clone()),
        _ if message.ends_sign_in => response.with_cookie(session::sign_in::COOKIE.end()),
        _ => response,
    }
}

fn log(outcome: &Outcome) {
    let (outcome, status) = (outcome.name(), outcome.status());
    info!(outcome, status, "answered with a message page");
}
