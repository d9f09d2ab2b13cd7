//! A small browser: it keeps cookies by host, follows redirects, and fills in forms. Whatever our
//! callback answers it, it holds to what every answer of ours must have.

use std::collections::BTreeMap;

use bytes::Bytes;
use data_encoding::BASE64;
use http::header::{CONTENT_TYPE, COOKIE, LOCATION, SET_COOKIE};
use http::{HeaderMap, Method, Request};
use ring::digest::{SHA256, digest};
use serde_json::Value;
use shared::http::{Client, Limits};
use shared::period::Period;
use simulators::world::{Mailbox, World};
use url::Url;

/// The cookie of a sign-in under way.
pub const SESSION: &str = "__Host-shopmail";

/// The cookie of a hand-over.
pub const SIGNED_IN: &str = "__Host-shopmail-hand-over";

/// A browser of somebody's.
pub struct Browser {
    http: Client,
    ours: String,
    /// By host and port, then by name.
    cookies: BTreeMap<(String, String), String>,
    /// All that our callback ever answered.
    pub answers: Vec<Page>,
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Page {
    /// Where it was got.
    pub url: Url,
    /// Its status.
    pub status: u16,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its text.
    pub body: String,
}

/// A form on a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Form {
    /// `get` or `post`.
    pub method: String,
    /// Where it goes.
    pub action: String,
    /// Its fields with what they hold.
    pub fields: Vec<(String, String)>,
}

impl Browser {
    /// A browser without cookies.
    pub fn new(world: &World) -> Self {
        let limits = Limits {
            connect: Period::seconds(5),
            request: Period::seconds(60),
        };
        Self::over(Client::new(limits).unwrap(), &world.callback_url)
    }

    /// One that reaches the world by this client, and our callback at `ours`.
    pub fn over(http: Client, ours: &str) -> Self {
        Self {
            http,
            ours: ours.to_owned(),
            cookies: BTreeMap::new(),
            answers: Vec::new(),
        }
    }

    /// One request, with this method, body and headers beside the cookies; no redirect is followed.
    pub async fn send(
        &mut self,
        method: Method,
        url: &str,
        body: &str,
        headers: &[(&str, &str)],
    ) -> Page {
        let url = Url::parse(url).unwrap();
        let mut request = Request::builder().method(method).uri(url.as_str());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let cookies: Vec<String> = self
            .cookies
            .iter()
            .filter(|((host, _), _)| *host == authority(&url))
            .map(|((_, name), value)| format!("{name}={value}"))
            .collect();
        if !cookies.is_empty() {
            request = request.header(COOKIE, cookies.join("; "));
        }
        let request = request.body(Bytes::from(body.to_owned())).unwrap();
        let answer = self.http.send(request).await.unwrap();
        for cookie in answer.headers().get_all(SET_COOKIE) {
            self.take_cookie(&url, cookie.to_str().unwrap());
        }
        let page = Page {
            url,
            status: answer.status().as_u16(),
            headers: answer.headers().clone(),
            body: String::from_utf8(answer.body().to_vec()).unwrap(),
        };
        let of_function = page.url.as_str().starts_with(&self.ours) && !page.is_of_gateway();
        if of_function {
            assert_guarded(&page);
            self.answers.push(page.clone());
        }
        page
    }

    /// One GET; no redirect is followed.
    pub async fn get(&mut self, url: &str) -> Page {
        self.send(Method::GET, url, "", &[]).await
    }

    /// GETs until a page comes.
    pub async fn open(&mut self, url: &str) -> Page {
        let page = self.get(url).await;
        self.follow(page).await
    }

    /// Posts a form, and goes on until a page comes.
    pub async fn post(&mut self, url: &str, fields: &[(String, String)]) -> Page {
        let body = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish();
        let form = [(CONTENT_TYPE.as_str(), "application/x-www-form-urlencoded")];
        let page = self.send(Method::POST, url, &body, &form).await;
        self.follow(page).await
    }

    async fn follow(&mut self, mut page: Page) -> Page {
        for _ in 0..10 {
            let Some(location) = page.location() else {
                return page;
            };
            page = self.get(&location).await;
        }
        panic!("redirected without end at {}", page.url);
    }

    /// Presses the button of the page's form whose action ends like this, with these fields filled in.
    /// Our pages have `form-action 'self'`, by which a browser does not follow a form's redirect to
    /// elsewhere either.
    pub async fn press(&mut self, page: &Page, action: &str, filled: &[(&str, &str)]) -> Page {
        let form = page.form(action);
        let url = page.url.join(&form.action).unwrap();
        let mut fields = form.fields;
        for (name, value) in filled {
            fields.retain(|(known, _)| known != name);
            fields.push(((*name).to_owned(), (*value).to_owned()));
        }
        let got = if form.method == "post" {
            self.post(url.as_str(), &fields).await
        } else {
            let mut url = url;
            url.query_pairs_mut().clear().extend_pairs(&fields);
            self.open(url.as_str()).await
        };
        let ours = |page: &Page| page.url.as_str().starts_with(&self.ours);
        assert!(
            !ours(page) || ours(&got),
            "the policy of {} stops the form's redirect",
            page.url
        );
        got
    }

    /// Opens a link of ours and signs in at Microsoft with this address and password; accepts what is
    /// asked. The page at the end is ours, or the one of Microsoft's that goes no further.
    pub async fn sign_in(&mut self, link: &str, address: &str, password: &str) -> Page {
        let mut page = self.open(link).await;
        if page.has_form("/login") {
            let fields = [("login", address), ("passwd", password)];
            page = self.press(&page, "/login", &fields).await;
        }
        if page.has_form("/consent") {
            page = self
                .press(&page, "/consent", &[("decision", "accept")])
                .await;
        }
        page
    }

    /// The same as the mailbox's owner.
    pub async fn sign_in_as_owner(&mut self, link: &str, mailbox: &Mailbox) -> Page {
        self.sign_in(link, &mailbox.sign_in_name, &mailbox.password)
            .await
    }

    /// Goes as far as Microsoft's sign-in page's address.
    pub async fn begin(&mut self, link: &str) -> String {
        let page = self.get(link).await;
        assert_eq!(page.status, 303, "{}", page.body);
        page.location().unwrap()
    }

    /// The cookie of a sign-in under way, if there is one.
    pub fn session(&self) -> Option<String> {
        self.cookie(SESSION)
    }

    /// Puts one there, as somebody would who stole one.
    pub fn set_session(&mut self, value: &str) {
        self.set_cookie(SESSION, value);
    }

    /// A cookie, if there is one.
    pub fn cookie(&self, name: &str) -> Option<String> {
        let named = |((_, known), value): (&(String, String), &String)| {
            (known == name).then(|| value.clone())
        };
        self.cookies.iter().find_map(named)
    }

    /// Puts a cookie of ours there.
    pub fn set_cookie(&mut self, name: &str, value: &str) {
        let url = Url::parse(&self.ours).unwrap();
        let key = (authority(&url), name.to_owned());
        self.cookies.insert(key, value.to_owned());
    }

    fn take_cookie(&mut self, url: &Url, cookie: &str) {
        let (pair, attributes) = cookie.split_once(';').unwrap_or((cookie, ""));
        let (name, value) = pair.split_once('=').unwrap();
        let key = (authority(url), name.trim().to_owned());
        if attributes.contains("Max-Age=0") {
            self.cookies.remove(&key);
        } else {
            self.cookies.insert(key, value.to_owned());
        }
    }
}

impl Page {
    /// Where a redirect leads.
    pub fn location(&self) -> Option<String> {
        let location = self.headers.get(LOCATION)?.to_str().unwrap();
        Some(self.url.join(location).unwrap().into())
    }

    /// API Gateway's own answer, where the function gave none.
    fn is_of_gateway(&self) -> bool {
        self.status == 500 && self.body.contains("Internal Server Error")
    }

    /// The heading.
    pub fn heading(&self) -> &str {
        between(&self.body, "<h1>", "</h1>").unwrap_or_default()
    }

    /// What to give to support.
    pub fn reference(&self) -> &str {
        between(&self.body, "<code>", "</code>").unwrap_or_default()
    }

    /// Where the page's link leads.
    pub fn way_on(&self) -> Option<String> {
        let (_, anchor) = self.body.split_once("<a ")?;
        let href = attribute(anchor, "href")?;
        Some(self.url.join(&href).unwrap().into())
    }

    /// The forms on the page.
    pub fn forms(&self) -> Vec<Form> {
        self.body
            .split("<form ")
            .skip(1)
            .map(|form| {
                let (tag, rest) = form.split_once('>').unwrap();
                let inner = rest.split("</form>").next().unwrap();
                let fields = inner.split("<input ").skip(1).filter_map(|input| {
                    let tag = input.split('>').next().unwrap();
                    Some((attribute(tag, "name")?, attribute(tag, "value")?))
                });
                Form {
                    method: attribute(tag, "method").unwrap_or_default(),
                    action: self.absolute(&attribute(tag, "action").unwrap_or_default()),
                    fields: fields.collect(),
                }
            })
            .collect()
    }

    fn absolute(&self, address: &str) -> String {
        self.url.join(address).unwrap().into()
    }

    /// Whether there is a form whose action ends like this.
    pub fn has_form(&self, action: &str) -> bool {
        self.forms()
            .iter()
            .any(|form| form.action.ends_with(action))
    }

    fn form(&self, action: &str) -> Form {
        let forms = self.forms();
        let found = forms.iter().find(|form| form.action.ends_with(action));
        found
            .unwrap_or_else(|| panic!("no form {action} on {}: {}", self.url, self.body))
            .clone()
    }
}

/// The link in the last event of this type.
pub fn link_in(world: &World, detail_type: &str) -> String {
    let details = world.event_bridge.details(detail_type);
    let last = details
        .last()
        .unwrap_or_else(|| panic!("no {detail_type}: {:?}", failures(world)));
    last["link"].as_str().unwrap().to_owned()
}

/// The ticket in a link.
pub fn ticket_of(link: &str) -> String {
    let url = Url::parse(link).unwrap();
    let ticket = url.query_pairs().find(|(name, _)| name == "ticket");
    ticket.unwrap().1.into_owned()
}

/// Why rotations failed, for a test that fails itself.
pub fn failures(world: &World) -> Vec<String> {
    let records = world.secrets_manager.records();
    records.into_iter().filter_map(|r| r.reason).collect()
}

/// What every answer of ours has, whatever was asked: no cache, no frame, no referrer, no foreign
/// content, and a reference on each page.
fn assert_guarded(page: &Page) {
    let header = |name: &str| {
        let value = page.headers.get(name);
        value
            .unwrap_or_else(|| panic!("{name} at {}", page.url))
            .to_str()
            .unwrap()
    };
    assert_eq!(header("cache-control"), "no-store");
    assert_eq!(header("referrer-policy"), "no-referrer");
    assert_eq!(header("x-content-type-options"), "nosniff");
    assert_eq!(header("x-frame-options"), "DENY");
    assert_eq!(header("cross-origin-opener-policy"), "same-origin");
    let policy = header("content-security-policy");
    let directives: Vec<&str> = policy.split(';').map(str::trim).collect();
    for wanted in [
        "default-src 'none'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "form-action 'self'",
    ] {
        assert!(directives.contains(&wanted), "{wanted} in {policy}");
    }
    assert!(!policy.contains("unsafe"), "{policy}");
    if page.location().is_some() {
        assert_eq!(page.body, "");
        return;
    }
    if header("content-type").starts_with("text/calendar") {
        return;
    }
    assert_eq!(header("content-type"), "text/html; charset=utf-8");
    // A HEAD has the headers alone.
    if page.body.is_empty() {
        return;
    }
    let style = between(&page.body, "<style>", "</style>").unwrap();
    let hash = BASE64.encode(digest(&SHA256, style.as_bytes()).as_ref());
    assert!(
        directives.contains(&format!("style-src 'sha256-{hash}'").as_str()),
        "the page's own style is let through: {policy}"
    );
    if let Some(script) = between(&page.body, "<script>", "</script>") {
        let hash = BASE64.encode(digest(&SHA256, script.as_bytes()).as_ref());
        assert!(
            directives.contains(&format!("script-src 'sha256-{hash}'").as_str()),
            "the page's own script is let through, and no other: {policy}"
        );
    }
    assert_eq!(
        page.body.matches("<script").count(),
        usize::from(policy.contains("script-src")),
        "{}",
        page.body
    );
    assert!(!page.body.contains("style="), "{}", page.body);
    let absolute = ["href=\"/", "action=\"/"];
    assert!(
        absolute.iter().all(|address| !page.body.contains(address)),
        "a gateway may serve it below a path of its own: {}",
        page.body
    );
    assert!(
        page.body.len() < 30 * 1024,
        "{} is {} bytes",
        page.url,
        page.body.len()
    );
    assert_eq!(page.reference().len(), 36, "a reference: {}", page.body);
}

/// The log lines of the request with the page's reference, the last one included.
pub async fn log_of(world: &World, page: &Page) -> Vec<Value> {
    log_of_reference(world, page.reference()).await
}

/// The log lines of the request with this reference, the last one included.
pub async fn log_of_reference(world: &World, reference: &str) -> Vec<Value> {
    // A line comes through a pipe, and may come a moment after the answer.
    let mut news = world.lambda.subscribe();
    loop {
        let lines = world.lambda.logs().into_iter();
        let lines: Vec<Value> = lines
            .filter(|line| line.function == "oauth-callback")
            .map(|line| serde_json::from_str::<Value>(&line.line).expect("a JSON object a line"))
            .filter(|line| line["span"]["reference"] == reference)
            .collect();
        if lines.iter().any(|line| line["outcome"].is_string()) {
            return lines;
        }
        let wait = tokio::time::timeout(std::time::Duration::from_secs(10), news.recv()).await;
        wait.unwrap_or_else(|_| panic!("{reference} is not in the log"))
            .ok();
    }
}

/// The outcome that the log has for a page, by the page's reference.
pub async fn outcome(world: &World, page: &Page) -> String {
    let lines = log_of(world, page).await;
    let outcome = lines.iter().find_map(|line| line["outcome"].as_str());
    outcome.unwrap_or_default().to_owned()
}

fn authority(url: &Url) -> String {
    format!(
        "{}:{}",
        url.host_str().unwrap_or_default(),
        url.port_or_known_default().unwrap_or_default()
    )
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let value = between(tag, &format!("{name}=\""), "\"")?;
    Some(
        value
            .replace("&lt;", "<")
            .replace("&gt;", ">")
            .replace("&quot;", "\"")
            .replace("&#39;", "'")
            .replace("&amp;", "&"),
    )
}

fn between<'a>(text: &'a str, before: &str, behind: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(before)?;
    rest.split_once(behind).map(|(inner, _)| inner)
}
