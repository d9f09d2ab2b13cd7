//! What `template.yaml` deploys: the simulators go by it where a test has to meet what people meet.

use std::sync::OnceLock;

use serde_json::Value;

const TEXT: &str = include_str!("../../../../template.yaml");

/// The template. A function of CloudFormation's in its short form (`!Ref Name`) is what stands behind its tag.
///
/// # Errors
/// When it is no YAML.
pub fn template() -> Result<&'static Value, String> {
    static TEMPLATE: OnceLock<Result<Value, String>> = OnceLock::new();
    let read =
        || serde_saphyr::from_str(TEXT).map_err(|problem| format!("template.yaml: {problem}"));
    TEMPLATE.get_or_init(read).as_ref().map_err(Clone::clone)
}

/// The properties of its resources of a type.
///
/// # Errors
/// When it is no YAML.
pub fn properties_of(resource_type: &str) -> Result<Vec<&'static Value>, String> {
    let resources = template()?["Resources"].as_object();
    let resources = resources.into_iter().flat_map(|all| all.values());
    let of_type = resources.filter(|resource| resource["Type"] == resource_type);
    Ok(of_type.map(|resource| &resource["Properties"]).collect())
}
