//! Texts that the template of a rule can take, such as other people have on our events. EventBridge puts what it finds
//! in an event into the lines of an `InputTemplate` as it is: "EventBridge doesn't escape values extracted by Input
//! Path" (EventBridge user guide, *Common issues with transforming input*). A quotation mark would end the line's
//! string, and the mail would not be sent.

use serde_json::Value;

/// Every text within, without what JSON would have to escape.
pub(super) fn in_one_line(value: &mut Value) {
    match value {
        Value::String(text) => *text = text.chars().map(plain).collect(),
        Value::Array(values) => values.iter_mut().for_each(in_one_line),
        Value::Object(fields) => fields.values_mut().for_each(in_one_line),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn plain(c: char) -> char {
    match c {
        '"' => '\'',
        '\\' => '/',
        c if c.is_control() => ' ',
        c => c,
    }
}
