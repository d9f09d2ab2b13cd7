//! ShopCtrl's interface, with an employee's login. It changes nothing there.

use std::path::Path;

use bytes::Bytes;
use http::Request;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use shared::config::{BaseUrl, Reader};
use shared::failure::{Failure, Kind};
use shared::http::Client;
use shared::shopctrl::status::LastMailCheck;
use shared::shopctrl::{Login, ShopCtrl, ShopCtrlPaths};

use crate::beliefs;
use crate::findings::Findings;
use crate::pace::Pace;

/// A shop of an installation.
pub struct Shop {
    http: Client,
    api: BaseUrl,
    shopctrl: ShopCtrl,
    id: u64,
}

/// The file of `--shopctrl`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    api: BaseUrl,
    shop_id: u64,
    username: String,
    password: String,
}

impl Shop {
    pub fn read(file: Option<&Path>, http: &Client) -> Result<Self, Failure> {
        let wrong = |what: String| {
            let next_step =
                "name a file with --shopctrl: {\"api\", \"shop_id\", \"username\", \"password\"}";
            Failure::new(Kind::Misconfigured, what).next_step(next_step)
        };
        let file = file.ok_or_else(|| wrong("no login of ShopCtrl's is named".to_owned()))?;
        let text = std::fs::read_to_string(file);
        let text = text.map_err(|_| wrong("the file of --shopctrl cannot be read".to_owned()))?;
        // Where it is wrong, and not what stands there: it has a password.
        let file: File = serde_json::from_str(&text).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            wrong(format!(
                "the file of --shopctrl is wrong at line {line}, column {column}"
            ))
        })?;
        // In the form of the secret shopmail-shopctrl/<host>.
        let login = serde_json::json!({"username": file.username, "password": file.password});
        let login = Login::read(&login.to_string().into())?;
        let paths = ShopCtrlPaths::read(&mut Reader::new(|_| None));
        Ok(Self {
            http: http.clone(),
            api: file.api.clone(),
            shopctrl: ShopCtrl::new(http.clone(), paths, file.api, login),
            id: file.shop_id,
        })
    }

    pub async fn probe(&self, pace: Pace, findings: &mut Findings) -> Result<(), Failure> {
        self.error_body(findings).await?;
        match self.shopctrl.check_login().await {
            Ok(()) => {
                findings.saw(beliefs::BASIC, true, "both answer 200");
                findings.saw(beliefs::LOGIN, true, "it is taken");
            }
            Err(error) if error.status.is_some() => {
                for belief in [beliefs::BASIC, beliefs::LOGIN] {
                    findings.saw(belief, false, error.failure.to_string());
                }
                return Err(error.failure.while_doing("after the login was refused"));
            }
            Err(error) => return Err(error.failure),
        }
        let status = self.shopctrl.shop_status(self.id).await?;
        let LastMailCheck::At(first) = status.last_mail_check else {
            let seen = match status.last_mail_check {
                LastMailCheck::Unreadable => "LastMailCheck is there and cannot be read",
                LastMailCheck::At(_) | LastMailCheck::NotSaid => "there is no LastMailCheck",
            };
            findings.saw(beliefs::LAST_MAIL_CHECK, false, seen);
            let failure = Failure::new(Kind::Misconfigured, "there is no LastMailCheck to watch");
            return Err(failure.next_step("look at docs/beliefs.md, ShopCtrl"));
        };
        findings.saw(beliefs::LAST_MAIL_CHECK, true, format!("{first}"));
        let active = if status.active {
            "active"
        } else {
            "not active"
        };
        let now = status
            .now
            .map_or_else(|| "no clock".to_owned(), |now| now.to_string());
        let seen = format!("{active}; last check {first}, ShopCtrl's clock {now}");
        findings.saw(beliefs::DAILY, !status.mail_is_not_checked(), seen);
        self.mail_checks(first, pace, findings).await
    }

    /// Waits for the next mail check.
    async fn mail_checks(
        &self,
        first: Timestamp,
        pace: Pace,
        findings: &mut Findings,
    ) -> Result<(), Failure> {
        let pace = Pace {
            patience: pace.long_wait,
            ..pace
        };
        let moved = pace.until(async || {
            let status = self.shopctrl.shop_status(self.id).await?;
            Ok(match status.last_mail_check {
                LastMailCheck::At(last) => (last > first).then_some(()),
                LastMailCheck::NotSaid | LastMailCheck::Unreadable => None,
            })
        });
        let seen = match &moved.await? {
            Some(moved) => format!("it moved within {:.0} s", moved.after.as_secs_f64().ceil()),
            None => format!("it did not move in {}", pace.patience),
        };
        findings.saw(beliefs::MAIL_CHECKS, seen.starts_with("it moved"), seen);
        Ok(())
    }

    /// Of a request without any login: a wrong password might lock somebody out.
    async fn error_body(&self, findings: &mut Findings) -> Result<(), Failure> {
        let what = "asking ShopCtrl without a login";
        let request = Request::get(format!("{}/Me", self.api)).body(Bytes::new());
        let built = |_| Failure::new(Kind::Refused, what);
        let answer = self.http.send(request.map_err(built)?).await;
        let answer = answer.map_err(|error| error.while_doing(what).failure)?;
        let status = answer.status().as_u16();
        let body = serde_json::from_slice::<Value>(answer.body());
        let body = match &body {
            Ok(Value::Object(fields)) => {
                let names: Vec<&str> = fields.keys().map(String::as_str).collect();
                format!("JSON with {}", names.join(", "))
            }
            Ok(_) => "JSON, and no object".to_owned(),
            Err(_) if answer.body().is_empty() => "empty".to_owned(),
            Err(_) => "no JSON".to_owned(),
        };
        findings.saw(
            beliefs::ERROR_BODY,
            status == 401,
            format!("{status}; the body is {body}"),
        );
        Ok(())
    }
}
