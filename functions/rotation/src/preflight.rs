//! What a rotation needs of Entra, judged by what a look saw of the app registration and of the rotator's own rights. What
//! is not shown is never missing.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use shared::credential::{Credential, IssuedBy};
use shared::entra::sign_in::connection_scope;
use shared::entra::token::ApplicationPermissions;
use shared::failure::{Failure, Kind};
use shared::grants::GrantsDocument;
use shared::graph::application::{Application, Registration};
use shared::graph::policies::{Forbids, Policies};
use shared::ids::{DirectoryId, KeyId, MailboxAddress};
use shared::mailbox_secret::{MailboxSecret, Rotator};
use shared::period::Period;
use shared::preflight::commands::delegated_permission;
use shared::preflight::{Permission, Requirement, Row, Seen};
use shared::retry::{Deadline, with_retries};
use tracing::info;

use crate::clients::Clients;

/// Each lets the rotator add client secrets to all apps (graph-docs, application-addpassword).
const WRITE_ALL: [&str; 2] = ["Application.ReadWrite.All", "Directory.ReadWrite.All"];
/// To the apps that it owns.
const WRITE_OWN: &str = "Application.ReadWrite.OwnedBy";
const READ_ALL: [&str; 2] = ["Application.Read.All", "Directory.Read.All"];
const READ_POLICIES: [&str; 2] = [
    "Policy.Read.All",
    "Policy.ReadWrite.ApplicationConfiguration",
];

/// Whether Graph says that the caller has no right to what it asks for.
pub(crate) fn is_denied(failure: &Failure) -> bool {
    failure.code.as_deref() == Some("Authorization_RequestDenied")
}

/// To which apps the rotator may add client secrets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Right {
    /// To all.
    AllApps,
    /// To those that it owns, and where it has a role in the directory perhaps to more.
    OwnApps { perhaps_more: bool },
    /// To none.
    None,
    /// Its token does not tell: a role in the directory, or one for a single app, is no application permission.
    NotTold,
}

/// By the rotator's own token, and whether Entra refused it a look at the app registration.
pub(crate) fn right(may: Option<&ApplicationPermissions>, denied: bool) -> Right {
    match may {
        Some(may) if may.any(&WRITE_ALL) => Right::AllApps,
        Some(may) if may.any(&[WRITE_OWN]) => Right::OwnApps {
            perhaps_more: may.has_directory_role(),
        },
        Some(may) if may.has_directory_role() => Right::NotTold,
        Some(may) if denied || may.any(&READ_ALL) => Right::None,
        Some(_) | None => Right::NotTold,
    }
}

/// Whether the rotator may read what the tenant's policies say.
pub(crate) fn may_read_policies(may: Option<&ApplicationPermissions>) -> bool {
    may.is_some_and(|may| may.any(&READ_POLICIES))
}

/// What is known of the rotator as the app registration's owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ownership {
    Owner,
    NoOwner,
    /// Of an owner that the rotator may not read, Graph shows no id.
    NotShown,
    /// It was not asked for, or did not answer.
    NotSeen,
}

/// The app registration of one secret, and who looks at it.
pub(crate) struct Registered<'a> {
    pub(crate) application: &'a Application,
    /// The secret.
    pub(crate) arn: &'a str,
    /// The credentials that its labels name.
    pub(crate) keys: &'a [KeyId],
    /// The one that its document names.
    pub(crate) current: Option<KeyId>,
    /// Entra's clock.
    pub(crate) now: Option<Timestamp>,
    /// How long what was replaced is kept at least.
    pub(crate) quarantine: SignedDuration,
}

/// What the rotator may do there.
pub(crate) fn rights(right: Right, ownership: Ownership) -> Vec<Row> {
    let role = match right {
        Right::AllApps | Right::OwnApps { .. } => Seen::Present,
        Right::None => Seen::Missing,
        Right::NotTold => Seen::NotTold,
    };
    let owns = |perhaps_more| match ownership {
        Ownership::Owner => Seen::Present,
        Ownership::NoOwner if perhaps_more => Seen::NotTold,
        Ownership::NoOwner => Seen::Missing,
        Ownership::NotShown => Seen::NotVisible {
            permission: Permission::ApplicationRead,
        },
        Ownership::NotSeen => Seen::NotSeen,
    };
    let owns = match right {
        Right::OwnApps { perhaps_more } => Some(owns(perhaps_more)),
        Right::AllApps | Right::None | Right::NotTold => None,
    };
    let owns = owns.map(|seen| Row::new(Requirement::RotatorOwnsApp, seen));
    [Row::new(Requirement::RotatorRole, role)]
        .into_iter()
        .chain(owns)
        .collect()
}

/// What the app registration shows, and the policies that hold for it. Without `policies` the rotator may not read them.
pub(crate) fn of_application(
    clients: &Clients,
    mailbox: &MailboxSecret,
    registered: &Registered<'_>,
    may: Option<&ApplicationPermissions>,
    policies: Option<&Policies>,
) -> Vec<Row> {
    let application = registered.application;
    let allowed = allowed(policies, may, &mailbox.client_id, application);
    // Elsewhere nobody signs in.
    let redirect = mailbox.has_sign_ins().then(|| {
        let uri = format!("{}/callback", clients.settings.callback_url.as_str());
        Row::new(
            Requirement::RedirectUri,
            seen(application.has_redirect_uri(&uri)),
        )
        .about(uri)
    });
    let rows = allowed.into_iter().chain([room(registered)]);
    rows.chain(redirect).collect()
}

/// What the list of app registrations shows at each look.
pub(crate) fn room(registered: &Registered<'_>) -> Row {
    Row::new(Requirement::RoomForSecret, seen(has_room(registered)))
}

/// Whether what stays leaves a place: the current one, those that are not this secret's, and what was replaced and is
/// kept. `None` where Entra does not say how many there may be.
fn has_room(registered: &Registered<'_>) -> Option<bool> {
    let Registered {
        application,
        arn,
        keys,
        current,
        ..
    } = registered;
    application.audience.as_ref()?;
    let Some(most) = application.most_credentials() else {
        return Some(true);
    };
    let ours = |credential: &Credential| {
        let marker = credential.marker();
        keys.contains(&credential.key_id)
            || marker.is_some_and(|marker| marker.issued_by(arn) != IssuedBy::Another)
    };
    let is_current = |credential: &Credential| Some(credential.key_id) == *current;
    let stays = |credential: &&Credential| {
        is_current(credential) || !ours(credential) || is_kept(registered, credential)
    };
    Some(application.credentials.iter().filter(stays).count() < most)
}

/// Whether a credential that a person made, and that was replaced, is kept past the next renewal: it was not removed when
/// its time came, so it is not known for certain to be ours (`superseded.rs`).
fn is_kept(registered: &Registered<'_>, credential: &Credential) -> bool {
    let current = registered
        .current
        .and_then(|key_id| registered.application.credential(key_id));
    let of_current = current.and_then(|current| current.start.zip(current.end));
    let Some(((start, end), now)) = of_current.zip(registered.now) else {
        return false;
    };
    let life = end.duration_since(start);
    // A freeze holds a removal up, for weeks at most.
    let patience = (registered.quarantine + SignedDuration::from_hours(48)).max(life / 4);
    let earliest_renewal = end.checked_sub(life / 3).unwrap_or(end);
    let ends_in_time = credential.end.is_some_and(|end| end < earliest_renewal);
    credential.marker().is_none() && now.duration_since(start) > patience && !ends_in_time
}

fn seen(has: Option<bool>) -> Seen {
    match has {
        Some(true) => Seen::Present,
        Some(false) => Seen::Missing,
        None => Seen::NotTold,
    }
}

/// A policy that says less would have a rotation in each check.
pub(crate) const SHORTEST: Period = Period::days(1);

/// What the policies allow.
fn allowed(
    policies: Option<&Policies>,
    may: Option<&ApplicationPermissions>,
    client_id: &DirectoryId,
    application: &Application,
) -> [Row; 2] {
    let unknown = |seen| {
        [Requirement::SecretsAllowed, Requirement::LifetimeAllowed]
            .map(|requirement| Row::new(requirement, seen))
    };
    let Some(policies) = policies else {
        let permission = Permission::PolicyRead;
        return unknown(Seen::NotVisible { permission });
    };
    let Some(restrictions) = policies.restrictions(client_id, application) else {
        // An app's own policy is read with this, too.
        let permission = Permission::ApplicationRead;
        let may = may.is_some_and(|may| may.any(&READ_ALL));
        return unknown(match policies.answered(client_id) {
            true => Seen::NotTold,
            false if may || policies.is_empty() => Seen::NotSeen,
            false => Seen::NotVisible { permission },
        });
    };
    let forbidden = |by: &dyn Fn(Forbids) -> bool| {
        let mut excepting = restrictions
            .iter()
            .filter(|one| by(one.forbids))
            .map(|one| one.excepts_callers);
        match excepting.next() {
            None => Seen::Present,
            // Whether the rotator is one of them, its custom security attributes say, which are not read.
            Some(true) if excepting.all(|excepts| excepts) => Seen::NotTold,
            Some(_) => Seen::Missing,
        }
    };
    let adding = forbidden(&|forbids| forbids == Forbids::Adding);
    let longest = restrictions.iter().filter_map(|one| match one.forbids {
        Forbids::LongerThan(longest) => Some(longest),
        Forbids::Adding => None,
    });
    let lifetime =
        forbidden(&|forbids| matches!(forbids, Forbids::LongerThan(longest) if longest < SHORTEST));
    let lifetime = Row {
        about: longest.min().map(|longest| longest.to_string()),
        ..Row::new(Requirement::LifetimeAllowed, lifetime)
    };
    [Row::new(Requirement::SecretsAllowed, adding), lifetime]
}

/// What the connections and the hand-over page need. A grant that works has the permission; else the app registration at
/// least lists it, and whether somebody consented is shown to few.
pub(crate) fn of_people(
    clients: &Clients,
    mailbox: &MailboxSecret,
    application: Option<&Application>,
    companion: Option<&GrantsDocument>,
    refused: &[MailboxAddress],
) -> Vec<Row> {
    let app = clients.app(mailbox);
    let of_connections = mailbox.connections.iter().map(|connection| {
        let scope = connection_scope(&app, connection);
        let name = scope.rsplit('/').next().unwrap_or(&scope);
        let grant = companion.and_then(|companion| companion.grants.of(&connection.mailbox));
        let granted = !refused.contains(&connection.mailbox)
            && grant.is_some_and(|grant| grant.scopes.contains(&name.to_lowercase()));
        let listed = application.and_then(|application| application.permissions.as_ref());
        let lists = |listed: &BTreeSet<String>| {
            delegated_permission(name).is_some_and(|id| listed.contains(id))
        };
        let seen = match listed.map(lists) {
            _ if granted => Seen::Present,
            _ if companion.is_none() => Seen::NotSeen,
            Some(false) => Seen::Missing,
            Some(true) | None => Seen::NotTold,
        };
        Row::new(Requirement::DelegatedPermission, seen)
            .about(name.to_owned())
            .at(connection.id.clone())
    });
    let reveals = !mailbox.reveal_to.is_empty();
    let auth_time = reveals.then(|| {
        let claims = application.and_then(|application| application.id_token_claims.as_ref());
        let has = claims.map(|claims| claims.iter().any(|claim| claim == "auth_time"));
        Row::new(Requirement::AuthTime, seen(has))
    });
    of_connections.chain(auth_time).collect()
}

/// Who adds client secrets to the document's app.
fn rotator_of(mailbox: &MailboxSecret) -> &DirectoryId {
    match &mailbox.rotator {
        Rotator::Federated { client_id } | Rotator::Secret { client_id, .. } => client_id,
        Rotator::Itself {} => &mailbox.client_id,
    }
}

/// Whether the rotator is among the app registration's owners, by these themselves.
pub(crate) async fn ownership(
    registration: &Registration,
    mailbox: &MailboxSecret,
    deadline: Deadline,
) -> Ownership {
    let rotator = rotator_of(mailbox).as_str();
    match with_retries(deadline, async || registration.is_owned_by(rotator).await).await {
        Ok(Some(true)) => Ownership::Owner,
        Ok(Some(false)) => Ownership::NoOwner,
        Ok(None) => Ownership::NotShown,
        Err(error) => {
            info!(failure = %error.failure, "the app registration's owners cannot be read");
            Ownership::NotSeen
        }
    }
}

/// What is missing and the next rotation fails by, each as a configuration test says it.
pub(crate) fn failures(rows: &[Row]) -> impl Iterator<Item = Failure> {
    let drift = rows.iter().filter_map(Row::drift);
    drift.map(|drift| {
        let what = format!("looking at what a rotation needs: {}", drift.what.meaning());
        Failure::new(Kind::Misconfigured, what).next_step(drift.what.next_step())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::credential::Marker;

    const ARN: &str = "arn:aws:secretsmanager:eu-west-1:1:secret:shopmail/orders-AbC123";

    fn may(roles: &[&str], wids: &[&str]) -> ApplicationPermissions {
        serde_json::from_value(serde_json::json!({"roles": roles, "wids": wids})).unwrap()
    }

    #[test]
    fn what_the_rotator_may_is_missing_only_where_nothing_else_could_let_it() {
        let admin = "9b895d92-2cd3-44c7-9d02-a6ac2d5ea5c3";
        for (roles, wids, denied, expected) in [
            (
                &["Application.ReadWrite.OwnedBy"][..],
                &[][..],
                false,
                Right::OwnApps {
                    perhaps_more: false,
                },
            ),
            (
                &["Directory.ReadWrite.All", WRITE_OWN],
                &[],
                true,
                Right::AllApps,
            ),
            (&["Application.Read.All"], &[], false, Right::None),
            (&[], &[], true, Right::None),
            // A role for this one app is in no token.
            (&["Mail.Send"], &[], false, Right::NotTold),
            (&["Application.Read.All"], &[admin], false, Right::NotTold),
            (
                &[WRITE_OWN],
                &[admin],
                false,
                Right::OwnApps { perhaps_more: true },
            ),
        ] {
            assert_eq!(
                right(Some(&may(roles, wids)), denied),
                expected,
                "{roles:?}"
            );
        }
        assert_eq!(right(None, true), Right::NotTold);
        let seen = |perhaps_more| {
            let rows = rights(Right::OwnApps { perhaps_more }, Ownership::NoOwner);
            rows.iter().map(|row| row.seen).collect::<Vec<_>>()
        };
        assert_eq!(seen(false), [Seen::Present, Seen::Missing]);
        assert_eq!(seen(true), [Seen::Present, Seen::NotTold]);
    }

    fn credential(n: u8, name: Option<String>) -> Credential {
        let key = format!("33333333-3333-4333-8333-0000000000{n:02x}");
        Credential {
            key_id: key.parse().unwrap(),
            display_name: name,
            start: None,
            end: None,
            hint: None,
        }
    }

    #[test]
    fn a_place_is_taken_by_what_a_rotation_does_not_clear_away_itself() {
        let ours = Some(Marker::new(ARN, "t").display_name(""));
        let room = |credentials: Vec<Credential>, keys: &[u8], personal: bool| {
            let audience = match personal {
                true => "AzureADandPersonalMicrosoftAccount",
                false => "AzureADMyOrg",
            };
            let key = |n: u8| credential(n, None).key_id;
            let keys: Vec<KeyId> = keys.iter().map(|n| key(*n)).collect();
            has_room(&Registered {
                application: &Application {
                    credentials,
                    audience: Some(audience.to_owned()),
                    ..Application::default()
                },
                arn: ARN,
                keys: &keys,
                current: Some(key(1)),
                now: Some(at("2026-11-23T00:00:00Z")),
                quarantine: SignedDuration::from_hours(7 * 24),
            })
            .unwrap()
        };
        let (current, foreign) = (credential(1, None), credential(2, None));
        let lost = credential(3, ours);
        assert!(room(vec![current.clone()], &[1], true));
        assert!(!room(vec![current.clone(), foreign.clone()], &[1], true));
        // Superseded, and left behind.
        assert!(room(vec![current.clone(), foreign.clone()], &[1, 2], true));
        assert!(room(vec![current.clone(), lost], &[1], true));
        assert!(room(vec![current, foreign], &[1], false));
    }

    #[test]
    fn what_a_person_made_takes_a_place_once_nobody_removed_it_in_time() {
        let room = |current: &str, replaced_ends: &str, marker: Option<String>| {
            let mut current_one = credential(1, None);
            current_one.start = Some(at(current));
            current_one.end = Some(at(current) + SignedDuration::from_hours(180 * 24));
            let mut replaced = credential(2, marker);
            replaced.end = Some(at(replaced_ends));
            has_room(&Registered {
                application: &Application {
                    credentials: vec![current_one.clone(), replaced.clone()],
                    audience: Some("PersonalMicrosoftAccount".to_owned()),
                    ..Application::default()
                },
                arn: ARN,
                keys: &[current_one.key_id, replaced.key_id],
                current: Some(current_one.key_id),
                now: Some(at("2026-11-23T00:00:00Z")),
                quarantine: SignedDuration::from_hours(7 * 24),
            })
        };
        let (young, old) = ("2026-11-01T00:00:00Z", "2026-09-01T00:00:00Z");
        let (late, soon) = ("2028-06-01T00:00:00Z", "2026-12-05T00:00:00Z");
        assert_eq!(room(old, late, None), Some(false));
        assert_eq!(room(young, late, None), Some(true));
        assert_eq!(room(old, soon, None), Some(true));
        let ours = Some(Marker::new(ARN, "t").display_name(""));
        assert_eq!(room(old, late, ours), Some(true));
    }

    #[test]
    fn how_many_there_may_be_is_not_guessed() {
        let registered = Registered {
            application: &Application::default(),
            arn: ARN,
            keys: &[],
            current: None,
            now: None,
            quarantine: SignedDuration::ZERO,
        };
        assert_eq!(has_room(&registered), None);
    }

    fn at(time: &str) -> Timestamp {
        time.parse().unwrap()
    }
}
