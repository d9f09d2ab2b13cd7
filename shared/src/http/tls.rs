//! TLS: the one module that names it. ring and the Web PKI's roots, because both are the quickest
//! to start (docs/decisions.md).

use std::sync::Arc;

use crate::failure::{Failure, Kind};

/// A client configuration: TLS 1.2 and 1.3, server certificates checked against Mozilla's roots.
///
/// # Errors
/// [`Kind::Misconfigured`] when the provider has none of these versions.
pub fn config() -> Result<rustls::ClientConfig, Failure> {
    let roots = rustls::RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|_| Failure::new(Kind::Misconfigured, "setting up TLS"))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}
