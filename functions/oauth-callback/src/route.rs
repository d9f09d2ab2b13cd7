//! The routes, each once: dispatch and the links on the pages go by this list. It needs nothing else of this crate.
//! API Gateway hands all requests on: what is no route has a page of ours too.

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
    /// Has a new link sent in place of one that does not work any more.
    Ticket,
    /// How a sign-in or a request for a link ended.
    Ended,
}

/// Why a request has no route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoRoute {
    /// Nothing has this path.
    Path,
    /// The path has these methods only.
    Method {
        /// As `Allow` lists them (RFC 9110, 10.2.1).
        allow: String,
    },
}

impl Route {
    /// All of them.
    pub const ALL: [Self; 11] = [
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
        Self::Ended,
    ];

    /// The route of a request. HEAD is GET without a body (RFC 9110, 9.3.2).
    ///
    /// # Errors
    /// [`NoRoute`].
    pub fn of(method: &str, path: &str) -> Result<Self, NoRoute> {
        let method = if method == "HEAD" { "GET" } else { method };
        let at_path = || Self::ALL.into_iter().filter(|route| route.path() == path);
        if let Some(route) = at_path().find(|route| route.method() == method) {
            return Ok(route);
        }
        let methods = at_path().map(|route| match route.method() {
            "GET" => "GET, HEAD",
            other => other,
        });
        let allow = methods.collect::<Vec<_>>().join(", ");
        Err(match allow.is_empty() {
            true => NoRoute::Path,
            false => NoRoute::Method { allow },
        })
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
            | Self::Calendar
            | Self::Ended => "GET",
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
            Self::Ended => "/ended",
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
    use super::*;

    #[test]
    fn each_route_is_found_by_its_own_method_and_path() {
        for route in Route::ALL {
            assert_eq!(Route::of(route.method(), route.path()), Ok(route));
        }
        assert_eq!(Route::of("HEAD", "/start"), Ok(Route::Start));
        assert_eq!(Route::of("GET", "/start/"), Err(NoRoute::Path));
    }

    #[test]
    fn a_wrong_method_is_told_which_are_right() {
        for (method, path, allow) in [
            ("POST", "/start", "GET, HEAD"),
            ("HEAD", "/ticket", "POST"),
            ("OPTIONS", "/reveal", "POST, GET, HEAD"),
        ] {
            let allow = allow.to_owned();
            assert_eq!(Route::of(method, path), Err(NoRoute::Method { allow }));
        }
    }
}
