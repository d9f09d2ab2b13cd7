//! What stands before others, and hands on what it is asked.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::{Request, Response};
use simulators::gate::Service;
use simulators::serve::serve_on;
use simulators::world::World;
use tokio::net::TcpListener;

use crate::mini_stack::MiniStack;

/// Answers all that is asked on this listener from now on.
pub fn serve_all<Answer>(
    listener: TcpListener,
    name: &'static str,
    world: &World,
    answer: impl FnOnce(Request<Bytes>) -> Answer + Clone + Send + Sync + 'static,
) where
    Answer: Future<Output = Response<Bytes>> + Send,
{
    let all = move |request: Request<Body>| async move {
        let (parts, body) = request.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
        let mut answer = answer(Request::from_parts(parts, body)).await;
        // They are of one connection.
        for hop in [CONTENT_LENGTH, TRANSFER_ENCODING] {
            answer.headers_mut().remove(hop);
        }
        answer.map(Body::from)
    };
    let service = Service {
        name,
        operation: |request| format!("{} {}", request.method(), request.uri().path()),
        router: Router::new().fallback(all),
        gate: Arc::clone(&world.gate),
        clock: Arc::clone(&world.clock),
    };
    serve_on(listener, service);
}

/// Asks the same there, in MiniStack or beside it.
pub async fn relay(mini_stack: &MiniStack, url: &str, request: Request<Bytes>) -> Response<Bytes> {
    let (mut parts, body) = request.into_parts();
    parts.uri = url.parse().expect("an address");
    for own in [HOST, CONTENT_LENGTH] {
        parts.headers.remove(own);
    }
    mini_stack.send(Request::from_parts(parts, body)).await
}
