//! `oauth-callback`: a person opens a link, signs in at Microsoft as the shop mailbox, and
//! the rotation that waited goes on. Where a person has to hand the new secret to ShopCtrl, three
//! screens lead through it: `start`, `hand_over`, and its end.
//!
//! No GET changes anything unless it carries the sealed cookie of its own `/authorize` and a fresh
//! authorization code: a link previewer can fetch every address.

mod authorize;
mod calendar;
mod callback;
mod hand_over;
mod hints;
mod link;
mod new_link;
mod offer;
mod owner;
mod page;
mod request;
mod reveal;
mod screens;
mod sealed_cookie;
mod session;
mod settings;
mod signed_in;
mod start;
mod texts;
mod watch;

use std::time::Duration;

use aws_lambda_events::apigw::ApiGatewayV2httpResponse;
use serde_json::Value;
use shared::clock;
use shared::entra::App;
use shared::event_bus::EventBus;
use shared::failure::{Failure, Kind};
use shared::function::{Environment, Function, Invoked};
use shared::http::Client;
use shared::mailbox_secret::MailboxSecret;
use shared::retry::Deadline;
use shared::secret_store::versions::CURRENT;
use shared::secret_store::{SecretMetadata, SecretStore};
use shared::ticket::{Purpose, Ticket, TicketKey};
use tracing::{Instrument, error, info, info_span, warn};
use url::Url;

use page::{Reply, WayOn, page};
use request::Request;
use session::SESSION;
pub use settings::Settings;
use texts::Text;

/// The function, with its clients made.
#[derive(Debug)]
pub struct OAuthCallback {
    settings: Settings,
    http: Client,
    store: SecretStore,
    events: EventBus,
}

/// How a request that is not answered with a redirect ends.
struct Ending {
    /// For the log.
    outcome: &'static str,
    text: Box<Text>,
    way_on: WayOn,
    /// An address for somebody else.
    pass_on: Option<String>,
    /// Whether the sign-in's session is over with it.
    ends_session: bool,
}

/// What goes through the routes: an answer, or an ending as a page.
type Answer = Result<Reply, Ending>;

impl Ending {
    fn new(outcome: &'static str, text: Text) -> Self {
        Self {
            outcome,
            text: Box::new(text),
            way_on: WayOn::None,
            pass_on: None,
            ends_session: false,
        }
    }

    fn ending_session(self) -> Self {
        Self {
            ends_session: true,
            ..self
        }
    }

    fn or_sign_in(self, ticket: &str) -> Self {
        let ticket = ticket.to_owned();
        Self {
            way_on: WayOn::SignIn { ticket },
            ..self
        }
    }

    /// Microsoft would sign in the same account again without asking.
    fn or_sign_in_anew(self, ticket: &str) -> Self {
        let ticket = ticket.to_owned();
        Self {
            way_on: WayOn::SignInAnew { ticket },
            ..self
        }
    }

    fn or_back(self) -> Self {
        Self {
            way_on: WayOn::Back,
            ..self
        }
    }
}

/// A failure ends on a page that shows nothing of it; the log has it.
impl From<Failure> for Ending {
    fn from(failure: Failure) -> Self {
        let kind = failure.kind.error_type();
        let failure = failure.where_nothing_tries_again(
            "The page asks the person to try again; nothing else does.",
            "have the person try again",
        );
        match failure.kind {
            Kind::Temporary | Kind::WaitingForPerson | Kind::Frozen => {
                warn!(kind, %failure, "failed for now");
                Self::new("temporary", texts::our_trouble())
            }
            Kind::Refused | Kind::Misconfigured => {
                error!(kind, %failure, "failed");
                Self::new("misconfigured", texts::misconfigured())
            }
        }
    }
}

impl From<shared::retry::CallError> for Ending {
    fn from(error: shared::retry::CallError) -> Self {
        error.failure.into()
    }
}

impl Function for OAuthCallback {
    type Answer = ApiGatewayV2httpResponse;

    fn from_environment(environment: Environment) -> Result<Self, Failure> {
        let settings = Settings::read(environment)?;
        let http = Client::new(settings.aws.limits)?;
        Ok(Self::over(settings, http))
    }

    async fn warm_up(&self) {
        self.http
            .open(&self.settings.aws.secrets_manager_url())
            .await;
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
        let store = SecretStore::new(&settings.aws, &http);
        let events = EventBus::new(&settings.aws, &http, settings.event_bus.clone());
        Self {
            settings,
            http,
            store,
            events,
        }
    }

    /// Handles one HTTP request that has `left` until Lambda ends it. `reference` is on the page and
    /// in the log.
    ///
    /// # Errors
    /// [`Kind::Refused`] when the event is no HTTP request in payload format 2.0.
    pub async fn handle(
        &self,
        event: Value,
        reference: &str,
        left: Duration,
    ) -> Result<ApiGatewayV2httpResponse, Failure> {
        let request = Request::read(&event).inspect_err(|failure| {
            error!(kind = failure.kind.error_type(), %failure, "failed");
        })?;
        let base = Url::parse(self.settings.callback_url.as_str());
        let request = request.below(base.as_ref().map_or("", Url::path));
        let span = info_span!(
            "request",
            reference,
            step = request.step(),
            secret = tracing::field::Empty,
            token = tracing::field::Empty,
        );
        let left = left.saturating_sub(Duration::from_secs(2));
        let deadline = Deadline::within(left, self.settings.aws.limits.request.duration());
        let work = async {
            let answer = Box::pin(self.route(&request, deadline));
            // A person is told in time, whatever hangs: Lambda's own end would be the gateway's page.
            let answer = tokio::time::timeout(left, answer)
                .await
                .unwrap_or_else(|_| Err(Ending::new("out-of-time", texts::out_of_time())));
            let reply = answer.unwrap_or_else(|ending| {
                info!(
                    outcome = ending.outcome,
                    status = ending.text.status,
                    "answered"
                );
                let page = page(&ending.text, &ending.way_on, ending.pass_on.as_deref());
                Reply::Page(if ending.ends_session {
                    page.with_cookie(SESSION.end())
                } else {
                    page
                })
            });
            reply.into_response(reference)
        };
        Ok(work.instrument(span).await)
    }

    async fn route(&self, request: &Request, deadline: Deadline) -> Answer {
        match (request.method.as_str(), request.path.as_str()) {
            ("GET", "/start") => self.start(request).await,
            ("GET", "/authorize") => self.authorize(request).await,
            ("GET", "/callback") => self.callback(request, deadline).await,
            ("GET", "/handover") => self.hand_over(request, deadline).await,
            // Somebody pressed Enter in the address bar, or the browser opened the tab again.
            ("GET", "/reveal" | "/attest") => Ok(Reply::to(format!(
                "{}/handover",
                self.settings.callback_url
            ))),
            ("POST", "/reveal") => self.reveal(request, deadline).await,
            ("POST", "/attest") => self.attest(request, deadline).await,
            ("GET", "/calendar") => self.calendar(request).await,
            ("POST", "/ticket") => self.new_link(request).await,
            _ => Err(Ending::new("no-such-page", texts::no_such_page())),
        }
    }

    async fn ticket_key(&self) -> Result<TicketKey, Failure> {
        let key = self
            .store
            .value_with_label(&self.settings.ticket_key_secret, CURRENT)
            .await
            .map_err(|error| error.failure.while_doing("reading the ticket key"))?;
        TicketKey::new(key.text)
    }

    fn app(&self, mailbox: &MailboxSecret) -> App {
        App {
            endpoints: self.settings.microsoft.endpoints(mailbox.cloud),
            tenant: mailbox.tenant_id.clone(),
            client_id: mailbox.client_id.clone(),
        }
    }

    /// The secret that a ticket names and the document of the version that it is bound to, if what
    /// it was for still has to be done.
    async fn bound(&self, ticket: &Ticket) -> Result<(SecretMetadata, MailboxSecret), Ending> {
        let span = tracing::Span::current();
        span.record("secret", &ticket.secret);
        span.record("token", &ticket.version);
        let (secret, value) = tokio::join!(
            self.store.describe(&ticket.secret),
            self.store.value_of(&ticket.secret, &ticket.version),
        );
        let secret = secret?;
        if secret.is_replica() {
            // It is another region's, whose links lead to that region's `oauth-callback`.
            return Err(Ending::new("replica", texts::superseded()));
        }
        let current = secret.versions.current() == Some(&ticket.version);
        let pending = secret.versions.in_progress() == Some(&ticket.version);
        match ticket.purpose {
            Purpose::Rotate if current => {
                return Err(Ending::new("already-done", texts::already_done()));
            }
            Purpose::Rotate if pending => {}
            Purpose::Connect if current => {}
            Purpose::Rotate | Purpose::Connect => {
                return Err(Ending::new("superseded", texts::superseded()));
            }
        }
        match value? {
            Some(value) => Ok((secret, MailboxSecret::read(&value.text)?)),
            None => Err(Failure::new(
                Kind::Temporary,
                "reading the link's version: it has no value",
            )
            .into()),
        }
    }
}

/// The machine's clock, by which links and sessions end.
fn now() -> jiff::Timestamp {
    clock::machine()
}
