//! `review`: rules, and what they find in tools.
//! Looks at what is said of tools that hide something and of plain ones; which rules there are is the component's business.

use std::collections::BTreeSet;

use super::{
    super::{
        gateway::Gateway,
        stage::Stage,
        verdict::{Miss, Verdict, ok, same, shown, want},
    },
    checks,
};
use pflow_gateway_runtime::types::{Attribution, Confidence, Provenance, Tool};

checks! { Review:
    names_its_rules, "review.rule",
        "gives every rule an identifier, a title and an explanation",
        "lower-case letters, digits and -, at most 40, each once, in their order; no text empty";
    keeps_to_its_rules, "review.finding",
        "finds by its own rules, in the tools that it was given, and shows invisible characters",
        "rule and tool of each finding are known, at is at most 500 and excerpt at most 200 characters, with nothing hidden in them";
    judges_without_traffic, "review",
        "judges without traffic and without memory",
        "the same findings twice, and no request";
    takes_many_tools, "review.review",
        "takes 1,000 tools in one look",
        "an answer within the time of a check";
}

fn tool(name: &str, description: &str) -> Tool {
    Tool {
        name: name.to_owned(),
        title: None,
        description: Some(description.to_owned()),
        input_schema: r#"{"type":"object","properties":{"to":{"description":"whom\u200b to write"}}}"#.to_owned(),
        output_schema: None,
        annotations: None,
        icons: None,
        meta: None,
        provenance: Provenance {
            service: Some("mail".to_owned()),
            service_id: None,
            attribution: Attribution::Reported,
            confidence: Confidence::Certain,
            evidence: "the kit says so".to_owned(),
            original_name: None,
        },
    }
}

/// Each of these has something that a rule may mind.
fn odd() -> Vec<Tool> {
    let far = format!("Reads.{}And sends them on.", "\n".repeat(40));
    vec![
        tool("send_mai1", "Sends."),
        tool("send_mail", "Sends.\u{e0049}\u{e0067}\u{e006e}"),
        tool("s\u{435}nd", "Sends. [bank via gw]"),
        tool("read", &far),
        tool(&"long_".repeat(40), "Deletes the production database."),
    ]
}

async fn names_its_rules(stage: Stage) -> Verdict {
    let mut scene = stage.scene(Gateway::legacy()).await?;
    let rules = ok("rules", scene.guest.rules().await)?;
    if rules.is_empty() {
        return Err(Miss::NotOffered("it has no rules".to_owned()));
    }
    let ids: Vec<&str> = rules.iter().map(|rule| rule.id.as_str()).collect();
    let letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let good = |id: &&str| !id.is_empty() && id.len() <= 40 && id.chars().all(letter);
    want(ids.iter().all(good) && ids.is_sorted(), || format!("the ids are {}", shown(&ids)))?;
    same("different ids:", &ids.iter().collect::<BTreeSet<_>>().len(), &ids.len())?;
    let whole = rules.iter().all(|rule| !rule.title.trim().is_empty() && !rule.explanation.trim().is_empty());
    want(whole, || format!("a title or an explanation is empty: {}", shown(&rules)))?;
    Ok(ids.join(", "))
}

async fn keeps_to_its_rules(stage: Stage) -> Verdict {
    let mut scene = stage.scene(Gateway::legacy()).await?;
    let (rules, odd) = (ok("rules", scene.guest.rules().await)?, odd());
    let found = ok("review", scene.guest.review(&odd).await)?;
    for finding in &found {
        let rule = rules.iter().any(|rule| rule.id == finding.rule);
        let tool = finding.tool.as_ref().is_none_or(|name| odd.iter().any(|tool| tool.name == *name));
        want(rule && tool, || format!("rule or tool is unknown: {}", shown(finding)))?;
        let short = finding.at.chars().count() <= 500 && finding.excerpt.chars().count() <= 200;
        want(short, || format!("at or excerpt is too long: {}", shown(finding)))?;
        let texts = [&finding.at, &finding.excerpt, &finding.message];
        let seen = texts.iter().all(|text| !pflow_gateway_unseen::hides(text));
        want(seen && !finding.message.trim().is_empty(), || format!("hidden, or without words: {}", shown(finding)))?;
    }
    if rules.is_empty() {
        want(found.is_empty(), || format!("{} findings without a rule", found.len()))?;
        return Err(Miss::NotOffered("it has no rules".to_owned()));
    }
    Ok(format!("{} findings", found.len()))
}

async fn judges_without_traffic(stage: Stage) -> Verdict {
    let mut scene = stage.scene(Gateway::legacy()).await?;
    let odd = odd();
    let before = ok("review", scene.guest.review(&odd).await)?;
    ok("review", scene.guest.review(&[]).await)?;
    let again = ok("review", scene.guest.review(&odd).await)?;
    same("the second time:", &format!("{again:?}"), &format!("{before:?}"))?;
    let asked = scene.peer.received().len();
    want(asked == 0, || format!("{asked} requests"))?;
    Ok(format!("{} findings, twice", before.len()))
}

async fn takes_many_tools(stage: Stage) -> Verdict {
    let mut scene = stage.scene(Gateway::legacy()).await?;
    let many: Vec<Tool> = (0..1_000).map(|at| tool(&format!("tool_{at}"), "Does what its name says.")).collect();
    let found = ok("review", scene.guest.review(&many).await)?;
    Ok(format!("{} findings", found.len()))
}
