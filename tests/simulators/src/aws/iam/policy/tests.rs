use super::*;

impl Role {
    fn allows(&self, action: &str, resource: &str, context: &Context) -> bool {
        self.allowed_by(action, resource, context).is_some()
    }
}

fn context(pairs: &[(&str, &[&str])]) -> Context {
    let pairs = pairs.iter();
    let owned = pairs.map(|(key, values)| {
        let values = values.iter().map(|value| (*value).to_owned()).collect();
        ((*key).to_owned(), values)
    });
    owned.collect()
}

const MAILBOX: &str = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:shopmail/orders-AbC123";
const BUS: &str = "arn:aws:events:eu-west-1:123456789012:event-bus/default";
const TAG: &str = "aws:ResourceTag/shopmail:managed";

#[test]
fn the_checker_moves_awspending_and_no_other_label() {
    let role = Role::of_the_template("ExpiryCheckerRole").unwrap();
    let moves = |label: &str| {
        let context = context(&[
            (TAG, &["mailbox"]),
            ("secretsmanager:VersionStage", &[label]),
        ]);
        role.allows("secretsmanager:UpdateSecretVersionStage", MAILBOX, &context)
    };
    assert!(moves("AWSPENDING"));
    assert!(!moves("AWSCURRENT") && !moves("proved"));
    let read = context(&[(TAG, &["mailbox"])]);
    assert!(!role.allows("secretsmanager:GetSecretValue", MAILBOX, &read));
}

#[test]
fn nobody_who_asks_for_a_rotation_changes_its_schedule_or_its_function() {
    for name in ["ExpiryCheckerRole", "OauthCallbackRole"] {
        let role = Role::of_the_template(name).unwrap();
        let asks = |more: &[(&str, &[&str])]| {
            let more = [&[(TAG, &["mailbox"][..])], more].concat();
            role.allows("secretsmanager:RotateSecret", MAILBOX, &context(&more))
        };
        let rules = "secretsmanager:ModifyRotationRules";
        let function = "secretsmanager:RotationLambdaARN";
        assert!(asks(&[]) && asks(&[(rules, &["false"])]));
        assert!(!asks(&[(rules, &["true"])]));
        assert!(asks(&[(function, &[&function_arn("rotation")])]));
        assert!(!asks(&[(function, &[&function_arn("another")])]));
    }
}

#[test]
fn no_function_sends_what_another_one_does_and_none_sends_nothing_named() {
    let sends = |role: &str, kinds: &[&str]| {
        let role = Role::of_the_template(role).unwrap();
        let context = context(&[
            ("events:source", &["shopmail"]),
            ("events:detail-type", kinds),
        ]);
        role.allows("events:PutEvents", BUS, &context)
    };
    assert!(sends(
        "RotationRole",
        &["Hand-over Required", "Rotation Failed"]
    ));
    assert!(sends("OauthCallbackRole", &["Reveal Refused"]));
    for with_a_link in [
        "Hand-over Required",
        "Authorization Required",
        "Grant Expiring",
    ] {
        assert!(!sends(
            "OauthCallbackRole",
            &["Reveal Refused", with_a_link]
        ));
        assert!(!sends("ExpiryCheckerRole", &[with_a_link]));
    }
    assert!(!sends("RotationRole", &[]));
}

#[test]
fn each_event_that_has_a_schema_may_be_sent_by_somebody() {
    let schemas = concat!(env!("CARGO_MANIFEST_DIR"), "/../../infra/event-schemas");
    let roles = ["RotationRole", "ExpiryCheckerRole", "OauthCallbackRole"];
    let roles = roles.map(|name| Role::of_the_template(name).unwrap());
    let mut seen = 0;
    for schema in std::fs::read_dir(schemas).unwrap() {
        let text = std::fs::read_to_string(schema.unwrap().path()).unwrap();
        let schema: Value = serde_json::from_str(&text).unwrap();
        let kind = schema["title"].as_str().unwrap();
        let sent = context(&[
            ("events:source", &["shopmail"]),
            ("events:detail-type", &[kind]),
        ]);
        let may = |role: &Role| role.allows("events:PutEvents", BUS, &sent);
        assert!(roles.iter().any(may), "{kind}");
        seen += 1;
    }
    assert!(seen >= 20, "{seen}");
}

#[test]
fn tags_that_say_who_is_told_and_what_is_managed_are_the_administrators() {
    for name in ["RotationRole", "ExpiryCheckerRole", "OauthCallbackRole"] {
        let role = Role::of_the_template(name).unwrap();
        for keys in [
            &["shopmail:contact"][..],
            &["shopmail:policy"],
            &["shopmail:state", "shopmail:managed"],
            &[],
        ] {
            let context = context(&[(TAG, &["mailbox"]), ("aws:TagKeys", keys)]);
            assert!(
                !role.allows("secretsmanager:TagResource", MAILBOX, &context),
                "{name} {keys:?}"
            );
        }
        let untag = context(&[(TAG, &["mailbox"]), ("aws:TagKeys", &["shopmail:state"])]);
        assert!(!role.allows("secretsmanager:UntagResource", MAILBOX, &untag));
    }
}

#[test]
fn the_notifier_mails_as_its_sender_and_asks_of_its_own_topic() {
    let role = Role::of_the_template("NotifierRole").unwrap();
    let from = |address: &str| {
        let context = context(&[("ses:FromAddress", &[address])]);
        role.allows("ses:SendEmail", "*", &context)
    };
    assert!(from(SENDER) && !from("boss@agency.example"));
    for action in ["sns:Publish", "sns:ListSubscriptionsByTopic"] {
        assert!(role.allows(action, &Sns::topic(), &Context::new()));
        let other = format!("{}-of-others", Sns::topic());
        assert!(!role.allows(action, &other, &Context::new()));
    }
    assert!(!role.allows("sns:Subscribe", &Sns::topic(), &Context::new()));
}

#[test]
fn a_pattern_takes_any_text_for_its_star() {
    assert!(matches("a:*", "a:") && matches("a:*", "a:b/c") && matches("*", ""));
    assert!(matches("x/*/g-*", "x/o/g-A") && !matches("x/*/g-*", "x/o"));
    assert!(matches("k-??", "k-ab") && !matches("k-??", "k-a"));
}
