//! What the story leaves out of the templates: every parameter of the system, and what each choice of a mailbox's makes
//! of its document.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use deployed::lambda::Deployed;
use deployed::{Site, Terminal, stacks};
use serde_json::{Value, json};
use shared::mailbox_secret::MailboxSecret;
use simulators::tls_authority::TlsAuthority;

/// Deploys a mailbox with these parameters beside those that each needs, and returns the document that its stack
/// gives, which has to be one without a secret.
async fn document(terminal: &Terminal, name: &str, parameters: &[(&str, &str)]) -> Value {
    let needed = [
        ("Name", name),
        ("Mailbox", "orders@shop.example"),
        ("Contact", "it@agency.example"),
        ("TenantId", TENANT),
        ("ClientId", CLIENT),
        ("ShopCtrlUi", "https://shop.example"),
        ("ShopCtrlApi", "https://shop.example/v1"),
        ("ShopId", "12"),
        ("ShopCtrlCredentials", "shopmail-shopctrl/shop.example"),
    ];
    let all = [&needed[..], parameters].concat();
    let stack = format!("shopmail-{name}");
    let outputs = stacks::deploy_mailbox(terminal, &stack, &all).await;
    let document: Value = serde_json::from_str(&outputs["Document"]).unwrap();
    assert_eq!(document["client_secret"], "");
    // Only who is its own rotator needs a value, which a person puts.
    let is_its_own = document["rotator"]["kind"] == "self";
    assert_eq!(outputs.contains_key("PutCommand"), !is_its_own);
    let mut put = document.clone();
    if is_its_own {
        put["client_secret"] = json!("Zvs8Q~a-value");
        put["expires_at"] = json!("2027-01-15T00:00:00Z");
    }
    MailboxSecret::read(&put.to_string().into()).expect("the functions read it");
    document
}

const TENANT: &str = "0b5a7c1e-6c0e-4f0a-9b1d-3a1f0f1c2d3e";
const CLIENT: &str = "8e4b3f52-1d0c-4c54-9f0e-0a7d3f1b2c4d";
const ROTATOR: &str = "5d8e2a90-3b1f-4c7d-8a6e-2f9c0b1d4e5a";
const KEY: &str = "arn:aws:kms:eu-west-1:123456789012:key/8b1f3c52-0000-4000-8000-000000000000";
const CERTIFICATE: &str =
    "arn:aws:acm:eu-west-1:123456789012:certificate/8b1f3c52-0000-4000-8000-000000000001";

/// But for `TlsExtraRoots`; each with another value than the default, and such as have spaces and quotation marks in them.
const EVERY_PARAMETER: [(&str, &str); 21] = [
    ("Architecture", "arm64"),
    ("NotifyEmail", "it@agency.example"),
    ("MailFrom", "shopmail@agency.example"),
    ("MailFromName", "Agency & Sons' mail"),
    ("CheckSchedule", "cron(0 6,18 * * ? *)"),
    ("RenewBefore", "P45D"),
    ("RenewShare", "1/10"),
    ("HardStop", "P5D"),
    ("Thresholds", "21/7/1"),
    ("Window", "mon-thu/09:00-17:00 fri/09:00-12:00"),
    ("TimeZone", "Europe/Amsterdam"),
    ("Freeze", "2026-11-23/2026-12-28 2027-11-22/2027-12-27"),
    ("InvocationsAtOnce", "20"),
    ("Quarantine", "P3D"),
    ("TicketLifetime", "P2D"),
    ("CallbackDomain", "mail-access.agency.example"),
    ("CallbackCertificateArn", CERTIFICATE),
    ("EventBus", "shops"),
    ("SecretsKeyArn", KEY),
    ("LogLevel", "DEBUG"),
    ("LogRetentionDays", "30"),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_system_with_every_parameter_deploys_and_its_functions_take_their_settings() {
    let Some(site) = Site::start_or_say().await else {
        return;
    };
    let terminal = &site.terminal;
    terminal
        .run("aws events create-event-bus --name shops")
        .await;
    let roots = TlsAuthority::new().pem();
    let parameters = [&EVERY_PARAMETER[..], &[("TlsExtraRoots", &roots)]].concat();
    let outputs = stacks::deploy_system(terminal, &parameters).await;
    let domain = "mail-access.agency.example";
    assert_eq!(outputs["CallbackUrl"], format!("https://{domain}/callback"));
    assert_eq!(outputs["SecretsKeyArn"], KEY);
    assert!(outputs.contains_key("CallbackDomainTarget"), "{outputs:?}");
    for (command, expected) in [
        (
            "aws events list-rules --event-bus-name shops --query 'length(Rules)' --output text",
            "2",
        ),
        (
            "aws events list-rules --query 'Rules[].ScheduleExpression' --output text",
            "cron(0 6,18 * * ? *)",
        ),
        (
            "aws apigatewayv2 get-domain-names --query 'Items[].DomainName' --output text",
            domain,
        ),
        (
            "aws iam get-role-policy --role-name shopmail-rotation-eu-west-1 --policy-name secrets-key \
          --query PolicyDocument.Statement[0].Resource --output text",
            KEY,
        ),
        (
            "aws cloudformation list-exports --query 'Exports[].Name' --output text",
            "shopmail-RotationFunctionArn",
        ),
    ] {
        assert_eq!(terminal.run(command).await.trim(), expected, "{command}");
    }
    // A function that cannot read its settings answers nothing else.
    let functions = Deployed::in_mini_stack(&site.mini_stack);
    let nothing = json!({});
    for (function, event, error) in [
        ("rotation", &nothing, Some("Refused")),
        ("expiry-checker", &json!({"dry_run": true}), None),
        ("oauth-callback", &nothing, Some("Refused")),
        ("notifier", &json!({"Records": []}), None),
    ] {
        let name = format!("shopmail-{function}");
        let answer = functions.invoke(&name, event).await.unwrap();
        assert_eq!(answer.error_type(), error, "{name}: {answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_choice_of_a_mailboxs_stack_gives_a_document_that_the_functions_read() {
    let Some(site) = Site::start_or_say().await else {
        return;
    };
    let rotator = ("RotatorClientId", ROTATOR);
    let terminal = &site.terminal;
    let plain = document(terminal, "plain", &[rotator]).await;
    let shopctrl = json!({
        "ui": "https://shop.example", "api": "https://shop.example/v1", "shop_id": 12,
        "credentials": "shopmail-shopctrl/shop.example",
    });
    let connection = |suffix: &str, direction: &str| {
        json!({
            "id": format!("plain-{suffix}"), "direction": direction, "protocol": "graph",
            "mailbox": "orders@shop.example", "shopctrl": shopctrl,
            "delivery": "attended", "proof": "probe",
        })
    };
    let expected = json!({
        "version": 1, "tenant_id": TENANT, "client_id": CLIENT, "cloud": "global",
        "description": "ShopCtrl mail", "key_id": "", "client_secret": "", "expires_at": "",
        "rotator": {"kind": "federated", "client_id": ROTATOR},
        "connections": [connection("in", "receiving"), connection("out", "sending")],
        "reveal_to": [],
    });
    assert_eq!(plain, expected);

    let by_protocols = document(
        terminal,
        "protocols",
        &[
            rotator,
            ("RotatorKind", "secret"),
            ("RotatorSecret", "shopmail-rotator/agency"),
            ("Cloud", "us-gov"),
            ("SignInAs", "u123456@corp.example"),
            ("ReceivingProtocol", "imap"),
            ("SendingProtocol", "smtp"),
            ("Proof", "round_trip"),
            ("Lifetime", "P365D"),
            ("BackstopSchedule", "rate(345 days)"),
            ("Policy", "renew-before=P45D window=mon-fri/09:00-17:00"),
        ],
    )
    .await;
    let kept = json!({"kind": "secret", "client_id": ROTATOR, "secret": "shopmail-rotator/agency"});
    assert_eq!(by_protocols["rotator"], kept);
    assert_eq!(
        (&by_protocols["lifetime"], &by_protocols["cloud"]),
        (&json!("P365D"), &json!("us-gov"))
    );
    for (connection, protocol) in [(0, "imap"), (1, "smtp")] {
        let connection = &by_protocols["connections"][connection];
        assert_eq!(connection["protocol"], protocol);
        assert_eq!(connection["sign_in_as"], "u123456@corp.example");
        assert_eq!(connection["proof"], "round_trip");
    }

    let links = ["ReceivingEmail", "SendingEmail"]
        .map(|control| format!("https://shop.example?tab=Shop|12&control={control}"));
    let own = document(
        terminal,
        "own",
        &[
            ("RotatorKind", "self"),
            ("KeyId", CLIENT),
            ("RevealTo", &format!("{TENANT},{ROTATOR}")),
            ("SignInAs", "u123456@corp.example"),
            ("ReceivingProtocol", "pop3"),
            ("ReceivingLink", &links[0]),
            ("SendingLink", &links[1]),
            ("Delivery", "api"),
            ("SecretsKeyArn", KEY),
        ],
    )
    .await;
    assert_eq!(own["rotator"], json!({"kind": "self"}));
    assert_eq!(own["key_id"], CLIENT);
    assert_eq!(own["reveal_to"], json!([TENANT, ROTATOR]));
    for (connection, link) in own["connections"].as_array().unwrap().iter().zip(&links) {
        assert_eq!(connection["shopctrl"]["settings_link"], *link);
        assert_eq!(connection["delivery"], "api");
        // Of a name that only the e-mail protocols ask for, Graph must hear nothing.
        let is_graph = connection["protocol"] == "graph";
        assert_eq!(connection["sign_in_as"].is_null(), is_graph, "{connection}");
    }
}
