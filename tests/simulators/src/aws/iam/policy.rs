//! The policies of a role of `template.yaml`, and what they allow (IAM guide, "Policy evaluation logic", "IAM JSON policy
//! elements: Condition operators").

use std::collections::BTreeMap;

use serde_json::Value;

use crate::aws::account::{ACCOUNT_ID, REGION};
use crate::aws::lambda::function_arn;
use crate::aws::template::template;

/// What a call is about, by condition key.
pub(super) type Context = BTreeMap<String, Vec<String>>;

/// What one function may do.
#[derive(Debug)]
pub(super) struct Role(Vec<Statement>);

#[derive(Debug)]
struct Statement {
    actions: Vec<String>,
    resources: Vec<String>,
    conditions: Vec<Condition>,
}

#[derive(Debug)]
struct Condition {
    operator: Operator,
    key: String,
    values: Vec<String>,
}

#[derive(Debug, Clone, Copy)]
enum Operator {
    StringEquals,
    StringLike,
    ForAllValuesStringEquals,
    Null,
    BoolIfExists,
    ArnEqualsIfExists,
    NumericLessThanEquals,
}

impl Role {
    /// The role with this name in the template.
    pub(super) fn of_the_template(name: &str) -> Result<Self, String> {
        let policies = template()?.pointer(&format!("/Resources/{name}/Properties/Policies"));
        let policies = policies
            .and_then(Value::as_array)
            .ok_or(format!("no policies of {name}"))?;
        let mut statements = Vec::new();
        for policy in policies {
            let statements_of = policy.pointer("/PolicyDocument/Statement");
            for statement in list(statements_of.unwrap_or(&Value::Null)) {
                if statement["Effect"] != "Allow" {
                    return Err(format!("{name}: only Allow is simulated"));
                }
                statements.push(Statement::read(statement)?);
            }
        }
        Ok(Self(statements))
    }

    /// Whether a statement allows this.
    pub(super) fn allows(&self, action: &str, resource: &str, context: &Context) -> bool {
        self.0.iter().any(|statement| {
            statement.actions.iter().any(|named| named == action)
                && statement
                    .resources
                    .iter()
                    .any(|named| matches(named, resource))
                && statement
                    .conditions
                    .iter()
                    .all(|condition| condition.holds(context))
        })
    }
}

impl Statement {
    fn read(statement: &Value) -> Result<Self, String> {
        let mut conditions = Vec::new();
        let blocks = statement["Condition"].as_object();
        for (operator, keys) in blocks.into_iter().flatten() {
            let operator = Operator::read(operator)?;
            for (key, values) in keys.as_object().into_iter().flatten() {
                conditions.push(Condition {
                    operator,
                    key: key.clone(),
                    values: texts(values),
                });
            }
        }
        Ok(Self {
            actions: texts(&statement["Action"]),
            resources: texts(&statement["Resource"]),
            conditions,
        })
    }
}

impl Operator {
    fn read(name: &str) -> Result<Self, String> {
        Ok(match name {
            "StringEquals" => Self::StringEquals,
            "StringLike" => Self::StringLike,
            "ForAllValues:StringEquals" => Self::ForAllValuesStringEquals,
            "Null" => Self::Null,
            "BoolIfExists" => Self::BoolIfExists,
            "ArnEqualsIfExists" => Self::ArnEqualsIfExists,
            "NumericLessThanEquals" => Self::NumericLessThanEquals,
            other => return Err(format!("not simulated: the condition operator {other}")),
        })
    }
}

impl Condition {
    fn holds(&self, context: &Context) -> bool {
        let given = context.get(&self.key).map_or(&[][..], Vec::as_slice);
        let any = |fits: &dyn Fn(&str, &str) -> bool| {
            let fits = |value: &String| self.values.iter().any(|named| fits(named, value));
            given.iter().any(fits)
        };
        let equals = |named: &str, value: &str| named == value;
        match self.operator {
            Operator::StringEquals => any(&equals),
            Operator::StringLike => any(&matches),
            // True also where there is none.
            Operator::ForAllValuesStringEquals => given.iter().all(|v| self.values.contains(v)),
            Operator::Null => self.values == [given.is_empty().to_string()],
            Operator::BoolIfExists | Operator::ArnEqualsIfExists => {
                given.is_empty() || any(&equals)
            }
            Operator::NumericLessThanEquals => any(&|named: &str, value: &str| {
                let number = |text: &str| text.parse::<f64>().ok();
                number(value).is_some_and(|value| number(named).is_some_and(|most| value <= most))
            }),
        }
    }
}

fn list(value: &Value) -> &[Value] {
    value
        .as_array()
        .map_or(std::slice::from_ref(value), Vec::as_slice)
}

/// Texts with what CloudFormation puts in.
fn texts(value: &Value) -> Vec<String> {
    let text = |value: &Value| match value {
        Value::String(text) => resolved(text),
        other => other.to_string(),
    };
    list(value).iter().map(text).collect()
}

fn resolved(text: &str) -> String {
    match text {
        "Rotation.Arn" => function_arn("rotation"),
        "Notifier.Arn" => function_arn("notifier"),
        text => text
            .replace("${AWS::Partition}", "aws")
            .replace("${AWS::Region}", REGION)
            .replace("${AWS::AccountId}", ACCOUNT_ID)
            .replace("${EventBus}", "default"),
    }
}

/// `*` is any text, `?` one character.
fn matches(pattern: &str, text: &str) -> bool {
    let mut pattern_chars = pattern.chars();
    match pattern_chars.next() {
        None => text.is_empty(),
        Some('*') => {
            let rest = pattern_chars.as_str();
            let mut tails = text.char_indices().map(|(at, _)| &text[at..]);
            matches(rest, "") || tails.any(|tail| matches(rest, tail))
        }
        Some(expected) => {
            let mut text_chars = text.chars();
            let next = text_chars.next();
            let fits = next.is_some_and(|c| expected == '?' || c == expected);
            fits && matches(pattern_chars.as_str(), text_chars.as_str())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context(pairs: &[(&str, &[&str])]) -> Context {
        let pairs = pairs.iter();
        let owned = pairs.map(|(key, values)| {
            let values = values.iter().map(|value| (*value).to_owned()).collect();
            ((*key).to_owned(), values)
        });
        owned.collect()
    }

    const MAILBOX: &str =
        "arn:aws:secretsmanager:eu-west-1:123456789012:secret:shopmail/orders-AbC123";
    const BUS: &str = "arn:aws:events:eu-west-1:123456789012:event-bus/default";
    const TAG: &str = "secretsmanager:ResourceTag/shopmail:managed";

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
    fn a_pattern_takes_any_text_for_its_star() {
        assert!(matches("a:*", "a:") && matches("a:*", "a:b/c") && matches("*", ""));
        assert!(matches("x/*/g-*", "x/o/g-A") && !matches("x/*/g-*", "x/o"));
        assert!(matches("k-??", "k-ab") && !matches("k-??", "k-a"));
    }
}
