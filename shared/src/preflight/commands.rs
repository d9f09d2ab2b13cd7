//! The commands that grant what a rotation needs, filled with the real ids: for the Azure CLI (signed in to the tenant by
//! `az login --tenant <tenant> --allow-no-subscriptions`), the AWS CLI, or Graph PowerShell where the Azure CLI's own
//! permissions do not suffice. Where no command exists, or none leaves the rest as it is: the way in the portal.

use super::{Permission, Requirement, Row, Seen, SystemRequirement};
use crate::cloud::Cloud;
use crate::ids::DirectoryId;

/// Microsoft Graph's own application, the same in each tenant.
const GRAPH: &str = "00000003-0000-0000-c000-000000000000";

/// By what the things of a mailbox are named.
#[derive(Debug, Clone, Copy)]
pub struct MailboxNames<'a> {
    /// The Microsoft cloud.
    pub cloud: Cloud,
    /// The tenant.
    pub tenant: &'a DirectoryId,
    /// The app registration.
    pub client_id: &'a DirectoryId,
    /// The rotator's app, which may be the same.
    pub rotator: &'a DirectoryId,
    /// The mailbox secret.
    pub secret_arn: &'a str,
    /// Its stack, where that is one of `infra/mailbox.yaml`.
    pub stack: Option<&'a str>,
    /// The rotation function.
    pub rotation_function: &'a str,
    /// Days after which a backstop is as it should be.
    pub backstop_days: i64,
}

/// By what the things of the system are named.
#[derive(Debug, Clone, Copy)]
pub struct SystemNames<'a> {
    /// The topic of notices.
    pub topic_arn: &'a str,
    /// Who runs the system.
    pub notify_email: &'a str,
    /// The sender's address; empty where none is set.
    pub sender: &'a str,
}

/// What a person does about a row of a mailbox; `None` where it is there, or a later look tells.
#[must_use]
pub fn for_mailbox(row: &Row, names: &MailboxNames<'_>) -> Option<String> {
    match row.seen {
        Seen::Present | Seen::NotSeen | Seen::NotTold => None,
        Seen::NotVisible { permission } => Some(to_see(permission, names)),
        Seen::Missing => Some(to_have(row, names)),
    }
    .map(|command| in_cloud(command, names.cloud))
}

/// The Azure CLI works in one cloud at a time, and has no name for that of the Department of Defense (`az cloud list`).
fn in_cloud(command: String, cloud: Cloud) -> String {
    let cloud = match cloud {
        _ if !command.contains("az ad ") => return command,
        Cloud::Global => return command,
        Cloud::UsGov => "az cloud set --name AzureUSGovernment",
        Cloud::China => "az cloud set --name AzureChinaCloud",
        Cloud::UsDod => {
            return format!(
                "in Graph PowerShell (Connect-MgGraph -Environment USGovDoD) or in the portal, what elsewhere is: {command}"
            );
        }
    };
    format!("{cloud} && {command}")
}

/// The same of the system's.
#[must_use]
pub fn for_system(
    requirement: SystemRequirement,
    seen: Seen,
    names: &SystemNames<'_>,
) -> Option<String> {
    let SystemNames {
        topic_arn,
        notify_email,
        sender,
    } = names;
    match seen {
        Seen::Present | Seen::NotSeen | Seen::NotTold => None,
        Seen::NotVisible { .. } => Some(deploy()),
        Seen::Missing => Some(match requirement {
            // It mails the link anew.
            SystemRequirement::TopicConfirmed => format!(
                "aws sns subscribe --topic-arn {topic_arn} --protocol email --notification-endpoint {notify_email}   # then open the link in the mail"
            ),
            SystemRequirement::OutOfSandbox => "aws sesv2 put-account-details --production-access-enabled --mail-type TRANSACTIONAL --website-url https://YOUR_WEBSITE   # AWS answers within a day or so".to_owned(),
            // It mails the link also where the first one was not opened in time; `sesv2 create-email-identity` then says
            // that there is one already (anomalyco/sst#4556).
            SystemRequirement::SenderVerified => format!(
                "aws ses verify-email-identity --email-address {sender}   # then open the link in the mail. Or its whole domain: aws sesv2 create-email-identity --email-identity DOMAIN, and set the DNS records that it prints (get-email-identity prints them again)"
            ),
        }),
    }
}

/// The template gives the functions their permissions.
fn deploy() -> String {
    "sam build && sam deploy".to_owned()
}

fn to_see(permission: Permission, names: &MailboxNames<'_>) -> String {
    match app_role(permission) {
        Some(role) => grant_to_rotator(role, names),
        None => deploy(),
    }
}

/// The ids of Microsoft Graph's application permissions (graph-docs, permissions-reference).
fn app_role(permission: Permission) -> Option<&'static str> {
    match permission {
        Permission::ApplicationRead => Some("9a5d68dd-52b0-4cc2-bd40-abcf44ac3a30"),
        Permission::PolicyRead => Some("246dd0d5-5bd0-4def-940b-0421030a5b68"),
        Permission::ListSubscriptions
        | Permission::GetSesAccount
        | Permission::GetSesIdentity
        | Permission::InvokeNotifier => None,
    }
}

const OWNED_BY: &str = "18a4783c-866b-4cc7-a460-3d5e5662c884";

/// It adds this one. `az ad app permission admin-consent` would grant what the app lists and no more, and may revoke what
/// was granted otherwise (entra-docs, grant-admin-consent).
fn grant_to_rotator(role: &str, names: &MailboxNames<'_>) -> String {
    let (rotator, graph) = (names.rotator, names.cloud.graph());
    format!(
        r#"sp=$(az ad sp show --id {rotator} --query id --output tsv) && graph=$(az ad sp show --id {GRAPH} --query id --output tsv) && az rest --method POST --uri "{graph}/v1.0/servicePrincipals/$sp/appRoleAssignments" --headers Content-Type=application/json --body "{{\"principalId\": \"$sp\", \"resourceId\": \"$graph\", \"appRoleId\": \"{role}\"}}""#
    )
}

fn to_have(row: &Row, names: &MailboxNames<'_>) -> String {
    let MailboxNames {
        client_id,
        rotator,
        secret_arn,
        rotation_function,
        backstop_days,
        ..
    } = names;
    let about = row.about.as_deref().unwrap_or_default();
    match row.requirement {
        Requirement::RotatorRole => grant_to_rotator(OWNED_BY, names),
        Requirement::RotatorOwnsApp => format!(
            r#"az ad app owner add --id {client_id} --owner-object-id "$(az ad sp show --id {rotator} --query id --output tsv)""#
        ),
        Requirement::RoomForSecret => format!(
            "{}   # then, of one that nobody uses: az ad app credential delete --id {client_id} --key-id KEY_ID",
            list_credentials(client_id)
        ),
        Requirement::SecretsAllowed => policy_of_its_own("passwordAddition", names),
        Requirement::LifetimeAllowed => policy_of_its_own("passwordLifetime", names),
        // The option takes the whole list, which must have been read.
        Requirement::RedirectUri => format!(
            r#"uris=$(az ad app show --id {client_id} --query web.redirectUris --output tsv) && az ad app update --id {client_id} --web-redirect-uris $(echo "$uris") {about}"#
        ),
        Requirement::DelegatedPermission => format!(
            "az ad app permission add --id {client_id} --api {GRAPH} --api-permissions {}=Scope   # the owner's sign-in asks for their consent, and where they may not give it shows a link for an administrator",
            delegated_permission(about).unwrap_or(about)
        ),
        // `az ad app update --optional-claims` would put it in the place of all others.
        Requirement::AuthTime => format!(
            "Entra admin center > App registrations > {client_id} > Token configuration > Add optional claim > ID > auth_time"
        ),
        Requirement::ShopctrlLogin => format!(
            r#"aws secretsmanager put-secret-value --secret-id {about} --secret-string file://login.json   # {{"username": "...", "password": "..."}}; or what the mailbox's failure says, such as api in its document"#
        ),
        Requirement::Shop => format!(
            "ShopCtrl > Employees > the login of {about} > Roles: a role in the shop; or correct shop_id in the mailbox document"
        ),
        // A configuration test mails the owner a link.
        Requirement::OwnersGrant => {
            format!(
                "aws secretsmanager rotate-secret --secret-id {secret_arn} --no-rotate-immediately"
            )
        }
        Requirement::RotationOn => format!(
            r#"aws secretsmanager rotate-secret --secret-id {secret_arn} --rotation-lambda-arn {rotation_function} --rotation-rules '{{"ScheduleExpression": "rate({backstop_days} days)", "Duration": "4h"}}' --no-rotate-immediately"#
        ),
        Requirement::Backstop => set_backstop(names),
        Requirement::EndKnown => format!(
            "{}   # then set key_id in the mailbox document to that of the client secret in use",
            list_credentials(client_id)
        ),
        Requirement::Contact => format!(
            "aws secretsmanager tag-resource --secret-id {secret_arn} --tags Key=shopmail:contact,Value=SOMEBODY@ANOTHER.ADDRESS"
        ),
    }
}

fn list_credentials(client_id: &DirectoryId) -> String {
    format!(
        "az ad app credential list --id {client_id} --query '[].{{keyId: keyId, name: displayName, end: endDateTime}}' --output table"
    )
}

fn set_backstop(names: &MailboxNames<'_>) -> String {
    let days = names.backstop_days;
    let secret = names.secret_arn;
    match names.stack {
        Some(stack) => format!(
            "aws cloudformation deploy --template-file infra/mailbox.yaml --stack-name {stack} --parameter-overrides Backstop=on 'BackstopSchedule=rate({days} days)'"
        ),
        None => format!(
            r#"aws secretsmanager rotate-secret --secret-id {secret} --rotation-rules '{{"ScheduleExpression": "rate({days} days)", "Duration": "4h"}}' --no-rotate-immediately   # and where a template of your own has the secret, the same there"#
        ),
    }
}

/// For a fleet the better way is to except the rotator as a caller, which no command does without writing the tenant's
/// policy anew (entra-docs, configure-app-management-policies). What a policy of the app registration's own has takes the
/// place of the same in the tenant's, and there is one at most (graph-docs, resources/appmanagementpolicy,
/// resources/applicationauthenticationmethodpolicy).
fn policy_of_its_own(restriction: &str, names: &MailboxNames<'_>) -> String {
    let MailboxNames {
        cloud,
        tenant,
        client_id,
        rotator,
        ..
    } = names;
    let environment = match cloud {
        Cloud::Global => "Global",
        Cloud::UsGov => "USGov",
        Cloud::UsDod => "USGovDoD",
        Cloud::China => "China",
    };
    format!(
        r#"Entra admin center > Enterprise apps > Application policies > the restriction > Excluded callers: {rotator}; an app that has a policy of its own: the same there. Or, for this app alone and where it has none yet, a policy of its own that lifts the restriction, in PowerShell: Connect-MgGraph -Environment {environment} -TenantId {tenant} -Scopes Policy.ReadWrite.ApplicationConfiguration,Application.ReadWrite.All; $graph = (Get-MgEnvironment -Name {environment}).GraphEndpoint; $p = Invoke-MgGraphRequest POST v1.0/policies/appManagementPolicies -Body @{{displayName = 'shopmail'; isEnabled = $true; restrictions = @{{passwordCredentials = @(@{{restrictionType = '{restriction}'; state = 'disabled'}})}}}}; Invoke-MgGraphRequest POST "v1.0/applications(appId='{client_id}')/appManagementPolicies/`$ref" -Body @{{'@odata.id' = "$graph/v1.0/policies/appManagementPolicies/$($p.id)"}}"#
    )
}

/// The ids of Microsoft Graph's delegated permissions, those of the e-mail protocols among them (graph-docs,
/// permissions-reference).
#[must_use]
pub fn delegated_permission(name: &str) -> Option<&'static str> {
    Some(match name {
        "Mail.Read" => "570282fd-fa5c-430d-a7fd-fc8dc98a9dca",
        "Mail.Send" => "e383f46e-2787-4529-855e-0e479a3ffac0",
        "IMAP.AccessAsUser.All" => "652390e4-393a-48de-9484-05f9b1212954",
        "POP.AccessAsUser.All" => "d7b7f2d9-0f45-4ea1-9d42-e50810c06991",
        "SMTP.Send" => "258f6531-6087-4cc4-bb90-092c5fb3ed3f",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_of_the_azure_cli_is_for_the_cloud_that_the_mailbox_is_in() {
        let add = || "az ad app owner add --id 1".to_owned();
        assert_eq!(in_cloud(add(), Cloud::Global), add());
        let of = |cloud| in_cloud(add(), cloud);
        assert!(of(Cloud::UsGov).starts_with("az cloud set --name AzureUSGovernment && az ad"));
        assert!(of(Cloud::China).starts_with("az cloud set --name AzureChinaCloud && az ad"));
        assert!(of(Cloud::UsDod).contains("USGovDoD"));
        let of_aws = || "aws secretsmanager tag-resource".to_owned();
        assert_eq!(in_cloud(of_aws(), Cloud::UsDod), of_aws());
    }
}
