//! `filter.select`: which tools a user wants. A truth table.
//! Looks at the verdicts: none to keep a tool, or a reason. Which of several reasons is given, is the component's business.

use super::{
    super::{
        gateway::Gateway,
        stage::{Scene, Stage},
        verdict::{Miss, Verdict, describe, ok, same, shown, want, wrong},
    },
    checks,
};
use pflow_gateway_runtime::{
    Failure, Stopped,
    filter::{Candidate, Reason, Rules},
    types::{Annotations, Attribution, Confidence},
};

checks! { Filter:
    keeps_everything, "filter.rules",
        "keeps everything but control tools when there are no rules",
        "keep, keep, and a reason for the control tool";
    one_verdict_each, "filter.select",
        "gives one verdict per candidate, in order",
        "300 verdicts, every third one a reason";
    includes_services, "filter.rules.include-services",
        "keeps only tools of included services",
        "github and gitlab kept by git*, slack and a tool without a service left out";
    wants_certainty, "filter.rules.claims",
        "keeps of an included service only what is certain, unless claims are believed",
        "a claimed and a guessed tool of github left out, kept with claims, and kept where no service is included";
    spells_out_pretenders, "filter.rules",
        "includes a name in disguise only by its exact spelling",
        "github kept by g*; with a Cyrillic letter or a zero-width space in it left out, and kept when spelled out";
    excludes_services, "filter.rules.exclude-services",
        "leaves out tools of excluded services",
        "slack left out, github and a tool without a service kept";
    includes_tools, "filter.rules.include-tools",
        "keeps only included tools",
        "list_issues and list_users kept by list_*, create_issue left out";
    excludes_tools, "filter.rules.exclude-tools",
        "leaves out excluded tools, even included ones",
        "list_users left out although list_* includes it";
    all_rules_together, "filter.rules",
        "keeps only what every rule allows",
        "one tool kept of four";
    matches_whole_names, "filter.rules",
        "matches globs against whole names, with *, ?, […] and {a,b}",
        "as a table of 12 patterns says";
    minds_the_case, "filter.rules",
        "matches case-sensitively",
        "List_* does not keep list_issues";
    only_read_only, "filter.rules.read-only",
        "keeps only tools that are hinted to be read-only, when asked",
        "kept with readOnlyHint true, left out with false, without it, and without hints";
    nothing_destructive, "filter.rules.no-destructive",
        "leaves out what may be destructive by MCP's default",
        "kept with destructiveHint false or readOnlyHint true, left out with true, without it, and without hints";
    control_tools_on_request, "filter.rules.control-tools",
        "keeps control tools when they are asked for",
        "kept with control-tools, and when include-tools names one exactly; left out by the glob mcp-*";
    names_a_broken_glob, "filter.pattern-error",
        "names the pattern that is no glob",
        "pattern-error with the pattern a[b";
    says_what_it_looks_at, "filter.looks-at",
        "says what it wants to see of a tool, the same each time",
        "the same details twice, and no request";
    stays_pure, "filter",
        "decides without traffic and without memory",
        "no request, and the same verdicts for the same question";
}

fn rules() -> Rules {
    Rules {
        include_services: Vec::new(),
        exclude_services: Vec::new(),
        include_tools: Vec::new(),
        exclude_tools: Vec::new(),
        read_only: false,
        no_destructive: false,
        control_tools: false,
        claims: false,
    }
}

fn list(patterns: &[&str]) -> Vec<String> {
    patterns.iter().map(|&pattern| pattern.to_owned()).collect()
}

fn tool(name: &str, service: Option<&str>) -> Candidate {
    let attribution = if service.is_some() { Attribution::Reported } else { Attribution::None };
    let confidence = if service.is_some() { Confidence::Certain } else { Confidence::None };
    Candidate {
        name: name.to_owned(),
        service: service.map(str::to_owned),
        attribution,
        confidence,
        annotations: None,
        title: None,
        description: None,
        input_schema: None,
        meta: None,
        original_name: None,
    }
}

fn hinted(name: &str, read_only: Option<bool>, destructive: Option<bool>) -> Candidate {
    let hints = Annotations { title: None, read_only, destructive, idempotent: None, open_world: None };
    Candidate { annotations: Some(hints), ..tool(name, Some("github")) }
}

fn control(name: &str) -> Candidate {
    Candidate { attribution: Attribution::Control, ..tool(name, Some("gateway")) }
}

/// An instance beside a gateway that must never hear of it.
async fn scene(stage: &Stage) -> Result<Scene, Miss> {
    stage.scene(Gateway::legacy()).await
}

async fn verdicts(scene: &mut Scene, rules: &Rules, candidates: &[Candidate]) -> Result<Vec<Option<Reason>>, Miss> {
    ok("select", scene.guest.select(rules, candidates).await)
}

/// Which of the candidates must be kept.
async fn keeps(stage: Stage, rules: Rules, expected: &[(Candidate, bool)]) -> Verdict {
    let candidates: Vec<Candidate> = expected.iter().map(|(candidate, _)| candidate.clone()).collect();
    let verdicts = verdicts(&mut scene(&stage).await?, &rules, &candidates).await?;
    let mut kept = 0;
    for ((candidate, keep), verdict) in expected.iter().zip(&verdicts) {
        want(verdict.is_none() == *keep, || {
            format!("{} of {:?} is {}", candidate.name, candidate.service, in_words(verdict.as_ref()))
        })?;
        kept += usize::from(*keep);
    }
    Ok(format!("{kept} of {} kept", expected.len()))
}

fn in_words(verdict: Option<&Reason>) -> String {
    verdict.map_or_else(|| "kept".to_owned(), |reason| format!("left out ({})", shown(reason)))
}

async fn keeps_everything(stage: Stage) -> Verdict {
    let expected =
        [(tool("list_issues", Some("github")), true), (tool("send_message", None), true), (control("mcp-add"), false)];
    keeps(stage, rules(), &expected).await
}

async fn wants_certainty(stage: Stage) -> Verdict {
    let unsure =
        |name: &str, attribution, confidence| Candidate { attribution, confidence, ..tool(name, Some("github")) };
    let expected = |kept| {
        [
            (tool("list", Some("github")), true),
            (unsure("claimed", Attribution::Claimed, Confidence::High), kept),
            (unsure("guessed", Attribution::Inferred, Confidence::Low), kept),
        ]
    };
    let github = Rules { include_services: list(&["github"]), ..rules() };
    keeps(stage.clone(), github.clone(), &expected(false)).await?;
    keeps(stage.clone(), Rules { claims: true, ..github }, &expected(true)).await?;
    keeps(stage, rules(), &expected(true)).await
}

async fn spells_out_pretenders(stage: Stage) -> Verdict {
    let evil = ["g\u{456}thub", "git\u{200b}hub"];
    let expected =
        |kept| [(tool("a", Some("github")), true), (tool("b", Some(evil[0])), kept), (tool("c", Some(evil[1])), kept)];
    keeps(stage.clone(), Rules { include_services: list(&["g*"]), ..rules() }, &expected(false)).await?;
    let spelled = list(&["github", evil[0], evil[1]]);
    keeps(stage, Rules { include_services: spelled, ..rules() }, &expected(true)).await
}

async fn one_verdict_each(stage: Stage) -> Verdict {
    let rules = Rules { exclude_tools: list(&["drop_*"]), ..rules() };
    let expected: Vec<(Candidate, bool)> = (0..300)
        .map(|n| {
            let keep = n % 3 != 0;
            (tool(&format!("{}_{n}", if keep { "keep" } else { "drop" }), Some("github")), keep)
        })
        .collect();
    keeps(stage, rules, &expected).await
}

async fn includes_services(stage: Stage) -> Verdict {
    let rules = Rules { include_services: list(&["git*"]), ..rules() };
    let expected = [
        (tool("a", Some("github")), true),
        (tool("b", Some("gitlab")), true),
        (tool("c", Some("slack")), false),
        (tool("d", None), false),
    ];
    keeps(stage, rules, &expected).await
}

async fn excludes_services(stage: Stage) -> Verdict {
    let rules = Rules { exclude_services: list(&["sl?ck"]), ..rules() };
    let expected = [(tool("a", Some("github")), true), (tool("b", Some("slack")), false), (tool("c", None), true)];
    keeps(stage, rules, &expected).await
}

async fn includes_tools(stage: Stage) -> Verdict {
    let rules = Rules { include_tools: list(&["list_*"]), ..rules() };
    let expected = [
        (tool("list_issues", Some("github")), true),
        (tool("list_users", None), true),
        (tool("create_issue", Some("github")), false),
    ];
    keeps(stage, rules, &expected).await
}

async fn excludes_tools(stage: Stage) -> Verdict {
    let rules = Rules { include_tools: list(&["list_*"]), exclude_tools: list(&["*_users"]), ..rules() };
    let expected = [(tool("list_issues", Some("github")), true), (tool("list_users", Some("github")), false)];
    keeps(stage, rules, &expected).await
}

async fn all_rules_together(stage: Stage) -> Verdict {
    let rules =
        Rules { include_services: list(&["github"]), include_tools: list(&["list_*"]), read_only: true, ..rules() };
    let of = |service: &str, candidate: Candidate| Candidate { service: Some(service.to_owned()), ..candidate };
    let expected = [
        (hinted("list_issues", Some(true), None), true),
        (hinted("list_users", None, None), false),
        (hinted("get_issue", Some(true), None), false),
        (of("slack", hinted("list_channels", Some(true), None)), false),
    ];
    keeps(stage, rules, &expected).await
}

async fn matches_whole_names(stage: Stage) -> Verdict {
    let mut scene = scene(&stage).await?;
    let table = [
        ("list_*", "list_issues", true),
        ("list_*", "relist_issues", false),
        ("list", "list_issues", false),
        ("*", "a/b.c", true),
        ("*_issues", "list_issues", true),
        ("get_?", "get_x", true),
        ("get_?", "get_xy", false),
        ("[a-m]*", "find", true),
        ("[a-m]*", "search", false),
        ("{get,list}_issue", "get_issue", true),
        ("{get,list}_issue", "put_issue", false),
        ("größe_*", "größe_messen", true),
    ];
    for (pattern, name, kept) in table {
        let rules = Rules { include_tools: list(&[pattern]), ..rules() };
        let found = verdicts(&mut scene, &rules, &[tool(name, None)]).await?;
        let verdict = found.first().and_then(Option::as_ref);
        want(verdict.is_none() == kept, || format!("{name} is {} by {pattern}", in_words(verdict)))?;
    }
    Ok("all 12".to_owned())
}

async fn minds_the_case(stage: Stage) -> Verdict {
    let rules = Rules { include_tools: list(&["List_*"]), ..rules() };
    keeps(stage, rules, &[(tool("list_issues", None), false), (tool("List_issues", None), true)]).await
}

async fn only_read_only(stage: Stage) -> Verdict {
    let rules = Rules { read_only: true, ..rules() };
    let expected = [
        (hinted("a", Some(true), None), true),
        (hinted("b", Some(false), None), false),
        (hinted("c", None, Some(false)), false),
        (tool("d", Some("github")), false),
    ];
    keeps(stage, rules, &expected).await
}

async fn nothing_destructive(stage: Stage) -> Verdict {
    let rules = Rules { no_destructive: true, ..rules() };
    let expected = [
        (hinted("a", Some(false), Some(false)), true),
        (hinted("b", Some(true), None), true),
        (hinted("c", None, Some(true)), false),
        (hinted("d", Some(false), None), false),
        (tool("e", Some("github")), false),
    ];
    keeps(stage, rules, &expected).await
}

async fn control_tools_on_request(stage: Stage) -> Verdict {
    let asked = Rules { control_tools: true, ..rules() };
    keeps(stage.clone(), asked, &[(control("mcp-add"), true)]).await?;
    let named = Rules { include_tools: list(&["mcp-add"]), ..rules() };
    keeps(stage.clone(), named, &[(control("mcp-add"), true), (control("mcp-find"), false)]).await?;
    let globbed = Rules { include_tools: list(&["mcp-*"]), ..rules() };
    keeps(stage, globbed, &[(control("mcp-add"), false)]).await?;
    Ok("kept when asked for or named, not by a glob".to_owned())
}

async fn names_a_broken_glob(stage: Stage) -> Verdict {
    let rules = Rules { exclude_tools: list(&["fine", "a[b"]), ..rules() };
    match scene(&stage).await?.guest.select(&rules, &[tool("x", None)]).await {
        Ok(verdicts) => wrong(format!("the verdicts {}", shown(&verdicts))),
        // What the host makes of `pattern-error`.
        Err(Failure::Host(Stopped::NotAGlob { pattern, .. })) if pattern == "a[b" => Ok(pattern),
        Err(failure) => wrong(describe(&failure)),
    }
}

async fn says_what_it_looks_at(stage: Stage) -> Verdict {
    let mut scene = scene(&stage).await?;
    let first = ok("looks-at", scene.guest.looks_at().await)?;
    verdicts(&mut scene, &rules(), &[tool("a", None)]).await?;
    let again = ok("looks-at", scene.guest.looks_at().await)?;
    want(first == again, || format!("{first:?}, then {again:?}"))?;
    same("requests:", &scene.peer.received().len(), &0)?;
    Ok(format!("{first:?}"))
}

async fn stays_pure(stage: Stage) -> Verdict {
    let mut scene = scene(&stage).await?;
    let rules = Rules { include_services: list(&["github"]), no_destructive: true, ..rules() };
    let candidates =
        [hinted("a", Some(true), None), tool("b", Some("github")), tool("c", Some("slack")), control("mcp-add")];
    let first = verdicts(&mut scene, &rules, &candidates).await?;
    let kept: Vec<bool> = first.iter().map(Option::is_none).collect();
    same("kept are", &kept, &vec![true, false, false, false])?;
    verdicts(&mut scene, &Rules { exclude_tools: list(&["*"]), ..rules.clone() }, &candidates).await?;
    let again = verdicts(&mut scene, &rules, &candidates).await?;
    let words =
        |verdicts: &[Option<Reason>]| verdicts.iter().map(|verdict| in_words(verdict.as_ref())).collect::<Vec<_>>();
    same("the second time, the verdicts are", &words(&again), &words(&first))?;
    let sent = scene.peer.received().len();
    same("requests:", &sent, &0)?;
    Ok("no request, the same verdicts".to_owned())
}
