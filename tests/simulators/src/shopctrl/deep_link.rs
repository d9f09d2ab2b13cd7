//! Deep links, `?tab=...&control=...` (docs/beliefs.md, ShopCtrl). What the tab of a shop's settings and its topics
//! are called in them is not documented; the names here are invented, and a person copies them.

use super::{Direction, ShopCtrl, mailbox_list};

const TAB: &str = "ShopSettings";

impl ShopCtrl {
    /// What Ctrl+Shift+click on the topic copies; `|` stands in it raw, as in ShopCtrl's own examples.
    #[must_use]
    pub fn deep_link(&self, shop_id: i64, direction: Direction) -> String {
        let base = self.state().base.clone();
        format!("{base}?tab={TAB}|{shop_id}&control={}", control(direction))
    }
}

fn control(direction: Direction) -> &'static str {
    match direction {
        Direction::Receiving => "ReceivingEmail",
        Direction::Sending => "SendingEmail",
    }
}

/// The screen that a query of a deep link opens; none for any other.
pub(super) fn screen(query: &str) -> Option<String> {
    let query: Vec<(String, String)> = url::form_urlencoded::parse(query.as_bytes())
        .into_owned()
        .collect();
    let get = |wanted: &str| {
        let mut pairs = query.iter();
        pairs
            .find(|(name, _)| name == wanted)
            .map(|(_, value)| value)
    };
    let (tab, shop_id) = get("tab")?.split_once('|')?;
    let shop_id: i64 = shop_id.parse().ok().filter(|_| tab == TAB)?;
    let named = get("control").map(String::as_str);
    let directions = [Direction::Receiving, Direction::Sending];
    let direction = directions
        .into_iter()
        .find(|one| Some(control(*one)) == named);
    Some(match direction {
        Some(direction) => mailbox_list::address(shop_id, direction),
        None => format!("/Shops/{shop_id}/Settings"),
    })
}

#[cfg(test)]
mod tests {
    use crate::shopctrl::Direction;
    use crate::shopctrl::habits::ScreenHabits;
    use crate::shopctrl::screen_user::{ScreenUser, hidden, shop};

    #[tokio::test]
    async fn a_deep_link_opens_its_topic_raw_or_encoded_and_without_a_topic_the_tab() {
        let fixture = shop();
        let mut admin = ScreenUser::admin(&fixture).await;
        let link = fixture.shopctrl.deep_link(12, Direction::Sending);
        assert_eq!(
            link,
            "https://shop.example?tab=ShopSettings|12&control=SendingEmail"
        );
        assert_eq!(admin.open(&link).await.heading(), "Sending email");
        let encoded = link.replace('|', "%7C");
        assert_eq!(admin.open(&encoded).await.heading(), "Sending email");
        let (tab, _) = link.split_once("&control").unwrap();
        assert_eq!(admin.open(tab).await.heading(), "Shop Settings");
        let unknown = admin.open("https://shop.example?tab=Order|4923").await;
        assert_eq!(unknown.heading(), "ShopCtrl");
    }

    #[tokio::test]
    async fn the_login_page_goes_on_to_a_deep_link_or_forgets_it() {
        let fixture = shop();
        let link = fixture.shopctrl.deep_link(12, Direction::Receiving);
        for (login_keeps_link, arrives_at) in [(true, "Receiving email"), (false, "ShopCtrl")] {
            fixture.shopctrl.set_screen_habits(ScreenHabits {
                login_keeps_link,
                ..ScreenHabits::default()
            });
            let mut admin = ScreenUser::new(&fixture);
            let page = admin.open(&link).await;
            assert_eq!(page.heading(), "Log in");
            let back = hidden(&page, "ReturnUrl");
            let fields = [
                ("login", "admin"),
                ("password", "admins password"),
                ("ReturnUrl", &back),
            ];
            assert_eq!(admin.post("/Login", &fields).await.heading(), arrives_at);
            assert_eq!(admin.open(&link).await.heading(), "Receiving email");
        }
    }
}
