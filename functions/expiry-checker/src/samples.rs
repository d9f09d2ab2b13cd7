//! What the unit tests begin with.

use shared::cloud::Cloud;
use shared::ids::DirectoryId;
use shared::mailbox_secret::Rotator;
use shared::rotation::inspection::{Facts, TenantRotator};
use shared::secret_store::SecretMetadata;
use shared::secret_store::versions::Versions;

/// The tenant, the app registration and the rotator of [`facts`].
pub(crate) const ID: &str = "11111111-1111-4111-8111-111111111111";

/// With rotation on.
pub(crate) fn secret(
    name: &str,
    labels: &[(&str, &[&str])],
    tags: &[(&str, &str)],
) -> SecretMetadata {
    let versions = labels.iter().map(|(version, labels)| {
        let labels = labels.iter().map(|label| (*label).to_owned()).collect();
        ((*version).to_owned(), labels)
    });
    let tags = tags.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
    SecretMetadata {
        arn: format!("arn:aws:secretsmanager:eu-west-1:1:secret:{name}-AbC123"),
        name: name.to_owned(),
        rotation_enabled: true,
        versions: Versions(versions.collect()),
        tags: tags.collect(),
        last_rotated: None,
        next_rotation: None,
        deleted: false,
        primary_region: None,
    }
}

/// Of version `c`, with nothing wrong.
pub(crate) fn facts() -> Facts {
    let id = DirectoryId::read(ID).unwrap();
    Facts {
        version: "c".to_owned(),
        of: TenantRotator {
            cloud: Cloud::Global,
            tenant_id: id.clone(),
            rotator: Rotator::Federated {
                client_id: id.clone(),
            },
        },
        client_id: id,
        without_value: false,
        key_id: None,
        key_fits: Some(true),
        issued_here: false,
        now: None,
        start: None,
        expires_at: None,
        credentials: Some(Vec::new()),
        mailboxes: Vec::new(),
        connections: Vec::new(),
        sending: Vec::new(),
        attended: Vec::new(),
        held: Vec::new(),
        attested: Vec::new(),
        grants: None,
        grants_unfinished: false,
        not_opened: Vec::new(),
        preflight: Vec::new(),
        drift: Vec::new(),
        problems: Vec::new(),
    }
}
