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

/// A button of a form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Button {
    /// The address that its form goes to.
    pub action: String,
    /// What it adds to the form's fields.
    pub field: Option<(String, String)>,
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
        let inputs = inner.split("<input ").skip(1).filter_map(|input| {
            let tag = input.split('>').next()?;
            let is = |kind: &str| tag.contains(&format!("type=\"{kind}\""));
            let off = (is("checkbox") || is("radio")) && !tag.contains(" checked");
            let value = attribute(tag, "value").unwrap_or_default();
            let field = (attribute(tag, "name")?, value);
            (!off).then_some(field)
        });
        let lists = inner.split("<select ").skip(1).filter_map(|list| {
            let list = list.split("</select>").next()?;
            let entry = |option: &&str| {
                option
                    .split('>')
                    .next()
                    .is_some_and(|tag| tag.ends_with(" selected"))
            };
            let entries = || list.split("<option ").skip(1);
            let chosen = entries().find(entry).or_else(|| entries().next())?;
            Some((attribute(list, "name")?, attribute(chosen, "value")?))
        });
        let action = attribute(tag, "action").unwrap_or_default();
        Some(Form {
            method: attribute(tag, "method").unwrap_or_default(),
            action: self.url.join(&action).ok()?.into(),
            fields: inputs.chain(lists).collect(),
        })
    }

    /// Where the link with this label leads.
    #[must_use]
    pub fn link(&self, label: &str) -> Option<String> {
        let (before, _) = self.body.split_once(&format!(">{label}</a>"))?;
        let (_, anchor) = before.rsplit_once("<a ")?;
        Some(self.url.join(&attribute(anchor, "href")?).ok()?.into())
    }

    /// The button with this label.
    #[must_use]
    pub fn button(&self, label: &str) -> Option<Button> {
        let (before, _) = self.body.split_once(&format!(">{label}</button>"))?;
        let (_, tag) = before.rsplit_once("<button")?;
        let (_, form) = before.rsplit_once("<form ")?;
        let action = attribute(form.split('>').next()?, "action")?;
        Some(Button {
            action: self.url.join(&action).ok()?.into(),
            field: attribute(tag, "name").zip(attribute(tag, "value")),
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
<form action="/back"><input type="hidden" name="flow" value="c">
<input type="checkbox" name="on" value="1" checked><input type="radio" name="off" value="1">
<select name="list"><option value="1">One</option><option value="2" selected>Two</option></select>
<button name="go" value="now">Go</button></form>"#;

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
        let fields = [("flow", "a\"b"), ("login", "me"), ("passwd", "")];
        assert_eq!(
            form.fields,
            fields.map(|(name, value)| (name.to_owned(), value.to_owned()))
        );
        let fields = [("flow", "c"), ("on", "1"), ("list", "2")];
        assert_eq!(
            page.form("/back").unwrap().fields,
            fields.map(|(name, value)| (name.to_owned(), value.to_owned())),
            "what a browser sends"
        );
        assert_eq!(page.link("On").unwrap(), "http://localhost/t/on?a=1&b=2");
        let go = page.button("Go").unwrap();
        assert_eq!(go.action, "http://localhost/back");
        assert_eq!(go.field, Some(("go".to_owned(), "now".to_owned())));
        assert_eq!((page.link("Off"), page.button("Stop")), (None, None));
        assert!(page.has_form("/back") && !page.has_form("/passwd"));
    }
}
