//! Services that are kept, and of whose tools not everything is certain: what `add`, `setup` and `adopt` do about them.
//! Takes a plan and the gateway's listing; declares what names tell, and says so. Must never write that a tool is a service's because the
//! tool says so.

use super::{
    edit::{Plan, Split},
    render,
};
use pflow_gateway::{
    Gateway, Uncertain,
    config::{Claims, DeclaredService, Filter},
};
use pflow_gateway_base::{Error, Result, scrub};

/// What became of it.
#[derive(Default)]
pub(super) struct Settled {
    /// What was written into the plan, a sentence each.
    pub(super) declared: Vec<String>,
    /// Services that only what their tools say of themselves tells, and that were asked for.
    pub(super) claimed: Vec<Uncertain>,
}

impl Settled {
    fn declare(&mut self, plan: &mut Plan, name: String, prefix: String, tools: usize) {
        self.declared.push(format!(
            "declared {} by the prefix {} of its {}, since the gateway itself does not say what is from there",
            scrub::line(&name, 100),
            scrub::line(&prefix, 100),
            render::count(tools, "tool")
        ));
        plan.new.services.push(DeclaredService { name, prefix: Some(prefix), tools: Vec::new() });
    }

    /// Why that cannot be written without somebody's word.
    pub(super) fn refusal(&self) -> Option<Error> {
        let first = self.claimed.first()?;
        let names: Vec<String> = self.claimed.iter().map(|found| scrub::line(&found.service, 100)).collect();
        let tool = "TOOL,TOOL";
        Some(
            Error::config(format!(
                "that {} from {} is said by the tools themselves and by nobody else",
                if first.tools == 1 && names.len() == 1 { "a tool is" } else { "tools are" },
                names.join(", ")
            ))
            .with_hint(format!(
                "if you believe them: --trust claims; or say which they are, like --service {}={tool}",
                names.first().map_or("NAME", String::as_str)
            )),
        )
    }
}

/// Included services, spelled out, that no tool is known to be from.
fn unknown(plan: &Plan, gateway: &Gateway) -> Vec<String> {
    let tools = gateway.seen_tools();
    let is_known = |name: &str| {
        tools.iter().any(|tool| tool.service.as_deref() == Some(name))
            || plan.new.services.iter().any(|declared| declared.name == name)
    };
    let included = plan.new.filter.include_services.iter();
    included.filter(|name| !name.contains(['*', '?', '[', '{', '\\']) && !is_known(name)).cloned().collect()
}

/// Declares, by their prefix, the kept services whose tools' names tell it.
pub(super) async fn settle(plan: &mut Plan, gateway: &Gateway) -> Result<Settled> {
    let apart = plan.split == Split::PerService;
    let picks = apart || !plan.new.filter.include_services.is_empty();
    if !picks || plan.new.claims == Claims::Believed {
        return Ok(Settled::default());
    }
    // A listing is what it is about; mostly there is one.
    gateway.tools(&Filter::default()).await?;
    let mut settled = Settled::default();
    // Services that nobody knows of: it is the user who says that there is one, and the names agree.
    for name in unknown(plan, gateway) {
        if let Some((prefix, tools)) = gateway.prefix_of(&name) {
            settled.declare(plan, name, prefix, tools);
        }
    }
    for found in gateway.uncertain(apart) {
        let asked_for = apart || plan.new.filter.include_services.contains(&found.service);
        match &found.prefix {
            Some(prefix) => settled.declare(plan, found.service.clone(), prefix.clone(), found.tools),
            None if asked_for && found.certain == 0 => settled.claimed.push(found),
            None => {}
        }
    }
    Ok(settled)
}
