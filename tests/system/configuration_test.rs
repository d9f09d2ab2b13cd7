//! Secrets Manager runs testSecret alone when rotation is set up without rotating at once: a test of
//! the configuration, in both ways that are documented.

use simulators::aws::secrets_manager::{ConfigurationTest, PENDING};
use simulators::microsoft::directory::application::Audience;
use simulators::world::MailboxPlan;

use crate::support::Scenario;

#[tokio::test(flavor = "multi_thread")]
async fn a_good_configuration_passes_in_both_documented_ways_and_changes_nothing() {
    for mode in [ConfigurationTest::Empty, ConfigurationTest::CopyOfCurrent] {
        let scenario = Scenario::begin().await;
        scenario
            .world
            .secrets_manager
            .configure(|settings| settings.configuration_test = mode);
        let before = scenario.keys();
        let ended = scenario.test_configuration().await;
        assert_eq!(ended.as_deref(), Some("TestRotationSucceeded"));
        assert_eq!(scenario.keys(), before, "nothing was issued");
        let secret = scenario.secret();
        assert!(secret.labelled(PENDING).is_none());
        assert_eq!(scenario.world.shopctrl.outages(), vec![]);
        assert!(
            !scenario
                .world
                .gate
                .operations()
                .contains(&"shopctrl PUT connection".to_owned())
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_is_wrong_is_told_in_one_message() {
    let plan = MailboxPlan {
        document: |document| {
            document["key_id"] = "99999999-0000-4000-8000-000000000000".into();
            document["connections"][0]["shopctrl"]["shop_id"] = 999.into();
        },
        ..MailboxPlan::default()
    };
    let scenario = Scenario::with(&plan).await;
    let ended = scenario.test_configuration().await;
    assert_eq!(ended.as_deref(), Some("TestRotationFailed"));
    let told = scenario.details("Rotation Failed").remove(0);
    let what = told["what"].as_str().unwrap();
    assert!(
        what.contains("key_id") && what.contains("shop 999"),
        "{what}"
    );
    let secret = scenario.secret();
    assert!(secret.labelled(PENDING).is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_mailbox_on_an_app_with_two_places_is_named() {
    let orders = Scenario::begin().await;
    orders.beside(&MailboxPlan {
        name: "support".to_owned(),
        address: "support@shop.example".to_owned(),
        shop_id: 13,
        beside: Some(orders.mailbox.clone()),
        ..MailboxPlan::default()
    });
    orders.change_app(|app| app.sign_in_audience = Audience::AnyAndPersonal);
    let ended = orders.test_configuration().await;
    assert_eq!(ended.as_deref(), Some("TestRotationFailed"));
    let told = orders.details("Rotation Failed").remove(0);
    assert!(
        told["what"].as_str().unwrap().contains("shopmail/support"),
        "{told}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_the_secret_can_never_be_shown_to_is_named() {
    const COLLEAGUE: &str = "44444444-0000-4000-8000-000000000000";
    let plan = MailboxPlan {
        document: |document| document["reveal_to"] = vec![COLLEAGUE].into(),
        ..MailboxPlan::default()
    };
    let scenario = Scenario::with(&plan).await;
    let ended = scenario.test_configuration().await;
    assert_eq!(ended.as_deref(), Some("TestRotationFailed"));
    let told = scenario.details("Rotation Failed").remove(0);
    assert!(told["what"].as_str().unwrap().contains(COLLEAGUE), "{told}");
    // The mailbox's own account is none such; and as long as nobody has signed in, it is not known.
    for (reveal_to_owner, granted) in [(true, true), (false, false)] {
        let plan = MailboxPlan {
            reveal_to_owner,
            granted,
            ..MailboxPlan::default()
        };
        let scenario = Scenario::with(&plan).await;
        let ended = scenario.test_configuration().await;
        assert_eq!(ended.as_deref(), Some("TestRotationSucceeded"));
    }
}
