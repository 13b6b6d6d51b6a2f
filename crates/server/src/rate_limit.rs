//! Requests per second per client and API (spec/errors-and-limits.md, Rate limit; to whom the count belongs is
//! [inferred] and stands here alone).

use std::num::NonZeroU32;

use governor::{DefaultKeyedRateLimiter, Quota};

use crate::error::{ApiError, ApiResult};
use crate::limits;

pub struct RateLimit(Option<DefaultKeyedRateLimiter<(String, String)>>);

impl RateLimit {
    /// `None` switches it off.
    pub fn new(per_s: Option<NonZeroU32>) -> Self {
        Self(per_s.map(|per_s| DefaultKeyedRateLimiter::keyed(Quota::per_second(per_s))))
    }

    /// # Errors
    /// 429 with `Retry-After`.
    pub fn check(&self, client_id: &str, api: &str) -> ApiResult<()> {
        let Some(limiter) = &self.0 else { return Ok(()) };
        if limiter.len() > limits::RATE_LIMIT_KEYS_MAX {
            limiter.retain_recent();
        }
        let key = (client_id.to_owned(), api.to_owned());
        limiter.check_key(&key).map_err(|_| ApiError::too_many_requests())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_eleventh_request_of_a_second_is_refused_and_other_clients_and_apis_are_not() {
        let limit = RateLimit::new(NonZeroU32::new(10));
        for _ in 0..10 {
            limit.check("a", "call-events").expect("within the limit");
        }
        assert!(limit.check("a", "call-events").is_err());
        limit.check("a", "users").expect("another API");
        limit.check("b", "call-events").expect("another client");
    }
}
