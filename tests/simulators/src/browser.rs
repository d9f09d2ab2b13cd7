//! Somebody's browser, as far as the pages here need one: it sends one request at a time, keeps cookies,
//! follows redirects and fills in forms. It runs no script; a real one does, in the system tests.

mod page;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cookie_store::{CookieStore, RawCookie};
use http::header::{CONTENT_TYPE, COOKIE, HOST, SET_COOKIE};
use http::{HeaderMap, Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;
use url::{Position, Url};

use crate::network::Network;
pub use page::{Button, Form, Page, between, heading, unescaped};

/// No page takes longer, on this machine and in virtual time.
const PATIENCE: Duration = Duration::from_secs(1000);
/// Who is sent on more often than this is sent round and round.
const MOST_REDIRECTS: usize = 10;

/// A browser.
#[derive(Debug)]
pub struct Browser {
    reach: Reach,
    /// What it may send where: by domain, path, age and `Secure`. The simulated services are plain HTTP on
    /// loopback, and get `Secure` cookies all the same: to a browser `localhost` and loopback addresses are
    /// trustworthy (W3C Secure Contexts, 3.1), and the jar holds it so. Nor does a port set cookies apart
    /// (RFC 6265, 8.5).
    cookies: CookieStore,
    /// All that it was ever answered.
    pub answers: Vec<Page>,
}

#[derive(Debug)]
enum Reach {
    /// What is served on this machine, without TLS.
    Sockets,
    /// What is in this network.
    Network(Arc<Network>),
}

impl Default for Browser {
    fn default() -> Self {
        Self::reaching(Reach::Sockets)
    }
}

impl Browser {
    /// A browser in a world without sockets.
    #[must_use]
    pub fn within(network: Arc<Network>) -> Self {
        Self::reaching(Reach::Network(network))
    }

    fn reaching(reach: Reach) -> Self {
        Self {
            reach,
            cookies: CookieStore::default(),
            answers: Vec::new(),
        }
    }

    /// One request, with these headers beside the cookies; no redirect is followed.
    ///
    /// # Errors
    /// When there is no answer, or none that is text.
    pub async fn send(
        &mut self,
        method: Method,
        url: &str,
        body: &str,
        headers: &[(&str, &str)],
    ) -> Result<Page, String> {
        let url = Url::parse(url).map_err(|error| format!("{url}: {error}"))?;
        let mut request = Request::builder().method(method).uri(url.as_str());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let cookies = self.cookies_for(&url);
        if !cookies.is_empty() {
            request = request.header(COOKIE, cookies);
        }
        let request = request.body(Bytes::from(body.to_owned()));
        let request = request.map_err(|error| error.to_string())?;
        let answer = timeout(PATIENCE, self.reach.send(request, &url)).await;
        let answer = answer.map_err(|_| format!("{url} does not answer"))??;
        self.keep_cookies(&url, answer.headers());
        let text = String::from_utf8(answer.body().to_vec());
        let page = Page {
            url,
            status: answer.status().as_u16(),
            headers: answer.headers().clone(),
            body: text.map_err(|error| error.to_string())?,
        };
        self.answers.push(page.clone());
        Ok(page)
    }

    /// One GET; no redirect is followed.
    ///
    /// # Errors
    /// As [`Browser::send`].
    pub async fn get(&mut self, url: &str) -> Result<Page, String> {
        self.send(Method::GET, url, "", &[]).await
    }

    /// Sends these fields as a form; no redirect is followed.
    ///
    /// # Errors
    /// As [`Browser::send`].
    pub async fn post(&mut self, url: &str, fields: &[(String, String)]) -> Result<Page, String> {
        let body = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish();
        let form = [(CONTENT_TYPE.as_str(), "application/x-www-form-urlencoded")];
        self.send(Method::POST, url, &body, &form).await
    }

    /// Sends the page's form whose action ends like this, with these fields filled in; no redirect is followed.
    ///
    /// # Errors
    /// When there is no such form; as [`Browser::send`].
    pub async fn submit(
        &mut self,
        page: &Page,
        action: &str,
        filled: &[(&str, &str)],
    ) -> Result<Page, String> {
        let form = page.form(action);
        let form =
            form.ok_or_else(|| format!("no form {action} on {}: {}", page.url, page.body))?;
        let mut fields = form.fields;
        for (name, value) in filled {
            fields.retain(|(known, _)| known != name);
            fields.push(((*name).to_owned(), (*value).to_owned()));
        }
        if form.method == "post" {
            return self.post(&form.action, &fields).await;
        }
        let mut url = Url::parse(&form.action).map_err(|error| error.to_string())?;
        url.query_pairs_mut().clear().extend_pairs(&fields);
        self.get(url.as_str()).await
    }

    /// Goes where the page sends it, until one comes that sends nowhere.
    ///
    /// # Errors
    /// When none comes; as [`Browser::send`].
    pub async fn follow(&mut self, mut page: Page) -> Result<Page, String> {
        for _ in 0..MOST_REDIRECTS {
            let Some(location) = page.location() else {
                return Ok(page);
            };
            page = self.get(&location).await?;
        }
        Err(format!("redirected without end at {}", page.url))
    }

    /// Goes where the page sends it, signs in at Microsoft and accepts what is asked, where either is asked for.
    ///
    /// # Errors
    /// As [`Browser::submit`] and [`Browser::follow`].
    pub async fn sign_in(
        &mut self,
        page: Page,
        name: &str,
        password: &str,
    ) -> Result<Page, String> {
        let mut page = self.follow(page).await?;
        for (form, filled) in [
            ("/login", &[("login", name), ("passwd", password)][..]),
            ("/consent", &[("decision", "accept")]),
        ] {
            if page.has_form(form) {
                let sent = self.submit(&page, form, filled).await?;
                page = self.follow(sent).await?;
            }
        }
        Ok(page)
    }

    /// The value of a cookie that it keeps for any site.
    #[must_use]
    pub fn cookie(&self, name: &str) -> Option<String> {
        let mut cookies = self.cookies.iter_unexpired();
        let cookie = cookies.find(|cookie| cookie.name() == name);
        cookie.map(|cookie| cookie.value().to_owned())
    }

    /// Puts a cookie there as if the site of this address had set it.
    ///
    /// # Errors
    /// When it is none.
    pub fn set_cookie(&mut self, url: &str, name: &str, value: &str) -> Result<(), String> {
        let url = Url::parse(url).map_err(|error| error.to_string())?;
        let cookie = RawCookie::build((name.to_owned(), value.to_owned())).path("/");
        let kept = self.cookies.insert_raw(&cookie.build(), &url);
        kept.map(|_| ()).map_err(|error| error.to_string())
    }

    fn cookies_for(&self, url: &Url) -> String {
        let pairs = self.cookies.get_request_values(url);
        let pairs: Vec<String> = pairs
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        pairs.join("; ")
    }

    fn keep_cookies(&mut self, url: &Url, headers: &HeaderMap) {
        for cookie in headers.get_all(SET_COOKIE) {
            let cookie = cookie.to_str().unwrap_or_default();
            // One that is none, or that removes what is not there, changes nothing.
            let _ = self.cookies.parse(cookie, url);
        }
    }
}

impl Reach {
    async fn send(&self, request: Request<Bytes>, url: &Url) -> Result<Response<Bytes>, String> {
        match self {
            Self::Sockets => over_a_socket(request, url)
                .await
                .map_err(|error| error.to_string()),
            Self::Network(network) => {
                let answer = network.send(request).await;
                answer.map_err(|unanswered| format!("{url}: {unanswered:?}"))
            }
        }
    }
}

/// A connection for one request.
async fn over_a_socket(
    mut request: Request<Bytes>,
    url: &Url,
) -> Result<Response<Bytes>, Box<dyn std::error::Error + Send + Sync>> {
    let address = &url[Position::BeforeHost..Position::BeforePath];
    request.headers_mut().insert(HOST, address.parse()?);
    *request.uri_mut() = url[Position::BeforePath..Position::AfterQuery].parse()?;
    let stream = TcpStream::connect(address).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let (parts, body) = sender
        .send_request(request.map(Full::new))
        .await?
        .into_parts();
    let body = body.collect().await?.to_bytes();
    Ok(Response::from_parts(parts, body))
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::response::{IntoResponse, Redirect};
    use axum::routing::{get, post};

    use super::*;
    use crate::clock::Clock;
    use crate::gate::{Gate, Service};
    use crate::serve::serve;

    /// A service that answers each path with the cookies that it was sent, and sets what `set` says.
    fn mirror(set: &'static [&'static str]) -> Service {
        let mirror = move |headers: HeaderMap| async move {
            let sent = headers
                .get(COOKIE)
                .map(|sent| sent.to_str().unwrap().to_owned());
            sent.unwrap_or_default()
        };
        let setter = move || async move {
            let mut response = Redirect::to("/seen/it").into_response();
            for cookie in set {
                response
                    .headers_mut()
                    .append(SET_COOKIE, cookie.parse().unwrap());
            }
            response
        };
        Service {
            name: "test",
            operation: |_| "*".to_owned(),
            router: Router::new()
                .route("/set", post(setter))
                .fallback(get(mirror)),
            gate: Arc::new(Gate::default()),
            clock: Arc::new(Clock::starting_at(jiff::Timestamp::UNIX_EPOCH)),
        }
    }

    const SET: &[&str] = &[
        "a=1; Path=/; Secure; HttpOnly",
        "b=2; Path=/elsewhere",
        "c=3; Max-Age=0",
        "d=4; Path=/seen; Max-Age=60",
    ];

    #[tokio::test]
    async fn cookies_go_where_path_age_and_secure_let_them() {
        let address = serve(mirror(SET)).await.unwrap();
        let mut browser = Browser::default();
        let sent = browser
            .post(&format!("http://{address}/set"), &[])
            .await
            .unwrap();
        let seen = browser.follow(sent).await.unwrap();
        assert_eq!(seen.url.path(), "/seen/it");
        let mut sent: Vec<&str> = seen.body.split("; ").collect();
        sent.sort_unstable();
        assert_eq!(sent, ["a=1", "d=4"], "and a Secure one to loopback");
        let page = browser
            .get(&format!("http://{address}/elsewhere"))
            .await
            .unwrap();
        assert!(
            page.body.contains("b=2") && !page.body.contains("d=4"),
            "{}",
            page.body
        );
        assert_eq!(browser.cookie("c"), None);
        assert_eq!(browser.answers.len(), 3);
    }

    #[tokio::test]
    async fn a_secure_cookie_does_not_go_to_a_host_that_is_not_this_machine_without_tls() {
        let mut network = Network::default();
        network.add("shop.example", mirror(SET));
        let mut browser = Browser::within(Arc::new(network));
        browser.post("https://shop.example/set", &[]).await.unwrap();
        let page = browser.get("https://shop.example/").await.unwrap();
        assert_eq!(page.body, "a=1");
        let page = browser.get("http://shop.example/").await.unwrap();
        assert_eq!(page.body, "");
    }
}
