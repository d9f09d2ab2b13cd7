//! The programs of `infra/onboarding`, as an administrator runs them: against the simulated Secrets Manager and Entra, by
//! the AWS CLI.

mod program;

use serde_json::{Value, json};
use simulators::world::MailboxPlan;
use uuid::Uuid;

use crate::support::Scenario;
use crate::support::scenario::days;
use program::{Program, aws_or_say, python_or_say};

/// A mailbox as `add-mailbox --no-document` and a first document leave it: ShopCtrl works, and its client secret is
/// not known.
fn unknown() -> MailboxPlan {
    MailboxPlan {
        ends_in: days(100),
        document: |document| {
            for field in ["key_id", "client_secret", "expires_at"] {
                document[field] = json!("");
            }
        },
        ..MailboxPlan::default()
    }
}

/// The client secret that ShopCtrl uses.
fn value(scenario: &Scenario) -> String {
    let directory = &scenario.world.directory;
    directory.secret_value(scenario.mailbox.first_key).unwrap()
}

/// What `az ad app credential list` writes. `hint`: what Entra shows of each.
fn listed(scenario: &Scenario, hint: fn(&str) -> Value) -> Value {
    let credentials = scenario.credentials();
    let fields = credentials.iter().map(|credential| {
        json!({
            "customKeyIdentifier": null, "displayName": credential.display_name,
            "startDateTime": credential.start.to_string(), "endDateTime": credential.end.to_string(),
            "hint": hint(&credential.hint), "keyId": credential.key_id, "secretText": null,
        })
    });
    fields.collect()
}

fn shown(hint: &str) -> Value {
    json!(hint)
}

fn not_shown(_: &str) -> Value {
    Value::Null
}

fn import<'a>(
    scenario: &'a Scenario,
    aws: &'a std::path::Path,
    credentials: &Value,
) -> Program<'a> {
    let name = scenario.mailbox.secret.strip_prefix("shopmail/").unwrap();
    Program::new("import-secret")
        .args(&[name, "--credentials", "credentials.json"])
        .file("credentials.json", credentials.to_string())
        .in_the_world(scenario, aws)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_secret_that_is_imported_is_renewed_when_it_is_due_and_retired_after_that() {
    let Some(aws) = aws_or_say() else { return };
    let scenario = Scenario::with(&unknown()).await;
    let secret = value(&scenario);
    let ran = import(&scenario, &aws, &listed(&scenario, shown))
        .given(&format!("{secret}\n"))
        .run();
    assert!(ran.succeeded, "{}", ran.told);
    assert!(!ran.told.contains(&secret), "{}", ran.told);
    let (document, first) = (scenario.document(), scenario.mailbox.first_key);
    assert_eq!(document["client_secret"], json!(secret));
    assert_eq!(document["key_id"], json!(first));
    let again = import(&scenario, &aws, &listed(&scenario, shown))
        .given(&secret)
        .run();
    assert!(
        again.succeeded && again.told.contains("already"),
        "{}",
        again.told
    );

    scenario.check_daily(2).await;
    assert_eq!(scenario.told().get("Rotation Due"), None);
    assert_eq!(scenario.told().get("Drift Found"), None);
    scenario.world.clock.advance(days(70));
    scenario.check_daily(1).await;
    scenario.assert_whole();
    assert_ne!(scenario.document()["key_id"], json!(first));
    scenario.check_daily(9).await;
    assert!(!scenario.keys().contains(&first), "retired");
    assert!(scenario.keys().contains(&scenario.mailbox.foreign_key));
}

#[tokio::test(flavor = "multi_thread")]
async fn where_entra_does_not_say_which_it_is_a_person_does_and_nothing_is_guessed() {
    let Some(aws) = aws_or_say() else { return };
    let scenario = Scenario::with(&unknown()).await;
    let (secret, before) = (value(&scenario), scenario.secret().versions);
    let (first, foreign) = (scenario.mailbox.first_key, scenario.mailbox.foreign_key);
    // It begins as another does; Entra shows of none how it begins.
    let alike = |_: &str| json!("a~b");
    let of_alike = format!("a~b{secret}");
    for (credentials, given, signs_in) in [
        (listed(&scenario, not_shown), &secret, true),
        (listed(&scenario, alike), &of_alike, false),
    ] {
        let ran = import(&scenario, &aws, &credentials).given(given).run();
        assert!(
            !ran.succeeded && !ran.told.contains(given.as_str()),
            "{}",
            ran.told
        );
        let lists = [first, foreign].map(|key| ran.told.contains(&key.to_string()));
        assert_eq!(lists, [signs_in; 2], "{}", ran.told);
        assert_eq!(scenario.secret().versions, before);
    }
    let credentials = listed(&scenario, not_shown);
    let stranger = Uuid::from_u128(7).to_string();
    for (key_id, is_taken) in [(stranger, false), (first.to_string(), true)] {
        let ran = import(&scenario, &aws, &credentials)
            .args(&["--key-id", &key_id])
            .given(&secret)
            .run();
        assert_eq!(ran.succeeded, is_taken, "{}", ran.told);
    }
    assert_eq!(scenario.document()["key_id"], json!(first));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_sign_in_is_not_imported_and_never_shown() {
    let Some(aws) = aws_or_say() else { return };
    let scenario = Scenario::with(&unknown()).await;
    let (secret, before) = (value(&scenario), scenario.secret().versions);
    let credentials = listed(&scenario, shown);
    let of_nobody = format!("{secret}x");
    let typed = scenario.mailbox.first_key.to_string();
    for (given, says) in [
        (of_nobody.as_str(), "AADSTS7000215"),
        (typed.as_str(), "looks like the Secret ID"),
        ("", "empty"),
        ("two\nlines", "several lines"),
    ] {
        let ran = import(&scenario, &aws, &credentials).given(given).run();
        assert!(
            !ran.succeeded && ran.told.contains(says),
            "{given}: {}",
            ran.told
        );
        assert!(
            given.is_empty() || !ran.told.contains(given),
            "{}",
            ran.told
        );
    }
    // Signs in, and is no entry of the app registration: one of the enterprise application does that.
    let ran = import(&scenario, &aws, &json!([])).given(&secret).run();
    assert!(ran.told.contains("enterprise application"), "{}", ran.told);
    assert_eq!(scenario.secret().versions, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mailbox_that_has_a_client_secret_or_is_about_to_get_one_takes_no_other() {
    let Some(aws) = aws_or_say() else { return };
    let has_one = Scenario::begin().await;
    let plan = MailboxPlan {
        delivery: "attended".to_owned(),
        ..unknown()
    };
    let gets_one = Scenario::waiting_for_owner(&plan).await;
    for (scenario, says) in [
        (&has_one, "has a client secret already"),
        (&gets_one, "has issued a new"),
    ] {
        let before = scenario.secret().versions;
        let ran = import(scenario, &aws, &listed(scenario, shown))
            .given("An0ther~value")
            .run();
        assert!(!ran.succeeded && ran.told.contains(says), "{}", ran.told);
        assert_eq!(scenario.secret().versions, before);
    }
}

const DEFAULTS: &str = "\
# the same for all
TenantId=0b5a7c1e-6c0e-4f0a-9b1d-3a1f0f1c2d3e
RotatorClientId=5d8e2a90-3b1f-4c7d-8a6e-2f9c0b1d4e5a
ShopCtrlUi=https://shop.example
ShopCtrlApi=https://shop.example/v1
ShopCtrlCredentials=shopmail-shopctrl/shop.example
Contact=it@shop.example
";

/// Whatever is wrong is said before AWS is asked for anything: there is no AWS CLI here.
#[test]
fn what_is_wrong_in_a_list_is_said_by_line_and_field_all_at_once() {
    if !python_or_say() {
        return;
    }
    let id = "8e4b3f52-1d0c-4c54-9f0e-0a7d3f1b2c4d";
    let list = format!(
        "Name,Mailbox,ClientId,ShopId,Contact,Proof,Lifetime,Backstop,RotatorKind\n\
         orders,orders@shop.example,{id},12,,,,,\n\
         Returns,returns@shop.example,{},0,,perhaps,,,\n\
         \n\
         press,press@shop.example,{id},12,Press@Shop.example,,,,secret\n\
         longer,longer@shop.example,{id},12,,,P365D,,\n\
         orders,,{id},12,,,,on,\n",
        id.to_uppercase(),
    );
    let ran = Program::new("add-mailboxes")
        .args(&["list.csv", "--apply"])
        .file("list.csv", &list)
        .file("mailbox-defaults", DEFAULTS)
        .run();
    assert!(!ran.succeeded);
    for line in [
        "line 3, Name:",
        "line 3, ClientId: is not a GUID in small letters",
        "line 3, ShopId: is no number from 1 on",
        "line 3, Proof: is none of probe, round_trip, shopctrl",
        "line 5, Contact: is the mailbox itself",
        "line 5, RotatorSecret: is missing",
        "line 6, BackstopSchedule: is missing",
        "line 7, Mailbox: is missing",
        "line 7, Backstop:",
        "line 7, Name: line 2 has it too",
    ] {
        assert!(ran.told.contains(line), "{line}: {}", ran.told);
    }
    assert!(!ran.told.contains("line 2,"), "{}", ran.told);
    assert!(ran.told.ends_with("Nothing was done.\n"), "{}", ran.told);
}

fn assert_list_is_refused(list: impl AsRef<[u8]>, defaults: &str, says: &str) {
    let ran = Program::new("add-mailboxes")
        .args(&["list.csv"])
        .file("list.csv", list)
        .file("mailbox-defaults", defaults)
        .run();
    assert!(
        !ran.succeeded && ran.told.contains(says),
        "{says}: {}",
        ran.told
    );
}

#[test]
fn a_list_that_is_no_table_of_mailboxes_is_said_to_be_none() {
    if !python_or_say() {
        return;
    }
    let whole = "Name,Mailbox,ClientId,ShopId\norders,o@shop.example,8e4b3f52-1d0c-4c54-9f0e-0a7d3f1b2c4d,12\n";
    for (list, defaults, says) in [
        (
            "Name,Mailbox\norders\n",
            "",
            "line 2: has another number of cells",
        ),
        ("Name,Name\na,b\n", "", "line 1: a column is there twice"),
        ("Name,Mailbox\n", "", "no mailbox is listed"),
        ("\"Name\"x,Mailbox\na,b\n", "", "line 1: ',' expected"),
        (
            "Name,Kontakt\norders,x\n",
            "",
            "line 2, Kontakt: is no parameter",
        ),
        (
            whole,
            "TenantId\n",
            "mailbox-defaults, line 1: is not Parameter=value",
        ),
        (
            whole,
            "Contact=a\nContact=b\n",
            "line 2, Contact: is there twice",
        ),
        // What is in order but for the AWS CLI.
        (whole, DEFAULTS, "the AWS CLI is not installed"),
        (
            &whole.replace(',', ";"),
            DEFAULTS,
            "the AWS CLI is not installed",
        ),
    ] {
        assert_list_is_refused(list, defaults, says);
    }
}

#[test]
fn a_list_in_another_alphabet_is_said_to_be_so_and_one_of_windows_powershell_is_read() {
    if !python_or_say() {
        return;
    }
    let list = "Name,Mailbox,ClientId,ShopId,SecretDescription\n\
                orders,o@shop.example,8e4b3f52-1d0c-4c54-9f0e-0a7d3f1b2c4d,12,B\u{fc}ro\n";
    let ansi: Vec<u8> = list.chars().map(|c| u8::try_from(c).unwrap()).collect();
    let utf_16 = "\u{feff}".encode_utf16().chain(list.encode_utf16());
    let utf_16: Vec<u8> = utf_16.flat_map(u16::to_le_bytes).collect();
    for (list, says) in [
        (ansi, "list.csv: is not UTF-8"),
        (utf_16, "the AWS CLI is not installed"),
    ] {
        assert_list_is_refused(list, DEFAULTS, says);
    }
}
