//! AWS STS: `GetWebIdentityToken`, the outbound identity that a function shows to Entra.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::Body;
use axum::extract::State as Shared;
use axum::response::Json;
use axum::routing::{get, post};
use bytes::Bytes;
use data_encoding::BASE64URL_NOPAD;
use http::{HeaderMap, Request, Response, StatusCode};
use jiff::{SignedDuration, Timestamp};
use ring::rand::SystemRandom;
use ring::signature::{KeyPair, RSA_PKCS1_SHA256, RsaKeyPair, RsaPublicKeyComponents};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::aws::account::{ACCOUNT_ID, REGION, access_key_id, is_signed};
use crate::clock::Clock;
use crate::gate::{Gate, Service};
use crate::ids::Ids;

const NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";
const KEY_ID: &str = "simulated-1";
/// A key for the simulated world only; nothing outside trusts it.
const KEY: &[u8] = include_bytes!("../../keys/sts.pk8");

/// Whose token it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// `sub`: the role's ARN, not that of the assumed-role session.
    pub role_arn: String,
    /// `lambda_source_function_arn`, when the caller is a function.
    pub function_arn: Option<String>,
    /// When the caller's session ends; a token may not outlive it.
    pub session_ends: Option<Timestamp>,
}

/// The account's token service.
#[derive(Debug)]
pub struct Sts {
    clock: Arc<Clock>,
    ids: Ids,
    issuer: String,
    key: RsaKeyPair,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    enabled: bool,
    default_principal: Principal,
    principals: HashMap<String, Principal>,
}

struct StsError {
    status: StatusCode,
    code: &'static str,
    message: String,
}

impl Sts {
    /// The service of an account that has outbound federation switched on. Everybody is the role
    /// `rotation` until [`Sts::set_default_principal`] or [`Sts::set_principal`] says otherwise.
    ///
    /// # Errors
    /// When the key in the crate is not one.
    pub fn new(clock: Arc<Clock>, seed: u64) -> Result<Arc<Self>, ring::error::KeyRejected> {
        let ids = Ids::seeded(seed);
        let issuer = format!("https://{}.tokens.sts.global.api.aws", ids.uuid());
        Ok(Arc::new(Self {
            clock,
            ids,
            issuer,
            key: RsaKeyPair::from_pkcs8(KEY)?,
            state: Mutex::new(State {
                enabled: true,
                default_principal: Principal {
                    role_arn: format!("arn:aws:iam::{ACCOUNT_ID}:role/rotation"),
                    function_arn: None,
                    session_ends: None,
                },
                principals: HashMap::new(),
            }),
        }))
    }

    /// The HTTP API with the discovery documents, `sts` in the journal.
    #[must_use]
    pub fn service(self: &Arc<Self>, gate: Arc<Gate>) -> Service {
        Service {
            name: "sts",
            operation,
            router: Router::new()
                .route("/", post(handle))
                .route("/.well-known/openid-configuration", get(discovery))
                .route("/.well-known/jwks.json", get(jwks))
                .with_state(Arc::clone(self)),
            gate,
            clock: Arc::clone(&self.clock),
        }
    }

    /// `iss` of the tokens: the account's own URL, without a slash at its end.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The public key with which tokens are verified.
    #[must_use]
    pub fn public_key(&self) -> RsaPublicKeyComponents<Vec<u8>> {
        RsaPublicKeyComponents::from(self.key.public_key())
    }

    /// The public key as a JSON Web Key Set.
    #[must_use]
    pub fn jwks(&self) -> Value {
        let key = self.public_key();
        json!({"keys": [{
            "kty": "RSA",
            "use": "sig",
            "alg": "RS256",
            "kid": KEY_ID,
            "n": BASE64URL_NOPAD.encode(&key.n),
            "e": BASE64URL_NOPAD.encode(&key.e),
        }]})
    }

    /// Switches outbound federation on or off.
    pub fn enable(&self, enabled: bool) {
        self.state().enabled = enabled;
    }

    /// Who signs with this access key id.
    pub fn set_principal(&self, access_key_id: &str, principal: Principal) {
        self.state()
            .principals
            .insert(access_key_id.to_owned(), principal);
    }

    /// Who everybody else is.
    pub fn set_default_principal(&self, principal: Principal) {
        self.state().default_principal = principal;
    }

    /// A token as the API gives it, for tests of who takes it.
    ///
    /// # Errors
    /// When it cannot be signed.
    pub fn token(
        &self,
        principal: &Principal,
        audience: &str,
        lifetime: SignedDuration,
    ) -> Result<String, ring::error::Unspecified> {
        let request = TokenRequest {
            audiences: vec![audience.to_owned()],
            lifetime,
            tags: BTreeMap::new(),
        };
        self.sign(&self.claims(principal, &request))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn get_web_identity_token(&self, headers: &HeaderMap, form: &Form) -> Result<String, StsError> {
        let principal = {
            let state = self.state();
            if !state.enabled {
                return Err(StsError::forbidden(
                    "OutboundWebIdentityFederationDisabledException",
                    "Outbound web identity federation is not enabled for this account.",
                ));
            }
            let known = access_key_id(headers).and_then(|id| state.principals.get(id));
            known.unwrap_or(&state.default_principal).clone()
        };
        let request = TokenRequest::read(form)?;
        let expires = self.clock.now() + request.lifetime;
        if principal.session_ends.is_some_and(|ends| ends < expires) {
            return Err(StsError::forbidden(
                "SessionDurationEscalationException",
                "The requested token duration would extend the session beyond its original expiration time.",
            ));
        }
        let token = self
            .sign(&self.claims(&principal, &request))
            .map_err(|_| StsError {
                status: StatusCode::INTERNAL_SERVER_ERROR,
                code: "InternalFailure",
                message: "The token could not be signed.".to_owned(),
            })?;
        Ok(format!(
            "<GetWebIdentityTokenResponse xmlns=\"{NAMESPACE}\"><GetWebIdentityTokenResult><WebIdentityToken>{token}</WebIdentityToken><Expiration>{}</Expiration></GetWebIdentityTokenResult><ResponseMetadata><RequestId>{}</RequestId></ResponseMetadata></GetWebIdentityTokenResponse>",
            expires.strftime("%Y-%m-%dT%H:%M:%SZ"),
            Uuid::new_v4(),
        ))
    }

    /// The claims of "Understanding token claims" in the IAM User Guide.
    fn claims(&self, principal: &Principal, request: &TokenRequest) -> Value {
        let now = self.clock.now().as_second();
        // "Request one audience (several make `aud` an array)".
        let audience = match request.audiences.as_slice() {
            [one] => json!(one),
            several => json!(several),
        };
        let mut context = json!({
            "aws_account": ACCOUNT_ID,
            "source_region": REGION,
            "org_id": "o-simulated1",
        });
        if let Some(context) = context.as_object_mut() {
            if let Some(function) = &principal.function_arn {
                context.insert("lambda_source_function_arn".to_owned(), json!(function));
            }
            if !request.tags.is_empty() {
                context.insert("request_tags".to_owned(), json!(request.tags));
            }
        }
        json!({
            "iss": self.issuer,
            "sub": principal.role_arn,
            "aud": audience,
            "iat": now,
            "exp": now + request.lifetime.as_secs(),
            "jti": self.ids.uuid(),
            "https://sts.amazonaws.com/": context,
        })
    }

    fn sign(&self, claims: &Value) -> Result<String, ring::error::Unspecified> {
        let header = json!({"alg": "RS256", "typ": "JWT", "kid": KEY_ID});
        let encode = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
        let signed = format!("{}.{}", encode(&header), encode(claims));
        let mut signature = vec![0; self.key.public().modulus_len()];
        self.key.sign(
            &RSA_PKCS1_SHA256,
            &SystemRandom::new(),
            signed.as_bytes(),
            &mut signature,
        )?;
        Ok(format!("{signed}.{}", BASE64URL_NOPAD.encode(&signature)))
    }
}

type Form = BTreeMap<String, String>;

struct TokenRequest {
    audiences: Vec<String>,
    lifetime: SignedDuration,
    tags: BTreeMap<String, String>,
}

impl TokenRequest {
    /// The limits of the service model: 1 to 10 audiences of up to 1000 characters, RS256 or ES384,
    /// 60 to 3600 seconds (300 unless told), up to 50 tags.
    fn read(form: &Form) -> Result<Self, StsError> {
        let audiences = members(form, "Audience", "");
        if !(1..=10).contains(&audiences.len())
            || audiences.iter().any(|audience| audience.len() > 1000)
        {
            return Err(StsError::invalid("Audience"));
        }
        match form.get("SigningAlgorithm").map(String::as_str) {
            Some("RS256") => {}
            // ES384 exists, and this simulator has no key for it: Entra takes RS256 only.
            _ => return Err(StsError::invalid("SigningAlgorithm")),
        }
        let seconds = match form.get("DurationSeconds") {
            None => Some(300),
            Some(text) => text.parse().ok(),
        };
        let seconds = seconds
            .filter(|seconds| (60..=3600).contains(seconds))
            .ok_or_else(|| StsError::invalid("DurationSeconds"))?;
        let keys = members(form, "Tags", ".Key");
        let tags: BTreeMap<_, _> = keys
            .into_iter()
            .zip(members(form, "Tags", ".Value"))
            .collect();
        if tags.len() > 50 {
            return Err(StsError::invalid("Tags"));
        }
        Ok(Self {
            audiences,
            lifetime: SignedDuration::from_secs(seconds),
            tags,
        })
    }
}

/// `Name.member.1<end>`, `Name.member.2<end>`, … of the query protocol.
fn members(form: &Form, name: &str, end: &str) -> Vec<String> {
    (1..)
        .map_while(|n| form.get(&format!("{name}.member.{n}{end}")).cloned())
        .collect()
}

impl StsError {
    fn forbidden(code: &'static str, message: &str) -> Self {
        Self {
            status: StatusCode::FORBIDDEN,
            code,
            message: message.to_owned(),
        }
    }

    fn invalid(parameter: &str) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            code: "ValidationError",
            message: format!(
                "1 validation error detected: Value at '{parameter}' failed to satisfy constraint"
            ),
        }
    }

    fn xml(&self) -> String {
        format!(
            "<ErrorResponse xmlns=\"{NAMESPACE}\"><Error><Type>Sender</Type><Code>{}</Code><Message>{}</Message></Error><RequestId>{}</RequestId></ErrorResponse>",
            self.code,
            self.message,
            Uuid::new_v4(),
        )
    }
}

fn operation(request: &Request<Bytes>) -> String {
    match read_form(request.body()).remove("Action") {
        Some(action) => action,
        None => format!("{} {}", request.method(), request.uri().path()),
    }
}

fn read_form(body: &[u8]) -> Form {
    url::form_urlencoded::parse(body).into_owned().collect()
}

async fn handle(
    Shared(sts): Shared<Arc<Sts>>,
    headers: HeaderMap,
    body: Bytes,
) -> axum::response::Response {
    let form = read_form(&body);
    let version = form.get("Version").map(String::as_str);
    let result = match form.get("Action").map(String::as_str) {
        _ if !is_signed(&headers) => Err(StsError::forbidden(
            "MissingAuthenticationToken",
            "Request is missing Authentication Token",
        )),
        Some("GetWebIdentityToken") if version == Some("2011-06-15") => {
            sts.get_web_identity_token(&headers, &form)
        }
        _ => Err(StsError {
            status: StatusCode::BAD_REQUEST,
            code: "InvalidAction",
            message: "Could not find operation for this version".to_owned(),
        }),
    };
    let (status, xml) = match result {
        Ok(xml) => (StatusCode::OK, xml),
        Err(error) => (error.status, error.xml()),
    };
    let mut response = Response::new(Body::from(xml));
    *response.status_mut() = status;
    response.headers_mut().insert(
        http::header::CONTENT_TYPE,
        http::HeaderValue::from_static("text/xml"),
    );
    response
}

async fn discovery(Shared(sts): Shared<Arc<Sts>>) -> Json<Value> {
    Json(json!({
        "issuer": sts.issuer,
        "jwks_uri": format!("{}/.well-known/jwks.json", sts.issuer),
        "id_token_signing_alg_values_supported": ["RS256", "ES384"],
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
    }))
}

async fn jwks(Shared(sts): Shared<Arc<Sts>>) -> Json<Value> {
    Json(sts.jwks())
}

#[cfg(test)]
mod tests {
    use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};

    use super::*;

    struct Fixture {
        sts: Arc<Sts>,
        service: Service,
    }

    impl Fixture {
        fn new() -> Self {
            let epoch: Timestamp = "2027-01-01T00:00:00Z".parse().unwrap();
            let sts = Sts::new(Arc::new(Clock::starting_at(epoch)), 1).unwrap();
            let service = sts.service(Arc::default());
            Self { sts, service }
        }

        async fn ask(&self, more: &str) -> (u16, String) {
            let body = format!(
                "Action=GetWebIdentityToken&Version=2011-06-15&SigningAlgorithm=RS256{more}"
            );
            let request = Request::post("/")
                .header(
                    "authorization",
                    "AWS4-HMAC-SHA256 Credential=ROT/20270101/x/y/z, a=b",
                )
                .body(Bytes::from(body))
                .unwrap();
            let response = self.service.call(request).await.unwrap();
            let text = String::from_utf8(response.body().to_vec()).unwrap();
            (response.status().as_u16(), text)
        }
    }

    fn between<'a>(text: &'a str, tag: &str) -> &'a str {
        let (_, rest) = text.split_once(&format!("<{tag}>")).unwrap();
        rest.split_once(&format!("</{tag}>")).unwrap().0
    }

    #[tokio::test]
    async fn a_token_verifies_with_the_published_key() {
        let fixture = Fixture::new();
        let role = "arn:aws:iam::123456789012:role/shopmail-rotation";
        fixture.sts.set_principal(
            "ROT",
            Principal {
                role_arn: role.to_owned(),
                function_arn: Some("arn:function".to_owned()),
                session_ends: None,
            },
        );
        let (status, answer) = fixture
            .ask("&Audience.member.1=api%3A%2F%2FAzureADTokenExchange&DurationSeconds=300")
            .await;
        assert_eq!(status, 200);
        let token = between(&answer, "WebIdentityToken");
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let published = fixture.sts.jwks();
        let component = |name: &str| {
            let text = published["keys"][0][name].as_str().unwrap();
            BASE64URL_NOPAD.decode(text.as_bytes()).unwrap()
        };
        let key = RsaPublicKeyComponents {
            n: component("n"),
            e: component("e"),
        };
        let signature = BASE64URL_NOPAD.decode(signature.as_bytes()).unwrap();
        key.verify(&RSA_PKCS1_2048_8192_SHA256, signed.as_bytes(), &signature)
            .unwrap();
        let claims = BASE64URL_NOPAD
            .decode(signed.split_once('.').unwrap().1.as_bytes())
            .unwrap();
        let claims: Value = serde_json::from_slice(&claims).unwrap();
        assert_eq!(claims["iss"], fixture.sts.issuer());
        assert_eq!(claims["sub"], role);
        assert_eq!(claims["aud"], "api://AzureADTokenExchange");
        assert_eq!(
            claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(),
            300
        );
        let context = &claims["https://sts.amazonaws.com/"];
        assert_eq!(context["lambda_source_function_arn"], "arn:function");
    }

    #[tokio::test]
    async fn several_audiences_make_a_list() {
        let fixture = Fixture::new();
        let (_, answer) = fixture
            .ask("&Audience.member.1=a&Audience.member.2=b")
            .await;
        let token = between(&answer, "WebIdentityToken");
        let claims = token.split('.').nth(1).unwrap();
        let claims = BASE64URL_NOPAD.decode(claims.as_bytes()).unwrap();
        let claims: Value = serde_json::from_slice(&claims).unwrap();
        assert_eq!(claims["aud"], json!(["a", "b"]));
    }

    #[tokio::test]
    async fn what_the_service_refuses_is_refused() {
        let fixture = Fixture::new();
        for wrong in ["", "&Audience.member.1=a&DurationSeconds=59"] {
            let (status, answer) = fixture.ask(wrong).await;
            assert_eq!((status, between(&answer, "Code")), (400, "ValidationError"));
        }
        let ends = "2027-01-01T00:01:00Z".parse().unwrap();
        fixture.sts.set_default_principal(Principal {
            role_arn: "role".to_owned(),
            function_arn: None,
            session_ends: Some(ends),
        });
        let (status, answer) = fixture.ask("&Audience.member.1=a").await;
        assert_eq!(status, 403);
        assert_eq!(
            between(&answer, "Code"),
            "SessionDurationEscalationException"
        );
        fixture.sts.enable(false);
        let (status, answer) = fixture.ask("&Audience.member.1=a").await;
        assert_eq!(status, 403);
        assert_eq!(
            between(&answer, "Code"),
            "OutboundWebIdentityFederationDisabledException"
        );
        assert_eq!(
            fixture.service.gate.operations()[0],
            "sts GetWebIdentityToken"
        );
    }
}
