//! The key that signs id tokens: RS256, one key, its `kid` in the header.

use data_encoding::BASE64URL_NOPAD;
use ring::rand::SystemRandom;
use ring::signature::{KeyPair, RSA_PKCS1_SHA256, RsaKeyPair, RsaPublicKeyComponents};
use serde_json::{Value, json};

/// `kid` of the one key.
const KEY_ID: &str = "simulated-entra-1";

/// The key of the authority.
pub(crate) struct SigningKey {
    pair: RsaKeyPair,
}

impl SigningKey {
    /// The key that lies beside this crate. It protects nothing.
    #[expect(
        clippy::expect_used,
        reason = "the key is compiled in, and every test of the directory loads it"
    )]
    pub(crate) fn of_the_simulator() -> Self {
        let pair = RsaKeyPair::from_pkcs8(include_bytes!("../../../keys/entra.pk8"))
            .expect("keys/entra.pk8 is an RSA key in PKCS#8");
        Self { pair }
    }

    /// A JWT with these claims; none if the machine has no randomness.
    pub(crate) fn sign(&self, claims: &Value) -> Option<String> {
        let header = json!({"typ": "JWT", "alg": "RS256", "kid": KEY_ID});
        let signed = format!(
            "{}.{}",
            BASE64URL_NOPAD.encode(header.to_string().as_bytes()),
            BASE64URL_NOPAD.encode(claims.to_string().as_bytes())
        );
        let mut signature = vec![0; self.pair.public().modulus_len()];
        self.pair
            .sign(
                &RSA_PKCS1_SHA256,
                &SystemRandom::new(),
                signed.as_bytes(),
                &mut signature,
            )
            .ok()?;
        Some(format!("{signed}.{}", BASE64URL_NOPAD.encode(&signature)))
    }

    /// The JSON Web Key Set that `discovery/v2.0/keys` shows.
    pub(crate) fn key_set(&self) -> Value {
        let public = RsaPublicKeyComponents::<Vec<u8>>::from(self.pair.public_key());
        json!({"keys": [{
            "kty": "RSA", "use": "sig", "kid": KEY_ID, "alg": "RS256",
            "n": BASE64URL_NOPAD.encode(&public.n),
            "e": BASE64URL_NOPAD.encode(&public.e),
        }]})
    }
}
