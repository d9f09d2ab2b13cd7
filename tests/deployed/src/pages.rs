//! The address at which people reach the sign-in pages: an HTTP API's own is a name of a DNS that is not there.

use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::State as Shared;
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, COOKIE, HOST, TRANSFER_ENCODING};
use http::{Request, Response};
use simulators::aws::api_gateway::ApiGateway;
use simulators::aws::lambda::Functions;
use simulators::gate::Service;
use simulators::serve::serve_on;
use simulators::world::World;
use tokio::net::TcpListener;

use crate::lambda::Deployed;
use crate::mini_stack::MiniStack;
use crate::stacks::SYSTEM;

/// What answers there.
pub(crate) struct Pages {
    mini_stack: Arc<MiniStack>,
    /// MiniStack's HTTP API, once there is one.
    api: OnceLock<String>,
    /// MiniStack leaves a request's cookies out of payload 2.0, where they have a field of their own ("Format 2.0
    /// includes a new cookies field", API Gateway guide): a request with cookies goes by the simulated HTTP API, to the
    /// same function.
    with_cookies: Service,
}

impl Pages {
    /// Answers on this listener from now on.
    pub(crate) fn serve(
        listener: TcpListener,
        mini_stack: &Arc<MiniStack>,
        functions: &Arc<Deployed>,
        world: &World,
    ) -> Arc<Self> {
        let functions = Arc::clone(functions) as Arc<dyn Functions>;
        let name = format!("{SYSTEM}-oauth-callback");
        let (gate, clock) = (Arc::clone(&world.gate), Arc::clone(&world.clock));
        let simulated = ApiGateway::new(functions, &name, Arc::clone(&clock));
        let simulated = simulated.expect("the template's API");
        let pages = Arc::new(Self {
            mini_stack: Arc::clone(mini_stack),
            api: OnceLock::new(),
            with_cookies: simulated.service(Arc::clone(&gate)),
        });
        let router = Router::new().fallback(answer);
        let service = Service {
            name: "pages",
            operation: |request| format!("{} {}", request.method(), request.uri().path()),
            router: router.with_state(Arc::clone(&pages)),
            gate,
            clock,
        };
        serve_on(listener, service);
        pages
    }

    /// From now on they are those of this HTTP API.
    pub(crate) fn lead_to(&self, api: &str) {
        self.api.set(api.to_owned()).expect("one API");
    }

    async fn through_mini_stack(&self, request: Request<Bytes>) -> Response<Bytes> {
        let api = self.api.get().expect("a deployed API");
        let (mut parts, body) = request.into_parts();
        let asked = parts
            .uri
            .path_and_query()
            .map_or("/", |asked| asked.as_str());
        let url = format!(
            "{}/_aws/execute-api/{api}/$default{asked}",
            self.mini_stack.url
        );
        parts.uri = url.parse().expect("an address");
        parts.headers.remove(HOST);
        self.mini_stack.send(Request::from_parts(parts, body)).await
    }
}

async fn answer(Shared(pages): Shared<Arc<Pages>>, request: Request<Body>) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
    let request = Request::from_parts(parts, body);
    let mut answer = match request.headers().contains_key(COOKIE) {
        true => pages.with_cookies.call(request).await.expect("no fault"),
        false => pages.through_mini_stack(request).await,
    };
    for hop in [CONTENT_LENGTH, TRANSFER_ENCODING] {
        answer.headers_mut().remove(hop);
    }
    answer.map(Body::from)
}
