//! JSON, in secrets and in the answers of services: read so that an error names the field, and never the value.

use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::Value;
use serde_json::de::StrRead;

/// Reads a document. The error says what is wrong with which field.
pub(crate) fn read<T: DeserializeOwned>(text: &SecretString) -> Result<T, String> {
    parsed(&mut serde_json::Deserializer::from_str(
        text.expose_secret(),
    ))
}

/// Reads a document behind which there is nothing.
pub(crate) fn read_whole<T: DeserializeOwned>(text: &SecretString) -> Result<T, String> {
    let mut json = serde_json::Deserializer::from_str(text.expose_secret());
    let document = parsed(&mut json)?;
    json.end()
        .map_err(|_| "there is text behind the document".to_owned())?;
    Ok(document)
}

/// Reads a part of an event.
///
/// # Errors
/// What is wrong with which field, without the value.
pub fn read_value<T: DeserializeOwned>(value: &Value) -> Result<T, String> {
    serde_path_to_error::deserialize(value).map_err(|error| field_error(&error))
}

/// Reads the body of an answer.
pub(crate) fn read_answer<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, String> {
    let mut json = serde_json::Deserializer::from_slice(body);
    let answer = serde_path_to_error::deserialize(&mut json);
    let answer = answer.map_err(|error| match error.inner() {
        // Without the place: where a page of a proxy's is cut off does not make it another failure.
        inner if inner.is_syntax() || inner.is_eof() => "not JSON".to_owned(),
        _ => field_error(&error),
    })?;
    json.end().map_err(|_| "not JSON".to_owned())?;
    Ok(answer)
}

fn parsed<T: DeserializeOwned>(
    json: &mut serde_json::Deserializer<StrRead<'_>>,
) -> Result<T, String> {
    serde_path_to_error::deserialize(json).map_err(|error| field_error(&error))
}

/// The form of the document that this code reads: 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FormVersion;

impl<'de> Deserialize<'de> for FormVersion {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u64::deserialize(deserializer)? {
            1 => Ok(Self),
            _ => Err(de::Error::custom(
                "not a version that this release knows (1)",
            )),
        }
    }
}

impl Serialize for FormVersion {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(1)
    }
}

/// The fronts of serde's own messages about a value; what they end with is not of the value.
const SERDES_OWN: [&str; 4] = [
    "invalid type: ",
    "invalid value: ",
    "invalid length ",
    "unknown variant ",
];

/// What is wrong with which field, without the value: serde's own messages quote it, and so do those of
/// the types that are read.
pub(crate) fn field_error(error: &serde_path_to_error::Error<serde_json::Error>) -> String {
    let inner = error.inner();
    if inner.is_syntax() || inner.is_eof() {
        return format!(
            "not JSON (line {}, column {})",
            inner.line(),
            inner.column()
        );
    }
    let message = inner.to_string();
    // A value may say " at line " and ", expected " too: what serde says comes last.
    let message = message
        .rsplit_once(" at line ")
        .map_or(message.as_str(), |(message, _)| message);
    let is_unknown = message.starts_with("unknown field ");
    let problem = if is_unknown {
        // Its name is on the path, where it can be shown.
        "unknown field".to_owned()
    } else if message.starts_with("missing field ") || message.starts_with("duplicate field ") {
        message.to_owned()
    } else if let Some((_, expected)) = message.rsplit_once(", expected ")
        && SERDES_OWN.iter().any(|front| message.starts_with(front))
    {
        format!("expected {expected}")
    } else if message.starts_with("not ") || message == "empty" {
        // Our own words.
        message.to_owned()
    } else {
        "not in the form that it must have".to_owned()
    };
    let path = shown(error.path());
    match (path.is_empty(), is_unknown) {
        (true, _) => problem,
        (false, true) => format!("unknown field `{path}`"),
        (false, false) => format!("field {path}: {problem}"),
    }
}

/// The path to a field. A name in it may be anything that somebody pasted: what does not look like a
/// name is not shown.
fn shown(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '@');
    let mut shown = String::new();
    for segment in path {
        match segment {
            Segment::Seq { index } => shown += &format!("[{index}]"),
            Segment::Map { key } | Segment::Enum { variant: key } => {
                if !shown.is_empty() {
                    shown.push('.');
                }
                let is_name = key.len() <= 64 && key.chars().all(plain);
                shown += if is_name { key } else { "(not shown)" };
            }
            Segment::Unknown => {}
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_cannot_be_read_names_the_field_and_never_a_value() {
        #[derive(Deserialize, Debug)]
        struct Answer {
            #[serde(rename = "value")]
            _value: Vec<Entry>,
        }
        #[derive(Deserialize, Debug)]
        struct Entry {
            #[serde(rename = "keyId")]
            _key_id: String,
        }
        for (body, problem) in [
            (
                r#"{"value": [{"keyId": 7}]}"#,
                "field value[0].keyId: expected a string",
            ),
            (
                r#"{"value": [{}]}"#,
                "field value[0]: missing field `keyId`",
            ),
            (
                r#"{"value": "hunter2"}"#,
                "field value: expected a sequence",
            ),
            ("<html>hunter2", "not JSON"),
            (r#"{"value": []} hunter2"#, "not JSON"),
        ] {
            let read: Result<Answer, String> = read_answer(body.as_bytes());
            assert_eq!(read.unwrap_err(), problem);
        }
    }
}
