//! How the person gets to a connection in ShopCtrl.

use shared::mailbox_secret::{Connection, SettingsLink};

use super::task::Task;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way<'a> {
    /// By ShopCtrl's deep link.
    Link(&'a SettingsLink),
    /// By the shop's settings, in which the person was for the other direction.
    Settings,
    /// From ShopCtrl's first screen.
    FirstScreen,
}

/// The way to the connection of the task at this place.
pub(crate) fn way<'a>(tasks: &[Task<'a>], at: usize) -> Way<'a> {
    let Some(task) = tasks.get(at) else {
        return Way::FirstScreen;
    };
    if let Some(link) = &task.connection.shopctrl.settings_link {
        return Way::Link(link);
    }
    let mut earlier = tasks.iter().take(at);
    if earlier.any(|other| is_beside(other, task.connection)) {
        Way::Settings
    } else {
        Way::FirstScreen
    }
}

/// Whether the task leads into the settings of this connection's shop.
fn is_beside(task: &Task<'_>, connection: &Connection) -> bool {
    let (there, here) = (&task.connection.shopctrl, &connection.shopctrl);
    task.enters_secret() && there.ui == here.ui && there.shop_id == here.shop_id
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::hand_over::task::TaskKind;

    fn connection(direction: &str, shop: u64, link: Value) -> Connection {
        serde_json::from_value(json!({
            "id": direction, "direction": direction, "protocol": "graph",
            "mailbox": "orders@shop.example",
            "shopctrl": {"ui": "https://shop.example", "settings_link": link, "shop_id": shop,
                         "api": "https://shop.example/v1", "credentials": "x"}
        }))
        .unwrap()
    }

    fn entered(connection: &Connection) -> Task<'_> {
        Task {
            connection,
            kind: TaskKind::EnterSecret { statement: None },
        }
    }

    #[test]
    fn the_way_begins_where_the_person_is_and_a_link_makes_it_short() {
        let none = || Value::Null;
        let receiving = connection("receiving", 12, none());
        let sending = connection("sending", 12, none());
        let tasks = [entered(&receiving), entered(&sending)];
        assert_eq!(way(&tasks, 0), Way::FirstScreen);
        assert_eq!(way(&tasks, 1), Way::Settings);

        let of_another_shop = connection("sending", 13, none());
        let tasks = [entered(&receiving), entered(&of_another_shop)];
        assert_eq!(way(&tasks, 1), Way::FirstScreen);

        // Who authorized at a button of ours has not seen the shop's settings.
        let by_button = Task {
            connection: &receiving,
            kind: TaskKind::Authorize {
                url: "https://shop.example",
                done: true,
            },
        };
        assert_eq!(way(&[by_button, entered(&sending)], 1), Way::FirstScreen);

        let linked = connection("sending", 12, json!("https://shop.example?tab=x"));
        let tasks = [entered(&receiving), entered(&linked)];
        let link = linked.shopctrl.settings_link.as_ref().unwrap();
        assert_eq!(way(&tasks, 1), Way::Link(link));
    }
}
