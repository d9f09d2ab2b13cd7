//! The event that calls `rotation`: what is refused has touched nothing and told nobody, and says
//! nothing of the event's own text; what is taken asks for exactly the secret that the event names.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rotation::{Rotation, Settings};
use serde_json::{Value, json};
use shared::config::Reader;
use shared::failure::Kind;
use shared::mailbox::MailClient;
use shared::rotation::secret_name;

use crate::canned::{Canned, answering};
use crate::said::assert_fit_for_logs_and_mails;

/// See the module.
pub fn property(data: &[u8]) {
    let Ok(event) = serde_json::from_slice::<Value>(data) else {
        return;
    };
    let asked: Arc<Mutex<Vec<(String, Value)>>> = Arc::default();
    let journal = Arc::clone(&asked);
    // AWS denies whatever is asked: the event is all that is looked at.
    let client = answering(move |request| {
        let target = request.headers().get("x-amz-target");
        let target = target.map_or("", |target| target.to_str().unwrap());
        let body = serde_json::from_slice(request.body()).unwrap_or_default();
        journal.lock().unwrap().push((target.to_owned(), body));
        Canned::json(400, &json!({"__type": "AccessDeniedException"}))
    });
    let settings = settings();
    let mail = MailClient::new(settings.aws.limits, &settings.aws.extra_roots).unwrap();
    let rotation = Rotation::over(settings, client, mail);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let outcome = runtime.block_on(rotation.handle(event.clone(), Duration::from_secs(60)));
    let asked = asked.lock().unwrap();
    let failure = match outcome {
        Ok(answer) => return assert_looked_in_vain(&event, &answer, &asked),
        Err(failure) => failure,
    };
    assert_fit_for_logs_and_mails(&failure);
    if asked.is_empty() {
        assert_eq!(failure.kind, Kind::Refused);
        let said = failure.to_string();
        assert!(!said.contains('~'), "of the event's own text: {said}");
        let fields = [
            "SecretId",
            "Step",
            "ClientRequestToken",
            "RotationToken",
            "Action",
        ];
        assert!(fields.iter().any(|field| said.contains(field)), "{said}");
        return;
    }
    assert_well_formed(&event);
    for (operation, body) in asked.iter() {
        match operation.as_str() {
            "secretsmanager.DescribeSecret" | "secretsmanager.GetSecretValue" => {
                assert_eq!(body["SecretId"], event["SecretId"]);
            }
            // Where AWS denies the first look, an administrator hears of it.
            "AWSEvents.PutEvents" => {}
            other => panic!("{other}, and nothing is known yet"),
        }
    }
}

/// A look says of each secret why there is nothing to say, and asked for no other one.
fn assert_looked_in_vain(event: &Value, answer: &Value, asked: &[(String, Value)]) {
    assert_eq!(
        event["Action"], "inspect",
        "AWS denies everything: {answer}"
    );
    for of_each in [&answer["deep"], &answer["light"]] {
        let of_each = of_each.as_object().unwrap();
        assert!(
            of_each.values().all(|seen| seen.get("Err").is_some()),
            "{answer}"
        );
    }
    let deep = event["Deep"].as_array().into_iter().flatten();
    let named: Vec<&str> = deep.filter_map(|look| look["arn"].as_str()).collect();
    let is_named = |id: &str| {
        let companion = |arn: &&str| id == format!("{}/grants", secret_name(arn));
        named.contains(&id) || named.iter().any(companion)
    };
    for (operation, body) in asked {
        let ids = match operation.as_str() {
            "secretsmanager.BatchGetSecretValue" => body["SecretIdList"].as_array().unwrap(),
            "secretsmanager.GetSecretValue" => &vec![body["SecretId"].clone()],
            // The web identity, for the rotators' tokens.
            "" => continue,
            other => panic!("{other}, for a look"),
        };
        assert!(
            ids.iter().all(|id| is_named(id.as_str().unwrap())),
            "{ids:?}"
        );
    }
}

/// What is taken is one of the calls of the checker's or one of the four of Secrets Manager's.
fn assert_well_formed(event: &Value) {
    match event.get("Action") {
        Some(action) => {
            let actions = ["inspect", "sweep", "retire", "ask", "continue"];
            assert!(actions.iter().any(|name| action == name), "{event}");
        }
        None => {
            let steps = ["createSecret", "setSecret", "testSecret", "finishSecret"];
            assert!(steps.iter().any(|name| event["Step"] == *name), "{event}");
            assert!(event["ClientRequestToken"].is_string(), "{event}");
        }
    }
}

fn settings() -> Settings {
    let known = |name: &str| {
        let value = match name {
            "AWS_REGION" => "eu-central-1",
            "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" => "nobody's",
            "CALLBACK_URL" => "https://callback.example",
            _ => return None,
        };
        Some(value.to_owned())
    };
    Settings::read(Reader::new(known)).unwrap()
}
