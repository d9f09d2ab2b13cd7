//! The contract of the function `rotation`: what Secrets Manager and the checker call it with, and what the
//! checker gets. Both sides have these types, so a name that one of them does not know does not compile.

use std::collections::BTreeSet;
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::drift::Drift;
use crate::failure::{Failure, Kind};
use crate::ids::{ConnectionId, DirectoryId, KeyId, MailboxAddress};

/// A step of a rotation (Secrets Manager's guide, "Lambda rotation functions").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Issue: a new credential in Entra, stored as the pending version.
    CreateSecret,
    /// Deliver: into ShopCtrl.
    SetSecret,
    /// Prove: sign-ins, mailbox, ShopCtrl's own test.
    TestSecret,
    /// Promote: the pending version becomes the current one.
    FinishSecret,
}

impl Step {
    const ALL: [Self; 4] = [
        Self::CreateSecret,
        Self::SetSecret,
        Self::TestSecret,
        Self::FinishSecret,
    ];

    /// Its name, as Secrets Manager sends it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::CreateSecret => "createSecret",
            Self::SetSecret => "setSecret",
            Self::TestSecret => "testSecret",
            Self::FinishSecret => "finishSecret",
        }
    }

    /// Its name in Secrets Manager's guide ("How rotation works"), which nothing was seen to send.
    fn name_in_the_guide(self) -> &'static str {
        match self {
            Self::CreateSecret => "create_secret",
            Self::SetSecret => "set_secret",
            Self::TestSecret => "test_secret",
            Self::FinishSecret => "finish_secret",
        }
    }

    /// This one and those after it.
    pub fn and_after(self) -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().skip_while(move |step| *step != self)
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What the checker asks for, or the sign-in pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Look, and say what there is: a [`Probe`].
    Probe,
    /// Put in order what was left behind: [`Swept`].
    Sweep,
    /// Remove superseded credentials whose quarantine is over.
    Retire,
    /// Send the link anew of what a person is waited for: [`AskedAgain`].
    Ask,
}

impl Action {
    const ALL: [Self; 4] = [Self::Probe, Self::Sweep, Self::Retire, Self::Ask];

    /// Its name in the event.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Probe => "probe",
            Self::Sweep => "sweep",
            Self::Retire => "retire",
            Self::Ask => "ask",
        }
    }
}

/// An event that was understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Call {
    /// From Secrets Manager, or from the checker in its place.
    Step(StepCall),
    /// From the checker.
    Action(ActionCall),
}

/// A step of one rotation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepCall {
    /// Which.
    pub step: Step,
    /// ARN or name of the secret, as given.
    pub secret: String,
    /// The rotation's token, and the id of the version that it makes.
    pub token: String,
    /// Of a rotation across accounts or with an assumed role: handed back with PutSecretValue.
    pub rotation_token: Option<String>,
}

impl StepCall {
    /// The event.
    #[must_use]
    pub fn event(&self) -> Value {
        json!({
            "Step": self.step.name(), "SecretId": self.secret, "ClientRequestToken": self.token,
            "RotationToken": self.rotation_token,
        })
    }
}

/// An action on one secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActionCall {
    /// Which.
    pub action: Action,
    /// ARN or name of the secret, as given.
    pub secret: String,
    /// The credentials that other managed secrets name. Without it nothing is removed that one of them
    /// may use.
    pub named_by_others: Option<BTreeSet<KeyId>>,
}

impl ActionCall {
    /// The event.
    #[must_use]
    pub fn event(&self) -> Value {
        json!({
            "Action": self.action.name(), "SecretId": self.secret, "NamedByOthers": self.named_by_others,
        })
    }
}

impl Call {
    /// Reads an event. Fields that AWS may add are no error.
    ///
    /// # Errors
    /// [`Kind::Refused`], naming the field.
    pub fn read(event: &Value) -> Result<Self, Failure> {
        let secret = text(event, "SecretId", 2048)?;
        if event.get("Action").is_some() {
            let name = text(event, "Action", 32)?;
            let action = Action::ALL.into_iter().find(|a| a.name() == name);
            let named_by_others = match event.get("NamedByOthers") {
                None | Some(Value::Null) => None,
                Some(keys) => Some(
                    BTreeSet::deserialize(keys)
                        .map_err(|_| wrong("NamedByOthers is not a list of key ids"))?,
                ),
            };
            return Ok(Self::Action(ActionCall {
                action: action.ok_or_else(|| wrong("Action is not probe, sweep, retire or ask"))?,
                secret,
                named_by_others,
            }));
        }
        let name = text(event, "Step", 32)?;
        let is = |step: &Step| step.name() == name || step.name_in_the_guide() == name;
        let step = Step::ALL.into_iter().find(is).ok_or_else(|| {
            wrong("Step is not createSecret, setSecret, testSecret or finishSecret")
        })?;
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

    /// The step's or action's name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Step(call) => call.step.name(),
            Self::Action(call) => call.action.name(),
        }
    }

    /// ARN or name of the secret, as given.
    #[must_use]
    pub fn secret(&self) -> &str {
        match self {
            Self::Step(StepCall { secret, .. }) | Self::Action(ActionCall { secret, .. }) => secret,
        }
    }

    /// The secret's name, where the ARN shows it.
    #[must_use]
    pub fn secret_name(&self) -> &str {
        secret_name(self.secret())
    }

    /// The rotation's token.
    #[must_use]
    pub fn token(&self) -> Option<&str> {
        match self {
            Self::Step(call) => Some(&call.token),
            Self::Action(_) => None,
        }
    }
}

/// The name of a secret that was given by ARN or name.
#[must_use]
pub fn secret_name(secret: &str) -> &str {
    match secret.split_once(":secret:") {
        Some((_, name)) => name.rsplit_once('-').map_or(name, |(name, _)| name),
        None => secret,
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

/// What [`Action::Probe`] saw; what it could not see is left out. No secret, no hint of one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probe {
    /// The version that was current then.
    pub version: String,
    /// The tenant of the app registration.
    pub tenant_id: DirectoryId,
    /// Its client id.
    pub client_id: DirectoryId,
    /// The current document has no value yet: the first rotation issues one.
    #[serde(default)]
    pub without_value: bool,
    /// The current credential, where it is named.
    pub key_id: Option<KeyId>,
    /// Whether a rotation of this secret issued it, as version `version`.
    pub issued_here: bool,
    /// Entra's clock; absent when Entra could not be asked.
    pub now: Option<Timestamp>,
    /// When Entra made the credential.
    pub start: Option<Timestamp>,
    /// When it ends: Entra's word, or else the document's; `None` where neither says it.
    pub expires_at: Option<Timestamp>,
    /// The accounts whose mail may stand still.
    pub mailboxes: Vec<MailboxAddress>,
    /// The connections.
    pub connections: Vec<ConnectionId>,
    /// Whether a person delivers to some connection.
    pub attended: bool,
    /// What is not as it was left.
    pub drift: Vec<Drift>,
    /// What could not be looked at.
    pub problems: Vec<String>,
}

/// What [`Action::Sweep`] did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Swept {
    /// The credentials that were removed.
    pub removed: Vec<KeyId>,
    /// The connections that have the current secret again.
    pub delivered: Vec<ConnectionId>,
    /// Whether what people were asked for outside of a rotation is done now.
    pub answered: bool,
}

/// What [`Action::Retire`] did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retired {
    /// The credentials that were removed.
    pub removed: Vec<KeyId>,
    /// Those that are kept for now.
    pub kept: Vec<KeyId>,
}

/// What [`Action::Ask`] did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AskedAgain {
    /// So many links were sent.
    Sent(usize),
    /// They were sent a short while ago; they may be sent again from then on.
    NotBefore(Timestamp),
    /// Nobody is waited for.
    NobodyWaitedFor,
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn what_the_checker_calls_with_is_read_as_it_was_meant() {
        for step in Step::ALL {
            let call = StepCall {
                step,
                secret: "s".into(),
                token: "t".into(),
                rotation_token: Some("r".into()),
            };
            assert_eq!(Call::read(&call.event()).unwrap(), Call::Step(call.clone()));
            let guides = json!({"SecretId": "s", "Step": step.name_in_the_guide(),
                "ClientRequestToken": "t", "RotationToken": "r"});
            assert_eq!(Call::read(&guides).unwrap(), Call::Step(call));
        }
        let key: KeyId = "00000000-0000-4000-8000-000000000001".parse().unwrap();
        for named_by_others in [None, Some([].into()), Some([key].into())] {
            for action in Action::ALL {
                let call = ActionCall {
                    action,
                    secret: "s".into(),
                    named_by_others: named_by_others.clone(),
                };
                assert_eq!(Call::read(&call.event()).unwrap(), Call::Action(call));
            }
        }
    }

    #[test]
    fn a_rotation_goes_on_from_a_step_to_the_last() {
        let names = |step: Step| step.and_after().map(Step::name).collect::<Vec<_>>();
        assert_eq!(
            names(Step::SetSecret),
            ["setSecret", "testSecret", "finishSecret"]
        );
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
