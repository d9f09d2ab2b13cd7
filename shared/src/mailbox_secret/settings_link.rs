//! A deep link of ShopCtrl's to a connection's topic in the shop's settings, as a person copies it there.

use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use url::Url;

use super::{Connection, invalid};
use crate::config::BaseUrl;
use crate::failure::Failure;

/// The link, kept as it was copied: `https://shop.example?tab=…&control=…`, in which ShopCtrl's own examples
/// have `|` raw (ShopCtrl docs, Hotkeys and Deep Links).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingsLink(String);

impl SettingsLink {
    /// The link as it was copied.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it leads to where people open ShopCtrl, and nowhere else.
    fn is_on(&self, ui: &BaseUrl) -> bool {
        let origin = |text: &str| Url::parse(text).ok().map(|url| url.origin());
        origin(&self.0).is_some_and(|own| origin(ui.as_str()) == Some(own))
    }
}

/// The text is not a link of ShopCtrl's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a link such as https://host?tab=...&control=..., without user and line breaks")]
pub struct NotASettingsLink;

impl FromStr for SettingsLink {
    type Err = NotASettingsLink;

    fn from_str(text: &str) -> Result<Self, NotASettingsLink> {
        // What comes along when a line is copied. Within, a browser drops line breaks and turns `\` unasked.
        let text = text.trim();
        if text.contains(|c: char| c.is_control() || c == '\\') {
            return Err(NotASettingsLink);
        }
        let (_, rest) = text.split_once("://").ok_or(NotASettingsLink)?;
        // As in `BaseUrl`; behind the host any text may stand.
        if !rest
            .split(['/', '?', '#'])
            .next()
            .is_some_and(str::is_ascii)
        {
            return Err(NotASettingsLink);
        }
        let url = Url::parse(text).map_err(|_| NotASettingsLink)?;
        let web = matches!(url.scheme(), "http" | "https") && url.has_host();
        if web && url.username().is_empty() && url.password().is_none() {
            Ok(Self(text.to_owned()))
        } else {
            Err(NotASettingsLink)
        }
    }
}

impl<'de> Deserialize<'de> for SettingsLink {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

impl Serialize for SettingsLink {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// The page leads a person with Shop owner admin permissions to these links: to ShopCtrl, and nowhere else.
pub(super) fn check(connections: &[Connection]) -> Result<(), Failure> {
    for (at, connection) in connections.iter().enumerate() {
        let place = &connection.shopctrl;
        if place
            .settings_link
            .as_ref()
            .is_some_and(|link| !link.is_on(&place.ui))
        {
            return Err(invalid(&format!(
                "field connections[{at}].shopctrl.settings_link: not on the scheme, host and port of ui"
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_on(ui: &str, link: &str) -> Option<bool> {
        let link: SettingsLink = link.parse().ok()?;
        Some(link.is_on(&ui.parse().unwrap()))
    }

    const UI: &str = "https://shop.example";

    #[test]
    fn a_link_is_kept_as_a_person_copies_it() {
        for link in [
            "https://shop.example?tab=Order|10983&control=Invoices",
            "https://shop.example/?tab=Order%7C10983&control=Invoices",
            "https://shop.example:443/app?tab=Shop|12&control=E-mail%20ontvangen",
            "https://shop.example?tab=Shop|12&control=Receiving email",
            "https://SHOP.example/?tab=Shop|12&control=Réception#x",
        ] {
            assert_eq!(is_on(UI, link), Some(true), "{link}");
            let copied: SettingsLink = format!(" {link}\n").parse().unwrap();
            assert_eq!(copied.as_str(), link);
        }
        assert_eq!(
            is_on("http://127.0.0.1:81/a", "http://127.0.0.1:81?b"),
            Some(true)
        );
        assert_eq!(
            is_on("https://shop.example:444/a", "https://shop.example:444?b"),
            Some(true)
        );
    }

    #[test]
    fn a_link_to_elsewhere_is_told_from_one_to_the_shop() {
        for link in [
            "http://shop.example?tab=x",
            "https://shop.example:444?tab=x",
            "https://shop.example.evil.example?tab=x",
            "https://evil.example?https://shop.example",
            "https://evil.example#https://shop.example",
        ] {
            assert_eq!(is_on(UI, link), Some(false), "{link}");
        }
    }

    #[test]
    fn what_a_browser_would_not_take_as_it_stands_is_no_link() {
        for text in [
            "",
            "?tab=x",
            "//shop.example?tab=x",
            "shop.example?tab=x",
            "javascript://shop.example/%0aalert(1)",
            "data://shop.example,x",
            "file:///shop.example",
            "https://me@shop.example?tab=x",
            "https://me:pw@shop.example?tab=x",
            "https://shop.example@evil.example?tab=x",
            "https://shop example?tab=x",
            "https://shop.example?tab=a\nb",
            "https://shop.exa\nmple?tab=x",
            "https://evil.example\\@shop.example?tab=x",
            "https://sh\u{f6}p.example?tab=x",
            "https://",
        ] {
            assert_eq!(is_on(UI, text), None, "{text}");
        }
    }
}
