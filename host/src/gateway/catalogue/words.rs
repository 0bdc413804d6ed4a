//! What is to say of tools that are not as they were accepted.
//! Takes a [`Listed`]; gives sentences, and the refusal of a call that is held. Never says of a tool that it is as it was accepted when
//! nobody knows.

use std::collections::BTreeSet;

use super::{Listed, accepted::listing, memory::is_complete, standings::Reference};
use crate::{
    Error,
    config::GatewayConfig,
    definitions::{Difference, Mark, Standing},
    report::ChangedTool,
    scrub,
};

/// Changed tools that are told one by one in warnings.
const WARNED: usize = 5;
/// Names in one sentence.
const NAMES: usize = 5;
/// Lines of a difference in a refusal.
const LINES: usize = 4;

impl Listed {
    /// Why a call of this tool is refused until somebody accepts it.
    pub(in crate::gateway) fn held(&self, config: &GatewayConfig, name: &str) -> Option<Error> {
        let reference = self.standings.held_to()?;
        let at = *self.by_name.get(name)?;
        let (standing, before) = self.standings.unaccepted(at)?;
        let (gateway, shown) = (scrub::line(&config.name, 100), scrub::line(name, 200));
        let accept = format!("pflow-gateway snapshot accept {gateway} {shown}");
        if let Reference::Broken(why) = reference {
            return Some(
                Error::config(format!(
                    "{gateway} holds {shown}: what was accepted of its tools cannot be read ({why}); nothing was sent"
                ))
                .with_hint(format!("look at its tools, then accept them: pflow-gateway snapshot accept {gateway}")),
            );
        }
        if let Reference::NotKept(why) = reference {
            return Some(
                Error::config(format!(
                    "{gateway} holds {shown}: what is accepted cannot be written down ({why}), so that no change would be noticed; nothing was sent"
                ))
                .with_hint("make pflow's folder one that you can write to, or take \"changes\": \"hold\" out of the entry"),
            );
        }
        let tool = self.catalog.tools.get(at)?;
        let look =
            format!("look at it with `pflow-gateway snapshot diff {gateway} {shown}`, then accept it with `{accept}`");
        if standing == Standing::New {
            return Some(
                Error::config(format!("{gateway} holds {shown}: it is new and was not accepted; nothing was sent"))
                    .with_hint(look),
            );
        }
        let told = self.standings.changed().iter().find(|changed| changed.tool == name);
        let what = told.map_or_else(
            || format!("{shown} is not as it was accepted"),
            |told| ChangedTool { held: false, means: Vec::new(), ..told.clone() }.words(),
        );
        let lines = before.map(|before| {
            let lines = Difference::between(before, &listing(tool).parts.to_definition()).lines();
            first_lines(&lines)
        });
        let lines = lines.filter(|lines| !lines.is_empty()).map_or_else(String::new, |lines| format!(" ({lines})"));
        Some(Error::config(format!("{gateway} holds {shown}: {what}{lines}; nothing was sent")).with_hint(look))
    }
}

/// The first lines of a difference, in one.
fn first_lines(lines: &[(Mark, String)]) -> String {
    let sign = |mark| match mark {
        Mark::Old => Some("- "),
        Mark::New => Some("+ "),
        Mark::Other => Some(""),
        Mark::Title | Mark::Means => None,
    };
    let all = lines.iter().filter_map(|(mark, line)| Some(format!("{}{line}", sign(*mark)?)));
    all.take(LINES).collect::<Vec<_>>().join(" | ")
}

impl Listed {
    /// What there is to say of its tools, in sentences.
    pub(in crate::gateway) fn warnings_of_changes(&self, gateway: &str) -> Vec<String> {
        let changed = self.standings.changed();
        let mut all: Vec<String> = changed.iter().take(WARNED).map(ChangedTool::words).collect();
        let count = changed.len() + self.standings.more_changed();
        if count > 0 {
            let gateway = scrub::line(gateway, 100);
            let (what, is, it) =
                if count == 1 { ("1 tool".to_owned(), "is", "it") } else { (format!("{count} tools"), "are", "them") };
            all.push(format!(
                "{what} of {gateway} {is} not as accepted: `snapshot diff {gateway}` shows how, `snapshot accept {gateway}` accepts {it}"
            ));
        }
        all.extend(self.notes_of_changes(gateway));
        all
    }

    /// The same, without the tools that changed.
    pub(in crate::gateway) fn notes_of_changes(&self, gateway: &str) -> Vec<String> {
        let Some(reference) = self.standings.held_to() else { return Vec::new() };
        let gateway = scrub::line(gateway, 100);
        match reference {
            Reference::Nothing if is_complete(&self.catalog) && !self.catalog.tools.is_empty() => {
                vec![format!(
                    "the tools of {gateway} are accepted as they are now, the first that were seen of it; changes are held from now on"
                )]
            }
            Reference::Nothing => {
                vec![format!(
                    "no tool of {gateway} is accepted yet, since the listing was not complete: nothing is held"
                )]
            }
            Reference::Broken(why) => vec![format!(
                "what was accepted of the tools of {gateway} cannot be read ({why}): all of them are held; look at them, then `snapshot accept {gateway}`"
            )],
            Reference::NotKept(why) => {
                vec![format!("what is accepted of {gateway} cannot be written down ({why}): all of its tools are held")]
            }
            Reference::Known(_) => {
                let waiting = self.standings.waiting(&self.catalog);
                if waiting.is_empty() {
                    return Vec::new();
                }
                let names: BTreeSet<&str> = waiting.iter().copied().collect();
                let more = names.len().saturating_sub(NAMES);
                let mut told: Vec<String> = names.into_iter().take(NAMES).map(|name| scrub::line(name, 100)).collect();
                if more > 0 {
                    told.push(format!("{more} more"));
                }
                let what = if waiting.len() == 1 { "1 new tool waits" } else { "new tools wait" };
                let count = if waiting.len() == 1 { String::new() } else { format!("{} ", waiting.len()) };
                vec![format!(
                    "{count}{what} until accepted: {}; `snapshot diff {gateway}` shows, `snapshot accept {gateway}` accepts",
                    told.join(", ")
                )]
            }
        }
    }
}
