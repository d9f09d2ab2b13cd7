//! One Secrets Manager before two: that of the home region is the simulated one, which rotates, and takes over what
//! CloudFormation makes in MiniStack's; other regions have MiniStack's.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::State as Shared;
use bytes::Bytes;
use deployed::{Beside, MiniStack};
use http::header::{AUTHORIZATION, CONTENT_LENGTH, HOST};
use http::{Request, Response};
use serde_json::json;
use simulators::aws::account::REGION;
use simulators::gate::Service;
use simulators::serve::serve;

struct Front {
    beside: Arc<Beside>,
    mini_stack: Arc<MiniStack>,
}

/// Serves it, and says where it is.
pub async fn serve_front(beside: &Arc<Beside>, mini_stack: &Arc<MiniStack>) -> String {
    let front = Front {
        beside: Arc::clone(beside),
        mini_stack: Arc::clone(mini_stack),
    };
    let router = Router::new().fallback(answer).with_state(Arc::new(front));
    let world = &beside.world;
    let address = serve(Service {
        name: "front",
        operation: |_| "any".to_owned(),
        router,
        gate: Arc::clone(&world.gate),
        clock: Arc::clone(&world.clock),
    });
    format!("http://{}", address.await.unwrap())
}

impl Front {
    /// As CloudFormation would have made them here.
    async fn take_over(&self) {
        let all = self
            .mini_stack
            .call("secretsmanager.ListSecrets", &json!({}))
            .await;
        let names = all["SecretList"].as_array().into_iter().flatten();
        for name in names.filter_map(|secret| secret["Name"].as_str()) {
            if self.beside.world.secrets_manager.snapshot(name).is_none() {
                self.beside.take_over(name).await;
            }
        }
    }
}

async fn answer(Shared(front): Shared<Arc<Front>>, request: Request<Body>) -> Response<Body> {
    let (mut parts, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
    let signed = parts
        .headers
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    let is_home = signed.is_some_and(|scope| scope.contains(&format!("/{REGION}/")));
    let url = if is_home {
        front.take_over().await;
        front.beside.secrets_manager_url()
    } else {
        front.mini_stack.url.clone()
    };
    parts.uri = format!("{url}/").parse().unwrap();
    parts.headers.remove(HOST);
    parts.headers.remove(CONTENT_LENGTH);
    let answer: Response<Bytes> = front
        .mini_stack
        .send(Request::from_parts(parts, body))
        .await;
    answer.map(Body::from)
}
