//! Every bound that a run of a component is held to, in one place, each with the reason for its number.
//! Takes nothing; gives [`Limits`]. A limit that is not here does not exist.

use std::time::Duration;

use super::meter::LimitReached;
use pflow_gateway_base::setting::{Setting, raise};

/// How often the epoch advances: the grain of CPU accounting, and how long a spinning guest can keep a thread from other
/// conversations.
pub(super) const TICK: Duration = Duration::from_millis(5);

const MIB: usize = 1024 * 1024;

/// A component's file. One with a Python interpreter inside has 18 MiB; compiling takes memory in proportion.
pub(super) const COMPONENT: u64 = 64 * 1024 * 1024;

/// Modules and components inside of each other. Composing adds one or two levels.
pub(super) const DEPTH: u64 = 32;
/// Modules and components in all. One with a Python interpreter inside has about 60.
pub(super) const PARTS: u64 = 500;
/// Functions in all. A Python interpreter has about 20,000.
pub(super) const FUNCTIONS: u64 = 200_000;
/// Bytes of one function. The loop of an interpreter is the largest that people have.
pub(super) const BODY: u64 = 512 * 1024;
/// Local variables of one function.
pub(super) const LOCALS: u64 = 10_000;

/// Machine code of one component. One with a Python interpreter inside makes about 60 MiB.
pub(super) const CODE: u64 = 256 * 1024 * 1024;

/// Wall time of compiling one. A Python interpreter takes some seconds on two processors.
pub(super) const COMPILING_TIME: Duration = Duration::from_mins(1);

/// Memory of the process that compiles. A Python interpreter takes some hundred MiB.
pub(super) const COMPILING_MEMORY: u64 = 2 * 1024 * 1024 * 1024;

/// What one instance of a component may use.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Limits {
    /// Linear memory of all its memories, in bytes. A catalogue of 10,000 tools takes about 60 MiB; a Python interpreter starts
    /// with 30.
    pub memory: usize,
    /// Elements of all its tables. Python's interpreter has 12,000.
    pub table_elements: usize,
    /// Core instances, memories and tables. An adapted component has about ten of each.
    pub instances: usize,
    /// CPU time of one call into the component. Reading 10,000 tools takes about 0.3 s; starting a Python interpreter 2 s.
    pub cpu: Duration,
    /// Wall time of one call into the component, host calls included. The gateway's own `timeout` is usually shorter.
    pub wall: Duration,
    /// Bytes that one call may hand to the host, lists counted by what they expand to.
    pub transfer: usize,
    /// Open resources (requests, streams, pollables), the host's and the component's own. One exchange needs about ten; an engine that
    /// collects garbage lets go late. Each may keep 128 KiB of headers in the host.
    pub handles: usize,
    /// Bytes of log, stdout and stderr together per instance. What is over is counted and dropped.
    pub log: usize,
    /// Events (progress, messages) that one call may report, in bytes; each costs 256 besides its text. What is over is dropped. Ten
    /// progress notifications per second for ten minutes are 1.5 MiB.
    pub events: usize,
    /// Stack of the guest, in bytes. Rust's default main stack is 1 MiB; recursion deeper than this traps.
    pub stack: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory: 256 * MIB,
            table_elements: 100_000,
            instances: 50,
            cpu: Duration::from_secs(20),
            wall: Duration::from_mins(10),
            transfer: 128 * MIB,
            handles: 1_000,
            log: MIB / 4,
            events: 4 * MIB,
            stack: MIB,
        }
    }
}

/// One setting: its name, its ceiling, and the field.
macro_rules! setting {
    ($name:literal, $ceiling:expr, $field:ident) => {
        Setting {
            name: $name,
            floor: 1,
            ceiling: $ceiling as u64,
            get: |limits: &Limits| limits.$field as u64,
            // The ceiling fits every field.
            set: |limits: &mut Limits, value| limits.$field = usize::try_from(value).unwrap_or(usize::MAX),
        }
    };
    ($name:literal, $ceiling:expr, seconds $field:ident) => {
        Setting {
            name: $name,
            floor: 1,
            ceiling: $ceiling,
            get: |limits: &Limits| limits.$field.as_secs(),
            set: |limits: &mut Limits, value| limits.$field = Duration::from_secs(value),
        }
    };
}

impl Limits {
    /// What a user can set, and how far.
    pub const SETTINGS: [Setting<Self>; 10] = [
        // What 32-bit memories can address.
        setting!("memory_bytes", 4096 * MIB, memory),
        // 8 bytes each in the host.
        setting!("table_elements", 10_000_000, table_elements),
        setting!("instances", 1_000, instances),
        // Longer than any timeout of a gateway: a component that still computes is lost.
        setting!("cpu_seconds", 600, seconds cpu),
        setting!("wall_seconds", 3_600, seconds wall),
        setting!("transfer_bytes", 1024 * MIB, transfer),
        // 128 KiB of headers each: 1.2 GiB of the host.
        setting!("handles", 10_000, handles),
        setting!("log_bytes", 64 * MIB, log),
        setting!("events_bytes", 256 * MIB, events),
        // Each instance has its own, and most of it is touched once and kept.
        setting!("stack_bytes", 16 * MIB, stack),
    ];

    /// As in `component show --json`: the unit is part of each name.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Map<String, serde_json::Value> {
        Self::SETTINGS.iter().map(|setting| (setting.name.to_owned(), (setting.get)(self).into())).collect()
    }
}
/// How to allow more of what ran out.
pub(super) fn advice(reached: LimitReached) -> String {
    let (name, now) = reached.setting();
    let setting = Limits::SETTINGS.iter().find(|setting| setting.name == name);
    setting.map_or_else(String::new, |setting| match reached {
        // A run may have been given less than a whole second.
        LimitReached::Cpu(time) | LimitReached::Wall(time) => {
            raise(name, time.as_secs_f64(), Duration::from_secs(setting.ceiling).as_secs_f64())
        }
        _ => raise(name, now, setting.ceiling),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_below_a_second_is_told_as_it_is() {
        let words = |seconds| advice(LimitReached::Cpu(Duration::from_secs_f64(seconds)));
        assert!(words(0.4).contains("it is 0.4 now, and at most 600"), "{}", words(0.4));
        assert!(words(20.0).contains("it is 20 now"), "{}", words(20.0));
        assert!(words(600.0).starts_with("600 is the most"), "{}", words(600.0));
    }
}
