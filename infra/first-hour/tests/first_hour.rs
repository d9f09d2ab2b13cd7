//! The real command, against simulated AWS, Entra and ShopCtrl.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod world;

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use simulators::browser::Browser;
use simulators::gate::{Calls, Fault, Hold};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Child;
use world::{FUNCTION, MAILBOX, PASSWORD, World, printed, verdicts};

#[tokio::test(flavor = "multi_thread")]
async fn all_that_the_simulators_answer_is_as_believed_and_nothing_is_left() {
    let world = World::new().await;
    // Without it nothing is ever under way at the same time.
    world
        .directory
        .set_graph_habits(|habits| habits.write_takes = Duration::from_millis(30));
    let login = world.shopctrl_login();
    let arguments = [
        "--json",
        "--rotation-function",
        FUNCTION,
        "--sign-in",
        MAILBOX,
        "--shopctrl",
        login.to_str().unwrap(),
    ];
    let mut child = world.command(&arguments).spawn().unwrap();
    sign_in(&mut child).await;
    let (lines, status, all) = printed(child).await;
    let others: Vec<&Value> = lines
        .iter()
        .filter(|line| line.get("verdict").is_some_and(|verdict| verdict != "same"))
        .collect();
    assert!(others.is_empty(), "{others:#?}");
    assert_eq!(verdicts(&lines).len(), 50, "each belief has a row");
    assert_eq!(status, Some(0), "{all}");
    assert_eq!(world.left(), Vec::<String>::new());
    world.assert_others_are_untouched();
    for secret in world.directory.all_secret_strings() {
        assert!(!all.contains(&secret), "a secret was printed");
    }
    assert_eq!(actions_called(&world), actions_documented());
    assert_client_secrets_were_to_end_within_a_day(&world);
}

/// Where no end is asked for, Graph's is in two years.
fn assert_client_secrets_were_to_end_within_a_day(world: &World) {
    let calls = world.gate.calls().into_iter();
    let adding = calls.filter(|call| call.operation.ends_with("addPassword"));
    let latest = shared::clock::machine() + SignedDuration::from_hours(24);
    let mut count = 0;
    for call in adding {
        let body: Value = serde_json::from_slice(&call.body).unwrap();
        let end = body["passwordCredential"]["endDateTime"].as_str();
        let end: Timestamp = end.expect("an end is asked for").parse().unwrap();
        assert!(end <= latest, "{body}");
        count += 1;
    }
    assert!(count > 20, "{count}");
}

/// What the run called, by the names of IAM.
fn actions_called(world: &World) -> BTreeSet<String> {
    let operations = world.gate.operations().into_iter();
    let of_aws = operations.filter_map(|operation| {
        let (service, operation) = operation.split_once(' ')?;
        let of_aws = ["secretsmanager", "sts", "ses"].contains(&service);
        of_aws.then(|| format!("{service}:{operation}"))
    });
    // The simulator knows no other call of SES, and names each so.
    let more = ["ses:GetAccount", "lambda:InvokeFunction"].map(str::to_owned);
    of_aws.chain(more).collect()
}

/// The actions of the policy in docs/first-hour.md.
fn actions_documented() -> BTreeSet<String> {
    let document = include_str!("../../../docs/first-hour.md");
    let policy = document.split("```json\n").nth(1).unwrap();
    let (policy, _) = policy.split_once("```").unwrap();
    let policy: Value = serde_json::from_str(policy).unwrap();
    let statements = policy["Statement"].as_array().unwrap().iter();
    let actions = statements.flat_map(|statement| match &statement["Action"] {
        Value::Array(actions) => actions.clone(),
        one => vec![one.clone()],
    });
    actions
        .map(|action| action.as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_otherwise_than_believed_is_reported_with_what_rests_on_it() {
    let world = World::new().await;
    world
        .secrets_manager
        .configure(|settings| settings.custom_labels_stay = false);
    world
        .directory
        .set_graph_habits(|habits| habits.shows_hint = false);
    let child = world.command(&[]).spawn().unwrap();
    let output = child.wait_with_output().await.unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).unwrap();
    for part in [
        "DIFFERENT    Labels of our own stay when AWSCURRENT leaves their version.",
        "DIFFERENT    Graph always sends hint.",
        "either answer is safe, because: Without a hint nothing is concluded",
        "docs/beliefs.md, Entra and Graph",
        "believed: each client secret that is       | seen: 0 of 2 that are listed have one",
        "not answered A refresh token survives a new client secret",
        "Do: name an account of",
        "4 different",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    let widest = text.lines().map(|line| line.chars().count()).max();
    assert!(widest <= Some(100), "{widest:?}\n{text}");
    assert_eq!(world.left(), Vec::<String>::new());
    world.assert_others_are_untouched();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_run_leaves_is_found_by_its_marker_though_some_looks_fail() {
    let world = World::new().await;
    let hold = Hold::default();
    let at = Calls::of("graph", "POST addPassword").after(3);
    world.gate.fail(at, Fault::Hold(hold.clone()));
    let mut child = world.command(&["--json"]).spawn().unwrap();
    hold.reached(1).await;
    child.kill().await.unwrap();
    hold.let_go();
    let left = world.left();
    for part in ["/labels", "/refusals", "/lateness", "-new-secrets"] {
        assert!(
            left.iter().any(|name| name.ends_with(part)),
            "{part}: {left:?}"
        );
    }
    make_looks_fail(&world);
    let child = world
        .command_by_azure_cli(&["clean-up", "--json"])
        .spawn()
        .unwrap();
    let (lines, status, all) = printed(child).await;
    assert_eq!(status, Some(0), "{all}");
    assert_eq!(world.left(), Vec::<String>::new());
    let removed = lines[0]["removed"].as_array().unwrap();
    assert!(removed.len() >= left.len(), "{removed:?}");
    world.assert_others_are_untouched();
}

/// Each kind of look fails once, and the list of apps has one in it that somebody else has removed for good.
fn make_looks_fail(world: &World) {
    for action in ["ListSecrets", "DescribeSecret", "DeleteSecret"] {
        let at = Calls::of("secretsmanager", action);
        world.gate.fail(at, access_denied());
    }
    for operation in [
        "GET applications",
        "DELETE application",
        "GET deletedItems",
        "DELETE deletedItem",
    ] {
        let at = Calls::of("graph", operation);
        world.gate.fail(at, Fault::Reset { effect: false });
    }
    let at = Calls::of("graph", "GET applications").after(1);
    let with_one_that_is_gone = Fault::Odd(|list| {
        let (id, app_id) = (
            "8c1e1a52-4d0b-4d2f-9c35-1d1a77a6b0f1",
            "b1f4a3c8-6f0e-4b57-8a43-2f9c0de15a77",
        );
        let name = "shopmail-first-hour-0123abcd-gone";
        let gone = json!({"id": id, "appId": app_id, "displayName": name, "tags": ["shopmail-first-hour"]});
        list["value"].as_array_mut().unwrap().push(gone);
    });
    world.gate.fail(at, with_one_that_is_gone);
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_while_the_azure_cli_is_asked_ends_the_command() {
    let world = World::new().await;
    let (mut command, asked) = world.command_by_an_azure_cli_that_never_answers(&["--json"]);
    let child = command.spawn().unwrap();
    // A pipe: it can be read once somebody has written to it.
    tokio::fs::read(asked).await.unwrap();
    interrupt(&child).await;
    let (lines, status, all) = printed(child).await;
    assert_eq!((lines.len(), status), (0, Some(130)), "{all}");
}

async fn interrupt(child: &Child) {
    let id = child.id().unwrap().to_string();
    let mut kill = tokio::process::Command::new("kill");
    let sent = kill.args(["-INT", &id]).status().await;
    assert!(sent.unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_ends_a_run_and_leaves_nothing() {
    let world = World::new().await;
    let hold = Hold::default();
    // What was asked for when it was interrupted is done all the same.
    let at = Calls::of("graph", "POST servicePrincipals");
    world.gate.fail(at, Fault::Hold(hold.clone()));
    let child = world.command(&["--json"]).spawn().unwrap();
    hold.reached(1).await;
    interrupt(&child).await;
    let (lines, status, all) = printed(child).await;
    assert_eq!(status, Some(130), "{all}");
    assert_eq!(world.left(), Vec::<String>::new());
    assert!(!verdicts(&lines).contains_key("propagation"), "{all}");
    world.assert_others_are_untouched();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_that_cannot_run_says_what_to_do_and_costs_no_other_one() {
    let world = World::new().await;
    let putting = Calls::of("secretsmanager", "PutSecretValue");
    world.gate.fail(putting, access_denied());
    let child = world
        .command_of(&["Application.ReadWrite.All"], &["--json"])
        .spawn()
        .unwrap();
    let (lines, status, all) = printed(child).await;
    assert_eq!(status, Some(0), "{all}");
    let verdicts = verdicts(&lines);
    for (id, verdict) in [
        ("primary-region", "same"),
        ("labels-stay", "not answered"),
        ("value-once", "same"),
        ("standing", "not answered"),
        ("ownership-alone", "same"),
        ("role-alone", "not answered"),
        ("assertion", "same"),
        ("refresh-token", "not answered"),
        ("basic", "not answered"),
    ] {
        assert_eq!(verdicts[id], verdict, "{id}\n{all}");
    }
    let to_do = |id: &str| {
        let line = lines.iter().find(|line| line["id"] == id).unwrap();
        line["do"].as_str().unwrap().to_owned()
    };
    assert!(to_do("labels-stay").contains("secretsmanager:PutSecretValue"));
    assert!(to_do("role-alone").contains("Privileged Role Administrator"));
    assert!(to_do("standing").contains("--rotation-function"));
    assert_eq!(world.left(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nobody_is_signed_in_at_azure_aws_is_tried_all_the_same() {
    let world = World::new().await;
    let (lines, status, all) = printed(world.signed_out(&["--json"]).spawn().unwrap()).await;
    assert_eq!(status, Some(0), "{all}");
    let verdicts = verdicts(&lines);
    assert_eq!(
        (verdicts["labels-stay"], verdicts["hint"]),
        ("same", "not answered")
    );
    assert_eq!(verdicts.len(), 50, "each belief has a row");
    let hint = lines.iter().find(|line| line["id"] == "hint").unwrap();
    assert!(hint["do"].as_str().unwrap().contains("az login"), "{hint}");
    assert_eq!(world.left(), Vec::<String>::new());
}

fn access_denied() -> Fault {
    let name = "x-amzn-errortype".to_owned();
    Fault::Answer {
        effect: false,
        status: 400,
        headers: vec![(name, "AccessDeniedException".to_owned())],
        body: "{}".to_owned(),
    }
}

/// Opens the link that the command prints, and signs in as the mailbox.
async fn sign_in(child: &mut Child) {
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let link = loop {
        let line = lines.next_line().await.unwrap().expect("a link is printed");
        if line.starts_with("http") {
            break line;
        }
    };
    let mut browser = Browser::default();
    let page = browser.get(&link).await.unwrap();
    let asked = browser
        .submit(&page, "/login", &[("passwd", PASSWORD)])
        .await
        .unwrap();
    let back = browser
        .submit(&asked, "/consent", &[("decision", "accept")])
        .await
        .unwrap();
    let thanks = browser.follow(back).await.unwrap();
    assert!(thanks.body.starts_with("Thank you."), "{}", thanks.body);
    // What else is printed there is nobody's.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
}
