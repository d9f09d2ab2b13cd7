//! The functions' roles, as the templates' deployment has made them, and with something taken away.

use std::collections::BTreeMap;
use std::sync::Arc;

use deployed::stacks::SYSTEM;
use deployed::{MiniStack, Terminal, stacks};
use serde_json::{Value, json};
use simulators::aws::iam::table::Permission;

/// The functions' roles by their names in the template, with those of their policies.
const ROLES: [(&str, &str); 4] = [
    ("RotationRole", "rotation"),
    ("ExpiryCheckerRole", "expiry-checker"),
    ("OauthCallbackRole", "oauth-callback"),
    ("NotifierRole", "notifier"),
];

/// The condition keys of an action that MiniStack 1.5.33 has no value for, so that nothing would be allowed. Each
/// statement with the action has to have them.
const NOT_KNOWN: [(&str, &[&str]); 4] = [
    (
        "secretsmanager:UpdateSecretVersionStage",
        &["secretsmanager:VersionStage"],
    ),
    ("events:PutEvents", &["events:source", "events:detail-type"]),
    (
        "sts:GetWebIdentityToken",
        &[
            "sts:IdentityTokenAudience",
            "sts:DurationSeconds",
            "sts:SigningAlgorithm",
        ],
    ),
    ("ses:SendEmail", &["ses:FromAddress"]),
];

pub struct Roles {
    mini_stack: Arc<MiniStack>,
    /// By the role's name in the template.
    policies: BTreeMap<&'static str, Policy>,
}

struct Policy {
    role: String,
    name: &'static str,
    statements: Vec<Value>,
}

impl Roles {
    /// The roles, with what MiniStack does not know of their conditions taken out.
    pub async fn of(mini_stack: &Arc<MiniStack>, terminal: &Terminal) -> Self {
        let mut roles = Self {
            mini_stack: Arc::clone(mini_stack),
            policies: BTreeMap::new(),
        };
        for (of, name) in ROLES {
            let role = stacks::resource(terminal, SYSTEM, of).await;
            let document = policy(terminal, &role, name).await;
            let mut statements = document["Statement"].as_array().unwrap().clone();
            for statement in &mut statements {
                take_out_what_is_not_known(statement);
            }
            roles.policies.insert(
                of,
                Policy {
                    role,
                    name,
                    statements,
                },
            );
            roles.give_back(of).await;
        }
        roles
    }

    /// The role as it was.
    pub async fn give_back(&self, of: &str) {
        let policy = &self.policies[of];
        self.put(policy, &policy.statements).await;
    }

    /// The role without this.
    pub async fn take_away(&self, permission: &Permission) {
        let policy = &self.policies[permission.of.as_str()];
        let is_it = |statement: &&Value| statement["Sid"] == permission.by.as_str();
        let statement = policy.statements.iter().find(is_it).unwrap();
        let mut left: Vec<Value> = policy.statements.clone();
        left.retain(|statement| !is_it(&statement));
        left.extend(without(statement, permission));
        self.put(policy, &left).await;
    }

    async fn put(&self, policy: &Policy, statements: &[Value]) {
        let document = json!({"Version": "2012-10-17", "Statement": statements}).to_string();
        // Not by the AWS CLI, which takes its time to start: this is done for every permission, twice.
        let asked = [
            ("Action", "PutRolePolicy"),
            ("Version", "2010-05-08"),
            ("RoleName", policy.role.as_str()),
            ("PolicyName", policy.name),
            ("PolicyDocument", &document),
        ];
        self.mini_stack.query("iam", &asked).await.unwrap();
    }
}

async fn policy(terminal: &Terminal, role: &str, name: &str) -> Value {
    let command = format!(
        "aws iam get-role-policy --role-name {role} --policy-name {name} --query PolicyDocument --output json"
    );
    serde_json::from_str(&terminal.run(&command).await).unwrap()
}

fn take_out_what_is_not_known(statement: &mut Value) {
    for (action, keys) in NOT_KNOWN {
        if !texts(&statement["Action"]).contains(&action.to_owned()) {
            continue;
        }
        for key in keys {
            let conditions = statement["Condition"].as_object_mut().unwrap();
            let mut found = false;
            for of_operator in conditions.values_mut() {
                found |= of_operator.as_object_mut().unwrap().remove(*key).is_some();
            }
            conditions.retain(|_, keys| keys.as_object().is_some_and(|keys| !keys.is_empty()));
            assert!(found, "{statement} has no {key}");
        }
    }
}

/// What is left of the statement: each other action on all of its resources, and this one on the others.
fn without(statement: &Value, permission: &Permission) -> Vec<Value> {
    let resources = texts(&statement["Resource"]);
    let is_it = |resource: &String| {
        resources.len() == 1 || resource.splitn(6, ':').last() == Some(permission.on.as_str())
    };
    assert_eq!(resources.iter().filter(|it| is_it(it)).count(), 1);
    let actions = texts(&statement["Action"]);
    assert!(actions.contains(&permission.action), "{statement}");
    let left = actions.into_iter().map(|action| {
        let mut resources = resources.clone();
        if action == permission.action {
            resources.retain(|resource| !is_it(resource));
        }
        (action, resources)
    });
    let left = left.filter(|(_, resources)| !resources.is_empty());
    let left = left.map(|(action, resources)| {
        let mut left = statement.clone();
        left.as_object_mut().unwrap().remove("Sid");
        left["Action"] = json!(action);
        left["Resource"] = json!(resources);
        left
    });
    left.collect()
}

fn texts(value: &Value) -> Vec<String> {
    let one = std::slice::from_ref(value);
    let all = value.as_array().map_or(one, Vec::as_slice);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    all.iter().map(text).collect()
}
