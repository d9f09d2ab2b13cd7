//! Which credentials of ours nothing names: issued, and perhaps never stored. Pure.

use jiff::Timestamp;
use shared::credential::IssuedBy;
use shared::graph::application::Application;
use shared::ids::KeyId;
use shared::secret_store::SecretMetadata;
use shared::secret_store::versions::PENDING;

/// A credential with our marker that nothing names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Orphan {
    pub(crate) key_id: KeyId,
    /// The version that it was issued for.
    pub(crate) version: String,
    /// Whose it is: not another secret's.
    pub(crate) issuer: IssuedBy,
}

/// The credentials with our marker that no label names, and the current document does not name either.
/// That alone removes none of them: [`super::lost`] looks further.
///
/// Left out are those of a rotation whose pending version holds nothing yet, for a running createSecret may
/// be about to store one (it removes the others itself), and those that are not `settled`: a label may show
/// late.
///
/// `secret` must have been described after `application` was read: a label is set after its
/// credential was added, so a credential that was seen and is not named then is in flight or lost.
pub(crate) fn orphans(
    application: &Application,
    secret: &SecretMetadata,
    current: Option<KeyId>,
    settled: Timestamp,
) -> Vec<Orphan> {
    let claims = secret.versions.claims();
    let named =
        |key_id| Some(key_id) == current || claims.keys().any(|(named, _)| *named == key_id);
    let orphans = application.credentials.iter().filter_map(|credential| {
        let marker = credential.marker()?;
        let issuer = marker.issued_by(&secret.arn);
        let in_flight = secret.versions.has(&marker.token, PENDING)
            && secret.versions.keys_of(&marker.token).is_empty()
            || credential.start.is_none_or(|start| start > settled);
        let ours = issuer != IssuedBy::Another;
        (ours && !named(credential.key_id) && !in_flight).then_some(Orphan {
            key_id: credential.key_id,
            version: marker.token,
            issuer,
        })
    });
    orphans.collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use shared::credential::{Credential, Marker};
    use shared::secret_store::versions::{
        CURRENT, PREVIOUS, Versions, key_label, released_label, retired_label,
    };

    use super::*;

    const ARN: &str = "arn:aws:secretsmanager:eu-west-1:1:secret:shopmail/orders-AbC123";

    fn key(n: u8) -> KeyId {
        format!("00000000-0000-4000-8000-0000000000{n:02x}")
            .parse()
            .unwrap()
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn credential(n: u8, name: Option<&str>) -> Credential {
        Credential {
            key_id: key(n),
            display_name: name.map(str::to_owned),
            start: Some(at(0)),
            end: None,
            hint: None,
        }
    }

    /// The name of what this secret issued.
    fn ours(token: &str) -> String {
        Marker::new(ARN, token).display_name("mail")
    }

    fn secret(labels: Vec<(&str, Vec<String>)>) -> SecretMetadata {
        let versions = labels
            .into_iter()
            .map(|(version, labels)| (version.to_owned(), labels.into_iter().collect()));
        SecretMetadata {
            arn: ARN.into(),
            name: "shopmail/orders".into(),
            rotation_enabled: true,
            versions: Versions(versions.collect()),
            tags: BTreeMap::new(),
            last_rotated: None,
            next_rotation: None,
            deleted: false,
            primary_region: None,
        }
    }

    fn application(credentials: Vec<Credential>) -> Application {
        Application {
            credentials,
            ..Application::default()
        }
    }

    fn keys_of(application: &Application, secret: &SecretMetadata, current: KeyId) -> Vec<KeyId> {
        let orphans = orphans(application, secret, Some(current), at(60));
        orphans.into_iter().map(|orphan| orphan.key_id).collect()
    }

    #[test]
    fn only_our_own_unnamed_credentials_are_orphans() {
        let secret = secret(vec![
            ("old", vec![PREVIOUS.into(), key_label(key(1))]),
            ("cur", vec![CURRENT.into(), key_label(key(2))]),
            ("older", vec![released_label(key(7))]),
            ("oldest", vec![retired_label(key(8))]),
        ]);
        let replica = ARN.replace("eu-west-1", "eu-central-1");
        let replicas = Marker::new(&replica, "gone").display_name("mail");
        let application = application(vec![
            credential(1, Some(&ours("old"))),
            credential(2, Some(&ours("cur"))),
            credential(3, Some(&ours("gone"))),
            credential(4, Some("smr1/Other1/gone mail")),
            credential(5, Some("prod key")),
            credential(6, None),
            credential(7, Some(&ours("older"))),
            credential(8, Some(&ours("oldest"))),
            credential(10, Some(&replicas)),
        ]);
        assert_eq!(keys_of(&application, &secret, key(9)), vec![key(3)]);
    }

    #[test]
    fn the_current_documents_credential_is_no_orphan_though_its_label_was_taken_away() {
        let secret = secret(vec![("cur", vec![CURRENT.into()])]);
        let application = application(vec![credential(1, Some(&ours("cur")))]);
        assert_eq!(keys_of(&application, &secret, key(1)), vec![]);
    }

    #[test]
    fn what_a_running_create_secret_may_be_about_to_store_is_left() {
        let in_flight = secret(vec![
            ("cur", vec![CURRENT.into()]),
            ("t", vec![PENDING.into()]),
        ]);
        let application = application(vec![credential(1, Some(&ours("t")))]);
        assert_eq!(keys_of(&application, &in_flight, key(9)), vec![]);
        let stored = secret(vec![
            ("cur", vec![CURRENT.into()]),
            ("t", vec![PENDING.into(), key_label(key(2))]),
        ]);
        assert_eq!(keys_of(&application, &stored, key(9)), vec![key(1)]);
    }

    #[test]
    fn a_fresh_credential_is_left_for_its_label_may_show_late() {
        let secret = secret(vec![("cur", vec![CURRENT.into()])]);
        let fresh = Credential {
            start: Some(at(61)),
            ..credential(1, Some(&ours("t")))
        };
        let undated = Credential {
            start: None,
            ..fresh.clone()
        };
        let application = application(vec![fresh, undated]);
        assert_eq!(keys_of(&application, &secret, key(9)), vec![]);
    }

    proptest! {
        #[test]
        fn a_named_or_foreign_credential_is_never_an_orphan(
            names in prop::collection::vec(
                prop_oneof![
                    Just(ours("t")),
                    Just("smr1/AbC123/t x".to_owned()),
                    Just("smr1/Zzzzzz/t x".to_owned()),
                    ".{0,20}",
                ], 0..8),
            named in prop::collection::vec(0_u8..8, 0..8),
        ) {
            let labels: Vec<String> = named.iter().map(|n| key_label(key(*n))).collect();
            let secret = secret(vec![("cur", labels)]);
            let credentials = names.iter().zip(0_u8..).map(|(name, n)| credential(n, Some(name)));
            for lost in keys_of(&application(credentials.collect()), &secret, key(9)) {
                let n = (0_u8..8).find(|n| key(*n) == lost).unwrap();
                let name = &names[usize::from(n)];
                prop_assert!(!named.contains(&n));
                prop_assert!(*name == ours("t") || name.starts_with("smr1/AbC123/"));
            }
        }
    }
}
