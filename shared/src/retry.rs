//! Retrying now: bounded, with jittered backoff, `Retry-After` obeyed, and never past the deadline.

use std::time::Duration;

use tokio::time::Instant;

use crate::failure::Failure;

/// When this invocation has to stop waiting, with time left to say where it stands.
#[derive(Debug, Clone, Copy)]
pub struct Deadline {
    /// No wait goes beyond this.
    until: Instant,
    /// No call is begun that may last beyond this.
    ends: Instant,
    /// How long a call may take.
    call: Duration,
}

impl Deadline {
    /// A deadline `left` from now, for calls that take up to `call`.
    #[must_use]
    pub fn within(left: Duration, call: Duration) -> Self {
        let ends = Instant::now() + left;
        Self {
            until: ends,
            ends,
            call,
        }
    }

    /// The same for calls; waits end `left` from now at the latest.
    #[must_use]
    pub fn at_most(self, left: Duration) -> Self {
        Self {
            until: self.until.min(Instant::now() + left),
            ..self
        }
    }

    /// Whether so many calls, one after the other, can come to their end: Lambda cuts off what was begun
    /// too late, and then nobody knows what became of it.
    #[must_use]
    pub fn leaves_time_for(self, calls: u32) -> bool {
        let last = Instant::now().checked_add(self.call.saturating_mul(calls));
        last.is_some_and(|last| last <= self.ends)
    }

    /// Sleeps for `time`, unless the deadline comes first: then it returns false at once.
    pub async fn sleep(self, time: Duration) -> bool {
        let wakes = Instant::now().checked_add(time);
        if wakes.is_none_or(|wakes| wakes >= self.until) {
            return false;
        }
        tokio::time::sleep(time).await;
        true
    }
}

/// Whether what was asked may have been done all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It was not done: the server said so, or the request never left.
    None,
    /// Nobody knows: only a look at the server's state tells.
    Unknown,
}

/// Whether the same call may succeed if it is tried again, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// Not in this invocation: trying changes nothing, was done already, or could do it twice.
    No,
    /// After a pause of the caller's own: [`backoff`].
    Backoff,
    /// After the pause that the server asks for.
    After(Duration),
    /// The next time: a refusal that servers also give by mistake. Given twice, it is meant.
    Once,
}

impl Retry {
    /// Of a transient error, with the pause that the server asks for, if it does.
    #[must_use]
    pub fn transient(retry_after: Option<Duration>) -> Self {
        retry_after.map_or(Self::Backoff, Self::After)
    }
}

/// A call to an outside service that did not succeed.
#[derive(Debug, Clone)]
pub struct CallError {
    /// Whether it may have taken effect.
    pub effect: Effect,
    /// Whether the same call may succeed if it is tried again.
    pub retry: Retry,
    /// The status, where there was an answer.
    pub status: Option<u16>,
    /// The failure, should it not be tried again.
    pub failure: Failure,
}

impl CallError {
    /// A final error: the server understood and refused.
    #[must_use]
    pub fn refused(failure: Failure) -> Self {
        Self {
            effect: Effect::None,
            retry: Retry::No,
            status: None,
            failure,
        }
    }

    /// The pause that the server asks for.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self.retry {
            Retry::After(pause) => Some(pause),
            Retry::No | Retry::Backoff | Retry::Once => None,
        }
    }

    /// Whether the server's code is `code`.
    #[must_use]
    pub fn has_code(&self, code: &str) -> bool {
        self.failure.code.as_deref() == Some(code)
    }
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        error.failure
    }
}

/// At most this many attempts at one call within an invocation.
const ATTEMPTS: u32 = 4;
/// Before a call whose refusal may be a mistake: as before a fourth attempt.
const ONCE_MORE: u32 = 3;
const FIRST_PAUSE: Duration = Duration::from_millis(400);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Calls until it succeeds, the error is final, the attempts are used up or the deadline is near.
/// Only for calls that may safely be made twice.
///
/// # Errors
/// The last error.
pub async fn with_retries<T>(
    deadline: Deadline,
    mut call: impl AsyncFnMut() -> Result<T, CallError>,
) -> Result<T, CallError> {
    let mut attempt = 1;
    let mut last = None;
    let mut meant = false;
    loop {
        if !deadline.leaves_time_for(1) {
            return Err(last.unwrap_or_else(out_of_time));
        }
        let error = match call().await {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        let pause = match error.retry {
            Retry::No => return Err(error),
            Retry::Once if meant => return Err(error),
            Retry::Once => {
                meant = true;
                backoff(ONCE_MORE)
            }
            Retry::Backoff => backoff(attempt),
            Retry::After(pause) => pause,
        };
        tracing::info!(attempt, failure = %error.failure, "a call failed, and may pass");
        if attempt >= ATTEMPTS || pause > LONGEST_PAUSE || !deadline.sleep(pause).await {
            return Err(error);
        }
        attempt += 1;
        last = Some(error);
    }
}

/// The error of a call that is not begun.
#[must_use]
pub fn out_of_time() -> CallError {
    CallError::refused(Failure::new(
        crate::failure::Kind::Temporary,
        "this invocation has no time left for another call",
    ))
}

/// Doubling pauses with full jitter over their upper half.
#[must_use]
pub fn backoff(attempt: u32) -> Duration {
    let full = FIRST_PAUSE
        .saturating_mul(1 << attempt.saturating_sub(1).min(10))
        .min(LONGEST_PAUSE);
    // The generator of the SDK's own jitter: pauses need not be hard to guess.
    full / 2 + (full / 2).mul_f64(fastrand::f64())
}

/// Lambda's longest invocation.
const LONGEST_INVOCATION: Duration = Duration::from_secs(15 * 60);

/// What is left until an epoch time in milliseconds, as Lambda gives an invocation's deadline. A
/// runtime that gives none (0) is taken to have no limit of its own.
#[must_use]
pub fn left_until(deadline_ms: u64) -> Duration {
    if deadline_ms == 0 {
        return LONGEST_INVOCATION;
    }
    let now = u64::try_from(crate::clock::machine().as_millisecond()).unwrap_or_default();
    Duration::from_millis(deadline_ms.saturating_sub(now)).min(LONGEST_INVOCATION)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_deadline_makes_the_reckoning_panic() {
        assert_eq!(left_until(0), LONGEST_INVOCATION);
        assert_eq!(left_until(1), Duration::ZERO);
        assert_eq!(left_until(u64::MAX), LONGEST_INVOCATION);
        let _ = Deadline::within(left_until(u64::MAX), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_beyond_the_deadline_or_beyond_all_time_is_not_begun() {
        let deadline = Deadline::within(Duration::from_secs(1), Duration::ZERO);
        assert!(!deadline.sleep(Duration::MAX).await);
        assert!(!deadline.sleep(Duration::from_secs(1)).await);
        assert!(deadline.sleep(Duration::from_millis(900)).await);
        assert!(!deadline.sleep(Duration::from_millis(900)).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_is_begun_only_with_its_own_time_left() {
        let deadline = Deadline::within(Duration::from_secs(12), Duration::from_secs(10));
        assert!(deadline.leaves_time_for(1) && !deadline.leaves_time_for(2));
        let mut calls = 0;
        let ended: Result<(), _> = with_retries(deadline, async || {
            calls += 1;
            Err(transient(Some(Duration::from_secs(3))))
        })
        .await;
        assert_eq!((ended.unwrap_err().status, calls), (Some(503), 1));
        let ended: Result<(), _> = with_retries(deadline, async || Ok(())).await;
        assert_eq!(ended.unwrap_err().effect, Effect::None);
        // A wait that ends sooner is not the end of the invocation.
        let wait = Deadline::within(Duration::from_secs(60), Duration::from_secs(10));
        let wait = wait.at_most(Duration::from_secs(1));
        assert!(wait.leaves_time_for(1) && !wait.sleep(Duration::from_secs(2)).await);
    }

    fn transient(retry_after: Option<Duration>) -> CallError {
        CallError {
            effect: Effect::None,
            retry: Retry::transient(retry_after),
            status: Some(503),
            failure: Failure::new(crate::failure::Kind::Temporary, "calling"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_transient_error_is_tried_again_a_bounded_number_of_times() {
        let mut calls = 0;
        let deadline = Deadline::within(Duration::from_secs(900), Duration::from_secs(10));
        let ended: Result<(), _> = with_retries(deadline, async || {
            calls += 1;
            Err(transient(None))
        })
        .await;
        assert!(ended.is_err());
        assert_eq!(calls, ATTEMPTS);
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_that_may_be_a_mistake_is_believed_the_second_time() {
        let deadline = Deadline::within(Duration::from_secs(900), Duration::from_secs(10));
        let refused = || CallError {
            retry: Retry::Once,
            status: Some(401),
            ..transient(None)
        };
        let mut answers = vec![Ok(()), Err(transient(None)), Err(refused())];
        let done = with_retries(deadline, async || answers.pop().unwrap());
        assert!(done.await.is_ok());
        let mut answers = vec![Ok(()), Err(refused()), Err(transient(None)), Err(refused())];
        let ended = with_retries(deadline, async || answers.pop().unwrap());
        assert_eq!(ended.await.unwrap_err().status, Some(401));
        assert_eq!(answers.len(), 1, "not asked a fourth time");
    }

    #[tokio::test(start_paused = true)]
    async fn the_servers_own_pause_is_obeyed_and_one_that_is_too_long_ends_it() {
        let deadline = Deadline::within(Duration::from_secs(900), Duration::from_secs(10));
        let begun = Instant::now();
        let mut calls = 0;
        let done = with_retries(deadline, async || {
            calls += 1;
            if calls == 1 {
                Err(transient(Some(Duration::from_secs(7))))
            } else {
                Ok(())
            }
        });
        assert!(done.await.is_ok());
        assert_eq!(begun.elapsed(), Duration::from_secs(7));
        let mut calls = 0;
        let ended: Result<(), _> = with_retries(deadline, async || {
            calls += 1;
            Err(transient(Some(Duration::from_secs(3600))))
        })
        .await;
        assert!(ended.is_err());
        assert_eq!(calls, 1);
    }
}
