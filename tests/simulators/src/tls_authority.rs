//! A certificate authority of this machine's own, as a company has one: what the simulated servers that speak TLS
//! show certificates of, and what a client is told to trust (`TLS_EXTRA_ROOTS`).

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, date_time_ymd,
};
use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use uuid::Uuid;

/// An authority. Each has a key and a name of its own, so what one certifies is nothing to who trusts another.
pub struct TlsAuthority {
    root: CertifiedIssuer<'static, KeyPair>,
}

/// A server's certificate with its key.
#[derive(Debug)]
pub struct ServerIdentity {
    certificate: CertificateDer<'static>,
    certificate_pem: String,
    key: PrivatePkcs8KeyDer<'static>,
    key_pem: String,
}

impl std::fmt::Debug for TlsAuthority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TlsAuthority").finish_non_exhaustive()
    }
}

impl Default for TlsAuthority {
    fn default() -> Self {
        Self::new()
    }
}

#[expect(
    clippy::expect_used,
    reason = "nothing here depends on a test but the names, and a wrong one ends the test"
)]
impl TlsAuthority {
    /// A new authority.
    #[must_use]
    pub fn new() -> Self {
        let mut root = CertificateParams::default();
        root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        root.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let name = format!("Simulated authority {}", Uuid::new_v4());
        root.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().expect("a key");
        let root = CertifiedIssuer::self_signed(root, key).expect("a root certificate");
        Self { root }
    }

    /// Its root certificate.
    #[must_use]
    pub fn pem(&self) -> String {
        self.root.pem()
    }

    /// The configuration of a client within this process that trusts it alone.
    #[must_use]
    pub fn client_config(&self) -> Arc<rustls::ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.root.der().clone()).expect("its own root");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("TLS 1.2 and 1.3")
            .with_root_certificates(roots)
            .with_no_client_auth();
        Arc::new(config)
    }

    /// A server of these names: of hosts, or IP addresses.
    #[must_use]
    pub fn server(&self, names: &[&str]) -> ServerIdentity {
        self.certify(server_of(names))
    }

    /// A server of these names whose certificate ended years ago.
    #[must_use]
    pub fn expired_server(&self, names: &[&str]) -> ServerIdentity {
        let mut server = server_of(names);
        server.not_after = date_time_ymd(2020, 1, 1);
        self.certify(server)
    }

    fn certify(&self, mut server: CertificateParams) -> ServerIdentity {
        server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        server.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate().expect("a key");
        let certificate = server.signed_by(&key, &self.root).expect("a certificate");
        ServerIdentity {
            certificate_pem: certificate.pem(),
            certificate: certificate.into(),
            key: key.serialize_der().into(),
            key_pem: key.serialize_pem(),
        }
    }
}

#[expect(clippy::expect_used, reason = "a wrong name ends the test")]
fn server_of(names: &[&str]) -> CertificateParams {
    let owned: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    CertificateParams::new(owned).expect("names of hosts")
}

impl ServerIdentity {
    /// Its certificate, for a server that is another program.
    #[must_use]
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// Its key, for a server that is another program.
    #[must_use]
    pub fn key_pem(&self) -> &str {
        &self.key_pem
    }

    /// The configuration of a server within this process.
    #[must_use]
    #[expect(
        clippy::expect_used,
        reason = "ring has all that rustls asks for by default, and knows its own keys"
    )]
    pub fn rustls_config(&self) -> Arc<rustls::ServerConfig> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let key = PrivateKeyDer::Pkcs8(self.key.clone_key());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("TLS 1.2 and 1.3")
            .with_no_client_auth()
            .with_single_cert(vec![self.certificate.clone()], key)
            .expect("a certificate with its key");
        Arc::new(config)
    }
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::ServerName;
    use rustls::{CertificateError, Error};
    use tokio_rustls::{TlsAcceptor, TlsConnector};

    use super::*;

    /// What somebody who trusts `authority` alone makes of this server, which they call `name`.
    async fn met(
        authority: &TlsAuthority,
        server: &ServerIdentity,
        name: &str,
    ) -> Result<(), Error> {
        let (here, there) = tokio::io::duplex(16 * 1024);
        let accepts = TlsAcceptor::from(server.rustls_config()).accept(there);
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let client = TlsConnector::from(authority.client_config());
        let (_, met) = tokio::join!(accepts, client.connect(name, here));
        met.map(|_| ())
            .map_err(|error| error.downcast::<Error>().unwrap())
    }

    #[tokio::test]
    async fn a_server_is_trusted_by_each_of_its_names_and_by_no_other() {
        let authority = TlsAuthority::new();
        let server = authority.server(&["imap.example", "127.0.0.1"]);
        assert_eq!(met(&authority, &server, "imap.example").await, Ok(()));
        assert_eq!(met(&authority, &server, "127.0.0.1").await, Ok(()));
        let other = met(&authority, &server, "smtp.example").await.unwrap_err();
        assert!(
            matches!(
                other,
                Error::InvalidCertificate(CertificateError::NotValidForNameContext { .. })
            ),
            "{other:?}"
        );
    }

    #[tokio::test]
    async fn neither_an_expired_server_is_trusted_nor_one_of_another_authority() {
        let authority = TlsAuthority::new();
        let expired = authority.expired_server(&["imap.example"]);
        let expired = met(&authority, &expired, "imap.example").await.unwrap_err();
        assert!(
            matches!(
                expired,
                Error::InvalidCertificate(CertificateError::ExpiredContext { .. })
            ),
            "{expired:?}"
        );
        let foreign = TlsAuthority::new().server(&["imap.example"]);
        assert_eq!(
            met(&authority, &foreign, "imap.example").await,
            Err(Error::InvalidCertificate(CertificateError::UnknownIssuer))
        );
    }
}
