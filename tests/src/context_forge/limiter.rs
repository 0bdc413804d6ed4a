//! ContextForge's rate limiter: a sliding window per tier, and a lock-out after five violations.
//! Takes paths; gives leave, or the 429 that the product answers.
//! Never distinguishes clients: there is one address on loopback.

use std::{
    collections::{HashMap, VecDeque},
    time::{Duration, Instant},
};

use pflow_gateway_base::sync::Mutex;
use serde_json::json;

use crate::reply::Answer;

/// How much is allowed in a minute.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// `/mcp`, `/tools`, `/prompts`, `/resources`, `/servers`, `/gateways`.
    pub medium: u32,
    /// `/tokens`, `/oauth`, `/rbac`.
    pub high: u32,
    /// Everything else, all of `/v1` included.
    pub low: u32,
    /// Violations until the address is locked out.
    pub violations: u32,
    /// How long it stays locked out.
    pub lockout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { medium: 100, high: 30, low: 500, violations: 5, lockout: Duration::from_secs(900) }
    }
}

/// A class of paths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Tier {
    /// 30 a minute.
    High,
    /// 100 a minute.
    Medium,
    /// 500 a minute.
    Low,
}

impl Tier {
    /// The tier of a path. The patterns know nothing of `/v1`.
    #[must_use]
    pub fn of(path: &str) -> Self {
        match path.split('/').nth(1).unwrap_or_default() {
            "mcp" | "tools" | "prompts" | "resources" | "servers" | "gateways" => Self::Medium,
            "tokens" | "oauth" | "rbac" => Self::High,
            _ => Self::Low,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::High => "HIGH",
            Self::Medium => "MEDIUM",
            Self::Low => "LOW",
        }
    }
}

/// What is left in the window.
pub(super) struct Room {
    pub(super) limit: u32,
    pub(super) remaining: u32,
}

#[derive(Debug, Default)]
struct Windows {
    seen: HashMap<Tier, VecDeque<Instant>>,
    violations: u32,
    locked_until: Option<Instant>,
}

#[derive(Debug)]
pub(super) struct Limiter {
    limits: Limits,
    windows: Mutex<Windows>,
}

const WINDOW: Duration = Duration::from_secs(60);

impl Limiter {
    pub(super) fn new(limits: Limits) -> Self {
        Self { limits, windows: Mutex::default() }
    }

    pub(super) fn violations(&self) -> u32 {
        self.windows.lock().violations
    }

    pub(super) fn admit(&self, path: &str) -> Result<Room, Answer> {
        let now = Instant::now();
        let mut windows = self.windows.lock();
        if windows.locked_until.is_some_and(|until| now < until) {
            return Err(self.lockout());
        }
        let tier = Tier::of(path);
        let limit = match tier {
            Tier::High => self.limits.high,
            Tier::Medium => self.limits.medium,
            Tier::Low => self.limits.low,
        };
        let window = windows.seen.entry(tier).or_default();
        while window.front().is_some_and(|&at| now.duration_since(at) > WINDOW) {
            window.pop_front();
        }
        let used = u32::try_from(window.len()).unwrap_or(u32::MAX);
        if used < limit {
            window.push_back(now);
            return Ok(Room { limit, remaining: limit - used - 1 });
        }
        windows.violations += 1;
        if windows.violations >= self.limits.violations {
            windows.locked_until = Some(now + self.limits.lockout);
            return Err(self.lockout());
        }
        let body = json!({"error": "Rate limit exceeded", "limit": limit, "reset_in_seconds": 60,
            "message": format!("Maximum {limit} requests per minute for {} tier endpoints.", tier.name())});
        Err(Answer::json(429, &body).with("retry-after", "60").with("x-ratelimit-reset", "60"))
    }

    fn lockout(&self) -> Answer {
        let seconds = self.limits.lockout.as_secs().to_string();
        let body = json!({"error": "Account locked", "message": "Too many violations. Try again later."});
        Answer::json(429, &body).with("retry-after", seconds.clone()).with("x-lockout-remaining", seconds)
    }
}
