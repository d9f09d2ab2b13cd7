//! Settings: read once at start, all that is missing or wrong said in one message.

use std::fmt;
use std::str::FromStr;

use crate::failure::{Failure, Kind};

/// Reads settings from environment variables and remembers what was wrong with them.
#[derive(Debug)]
pub struct Reader<F> {
    lookup: F,
    problems: Vec<String>,
}

impl<F: Fn(&str) -> Option<String>> Reader<F> {
    /// A reader over `lookup`, normally the process's environment.
    pub fn new(lookup: F) -> Self {
        Self {
            lookup,
            problems: Vec::new(),
        }
    }

    fn text(&self, name: &str) -> Option<String> {
        (self.lookup)(name).filter(|value| !value.is_empty())
    }

    /// A setting that must be there. The value returned in its absence is never used:
    /// [`Reader::finish`] fails first.
    pub fn required<T: FromStr + Default>(&mut self, name: &str) -> T
    where
        T::Err: fmt::Display,
    {
        let Some(text) = self.text(name) else {
            self.problems.push(format!("{name} is missing"));
            return T::default();
        };
        self.parsed(name, &text).unwrap_or_default()
    }

    /// A setting with a default.
    pub fn or<T: FromStr>(&mut self, name: &str, default: T) -> T
    where
        T::Err: fmt::Display,
    {
        self.optional(name).unwrap_or(default)
    }

    /// A setting that may be absent.
    pub fn optional<T: FromStr>(&mut self, name: &str) -> Option<T>
    where
        T::Err: fmt::Display,
    {
        let text = self.text(name)?;
        self.parsed(name, &text)
    }

    fn parsed<T: FromStr>(&mut self, name: &str, text: &str) -> Option<T>
    where
        T::Err: fmt::Display,
    {
        match text.parse() {
            Ok(value) => Some(value),
            Err(error) => {
                self.problems.push(format!("{name} is {error}"));
                None
            }
        }
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// [`Kind::Misconfigured`], naming every setting that is missing or cannot be read.
    pub fn finish(self) -> Result<(), Failure> {
        if self.problems.is_empty() {
            return Ok(());
        }
        Err(Failure::new(
            Kind::Misconfigured,
            format!("reading the settings: {}", self.problems.join("; ")),
        )
        .next_step("Set these environment variables of the function."))
    }
}

/// An address without a trailing slash, `https` or (for a machine of one's own) `http`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BaseUrl(String);

impl BaseUrl {
    /// The address, without a trailing slash.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The host, and the port where it is not the scheme's own.
    #[must_use]
    pub fn host(&self) -> &str {
        let behind = self.0.split_once("://").map_or("", |(_, behind)| behind);
        behind.split('/').next().unwrap_or_default()
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The text is not a base address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an address such as https://host/path, without user, query and fragment")]
pub struct NotABaseUrl;

impl FromStr for BaseUrl {
    type Err = NotABaseUrl;

    fn from_str(text: &str) -> Result<Self, NotABaseUrl> {
        // Host names beyond ASCII go as punycode: `idna` is built without Unicode's tables, and its stand-in
        // asserts in a debug build that it is not asked for them.
        if !text.is_ascii() {
            return Err(NotABaseUrl);
        }
        let url = url::Url::parse(text).map_err(|_| NotABaseUrl)?;
        let web = matches!(url.scheme(), "http" | "https") && url.has_host();
        let bare = url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none();
        if web && bare {
            Ok(Self(url.as_str().trim_end_matches('/').to_owned()))
        } else {
            Err(NotABaseUrl)
        }
    }
}

impl<'de> serde::Deserialize<'de> for BaseUrl {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

impl serde::Serialize for BaseUrl {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::period::Period;

    #[test]
    fn all_missing_and_wrong_settings_are_named_in_one_message() {
        let mut reader = Reader::new(|name| (name == "WAIT").then(|| "soon".to_owned()));
        let _: String = reader.required("CALLBACK_URL");
        let _: String = reader.required("ROTATION_FUNCTION");
        let _ = reader.or("WAIT", Period::seconds(1));
        let message = reader.finish().unwrap_err().to_string();
        for part in [
            "CALLBACK_URL is missing",
            "ROTATION_FUNCTION is missing",
            "WAIT is not an ISO-8601",
        ] {
            assert!(message.contains(part), "{message}");
        }
        assert!(!message.contains("soon"), "{message}");
    }

    #[test]
    fn a_base_url_has_no_user_query_or_fragment() {
        assert_eq!(
            "https://h.example/v1/".parse::<BaseUrl>().unwrap().as_str(),
            "https://h.example/v1"
        );
        let host = |text: &str| text.parse::<BaseUrl>().unwrap().host().to_owned();
        assert_eq!(host("https://h.example/v1/"), "h.example");
        assert_eq!(host("http://localhost:8080"), "localhost:8080");
        for text in [
            "",
            "h.example",
            "ftp://h",
            "https://u:p@h/",
            "https://h/?a=b",
            "https://h/#f",
            "file:///x",
        ] {
            assert!(text.parse::<BaseUrl>().is_err(), "{text}");
        }
    }
}
