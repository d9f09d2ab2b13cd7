//! The documented interface under `/v1` (docs/beliefs.md, ShopCtrl): `PascalCase` fields, bare arrays, no envelope.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use jiff::tz::Offset;
use serde::Deserialize;
use serde_json::{Value, json};

use super::ShopCtrl;
use super::login::basic_credentials;

type Answer = Result<Json<Value>, Response>;

pub(super) async fn me(State(shopctrl): State<Arc<ShopCtrl>>, headers: HeaderMap) -> Answer {
    shopctrl.enter(&headers)?;
    let name = basic_credentials(&headers)
        .map(|(name, _)| name)
        .unwrap_or_default();
    Ok(Json(
        json!({"Id": 7, "LoginName": name, "Email": name, "Enabled": true}),
    ))
}

pub(super) async fn version(State(shopctrl): State<Arc<ShopCtrl>>, headers: HeaderMap) -> Answer {
    shopctrl.enter(&headers)?;
    Ok(Json(json!("2026.11.0.0")))
}

pub(super) async fn time(State(shopctrl): State<Arc<ShopCtrl>>, headers: HeaderMap) -> Answer {
    shopctrl.enter(&headers)?;
    let offset = shopctrl.state().offset;
    Ok(Json(json!(local_time(shopctrl.clock.now(), offset))))
}

pub(super) async fn shops(State(shopctrl): State<Arc<ShopCtrl>>, headers: HeaderMap) -> Answer {
    let mine = shopctrl.enter(&headers)?;
    let state = shopctrl.state();
    let shops: Vec<Value> = state
        .shops
        .of_any(mine)
        .map(|shop| {
            json!({
                "Id": shop.id,
                "Name": shop.name,
                "ShopOwnerId": 1,
                "ShopGroupId": null,
                "Active": shop.active,
            })
        })
        .collect();
    Ok(Json(json!(shops)))
}

pub(super) async fn shop_status(
    State(shopctrl): State<Arc<ShopCtrl>>,
    headers: HeaderMap,
) -> Answer {
    let mine = shopctrl.enter(&headers)?;
    mine.iter().for_each(|shop| shopctrl.check_mail_of(*shop));
    let now = shopctrl.clock.now();
    let state = shopctrl.state();
    let shops: Vec<Value> = state
        .shops
        .of_any(mine)
        .map(|shop| {
            json!({
                "Id": shop.id,
                "Name": shop.name,
                "Active": shop.active,
                "LastMailCheck": local_time(shop.last_mail_check, state.offset),
                "LastOrderSync": local_time(now, state.offset),
            })
        })
        .collect();
    Ok(Json(json!(shops)))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct EmailQuery {
    from_date: Option<String>,
    until_date: Option<String>,
    mailbox_id: Option<i64>,
    page_size: Option<usize>,
    page_number: Option<usize>,
}

/// Pages are counted from 1, 100 long unless told; `untilDate` is exclusive (facts, 1.6).
pub(super) async fn emails(
    State(shopctrl): State<Arc<ShopCtrl>>,
    Path(shop_id): Path<i64>,
    Query(query): Query<EmailQuery>,
    headers: HeaderMap,
) -> Answer {
    let mine = shopctrl.enter(&headers)?;
    shopctrl.check_mail_of(shop_id);
    let state = shopctrl.state();
    let shop = state
        .shop(shop_id)
        .filter(|_| mine.contains(&shop_id))
        .ok_or_else(|| StatusCode::NOT_FOUND.into_response())?;
    let date = |text: &Option<String>| text.as_ref().and_then(|text| read_time(text, state.offset));
    let (from, until) = (date(&query.from_date), date(&query.until_date));
    let size = query.page_size.unwrap_or(100);
    let skipped = query.page_number.unwrap_or(1).saturating_sub(1) * size;
    let emails: Vec<Value> = shop
        .emails
        .iter()
        .filter(|email| query.mailbox_id.is_none_or(|id| id == email.mailbox_id))
        .filter(|email| from.is_none_or(|from| email.date >= from))
        .filter(|email| until.is_none_or(|until| email.date < until))
        .skip(skipped)
        .take(size)
        .map(|email| {
            json!({
                "Id": email.id,
                "ShopId": shop_id,
                "MailboxId": email.mailbox_id,
                "Date": local_time(email.date, state.offset),
                "FromAddress": email.from,
                "ToAddress": email.to,
                "Subject": email.subject,
            })
        })
        .collect();
    Ok(Json(json!(emails)))
}

/// `2026-01-11T16:13:34.2994193+01:00`, the shape of ShopCtrl's own sample (facts, 1.5).
fn local_time(time: Timestamp, offset: Offset) -> String {
    let minutes = offset.seconds() / 60;
    let sign = if minutes < 0 { '-' } else { '+' };
    format!(
        "{}{sign}{:02}:{:02}",
        offset.to_datetime(time).strftime("%Y-%m-%dT%H:%M:%S%.7f"),
        minutes.abs() / 60,
        minutes.abs() % 60
    )
}

/// With an offset, or in local time without one.
fn read_time(text: &str, offset: Offset) -> Option<Timestamp> {
    text.parse().ok().or_else(|| {
        let local: jiff::civil::DateTime = text.parse().ok()?;
        offset.to_timestamp(local).ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_the_shape_of_the_vendors_sample() {
        let sample = "2026-01-11T16:13:34.2994193+01:00";
        let time: Timestamp = sample.parse().unwrap();
        assert_eq!(local_time(time, Offset::constant(1)), sample);
        assert_eq!(
            local_time(time, Offset::constant(-5)),
            "2026-01-11T10:13:34.2994193-05:00"
        );
    }
}
