//! Serves a simulated service on a loopback port of the system's choice.

use std::net::{Ipv4Addr, SocketAddr};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::header::CONTENT_LENGTH;
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpSocket};
use tokio::task::{AbortHandle, JoinSet};

use crate::gate::{Dropped, Service};

/// Which of a service's connections a request came over.
#[derive(Debug, Clone, Copy)]
pub struct ConnectionNumber(pub u64);

/// A loopback port of the system's choice, to be told to others before it is served.
///
/// # Errors
/// When none can be had.
pub async fn bind() -> std::io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// A port of this machine for a program that cannot be given one, and that nobody else is given while the socket is
/// kept: of sockets with SO_REUSEADDR, as Go's and Dovecot's listeners have it, many may be bound to an address while
/// none but one listens (socket(7)).
///
/// # Errors
/// When none can be had.
pub fn reserve(host: Ipv4Addr) -> std::io::Result<(TcpSocket, SocketAddr)> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind((host, 0).into())?;
    let address = socket.local_addr()?;
    Ok((socket, address))
}

/// Serves `service` on `listener` until the runtime ends or the task is aborted; its connections end with it.
pub fn serve_on(listener: TcpListener, service: Service) -> AbortHandle {
    tokio::spawn(accept(listener, service)).abort_handle()
}

/// Serves `service` until the runtime ends, and returns its address.
///
/// # Errors
/// When no loopback port can be had.
pub async fn serve(service: Service) -> std::io::Result<SocketAddr> {
    let (listener, address) = bind().await?;
    serve_on(listener, service);
    Ok(address)
}

async fn accept(listener: TcpListener, service: Service) {
    let mut connections = JoinSet::new();
    let mut number = 0;
    while let Ok((stream, _)) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        let service = service.clone();
        number += 1;
        connections.spawn(async move {
            let handle = service_fn(move |mut request: Request<Incoming>| {
                request.extensions_mut().insert(ConnectionNumber(number));
                answer(service.clone(), request)
            });
            // A dropped connection is what the faults are for.
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), handle)
                .await;
        });
    }
}

type Answer = UnsyncBoxBody<Bytes, Dropped>;

async fn answer(service: Service, request: Request<Incoming>) -> Result<Response<Answer>, Dropped> {
    let (parts, sent) = request.into_parts();
    let whole = sent.collect().await.map_err(|_| Dropped)?.to_bytes();
    let response = service.call(Request::from_parts(parts, whole)).await?;
    Ok(body(response))
}

/// A body that is shorter than what its headers promise goes out, and then the connection ends.
fn body(response: Response<Bytes>) -> Response<Answer> {
    let promised = response.headers().contains_key(CONTENT_LENGTH);
    response.map(|bytes| {
        if !promised {
            return Full::new(bytes)
                .map_err(|never| match never {})
                .boxed_unsync();
        }
        let cut = stream::once(async {
            // What is there is sent before the end comes.
            tokio::task::yield_now().await;
            Err(Dropped)
        });
        let all = stream::iter([Ok(Frame::data(bytes))]).chain(cut);
        StreamBody::new(all).boxed_unsync()
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use axum::Router;
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::*;
    use crate::clock::Clock;
    use crate::gate::{Fault, Gate};

    #[tokio::test]
    async fn an_answer_that_is_cut_off_comes_in_half_and_then_the_connection_ends() {
        let gate = Arc::new(Gate::default());
        let address = serve(Service {
            name: "test",
            operation: |_| "GET".to_owned(),
            router: Router::new().route("/", get(|| async { "0123456789" })),
            gate: Arc::clone(&gate),
            clock: Arc::new(Clock::starting_at(jiff::Timestamp::UNIX_EPOCH)),
        })
        .await
        .unwrap();
        gate.fail_next("test", "*", Fault::CutOff);
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = b"GET / HTTP/1.1\r\nHost: test\r\n\r\n";
        stream.write_all(request).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.contains("content-length: 10\r\n"), "{answer}");
        assert!(answer.ends_with("\r\n\r\n01234"), "{answer}");
    }
}
