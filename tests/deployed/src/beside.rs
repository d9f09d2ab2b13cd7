//! The simulated world beside MiniStack: Secrets Manager with its rotations, STS, Entra, Graph, Exchange and ShopCtrl.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};
use simulators::aws::lambda::invoker;
use simulators::aws::sts::Principal;
use simulators::serve::bind;
use simulators::world::{World, short_waits};
use uuid::Uuid;

use crate::lambda::Deployed;
use crate::mini_stack::{MiniStack, call_json};
use crate::pages::Pages;
use crate::stacks::{self, Outputs, SYSTEM};
use crate::terminal::Terminal;

/// AWS's services that are MiniStack's.
const MINI_STACKS: [&str; 4] = [
    "AWS_ENDPOINT_URL_EVENTBRIDGE",
    "AWS_ENDPOINT_URL_LAMBDA",
    "AWS_ENDPOINT_URL_SESV2",
    "AWS_ENDPOINT_URL_SNS",
];
/// What the functions have from the template, or from Lambda.
const TEMPLATES: [&str; 5] = [
    "AWS_ACCESS_KEY_ID",
    "CALLBACK_URL",
    "NOTICES_TOPIC",
    "NOTIFIER_FUNCTION",
    "ROTATION_FUNCTION",
];

/// The world, and what leads from it to MiniStack.
pub struct Beside {
    /// The world. Its own functions and its EventBridge, SNS, SES and Lambda are idle.
    pub world: Arc<World>,
    /// The functions in MiniStack.
    pub functions: Arc<Deployed>,
    mini_stack: Arc<MiniStack>,
    pages: Arc<Pages>,
}

impl Beside {
    /// A world whose functions will be those of MiniStack.
    pub async fn start(mini_stack: &Arc<MiniStack>) -> Self {
        let mut settings = short_waits();
        for name in MINI_STACKS {
            settings.insert(name.to_owned(), mini_stack.url.clone());
        }
        let (listener, address) = bind().await.expect("a port");
        // Entra allows http for localhost alone (reply-url.md).
        let url = format!("http://localhost:{}", address.port());
        settings.insert("CALLBACK_URL".to_owned(), url);
        let world = World::start(settings).await.expect("a world");
        let functions = Deployed::in_mini_stack(mini_stack);
        let pages = Pages::serve(listener, mini_stack, &functions, &world);
        world.secrets_manager.set_invoker(invoker(&functions));
        Self {
            world: Arc::new(world),
            functions,
            mini_stack: Arc::clone(mini_stack),
            pages,
        }
    }

    /// Where all is, as settings of the deployed functions.
    pub fn settings(&self) -> BTreeMap<String, String> {
        let function = self.world.lambda.function("rotation").expect("a function");
        let mut settings = function.env.clone();
        for of_others in MINI_STACKS.iter().chain(&TEMPLATES) {
            settings.remove(*of_others);
        }
        settings
    }

    /// Where the simulated Secrets Manager is.
    pub fn secrets_manager_url(&self) -> String {
        self.settings()["AWS_ENDPOINT_URL_SECRETS_MANAGER"].clone()
    }

    /// What an administrator does with the system's outputs, and what AWS does when its stack is there: Entra trusts the
    /// role, the pages are those of the stack, and Secrets Manager has its secret.
    pub async fn system_is_deployed(&self, terminal: &Terminal, outputs: &Outputs) {
        let (world, role) = (&self.world, &outputs["RotationRoleArn"]);
        world.sts.set_default_principal(Principal {
            role_arn: role.clone(),
            function_arn: Some(outputs["RotationFunctionArn"].clone()),
            session_ends: None,
        });
        let (issuer, audience) = (world.sts.issuer(), "api://AzureADTokenExchange");
        world
            .directory
            .add_federated(world.rotator().app_id, issuer, role, audience);
        let api = stacks::resource(terminal, SYSTEM, "HttpApi").await;
        self.pages.lead_to(&api);
        self.take_over("shopmail-ticket-key").await;
    }

    /// Puts a secret into the simulated Secrets Manager as CloudFormation has made it in MiniStack's.
    pub async fn take_over(&self, name: &str) {
        let named = json!({"SecretId": name});
        let described = self
            .mini_stack
            .call("secretsmanager.DescribeSecret", &named)
            .await;
        let value = self
            .mini_stack
            .call("secretsmanager.GetSecretValue", &named)
            .await;
        let value = value["SecretString"].as_str().unwrap_or_default();
        if self.world.secrets_manager.snapshot(name).is_some() {
            self.world
                .secrets_manager
                .store_value(name, value)
                .expect("a value");
            return;
        }
        // Those of CloudFormation's own, which nobody else may set.
        let is_own = |tag: &&Value| {
            tag["Key"]
                .as_str()
                .is_some_and(|key| key.starts_with("aws:"))
        };
        let tags = described["Tags"].as_array().into_iter().flatten();
        let tags: Vec<&Value> = tags.filter(|tag| !is_own(tag)).collect();
        let mut create = json!({
            "Name": name, "Description": described["Description"], "Tags": tags,
            "ClientRequestToken": Uuid::new_v4().to_string(),
        });
        // MiniStack has an empty value where the template gives none: then there is no version ("CreateSecret").
        if !value.is_empty() {
            create["SecretString"] = value.into();
        }
        self.call("secretsmanager.CreateSecret", &create).await;
    }

    /// What CloudFormation does for a `RotationSchedule`: the rotation is on, and Secrets Manager tests its
    /// configuration.
    pub async fn schedule_rotation(&self, name: &str, function: &str, rules: Value) {
        let rotate = json!({
            "SecretId": name, "RotationLambdaARN": function, "RotationRules": rules,
            "RotateImmediately": false, "ClientRequestToken": Uuid::new_v4().to_string(),
        });
        self.call("secretsmanager.RotateSecret", &rotate).await;
    }

    /// An operation of the simulated Secrets Manager; it has to succeed.
    pub async fn call(&self, target: &str, body: &Value) -> Value {
        let url = self.secrets_manager_url();
        call_json(&self.mini_stack.http, &url, target, body).await
    }
}
