//! What ShopCtrl says of a shop's mail, with an employee's login: whether the login is good, whether the shop is active,
//! and when mail was last checked. It is what `rotation` watches after a delivery. Changes nothing.
//!
//! ```sh
//! export SHOPCTRL_API=https://shop.example/v1 SHOP_ID=12 SHOPCTRL_USERNAME=...
//! read -rs SHOPCTRL_PASSWORD && export SHOPCTRL_PASSWORD # not in the shell's history
//! cargo run -p shared --example shopctrl_status
//! ```
use jiff::SignedDuration;
use shared::config::Reader;
use shared::failure::Failure;
use shared::http::{Client, Limits};
use shared::period::Period;
use shared::shopctrl::{Login, ShopCtrl, ShopCtrlPaths};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let mut settings = Reader::new(|name| std::env::var(name).ok());
    let api = settings.required("SHOPCTRL_API");
    let shop_id: u64 = settings.required("SHOP_ID");
    let username: String = settings.required("SHOPCTRL_USERNAME");
    let password: String = settings.required("SHOPCTRL_PASSWORD");
    let paths = ShopCtrlPaths::read(&mut settings);
    settings.finish()?;
    // In the form of the secret shopmail-shopctrl/<host>.
    let login = serde_json::json!({"username": username, "password": password}).to_string();
    let login = Login::read(&login.into())?;
    let (connect, request) = (Period::seconds(3), Period::seconds(10));
    let http = Client::new(Limits { connect, request })?;
    let shopctrl = ShopCtrl::new(http, paths, api, login);
    shopctrl.check_login().await?;
    println!("the login is good");
    let status = shopctrl.shop_status(shop_id).await?;
    println!("active: {}", status.active);
    println!("last mail check: {:?}", status.last_mail_check);
    println!("ShopCtrl's clock: {:?}", status.now);
    if let Some(now) = status.now {
        let mails = shopctrl
            .mails_since(shop_id, now - SignedDuration::from_hours(24))
            .await?;
        println!(
            "mails of the last day: {:?}",
            mails.map(|mails| mails.len())
        );
    }
    Ok(())
}
