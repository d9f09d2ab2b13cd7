//! Somebody at a browser, for whom what cannot be done is a failed test. Whatever our callback answers, it
//! is held to what every answer of ours must have.

use data_encoding::BASE64;
use http::Method;
use ring::digest::{SHA256, digest};
use simulators::browser::{Browser, Page, between};
use simulators::world::{Mailbox, World};
use url::Url;

/// The cookie of a sign-in under way.
pub const SESSION: &str = "__Host-shopmail";

/// The cookie of a hand-over.
pub const SIGNED_IN: &str = "__Host-shopmail-hand-over";

/// A visitor.
pub struct Visitor {
    browser: Browser,
    ours: String,
    /// All that our callback ever answered.
    pub answers: Vec<Page>,
}

impl Visitor {
    /// A visitor of this world, with a browser of their own.
    pub fn new(world: &World) -> Self {
        Self::at(Browser::default(), &world.callback_url)
    }

    /// One at this browser, to whom our callback is at `ours`.
    pub fn at(browser: Browser, ours: &str) -> Self {
        Self {
            browser,
            ours: ours.to_owned(),
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
        let page = self.browser.send(method, url, body, headers).await;
        self.see(page)
    }

    /// One GET; no redirect is followed.
    pub async fn get(&mut self, url: &str) -> Page {
        let page = self.browser.get(url).await;
        self.see(page)
    }

    /// GETs until a page comes.
    pub async fn open(&mut self, url: &str) -> Page {
        let page = self.get(url).await;
        self.follow(page).await
    }

    /// Posts a form, and goes on until a page comes.
    pub async fn post(&mut self, url: &str, fields: &[(String, String)]) -> Page {
        let page = self.browser.post(url, fields).await;
        let page = self.see(page);
        self.follow(page).await
    }

    /// Presses the button of the page's form whose action ends like this, with these fields filled in.
    /// Our pages have `form-action 'self'`, by which a browser does not follow a form's redirect to
    /// elsewhere either.
    pub async fn press(&mut self, page: &Page, action: &str, filled: &[(&str, &str)]) -> Page {
        let got = self.browser.submit(page, action, filled).await;
        let got = self.see(got);
        let got = self.follow(got).await;
        assert!(
            !self.is_ours(page) || self.is_ours(&got),
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
        self.browser.cookie(name)
    }

    /// Puts a cookie of ours there.
    pub fn set_cookie(&mut self, name: &str, value: &str) {
        self.browser.set_cookie(&self.ours, name, value).unwrap();
    }

    async fn follow(&mut self, page: Page) -> Page {
        let page = self.browser.follow(page).await;
        self.see(page)
    }

    /// Looks at all that came meanwhile.
    fn see(&mut self, page: Result<Page, String>) -> Page {
        for answer in std::mem::take(&mut self.browser.answers) {
            if self.is_ours(&answer) && !is_of_gateway(&answer) {
                assert_guarded(&answer);
                self.answers.push(answer);
            }
        }
        page.unwrap()
    }

    fn is_ours(&self, page: &Page) -> bool {
        page.url.as_str().starts_with(&self.ours)
    }
}

/// API Gateway's own answer, where the function gave none or was not asked.
pub fn is_of_gateway(page: &Page) -> bool {
    let own = ["Internal Server Error", "Too Many Requests"];
    let own = own.map(|text| format!(r#"{{"message":"{text}"}}"#));
    page.status >= 429 && own.contains(&page.body)
}

/// What to give to support.
pub fn reference(page: &Page) -> &str {
    between(&page.body, "<code>", "</code>").unwrap_or_default()
}

/// The ticket in a link.
pub fn ticket_of(link: &str) -> String {
    let url = Url::parse(link).unwrap();
    let ticket = url.query_pairs().find(|(name, _)| name == "ticket");
    ticket.unwrap().1.into_owned()
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
    assert_eq!(reference(page).len(), 36, "a reference: {}", page.body);
}
