//! `types.provenance`: which service a tool is from. The ladder, best evidence first, and nothing invented.
//! Which member of `_meta` and which product's API a component understands is its own business: not knowing one is no fault, naming
//! another service is.

use serde_json::json;

use super::{
    super::{
        gateway::{Gateway, tool, tool_with},
        stage::Stage,
        verdict::{Miss, Verdict, same, shown, want, wrong},
    },
    checks,
};
use pflow_gateway_runtime::types::{self, Attribution, Confidence};

checks! { Discovery:
    believes_declared_prefixes, "types.attribution.declared",
        "attributes tools to the services that the user declared with a prefix",
        "gh-… to github and sl.… to slack, declared";
    knows_the_usual_separators, "types.declared-service.prefix",
        "knows the usual separators after a declared service's name",
        "github_…, github__…, github-… and github.… to github, declared; githubber to no service";
    reads_meta_of_the_list, "types.attribution.reported",
        "believes the services that the gateway reports in _meta of its list",
        "send_message to billing and list_issues to garden, reported";
    takes_a_tools_word_for_a_claim, "types.attribution.claimed",
        "takes what a tool says of itself in _meta for a claim",
        "send_message to billing and list_issues to garden, claimed, and no more than high";
    closes_declared_services_to_claims, "types.attribution.claimed",
        "lets no tool claim a service that the user declared",
        "list_issues, which claims github, is not from it; gh-list is, as declared";
    knows_control_tools, "types.attribution.control",
        "tells the control tools of a gateway by their exact names",
        "mcp-find and mcp-add of Docker MCP Gateway are control, mcp-finder is not";
    knows_prefixes_of_known_services, "types.attribution.prefix",
        "recognises the name of a service that is known to exist",
        "github__close_issue to github by its prefix, after the gateway reported github";
    invents_nothing, "types.attribution.none",
        "leaves a tool unattributed rather than guess",
        "no service for list_issues, list_users, get_issue and get_user: never on _ alone";
    is_consistent, "types.provenance.service",
        "says of every tool whether and how its service is known",
        "no service where attribution is none, a service everywhere else, and evidence for each";
    counts_services, "types.service.tools",
        "counts the tools of each service",
        "as many tools in each service as are attributed to it, and the weakest rung among them";
}

async fn catalog(
    stage: &Stage,
    endpoint: impl FnOnce(&mut types::Endpoint),
    gateway: Gateway,
) -> Result<types::Catalog, Miss> {
    let mut scene = stage.scene(gateway).await?;
    endpoint(&mut scene.endpoint);
    scene.open().await?;
    scene.list().await
}

fn declared(name: &str, prefix: Option<&str>) -> types::DeclaredService {
    types::DeclaredService { name: name.to_owned(), prefix: prefix.map(str::to_owned), tools: Vec::new() }
}

fn provenance<'a>(catalog: &'a types::Catalog, tool: &str) -> Result<&'a types::Provenance, Miss> {
    let found = catalog.tools.iter().find(|listed| listed.name == tool);
    found.map_or_else(|| wrong(format!("{tool} is not listed")), |tool| Ok(&tool.provenance))
}

/// The service of this tool and its rung.
fn origin<'a>(catalog: &'a types::Catalog, tool: &str) -> Result<(Option<&'a str>, Attribution), Miss> {
    provenance(catalog, tool).map(|provenance| (provenance.service.as_deref(), provenance.attribution))
}

fn is_from(catalog: &types::Catalog, tool: &str, service: Option<&str>, rung: Attribution) -> Result<(), Miss> {
    same(&format!("{tool} is from"), &origin(catalog, tool)?, &(service, rung))
}

async fn believes_declared_prefixes(stage: Stage) -> Verdict {
    let services = vec![declared("github", Some("gh-")), declared("slack", Some("sl."))];
    let tools = vec![tool("gh-list_issues"), tool("sl.send_message"), tool("other_thing")];
    let catalog = catalog(&stage, |e| e.services = services, Gateway::legacy().tools(tools)).await?;
    is_from(&catalog, "gh-list_issues", Some("github"), Attribution::Declared)?;
    is_from(&catalog, "sl.send_message", Some("slack"), Attribution::Declared)?;
    same("other_thing is from", &origin(&catalog, "other_thing")?.0, &None)?;
    Ok("github and slack, declared".to_owned())
}

async fn knows_the_usual_separators(stage: Stage) -> Verdict {
    let names = ["github_list", "github__list", "github-list", "github.list"];
    let mut tools: Vec<_> = names.iter().map(|name| tool(name)).collect();
    tools.push(tool("githubber"));
    let catalog =
        catalog(&stage, |e| e.services = vec![declared("github", None)], Gateway::legacy().tools(tools)).await?;
    for name in names {
        is_from(&catalog, name, Some("github"), Attribution::Declared)?;
    }
    same("githubber is from", &origin(&catalog, "githubber")?.0, &None)?;
    Ok("four of github, and githubber of no service".to_owned())
}

/// Every way to say it that was seen, at once: which of them a component knows is its own business.
fn claiming(name: &str, service: &str) -> serde_json::Value {
    let meta = json!({
        "pflow.dev/service": service, "service": service, "gateway.service": service,
        "gateway": {"service": service, "server": service},
    });
    tool_with(name, json!({"_meta": meta}))
}

async fn reads_meta_of_the_list(stage: Stage) -> Verdict {
    let tools = vec![tool("send_message"), tool("list_issues")];
    let meta = json!({"pflow.dev/services": {"billing": ["send_message"], "garden": ["list_issues"]}});
    let catalog = catalog(&stage, |_| {}, Gateway::legacy().tools(tools).list_meta(meta)).await?;
    let found = [origin(&catalog, "send_message")?, origin(&catalog, "list_issues")?];
    if found.iter().all(|(service, _)| service.is_none()) {
        return Err(Miss::NotOffered("it reads no services from _meta of the list".to_owned()));
    }
    is_from(&catalog, "send_message", Some("billing"), Attribution::Reported)?;
    is_from(&catalog, "list_issues", Some("garden"), Attribution::Reported)?;
    Ok("billing and garden, reported".to_owned())
}

async fn takes_a_tools_word_for_a_claim(stage: Stage) -> Verdict {
    let tools = vec![claiming("send_message", "billing"), claiming("list_issues", "garden")];
    let catalog = catalog(&stage, |_| {}, Gateway::legacy().tools(tools)).await?;
    let found = [origin(&catalog, "send_message")?, origin(&catalog, "list_issues")?];
    if found.iter().all(|(service, _)| service.is_none()) {
        return Err(Miss::NotOffered("it reads no service from a tool's _meta".to_owned()));
    }
    is_from(&catalog, "send_message", Some("billing"), Attribution::Claimed)?;
    is_from(&catalog, "list_issues", Some("garden"), Attribution::Claimed)?;
    for tool in &catalog.tools {
        want(tool.provenance.confidence != Confidence::Certain, || "it is certain".to_owned())?;
    }
    Ok("billing and garden, claimed".to_owned())
}

async fn closes_declared_services_to_claims(stage: Stage) -> Verdict {
    let services = vec![declared("github", Some("gh-"))];
    let tools = vec![tool("gh-list"), claiming("list_issues", "github")];
    let catalog = catalog(&stage, |e| e.services = services, Gateway::legacy().tools(tools)).await?;
    is_from(&catalog, "gh-list", Some("github"), Attribution::Declared)?;
    let (service, _) = origin(&catalog, "list_issues")?;
    want(service != Some("github"), || "list_issues is from github, because it says so".to_owned())?;
    Ok("gh-list alone".to_owned())
}

async fn knows_control_tools(stage: Stage) -> Verdict {
    let tools = vec![tool("mcp-find"), tool("mcp-add"), tool("mcp-finder"), tool("send_message")];
    let gateway = Gateway::legacy().named("Docker AI MCP Gateway").tools(tools);
    let catalog = catalog(&stage, |e| e.kind = Some("docker".to_owned()), gateway).await?;
    let control = |name: &str| origin(&catalog, name).map(|(_, rung)| rung == Attribution::Control);
    if !control("mcp-find")? && !control("mcp-add")? {
        return Err(Miss::NotOffered("it knows no control tools of Docker MCP Gateway".to_owned()));
    }
    for (name, is) in [("mcp-find", true), ("mcp-add", true), ("mcp-finder", false), ("send_message", false)] {
        want(control(name)? == is, || format!("{name} is{} a control tool", if is { " not" } else { "" }))?;
    }
    Ok("mcp-find and mcp-add".to_owned())
}

async fn knows_prefixes_of_known_services(stage: Stage) -> Verdict {
    let tools = vec![tool("list_issues"), tool("github__close_issue")];
    let meta = json!({
        "pflow.dev/services": {"github": ["list_issues"]},
        "litellm.ai/server_outcomes": {"github": {"status": "ok", "tool_count": 2}},
    });
    let catalog = catalog(&stage, |_| {}, Gateway::legacy().tools(tools).list_meta(meta)).await?;
    let (service, rung) = origin(&catalog, "github__close_issue")?;
    match (service, rung) {
        (None, _) => Err(Miss::NotOffered("it does not use the names of known services".to_owned())),
        (Some("github"), Attribution::Prefix) => Ok("github, by its prefix".to_owned()),
        other => wrong(shown(&other)),
    }
}

async fn invents_nothing(stage: Stage) -> Verdict {
    let names = ["list_issues", "list_users", "get_issue", "get_user"];
    let tools = names.iter().map(|name| tool(name)).collect();
    let catalog = catalog(&stage, |_| {}, Gateway::legacy().tools(tools)).await?;
    for name in names {
        is_from(&catalog, name, None, Attribution::None)?;
    }
    let invented: Vec<_> = catalog.services.iter().map(|service| service.name.as_str()).collect();
    want(invented.is_empty(), || format!("the services {}", shown(&invented)))?;
    Ok("no service".to_owned())
}

/// A gateway with something for every rung.
fn mixed() -> (Vec<types::DeclaredService>, Gateway) {
    let tools = vec![
        tool("jira-create"),
        tool("jira-close"),
        claiming("send_message", "slack"),
        tool("slack__topic"),
        tool("plain_thing"),
    ];
    (vec![declared("jira", Some("jira-"))], Gateway::legacy().tools(tools))
}

async fn is_consistent(stage: Stage) -> Verdict {
    let (services, gateway) = mixed();
    let catalog = catalog(&stage, |e| e.services = services, gateway).await?;
    same("tools:", &catalog.tools.len(), &5)?;
    for tool in &catalog.tools {
        let provenance = &tool.provenance;
        let nobody = provenance.service.is_none();
        let consistent = nobody == (provenance.attribution == Attribution::None)
            && nobody == (provenance.confidence == Confidence::None);
        want(consistent, || {
            let found = (&provenance.service, provenance.attribution, provenance.confidence);
            format!("{}: service, attribution and confidence {}", tool.name, shown(&found))
        })?;
        want(!provenance.evidence.is_empty(), || format!("{}: evidence is empty", tool.name))?;
    }
    Ok("all 5 do".to_owned())
}

async fn counts_services(stage: Stage) -> Verdict {
    let (services, gateway) = mixed();
    let catalog = catalog(&stage, |e| e.services = services, gateway).await?;
    same("tools:", &catalog.tools.len(), &5)?;
    let mut attributed: Vec<&str> =
        catalog.tools.iter().filter_map(|tool| tool.provenance.service.as_deref()).collect();
    attributed.sort_unstable();
    attributed.dedup();
    for name in attributed {
        let own: Vec<_> =
            catalog.tools.iter().filter(|tool| tool.provenance.service.as_deref() == Some(name)).collect();
        let Some(service) = catalog.services.iter().find(|service| service.name == name) else {
            return wrong(format!("{name} has tools and is not among the services"));
        };
        same(&format!("the tools of {name}:"), &u64::from(service.tools), &(own.len() as u64))?;
        // The rungs are in order, the best first.
        let weakest = own.iter().map(|tool| tool.provenance.attribution as u8).max().unwrap_or_default();
        want(service.attribution as u8 == weakest, || format!("{name} is {}", shown(&service.attribution)))?;
    }
    let counted = catalog.services.iter().map(|service| format!("{} {}", service.name, service.tools));
    Ok(counted.collect::<Vec<_>>().join(", "))
}
