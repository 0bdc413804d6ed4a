//! The reference page of faults.
//! Takes the table; gives Markdown. Never written by hand: a test compares.

use std::fmt::Write as _;

use super::{Ends, all};

/// The text of `docs/reference/faults.md`.
#[must_use]
pub fn reference_page() -> String {
    let faults = all();
    let mut page = format!(
        "# What goes wrong, and what you are told\n\n\
         Generated from the table in `tests/src/faults/` (`UPDATE=1 cargo test -p pflow-gateway-tests`); do not edit. \
         Each of the {} faults is played to the real binary in every test run.\n\n\
         The columns `test`, `tools` and `call` say what the command reports: `error.class`, or that it works all the same. \
         *Time* is at once, or when `--timeout` ends. *Requests* is what one command sends at most, *calls* how often a \
         tool that may change something is called at most: twice only when the first one is known not to have run.\n\n\
         `pflow run` is stock pflow with one step that calls the tool through `serve`, after a sync at which the gateway was well \
         (`tests/python/test_faults.py`): the class that is in what it prints. A run reads the list of tools once more after the call, \
         so it may send twice as many requests; calls are not more.\n",
        faults.len()
    );
    let mut family = None;
    for fault in &faults {
        if family != Some(fault.family) {
            family = Some(fault.family);
            let _ = write!(
                page,
                "\n## {}\n\n| fault | the gateway | `test` | `tools` | `call` | `pflow run` | time | requests | calls |\n\
                 | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n",
                fault.family
            );
        }
        let time = if fault.ends == Ends::AtOnce { "at once" } else { "deadline" };
        let _ = writeln!(
            page,
            "| {} | {} | {} | {} | {} | {} | {time} | {} | {} |",
            fault.name,
            fault.does,
            fault.test,
            fault.tools,
            fault.call,
            fault.pflow(),
            fault.requests,
            fault.calls
        );
    }
    page
}
