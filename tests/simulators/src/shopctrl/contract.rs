//! Holds bodies against infra/shopctrl-connections.openapi.yaml: the simulator's answers, and what our
//! own client sends.

use std::sync::OnceLock;

use jsonschema::{Draft, Validator};
use serde_json::{Value, json};

const DOCUMENT: &str = include_str!("../../../../infra/shopctrl-connections.openapi.yaml");

/// What is wrong with an answer. `operation` is the journal's name of it, or an `operationId`.
#[must_use]
pub fn violations(operation: &str, status: u16, body: &[u8]) -> Vec<String> {
    let schema = document().and_then(|document| {
        let response = operation_of(document, operation)?
            .pointer(&format!("/responses/{status}"))
            .ok_or_else(|| format!("{operation} does not answer {status}"))?;
        schema_of(follow(document, response)?)
    });
    check(schema, body)
}

/// What is wrong with a request.
#[must_use]
pub fn request_violations(operation: &str, body: &[u8]) -> Vec<String> {
    let request = document()
        .and_then(|document| operation_of(document, operation))
        .map(|operation| operation.get("requestBody"));
    let optional = |request: &Value| request.get("required") != Some(&json!(true));
    match request {
        Err(problem) => vec![problem],
        Ok(None) if body.is_empty() => Vec::new(),
        Ok(None) => vec![format!("{operation} takes no body")],
        Ok(Some(request)) if body.is_empty() && optional(request) => Vec::new(),
        Ok(Some(request)) => check(schema_of(request), body),
    }
}

fn check(schema: Result<&Value, String>, body: &[u8]) -> Vec<String> {
    let validator = match schema.and_then(validator) {
        Ok(validator) => validator,
        Err(problem) => return vec![problem],
    };
    match serde_json::from_slice::<Value>(body) {
        Ok(body) => validator
            .iter_errors(&body)
            .map(|violation| violation.to_string())
            .collect(),
        Err(problem) => vec![format!("not JSON: {problem}")],
    }
}

fn document() -> Result<&'static Value, String> {
    static PARSED: OnceLock<Result<Value, String>> = OnceLock::new();
    PARSED
        .get_or_init(|| serde_saphyr::from_str(DOCUMENT).map_err(|problem| problem.to_string()))
        .as_ref()
        .map_err(Clone::clone)
}

fn operation_of<'a>(document: &'a Value, operation: &str) -> Result<&'a Value, String> {
    let id = match operation {
        "GET connection" => "getConnection",
        "PUT connection" => "putConnection",
        "POST connection test" => "testConnection",
        id => id,
    };
    document
        .get("paths")
        .and_then(Value::as_object)
        .into_iter()
        .flat_map(|paths| paths.values())
        .filter_map(Value::as_object)
        .flat_map(|path| path.values())
        .find(|operation| operation.get("operationId") == Some(&json!(id)))
        .ok_or_else(|| format!("there is no operation {operation}"))
}

fn follow<'a>(document: &'a Value, value: &'a Value) -> Result<&'a Value, String> {
    let Some(reference) = value.get("$ref").and_then(Value::as_str) else {
        return Ok(value);
    };
    document
        .pointer(reference.trim_start_matches('#'))
        .ok_or_else(|| format!("{reference} leads nowhere"))
}

fn schema_of(message: &Value) -> Result<&Value, String> {
    message
        .pointer("/content/application~1json/schema")
        .ok_or_else(|| "no JSON body is described".to_owned())
}

/// The schema with the document's components beside it, so that its references lead somewhere.
fn validator(schema: &Value) -> Result<Validator, String> {
    let whole = json!({
        "components": document()?.get("components"),
        "allOf": [schema],
    });
    jsonschema::options()
        .with_draft(Draft::Draft202012)
        .should_validate_formats(true)
        .build(&whole)
        .map_err(|problem| problem.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every example, so that schema and examples cannot drift apart.
    #[test]
    fn the_contracts_examples_keep_the_contract() {
        let document = document().unwrap();
        let mut seen = 0;
        for path in document["paths"].as_object().unwrap().values() {
            for operation in path.as_object().unwrap().values() {
                let Some(id) = operation.get("operationId").and_then(Value::as_str) else {
                    continue;
                };
                for (status, response) in operation["responses"].as_object().unwrap() {
                    let response = follow(document, response).unwrap();
                    let examples = &response["content"]["application/json"]["examples"];
                    for (name, example) in examples.as_object().unwrap() {
                        let body = example["value"].to_string();
                        let found = violations(id, status.parse().unwrap(), body.as_bytes());
                        assert_eq!(found, Vec::<String>::new(), "{id} {status} {name}");
                        seen += 1;
                    }
                }
                let requests = &operation["requestBody"]["content"]["application/json"]["examples"];
                for example in requests
                    .as_object()
                    .into_iter()
                    .flat_map(|all| all.values())
                {
                    let body = example["value"].to_string();
                    assert_eq!(
                        request_violations(id, body.as_bytes()),
                        Vec::<String>::new()
                    );
                    seen += 1;
                }
            }
        }
        assert!(seen > 20, "{seen}");
    }

    #[test]
    fn what_breaks_the_contract_is_named() {
        let connection = json!({
            "id": "in", "direction": "receiving", "protocol": "graph",
            "mailbox": "a@b.example", "status": "Authorized", "enabled": true,
            "tenant_id": "0b5a7c1e-6c0e-4f0a-9b1d-3a1f0f1c2d3e",
            "client_id": "8e4b3f52-1d0c-4c54-9f0e-0a7d3f1b2c4d",
            "key_id": null, "hint": null, "secret_changed_at": null, "more": 1,
        });
        let broken = |field: &str, value: Value| {
            let mut broken = connection.clone();
            broken[field] = value;
            !violations("GET connection", 200, broken.to_string().as_bytes()).is_empty()
        };
        assert!(!broken("more", json!(2)), "answers are open");
        assert!(broken("status", json!("authorized")));
        assert!(broken("key_id", json!("not a uuid")));
        assert!(broken("secret_changed_at", json!("2026-11-23 09:30")));
        assert!(
            broken("client_secret", json!("3xM8Q~")),
            "a secret is never returned"
        );
        assert!(!violations("PUT connection", 202, b"{}").is_empty());
        let unknown = br#"{"send_to": "a@b.example", "cc": "c@d.example"}"#;
        assert!(!request_violations("POST connection test", unknown).is_empty());
        assert!(request_violations("POST connection test", b"").is_empty());
        assert!(!request_violations("PUT connection", b"").is_empty());
    }
}
