//! What a person does on the pages of Microsoft's and ShopCtrl's, and what every page of ours is held to.

use simulators::world::{Mailbox, World};

use super::{Colours, Window};

/// A page of ours with all that it needs, in bytes.
const LARGEST: u64 = 30 * 1024;
/// The width of the narrowest text, in pixels.
const NARROWEST: &str = "return Math.min(...[...document.querySelectorAll('p, li, dd, h1, h2')]\
    .filter(text => text.clientWidth > 0).map(text => text.clientWidth))";
/// A small phone, in pixels.
const PHONE: u32 = 360;

/// What every page of ours is held to: everybody can use it, on a phone, light or dark, and it is small.
pub async fn assert_good_page(window: &Window, name: &str) {
    for colours in [Colours::Light, Colours::Dark] {
        window.prefer(colours).await;
        assert_eq!(window.barriers().await, Vec::<String>::new(), "{colours:?}");
    }
    window.prefer(Colours::Light).await;
    assert_eq!(window.stopped_by_policy().await, Vec::<String>::new());
    let size = window.size().await;
    assert!((500..LARGEST).contains(&size), "{size} bytes");
    window.as_phone(PHONE).await;
    assert_eq!(window.overhang().await, 0, "on a phone");
    let narrowest = window.evaluate(NARROWEST).await.as_i64().unwrap();
    assert!(
        narrowest >= 100,
        "a text is squeezed into {narrowest} pixels"
    );
    window.picture(name).await;
    window.as_desktop().await;
    window.picture(&format!("{name}_desktop")).await;
}

pub async fn sign_in(window: &Window, address: &str, password: &str) {
    window.until_heading("Sign in").await;
    window.fill("Email", address).await;
    window.fill("Password", password).await;
    window.click("Sign in").await;
}

pub async fn sign_in_as_owner(window: &Window, mailbox: &Mailbox) {
    sign_in(window, &mailbox.sign_in_name, &mailbox.password).await;
}

pub async fn log_in(window: &Window, world: &World, login: (&str, &str)) {
    window.open(&world.shopctrl_url).await;
    fill_in_login(window, login).await;
}

/// On ShopCtrl's login page.
pub async fn fill_in_login(window: &Window, (login, password): (&str, &str)) {
    window.until_heading("Log in").await;
    window.fill("Login", login).await;
    window.fill("Password", password).await;
    window.click("Log in").await;
}
