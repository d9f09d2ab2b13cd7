//! The person of an attended hand-over: with one private window and nothing but our pages to go by, through
//! ShopCtrl's screens and Microsoft's, and what of it was a step.

use simulators::browser::Page;
use simulators::world::SHOPCTRL_ADMIN;

use super::Scenario;
use super::hand_over::field;
use super::visitor::Visitor;

/// What a person does. A step is a line of ShopCtrl's manual page with the clicks that it takes, or what is none of
/// its lines: a press on our page that leads to none, or a way to *Status* besides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The line of the manual page with this number.
    Line(u8),
    /// A press on our page.
    Press(&'static str),
    /// *Edit* once more, to look at *Status*.
    Status,
}

use Step::{Line, Press, Status};

/// What a line of the manual page is called in the two directions.
struct Lines {
    topic: &'static str,
    edit: u8,
    enter: u8,
    save_and_authorize: u8,
    confirm: u8,
    sign_in: u8,
    back: u8,
}

const RECEIVING: Lines = Lines {
    topic: "Receiving email",
    edit: 15,
    enter: 16,
    save_and_authorize: 17,
    confirm: 18,
    sign_in: 19,
    back: 22,
};

const SENDING: Lines = Lines {
    topic: "Sending email",
    edit: 25,
    enter: 26,
    save_and_authorize: 27,
    confirm: 28,
    sign_in: 29,
    back: 32,
};

/// What screens ask of whoever is at them, without our page.
const OBVIOUS: [&str; 7] = [
    "Shop orders",
    "Shop Settings",
    "Cancel",
    "Yes",
    "Send",
    "OK",
    "Log in",
];

pub struct Person<'a> {
    scenario: &'a Scenario,
    window: Visitor,
    /// Our tab.
    ours: Page,
    /// ShopCtrl's tab, once it is opened.
    shop: Option<Page>,
    clipboard: String,
    /// What was done, in order.
    pub steps: Vec<Step>,
}

impl<'a> Person<'a> {
    /// Somebody who opens the newest link in a private window.
    pub async fn with_link(scenario: &'a Scenario) -> Self {
        let mut window = scenario.visitor();
        let ours = window.open(&scenario.hand_over_link()).await;
        Self {
            scenario,
            window,
            ours,
            shop: None,
            clipboard: String::new(),
            steps: Vec::new(),
        }
    }

    /// The whole hand-over, until the new secret is the current one.
    pub async fn hand_over(&mut self) {
        self.sign_in().await;
        for lines in [RECEIVING, SENDING] {
            self.go_to_list(&lines).await;
            self.enter_and_authorize(&lines).await;
            self.look_at_status(&lines).await;
            if lines.topic == SENDING.topic {
                self.send_test_mail().await;
            }
            self.press_on_ours("Status shows Authorized").await;
        }
        self.scenario.settled().await;
        self.ours = self.scenario.look(&mut self.window).await;
        assert_eq!(
            self.ours.heading(),
            "Done: mail goes on with the new secret"
        );
    }

    /// The clicks of one line are one step.
    fn does(&mut self, step: Step) {
        if self.steps.last() != Some(&step) {
            self.steps.push(step);
        }
    }

    async fn sign_in(&mut self) {
        self.does(Line(19));
        let mailbox = &self.scenario.mailbox;
        let on = self
            .ours
            .link(&format!("Sign in as {}", mailbox.sign_in_name));
        let on = on.expect("the button");
        let page = self.window.open(&on).await;
        self.ours = self.meet_microsoft(page, 19).await;
        assert_eq!(
            self.ours.heading(),
            "Receiving mail: enter the new client secret"
        );
    }

    /// Signs in and approves where Microsoft asks: each is a step.
    async fn meet_microsoft(&mut self, mut page: Page, line: u8) -> Page {
        let mailbox = self.scenario.mailbox.clone();
        if page.has_form("/login") {
            self.does(Line(line));
            let fields = [
                ("login", mailbox.sign_in_name.as_str()),
                ("passwd", mailbox.password.as_str()),
            ];
            page = self.window.press(&page, "/login", &fields).await;
        }
        if page.has_form("/consent") {
            self.does(Line(line + 1));
            let accepted = [("decision", "accept")];
            page = self.window.press(&page, "/consent", &accepted).await;
        }
        page
    }

    async fn press_on_ours(&mut self, button: &'static str) {
        self.does(Press(button));
        self.ours = press(&mut self.window, &self.ours, button, &[]).await;
    }

    /// What has just been copied is not copied again where the page says so.
    async fn copy_secret(&mut self, lines: &Lines) {
        if self
            .ours
            .body
            .contains("paste it; if you have, show it once more")
        {
            return;
        }
        self.press_on_ours("Show").await;
        self.does(Line(lines.enter));
        self.clipboard = field(&self.ours, "client-secret").expect("it is shown");
    }

    fn shop(&self) -> &Page {
        self.shop.as_ref().expect("ShopCtrl is open")
    }

    /// That our page names what is to be clicked.
    fn assert_told(&self, label: &str) {
        let told = self.ours.body.contains(&format!("<b>{label}</b>"));
        assert!(
            told || OBVIOUS.contains(&label),
            "our page does not say {label}: {}",
            self.ours.body
        );
    }

    async fn click(&mut self, step: Step, label: &str) {
        self.assert_told(label);
        self.does(step);
        let to = self.shop().link(label);
        let to = to.unwrap_or_else(|| panic!("no link {label}: {}", self.shop().body));
        self.shop = Some(self.window.open(&to).await);
    }

    async fn press(&mut self, step: Step, label: &str, filled: &[(&str, &str)]) {
        self.assert_told(label);
        self.does(step);
        let shop = self.shop().clone();
        self.shop = Some(press(&mut self.window, &shop, label, filled).await);
    }

    /// To the list of mailboxes, as our page says.
    async fn go_to_list(&mut self, lines: &Lines) {
        let host = self
            .scenario
            .world
            .shopctrl_url
            .split("://")
            .last()
            .unwrap();
        if let Some(link) = self.ours.link(&format!("open {} at {host}", lines.topic)) {
            let open = match self.shop {
                None => Line(11),
                Some(_) => Press("open Sending email"),
            };
            self.open_shopctrl(open, &link).await;
            if self.shop().heading() != lines.topic {
                assert!(self.ours.body.contains("press this link once more"));
                self.open_shopctrl(Press("open it once more"), &link).await;
            }
        } else if self.ours.body.contains("settings are not open any more") {
            if self.shop().heading() == "Mailbox details" {
                self.click(Line(24), "Cancel").await;
            }
            self.click(Line(24), "Shop Settings").await;
            self.click(Line(24), lines.topic).await;
        } else {
            let link = self.ours.link(&format!("open ShopCtrl at {host}"));
            self.open_shopctrl(Line(11), &link.expect("the link")).await;
            self.click(Line(13), "Shop orders").await;
            self.click(Line(13), "Settings").await;
            self.click(Line(14), lines.topic).await;
        }
        assert_eq!(self.shop().heading(), lines.topic);
    }

    async fn open_shopctrl(&mut self, step: Step, link: &str) {
        self.does(step);
        self.shop = Some(self.window.open(link).await);
        if self.shop().heading() == "Log in" {
            let (login, password) = SHOPCTRL_ADMIN;
            let fields = [("login", login), ("password", password)];
            self.press(Line(12), "Log in", &fields).await;
        }
    }

    /// Selects the one mailbox of the list.
    async fn edit(&mut self, step: Step) {
        let id = simulators::browser::between(&self.shop().body, "id=\"mailbox-", "\"");
        let id = id.expect("a row").to_owned();
        self.press(step, "Edit", &[("mailbox", &id)]).await;
        assert_eq!(self.shop().heading(), "Mailbox details");
    }

    async fn enter_and_authorize(&mut self, lines: &Lines) {
        self.edit(Line(lines.edit)).await;
        for id in ["tenant-id", "client-id"] {
            let ours = field(&self.ours, id).expect("it is shown");
            assert!(self.shop().body.contains(&ours), "it is this connection");
        }
        self.copy_secret(lines).await;
        self.assert_told("Auth Parameters");
        self.does(Line(lines.enter));
        let secret = self.clipboard.clone();
        let fields = [("client_secret", secret.as_str())];
        let authorize = "Save and Authorize";
        self.press(Line(lines.save_and_authorize), authorize, &fields)
            .await;
        self.press(Line(lines.confirm), "Yes", &[]).await;
        let page = self.shop().clone();
        let success = self.meet_microsoft(page, lines.sign_in).await;
        assert_eq!(success.heading(), "Success", "{}", success.body);
        assert!(success.body.contains(&self.scenario.mailbox.sign_in_name));
        self.shop = Some(success);
        self.click(Line(lines.back), "Back to Shop Settings").await;
    }

    async fn look_at_status(&mut self, lines: &Lines) {
        self.assert_told("Status");
        if self.shop().heading() != "Mailbox details" {
            assert_eq!(self.shop().heading(), lines.topic);
            assert!(self.ours.body.contains("If that window is not open"));
            self.edit(Status).await;
        }
        let body = &self.shop().body;
        assert!(body.contains(r#"id="status" value="Authorized""#), "{body}");
        assert!(
            body.contains(r#"name="enabled" value="on" checked"#),
            "{body}"
        );
    }

    async fn send_test_mail(&mut self) {
        self.press(Line(33), "Ok", &[]).await;
        self.press(Line(33), "Send test mail", &[]).await;
        let address = self.scenario.mailbox.address.clone();
        self.assert_told(&address);
        self.press(Line(33), "Send", &[("to", &address)]).await;
        self.click(Line(33), "OK").await;
    }
}

/// Presses the button with this label.
async fn press(window: &mut Visitor, page: &Page, label: &str, filled: &[(&str, &str)]) -> Page {
    let button = page.button(label);
    let button = button.unwrap_or_else(|| panic!("no button {label}: {}", page.body));
    let mut fields = filled.to_vec();
    if let Some((name, value)) = &button.field {
        fields.push((name, value));
    }
    window.press(page, &button.action, &fields).await
}
