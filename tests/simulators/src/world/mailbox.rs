//! A mailbox with all that belongs to it: an app registration, an account, a shop, two secrets.

use jiff::SignedDuration;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Tenant, World};
use crate::aws::lambda::{Functions, function_arn};
use crate::aws::secrets_manager::RotationRules;
use crate::microsoft::directory::account::{EmailApps, Person};
use crate::microsoft::directory::application::{AppIds, NewSecret, Registration};
use crate::microsoft::directory::redemption::{Client, Proof};
use crate::microsoft::directory::scope::Scope;
use crate::shopctrl::{AuthParameters, Connection, Direction, Protocol};

/// A mailbox to be put into the world.
#[derive(Debug, Clone)]
pub struct MailboxPlan {
    /// `shopmail/<name>`
    pub name: String,
    /// The account's address.
    pub address: String,
    /// What the account signs in with, where that is not its address.
    pub sign_in_name: Option<String>,
    /// What ShopCtrl receives by.
    pub receiving: Protocol,
    /// What ShopCtrl sends by.
    pub sending: Protocol,
    /// The shop's number.
    pub shop_id: i64,
    /// `api` or `attended`.
    pub delivery: String,
    /// When the current client secret ends, from now.
    pub ends_in: SignedDuration,
    /// Whether the owner has given us a grant already.
    pub granted: bool,
    /// Whether the hand-over page may show the owner a pending secret.
    pub reveal_to_owner: bool,
    /// Whether the document has ShopCtrl's deep links.
    pub settings_links: bool,
    /// The tenant that it is in: the world's first, if none is named.
    pub tenant: Option<Tenant>,
    /// The mailbox whose app registration and first client secret it shares.
    pub beside: Option<Mailbox>,
    /// Changes the document before it is stored.
    pub document: fn(&mut Value),
}

impl MailboxPlan {
    fn sign_in_name(&self) -> &str {
        self.sign_in_name.as_deref().unwrap_or(&self.address)
    }

    /// What ShopCtrl's connections speak, receiving and sending.
    fn protocols(&self) -> [(Direction, Protocol); 2] {
        [
            (Direction::Receiving, self.receiving),
            (Direction::Sending, self.sending),
        ]
    }

    /// What the account's owner has consented to.
    fn consented(&self) -> String {
        let mut scopes = "openid profile".to_owned();
        for (direction, protocol) in self.protocols() {
            scopes.push(' ');
            scopes.push_str(&protocol.scope(direction));
        }
        scopes
    }

    /// What is ticked in *Manage email apps*: what the set-up page of the protocols has ticked there.
    fn email_apps(&self) -> EmailApps {
        EmailApps {
            smtp_auth: (self.sending == Protocol::Smtp).then_some(true),
            ..EmailApps::default()
        }
    }
}

impl Default for MailboxPlan {
    fn default() -> Self {
        Self {
            name: "orders".to_owned(),
            address: "orders@shop.example".to_owned(),
            sign_in_name: None,
            receiving: Protocol::Graph,
            sending: Protocol::Graph,
            shop_id: 12,
            delivery: "api".to_owned(),
            ends_in: SignedDuration::from_hours(20 * 24),
            granted: true,
            reveal_to_owner: false,
            settings_links: false,
            tenant: None,
            beside: None,
            document: |_| {},
        }
    }
}

/// A mailbox in the world.
#[derive(Debug, Clone)]
pub struct Mailbox {
    /// `shopmail/<name>`
    pub secret: String,
    /// Its ARN.
    pub arn: String,
    /// The app registration.
    pub app: AppIds,
    /// The account's address.
    pub address: String,
    /// What the account signs in with.
    pub sign_in_name: String,
    /// The account's password.
    pub password: String,
    /// The account.
    pub oid: Uuid,
    /// The shop's number.
    pub shop_id: i64,
    /// `api` or `attended`.
    pub delivery: String,
    /// The credential that it begins with.
    pub first_key: Uuid,
    /// A credential on the same app that is somebody else's.
    pub foreign_key: Uuid,
}

/// The app registration of a mailbox that is being added.
struct App {
    ids: AppIds,
    /// The credential that is somebody else's.
    foreign_key: Uuid,
    first_key: Uuid,
    first_secret: String,
}

impl<L: Functions> World<L> {
    fn tenant_of<'a>(&'a self, plan: &'a MailboxPlan) -> &'a Tenant {
        plan.tenant.as_ref().unwrap_or(&self.tenant)
    }

    /// Puts a mailbox into the world: app registration with a foreign credential on it, account,
    /// shop with both connections working, mailbox secret with its companion and rotation on.
    ///
    /// # Errors
    /// When a name is taken.
    pub fn add_mailbox(&self, plan: &MailboxPlan) -> Result<Mailbox, String> {
        let (app, mailbox) = self.add_without_secrets(plan)?;
        let arn = self.add_secrets(plan, &app, mailbox.oid)?;
        Ok(Mailbox { arn, ..mailbox })
    }

    /// The same as it is before this system is installed: nothing of it is in Secrets Manager, and it has no ARN.
    ///
    /// # Errors
    /// When a name is taken.
    pub fn add_uninstalled_mailbox(&self, plan: &MailboxPlan) -> Result<Mailbox, String> {
        self.add_without_secrets(plan).map(|(_, mailbox)| mailbox)
    }

    fn add_without_secrets(&self, plan: &MailboxPlan) -> Result<(App, Mailbox), String> {
        let app = match &plan.beside {
            None => self.add_app(plan)?,
            Some(beside) => {
                let value = self.directory.secret_value(beside.first_key);
                App {
                    ids: beside.app,
                    foreign_key: beside.foreign_key,
                    first_key: beside.first_key,
                    first_secret: value.ok_or("no secret")?,
                }
            }
        };
        let password = format!("Pa55~{}", plan.name);
        let person = Person {
            upn: plan.sign_in_name().to_owned(),
            email_apps: plan.email_apps(),
            ..Person::with_mailbox(&plan.address, &password)
        };
        let oid = self.directory.add_account(self.tenant_of(plan).id, person);
        self.directory
            .consent(oid, app.ids.app_id, &plan.consented());
        self.add_shop(plan, &app)?;
        let mailbox = Mailbox {
            secret: format!("shopmail/{}", plan.name),
            arn: String::new(),
            app: app.ids,
            address: plan.address.clone(),
            sign_in_name: plan.sign_in_name().to_owned(),
            password,
            oid,
            shop_id: plan.shop_id,
            delivery: plan.delivery.clone(),
            first_key: app.first_key,
            foreign_key: app.foreign_key,
        };
        Ok((app, mailbox))
    }

    /// An app registration with a foreign credential on it, and the first one.
    fn add_app(&self, plan: &MailboxPlan) -> Result<App, String> {
        let tenant = self.tenant_of(plan);
        let ids = self.directory.register(
            tenant.id,
            Registration {
                display_name: format!("ShopCtrl mail {}", plan.name),
                redirect_uris: vec![
                    format!("{}/callback", self.callback_url),
                    self.shopctrl.redirect_uri(),
                ],
                owners: [tenant.rotator.service_principal_id].into(),
                admin_consent: Scope::parse_list("Mail.Read").into_iter().collect(),
                ..Registration::default()
            },
        );
        let foreign = NewSecret {
            display_name: Some("reporting job, not yours".to_owned()),
            ..NewSecret::default()
        };
        let (foreign_key, _) = self
            .directory
            .add_secret(ids.app_id, foreign)
            .ok_or("no app")?;
        let start = self.clock.now() - SignedDuration::from_hours(160 * 24);
        let first = NewSecret {
            display_name: Some("by hand".to_owned()),
            start: Some(start),
            end: Some(self.clock.now() + plan.ends_in),
            ..NewSecret::default()
        };
        let (first_key, first_secret) = self
            .directory
            .add_secret(ids.app_id, first)
            .ok_or("no app")?;
        Ok(App {
            ids,
            foreign_key,
            first_key,
            first_secret,
        })
    }

    fn add_shop(&self, plan: &MailboxPlan, app: &App) -> Result<(), String> {
        let tenant = self.tenant_of(plan);
        self.shopctrl
            .add_shop(plan.shop_id, &format!("Shop {}", plan.name));
        for (suffix, kind) in ["in", "out"].into_iter().zip(plan.protocols()) {
            let id = format!("{}-{suffix}", plan.name);
            let parameters = AuthParameters {
                tenant_id: tenant.id,
                client_id: app.ids.app_id,
            };
            let connection = Connection::new(plan.shop_id, &id, kind, &plan.address, parameters);
            self.shopctrl.add_connection(connection);
            self.shopctrl
                .enter_secret(plan.shop_id, &id, &app.first_secret);
            self.shopctrl
                .authorize_as(plan.shop_id, &id, plan.sign_in_name())?;
            self.shopctrl.edit(plan.shop_id, &id, |connection| {
                connection.key_id = Some(app.first_key)
            });
        }
        Ok(())
    }

    fn add_secrets(&self, plan: &MailboxPlan, app: &App, oid: Uuid) -> Result<String, String> {
        let tenant = self.tenant_of(plan);
        let [(_, receiving), (_, sending)] = plan.protocols();
        let place = |direction| {
            let mut place = json!({
                "ui": self.shopctrl_url, "api": format!("{}/v1", self.shopctrl_url),
                "shop_id": plan.shop_id, "credentials": tenant.login_secret,
            });
            let link = plan
                .settings_links
                .then(|| self.shopctrl.deep_link(plan.shop_id, direction));
            if let (Some(link), Some(fields)) = (link, place.as_object_mut()) {
                fields.insert("settings_link".to_owned(), json!(link));
            }
            place
        };
        let connection = |suffix: &str, direction: Direction, protocol: Protocol| {
            json!({
                "id": format!("{}-{suffix}", plan.name), "direction": direction.name(),
                "protocol": protocol.name(),
                "mailbox": plan.address,
                "shopctrl": place(direction),
                "delivery": plan.delivery, "proof": "probe",
            })
        };
        let connections = [
            connection("in", Direction::Receiving, receiving),
            connection("out", Direction::Sending, sending),
        ];
        let end = self.clock.now() + plan.ends_in;
        let mut document = json!({
            "version": 1, "tenant_id": tenant.id, "client_id": app.ids.app_id, "cloud": "global",
            "description": "ShopCtrl mail", "lifetime": "P180D",
            "key_id": app.first_key, "client_secret": app.first_secret, "expires_at": end,
            "rotator": {"kind": "federated", "client_id": tenant.rotator.app_id},
            "connections": connections,
            "reveal_to": plan.reveal_to_owner.then_some(oid).into_iter().collect::<Vec<_>>(),
        });
        (plan.document)(&mut document);
        let name = format!("shopmail/{}", plan.name);
        let shop = plan.shop_id.to_string();
        let tags = [
            ("shopmail:managed", "mailbox"),
            ("shopmail:shop", shop.as_str()),
            ("shopmail:contact", "owner@agency.example"),
        ];
        let create = |name: &str, value: &str, tags: &[(&str, &str)]| {
            let created = self.secrets_manager.create(name, value, tags);
            created.map_err(|error| error.message)
        };
        let arn = create(&name, &document.to_string(), &tags)?;
        let mut granted = serde_json::Map::new();
        if plan.granted {
            let grant = json!({
                "oid": oid, "tid": tenant.id, "scopes": ["mail.read", "mail.send", "user.read"],
                "refresh_token": self.refresh_token(plan, &app.ids)?, "redeemed_at": self.clock.now(),
            });
            granted.insert(plan.address.to_lowercase(), grant);
        }
        let grants = json!({"version": 1, "grants": granted, "handover": {}});
        let companion = [("shopmail:managed", "grants")];
        create(&format!("{name}/grants"), &grants.to_string(), &companion)?;
        // The backstop: past the policy's due point, before the last week.
        let rules = Some(RotationRules::every_days(160));
        self.secrets_manager
            .set_rotation(&name, &function_arn("rotation"), rules)
            .map_err(|error| error.message)?;
        Ok(arn)
    }

    /// A refresh token that the owner gave through our callback some time ago.
    fn refresh_token(&self, plan: &MailboxPlan, app: &AppIds) -> Result<String, String> {
        let id = format!("{}-in", plan.name);
        // The same account and app: bound to both and to nothing else, like ShopCtrl's own.
        let connection = self.shopctrl.connection(plan.shop_id, &id);
        let own = connection.and_then(|connection| connection.refresh_token);
        let own = own.ok_or("ShopCtrl has no refresh token")?;
        let secret = self.directory.first_secret_value(app.app_id);
        let client = Client {
            tenant: &self.tenant_of(plan).id.to_string(),
            client_id: &app.app_id.to_string(),
            proof: Proof::Secret(&secret.ok_or("no secret")?),
        };
        let tokens = self
            .directory
            .redeem_refresh_token(client, &own, None)
            .map_err(|denial| denial.message.clone())?;
        tokens
            .refresh_token
            .ok_or_else(|| "no refresh token".to_owned())
    }
}
