//! Serves a simulated service on a loopback port of the system's choice.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use crate::gate::{Dropped, Service};

/// A loopback port of the system's choice, to be told to others before it is served.
///
/// # Errors
/// When none can be had.
pub async fn bind() -> std::io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// Serves `service` on `listener` until the runtime ends.
pub fn serve_on(listener: TcpListener, service: Service) {
    tokio::spawn(accept(listener, service));
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
    while let Ok((stream, _)) = listener.accept().await {
        let service = service.clone();
        tokio::spawn(async move {
            let handle = service_fn(move |request| answer(service.clone(), request));
            // A dropped connection is what the faults are for.
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), handle)
                .await;
        });
    }
}

async fn answer(
    service: Service,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Dropped> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| Dropped)?.to_bytes();
    let response = service.call(Request::from_parts(parts, body)).await?;
    Ok(response.map(Full::new))
}
