//! How often and how long is looked, and how long it took until something showed.

use std::fmt;
use std::time::Duration;

use shared::failure::{Failure, Kind};
use shared::period::Period;
use tokio::time::{Instant, sleep};

/// How patient a run is.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// So many client secrets are timed, and four times as many writes to Secrets Manager.
    pub tries: u32,
    /// The longest pause between two looks.
    pub interval: Period,
    /// So long is waited for one thing.
    pub patience: Period,
    /// So long lives the client secret whose end is waited for.
    pub short_life: Period,
    /// So long a person may take to sign in, and ShopCtrl to check mail.
    pub long_wait: Period,
}

/// What to do where something did not show.
pub const LONGER: &str = "run it again with a longer --patience";
/// The first pause: what is seen at the second look was late by that at least.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// So many in a row are no accident (`SIGN_IN_SUCCESSES`).
pub const IN_A_ROW: u32 = 3;

/// Something that showed.
#[derive(Debug, Clone, Copy)]
pub struct Shown<T> {
    pub what: T,
    /// How long after the first look began.
    pub after: Duration,
    /// At which look.
    pub look: u32,
}

impl Pace {
    /// Looks until something shows; `None` where it does not within the patience.
    pub async fn until<T>(
        &self,
        mut look: impl AsyncFnMut() -> Result<Option<T>, Failure>,
    ) -> Result<Option<Shown<T>>, Failure> {
        let began = Instant::now();
        let mut pause = FIRST_PAUSE;
        let mut looks = 0;
        loop {
            looks += 1;
            if let Some(what) = look().await? {
                return Ok(Some(Shown {
                    what,
                    after: began.elapsed(),
                    look: looks,
                }));
            }
            if began.elapsed() + pause > self.patience.duration() {
                return Ok(None);
            }
            sleep(pause).await;
            pause = (pause * 2).min(self.interval.duration());
        }
    }

    /// The same where what follows wants it.
    pub async fn must<T>(
        &self,
        what: &str,
        look: impl AsyncFnMut() -> Result<Option<T>, Failure>,
    ) -> Result<Shown<T>, Failure> {
        let shown = self.until(look).await?;
        shown.ok_or_else(|| Failure::new(Kind::Temporary, what).next_step(LONGER))
    }

    /// The pause between two looks that are to be told apart.
    pub async fn pause(&self) {
        sleep(self.interval.duration()).await;
    }
}

/// How late something was, over several tries.
#[derive(Debug, Clone, Default)]
pub struct Spread {
    after: Vec<Duration>,
    at_once: usize,
    never: usize,
}

impl Spread {
    /// Adds a try.
    pub fn add<T>(&mut self, shown: Option<&Shown<T>>) {
        match shown {
            Some(shown) => {
                self.after.push(shown.after);
                self.at_once += usize::from(shown.look == 1);
            }
            None => self.never += 1,
        }
    }

    /// Whether each try showed within so long.
    pub fn is_within(&self, longest: Duration) -> bool {
        self.never == 0 && self.after.iter().all(|after| *after <= longest)
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut sorted = self.after.clone();
        sorted.sort();
        let tries = sorted.len() + self.never;
        write!(f, "{} of {tries} at the first look", self.at_once)?;
        if let (Some(median), Some(longest)) = (sorted.get(sorted.len() / 2), sorted.last()) {
            let (median, longest) = (median.as_secs_f64(), longest.as_secs_f64());
            write!(f, ", half within {median:.1} s, all within {longest:.1} s")?;
        }
        match self.never {
            0 => Ok(()),
            never => write!(f, ", {never} not within the patience"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACE: Pace = Pace {
        tries: 1,
        interval: Period::seconds(1),
        patience: Period::seconds(5),
        short_life: Period::seconds(1),
        long_wait: Period::seconds(1),
    };

    #[tokio::test(start_paused = true)]
    async fn what_shows_late_is_timed_and_what_never_shows_is_given_up() {
        let mut looks = 0;
        let look = async || {
            looks += 1;
            Ok((looks == 4).then_some(()))
        };
        let shown = PACE.until(look).await.unwrap().unwrap();
        assert_eq!(shown.look, 4);
        assert_eq!(shown.after, Duration::from_millis(50 + 100 + 200));
        let never = PACE.until(async || Ok(None::<()>)).await.unwrap();
        assert!(never.is_none());
        let mut spread = Spread::default();
        spread.add(Some(&shown));
        assert!(spread.is_within(Duration::from_secs(1)));
        spread.add(never.as_ref());
        assert!(!spread.is_within(Duration::from_secs(1)));
        let told = spread.to_string();
        assert!(told.starts_with("0 of 2 at the first look"), "{told}");
    }
}
