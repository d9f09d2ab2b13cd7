//! A hand-over: what a person does with its link, on our pages and in ShopCtrl. ShopCtrl's side is played by
//! the simulator's own means; a real browser goes the whole way in `attended`.

use serde_json::Value;
use simulators::aws::secrets_manager::PENDING;
use simulators::browser::Page;
use simulators::world::MailboxPlan;

use super::Scenario;
use super::visitor::Visitor;

/// The event that asks a person to hand over.
pub const ASKED: &str = "Hand-over Required";

/// A mailbox whose connections a person delivers to, with the owner's account allowed to see secrets.
pub fn attended() -> MailboxPlan {
    MailboxPlan {
        delivery: "attended".to_owned(),
        reveal_to_owner: true,
        ..MailboxPlan::default()
    }
}

impl Scenario {
    /// One in which a rotation waits for its hand-over.
    pub async fn waiting_for_hand_over(plan: &MailboxPlan) -> Self {
        let scenario = Self::with(plan).await;
        scenario.check().await;
        scenario.assert_waits();
        scenario
    }

    /// The newest link that asks for a hand-over as this mailbox.
    pub fn hand_over_link(&self) -> String {
        let asks = self.details(ASKED);
        let mut asks = asks.iter().rev();
        let ask = asks.find(|ask| ask["mailbox"] == self.mailbox.address);
        let ask = ask.unwrap_or_else(|| panic!("not asked: {:?}", self.failures()));
        ask["link"].as_str().unwrap().to_owned()
    }

    /// Opens the link and signs in as the mailbox: to the page that comes first.
    pub async fn come_in(&self, visitor: &mut Visitor) -> Page {
        let start = visitor.open(&self.hand_over_link()).await;
        assert_eq!(start.status, 200, "{}", start.body);
        let sign_in = start.way_on().expect("the button");
        visitor.sign_in_as_owner(&sign_in, &self.mailbox).await
    }

    /// The page of a hand-over under way, or done.
    pub async fn look(&self, visitor: &mut Visitor) -> Page {
        let url = format!("{}/handover", self.world.callback_url);
        visitor.open(&url).await
    }

    /// Enters a secret in ShopCtrl and authorizes it as the mailbox's account.
    pub fn paste(&self, id: &str, secret: &str) {
        let (shopctrl, shop_id) = (&self.world.shopctrl, self.mailbox.shop_id);
        shopctrl.enter_secret(shop_id, id, secret);
        shopctrl
            .authorize_as(shop_id, id, &self.mailbox.sign_in_name)
            .unwrap();
    }

    /// Shown, pasted and attested, for the connection that the page is about.
    pub async fn hand_over_one(&self, visitor: &mut Visitor, page: &Page, id: &str) -> Page {
        let shown = reveal(visitor, page).await;
        let secret = field(&shown, "client-secret").expect("it is shown");
        assert_eq!(secret, self.pending_secret());
        self.paste(id, &secret);
        say(visitor, &shown, "authorized").await
    }

    /// What was said of a connection in the rotation that is pending.
    pub fn said(&self, id: &str) -> Option<Value> {
        let token = self.secret().labelled(PENDING)?.id.clone();
        let grants = self.current_text(&format!("{}/grants", self.mailbox.secret));
        let grants: Value = serde_json::from_str(&grants).unwrap();
        grants["handover"][token].get(id).cloned()
    }
}

/// The value of the field with this id.
pub fn field(page: &Page, id: &str) -> Option<String> {
    let (_, rest) = page.body.split_once(&format!("id=\"{id}\" value=\""))?;
    let (value, _) = rest.split_once('"')?;
    Some(value.replace("&amp;", "&"))
}

/// The fields of the page's form whose action ends like this.
pub fn fields(page: &Page, action: &str) -> Vec<(String, String)> {
    let forms = page.forms().into_iter();
    let mut forms = forms.filter(|form| form.action.ends_with(action));
    let form = forms.next();
    form.unwrap_or_else(|| panic!("no form {action}: {}", page.body))
        .fields
}

/// Says on the page what ShopCtrl shows.
pub async fn say(visitor: &mut Visitor, page: &Page, said: &str) -> Page {
    visitor.press(page, "/attest", &[("said", said)]).await
}

/// Asks for the secret on the page.
pub async fn reveal(visitor: &mut Visitor, page: &Page) -> Page {
    visitor.press(page, "/reveal#secret", &[]).await
}
