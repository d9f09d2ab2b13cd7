//! Tags and their limits.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::aws::aws_json::AwsError;

/// "The maximum number of tags that you can attach to a resource is 50" (Tag secrets).
const MAX_TAGS: usize = 50;
const MAX_KEY: usize = 128;
const MAX_VALUE: usize = 256;

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Tag {
    key: String,
    #[serde(default)]
    value: String,
}

impl Tag {
    pub(super) fn new(key: &str, value: &str) -> Self {
        Self {
            key: key.to_owned(),
            value: value.to_owned(),
        }
    }
}

/// Adds or overwrites `more`, all of them or none.
pub(super) fn merge(tags: &mut BTreeMap<String, String>, more: Vec<Tag>) -> Result<(), AwsError> {
    let mut merged = tags.clone();
    for tag in more {
        check(&tag)?;
        merged.insert(tag.key, tag.value);
    }
    if merged.len() > MAX_TAGS {
        return Err(invalid(format!(
            "A secret can have at most {MAX_TAGS} tags."
        )));
    }
    *tags = merged;
    Ok(())
}

fn check(tag: &Tag) -> Result<(), AwsError> {
    let key_length = tag.key.chars().count();
    if key_length == 0 || key_length > MAX_KEY {
        return Err(invalid(format!("A tag key has 1 to {MAX_KEY} characters.")));
    }
    if tag.value.chars().count() > MAX_VALUE {
        return Err(invalid(format!(
            "A tag value has at most {MAX_VALUE} characters."
        )));
    }
    if !tag.key.chars().chain(tag.value.chars()).all(allowed) {
        return Err(invalid(format!(
            "Tag {} has characters other than letters, numbers, spaces and _ . : / = + - @.",
            tag.key
        )));
    }
    // "Do not use the aws: prefix in your tag names or values" (Tag secrets).
    if tag.key.starts_with("aws:") {
        return Err(invalid("Tag keys that start with aws: are reserved."));
    }
    Ok(())
}

fn allowed(character: char) -> bool {
    character.is_alphanumeric() || character == ' ' || "_.:/=+-@".contains(character)
}

fn invalid(message: impl Into<String>) -> AwsError {
    AwsError::new("InvalidParameterException", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(key: &str, value: &str) -> bool {
        merge(&mut BTreeMap::new(), vec![Tag::new(key, value)]).is_err()
    }

    #[test]
    fn tags_beyond_the_limits_are_refused() {
        assert!(!refused("shopmail:state", "a b_.:/=+-@ ß9"));
        assert!(refused("state", "a,b"));
        assert!(refused("state", "{}"));
        assert!(refused("", "a"));
        assert!(refused("aws:state", "a"));
        assert!(!refused(&"k".repeat(128), &"v".repeat(256)));
        assert!(refused(&"k".repeat(129), "v"));
        assert!(refused("k", &"v".repeat(257)));
    }

    #[test]
    fn too_many_tags_change_nothing() {
        let mut tags = (0..49)
            .map(|n| (format!("k{n}"), String::new()))
            .collect::<BTreeMap<_, _>>();
        merge(&mut tags, vec![Tag::new("k0", "new"), Tag::new("x", "")]).unwrap();
        assert_eq!(tags.len(), 50);
        assert!(merge(&mut tags, vec![Tag::new("k0", "newer"), Tag::new("y", "")]).is_err());
        assert_eq!(tags["k0"], "new");
    }
}
