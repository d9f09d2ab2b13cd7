//! Each thing that a rotation needs, taken away and given back.

use simulators::microsoft::directory::account::SecretsBlocked;
use simulators::microsoft::directory::application::Audience;
use simulators::world::{MailboxPlan, SHOPCTRL_LOGIN};

use crate::support::Scenario;
use crate::support::scenario::{days, ending_in};

/// Something that is missing.
pub struct Broken {
    /// The row that is missing then.
    pub row: &'static str,
    /// The drift that it is.
    pub drift: Option<&'static str>,
    pub breaks: fn(&Scenario),
    pub mends: fn(&Scenario),
    /// What its command has.
    pub command: fn(&Scenario) -> Vec<String>,
    /// The mailbox that it is of.
    change: fn(&mut MailboxPlan),
}

impl Broken {
    pub fn plan(&self) -> MailboxPlan {
        let mut plan = ending_in(200);
        (self.change)(&mut plan);
        plan
    }
}

const ROLE: &str = "Application.ReadWrite.OwnedBy";

fn rotator(scenario: &Scenario) -> String {
    scenario.world.rotator().app_id.to_string()
}

fn app(scenario: &Scenario) -> String {
    scenario.mailbox.app.app_id.to_string()
}

fn change_rotator(scenario: &Scenario, roles: &[&str]) {
    let roles = roles.iter().map(|role| (*role).to_owned()).collect();
    let rotator = scenario.world.rotator().app_id;
    scenario
        .world
        .directory
        .change(rotator, |app| app.app_roles = roles);
}

fn block_secrets(scenario: &Scenario, blocked: bool) {
    let directory = &scenario.world.directory;
    directory.change_tenant(scenario.world.tenant(), |tenant| {
        tenant.secrets_blocked = blocked.then(|| SecretsBlocked {
            apps_since: Some(scenario.world.clock.now() - days(2000)),
            excepted_callers: [].into(),
        });
    });
}

fn callback(scenario: &Scenario) -> String {
    format!("{}/callback", scenario.world.callback_url)
}

fn give_back(scenario: &Scenario, uri: String) {
    scenario.change_app(|app| app.redirect_uris.push(uri));
}

fn unchanged(_: &mut MailboxPlan) {}

pub const BROKEN: [Broken; 12] = [
    Broken {
        row: "rotator_role",
        drift: Some("rotator_may_not_manage_apps"),
        breaks: |scenario| change_rotator(scenario, &[]),
        mends: |scenario| change_rotator(scenario, &[ROLE]),
        command: |scenario| {
            vec![
                format!("az ad sp show --id {}", rotator(scenario)),
                "$sp/appRoleAssignments".to_owned(),
                "18a4783c-866b-4cc7-a460-3d5e5662c884".to_owned(),
            ]
        },
        change: unchanged,
    },
    // It sees all, and may change nothing.
    Broken {
        row: "rotator_role",
        drift: Some("rotator_may_not_manage_apps"),
        breaks: |scenario| change_rotator(scenario, &["Application.Read.All"]),
        mends: |scenario| change_rotator(scenario, &["Application.ReadWrite.All"]),
        command: |scenario| vec![rotator(scenario)],
        change: unchanged,
    },
    Broken {
        row: "rotator_owns_app",
        drift: Some("rotator_is_no_owner"),
        breaks: |scenario| scenario.change_app(|app| app.owners.clear()),
        mends: |scenario| {
            let rotator = scenario.world.rotator().service_principal_id;
            scenario.change_app(|app| app.owners = [rotator].into());
        },
        command: |scenario| {
            let (app, rotator) = (app(scenario), rotator(scenario));
            vec![
                format!("az ad app owner add --id {app}"),
                format!("az ad sp show --id {rotator}"),
            ]
        },
        change: unchanged,
    },
    Broken {
        row: "room_for_secret",
        drift: Some("no_room_for_a_client_secret"),
        breaks: |scenario| {
            scenario.change_app(|app| app.sign_in_audience = Audience::AnyAndPersonal);
        },
        mends: |scenario| scenario.change_app(|app| app.sign_in_audience = Audience::MyOrg),
        command: |scenario| vec![format!("az ad app credential list --id {}", app(scenario))],
        change: unchanged,
    },
    Broken {
        row: "secrets_allowed",
        drift: Some("client_secrets_forbidden"),
        breaks: |scenario| {
            change_rotator(scenario, &[ROLE, "Policy.Read.All", "Application.Read.All"]);
            block_secrets(scenario, true);
        },
        mends: |scenario| block_secrets(scenario, false),
        command: |scenario| {
            vec![
                "Excluded callers".to_owned(),
                rotator(scenario),
                app(scenario),
            ]
        },
        change: unchanged,
    },
    Broken {
        row: "redirect_uri",
        drift: Some("redirect_uri_missing"),
        breaks: |scenario| {
            let ours = callback(scenario);
            scenario.change_app(|app| app.redirect_uris.retain(|uri| *uri != ours));
        },
        mends: |scenario| give_back(scenario, callback(scenario)),
        command: |scenario| vec![app(scenario), callback(scenario)],
        change: unchanged,
    },
    Broken {
        row: "shop",
        drift: Some("shop_not_visible"),
        breaks: |scenario| {
            let (name, password) = SHOPCTRL_LOGIN;
            scenario.world.shopctrl.set_shops(name, password, &[99]);
        },
        mends: |scenario| {
            let (name, password) = SHOPCTRL_LOGIN;
            scenario.world.shopctrl.set_shops(name, password, &[12]);
        },
        command: |_| vec!["shopmail-shopctrl/shop.example".to_owned()],
        // ShopCtrl's own interface is asked for nothing of one that a person delivers to.
        change: |plan| plan.delivery = "attended".to_owned(),
    },
    Broken {
        row: "rotation_on",
        drift: Some("rotation_off"),
        breaks: |scenario| {
            let store = &scenario.world.secrets_manager;
            store.cancel_rotation(&scenario.mailbox.secret).unwrap();
        },
        mends: |scenario| {
            let store = &scenario.world.secrets_manager;
            store.resume_rotation(&scenario.mailbox.secret).unwrap();
        },
        command: |scenario| {
            let arn = &scenario.mailbox.arn;
            vec![format!(
                "aws secretsmanager rotate-secret --secret-id {arn}"
            )]
        },
        change: unchanged,
    },
    // What no renewal fails by, or what people are asked for in another way, is a row alone.
    Broken {
        row: "delegated_permission",
        drift: None,
        breaks: |scenario| scenario.change_app(|app| app.permissions.clear()),
        mends: |_| {},
        command: |scenario| {
            vec![
                format!("az ad app permission add --id {}", app(scenario)),
                "570282fd-fa5c-430d-a7fd-fc8dc98a9dca=Scope".to_owned(),
            ]
        },
        // Its grant serves no connection: none is opened with it.
        change: |plan| {
            plan.document = |document| {
                for connection in document["connections"].as_array_mut().unwrap() {
                    connection["proof"] = "shopctrl".into();
                    connection["mailbox"] = "another@shop.example".into();
                }
            };
        },
    },
    Broken {
        row: "auth_time",
        drift: None,
        breaks: |_| {},
        mends: |_| {},
        command: |scenario| vec![app(scenario), "auth_time".to_owned()],
        change: |plan| plan.reveal_to_owner = true,
    },
    Broken {
        row: "contact",
        drift: None,
        breaks: |scenario| scenario.put_tag("shopmail:contact", &scenario.mailbox.address),
        mends: |_| {},
        command: |scenario| {
            let arn = &scenario.mailbox.arn;
            vec![format!("aws secretsmanager tag-resource --secret-id {arn}")]
        },
        change: unchanged,
    },
    Broken {
        row: "owners_grant",
        drift: None,
        breaks: |_| {},
        mends: |_| {},
        command: |scenario| {
            let arn = &scenario.mailbox.arn;
            vec![format!(
                "rotate-secret --secret-id {arn} --no-rotate-immediately"
            )]
        },
        change: |plan| plan.granted = false,
    },
];
