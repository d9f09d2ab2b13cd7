//! The person at a browser: opens the link, signs in on Microsoft's pages, and is sent back.

use std::collections::BTreeMap;
use std::time::Duration;

use reqwest::Response;
use reqwest::header::{COOKIE, LOCATION, SET_COOKIE};
use url::Url;

/// No answer on this machine takes longer.
const PATIENCE: Duration = Duration::from_secs(60);

/// A browser that goes one step at a time and keeps each site's cookies.
pub struct Browser {
    client: reqwest::Client,
    cookies: BTreeMap<String, BTreeMap<String, String>>,
}

/// Where a step led.
#[derive(Debug, Clone)]
pub enum Shown {
    /// On to another address.
    SentTo(Url),
    /// A page.
    Page(Page),
}

/// A page.
#[derive(Debug, Clone)]
pub struct Page {
    /// Its address.
    pub url: Url,
    /// Its status.
    pub status: u16,
    /// Its HTML.
    pub html: String,
}

impl Browser {
    /// A browser without cookies.
    ///
    /// # Errors
    /// When there is no TLS. It trusts nobody: all addresses are on this machine, and plain.
    pub fn new() -> Result<Self, String> {
        let provider = rustls::crypto::ring::default_provider();
        let tls = rustls::ClientConfig::builder_with_provider(provider.into())
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth();
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .redirect(reqwest::redirect::Policy::none())
            .timeout(PATIENCE)
            .no_proxy()
            .build()
            .map_err(|error| error.to_string())?;
        Ok(Self {
            client,
            cookies: BTreeMap::new(),
        })
    }

    /// Opens an address.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn open(&mut self, url: &Url) -> Result<Shown, String> {
        let request = self.client.get(url.clone());
        self.send(url, request).await
    }

    /// Sends the page's form that has a field of this name, filled in.
    ///
    /// # Errors
    /// When there is no such form, or no answer.
    pub async fn submit(&mut self, page: &Page, fields: &[(&str, &str)]) -> Result<Shown, String> {
        let wanted = fields.first().map(|(name, _)| *name).unwrap_or_default();
        let form = form_with(&page.html, wanted)
            .ok_or_else(|| format!("the page has no form with the field {wanted}"))?;
        let url = page
            .url
            .join(&form.action)
            .map_err(|error| error.to_string())?;
        let filled: Vec<(&str, &str)> = form
            .hidden
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .chain(fields.iter().copied())
            .collect();
        let body = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(filled)
            .finish();
        let request = self
            .client
            .post(url.clone())
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body);
        self.send(&url, request).await
    }

    async fn send(&mut self, url: &Url, request: reqwest::RequestBuilder) -> Result<Shown, String> {
        let site = url.authority().to_owned();
        let known = self.cookies.entry(site.clone()).or_default();
        let cookies: Vec<String> = known
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let request = match cookies.is_empty() {
            true => request,
            false => request.header(COOKIE, cookies.join("; ")),
        };
        let response = request
            .send()
            .await
            .map_err(|error| error.without_url().to_string())?;
        self.keep_cookies(site, &response);
        if let Some(location) = response
            .headers()
            .get(LOCATION)
            .and_then(|value| value.to_str().ok())
        {
            let next = url.join(location).map_err(|error| error.to_string())?;
            return Ok(Shown::SentTo(next));
        }
        Ok(Shown::Page(Page {
            url: url.clone(),
            status: response.status().as_u16(),
            html: response
                .text()
                .await
                .map_err(|error| error.without_url().to_string())?,
        }))
    }

    fn keep_cookies(&mut self, site: String, response: &Response) {
        let known = self.cookies.entry(site).or_default();
        for cookie in response.headers().get_all(SET_COOKIE) {
            let pair = cookie.to_str().unwrap_or_default().split(';').next();
            if let Some((name, value)) = pair.and_then(|pair| pair.split_once('=')) {
                known.insert(name.trim().to_owned(), value.to_owned());
            }
        }
    }
}

impl Page {
    /// The page's heading, as text.
    pub fn heading(&self) -> Option<String> {
        heading(&self.html)
    }

    /// The page's sentences under its heading.
    pub fn sentences(&self) -> Vec<String> {
        let rest = self.html.split_once("</h1>").map_or("", |(_, rest)| rest);
        rest.split("<p>")
            .skip(1)
            .filter_map(|part| part.split_once("</p>"))
            .map(|(sentence, _)| unescaped(sentence))
            .collect()
    }

    /// Whether a form on the page has a field of this name.
    pub fn asks_for(&self, field: &str) -> bool {
        form_with(&self.html, field).is_some()
    }
}

/// A page's heading, as text.
pub fn heading(html: &str) -> Option<String> {
    let (_, rest) = html.split_once("<h1>")?;
    let (heading, _) = rest.split_once("</h1>")?;
    Some(unescaped(heading))
}

/// A form's way, and the fields that a person does not see.
#[derive(Debug, PartialEq, Eq)]
struct Form {
    action: String,
    hidden: Vec<(String, String)>,
}

fn form_with(html: &str, field: &str) -> Option<Form> {
    let forms = html
        .split("<form")
        .skip(1)
        .filter_map(|part| part.split_once("</form>"));
    let named = format!("name=\"{field}\"");
    let (form, _) = forms.into_iter().find(|(form, _)| form.contains(&named))?;
    let hidden = form.split("<input").skip(1).filter_map(|input| {
        let input = input.split('>').next()?;
        (attribute(input, "type")? == "hidden")
            .then(|| Some((attribute(input, "name")?, attribute(input, "value")?)))?
    });
    Some(Form {
        action: attribute(form, "action")?,
        hidden: hidden.collect(),
    })
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let (_, rest) = tag.split_once(&format!("{name}=\""))?;
    let (value, _) = rest.split_once('"')?;
    Some(unescaped(value))
}

fn unescaped(text: &str) -> String {
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&#39;", "'")
        .replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;

    const HTML: &str = r#"<h1>Sign in &amp; on</h1><p>First.</p><p class="x">No.</p><p>Second.</p>
<form method="post" action="/t/login"><input type="hidden" name="flow" value="a&quot;b">
<input name="login" type="email" value="me"></form><form action="/back"><input type="hidden" name="flow" value="c"></form>"#;

    #[test]
    fn a_page_is_read_as_far_as_a_person_uses_it() {
        let page = Page {
            url: Url::parse("http://localhost/t").unwrap(),
            status: 200,
            html: HTML.to_owned(),
        };
        assert_eq!(page.heading().unwrap(), "Sign in & on");
        assert_eq!(page.sentences(), ["First.", "Second."]);
        assert!(page.asks_for("login") && !page.asks_for("passwd"));
        let form = form_with(HTML, "login").unwrap();
        assert_eq!(form.action, "/t/login");
        assert_eq!(form.hidden, [("flow".to_owned(), "a\"b".to_owned())]);
    }
}
