//! The address at which people reach the sign-in pages: an HTTP API's own is a name of a DNS that is not there.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use http::header::COOKIE;
use http::{Request, Response};
use simulators::aws::api_gateway::ApiGateway;
use simulators::aws::lambda::Functions;
use simulators::gate::Service;
use simulators::world::World;
use tokio::net::TcpListener;

use crate::lambda::Deployed;
use crate::mini_stack::MiniStack;
use crate::relay::{relay, serve_all};
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
        let simulated = ApiGateway::new(functions, &name, Arc::clone(&world.clock));
        let simulated = simulated.expect("the template's API");
        let pages = Arc::new(Self {
            mini_stack: Arc::clone(mini_stack),
            api: OnceLock::new(),
            with_cookies: simulated.service(Arc::clone(&world.gate)),
        });
        let answering = Arc::clone(&pages);
        serve_all(listener, "pages", world, |request| async move {
            answering.answer(request).await
        });
        pages
    }

    /// From now on they are those of this HTTP API.
    pub(crate) fn lead_to(&self, api: &str) {
        self.api.set(api.to_owned()).expect("one API");
    }

    async fn answer(&self, request: Request<Bytes>) -> Response<Bytes> {
        if request.headers().contains_key(COOKIE) {
            return self.with_cookies.call(request).await.expect("no fault");
        }
        let (api, mini_stack) = (self.api.get().expect("a deployed API"), &self.mini_stack);
        let asked = request.uri().path_and_query();
        let asked = asked.map_or("/", |asked| asked.as_str());
        let url = format!("{}/_aws/execute-api/{api}/$default{asked}", mini_stack.url);
        relay(mini_stack, &url, request).await
    }
}
