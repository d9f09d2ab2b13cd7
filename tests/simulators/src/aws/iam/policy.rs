//! The policies of a role of `template.yaml`, and what they allow (IAM guide, "Policy evaluation logic", "IAM JSON policy
//! elements: Condition operators").

use std::collections::BTreeMap;

use serde_json::Value;

use crate::aws::account::{ACCOUNT_ID, REGION};
use crate::aws::lambda::function_arn;
use crate::aws::ses::SENDER;
use crate::aws::sns::Sns;
use crate::aws::template::template;

/// What a call is about, by condition key.
pub(super) type Context = BTreeMap<String, Vec<String>>;

/// What one function may do.
#[derive(Debug)]
pub(super) struct Role(Vec<Statement>);

#[derive(Debug)]
struct Statement {
    sid: String,
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
                // The world has what the template's conditions ask for.
                let statement = statement.pointer("/Fn::If/1").unwrap_or(statement);
                if statement["Effect"] != "Allow" {
                    return Err(format!("{name}: only Allow is simulated"));
                }
                statements.push(Statement::read(statement)?);
            }
        }
        Ok(Self(statements))
    }

    /// What allows this: of a statement the action on the resource, and each value of its conditions that is the case.
    pub(super) fn allowed_by(
        &self,
        action: &str,
        resource: &str,
        context: &Context,
    ) -> Option<Vec<Part<'_>>> {
        let allows = |statement: &&Statement| {
            let mut conditions = statement.conditions.iter();
            conditions.all(|condition| condition.holds(context))
        };
        self.0.iter().filter(allows).find_map(|statement| {
            let mut actions = statement.actions.iter();
            let mut resources = statement.resources.iter();
            let action = actions.find(|named| *named == action)?;
            let on = resources.find(|named| matches(named, resource))?;
            let conditions = statement.conditions.iter();
            let values = conditions.flat_map(|condition| {
                let given = context.get(&condition.key).into_iter().flatten();
                let named = given.filter_map(|value| condition.named(value));
                named.map(|named| (condition.key.as_str(), named))
            });
            let all = std::iter::once((action.as_str(), on.as_str())).chain(values);
            Some(all.map(|(of, what)| statement.part(of, what)).collect())
        })
    }

    /// All that the role has.
    pub(super) fn granted(&self) -> impl Iterator<Item = Part<'_>> {
        self.0.iter().flat_map(|statement| {
            let actions = statement.actions.iter().flat_map(|action| {
                let resources = statement.resources.iter();
                resources.map(|on| statement.part(action, on))
            });
            let conditions = statement.conditions.iter();
            let conditions = conditions.filter(|condition| condition.operator.names_values());
            let values = conditions.flat_map(|condition| {
                let values = condition.values.iter();
                values.map(|value| statement.part(&condition.key, value))
            });
            actions.chain(values)
        })
    }
}

/// A part of a statement: its `Sid`, and an action on a resource, or a condition key with a value.
pub(super) type Part<'a> = [&'a str; 3];

impl Statement {
    fn part<'a>(&'a self, of: &'a str, what: &'a str) -> Part<'a> {
        [&self.sid, of, what]
    }

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
        let sid = statement["Sid"].as_str();
        Ok(Self {
            sid: sid.ok_or("a statement without a Sid")?.to_owned(),
            actions: texts(&statement["Action"]),
            resources: texts(&statement["Resource"]),
            conditions,
        })
    }
}

impl Operator {
    /// Whether the values are what may be, each by itself.
    fn names_values(self) -> bool {
        match self {
            Self::StringEquals | Self::StringLike | Self::ForAllValuesStringEquals => true,
            Self::Null
            | Self::BoolIfExists
            | Self::ArnEqualsIfExists
            | Self::NumericLessThanEquals => false,
        }
    }

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
    /// Which of its values this is.
    fn named(&self, value: &str) -> Option<&str> {
        let values = self.values.iter();
        let mut fitting = values.filter(|named| matches(named, value));
        let named = self.operator.names_values().then(|| fitting.next())?;
        named.map(String::as_str)
    }

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
        "Notices" => Sns::topic(),
        "MailFrom" => SENDER.to_owned(),
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
mod tests;
