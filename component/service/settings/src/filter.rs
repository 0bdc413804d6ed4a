//! Which services and tools are wanted, as an entry says it.
//! Takes `services`, `tools` and `trust`; gives a [`Filter`]. Judges nothing: globs are read by the gateway component.

use crate::{Result, member::Member};

/// The members of the contract's `filter.rules`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Globs of services.
    pub include_services: Vec<String>,
    /// The same, left out.
    pub exclude_services: Vec<String>,
    /// Globs of whole tool names.
    pub include_tools: Vec<String>,
    /// The same, left out.
    pub exclude_tools: Vec<String>,
    /// Only what its server marks as read-only.
    pub read_only: bool,
    /// Nothing that may destroy.
    pub no_destructive: bool,
    /// The gateway's own tools too.
    pub control_tools: bool,
    /// Tools that are from an included service by their own word or name only.
    pub claims: bool,
}

impl Filter {
    pub(crate) fn read(holder: &Member) -> Result<Self> {
        let mut filter = Self::default();
        if let Some(services) = holder.get("services") {
            if services.value().is_array() {
                filter.include_services = services.strings()?;
            } else {
                services.only(&["include", "exclude", "declare"])?;
                filter.include_services = list(&services, "include")?;
                filter.exclude_services = list(&services, "exclude")?;
            }
        }
        if let Some(tools) = holder.get("tools") {
            if tools.value().is_array() {
                filter.include_tools = tools.strings()?;
            } else {
                tools.only(&["include", "exclude", "read_only", "no_destructive", "control"])?;
                filter.include_tools = list(&tools, "include")?;
                filter.exclude_tools = list(&tools, "exclude")?;
                let flag = |name: &str| tools.get(name).map_or(Ok(false), |member| member.boolean());
                filter.read_only = flag("read_only")?;
                filter.no_destructive = flag("no_destructive")?;
                filter.control_tools = flag("control")?;
            }
        }
        if let Some(trust) = holder.get("trust") {
            filter.claims = match trust.string()? {
                "certain" => false,
                "claims" => true,
                _ => return Err(trust.wrong("certain or claims")),
            };
        }
        Ok(filter)
    }
}

pub(crate) fn list(holder: &Member, name: &str) -> Result<Vec<String>> {
    holder.get(name).map_or(Ok(Vec::new()), |member| member.strings())
}
