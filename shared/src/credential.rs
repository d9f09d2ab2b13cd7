//! A credential: an entry of `passwordCredentials` of an Entra app registration, the marker by which
//! ours are known from other people's, and the hint that ties an id to a value.

use std::fmt;

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer};
use uuid::Uuid;

use crate::ids::KeyId;
use crate::short_hash::short_hash;

/// A client secret: never printed, never serialized but by [`ClientSecret::expose`], zeroized on
/// drop.
#[derive(Clone)]
pub struct ClientSecret(SecretString);

impl ClientSecret {
    /// Takes the value over.
    #[must_use]
    pub fn new(value: String) -> Self {
        Self(value.into())
    }

    /// The value, for the line that sends or stores it.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// What a person may have typed wrong, should Entra refuse the value. By itself it is no error:
    /// nothing documents what a client secret cannot look like.
    #[must_use]
    pub fn slip(&self) -> Option<Slip> {
        let value = self.expose();
        if Uuid::try_parse(value.trim()).is_ok() {
            Some(Slip::Id)
        } else if value.ends_with(['\n', '\r']) {
            Some(Slip::LineBreak)
        } else {
            None
        }
    }
}

/// A slip of whoever typed a client secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slip {
    /// It is a GUID: most likely the Secret ID, which the portal shows beside the Value.
    Id,
    /// It ends in a line break, as a value that was piped through a shell does.
    LineBreak,
}

impl Slip {
    /// What a person has to do about it.
    #[must_use]
    pub fn next_step(self) -> &'static str {
        match self {
            Self::Id => {
                "client_secret holds an id: put the Value there that the portal showed when the client secret was made, not the Secret ID."
            }
            Self::LineBreak => "client_secret ends in a line break: put it without.",
        }
    }
}

impl fmt::Debug for ClientSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientSecret([redacted])")
    }
}

impl<'de> Deserialize<'de> for ClientSecret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = String::deserialize(deserializer)?;
        if value.is_empty() {
            return Err(serde::de::Error::custom("empty"));
        }
        Ok(Self::new(value))
    }
}

/// The first characters of a credential's value, as Graph shows them: three (graph-docs,
/// resources/passwordcredential.md). Never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Hint(String);

impl Hint {
    /// `None` for an empty one, which says nothing.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        (!text.is_empty()).then(|| Self(text.to_owned()))
    }
}

impl fmt::Debug for Hint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hint([redacted])")
    }
}

/// Whether a credential's value is this one, as far as its hint tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fit {
    /// The hint is the value's beginning.
    Yes,
    /// It is another's.
    No,
    /// Graph shows no hint. Nothing is concluded from it: looking and issuing go on, removing does not.
    CannotTell,
}

/// An entry of `passwordCredentials` as Graph lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// Its id.
    pub key_id: KeyId,
    /// The name that the portal shows as description; the portal's own entries may have none.
    pub display_name: Option<String>,
    /// When Entra made it.
    pub start: Option<Timestamp>,
    /// When it stops working.
    pub end: Option<Timestamp>,
    /// The beginning of its value.
    pub hint: Option<Hint>,
}

impl Credential {
    /// Whether `value` is this credential's.
    #[must_use]
    pub fn fits(&self, value: &ClientSecret) -> Fit {
        match &self.hint {
            None => Fit::CannotTell,
            Some(Hint(hint)) if value.expose().starts_with(hint.as_str()) => Fit::Yes,
            Some(_) => Fit::No,
        }
    }

    /// Our marker, where its name carries one.
    #[must_use]
    pub fn marker(&self) -> Option<Marker> {
        self.display_name.as_deref().and_then(Marker::read)
    }
}

/// Graph documents 90 characters for the name of a key credential and shortens longer ones; the
/// same is taken to hold for a password credential (graph-docs, resources/keycredential).
const LONGEST_NAME: usize = 90;

/// The front of the `displayName` of every credential that we issue:
/// `smr2/<6 characters of the secret's ARN>.<hash of the ARN>/<ClientRequestToken>`. Releases before
/// wrote `smr1/<6 characters>/<token>`, which is the same in every region that a secret is replicated to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marker {
    /// The six random characters at the end of the mailbox secret's ARN.
    suffix: String,
    /// A short hash of the whole ARN.
    arn_hash: Option<String>,
    /// The token of the rotation that issued it.
    pub token: String,
}

/// Whose marker it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IssuedBy {
    /// This very secret.
    This,
    /// This secret, or the one that it was a replica of: an old marker does not tell.
    ThisOrReplica,
    /// Another mailbox secret.
    Another,
}

impl Marker {
    /// The marker of a rotation of the secret with this ARN.
    #[must_use]
    pub fn new(secret_arn: &str, token: &str) -> Self {
        Self {
            suffix: secret_suffix(secret_arn).to_owned(),
            arn_hash: Some(short_hash(secret_arn)),
            token: token.to_owned(),
        }
    }

    /// The whole `displayName`, cut to what Graph keeps.
    #[must_use]
    pub fn display_name(&self, description: &str) -> String {
        let (form, dot, hash) = match &self.arn_hash {
            Some(hash) => ("smr2", ".", hash.as_str()),
            None => ("smr1", "", ""),
        };
        let whole = format!(
            "{form}/{}{dot}{hash}/{} {description}",
            self.suffix, self.token
        );
        whole.trim_end().chars().take(LONGEST_NAME).collect()
    }

    /// Reads a `displayName`; `None` when it does not carry our marker.
    #[must_use]
    pub fn read(display_name: &str) -> Option<Self> {
        let (form, rest) = display_name.split_once('/')?;
        let (secret, rest) = rest.split_once('/')?;
        let token = rest.split(' ').next().filter(|token| !token.is_empty())?;
        let (suffix, arn_hash) = match form {
            "smr1" => (secret, None),
            "smr2" => {
                let (suffix, hash) = secret.split_once('.')?;
                (suffix, Some(hash.to_owned()))
            }
            _ => return None,
        };
        Some(Self {
            suffix: suffix.to_owned(),
            arn_hash,
            token: token.to_owned(),
        })
    }

    /// Whether a secret issued it that has the same six random characters as this one, in another region: its
    /// replica, or what it was a replica of.
    #[must_use]
    pub fn is_of_a_twin(&self, secret_arn: &str) -> bool {
        self.suffix == secret_suffix(secret_arn) && self.issued_by(secret_arn) == IssuedBy::Another
    }

    /// Whether the secret with this ARN issued it.
    #[must_use]
    pub fn issued_by(&self, secret_arn: &str) -> IssuedBy {
        match &self.arn_hash {
            Some(hash) if *hash == short_hash(secret_arn) => IssuedBy::This,
            None if self.suffix == secret_suffix(secret_arn) => IssuedBy::ThisOrReplica,
            Some(_) | None => IssuedBy::Another,
        }
    }
}

/// The six random characters that Secrets Manager puts at the end of an ARN. They tell two
/// installations' secrets of one name apart, but not a secret from its replicas in other regions.
fn secret_suffix(secret_arn: &str) -> &str {
    secret_arn.rsplit('-').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ARN: &str = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:shopmail/orders-AbC123";

    proptest! {
        #[test]
        fn a_marker_survives_any_description_and_graphs_cut(
            token in "[a-zA-Z0-9-]{32,64}",
            description in ".{0,120}",
        ) {
            let marker = Marker::new(ARN, &token);
            let name = marker.display_name(&description);
            prop_assert!(name.chars().count() <= LONGEST_NAME);
            prop_assert_eq!(Marker::read(&name), Some(marker));
        }

        #[test]
        fn no_text_makes_the_reader_panic(name in ".*") {
            let _ = Marker::read(&name);
        }
    }

    #[test]
    fn another_persons_name_is_no_marker() {
        for name in [
            "",
            "smr1",
            "smr1/",
            "smr1/AbC123",
            "smr1/AbC123/",
            "prod key",
            "SMR1/a/b",
            "smr2/a/b",
            "smr2/a.b/",
            "smr3/a.b/c",
        ] {
            assert_eq!(Marker::read(name), None, "{name}");
        }
    }

    #[test]
    fn a_replicas_marker_is_anothers_and_an_old_one_does_not_tell() {
        let replica = ARN.replace("eu-west-1", "eu-central-1");
        let marker = Marker::new(ARN, "t");
        assert_eq!(marker.issued_by(ARN), IssuedBy::This);
        assert_eq!(marker.issued_by(&replica), IssuedBy::Another);
        assert!(marker.is_of_a_twin(&replica) && !marker.is_of_a_twin(ARN));
        assert!(!marker.is_of_a_twin("arn:secret:orders-Zzzzzz"));
        let old = Marker::read("smr1/AbC123/t ShopCtrl mail").unwrap();
        assert_eq!(old.issued_by(ARN), IssuedBy::ThisOrReplica);
        assert_eq!(old.issued_by(&replica), IssuedBy::ThisOrReplica);
        assert_eq!(old.issued_by("arn:secret:orders-Zzzzzz"), IssuedBy::Another);
    }

    #[test]
    fn a_client_secret_and_its_hint_are_never_printed() {
        let secret = ClientSecret::new("hunter2~".into());
        assert!(!format!("{secret:?}").contains("hunter2"));
        assert!(!format!("{:?}", Hint::new("hun")).contains("hun"));
    }

    #[test]
    fn a_hint_ties_a_credential_to_a_value_and_none_concludes_nothing() {
        let credential = |hint: &str| Credential {
            key_id: "00000000-0000-4000-8000-000000000001".parse().unwrap(),
            display_name: None,
            start: None,
            end: None,
            hint: Hint::new(hint),
        };
        let value = ClientSecret::new("abc~def".into());
        assert_eq!(credential("abc").fits(&value), Fit::Yes);
        assert_eq!(credential("abd").fits(&value), Fit::No);
        assert_eq!(credential("").fits(&value), Fit::CannotTell);
    }

    #[test]
    fn an_id_and_a_line_break_are_seen() {
        let slip = |value: &str| ClientSecret::new(value.to_owned()).slip();
        assert_eq!(slip("00000000-0000-4000-8000-000000000001"), Some(Slip::Id));
        assert_eq!(slip("abc~def\n"), Some(Slip::LineBreak));
        assert_eq!(slip("abc~def"), None);
    }
}
