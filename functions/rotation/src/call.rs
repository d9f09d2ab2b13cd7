//! The event that the function was called with.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::Value;
use shared::failure::{Failure, Kind};
use shared::ids::KeyId;

/// A step of a rotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Issue: a new credential in Entra, stored as the pending version.
    Create,
    /// Deliver: into ShopCtrl.
    Set,
    /// Prove: sign-ins, mailbox, ShopCtrl's own test.
    Test,
    /// Promote: the pending version becomes the current one.
    Finish,
}

/// What the checker asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Look, and say what there is.
    Probe,
    /// Remove credentials of ours whose value was never stored.
    Sweep,
    /// Remove superseded credentials whose quarantine is over.
    Retire,
}

/// An event that was understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Call {
    /// From Secrets Manager.
    Step(StepCall),
    /// From the checker.
    Action(ActionCall),
}

/// A step of one rotation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepCall {
    pub step: Step,
    /// ARN or name of the secret, as given.
    pub secret: String,
    /// The rotation's token, and the id of the version that it makes.
    pub token: String,
    /// Of a rotation across accounts or with an assumed role: handed back with PutSecretValue.
    pub rotation_token: Option<String>,
}

/// An action on one secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActionCall {
    pub action: Action,
    /// ARN or name of the secret, as given.
    pub secret: String,
    /// The credentials that other managed secrets name. Without it nothing is removed that one of them
    /// may use.
    pub named_by_others: Option<BTreeSet<KeyId>>,
}

impl Call {
    /// Reads an event. Fields that AWS may add are no error.
    ///
    /// # Errors
    /// [`Kind::Refused`], naming the field.
    pub fn read(event: &Value) -> Result<Self, Failure> {
        let secret = text(event, "SecretId", 2048)?;
        if event.get("Action").is_some() {
            let action = match text(event, "Action", 32)?.as_str() {
                "probe" => Action::Probe,
                "sweep" => Action::Sweep,
                "retire" => Action::Retire,
                _ => return Err(wrong("Action is not probe, sweep or retire")),
            };
            let named_by_others = match event.get("NamedByOthers") {
                None | Some(Value::Null) => None,
                Some(keys) => Some(
                    BTreeSet::deserialize(keys)
                        .map_err(|_| wrong("NamedByOthers is not a list of key ids"))?,
                ),
            };
            return Ok(Self::Action(ActionCall {
                action,
                secret,
                named_by_others,
            }));
        }
        // Secrets Manager sends the first form; its guide prints the second ("How rotation works").
        let step = match text(event, "Step", 32)?.as_str() {
            "createSecret" | "create_secret" => Step::Create,
            "setSecret" | "set_secret" => Step::Set,
            "testSecret" | "test_secret" => Step::Test,
            "finishSecret" | "finish_secret" => Step::Finish,
            _ => {
                return Err(wrong(
                    "Step is not createSecret, setSecret, testSecret or finishSecret",
                ));
            }
        };
        let rotation_token = match event.get("RotationToken") {
            None | Some(Value::Null) => None,
            Some(_) => Some(text(event, "RotationToken", 256)?),
        };
        Ok(Self::Step(StepCall {
            step,
            secret,
            token: text(event, "ClientRequestToken", 64)?,
            rotation_token,
        }))
    }

    /// The step's or action's name on the wire.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Step(StepCall { step, .. }) => match step {
                Step::Create => "createSecret",
                Step::Set => "setSecret",
                Step::Test => "testSecret",
                Step::Finish => "finishSecret",
            },
            Self::Action(ActionCall { action, .. }) => match action {
                Action::Probe => "probe",
                Action::Sweep => "sweep",
                Action::Retire => "retire",
            },
        }
    }

    /// ARN or name of the secret, as given.
    pub fn secret(&self) -> &str {
        match self {
            Self::Step(StepCall { secret, .. }) | Self::Action(ActionCall { secret, .. }) => secret,
        }
    }

    /// The secret's name, where the ARN shows it.
    pub fn secret_name(&self) -> &str {
        let secret = self.secret();
        match secret.split_once(":secret:") {
            Some((_, name)) => name.rsplit_once('-').map_or(name, |(name, _)| name),
            None => secret,
        }
    }

    /// The rotation's token.
    pub fn token(&self) -> Option<&str> {
        match self {
            Self::Step(call) => Some(&call.token),
            Self::Action(_) => None,
        }
    }
}

fn text(event: &Value, field: &str, longest: usize) -> Result<String, Failure> {
    let value = event
        .get(field)
        .ok_or_else(|| wrong(&format!("{field} is missing")))?;
    value
        .as_str()
        .filter(|text| !text.is_empty() && text.len() <= longest)
        .map(str::to_owned)
        .ok_or_else(|| {
            wrong(&format!(
                "{field} is not a text of 1 to {longest} characters"
            ))
        })
}

fn wrong(problem: &str) -> Failure {
    Failure::new(Kind::Refused, format!("reading the event: {problem}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn reads_what_secrets_manager_sends() {
        let call = Call::read(&json!({
            "Step": "createSecret",
            "SecretId": "arn:aws:secretsmanager:eu-west-1:1:secret:shopmail/orders-AbC123",
            "ClientRequestToken": "t-1", "RotationToken": "r-1", "Later": 1,
        }))
        .unwrap();
        assert_eq!(call.name(), "createSecret");
        assert_eq!(call.secret_name(), "shopmail/orders");
        assert_eq!(call.token(), Some("t-1"));
    }

    #[test]
    fn the_steps_are_taken_by_the_guides_names_too() {
        for (guides, ours) in [
            ("create_secret", "createSecret"),
            ("set_secret", "setSecret"),
            ("test_secret", "testSecret"),
            ("finish_secret", "finishSecret"),
        ] {
            let event = json!({"SecretId": "s", "Step": guides, "ClientRequestToken": "t"});
            assert_eq!(Call::read(&event).unwrap().name(), ours);
        }
    }

    #[test]
    fn wrong_events_are_refused_and_the_field_is_named() {
        for (event, field) in [
            (json!({}), "SecretId"),
            (json!(null), "SecretId"),
            (json!([1]), "SecretId"),
            (json!({"SecretId": 1}), "SecretId"),
            (json!({"SecretId": "s"}), "Step"),
            (
                json!({"SecretId": "s", "Step": "dropSecret", "ClientRequestToken": "t"}),
                "Step",
            ),
            (
                json!({"SecretId": "s", "Step": "setSecret"}),
                "ClientRequestToken",
            ),
            (json!({"SecretId": "s", "Action": "destroy"}), "Action"),
            (json!({"SecretId": "s", "Action": null}), "Action"),
            (
                json!({"SecretId": "s", "Action": "retire", "NamedByOthers": ["x"]}),
                "NamedByOthers",
            ),
            (
                json!({"SecretId": "s", "Step": "setSecret", "ClientRequestToken": "t", "RotationToken": 1}),
                "RotationToken",
            ),
        ] {
            let failure = Call::read(&event).unwrap_err();
            assert_eq!(failure.kind, Kind::Refused);
            assert!(failure.what.contains(field), "{event}: {failure}");
        }
    }
}
