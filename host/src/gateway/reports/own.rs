//! What an entry is about: the tools and services that its own filter leaves to it.
//! Takes names, listed now or remembered; says which are the entry's. By name and service alone: of what is gone nobody knows whether
//! it was read-only.

use std::collections::{BTreeMap, HashMap};

use crate::{
    Deadline, Result,
    config::{Claims, Filter},
    gateway::{convert, parts::Parts, verdicts},
    history::SnapshotTool,
    runtime::types,
};

/// What is an entry's.
#[derive(Clone, Debug, Default)]
pub struct Own {
    /// None of these: what is not here is the entry's.
    tools: HashMap<String, bool>,
    services: BTreeMap<String, bool>,
}

impl Own {
    /// Whether this tool is the entry's.
    #[must_use]
    pub fn has_tool(&self, tool: &str) -> bool {
        self.tools.get(tool).copied().unwrap_or(true)
    }

    /// Whether this service is.
    #[must_use]
    pub fn has_service(&self, service: &str) -> bool {
        self.services.get(service).copied().unwrap_or(true)
    }
}

/// Which of these are the entry's. A service is when one of its tools is; one without tools, when its name is not left out.
pub(in crate::gateway) async fn own(
    parts: &Parts,
    tools: &[SnapshotTool],
    services: &[String],
    by: Deadline,
) -> Result<Own> {
    let all = &parts.config().filter;
    let by_name = Filter {
        include_services: all.include_services.clone(),
        exclude_services: all.exclude_services.clone(),
        include_tools: all.include_tools.clone(),
        exclude_tools: all.exclude_tools.clone(),
        ..Filter::default()
    };
    if by_name == Filter::default() {
        return Ok(Own::default());
    }
    let candidate = |name: &str, service: Option<&str>| convert::bare(name, service, types::Confidence::Certain);
    let mut instance = parts.bare_instance(by).await?;
    let listed: Vec<_> = tools.iter().map(|tool| candidate(&tool.name, tool.service.as_deref())).collect();
    let verdicts =
        verdicts::of_these(parts.peer(), &mut instance, &convert::rules(&by_name, Claims::Believed), &listed, by)
            .await?;
    let mut own = Own::default();
    for (tool, verdict) in tools.iter().zip(&verdicts) {
        own.tools.insert(tool.name.clone(), verdict.is_none());
        if let Some(service) = &tool.service {
            *own.services.entry(service.clone()).or_insert(false) |= verdict.is_none();
        }
    }
    let of_services = Filter { include_tools: Vec::new(), exclude_tools: Vec::new(), ..by_name };
    let empty: Vec<&String> = services.iter().filter(|service| !own.services.contains_key(*service)).collect();
    let asked: Vec<_> = empty.iter().map(|service| candidate("", Some(service.as_str()))).collect();
    let verdicts =
        verdicts::of_these(parts.peer(), &mut instance, &convert::rules(&of_services, Claims::Believed), &asked, by)
            .await?;
    own.services.extend(empty.into_iter().cloned().zip(verdicts.iter().map(Option::is_none)));
    Ok(own)
}
