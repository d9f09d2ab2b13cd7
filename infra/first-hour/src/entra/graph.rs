//! Graph, where the product has no call of its own for it: making apps, and reading what it says in its own words.

use bytes::Bytes;
use http::{HeaderValue, Method, Request};
use secrecy::ExposeSecret;
use serde_json::Value;
use shared::failure::{Failure, Kind, sanitized_code};

use super::Entra;
use super::throw_away::Target;
use crate::pace::LONGER;

/// What a person does who is refused.
pub(super) const AS_ADMINISTRATOR: &str =
    "sign in to Azure with the role Application Administrator or Cloud Application Administrator";

/// So many looks, which take about three seconds.
const FORGIVEN: u32 = 7;

/// An answer of Graph's. Its body may be a new secret, so it is not to be printed.
pub(super) struct Answer {
    pub(super) status: u16,
    /// The error's code, where there is one.
    pub(super) code: String,
    /// The error's sentence.
    pub(super) text: String,
    /// The body, where it is JSON.
    pub(super) body: Value,
}

impl Answer {
    pub(super) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Whether it may be another one soon: what was just made is not known everywhere, and writes collide.
    fn may_pass(&self) -> bool {
        matches!(self.status, 404 | 409 | 429 | 500..)
            || self.code == "Directory_ConcurrencyViolation"
    }

    pub(super) fn failure(&self, what: &str, next_step: &str) -> Failure {
        let what = format!("{what}: Graph answered {}", self.status);
        let failure = Failure::new(Kind::Misconfigured, what).next_step(match self.status {
            401 => "sign in to Azure again (az login): the token has ended",
            _ => next_step,
        });
        match self.code.as_str() {
            "" => failure,
            code => failure.code(code),
        }
    }
}

impl Entra {
    /// Reads once, in the name of whoever is signed in.
    pub(super) async fn look(&self, path: &str) -> Result<Answer, Failure> {
        self.ask(Method::GET, path, None).await
    }

    /// Changes something once.
    pub(super) async fn write(
        &self,
        method: Method,
        target: &Target,
        body: Option<&Value>,
    ) -> Result<Answer, Failure> {
        self.ask(method, target.path(), body).await
    }

    /// Reads, as soon as it can be.
    pub(super) async fn read(&self, what: &str, path: &str) -> Result<Value, Failure> {
        self.until_done(what, async || self.look(path).await).await
    }

    /// Posts, as soon as that is taken.
    pub(super) async fn post(
        &self,
        what: &str,
        target: &Target,
        body: &Value,
    ) -> Result<Value, Failure> {
        let post = async || self.write(Method::POST, target, Some(body)).await;
        self.until_done(what, post).await
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Answer, Failure> {
        let graph = &self.endpoints.graph;
        let url = match path.strip_prefix(graph.as_str()) {
            // The address of a next page, which the token goes to at Graph alone.
            Some(rest) if rest.starts_with('/') => path.to_owned(),
            _ => format!("{graph}/v1.0/{path}"),
        };
        let what = "asking Graph";
        let bearer =
            HeaderValue::try_from(format!("Bearer {}", self.operator.access.expose_secret()));
        let request = bearer.map_err(http::Error::from).and_then(|mut bearer| {
            bearer.set_sensitive(true);
            let request = Request::builder().method(method).uri(url);
            let request = request.header("Authorization", bearer);
            let request = request.header("Content-Type", "application/json");
            request.body(
                body.map(|body| Bytes::from(body.to_string()))
                    .unwrap_or_default(),
            )
        });
        let request = request.map_err(|_| {
            Failure::new(
                Kind::Refused,
                format!("{what}: the request could not be built"),
            )
        })?;
        let response = self.http.send(request).await;
        let response = response.map_err(|error| error.while_doing(what).failure)?;
        let body: Value = serde_json::from_slice(response.body()).unwrap_or_default();
        let of_error = |field: &str| {
            let text = body.get("error").and_then(|error| error.get(field));
            text.and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        Ok(Answer {
            status: response.status().as_u16(),
            code: sanitized_code(&of_error("code")),
            text: of_error("message"),
            body,
        })
    }

    async fn until_done(
        &self,
        what: &str,
        mut ask: impl AsyncFnMut() -> Result<Answer, Failure>,
    ) -> Result<Value, Failure> {
        let (mut last, mut looks) = (None, 0);
        let done = self.pace.until(async || {
            looks += 1;
            let answer = ask().await?;
            if answer.is_success() {
                return Ok(Some(answer.body));
            }
            let failure = answer.failure(what, AS_ADMINISTRATOR);
            // Of an app that was made seconds ago a 403 may be a mistake.
            let by_mistake = answer.status == 403 && looks < FORGIVEN;
            if !answer.may_pass() && !by_mistake {
                return Err(failure);
            }
            last = Some(failure);
            Ok(None)
        });
        let done = done.await?;
        done.map(|done| done.what).ok_or_else(|| {
            let failure = last.unwrap_or_else(|| Failure::new(Kind::Temporary, what));
            failure.next_step(LONGER)
        })
    }

    /// All entries of a list.
    pub(super) async fn all(&self, what: &str, path: &str) -> Result<Vec<Value>, Failure> {
        let mut entries = Vec::new();
        let mut next = Some(path.to_owned());
        while let Some(path) = next {
            let mut page = self.read(what, &path).await?;
            let link = page.get("@odata.nextLink").and_then(Value::as_str);
            next = link.map(str::to_owned);
            if let Some(Value::Array(values)) = page.get_mut("value").map(Value::take) {
                entries.extend(values);
            }
        }
        Ok(entries)
    }
}
