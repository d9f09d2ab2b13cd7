//! An id token is taken only when every check of OpenID Connect Core 3.1.3.7 passes.

use data_encoding::BASE64URL_NOPAD;
use jiff::Timestamp;
use ring::hmac;
use ring::rand::SystemRandom;
use ring::rsa::PublicKeyComponents;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use serde_json::{Value, json};
use shared::cloud::{Cloud, MicrosoftSettings};
use shared::config::Reader;
use shared::entra::App;
use shared::entra::id_token::{Account, Issuer, account};
use shared::ids::DirectoryId;

const ENTRA: &[u8] = include_bytes!("../simulators/keys/entra.pk8");
const ANOTHER: &[u8] = include_bytes!("../simulators/keys/sts.pk8");
const TENANT: &str = "11111111-1111-4111-8111-111111111111";
const CLIENT: &str = "22222222-2222-4222-8222-222222222222";
const OWNER: &str = "33333333-3333-4333-8333-333333333333";
const ISSUER: &str = "https://login.microsoftonline.com/11111111-1111-4111-8111-111111111111/v2.0";
const NOW: i64 = 1_800_000_000;

fn claims() -> Value {
    json!({
        "iss": ISSUER, "aud": CLIENT, "oid": OWNER, "tid": TENANT, "nonce": "n-1",
        "preferred_username": "orders@shop.example",
        "iat": NOW, "nbf": NOW, "exp": NOW + 3600,
    })
}

fn part(value: &Value) -> String {
    BASE64URL_NOPAD.encode(value.to_string().as_bytes())
}

fn signed(key: &[u8], header: &Value, claims: &Value) -> String {
    let message = format!("{}.{}", part(header), part(claims));
    let key = RsaKeyPair::from_pkcs8(key).unwrap();
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(
        &RSA_PKCS1_SHA256,
        &SystemRandom::new(),
        message.as_bytes(),
        &mut signature,
    )
    .unwrap();
    format!("{message}.{}", BASE64URL_NOPAD.encode(&signature))
}

fn modulus(key: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let key = RsaKeyPair::from_pkcs8(key).unwrap();
    let public: PublicKeyComponents<Vec<u8>> = key.public().into();
    (public.n, public.e)
}

fn check(token: &str) -> Result<String, &'static str> {
    checked(token).map(|account| account.oid.to_string())
}

fn checked(token: &str) -> Result<Account, &'static str> {
    let (n, e) = modulus(ENTRA);
    let keys = json!({"keys": [{
        "kty": "RSA", "use": "sig", "kid": "k-1",
        "n": BASE64URL_NOPAD.encode(&n), "e": BASE64URL_NOPAD.encode(&e),
    }]});
    let issuer = Issuer {
        name: ISSUER.to_owned(),
        keys: serde_json::from_value(keys).unwrap(),
    };
    let app = App {
        endpoints: MicrosoftSettings::read(&mut Reader::new(|_| None)).endpoints(Cloud::Global),
        tenant: DirectoryId::read(TENANT).unwrap(),
        client_id: DirectoryId::read(CLIENT).unwrap(),
    };
    let now = Timestamp::from_second(NOW + 10).unwrap();
    let nonce = "n-1".to_owned().into();
    account(&token.to_owned().into(), &issuer, &app, &nonce, now)
}

#[test]
fn a_good_token_says_whose_it_is() {
    let header = json!({"alg": "RS256", "typ": "JWT", "kid": "k-1"});
    assert_eq!(
        check(&signed(ENTRA, &header, &claims())),
        Ok(OWNER.to_owned())
    );
}

#[test]
fn a_token_with_any_claim_wrong_is_refused() {
    let header = json!({"alg": "RS256", "typ": "JWT", "kid": "k-1"});
    for (claim, wrong) in [
        (
            "iss",
            json!("https://login.microsoftonline.com/common/v2.0"),
        ),
        ("iss", Value::Null),
        ("aud", json!("44444444-4444-4444-8444-444444444444")),
        ("aud", Value::Null),
        (
            "aud",
            json!([CLIENT, "44444444-4444-4444-8444-444444444444"]),
        ),
        ("azp", json!("44444444-4444-4444-8444-444444444444")),
        ("nonce", json!("n-2")),
        ("nonce", Value::Null),
        ("exp", json!(NOW - 600)),
        ("exp", Value::Null),
        ("exp", json!("soon")),
        ("exp", json!(i64::MAX)),
        ("nbf", json!(i64::MIN)),
        ("nbf", json!(253_402_207_200_i64)),
        ("nbf", json!(NOW + 3000)),
        ("oid", json!("orders@shop.example")),
        ("oid", Value::Null),
        ("tid", Value::Null),
    ] {
        let mut altered = claims();
        altered[claim] = wrong.clone();
        let refused = check(&signed(ENTRA, &header, &altered));
        assert!(refused.is_err(), "{claim} = {wrong}: {refused:?}");
    }
}

#[test]
fn a_token_of_another_tenant_is_told_as_that_tenants_and_none_passes_for_ours() {
    const OTHER: &str = "55555555-5555-4555-8555-555555555555";
    let header = json!({"alg": "RS256", "typ": "JWT", "kid": "k-1"});
    let mut theirs = claims();
    theirs["iss"] = json!(ISSUER.replace(TENANT, OTHER));
    assert!(check(&signed(ENTRA, &header, &theirs)).is_err(), "our tid");
    theirs["tid"] = json!(OTHER);
    assert_eq!(
        checked(&signed(ENTRA, &header, &theirs))
            .unwrap()
            .tid
            .as_str(),
        OTHER
    );
    theirs["tid"] = Value::Null;
    assert!(check(&signed(ENTRA, &header, &theirs)).is_err());
}

#[test]
fn a_token_that_entra_did_not_sign_is_refused() {
    let header = |alg: &str, kid: &str| json!({"alg": alg, "typ": "JWT", "kid": kid});
    let good = signed(ENTRA, &header("RS256", "k-1"), &claims());
    let (message, signature) = good.rsplit_once('.').unwrap();
    // HS256 with the public key as its secret: the classic confusion.
    let (n, _) = modulus(ENTRA);
    let confused = format!("{}.{}", part(&header("HS256", "k-1")), part(&claims()));
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &n), confused.as_bytes());
    for (what, token) in [
        (
            "another key",
            signed(ANOTHER, &header("RS256", "k-1"), &claims()),
        ),
        (
            "another key's id",
            signed(ENTRA, &header("RS256", "k-2"), &claims()),
        ),
        (
            "no key id",
            signed(ENTRA, &json!({"alg": "RS256"}), &claims()),
        ),
        (
            "another algorithm",
            signed(ENTRA, &header("RS384", "k-1"), &claims()),
        ),
        (
            "no algorithm",
            format!("{}.{}.", part(&header("none", "k-1")), part(&claims())),
        ),
        (
            "HS256",
            format!("{confused}.{}", BASE64URL_NOPAD.encode(tag.as_ref())),
        ),
        ("no signature", format!("{message}.")),
        ("cut", good.chars().take(good.len() - 4).collect()),
        ("two signatures", format!("{good}.{signature}")),
        ("nothing", String::new()),
    ] {
        assert!(check(&token).is_err(), "{what}");
    }
}
