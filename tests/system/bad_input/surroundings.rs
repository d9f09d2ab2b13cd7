//! Settings and other secrets that are missing or wrong.

use std::sync::Arc;

use serde_json::{Value, json};
use simulators::aws::lambda::{Function, function_arn};
use simulators::aws::secrets_manager::CURRENT;
use simulators::binaries;
use simulators::world::{Mailbox, MailboxPlan, World, short_waits};

use super::WRONG;
use crate::support::Scenario;
use crate::support::scenario::without_grant;
use crate::support::tickets::Forged;

#[tokio::test(flavor = "multi_thread")]
async fn all_missing_settings_are_told_in_one_message_and_the_process_ends() {
    let world = World::start(short_waits()).await.unwrap();
    let binaries = binaries::build().unwrap();
    for (name, missing, wrong) in [
        ("rotation", "CALLBACK_URL", "SIGN_IN_INTERVAL"),
        ("oauth-callback", "CALLBACK_URL", "REQUEST_TIMEOUT"),
        ("expiry-checker", "ROTATION_FUNCTION", "INVOKE_TIMEOUT"),
        ("notifier", "NOTICES_TOPIC", "CONNECT_TIMEOUT"),
    ] {
        let function = Function::new(name, &binaries[name])
            .env("AWS_REGION", "")
            .env("AWS_DEFAULT_REGION", "")
            .env(wrong, WRONG);
        world.lambda.register(function);
        let result = world.invoke(name, &json!({})).await.unwrap();
        assert_eq!(result.error_type(), Some("Misconfigured"), "{result:?}");
        let logs = world.lambda.logs().into_iter();
        let of_function: Vec<String> = logs
            .filter(|line| line.function == name)
            .map(|line| line.line)
            .collect();
        let [line] = of_function.as_slice() else {
            panic!("one line says it: {of_function:?}");
        };
        serde_json::from_str::<Value>(line).expect("JSON");
        for part in [
            "reading the settings".to_owned(),
            "AWS_REGION is missing".to_owned(),
            format!("{missing} is missing"),
            format!("{wrong} is "),
            "Set these environment variables".to_owned(),
        ] {
            assert!(line.contains(&part), "{part}: {line}");
        }
        assert!(!line.contains(WRONG), "{line}");
    }
}

#[test]
fn a_function_started_by_hand_says_in_one_sentence_that_it_runs_under_lambda() {
    for (name, binary) in binaries::build().unwrap() {
        let mut started = std::process::Command::new(binary);
        let ended = started.env_remove("AWS_LAMBDA_RUNTIME_API").output();
        let ended = ended.unwrap();
        assert_eq!(ended.status.code(), Some(1), "{name}");
        let said = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(said.lines().count(), 1, "{name}: {said}");
        assert!(said.contains("function of AWS Lambda"), "{name}: {said}");
        assert!(ended.stdout.is_empty(), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_or_wrong_grants_secret_is_told_and_the_rotation_goes_on_when_it_is_there() {
    let scenario = Scenario::begin().await;
    let store = &scenario.world.secrets_manager;
    let document = scenario.current_text(&scenario.mailbox.secret);
    let grants = scenario.current_text(&format!("{}/grants", scenario.mailbox.secret));
    let tags = [("shopmail:managed", "mailbox")];
    store.create("shopmail/bare", &document, &tags).unwrap();
    store
        .set_rotation("shopmail/bare", &function_arn("rotation"), None)
        .unwrap();
    let arn = store.snapshot("shopmail/bare").unwrap().arn;
    let bare = Scenario {
        world: Arc::clone(&scenario.world),
        mailbox: Mailbox {
            secret: "shopmail/bare".to_owned(),
            arn,
            ..scenario.mailbox.clone()
        },
    };
    let before = bare.picture();
    // The configuration test finds it before anything is issued.
    store.test_rotation(&bare.mailbox.secret).unwrap();
    bare.settled().await;
    let told = scenario.failures();
    let told = told.last().unwrap();
    for part in [
        "Misconfigured",
        "reading the grants",
        "shopmail/bare/grants",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert!(!told.contains("mailbox document"), "{told}");
    assert_eq!(bare.picture(), before);
    // A sign-in finds it too.
    let link = Forged::connect(&bare).link(&scenario.world);
    let page = scenario
        .visitor()
        .sign_in_as_owner(&link, &bare.mailbox)
        .await;
    assert_eq!(page.status, 500, "{}", page.body);
    assert_eq!(scenario.outcome(&page).await, "misconfigured");
    assert_eq!(bare.picture(), before);
    // It is there, and wrong.
    let grants_name = "shopmail/bare/grants";
    store
        .create(
            grants_name,
            &json!({"version": 1, "grants": WRONG}).to_string(),
            &[("shopmail:managed", "grants")],
        )
        .unwrap();
    let before = bare.picture();
    store.test_rotation(&bare.mailbox.secret).unwrap();
    bare.settled().await;
    let told = scenario.failures();
    let told = told.last().unwrap();
    assert!(told.contains("field grants"), "{told}");
    assert!(!told.contains(WRONG), "{told}");
    assert_eq!(bare.picture(), before);

    // A rotation that was started all the same stands still without harm, and goes on afterwards.
    bare.rotate().await;
    before.assert_kept_in(&bare.picture());
    store
        .place_version(grants_name, "good", Some(&grants), &[CURRENT])
        .unwrap();
    bare.reattempt().await;
    bare.assert_whole();
    bare.assert_granted();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_shopctrl_login_is_told_before_anything_is_issued() {
    let scenario = Scenario::with(&MailboxPlan {
        document: |document| {
            for at in 0..2 {
                document["connections"][at]["shopctrl"]["credentials"] =
                    json!("shopmail-shopctrl/gone");
            }
        },
        ..MailboxPlan::default()
    })
    .await;
    let store = &scenario.world.secrets_manager;
    let before = scenario.picture();
    let clear = |told: &[String]| {
        let told = told.last().unwrap();
        for part in [
            "Misconfigured",
            "reading the ShopCtrl login",
            "shopmail-shopctrl/gone",
        ] {
            assert!(told.contains(part), "{part}: {told}");
        }
        assert!(!told.contains("mailbox document"), "{told}");
    };
    store.test_rotation(&scenario.mailbox.secret).unwrap();
    store.settled(&scenario.mailbox.secret).await;
    clear(&scenario.failures());
    assert_eq!(scenario.picture().without_grants(), before.without_grants());
    // A rotation that was started all the same stands before the delivery; ShopCtrl holds the old one.
    store.rotate(&scenario.mailbox.secret).unwrap();
    store.settled(&scenario.mailbox.secret).await;
    clear(&scenario.failures());
    assert_eq!(scenario.world.shopctrl.outages(), vec![]);
    assert_eq!(scenario.current_key(), scenario.mailbox.first_key);
    // Wrong ones: not JSON, a field that is not known; the value is not told.
    for (at, login) in [
        WRONG.to_owned(),
        json!({"username": "u", "passwort": WRONG}).to_string(),
    ]
    .iter()
    .enumerate()
    {
        match at {
            0 => {
                store.create("shopmail-shopctrl/gone", login, &[]).unwrap();
            }
            _ => store
                .place_version("shopmail-shopctrl/gone", "second", Some(login), &[CURRENT])
                .unwrap(),
        }
        store.reattempt(&scenario.mailbox.secret);
        store.settled(&scenario.mailbox.secret).await;
        let told = scenario.failures();
        let told = told.last().unwrap();
        assert!(
            told.contains("ShopCtrl login") && told.contains("Misconfigured"),
            "{told}"
        );
        assert!(!told.contains(WRONG), "{told}");
    }
    let (name, password) = simulators::world::SHOPCTRL_LOGIN;
    let login = json!({"username": name, "password": password}).to_string();
    store
        .place_version("shopmail-shopctrl/gone", "good", Some(&login), &[CURRENT])
        .unwrap();
    assert!(store.reattempt(&scenario.mailbox.secret));
    store.settled(&scenario.mailbox.secret).await;
    scenario.assert_whole();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_key_that_can_be_guessed_signs_and_opens_nothing() {
    let scenario = Scenario::with(&without_grant()).await;
    let store = &scenario.world.secrets_manager;
    let short = "short~ticket~key";
    store
        .place_version("shopmail-ticket-key", "short", Some(short), &[CURRENT])
        .unwrap();
    let before = scenario.picture();
    store.test_rotation(&scenario.mailbox.secret).unwrap();
    store.settled(&scenario.mailbox.secret).await;
    let told = scenario.failures();
    assert!(
        told[0].contains("Misconfigured") && told[0].contains("fewer than 32 characters"),
        "{told:?}"
    );
    assert!(!told[0].contains(short));
    assert_eq!(
        scenario.details("Authorization Required"),
        Vec::<Value>::new()
    );
    let link = Forged::connect(&scenario).link(&scenario.world);
    let page = scenario.visitor().get(&link).await;
    assert_eq!(
        (page.status, scenario.outcome(&page).await.as_str()),
        (500, "misconfigured")
    );
    assert_eq!(scenario.picture(), before);

    // With a key all goes on; a link that an older key signed does not work any more.
    let key = "a-new-ticket-key-of-more-than-32-characters";
    store
        .place_version("shopmail-ticket-key", "new", Some(key), &[CURRENT])
        .unwrap();
    let page = scenario.visitor().get(&link).await;
    assert_eq!(scenario.outcome(&page).await, "other-key");
    store.test_rotation(&scenario.mailbox.secret).unwrap();
    store.settled(&scenario.mailbox.secret).await;
    let link = scenario.link_in("Authorization Required");
    let page = scenario
        .visitor()
        .sign_in_as_owner(&link, &scenario.mailbox)
        .await;
    assert_eq!(scenario.outcome(&page).await, "connected", "{}", page.body);
}
