//! What a request says gets nowhere.

use data_encoding::{BASE64, BASE64URL_NOPAD};
use http::Method;
use simulators::browser::Page;
use simulators::microsoft::directory::account::Person;
use simulators::world::MailboxPlan;
use url::Url;

use super::{ASKED, parameter, with_parameter};
use crate::support::Scenario;
use crate::support::scenario::without_grant;
use crate::support::visitor::{SESSION, ticket_of};

#[tokio::test(flavor = "multi_thread")]
async fn no_word_of_somebody_elses_gets_onto_a_page_into_a_header_or_into_the_log() {
    let strange = MailboxPlan {
        address: "o'brien&<b>@shop.example".replace("<b>", "co+%0a"),
        ..without_grant()
    };
    let scenario = Scenario::waiting_for_owner(&strange).await;
    let link = scenario.link_in(ASKED);
    let before = scenario.picture();
    let words = [
        "<script>alert(1)</script>",
        "\"><img src=x onerror=alert(1)>",
        "AADSTS65004: <b>press here</b> https://evil.example/",
        "AADSTS99999999999999999999999999: what",
        "x\r\nSet-Cookie: __Host-shopmail=evil\r\n\r\n<html>",
        "\u{202e}}\n{\"level\":\"ERROR\",\"outcome\":\"forged\"}",
        "{{7*7}}${7*7*31337}",
        "evilword",
    ];
    for word in words {
        for field in [
            "error",
            "error_description",
            "error_uri",
            "error_subcode",
            "claims",
        ] {
            let mut visitor = scenario.visitor();
            let authorize = visitor.begin(&link).await;
            let mut url = Url::parse(&format!("{}/callback", scenario.world.callback_url)).unwrap();
            url.query_pairs_mut()
                .append_pair("state", &parameter(&authorize, "state"))
                .append_pair(
                    "error",
                    if field == "error" {
                        word
                    } else {
                        "server_error"
                    },
                )
                .append_pair(field, word);
            let mut url: String = url.into();
            if field == "error" {
                url = with_parameter(&url, "error", word);
            }
            assert_silent(&scenario, &visitor.open(&url).await, word).await;
        }
        let base = &scenario.world.callback_url;
        let encoded: String = url::form_urlencoded::byte_serialize(word.as_bytes()).collect();
        for url in [
            format!("{base}/authorize?ticket={encoded}"),
            format!("{base}/{encoded}"),
            format!("{base}/callback?code={encoded}&state={encoded}"),
            format!("{base}/authorize?{encoded}={encoded}"),
        ] {
            assert_silent(&scenario, &scenario.visitor().open(&url).await, word).await;
        }
    }
    assert_eq!(scenario.picture(), before);

    // The mailbox's own name is on a page, as text.
    scenario.world.directory.add_account(
        scenario.world.tenant(),
        Person::with_mailbox("colleague@shop.example", "Pa55~colleague"),
    );
    let page = scenario
        .visitor()
        .sign_in(&link, "colleague@shop.example", "Pa55~colleague")
        .await;
    assert_eq!(scenario.outcome(&page).await, "wrong-account");
    assert!(
        page.body.contains("o'brien&amp;co+%0a@shop.example"),
        "{}",
        page.body
    );
    let page = scenario
        .visitor()
        .sign_in_as_owner(&link, &scenario.mailbox)
        .await;
    assert_eq!(page.status, 200, "{}", page.body);
    scenario.settled().await;
    scenario.assert_whole();
}

async fn assert_silent(scenario: &Scenario, page: &Page, word: &str) {
    // The ticket of the way on is ours, and may hold any letters.
    let tickets = page.forms().into_iter().flat_map(|form| form.fields);
    let body = tickets.fold(page.body.clone(), |body, (_, value)| {
        body.replace(&value, "")
    });
    for part in [
        "alert",
        "evil",
        "press here",
        "7*7",
        "1535513",
        "forged",
        "99999999",
    ] {
        assert!(
            !body.contains(part),
            "{part} of {word} on {}: {body}",
            page.url
        );
        for (name, value) in &page.headers {
            assert!(!value.to_str().unwrap().contains(part), "{part} in {name}");
        }
    }
    assert_eq!(page.location(), None, "{word}");
    let lines = scenario.log_of(page).await;
    for line in &lines {
        let text = line.to_string();
        assert!(
            !text.contains('<') && !text.contains("press here"),
            "{text}"
        );
    }
    assert!(lines.iter().all(|line| line["outcome"] != "forged"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_way_to_microsoft_is_ours_whatever_the_request_says() {
    let scenario = Scenario::waiting_for_owner(&without_grant()).await;
    let link = scenario.link_in(ASKED);
    let evil = [
        "redirect_uri",
        "redirect",
        "next",
        "return_to",
        "url",
        "client_id",
        "scope",
        "state",
        "response_mode",
        "login_hint",
        "prompt",
        "tenant",
    ];
    let more: String = evil
        .map(|name| format!("&{name}=https://evil.example/"))
        .concat();
    let mut visitor = scenario.visitor();
    let headers = [
        ("x-forwarded-host", "evil.example"),
        ("forwarded", "host=evil.example"),
        ("origin", "https://evil.example"),
        ("referer", "https://evil.example/"),
    ];
    let page = visitor
        .send(Method::GET, &format!("{link}{more}"), "", &headers)
        .await;
    assert_eq!(page.status, 303);
    let location = page.location().unwrap();
    assert!(!location.contains("evil"), "{location}");
    assert!(
        location.starts_with(&scenario.world.directory.authority()),
        "{location}"
    );
    let redirect = format!("{}/callback", scenario.world.callback_url);
    assert_eq!(parameter(&location, "redirect_uri"), redirect);
    assert_eq!(
        parameter(&location, "client_id"),
        scenario.mailbox.app.app_id.to_string()
    );
    assert_eq!(parameter(&location, "response_mode"), "query");
    assert_eq!(parameter(&location, "code_challenge_method"), "S256");
    assert_eq!(parameter(&location, "login_hint"), scenario.mailbox.address);
    let cookies: Vec<&str> = page
        .headers
        .get_all("set-cookie")
        .iter()
        .map(|cookie| cookie.to_str().unwrap())
        .collect();
    let [cookie] = cookies[..] else {
        panic!("one cookie: {cookies:?}");
    };
    let (pair, attributes) = cookie.split_once(';').unwrap();
    assert!(pair.starts_with(&format!("{SESSION}=")));
    let mut attributes: Vec<&str> = attributes.split(';').map(str::trim).collect();
    attributes.sort_unstable();
    assert_eq!(
        attributes,
        [
            "HttpOnly",
            "Max-Age=600",
            "Path=/",
            "SameSite=Lax",
            "Secure"
        ]
    );
    // It is sealed, and each sign-in has secrets of its own.
    let sealed = visitor.session().unwrap();
    let opened = BASE64URL_NOPAD.decode(sealed.as_bytes()).unwrap();
    let opened = String::from_utf8_lossy(&opened).into_owned();
    for secret in ["state", "nonce"].map(|name| parameter(&location, name)) {
        assert!(!opened.contains(&secret));
        assert!(secret.len() >= 43, "256 random bits: {secret}");
    }
    let again = scenario.visitor().begin(&link).await;
    for name in ["state", "nonce", "code_challenge"] {
        assert_ne!(parameter(&location, name), parameter(&again, name));
    }
    assert_ne!(BASE64.encode(opened.as_bytes()), sealed);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_or_method_that_is_not_ours_has_a_page_that_says_so() {
    let scenario = Scenario::waiting_for_owner(&without_grant()).await;
    let before = scenario.picture();
    let ticket = ticket_of(&scenario.link_in(ASKED));
    let form = [("content-type", "application/x-www-form-urlencoded")];
    for (method, path, allow) in [
        (Method::GET, "/", None),
        (Method::GET, "/authorize/", None),
        (Method::GET, "/Authorize", None),
        (Method::GET, "/authorize/../callback/x", None),
        (Method::GET, "//evil.example/authorize", None),
        (Method::POST, "/no/such/page", None),
        (Method::HEAD, "/favicon.ico", None),
        (Method::GET, "/.well-known/security.txt", None),
        (Method::GET, "/ticket", Some("POST")),
        (Method::POST, "/authorize", Some("GET, HEAD")),
        (Method::POST, "/callback", Some("GET, HEAD")),
        (Method::PUT, "/ticket", Some("POST")),
        (Method::DELETE, "/ticket", Some("POST")),
        (Method::OPTIONS, "/reveal", Some("POST, GET, HEAD")),
    ] {
        let url = format!("{}{path}?ticket={ticket}", scenario.world.callback_url);
        let body = format!("ticket={ticket}");
        let page = scenario
            .visitor()
            .send(method.clone(), &url, &body, &form)
            .await;
        let status = if allow.is_some() { 405 } else { 404 };
        assert_eq!(page.status, status, "{method} {path}");
        let told = page
            .headers
            .get("allow")
            .map(|methods| methods.to_str().unwrap());
        assert_eq!(told, allow, "{method} {path}");
        assert!(!page.body.contains(&ticket));
        if method == Method::HEAD {
            assert_eq!(page.body, "");
            continue;
        }
        assert_eq!(page.heading(), "There is nothing here", "{method} {path}");
        let outcome = if allow.is_some() {
            "wrong-method"
        } else {
            "no-such-page"
        };
        assert_eq!(scenario.outcome(&page).await, outcome);
    }
    // A good ticket asks for no new one; a form that is none says so.
    let post = format!("{}/ticket", scenario.world.callback_url);
    for (body, status) in [
        (format!("ticket={ticket}"), 400),
        (format!("ticket={ticket}&ticket={ticket}"), 400),
        (String::new(), 400),
        ("\u{fffd}=%ff%fe&ticket=%00".to_owned(), 400),
        (format!("a={}", "b".repeat(100_000)), 400),
    ] {
        let mut visitor = scenario.visitor();
        let mut page = visitor.send(Method::POST, &post, &body, &form).await;
        if let Some(ended) = page.location() {
            page = visitor.open(&ended).await;
        }
        assert_eq!(page.status, status, "{}", page.body);
    }
    assert_eq!(scenario.picture(), before);
    assert_eq!(scenario.details(ASKED).len(), 1);
}
