//! Which tool a name meant: names change when somebody renames a service, identities do not.
//! Takes catalogues as they are read; gives the identity of a name that is gone, and the tool that has it now. Must never guess: without
//! the gateway's own id of the service there is no identity.

use std::collections::HashMap;

use serde::Deserialize;

use crate::{definitions::Identity, gateway::convert::SERVICE_ID, report, runtime::types, sync::Mutex};

/// Names remembered at most: a gateway that renames for ever shall not fill memory.
const NAMES: usize = 50_000;

impl Identity {
    /// Of a tool as the component lists it.
    pub(super) fn of(tool: &types::Tool) -> Option<Self> {
        let types::Provenance { service_id, original_name, .. } = &tool.provenance;
        Some(Self { service: service_id.clone()?, original: original_name.clone()? })
    }

    /// Of a tool as it was reported, in this process or in another one.
    fn of_reported(tool: &report::Tool) -> Option<Self> {
        #[derive(Deserialize)]
        struct Meta {
            #[serde(rename = "pflow-gateway/service-id")]
            service: String,
        }
        let meta = tool.meta.as_ref().map(crate::json::Json::get).filter(|meta| meta.contains(SERVICE_ID))?;
        let Meta { service } = serde_json::from_str(meta).ok()?;
        Some(Self { service, original: tool.original_name.clone()? })
    }
}

/// What names meant when they were seen last.
#[derive(Debug, Default)]
pub(super) struct Identities {
    known: Mutex<HashMap<String, Identity>>,
}

impl Identities {
    fn learn_all(&self, tools: impl Iterator<Item = (String, Identity)>) {
        let mut known = self.known.lock();
        known.extend(tools);
        if known.len() > NAMES {
            known.clear();
        }
    }

    /// Remembers a catalogue that was just read.
    pub(super) fn learn(&self, catalog: &types::Catalog) {
        self.learn_all(catalog.tools.iter().filter_map(|tool| Some((tool.name.clone(), Identity::of(tool)?))));
    }

    /// Remembers a catalogue from before. What is known already is newer.
    pub(super) fn recall(&self, tools: &[report::Tool]) {
        let before = tools.iter().filter_map(|tool| Some((tool.name.clone(), Identity::of_reported(tool)?)));
        let mut known = self.known.lock();
        for (name, identity) in before.take(NAMES) {
            known.entry(name).or_insert(identity);
        }
    }

    /// Whether this name was ever seen with an identity.
    pub(super) fn knows(&self, name: &str) -> bool {
        self.known.lock().contains_key(name)
    }

    /// The tool that this name meant, under the name that it has in this catalogue. None: the name was never seen with an identity, no
    /// tool has it now, or more than one has.
    pub(super) fn renamed<'a>(&self, name: &str, catalog: &'a types::Catalog) -> Option<&'a types::Tool> {
        let wanted = self.known.lock().get(name).cloned()?;
        let mut found = catalog.tools.iter().filter(|tool| Identity::of(tool).as_ref() == Some(&wanted));
        let tool = found.next().filter(|tool| tool.name != name)?;
        found.next().is_none().then_some(tool)
    }
}

#[cfg(test)]
mod tests {
    use super::{super::testing, *};

    fn tool(name: &str, service_id: Option<&str>, original: &str) -> types::Tool {
        let mut tool = testing::tool(name);
        tool.provenance.service_id = service_id.map(str::to_owned);
        tool.provenance.original_name = Some(original.to_owned());
        tool
    }

    fn catalog(tools: Vec<types::Tool>) -> types::Catalog {
        types::Catalog { tools, services: Vec::new(), warnings: Vec::new(), pages: 1, ttl_ms: None }
    }

    #[test]
    fn a_renamed_tool_is_found_by_service_and_original_name_alone() {
        let identities = Identities::default();
        identities.learn(&catalog(vec![
            tool("git-a", Some("1"), "a"),
            tool("slack-a", Some("2"), "a"),
            tool("other-a", None, "a"),
        ]));
        let now =
            catalog(vec![tool("forge-a", Some("1"), "a"), tool("slack-a", Some("2"), "a"), tool("b", Some("1"), "b")]);
        let found = |name: &str| identities.renamed(name, &now).map(|tool| tool.name.clone());
        assert_eq!(found("git-a").as_deref(), Some("forge-a"));
        assert_eq!(found("slack-a"), None, "it has its name still");
        assert_eq!(found("other-a"), None, "no id, no identity");
        assert_eq!(found("never-seen"), None);
        let twice = catalog(vec![tool("x-a", Some("1"), "a"), tool("y-a", Some("1"), "a")]);
        assert!(identities.renamed("git-a", &twice).is_none(), "two of them: nobody knows which");
    }

    #[test]
    fn an_old_catalogue_never_overrules_a_newer_one() {
        let identities = Identities::default();
        identities.learn(&catalog(vec![tool("a", Some("2"), "x")]));
        let old: Vec<report::Tool> =
            [tool("a", Some("1"), "x"), tool("b", Some("1"), "y")].iter().map(crate::gateway::convert::tool).collect();
        identities.recall(&old);
        let now = catalog(vec![tool("c", Some("1"), "x"), tool("d", Some("1"), "y")]);
        assert!(identities.renamed("a", &now).is_none());
        assert_eq!(identities.renamed("b", &now).map(|tool| tool.name.as_str()), Some("d"));
    }
}
