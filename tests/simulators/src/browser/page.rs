//! A page, read as far as a person uses it.

use http::HeaderMap;
use http::header::LOCATION;
use url::Url;

/// What a request was answered.
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
    /// The address that it goes to.
    pub action: String,
    /// Its fields with what they hold.
    pub fields: Vec<(String, String)>,
}

impl Page {
    /// Where a redirect leads.
    #[must_use]
    pub fn location(&self) -> Option<String> {
        let location = self.headers.get(LOCATION)?.to_str().ok()?;
        Some(self.url.join(location).ok()?.into())
    }

    /// The heading, as HTML.
    #[must_use]
    pub fn heading(&self) -> &str {
        heading(&self.body).unwrap_or_default()
    }

    /// Where the page's first link leads.
    #[must_use]
    pub fn way_on(&self) -> Option<String> {
        let (_, anchor) = self.body.split_once("<a ")?;
        Some(self.url.join(&attribute(anchor, "href")?).ok()?.into())
    }

    /// The forms on the page.
    #[must_use]
    pub fn forms(&self) -> Vec<Form> {
        let forms = self.body.split("<form ").skip(1);
        forms.filter_map(|form| self.read_form(form)).collect()
    }

    fn read_form(&self, form: &str) -> Option<Form> {
        let (tag, rest) = form.split_once('>')?;
        let inner = rest.split("</form>").next()?;
        let fields = inner.split("<input ").skip(1).filter_map(|input| {
            let tag = input.split('>').next()?;
            Some((attribute(tag, "name")?, attribute(tag, "value")?))
        });
        let action = attribute(tag, "action").unwrap_or_default();
        Some(Form {
            method: attribute(tag, "method").unwrap_or_default(),
            action: self.url.join(&action).ok()?.into(),
            fields: fields.collect(),
        })
    }

    /// The form whose action ends like this.
    #[must_use]
    pub fn form(&self, action: &str) -> Option<Form> {
        let mut forms = self.forms().into_iter();
        forms.find(|form| form.action.ends_with(action))
    }

    /// Whether there is a form whose action ends like this.
    #[must_use]
    pub fn has_form(&self, action: &str) -> bool {
        self.form(action).is_some()
    }
}

/// What is between these two, the first time.
#[must_use]
pub fn between<'a>(html: &'a str, before: &str, behind: &str) -> Option<&'a str> {
    let (_, rest) = html.split_once(before)?;
    rest.split_once(behind).map(|(inner, _)| inner)
}

/// A page's heading, as HTML.
#[must_use]
pub fn heading(html: &str) -> Option<&str> {
    between(html, "<h1>", "</h1>")
}

/// An attribute of a tag.
#[must_use]
pub fn attribute(tag: &str, name: &str) -> Option<String> {
    between(tag, &format!("{name}=\""), "\"").map(unescaped)
}

/// HTML without tags, as text.
#[must_use]
pub fn unescaped(html: &str) -> String {
    html.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&#39;", "'")
        .replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;

    const HTML: &str = r#"<h1>Sign in</h1><a href="on?a=1&amp;b=2">On</a>
<form method="post" action="/t/login"><input type="hidden" name="flow" value="a&quot;b">
<input name="login" type="email" value="me"><input name="passwd"></form>
<form action="/back"><input type="hidden" name="flow" value="c"></form>"#;

    #[test]
    fn a_page_is_read_as_far_as_a_person_uses_it() {
        let page = Page {
            url: Url::parse("http://localhost/t/page").unwrap(),
            status: 200,
            headers: HeaderMap::new(),
            body: HTML.to_owned(),
        };
        assert_eq!(page.heading(), "Sign in");
        assert_eq!(page.way_on().unwrap(), "http://localhost/t/on?a=1&b=2");
        let form = page.form("/login").unwrap();
        assert_eq!(
            (form.method.as_str(), form.action.as_str()),
            ("post", "http://localhost/t/login")
        );
        let fields = [("flow", "a\"b"), ("login", "me")];
        assert_eq!(
            form.fields,
            fields.map(|(name, value)| (name.to_owned(), value.to_owned()))
        );
        assert!(page.has_form("/back") && !page.has_form("/passwd"));
    }
}
