//! No page leaves a person without a way on, or says what is not so: behind other gateways, beside
//! services that hang, and where a link cannot help any more.

use std::rc::Rc;
use std::time::Duration;

use http::Method;
use jiff::SignedDuration;
use oauth_callback::OAuthCallback;
use serde_json::{Value, json};
use shared::clock;
use shared::ids::MailboxAddress;
use shared::ticket::{Purpose, Ticket, TicketKey, expiry};
use simulators::gate::{Calls, Fault};
use simulators::world::{MailboxPlan, TICKET_KEY};

use crate::support::Scenario;
use crate::support::faults::answer;
use crate::support::hand_over::attended;
use crate::support::in_process::{door, in_virtual_time};
use crate::support::scenario::without_grant;
use crate::support::visitor::ticket_of;

const ASKED: &str = "Authorization Required";

/// A request as API Gateway sends it.
fn request(path: &str, query: &str, stage: &str) -> Value {
    json!({
        "version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": query,
        "headers": {}, "isBase64Encoded": false,
        "requestContext": {"http": {"method": "GET", "path": path, "protocol": "HTTP/1.1",
            "sourceIp": "127.0.0.1", "userAgent": ""}, "stage": stage, "requestId": "r"},
    })
}

async fn text_of(door: &Rc<OAuthCallback>, event: Value, left: Duration) -> (i64, String) {
    let answer = door.handle(event, "r", left).await.unwrap();
    let answer = serde_json::to_value(answer).unwrap();
    let body = answer["body"].as_str().unwrap_or_default();
    (answer["statusCode"].as_i64().unwrap(), body.to_owned())
}

#[test]
fn below_a_path_of_the_gateways_every_page_is_found_and_leads_on_below_it() {
    in_virtual_time(|world| async move {
        let mailbox = world.world.add_mailbox(&attended()).unwrap();
        world.world.secrets_manager.rotate(&mailbox.secret).unwrap();
        world.world.secrets_manager.settled(&mailbox.secret).await;
        let asked = world.world.event_bridge.details("Hand-over Required");
        let ticket = ticket_of(asked[0]["link"].as_str().unwrap());
        let door = door(&world, &[("CALLBACK_URL", "https://mail.example/shop")]);
        let left = Duration::from_secs(29);
        for (path, stage) in [
            ("/shop/start", "shop"),
            ("/shop/start", "$default"),
            ("/start", "$default"),
        ] {
            let query = format!("ticket={ticket}");
            let (status, body) = text_of(&door, request(path, &query, stage), left).await;
            assert_eq!(status, 200, "{path}: {body}");
            assert!(
                body.contains(&format!("href=\"authorize?ticket={ticket}\"")),
                "{body}"
            );
            assert!(
                body.contains("https://mail.example/shop/callback"),
                "{body}"
            );
        }
    });
}

#[test]
fn a_service_that_hangs_ends_on_a_page_before_lambda_ends_the_request() {
    in_virtual_time(|world| async move {
        let door = door(&world, &[]);
        let hangs = Fault::Hang { effect: false };
        world.world.gate.fail(
            Calls::of("secretsmanager", "GetSecretValue").times(100),
            hangs,
        );
        let begun = tokio::time::Instant::now();
        let key = TicketKey::new(TICKET_KEY.to_owned().into()).unwrap();
        let ticket = key.sign(&Ticket {
            purpose: Purpose::Rotate,
            secret: "shopmail/orders".to_owned(),
            version: "v".to_owned(),
            mailbox: MailboxAddress::read("orders@shop.example").unwrap(),
            expires_at: expiry(clock::machine(), SignedDuration::from_hours(1)),
        });
        let query = format!("ticket={}", ticket.unwrap());
        let event = request("/start", &query, "$default");
        let (status, body) = text_of(&door, event, Duration::from_secs(29)).await;
        assert_eq!(status, 503);
        assert!(body.contains("This took too long"), "{body}");
        assert_eq!(begun.elapsed().as_secs(), 27, "with time left to say so");
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn the_address_of_a_forms_page_opened_anew_leads_back_to_the_hand_over() {
    let scenario = Scenario::begin().await;
    for path in ["/reveal", "/attest"] {
        let url = format!("{}{path}", scenario.world.callback_url);
        let page = scenario.visitor().get(&url).await;
        let on = format!("{}/handover", scenario.world.callback_url);
        assert_eq!((page.status, page.location()), (303, Some(on)), "{path}");
        let page = scenario.visitor().send(Method::HEAD, &url, "", &[]).await;
        assert_ne!(page.status, 500);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_were_published_since_they_were_read_are_read_again() {
    let scenario = Scenario::waiting_for_owner(&without_grant()).await;
    let old = answer(200, false, r#"{"keys":[]}"#);
    scenario.world.gate.fail_next("entra", "GET keys", old);
    let mut visitor = scenario.visitor();
    let link = scenario.link_in(ASKED);
    let page = visitor.sign_in_as_owner(&link, &scenario.mailbox).await;
    assert_eq!(
        scenario.outcome(&page).await,
        "rotation-goes-on",
        "{}",
        page.body
    );
    scenario.assert_granted();
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_secret_in_use_is_refused_the_page_does_not_ask_to_try_again_for_ever() {
    let scenario = Scenario::with(&without_grant()).await;
    scenario
        .world
        .secrets_manager
        .test_rotation(&scenario.mailbox.secret)
        .unwrap();
    scenario.settled().await;
    scenario
        .world
        .directory
        .delete_secret(scenario.mailbox.app.app_id, scenario.mailbox.first_key);
    let link = scenario.link_in(ASKED);
    let page = scenario
        .visitor()
        .sign_in_as_owner(&link, &scenario.mailbox)
        .await;
    assert_eq!(scenario.outcome(&page).await, "current-secret-refused");
    assert_eq!(page.status, 409);
    assert_eq!(page.way_on(), None, "{}", page.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_will_have_to_hand_over_is_not_told_that_all_goes_without_them() {
    let plan = MailboxPlan {
        granted: false,
        ..attended()
    };
    let scenario = Scenario::with(&plan).await;
    scenario
        .world
        .secrets_manager
        .test_rotation(&scenario.mailbox.secret)
        .unwrap();
    scenario.settled().await;
    let link = scenario.link_in(ASKED);
    let page = scenario
        .visitor()
        .sign_in_as_owner(&link, &scenario.mailbox)
        .await;
    assert_eq!(scenario.outcome(&page).await, "connected");
    assert!(!page.body.contains("without you"), "{}", page.body);
    assert!(page.body.contains("a message with a link"), "{}", page.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_shopctrl_does_not_say_where_to_authorize_the_person_is_not_thanked_and_let_go() {
    let scenario = Scenario::begin().await;
    scenario
        .world
        .shopctrl
        .edit(scenario.mailbox.shop_id, "orders-out", |c| {
            c.refresh_token = Some("dead".to_owned());
        });
    scenario.rotate().await;
    let link = scenario.link_in("Hand-over Required");
    let down = answer(503, false, "{}");
    scenario
        .world
        .gate
        .fail(Calls::of("shopctrl", "PUT connection").times(100), down);
    let mut visitor = scenario.visitor();
    let sign_in = visitor.open(&link).await.way_on().unwrap();
    let page = visitor.sign_in_as_owner(&sign_in, &scenario.mailbox).await;
    assert_eq!(scenario.outcome(&page).await, "authorize-remains");
    scenario.world.gate.heal();
    // The same link again leads there.
    let again = page.way_on().expect("a button");
    let page = visitor.sign_in_as_owner(&again, &scenario.mailbox).await;
    assert_eq!(page.url.path(), "/handover", "{}", page.body);
}
