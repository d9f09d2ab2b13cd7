//! The routes of the HTTP API, each once: dispatch, the links on the pages and the check of `template.yaml` go by
//! this list. It needs nothing else of this crate.

/// A method and a path that something answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// The first page of a hand-over.
    Start,
    /// From a link to Microsoft's sign-in.
    Authorize,
    /// The redirect URI: the way back from it.
    Callback,
    /// The page that a hand-over is at.
    Attestation,
    /// Shows the new client secret.
    Reveal,
    /// The address of the page that came of it, opened by itself.
    ReopenedReveal,
    /// Records what a person says that ShopCtrl shows.
    Attest,
    /// The address of the page that came of it, opened by itself.
    ReopenedAttest,
    /// The dates of a finished hand-over as a file.
    Calendar,
    /// Has a new link sent in place of an expired one.
    Ticket,
}

impl Route {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Start,
        Self::Authorize,
        Self::Callback,
        Self::Attestation,
        Self::Reveal,
        Self::ReopenedReveal,
        Self::Attest,
        Self::ReopenedAttest,
        Self::Calendar,
        Self::Ticket,
    ];

    /// The route of a request.
    #[must_use]
    pub fn of(method: &str, path: &str) -> Option<Self> {
        let mut all = Self::ALL.into_iter();
        all.find(|route| route.method() == method && route.path() == path)
    }

    /// Its method, in capitals.
    #[must_use]
    pub const fn method(self) -> &'static str {
        match self {
            Self::Start
            | Self::Authorize
            | Self::Callback
            | Self::Attestation
            | Self::ReopenedReveal
            | Self::ReopenedAttest
            | Self::Calendar => "GET",
            Self::Reveal | Self::Attest | Self::Ticket => "POST",
        }
    }

    /// Its path, behind the address at which people reach us.
    #[must_use]
    pub const fn path(self) -> &'static str {
        match self {
            Self::Start => "/start",
            Self::Authorize => "/authorize",
            Self::Callback => "/callback",
            Self::Attestation => "/handover",
            Self::Reveal | Self::ReopenedReveal => "/reveal",
            Self::Attest | Self::ReopenedAttest => "/attest",
            Self::Calendar => "/calendar",
            Self::Ticket => "/ticket",
        }
    }

    /// Its address on our own pages: relative, because a gateway may serve them below a path of its own.
    #[must_use]
    pub fn href(self) -> &'static str {
        self.path().trim_start_matches('/')
    }

    /// The same with a link's ticket, which is a JWT and needs no encoding.
    #[must_use]
    pub fn href_with_ticket(self, ticket: &str) -> String {
        format!("{}?ticket={ticket}", self.href())
    }

    /// Its `RouteKey` in API Gateway.
    #[must_use]
    pub fn key(self) -> String {
        format!("{} {}", self.method(), self.path())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn template_yaml_has_these_routes_and_no_other() {
        let template = include_str!("../../../template.yaml");
        let keys = template
            .lines()
            .filter_map(|line| line.trim().strip_prefix("RouteKey: "));
        let keys: BTreeSet<String> = keys.map(str::to_owned).collect();
        assert_eq!(keys, Route::ALL.into_iter().map(Route::key).collect());
    }

    #[test]
    fn each_route_is_found_by_its_own_method_and_path() {
        for route in Route::ALL {
            assert_eq!(Route::of(route.method(), route.path()), Some(route));
        }
        assert_eq!(Route::of("HEAD", "/start"), None);
        assert_eq!(Route::of("GET", "/start/"), None);
    }
}
