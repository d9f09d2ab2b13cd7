//! The routes of the HTTP API and their limits, as `template.yaml` has them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use http::Method;
use jiff::Timestamp;
use serde_json::Value;

use crate::aws::template::properties_of;

const DEFAULT: &str = "$default";

/// What is behind the gateway.
#[derive(Debug)]
pub(super) struct Routes {
    keys: BTreeSet<String>,
    default: Limit,
    limits: BTreeMap<String, Limit>,
    buckets: Mutex<BTreeMap<String, Bucket>>,
}

/// `ThrottlingRateLimit` and `ThrottlingBurstLimit`.
#[derive(Debug, Clone, Copy)]
struct Limit {
    rate: f64,
    burst: f64,
}

/// "API Gateway throttles requests using the token bucket algorithm" (API Gateway guide, "Throttle requests to your HTTP
/// APIs").
#[derive(Debug, Clone, Copy)]
struct Bucket {
    tokens: f64,
    filled: Timestamp,
}

/// Where a request goes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Routed {
    /// To the function, by this route.
    To(String),
    Throttled,
    NotFound,
}

impl Routes {
    /// Reads them.
    pub(super) fn of_the_template() -> Result<Self, String> {
        let routes = properties_of("AWS::ApiGatewayV2::Route")?;
        let key = |route: &Value| route["RouteKey"].as_str().map(str::to_owned);
        let keys: Option<BTreeSet<String>> = routes.into_iter().map(key).collect();
        let stages = properties_of("AWS::ApiGatewayV2::Stage")?;
        let [stage] = stages.as_slice() else {
            return Err("template.yaml has not one stage".to_owned());
        };
        let limits = stage["RouteSettings"].as_object();
        let limits = limits.into_iter().flatten();
        let limits = limits.map(|(key, limit)| Ok((key.clone(), Limit::read(limit)?)));
        Ok(Self {
            keys: keys.ok_or("a route has no RouteKey")?,
            default: Limit::read(&stage["DefaultRouteSettings"])?,
            limits: limits.collect::<Result<_, String>>()?,
            buckets: Mutex::default(),
        })
    }

    /// "Full match for a route and method", else `$default` (API Gateway guide, "Create routes for HTTP APIs"); path
    /// variables are in no route of ours.
    pub(super) fn route(&self, method: &Method, path: &str, now: Timestamp) -> Routed {
        let full = format!("{method} {path}");
        let any = format!("ANY {path}");
        let keys = [full, any, DEFAULT.to_owned()].into_iter();
        match keys.into_iter().find(|key| self.keys.contains(key)) {
            None => Routed::NotFound,
            Some(key) if self.take(&key, now) => Routed::To(key),
            Some(_) => Routed::Throttled,
        }
    }

    fn take(&self, key: &str, now: Timestamp) -> bool {
        let limit = self.limits.get(key).copied().unwrap_or(self.default);
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let bucket = buckets.entry(key.to_owned()).or_insert(Bucket {
            tokens: limit.burst,
            filled: now,
        });
        let since = now.duration_since(bucket.filled).as_secs_f64();
        bucket.tokens = (bucket.tokens + since * limit.rate).min(limit.burst);
        bucket.filled = now;
        let passes = bucket.tokens >= 1.0;
        if passes {
            bucket.tokens -= 1.0;
        }
        passes
    }
}

impl Limit {
    fn read(settings: &Value) -> Result<Self, String> {
        let number = |name: &str| {
            let number = settings[name].as_f64();
            number.ok_or_else(|| format!("the stage of template.yaml has no {name}"))
        };
        Ok(Self {
            rate: number("ThrottlingRateLimit")?,
            burst: number("ThrottlingBurstLimit")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    fn now() -> Timestamp {
        "2027-01-01T06:00:00Z".parse().unwrap()
    }

    #[test]
    fn every_address_and_method_has_a_route() {
        let routes = Routes::of_the_template().unwrap();
        for (method, path, key) in [
            (Method::GET, "/", "$default"),
            (Method::HEAD, "/start", "$default"),
            (Method::GET, "/ticket", "$default"),
            (Method::POST, "/ticket", "POST /ticket"),
            (Method::POST, "/reveal", "POST /reveal"),
            (Method::POST, "/Reveal", "$default"),
            (Method::OPTIONS, "/no/such/page", "$default"),
        ] {
            assert_eq!(
                routes.route(&method, path, now()),
                Routed::To(key.to_owned())
            );
        }
    }

    #[test]
    fn a_burst_passes_and_then_the_rate() {
        let routes = Routes::of_the_template().unwrap();
        let mut passed = 0;
        while routes.route(&Method::POST, "/ticket", now()) != Routed::Throttled {
            passed += 1;
        }
        let Limit { rate, burst } = routes.limits["POST /ticket"];
        assert!((f64::from(passed) - burst).abs() < f64::EPSILON, "{passed}");
        let later = now() + SignedDuration::from_secs(1);
        let mut passed = 0;
        while routes.route(&Method::POST, "/ticket", later) != Routed::Throttled {
            passed += 1;
        }
        assert!((f64::from(passed) - rate).abs() < f64::EPSILON, "{passed}");
        // Nobody else is kept out by it.
        let other = routes.route(&Method::GET, "/handover", now());
        assert_eq!(other, Routed::To("$default".to_owned()));
    }
}
