//! The account: both stacks' functions deployed with their roles enforced, their secrets in MiniStack's own Secrets
//! Manager, and Entra, Graph and ShopCtrl beside it.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use deployed::{Access, Beside, Checkout, MiniStack, Programs, Templates, Terminal, stacks};
use serde_json::{Value, json};
use simulators::aws::iam::table::{Permission, Row, of_roles};
use simulators::world::World;

use crate::iam::Roles;

pub struct Account {
    pub mini_stack: Arc<MiniStack>,
    pub beside: Beside,
    roles: Roles,
    table: Vec<Row>,
    tried: Mutex<BTreeSet<Permission>>,
    _checkout: Checkout,
}

/// The functions' names, which their logs have too.
const FUNCTIONS: [&str; 4] = ["rotation", "expiry-checker", "oauth-callback", "notifier"];

/// The longest that a queue keeps an event on a busy machine.
const SOON: Duration = Duration::from_secs(20);

/// What stands wherever the product says that it may not do something.
const REFUSED: &str = "Give the function's role ";

impl Account {
    pub async fn deployed(programs: &Programs) -> Self {
        let mini_stack = Arc::new(MiniStack::start(programs, Access::Enforced).await);
        let beside = Beside::start(&mini_stack).await;
        let mut settings = beside.settings();
        // MiniStack's own, behind the roles.
        for of_mini_stack in ["AWS_ENDPOINT_URL_SECRETS_MANAGER", "AWS_ENDPOINT_URL_STS"] {
            settings.remove(of_mini_stack);
        }
        let templates = Templates::for_mini_stack()
            .with_pages_at(&beside.world.callback_url)
            .with_settings(&settings);
        let checkout = Checkout::new(&templates);
        let terminal = Terminal::new(&checkout, programs, &mini_stack);
        terminal
            .run("aws sesv2 create-email-identity --email-identity agency.example")
            .await;
        let parameters = [
            ("NotifyEmail", "it@agency.example"),
            ("MailFrom", "shopmail@agency.example"),
        ];
        let outputs = stacks::deploy_system(&terminal, &parameters).await;
        beside.system_is_deployed(&terminal, &outputs).await;
        Self {
            roles: Roles::of(&mini_stack, &terminal).await,
            table: of_roles().unwrap(),
            tried: Mutex::default(),
            mini_stack,
            beside,
            _checkout: checkout,
        }
    }

    pub fn world(&self) -> &World {
        &self.beside.world
    }

    /// What a function answers, with its error if it is one.
    pub async fn invoke(&self, function: &str, event: &Value) -> String {
        let name = format!("shopmail-{function}");
        let done = self.beside.functions.invoke(&name, event).await.unwrap();
        done.payload.to_string()
    }

    /// An operation of AWS's, by its administrator.
    pub async fn aws(&self, target: &str, body: Value) -> Value {
        self.mini_stack.call(target, &body).await
    }

    /// Takes the permission away, does `act`, finds what the table says, the action's name, and nothing else that was
    /// refused, and gives it back. `act` returns what is to be seen beside the logs.
    pub async fn without(&self, permission: [&str; 4], act: impl AsyncFnOnce() -> String) {
        let row = self.row(permission);
        let permission = &row.permission;
        self.roles.take_away(permission).await;
        let before = self.logs().await;
        let answer = act().await;
        let wanted: Vec<&String> = row.seen.iter().chain([&permission.action]).collect();
        let begun = Instant::now();
        let seen = loop {
            let seen = format!("{answer}\n{}", self.since(&before).await);
            let missing = wanted.iter().find(|it| !seen.contains(it.as_str()));
            let Some(missing) = missing else { break seen };
            // An invocation's log is there with its answer; what goes through a queue takes its time.
            let waited = begun.elapsed();
            assert!(waited < SOON, "{permission:?}: no {missing:?} in {seen}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        };
        let mut refused = seen.split(REFUSED).skip(1);
        let other = refused.find(|said| !said.starts_with(permission.action.as_str()));
        assert_eq!(other, None, "{permission:?}: {seen}");
        let outages = self.world().shopctrl.outages();
        assert_eq!(outages, vec![], "mail flows: {permission:?}");
        self.roles.give_back(&permission.of).await;
        assert!(self.tried.lock().unwrap().insert(permission.clone()));
    }

    fn row(&self, permission: [&str; 4]) -> &Row {
        let [of, by, action, on] = permission.map(str::to_owned);
        let named = Permission { of, by, action, on };
        let row = self.table.iter().find(|row| row.permission == named);
        row.unwrap_or_else(|| panic!("not in docs/permissions.md: {named:?}"))
    }

    /// What no scenario took away.
    pub fn untried(&self) -> Vec<Permission> {
        let tried = self.tried.lock().unwrap();
        let all = self.table.iter().map(|row| row.permission.clone());
        all.filter(|permission| !tried.contains(permission))
            .collect()
    }

    /// How much each function has logged.
    async fn logs(&self) -> Vec<usize> {
        let mut lengths = Vec::new();
        for function in FUNCTIONS {
            lengths.push(self.log_of(function).await.len());
        }
        lengths
    }

    async fn since(&self, before: &[usize]) -> String {
        let mut new = String::new();
        for (function, before) in FUNCTIONS.into_iter().zip(before) {
            for line in self.log_of(function).await.into_iter().skip(*before) {
                new.push_str(&line);
                new.push('\n');
            }
        }
        new
    }

    async fn log_of(&self, function: &str) -> Vec<String> {
        let group = format!("/aws/lambda/shopmail-{function}");
        let asked = json!({"logGroupName": group, "limit": 10_000});
        let answer = self.aws("Logs_20140328.FilterLogEvents", asked).await;
        let events = answer["events"].as_array().into_iter().flatten();
        let message = |event: &Value| event["message"].as_str().map(str::to_owned);
        events.filter_map(message).collect()
    }
}
