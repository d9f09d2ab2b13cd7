//! What an administrator does after the first link: more mailboxes, upgrade, removal.

use std::sync::Arc;

use deployed::checkout::repository;
use serde_json::{Value, json};

use super::{Administrator, DOCUMENT};

impl Administrator<'_> {
    pub(super) async fn does_the_rest(mut self) {
        self.looks_at_the_first().await;
        self.adds_more().await;
        self.imports().await;
        self.mails_contacts_and_upgrades().await;
        self.removes_and_restores().await;
        self.moves().await;
        self.removes_the_system().await;
        self.reader.ends();
    }

    async fn looks_at_the_first(&mut self) {
        let labels = self.runs("Step 11. Begin", "RotationEnabled").await;
        assert!(labels.contains("\"rotation\": true"), "{labels}");
        let secrets = Arc::clone(&self.ground.beside.world.secrets_manager);
        let put = || secrets.snapshot("shopmail/orders").unwrap().versions.len();
        let before = put();
        let again = "eval \"$(aws cloudformation describe-stacks --stack-name shopmail-orders --output text \
            --query \"Stacks[0].Outputs[?OutputKey=='PutCommand'].OutputValue\")\"";
        self.reader.types(again).await;
        assert_eq!(put(), before, "run again, it changes nothing");
    }

    async fn adds_more(&mut self) {
        let second = "A second mailbox";
        self.runs(second, "NAME=returns").await;
        self.runs(second, "add-mailbox").await;
        self.rotation_is_on("returns").await;
        let many = "Many mailboxes from one list";
        let told = self.runs(many, "mailboxes.csv").await;
        let document = std::fs::read_to_string(repository().join(DOCUMENT)).unwrap();
        assert!(document.contains(&format!("```text\n{told}```")), "{told}");
        self.runs(many, "--apply").await;
        self.rotation_is_on("press").await;
    }

    async fn imports(&mut self) {
        let import = "Importing the client secret that exists";
        self.is_at(3).await;
        self.runs(import, "--no-document").await;
        self.runs(import, "PUT THE VALUE HERE").await;
        let (directory, mailbox) = (&self.ground.beside.world.directory, &self.mailboxes[3]);
        let value = directory.secret_value(mailbox.first_key).unwrap();
        let credentials = directory.credentials(mailbox.app.app_id);
        let credentials = credentials.iter().map(|one| {
            json!({
                "displayName": one.display_name, "keyId": one.key_id, "hint": one.hint,
                "startDateTime": one.start.to_string(), "endDateTime": one.end.to_string(),
            })
        });
        let credentials: Value = credentials.collect();
        let entered =
            format!("echo '{value}' > value.txt; echo '{credentials}' > ~/credentials.json");
        let first = mailbox.first_key.to_string();
        self.reader.types(&entered).await;
        let said = self.runs(import, "import-secret").await;
        assert!(said.contains(&first), "{said}");
        self.runs(import, "add-mailbox").await;
        self.rotation_is_on("imported").await;
        let shops = self
            .runs("Several shops in one document", ".connections +=")
            .await;
        for label in ["AWSCURRENT", "key-"] {
            assert!(shops.contains(label), "{shops}");
        }
    }

    async fn mails_contacts_and_upgrades(&mut self) {
        let contacts = "Mail to the contacts themselves";
        self.runs(contacts, "create-email-identity").await;
        let updated = self.runs(contacts, "MailFrom=").await;
        assert!(updated.starts_with("true\n"), "{updated}");
        assert!(
            updated.contains("Successfully created/updated stack - shopmail"),
            "{updated}"
        );
        // New sources make another binary.
        let new = "echo >> .aws-sam/build/notifier/bootstrap";
        self.reader.types(new).await;
        self.runs("Upgrade", "sam build").await;
        let upgraded = self.runs("Upgrade", "list-imports").await;
        assert!(upgraded.matches("shopmail-").count() >= 4, "{upgraded}");
    }

    async fn removes_and_restores(&mut self) {
        let (removing, restoring) = ("Removing a mailbox", "Restore a deleted secret");
        self.runs(removing, "VersionIdsToStages").await;
        let end = self.runs(removing, "shopmail:expires-at").await;
        assert!(end.contains('['), "{end}");
        self.runs(removing, "wait stack-delete-complete").await;
        self.runs(removing, "delete-secret").await;
        let secrets = &self.ground.beside.world.secrets_manager;
        let deleted = || secrets.snapshot("shopmail/imported").unwrap().deleted;
        assert!(deleted().is_some());
        self.runs(restoring, "restore-secret").await;
        assert!(deleted().is_none());
        self.runs(restoring, "describe-secret").await;
    }

    async fn moves(&mut self) {
        let moving = "Moving to another region";
        self.is_at(0).await;
        // The new home.
        let there =
            "home=$AWS_REGION; export AWS_REGION=eu-central-1 AWS_DEFAULT_REGION=eu-central-1";
        self.reader.types(there).await;
        let deploy = "Step 2. Deploy the system";
        self.reader.has_run(deploy, "sam build").await;
        let back = "export AWS_REGION=$home AWS_DEFAULT_REGION=$home";
        self.reader.types(back).await;
        self.runs(moving, "--no-document").await;
        self.runs(moving, "cancel-rotate-secret").await;
        self.runs(moving, "add-mailbox").await;
        let document = "aws secretsmanager get-secret-value --region eu-central-1 \
            --secret-id shopmail/orders --query SecretString --output text";
        let there = self.reader.types(document).await;
        assert!(there.contains("\"connections\""), "{there}");
    }

    async fn removes_the_system(&mut self) {
        let removing = "Removing the system";
        for name in ["orders", "returns", "press"] {
            let delete = format!(
                "aws cloudformation delete-stack --stack-name shopmail-{name}
                 aws cloudformation wait stack-delete-complete --stack-name shopmail-{name}"
            );
            self.reader.types(&delete).await;
        }
        self.runs(removing, "delete-stack").await;
        let gone = self.reader.at(removing).fails("describe-stacks").await;
        assert!(gone.contains("does not exist"), "{gone}");
    }
}
