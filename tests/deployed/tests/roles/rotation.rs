//! What `rotation` may do.

use serde_json::json;
use simulators::microsoft::directory::application::{Audience, NewSecret};
use simulators::world::MailboxPlan;

use crate::account::Account;
use crate::mailbox::{Deployed, ROTATOR, by_its_own_secret};

const SECRETS: &str = "secret:shopmail/*";
const READ: &str = "secretsmanager:GetSecretValue";
const LABEL: &str = "secretsmanager:UpdateSecretVersionStage";

fn may<'a>(sid: &'a str, action: &'a str, on: &'a str) -> [&'a str; 4] {
    ["RotationRole", sid, action, on]
}

fn may_read(on: &str) -> [&str; 4] {
    may("LoginsAndTicketKey", READ, on)
}

/// Stores the logins that every mailbox needs.
pub async fn store_logins(account: &Account) {
    account.take_over("shopmail-shopctrl/shop.example").await;
    let world = account.world();
    let rotator = world.rotator().app_id;
    let added = world.directory.add_secret(rotator, NewSecret::default());
    let (_, value) = added.unwrap();
    let value = json!({"client_secret": value}).to_string();
    let create = json!({"Name": ROTATOR, "SecretString": value});
    account.aws("secretsmanager.CreateSecret", create).await;
}

/// A rotation from its beginning to its end. What a step needs is missing once each, and then it is taken with all.
pub async fn rotates(account: &Account) {
    let plan = MailboxPlan {
        document: by_its_own_secret,
        ..MailboxPlan::default()
    };
    let orders = account.add_mailbox(&plan).await;
    orders.grant_is_of_long_ago().await;
    let app = orders.mailbox.app.app_id;
    let credentials = || account.world().directory.credentials(app).len();
    let before = credentials();
    let token = orders.begin_rotation().await;
    an_untagged_secret_is_left_alone(&orders, &token).await;
    let ours = |action| may("MailboxSecretsAndGrants", action, SECRETS);
    let grants = "secret:shopmail/*/grants-*";
    let create_needs = vec![
        ours("secretsmanager:DescribeSecret"),
        ours(READ),
        ours("secretsmanager:PutSecretValue"),
        may_read("secret:shopmail-rotator/*"),
    ];
    let set_needs = vec![
        may("ReadsManyAtOnce", "secretsmanager:BatchGetSecretValue", "*"),
        may("MovesTheLabelsOfGrants", LABEL, grants),
        may_read("secret:shopmail-shopctrl/*"),
    ];
    let test_needs = vec![may("MovesTheLabelsOfARotation", LABEL, SECRETS)];
    let finish_needs = vec![
        may("SendsEvents", "events:PutEvents", "event-bus/${EventBus}"),
        may("KeepsNotes", "secretsmanager:TagResource", SECRETS),
    ];
    for (step, needs) in [
        ("createSecret", create_needs),
        ("setSecret", set_needs),
        ("testSecret", test_needs),
        ("finishSecret", finish_needs),
    ] {
        for permission in needs {
            let step = async || orders.step(step, &token).await;
            account.without(permission, step).await;
        }
        orders.take_step(step, &token).await;
    }
    assert_eq!(orders.version("AWSCURRENT").await, Some(token));
    assert_eq!(credentials(), before + 1, "what was not stored is removed");
}

/// The roles hold for secrets with the tag alone.
async fn an_untagged_secret_is_left_alone(mailbox: &Deployed<'_>, token: &str) {
    let tag = "shopmail:managed";
    mailbox
        .manage("UntagResource", json!({"TagKeys": [tag]}))
        .await;
    let answer = mailbox.step("createSecret", token).await;
    let refused = "describing the secret: AWS answered 403 (AccessDeniedException)";
    assert!(answer.contains(refused), "{answer}");
    let tags = json!({"Tags": [{"Key": tag, "Value": "mailbox"}]});
    mailbox.manage("TagResource", tags).await;
}

/// A configuration test of a mailbox on an app with two places.
pub async fn tests_an_app_with_two_places(account: &Account) {
    let plan = MailboxPlan {
        name: "personal".to_owned(),
        address: "personal@shop.example".to_owned(),
        shop_id: 13,
        document: by_its_own_secret,
        ..MailboxPlan::default()
    };
    let personal = account.add_mailbox(&plan).await;
    let directory = &account.world().directory;
    let app = personal.mailbox.app.app_id;
    directory.change(app, |app| app.sign_in_audience = Audience::AnyAndPersonal);
    assert!(directory.delete_secret(app, personal.mailbox.foreign_key));
    let token = personal.begin_rotation().await;
    let sid = "ListsForTheConfigurationTest";
    let list = may(sid, "secretsmanager:ListSecrets", "*");
    let test = async || personal.step("testSecret", &token).await;
    account.without(list, test).await;
    personal.take_step("testSecret", &token).await;
}

/// A rotator without a secret. Nobody can check the signature of MiniStack's token, so that Entra takes none; what AWS
/// says is another thing.
pub async fn signs_in_by_its_role(account: &Account) {
    let plan = MailboxPlan {
        name: "federated".to_owned(),
        address: "federated@shop.example".to_owned(),
        shop_id: 14,
        ..MailboxPlan::default()
    };
    let federated = account.add_mailbox(&plan).await;
    let token = federated.begin_rotation().await;
    let create = async || federated.step("createSecret", &token).await;
    let sid = "SignsInAtEntraWithoutASecret";
    let sts = may(sid, "sts:GetWebIdentityToken", "*");
    account.without(sts, create).await;
    let answer = federated.step("createSecret", &token).await;
    assert!(answer.contains("signing in as the rotator"), "{answer}");
}

/// A rotation that asks a person, and waits for them. Returns its token.
pub async fn asks<'a>(account: &'a Account) -> (Deployed<'a>, String) {
    let plan = MailboxPlan {
        name: "attended".to_owned(),
        address: "attended@shop.example".to_owned(),
        shop_id: 15,
        delivery: "attended".to_owned(),
        reveal_to_owner: true,
        document: by_its_own_secret,
        ..MailboxPlan::default()
    };
    let attended = account.add_mailbox(&plan).await;
    let token = attended.begin_rotation().await;
    attended.take_step("createSecret", &token).await;
    let key = may_read("secret:shopmail-ticket-key-??????");
    let set = async || attended.step("setSecret", &token).await;
    account.without(key, set).await;
    let answer = attended.step("setSecret", &token).await;
    assert!(answer.contains("WaitingForPerson"), "{answer}");
    (attended, token)
}
