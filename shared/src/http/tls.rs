//! TLS: the one module that names it. ring and the Web PKI's roots, because both are the quickest
//! to start (docs/decisions.md).

use std::str::FromStr;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::failure::{Failure, Kind};

/// Authorities that are trusted beside Mozilla's: of a gateway of one's own, or of a machine for tests.
#[derive(Debug, Clone, Default)]
pub struct ExtraRoots(Vec<CertificateDer<'static>>);

/// The text has no authority's certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("neither certificates of authorities in PEM form nor the path of a file with such")]
pub struct NoRoots;

/// In PEM form, or the path of a file that is: a Lambda layer's is below `/opt`.
impl FromStr for ExtraRoots {
    type Err = NoRoots;

    fn from_str(text: &str) -> Result<Self, NoRoots> {
        const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
        let read = match text.contains(BEGIN) {
            true => CertificateDer::pem_slice_iter(text.as_bytes()).collect(),
            false => CertificateDer::pem_file_iter(text.trim()).and_then(Iterator::collect),
        };
        let roots = Self(read.map_err(|_| NoRoots)?);
        match !roots.0.is_empty() && roots.store().is_some() {
            true => Ok(roots),
            false => Err(NoRoots),
        }
    }
}

impl ExtraRoots {
    /// With Mozilla's; `None` where one of these is no authority's.
    fn store(&self) -> Option<rustls::RootCertStore> {
        let mut store = rustls::RootCertStore {
            roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
        };
        for root in &self.0 {
            store.add(root.clone()).ok()?;
        }
        Some(store)
    }
}

/// A client configuration: TLS 1.2 and 1.3, server certificates checked against Mozilla's roots and these.
///
/// # Errors
/// [`Kind::Misconfigured`] when the provider has none of these versions.
pub fn config(extra_roots: &ExtraRoots) -> Result<rustls::ClientConfig, Failure> {
    let not_set_up = || Failure::new(Kind::Misconfigured, "setting up TLS");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|_| not_set_up())?
        .with_root_certificates(extra_roots.store().ok_or_else(not_set_up)?)
        .with_no_client_auth();
    Ok(config)
}
