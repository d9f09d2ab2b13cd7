//! docs/permissions.md has each permission that `template.yaml` grants, and no other one.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use serde_json::Value;
use simulators::aws::iam::table::{Permission, of_resources, of_roles};
use simulators::aws::template::template;

fn list(value: &Value) -> &[Value] {
    value
        .as_array()
        .map_or(std::slice::from_ref(value), Vec::as_slice)
}

fn texts(value: &Value) -> impl Iterator<Item = &str> {
    list(value).iter().map(|text| text.as_str().unwrap())
}

/// Without the partition, the service, the region and the account.
fn on(resource: &str) -> String {
    let short = resource.split_once("${AWS::AccountId}:");
    short.map_or(resource, |(_, short)| short).to_owned()
}

fn keys(statement: &Value) -> BTreeSet<String> {
    let operators = statement["Condition"].as_object().into_iter().flatten();
    let keys = operators.flat_map(|(_, keys)| keys.as_object().unwrap().keys());
    keys.cloned().collect()
}

fn resources(kind: &str) -> impl Iterator<Item = (&'static String, &'static Value)> {
    let all = template().unwrap()["Resources"].as_object().unwrap();
    let of_kind = all
        .iter()
        .filter(move |(_, resource)| resource["Type"] == kind);
    of_kind.map(|(name, resource)| (name, &resource["Properties"]))
}

/// Each statement of a role's policies, those of policies of their own too.
fn statements() -> Vec<(String, &'static Value)> {
    let of_roles = resources("AWS::IAM::Role").flat_map(|(role, properties)| {
        let policies = list(&properties["Policies"]).iter();
        policies.map(|policy| (role.clone(), policy))
    });
    let apart = resources("AWS::IAM::Policy").map(|(_, properties)| {
        let roles: Vec<&str> = texts(&properties["Roles"]).collect();
        (roles.join(" and "), properties)
    });
    let statements = of_roles.chain(apart).flat_map(|(of, policy)| {
        let statements = list(&policy["PolicyDocument"]["Statement"]).iter();
        // One of them is there under a condition only.
        let statements = statements.map(|it| it.pointer("/Fn::If/1").unwrap_or(it));
        statements.map(move |statement| (of.clone(), statement))
    });
    statements.collect()
}

/// Each action on each resource, with its condition keys.
fn granted() -> Vec<(Permission, BTreeSet<String>)> {
    let mut all = Vec::new();
    for (of, statement) in statements() {
        assert_eq!(statement["Effect"], "Allow");
        let by = statement["Sid"].as_str().expect("each statement has a Sid");
        for action in texts(&statement["Action"]) {
            for resource in texts(&statement["Resource"]) {
                let permission = Permission {
                    of: of.clone(),
                    by: by.to_owned(),
                    action: action.to_owned(),
                    on: on(resource),
                };
                all.push((permission, keys(statement)));
            }
        }
    }
    all
}

/// What the resources' own policies allow.
fn let_in() -> Vec<Permission> {
    let of = |name: &str, by: &str, action: &str| Permission {
        of: name.to_owned(),
        by: by.to_owned(),
        action: action.to_owned(),
        on: String::new(),
    };
    let functions = resources("AWS::Lambda::Permission").map(|(name, properties)| {
        let text = |key: &str| properties[key].as_str().unwrap();
        of(name, text("Principal"), text("Action"))
    });
    let mut all: Vec<Permission> = functions.collect();
    for kind in ["AWS::SNS::TopicPolicy", "AWS::SQS::QueuePolicy"] {
        for (name, properties) in resources(kind) {
            for statement in list(&properties["PolicyDocument"]["Statement"]) {
                assert_ne!(keys(statement).len(), 0, "{name} lets in any account");
                let by = statement["Principal"]["Service"].as_str().unwrap();
                all.push(of(name, by, statement["Action"].as_str().unwrap()));
            }
        }
    }
    all
}

fn assert_same<T: Ord + Debug>(granted: Vec<T>, told: Vec<T>) {
    let counts = (granted.len(), told.len());
    let (granted, told) = (BTreeSet::from_iter(granted), BTreeSet::from_iter(told));
    let untold: Vec<&T> = granted.difference(&told).collect();
    assert!(untold.is_empty(), "not in docs/permissions.md: {untold:#?}");
    let unknown: Vec<&T> = told.difference(&granted).collect();
    assert!(unknown.is_empty(), "not in template.yaml: {unknown:#?}");
    assert_eq!(counts, (granted.len(), told.len()), "each once");
}

#[test]
fn the_table_of_permissions_is_what_the_roles_may() {
    let told = of_roles().unwrap().into_iter();
    let granted = granted();
    assert!(granted.len() >= 45, "{}", granted.len());
    assert_same(
        granted,
        told.map(|row| (row.permission, row.only_if)).collect(),
    );
}

#[test]
fn the_table_of_who_is_let_in_is_what_the_resources_say() {
    assert_same(let_in(), of_resources().unwrap());
}

/// No emulator refuses by these keys, and a role without them could do more than it has to. `Null` goes with `ForAllValues`,
/// which is true where there is nothing.
#[test]
fn what_a_role_does_to_all_secrets_or_events_is_held_to_their_tags_labels_and_names() {
    let needed: BTreeMap<&str, &[&str]> = [
        (
            "secretsmanager:UpdateSecretVersionStage",
            &["secretsmanager:VersionStage"][..],
        ),
        ("secretsmanager:TagResource", &["aws:TagKeys"]),
        (
            "secretsmanager:RotateSecret",
            &[
                "secretsmanager:ModifyRotationRules",
                "secretsmanager:RotationLambdaARN",
            ],
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
    ]
    .into();
    let mut seen = 0;
    for (role, statement) in statements() {
        let keys = keys(statement);
        let named = |key: &str| keys.contains(key);
        let sid = &statement["Sid"];
        for resource in texts(&statement["Resource"]) {
            if resource.contains(":secret:shopmail/") {
                let tag = "aws:ResourceTag/shopmail:managed";
                assert!(named(tag), "{role} {sid}: {tag}");
            }
        }
        for action in texts(&statement["Action"]) {
            for key in needed.get(action).copied().unwrap_or_default() {
                assert!(named(key), "{role} {sid}: {key}");
                seen += 1;
            }
        }
        let conditions = statement["Condition"].as_object();
        if let Some(all) = conditions.and_then(|all| all.get("ForAllValues:StringEquals")) {
            for key in all.as_object().unwrap().keys() {
                assert_eq!(
                    statement["Condition"]["Null"][key], false,
                    "{role} {sid}: {key}"
                );
            }
        }
    }
    assert!(seen >= 20, "{seen}");
}
