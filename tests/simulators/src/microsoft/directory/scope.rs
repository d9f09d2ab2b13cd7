//! Delegated scopes: whose they are, who may consent to them, and how an answer spells them.

use std::cmp::Ordering;

/// The resource of Graph's permissions; a scope that names no resource is Graph's (facts, 3.1).
pub const GRAPH: &str = "https://graph.microsoft.com";
/// The resource of IMAP, POP and SMTP permissions (facts, 3.1).
pub const OUTLOOK: &str = "https://outlook.office.com";
/// The other name of the same resource, which app-only mail uses (facts, 3.1).
pub const OUTLOOK_365: &str = "https://outlook.office365.com";

const OPENID: [&str; 4] = ["openid", "profile", "email", "offline_access"];

/// One scope. Equality ignores case, as Entra does.
#[derive(Debug, Clone)]
pub struct Scope {
    /// The resource, empty for the OpenID scopes.
    pub resource: String,
    /// The permission: `Mail.Read`, `offline_access`, `.default`, …
    pub name: String,
}

impl PartialEq for Scope {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Scope {}

impl PartialOrd for Scope {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Scope {
    fn cmp(&self, other: &Self) -> Ordering {
        self.qualified()
            .to_lowercase()
            .cmp(&other.qualified().to_lowercase())
    }
}

impl Scope {
    /// One scope as a client spells it.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        if OPENID
            .iter()
            .any(|openid| openid.eq_ignore_ascii_case(text))
        {
            return Self {
                resource: String::new(),
                name: text.to_ascii_lowercase(),
            };
        }
        match text.rsplit_once('/') {
            Some((resource, name)) => Self {
                resource: resource.trim_end_matches('/').to_owned(),
                name: name.to_owned(),
            },
            None => Self {
                resource: GRAPH.to_owned(),
                name: text.to_owned(),
            },
        }
    }

    /// A list of scopes as clients spell it, separated by spaces.
    #[must_use]
    pub fn parse_list(text: &str) -> Vec<Self> {
        text.split_whitespace().map(Self::parse).collect()
    }

    /// Whether the scope is one of `openid profile email offline_access`.
    #[must_use]
    pub fn is_openid(&self) -> bool {
        self.resource.is_empty()
    }

    /// Whether the scope is the `.default` of its resource.
    #[must_use]
    pub fn is_default(&self) -> bool {
        self.name == ".default"
    }

    /// Whether such a resource exists.
    #[must_use]
    pub fn is_known_resource(&self) -> bool {
        self.is_openid() || [GRAPH, OUTLOOK, OUTLOOK_365].contains(&self.resource.as_str())
    }

    /// The scope with its resource in front.
    #[must_use]
    pub fn qualified(&self) -> String {
        if self.is_openid() {
            self.name.clone()
        } else {
            format!("{}/{}", self.resource, self.name)
        }
    }

    /// Whether a person may not consent to it under the Microsoft-managed policy, the default since
    /// November 2025 (facts, 2.4 and 3.1). `Mail.Send` and `SMTP.Send` are not on its list.
    #[must_use]
    pub fn is_kept_for_admins(&self) -> bool {
        let name = self.name.to_ascii_lowercase();
        let always_admin = ["application.", "directory.", "auditlog.", "policy."];
        let mail = [
            "mail.read",
            "mailboxsettings.",
            "calendars.",
            "ews.",
            "eas.",
        ];
        always_admin
            .iter()
            .chain(&mail)
            .any(|prefix| name.starts_with(prefix))
            || name.ends_with(".shared")
            || name == "imap.accessasuser.all"
            || name == "pop.accessasuser.all"
    }
}

/// How a token answer spells the scopes; all of these have been seen (facts, 2.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ScopeEcho {
    /// `Mail.Read` for Graph's, the resource in front for others.
    #[default]
    Shortened,
    /// `https://graph.microsoft.com/Mail.Read`.
    Qualified,
    /// `https://graph.microsoft.com/mail.read`.
    LowerCase,
    /// Shortened, and the one with this name is not among them: it was not granted.
    Without(&'static str),
}

impl ScopeEcho {
    /// The `scope` field of a token answer. `offline_access` is never echoed (facts, 2.6).
    #[must_use]
    pub fn write<'a>(self, scopes: impl IntoIterator<Item = &'a Scope>) -> String {
        scopes
            .into_iter()
            .filter(|scope| scope.name != "offline_access")
            .filter(|scope| !matches!(self, Self::Without(name) if scope.name == name))
            .map(|scope| match self {
                Self::Shortened | Self::Without(_) if scope.resource == GRAPH => scope.name.clone(),
                Self::Shortened | Self::Without(_) | Self::Qualified => scope.qualified(),
                Self::LowerCase => scope.qualified().to_lowercase(),
            })
            .collect::<Vec<_>>()
            .join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_without_a_resource_is_graphs_and_case_does_not_count() {
        assert_eq!(
            Scope::parse("mail.read"),
            Scope::parse("https://graph.microsoft.com/Mail.Read")
        );
        assert_ne!(
            Scope::parse("https://outlook.office.com/SMTP.Send"),
            Scope::parse("SMTP.Send")
        );
    }

    #[test]
    fn reading_mail_is_for_admins_to_approve_and_sending_is_not() {
        for (scope, admins) in [
            ("Mail.Read", true),
            ("Mail.ReadWrite", true),
            ("Mail.Read.Shared", true),
            ("https://outlook.office.com/IMAP.AccessAsUser.All", true),
            ("Mail.Send", false),
            ("https://outlook.office.com/SMTP.Send", false),
            ("offline_access", false),
            ("User.Read", false),
        ] {
            assert_eq!(Scope::parse(scope).is_kept_for_admins(), admins, "{scope}");
        }
    }
}
