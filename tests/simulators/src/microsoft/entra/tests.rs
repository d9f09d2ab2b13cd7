use data_encoding::BASE64URL_NOPAD;
use jiff::SignedDuration;
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};

use super::*;
use crate::fixture::{Answer, CALLBACK, Fixture, MAILBOX, PASSWORD, ask, form};
use crate::microsoft::directory::PublicKey;
use crate::microsoft::directory::account::{Obstacle, Person};
use crate::microsoft::directory::replication::{Lag, Replica};

const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
/// RFC 7636, appendix B.
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const SCOPE: &str = "openid profile offline_access User.Read Mail.Read";

fn authorize_path(fixture: &Fixture, more: &[(&str, &str)]) -> String {
    let app = fixture.app.app_id.to_string();
    let mut fields = vec![
        ("client_id", app.as_str()),
        ("response_type", "code"),
        ("redirect_uri", CALLBACK),
        ("scope", SCOPE),
        ("state", "st&te"),
        ("nonce", "n-0"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ];
    fields.retain(|(name, _)| more.iter().all(|(other, _)| other != name));
    fields.extend(more);
    format!(
        "/{}/oauth2/v2.0/authorize?{}",
        fixture.tenant,
        form(&fields)
    )
}

fn flow(page: &Answer) -> String {
    let text = page.text();
    let start = text.find("name=\"flow\" value=\"").unwrap() + 19;
    text[start..].split('"').next().unwrap().to_owned()
}

async fn post(fixture: &Fixture, step: &str, fields: &[(&str, &str)]) -> Answer {
    let uri = format!("/{}/{step}", fixture.tenant);
    let kind = [("content-type", "application/x-www-form-urlencoded")];
    ask(&fixture.entra, "POST", &uri, &kind, form(fields)).await
}

/// Signs in on the pages as the mailbox: whatever comes after the password.
async fn sign_in(fixture: &Fixture, more: &[(&str, &str)]) -> Answer {
    let page = ask(
        &fixture.entra,
        "GET",
        &authorize_path(fixture, more),
        &[],
        "",
    )
    .await;
    assert_eq!(page.status, 200, "{}", page.text());
    let fields = [("flow", flow(&page)), ("login", MAILBOX.to_owned())];
    let fields: Vec<(&str, &str)> = fields
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .chain([("passwd", PASSWORD)])
        .collect();
    post(fixture, "login", &fields).await
}

fn query(answer: &Answer) -> std::collections::BTreeMap<String, String> {
    assert_eq!(answer.status, 302, "{}", answer.text());
    let location = Url::parse(answer.header("location")).unwrap();
    assert!(location.as_str().starts_with(CALLBACK));
    location.query_pairs().into_owned().collect()
}

async fn redeem(fixture: &Fixture, code: &str, verifier: &str, secret: &str) -> Answer {
    fixture
        .token(&[
            ("grant_type", "authorization_code"),
            ("client_id", &fixture.app.app_id.to_string()),
            ("client_secret", secret),
            ("code", code),
            ("redirect_uri", CALLBACK),
            ("code_verifier", verifier),
            ("scope", SCOPE),
        ])
        .await
}

async fn refresh(fixture: &Fixture, token: &str, secret: &str, scope: &str) -> Answer {
    fixture
        .token(&[
            ("grant_type", "refresh_token"),
            ("client_id", &fixture.app.app_id.to_string()),
            ("client_secret", secret),
            ("refresh_token", token),
            ("scope", scope),
        ])
        .await
}

async fn refresh_token(fixture: &Fixture, secret: &str) -> String {
    let code = query(&sign_in(fixture, &[]).await)["code"].clone();
    let tokens = redeem(fixture, &code, VERIFIER, secret).await;
    tokens.json()["refresh_token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn an_account_signs_in_with_its_user_principal_name_and_is_called_so() {
    let fixture = Fixture::new();
    let (_, secret) = fixture.secret();
    fixture.directory.change_account(fixture.person, |person| {
        person.upn = "u123456@shop.example".to_owned();
    });
    let page = sign_in(&fixture, &[]).await;
    assert!(page.text().contains("AADSTS50034"), "{}", page.text());
    let fields = [("login", "U123456@shop.example"), ("passwd", PASSWORD)];
    let flow = flow(&page);
    let back = post(
        &fixture,
        "login",
        &[&[("flow", flow.as_str())], &fields[..]].concat(),
    )
    .await;
    let tokens = redeem(&fixture, &query(&back)["code"], VERIFIER, &secret).await;
    let id_token = tokens.json()["id_token"].as_str().unwrap().to_owned();
    let claims = id_token.split('.').nth(1).unwrap();
    let claims = BASE64URL_NOPAD.decode(claims.as_bytes()).unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    assert_eq!(claims["preferred_username"], "u123456@shop.example");
}

#[tokio::test]
async fn a_person_walks_the_pages_and_the_code_works_once() {
    let fixture = Fixture::new();
    let (_, secret) = fixture.secret();
    let answer = query(&sign_in(&fixture, &[]).await);
    assert_eq!(answer["state"], "st&te");
    let tokens = redeem(&fixture, &answer["code"], VERIFIER, &secret).await;
    assert_eq!(tokens.status, 200, "{}", tokens.text());
    assert!(
        !tokens.json()["scope"]
            .as_str()
            .unwrap()
            .contains("offline_access")
    );

    let id_token = tokens.json()["id_token"].as_str().unwrap().to_owned();
    let (signed, signature) = id_token.rsplit_once('.').unwrap();
    let keys = format!("/{}/discovery/v2.0/keys", fixture.tenant);
    let keys = ask(&fixture.entra, "GET", &keys, &[], "").await.json();
    let part = |name: &str| {
        let text = keys["keys"][0][name].as_str().unwrap().to_owned();
        BASE64URL_NOPAD.decode(text.as_bytes()).unwrap()
    };
    RsaPublicKeyComponents {
        n: part("n"),
        e: part("e"),
    }
    .verify(
        &RSA_PKCS1_2048_8192_SHA256,
        signed.as_bytes(),
        &BASE64URL_NOPAD.decode(signature.as_bytes()).unwrap(),
    )
    .unwrap();
    let claims = signed.split('.').nth(1).unwrap();
    let claims: Value =
        serde_json::from_slice(&BASE64URL_NOPAD.decode(claims.as_bytes()).unwrap()).unwrap();
    assert_eq!(claims["nonce"], "n-0");
    assert_eq!(claims["oid"], fixture.person.to_string());
    assert_eq!(claims["aud"], fixture.app.app_id.to_string());
    let issuer = format!("https://login.microsoftonline.com/{}/v2.0", fixture.tenant);
    assert_eq!(claims["iss"], issuer);

    let again = redeem(&fixture, &answer["code"], VERIFIER, &secret).await;
    assert_eq!((again.status.as_u16(), again.code()), (400, 54005));
    for leak in [secret.as_str(), VERIFIER, &answer["code"]] {
        assert!(
            fixture.directory.all_secret_strings().contains(leak),
            "{leak}"
        );
    }
}

#[tokio::test]
async fn a_wrong_verifier_and_an_old_code_are_refused() {
    let fixture = Fixture::new();
    let (_, secret) = fixture.secret();
    let code = query(&sign_in(&fixture, &[]).await)["code"].clone();
    let wrong = redeem(&fixture, &code, &VERIFIER.replace('d', "e"), &secret).await;
    assert_eq!(wrong.code(), 501_481);
    let code = query(&sign_in(&fixture, &[]).await)["code"].clone();
    fixture.wait(600);
    assert_eq!(
        redeem(&fixture, &code, VERIFIER, &secret).await.code(),
        70008
    );
}

#[tokio::test]
async fn errors_in_the_request_stay_on_microsofts_page() {
    let fixture = Fixture::new();
    for (more, code) in [
        (
            vec![("redirect_uri", "https://callback.example/Callback")],
            "AADSTS50011",
        ),
        (
            vec![("prompt", "select_account"), ("login_hint", MAILBOX)],
            "AADSTS90023",
        ),
        (
            vec![("client_id", "8e4b3f52-1d0c-4c54-9f0e-0a7d3f1b2c4d")],
            "AADSTS700016",
        ),
    ] {
        let page = ask(
            &fixture.entra,
            "GET",
            &authorize_path(&fixture, &more),
            &[],
            "",
        )
        .await;
        assert_eq!(page.status, 400);
        assert!(page.text().contains(code), "{}", page.text());
        assert!(!page.headers.contains_key("location"));
    }
    let common = authorize_path(&fixture, &[]).replace(&fixture.tenant.to_string(), "common");
    let page = ask(&fixture.entra, "GET", &common, &[], "").await;
    assert!(page.text().contains("AADSTS50194"));
}

#[tokio::test]
async fn forced_consent_ends_at_the_admin_and_the_plain_flow_does_not() {
    let fixture = Fixture::new();
    assert!(query(&sign_in(&fixture, &[]).await).contains_key("code"));
    let page = sign_in(&fixture, &[("prompt", "consent")]).await;
    assert!(page.text().contains("Need admin approval"));
    let back = query(&post(&fixture, "back", &[("flow", &flow(&page))]).await);
    assert_eq!(back["error"], "access_denied");
    assert_eq!(back["error_subcode"], "cancel");
    // A scope that people may grant is asked for, and can be declined.
    fixture
        .directory
        .withdraw_consent(fixture.person, fixture.app.app_id);
    let send = [("scope", "openid offline_access User.Read Mail.Send")];
    let page = sign_in(&fixture, &send).await;
    assert!(
        page.text().contains("Permissions requested"),
        "{}",
        page.text()
    );
    let decide = [("flow", flow(&page)), ("decision", "cancel".to_owned())];
    let decide = decide
        .each_ref()
        .map(|(name, value)| (*name, value.as_str()));
    let declined = query(&post(&fixture, "consent", &decide).await);
    assert!(declined["error_description"].starts_with("AADSTS65004"));
}

#[tokio::test]
async fn what_stands_in_a_persons_way_is_shown_or_told() {
    let fixture = Fixture::new();
    fixture.directory.change_account(fixture.person, |person| {
        person.obstacle = Some(Obstacle::ConditionalAccess);
    });
    let page = sign_in(&fixture, &[]).await;
    assert!(page.text().contains("AADSTS53003"));
    fixture.directory.set_refusals_redirect(true);
    let told = query(&sign_in(&fixture, &[]).await);
    assert!(told["error_description"].starts_with("AADSTS53003"));
    fixture.directory.set_refusals_redirect(false);
    let other = fixture.directory.add_tenant("other.example");
    let stranger = Person::with_mailbox("me@other.example", PASSWORD);
    fixture.directory.add_account(other, stranger);
    let url = format!(
        "https://login.microsoftonline.com{}",
        authorize_path(&fixture, &[])
    );
    let step = fixture
        .directory
        .sign_in_as(&url, "me@other.example", Decision::Accept);
    let Step::Page(page) = step else {
        panic!("{step:?}");
    };
    assert!(format!("{page:?}").contains("50020"));
}

#[tokio::test]
async fn a_new_secret_is_unknown_for_a_while_and_replicas_disagree() {
    let fixture = Fixture::new();
    let lagging = Replica {
        learns: Lag::Time(SignedDuration::from_secs(20)),
        forgets: Lag::Time(SignedDuration::from_secs(60)),
    };
    fixture
        .directory
        .set_token_replicas(vec![Replica::default(), lagging]);
    let (key_id, secret) = fixture.secret();
    let statuses = |answers: [Answer; 4]| answers.map(|answer| answer.status.as_u16());
    let four = async || {
        [
            fixture.try_secret(&secret).await,
            fixture.try_secret(&secret).await,
            fixture.try_secret(&secret).await,
            fixture.try_secret(&secret).await,
        ]
    };
    assert_eq!(statuses(four().await), [200, 401, 200, 401]);
    fixture.wait(20);
    assert_eq!(statuses(four().await), [200; 4]);
    fixture.directory.delete_secret(fixture.app.app_id, key_id);
    assert_eq!(statuses(four().await), [401, 200, 401, 200]);
    fixture.wait(60);
    assert_eq!(statuses(four().await), [401; 4]);
}

#[tokio::test]
async fn the_error_for_a_secret_is_as_documented() {
    let fixture = Fixture::new();
    fixture.directory.set_token_replicas(vec![Replica {
        learns: Lag::Requests(2),
        forgets: Lag::None,
    }]);
    let (old, _) = fixture.secret();
    for code in [7_000_215, 7_000_215] {
        assert_eq!(
            fixture.try_secret("Secret-that-is-not-one").await.code(),
            code
        );
    }
    let end = fixture.clock.now();
    fixture
        .directory
        .set_secret_end(fixture.app.app_id, old, end);
    let (_, new) = fixture.secret();
    // Every secret that the replica knows is expired.
    let refused = fixture.try_secret(&new).await;
    let body = refused.json();
    assert_eq!((refused.status.as_u16(), refused.code()), (401, 7_000_222));
    assert_eq!(body["error"], "invalid_client");
    let timestamp = body["timestamp"].as_str().unwrap();
    assert!(timestamp.contains(' ') && timestamp.ends_with('Z'));
    let description = body["error_description"].as_str().unwrap();
    assert!(description.starts_with("AADSTS7000222: "));
    assert!(description.ends_with(&format!("Timestamp: {timestamp}")));
    fixture.try_secret(&new).await;
    assert_eq!(fixture.try_secret(&new).await.status, 200);
}

#[tokio::test]
async fn a_secret_comes_in_the_form_or_as_basic_but_never_from_a_browser() {
    let fixture = Fixture::new();
    let (_, secret) = fixture.secret();
    let uri = format!("/{}/oauth2/v2.0/token", fixture.tenant);
    let encoded: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
    let basic = format!("{}:{encoded}", fixture.app.app_id);
    let basic = format!("Basic {}", data_encoding::BASE64.encode(basic.as_bytes()));
    let body = form(&[
        ("grant_type", "client_credentials"),
        ("scope", "https://graph.microsoft.com/.default"),
    ]);
    let headers = [("authorization", basic.as_str())];
    let good = ask(&fixture.entra, "POST", &uri, &headers, body.clone()).await;
    assert_eq!(good.status, 200);
    let headers = [
        ("authorization", basic.as_str()),
        ("origin", "https://a.example"),
    ];
    let refused = ask(&fixture.entra, "POST", &uri, &headers, body.clone()).await;
    assert_eq!(refused.code(), 9_002_326);
    let common = uri.replace(&fixture.tenant.to_string(), "common");
    let refused = ask(&fixture.entra, "POST", &common, &headers[..1], body).await;
    assert_eq!(refused.code(), 9_001_023);
}

#[tokio::test]
async fn refresh_tokens_outlive_secrets_and_die_of_age_or_revocation() {
    let fixture = Fixture::new();
    let (old_key, old) = fixture.secret();
    let token = refresh_token(&fixture, &old).await;
    let (_, new) = fixture.secret();
    fixture.directory.delete_secret(fixture.app.app_id, old_key);
    let renewed = refresh(&fixture, &token, &new, "Mail.Read").await.json();
    assert_ne!(renewed["refresh_token"], token.as_str());
    // The old one stays good, for 90 days from its own issue.
    fixture.wait(90 * 24 * 3600 - 60);
    assert_eq!(
        refresh(&fixture, &token, &new, "Mail.Read").await.status,
        200
    );
    fixture.wait(60);
    let expired = refresh(&fixture, &token, &new, "Mail.Read").await;
    assert_eq!(expired.code(), 700_082);
    assert_eq!(expired.json()["error"], "invalid_grant");
    let young = refresh_token(&fixture, &new).await;
    fixture.directory.revoke_sessions(fixture.person);
    assert_eq!(
        refresh(&fixture, &young, &new, "Mail.Read").await.code(),
        50173
    );
}

#[tokio::test]
async fn a_refresh_gives_the_first_resource_and_a_code_takes_one_only() {
    let fixture = Fixture::new();
    let (_, secret) = fixture.secret();
    let token = refresh_token(&fixture, &secret).await;
    let both = "https://outlook.office.com/SMTP.Send Mail.Read";
    let tokens = refresh(&fixture, &token, &secret, both).await.json();
    let access = fixture
        .directory
        .access_token(tokens["access_token"].as_str().unwrap())
        .unwrap();
    assert_eq!(access.audience, "https://outlook.office.com");
    assert!(!access.has_scope("Mail.Read"));
    let unknown = refresh(&fixture, &token, &secret, "Calendars.Read").await;
    assert_eq!(unknown.code(), 65001);
    assert_eq!(unknown.json()["suberror"], "consent_required");
    let code = query(&sign_in(&fixture, &[]).await)["code"].clone();
    let refused = fixture
        .token(&[
            ("grant_type", "authorization_code"),
            ("client_id", &fixture.app.app_id.to_string()),
            ("client_secret", &secret),
            ("code", &code),
            ("redirect_uri", CALLBACK),
            ("code_verifier", VERIFIER),
            ("scope", both),
        ])
        .await;
    assert_eq!(refused.code(), 28002);
}

#[tokio::test]
async fn a_federated_token_is_held_against_the_trust_to_the_letter() {
    let fixture = Fixture::new();
    let issuer = "https://abc.tokens.sts.global.api.aws";
    let role = "arn:aws:iam::123456789012:role/Rotation";
    let audience = "api://AzureADTokenExchange";
    let keys = fixture.directory.signing_key.key_set();
    let part = |name: &str| {
        let text = keys["keys"][0][name].as_str().unwrap().to_owned();
        BASE64URL_NOPAD.decode(text.as_bytes()).unwrap()
    };
    let key = PublicKey {
        n: part("n"),
        e: part("e"),
    };
    let now = fixture.clock.now().as_second();
    let jwt = |issuer: &str, subject: &str, audience: Value, expires: i64| {
        let claims =
            json!({"iss": issuer, "sub": subject, "aud": audience, "iat": now, "exp": expires});
        fixture.directory.signing_key.sign(&claims).unwrap()
    };
    let try_it = async |assertion: String| {
        fixture
            .token(&[
                ("grant_type", "client_credentials"),
                ("client_id", &fixture.rotator.app_id.to_string()),
                (
                    "client_assertion_type",
                    "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
                ),
                ("client_assertion", &assertion),
                ("scope", "https://graph.microsoft.com/.default"),
            ])
            .await
    };
    let good = || jwt(issuer, role, json!(audience), now + 300);
    assert_eq!(try_it(good()).await.code(), 70021);
    fixture
        .directory
        .add_federated(fixture.rotator.app_id, issuer, role, audience);
    assert_eq!(try_it(good()).await.code(), 50013, "no source of keys yet");
    fixture
        .directory
        .set_key_source(move |asked| (asked == issuer).then(|| vec![key.clone()]));
    assert_eq!(try_it(good()).await.status, 200);
    let slash = format!("{issuer}/");
    for (assertion, code) in [
        (jwt(&slash, role, json!(audience), now + 300), 700_211),
        (
            jwt(issuer, "arn:other", json!(audience), now + 300),
            700_213,
        ),
        (
            jwt(issuer, &role.to_lowercase(), json!(audience), now + 300),
            7_002_138,
        ),
        (jwt(issuer, role, json!("api://other"), now + 300), 700_212),
        (
            jwt(issuer, role, json!([audience, "b"]), now + 300),
            700_212,
        ),
        (jwt(issuer, role, json!(audience), now - 1), 700_024),
    ] {
        let refused = try_it(assertion).await;
        assert_eq!((refused.status.as_u16(), refused.code()), (401, code));
    }
}

#[tokio::test]
async fn a_second_factor_is_asked_for_and_counts_for_the_refresh_token() {
    let fixture = Fixture::new();
    let (_, secret) = fixture.secret();
    let before = refresh_token(&fixture, &secret).await;
    fixture.directory.change_account(fixture.person, |person| {
        person.second_factor = Some("123456".to_owned());
    });
    let refused = refresh(&fixture, &before, &secret, "Mail.Read").await;
    assert_eq!(refused.code(), 50076);
    assert_eq!(refused.json()["error"], "interaction_required");
    let page = sign_in(&fixture, &[]).await;
    let flow = flow(&page);
    let wrong = post(&fixture, "second-factor", &[("flow", &flow), ("otc", "1")]).await;
    assert!(wrong.text().contains("AADSTS500121"));
    let done = post(
        &fixture,
        "second-factor",
        &[("flow", &flow), ("otc", "123456")],
    )
    .await;
    let tokens = redeem(&fixture, &query(&done)["code"], VERIFIER, &secret).await;
    let token = tokens.json()["refresh_token"].as_str().unwrap().to_owned();
    assert_eq!(
        refresh(&fixture, &token, &secret, "Mail.Read").await.status,
        200
    );
}

#[tokio::test]
async fn a_signed_in_browser_is_not_asked_again_unless_the_app_wants_it() {
    let fixture = Fixture::new();
    let signed_in = sign_in(&fixture, &[]).await;
    let cookie = signed_in
        .header("set-cookie")
        .split(';')
        .next()
        .unwrap()
        .to_owned();
    let begin = async |more: &[(&str, &str)]| {
        let path = authorize_path(&fixture, more);
        ask(&fixture.entra, "GET", &path, &[("cookie", &cookie)], "").await
    };
    assert!(query(&begin(&[]).await).contains_key("code"));
    assert!(query(&begin(&[("login_hint", MAILBOX)]).await).contains_key("code"));
    let other = begin(&[("login_hint", "me@shop.example")]).await;
    assert!(other.text().contains("value=\"me@shop.example\""));
    assert_eq!(begin(&[("prompt", "login")]).await.status, 200);
    let path = authorize_path(&fixture, &[("prompt", "none")]);
    let silent = ask(&fixture.entra, "GET", &path, &[], "").await;
    assert_eq!(query(&silent)["error"], "login_required");
}

#[tokio::test]
async fn when_the_password_was_given_is_told_where_the_app_asks_for_it() {
    let fixture = Fixture::new();
    let (_, secret) = fixture.secret();
    let given = fixture.directory.clock.now().as_second();
    let signed_in = sign_in(&fixture, &[]).await;
    let cookie = signed_in.header("set-cookie").split(';').next().unwrap();
    let app = fixture.app.app_id;
    fixture.wait(5 * 3600);
    for asks in [false, true] {
        fixture
            .directory
            .change(app, |app| app.sends_auth_time = asks);
        let path = authorize_path(&fixture, &[]);
        let silent = ask(&fixture.entra, "GET", &path, &[("cookie", cookie)], "").await;
        let tokens = redeem(&fixture, &query(&silent)["code"], VERIFIER, &secret).await;
        let claims = tokens.json()["id_token"].as_str().unwrap().to_owned();
        let claims = claims.split('.').nth(1).unwrap().as_bytes();
        let claims: Value =
            serde_json::from_slice(&BASE64URL_NOPAD.decode(claims).unwrap()).unwrap();
        assert_eq!(
            claims["auth_time"].as_i64(),
            asks.then_some(given),
            "{claims}"
        );
    }
}

#[tokio::test]
async fn an_administrator_consents_for_everyone_and_true_is_not_success() {
    let fixture = Fixture::new();
    let mut admin = Person::with_mailbox("admin@shop.example", PASSWORD);
    admin.is_admin = true;
    fixture.directory.add_account(fixture.tenant, admin);
    let app = fixture.app.app_id;
    let url = format!(
        "https://login.microsoftonline.com/{}/v2.0/adminconsent?{}",
        fixture.tenant,
        form(&[
            ("client_id", &app.to_string()),
            ("redirect_uri", CALLBACK),
            ("scope", "https://graph.microsoft.com/Mail.ReadWrite"),
            ("state", "s"),
        ])
    );
    let decide = |who: &str, decision| match fixture.directory.sign_in_as(&url, who, decision) {
        Step::Redirect(location) => location,
        Step::Page(page) => format!("{page:?}"),
    };
    assert!(decide(MAILBOX, Decision::Accept).contains("NeedAdmin"));
    let refused = decide("admin@shop.example", Decision::Cancel);
    assert!(
        refused.contains("admin_consent=True&error=consent_required"),
        "{refused}"
    );
    let granted = decide("admin@shop.example", Decision::Accept);
    assert!(granted.contains("admin_consent=True&tenant="), "{granted}");
    let registration = fixture.directory.application(app).unwrap().registration;
    assert!(registration.admin_consent.contains(
        &crate::microsoft::directory::scope::Scope::parse("Mail.ReadWrite")
    ));
}
