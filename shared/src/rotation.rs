//! The contract of the function `rotation`: what Secrets Manager and the checker call it with, and what the
//! checker gets. Both sides have these types, so a name that one of them does not know does not compile.

pub mod inspection;

use std::collections::BTreeSet;
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::failure::{Failure, Kind};
use crate::ids::{ConnectionId, KeyId};
use crate::json::read_value;
use inspection::Inspect;

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

/// What the checker asks to be done about one secret, or the sign-in pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Put in order what was left behind: [`Swept`].
    Sweep,
    /// Remove superseded credentials whose quarantine is over.
    Retire,
    /// Send the link anew of what a person is waited for: [`AskedAgain`].
    Ask,
}

impl Action {
    const ALL: [Self; 3] = [Self::Sweep, Self::Retire, Self::Ask];

    /// Its name in the event.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
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
    /// From the checker: look at many secrets, and change nothing.
    Inspect(Inspect),
    /// From the checker: the steps of a rotation that stands still, from this one to the last.
    Continue(StepCall),
    /// From the checker, or the sign-in pages.
    Action(ActionCall),
}

const INSPECT: &str = "inspect";
const CONTINUE: &str = "continue";

impl Inspect {
    /// The event.
    #[must_use]
    pub fn event(&self) -> Value {
        let mut event = serde_json::to_value(self).unwrap_or_default();
        if let Some(fields) = event.as_object_mut() {
            fields.insert("Action".to_owned(), INSPECT.into());
        }
        event
    }
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

    /// The event by which this step and those after it are taken.
    #[must_use]
    pub fn continue_event(&self) -> Value {
        let mut event = self.event();
        if let Some(fields) = event.as_object_mut() {
            fields.insert("Action".to_owned(), CONTINUE.into());
        }
        event
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
        let action = match event.get("Action") {
            Some(_) => text(event, "Action", 32)?,
            None => return step(event).map(Self::Step),
        };
        match action.as_str() {
            INSPECT => {
                let inspect = read_value(event);
                inspect.map(Self::Inspect).map_err(|error| wrong(&error))
            }
            CONTINUE => step(event).map(Self::Continue),
            name => action_on_one(event, name).map(Self::Action),
        }
    }

    /// The step's or action's name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Step(call) => call.step.name(),
            Self::Inspect(_) => INSPECT,
            Self::Continue(_) => CONTINUE,
            Self::Action(call) => call.action.name(),
        }
    }

    /// The name of the secret that it is about, where it is about one and the ARN shows it.
    #[must_use]
    pub fn secret_name(&self) -> Option<&str> {
        match self {
            Self::Step(StepCall { secret, .. })
            | Self::Continue(StepCall { secret, .. })
            | Self::Action(ActionCall { secret, .. }) => Some(secret_name(secret)),
            Self::Inspect(_) => None,
        }
    }

    /// The rotation's token.
    #[must_use]
    pub fn token(&self) -> Option<&str> {
        match self {
            Self::Step(call) | Self::Continue(call) => Some(&call.token),
            Self::Inspect(_) | Self::Action(_) => None,
        }
    }
}

fn step(event: &Value) -> Result<StepCall, Failure> {
    let secret = text(event, "SecretId", 2048)?;
    let name = text(event, "Step", 32)?;
    let is = |step: &Step| step.name() == name || step.name_in_the_guide() == name;
    let step = Step::ALL
        .into_iter()
        .find(is)
        .ok_or_else(|| wrong("Step is not createSecret, setSecret, testSecret or finishSecret"))?;
    let rotation_token = match event.get("RotationToken") {
        None | Some(Value::Null) => None,
        Some(_) => Some(text(event, "RotationToken", 256)?),
    };
    Ok(StepCall {
        step,
        secret,
        token: text(event, "ClientRequestToken", 64)?,
        rotation_token,
    })
}

fn action_on_one(event: &Value, name: &str) -> Result<ActionCall, Failure> {
    let action = Action::ALL.into_iter().find(|a| a.name() == name);
    let action =
        action.ok_or_else(|| wrong("Action is not inspect, sweep, retire, ask or continue"))?;
    let named_by_others = match event.get("NamedByOthers") {
        None | Some(Value::Null) => None,
        Some(keys) => Some(
            BTreeSet::deserialize(keys)
                .map_err(|_| wrong("NamedByOthers is not a list of key ids"))?,
        ),
    };
    Ok(ActionCall {
        action,
        secret: text(event, "SecretId", 2048)?,
        named_by_others,
    })
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
    use crate::cloud::Cloud;
    use crate::ids::DirectoryId;
    use crate::mailbox_secret::Rotator;
    use inspection::{DeepLook, LightLook, LightSecret, TenantRotator};

    #[test]
    fn reads_what_secrets_manager_sends() {
        let call = Call::read(&json!({
            "Step": "createSecret",
            "SecretId": "arn:aws:secretsmanager:eu-west-1:1:secret:shopmail/orders-AbC123",
            "ClientRequestToken": "t-1", "RotationToken": "r-1", "Later": 1,
        }))
        .unwrap();
        assert_eq!(call.name(), "createSecret");
        assert_eq!(call.secret_name(), Some("shopmail/orders"));
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
            let goes_on = Call::read(&call.continue_event()).unwrap();
            assert_eq!(goes_on, Call::Continue(call.clone()));
            let guides = json!({"SecretId": "s", "Step": step.name_in_the_guide(),
                "ClientRequestToken": "t", "RotationToken": "r"});
            assert_eq!(Call::read(&guides).unwrap(), Call::Step(call));
        }
        let key: KeyId = "00000000-0000-4000-8000-000000000001".parse().unwrap();
        let inspect = inspect(key);
        let read = Call::read(&inspect.event()).unwrap();
        assert_eq!(read, Call::Inspect(inspect));
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

    fn inspect(key: KeyId) -> Inspect {
        let id = DirectoryId::read("00000000-0000-4000-8000-000000000002").unwrap();
        Inspect {
            light: vec![LightLook {
                of: TenantRotator {
                    cloud: Cloud::Global,
                    tenant_id: id.clone(),
                    rotator: Rotator::Federated {
                        client_id: id.clone(),
                    },
                },
                secrets: vec![LightSecret {
                    arn: "s".into(),
                    client_id: id,
                    keys: vec![key],
                }],
            }],
            deep: vec![DeepLook {
                arn: "t".into(),
                keys: Vec::new(),
                pending: Some("p".into()),
            }],
        }
    }

    #[test]
    fn the_sample_payloads_are_what_their_names_say() {
        let read = |sample: &str| Call::read(&serde_json::from_str(sample).unwrap()).unwrap();
        for (sample, name) in [
            (
                include_str!("../../infra/events/create-secret.json"),
                "createSecret",
            ),
            (
                include_str!("../../infra/events/set-secret.json"),
                "setSecret",
            ),
            (
                include_str!("../../infra/events/test-secret.json"),
                "testSecret",
            ),
            (
                include_str!("../../infra/events/finish-secret.json"),
                "finishSecret",
            ),
            (include_str!("../../infra/events/continue.json"), CONTINUE),
            (include_str!("../../infra/events/sweep.json"), "sweep"),
            (include_str!("../../infra/events/retire.json"), "retire"),
            (include_str!("../../infra/events/ask.json"), "ask"),
        ] {
            let call = read(sample);
            assert_eq!(call.name(), name);
            assert_eq!(call.secret_name(), Some("shopmail/orders"));
        }
        for (sample, light, deep) in [
            (include_str!("../../infra/events/inspect.json"), 0, 1),
            (include_str!("../../infra/events/inspect-light.json"), 1, 0),
        ] {
            let Call::Inspect(inspect) = read(sample) else {
                panic!("{sample}");
            };
            assert_eq!((inspect.light.len(), inspect.deep.len()), (light, deep));
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
            (json!({"Action": "sweep"}), "SecretId"),
            (
                json!({"Action": "inspect", "Deep": [{"arn": 1}]}),
                "Deep[0].arn",
            ),
            (json!({"Action": "inspect", "Light": [{}]}), "Light[0]"),
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
