//! `tools --search WORDS` and `tools --tokens`: which tool, and what a catalogue costs.
//! Takes one gateway or all of them; gives tools, the best first. A gateway that cannot be read is said, and hides no other.

use std::fmt::Write as _;

use serde::Serialize;
use serde_json::json;

use super::{
    args,
    context::Context,
    look::{targets, within},
    render::{Table, count, dim, plain},
    screen::{BOLD, DIM, Reply, careful, styled},
};
use pflow_gateway::{
    catalogue::{Found, HOW, Index, tokens},
    config::{Filter, shown_target},
    report::{Tool, Tools},
};
use pflow_gateway_base::{Error, scrub};

/// Tools that are shown on a screen.
const SHOWN: usize = 20;

#[derive(Serialize)]
struct Answer<'a> {
    query: &'a str,
    /// Whose tools were searched.
    gateways: Vec<&'a str>,
    /// How many tools that were.
    searched: usize,
    matches: Vec<Match<'a>>,
    /// Gateways that could not be read.
    failed: Vec<Failed>,
    /// What may have been meant, when a word stands nowhere.
    instead: Option<&'a str>,
    error: Option<()>,
}

#[derive(Serialize)]
struct Match<'a> {
    gateway: &'a str,
    /// To be compared within one answer only.
    score: f64,
    /// What it costs a model, about.
    tokens: usize,
    #[serde(flatten)]
    tool: &'a Tool,
}

#[derive(Serialize)]
struct Failed {
    gateway: String,
    error: Error,
}

/// `tools --search`.
pub(super) async fn search(context: &Context, asked: &args::Tools, question: &str) -> Reply {
    let shape = json!({"query": question, "gateways": [], "searched": 0, "matches": [], "failed": []});
    let named: Vec<String> = asked.target.iter().cloned().collect();
    let all = match targets(context, &named) {
        Ok(all) => all,
        Err(error) => return Reply::failed(shape, error),
    };
    let narrow = asked.pick.filter(&asked.services);
    let (read, mut failed) = read(context, asked, &all, &narrow).await;
    if read.is_empty() && failed.len() == 1 {
        // The only one: its failure is the answer.
        return match failed.pop() {
            Some(only) => Reply::failed(shape, only.error),
            None => Reply::good(String::new(), &shape),
        };
    }
    let of: Vec<(&str, &Tool)> =
        read.iter().flat_map(|report| report.tools.iter().map(|tool| (report.gateway.as_str(), tool))).collect();
    let index = Index::new(of.iter().map(|(_, tool)| *tool));
    let matches: Vec<Match<'_>> = index
        .find(question)
        .into_iter()
        .filter_map(|Found { at, score }| {
            let (gateway, tool) = of.get(at)?;
            Some(Match { gateway, score: (score * 1_000.0).round() / 1_000.0, tokens: tokens(tool), tool })
        })
        .collect();
    let instead = index.instead(question);
    let answer = Answer {
        query: question,
        gateways: read.iter().map(|report| report.gateway.as_str()).collect(),
        searched: of.len(),
        matches,
        instead: instead.as_deref(),
        failed,
        error: None,
    };
    let mut text = shown(&answer);
    for warning in read.iter().flat_map(|report| &report.warnings).filter(|warning| warning.starts_with("no ")) {
        let _ = writeln!(text, "{} {}", careful(), scrub::line(warning, 300));
    }
    let mut reply = Reply::good(text, &answer);
    // Whoever asked everybody and heard nobody has no answer.
    reply.code = u8::from(answer.gateways.is_empty());
    reply
}

/// The catalogues, side by side, in the order of the names.
async fn read(context: &Context, asked: &args::Tools, all: &[String], narrow: &Filter) -> (Vec<Tools>, Vec<Failed>) {
    let mut looks = tokio::task::JoinSet::new();
    let mut answers: Vec<Option<Result<Tools, Error>>> = Vec::new();
    answers.resize_with(all.len(), || None);
    for (at, target) in all.iter().enumerate() {
        match context.asked(target, &asked.auth).await {
            Ok(gateway) => {
                let (narrow, by) = (narrow.clone(), context.deadline);
                looks.spawn(
                    async move { (at, within(by, &gateway, gateway.tools(&narrow)).await.and_then(|tools| tools)) },
                );
            }
            Err(error) => {
                if let Some(answer) = answers.get_mut(at) {
                    *answer = Some(Err(error));
                }
            }
        }
    }
    while let Some(look) = looks.join_next().await {
        if let Ok((at, answer)) = look
            && let Some(slot) = answers.get_mut(at)
        {
            *slot = Some(answer);
        }
    }
    let (mut read, mut failed) = (Vec::new(), Vec::new());
    for (target, answer) in all.iter().zip(answers) {
        match answer {
            Some(Ok(tools)) => read.push(tools),
            Some(Err(error)) => failed.push(Failed { gateway: shown_target(target), error }),
            None => {}
        }
    }
    (read, failed)
}

fn shown(answer: &Answer<'_>) -> String {
    let mut text = String::new();
    let several = answer.gateways.len() > 1;
    let mut table = Table::new();
    for found in answer.matches.iter().take(SHOWN) {
        let about = found.tool.description.as_deref().or(found.tool.title.as_deref()).unwrap_or_default();
        let gateway = if several { scrub::line(found.gateway, 100) } else { String::new() };
        let service = found.tool.service.as_deref().map_or_else(|| "-".to_owned(), |name| scrub::line(name, 100));
        table.row([
            dim(gateway),
            plain(scrub::line(&found.tool.name, 100)),
            dim(service),
            dim(scrub::line(about, 100)),
        ]);
    }
    table.print("", &mut text);
    let left = answer.matches.len().saturating_sub(SHOWN);
    if left > 0 {
        let _ = writeln!(text, "and {left} more: say more words, or take --json");
    }
    let of = format!("{} of {}", count(answer.searched, "tool"), count(answer.gateways.len(), "gateway"));
    let found = count(answer.matches.len(), "match").replace("matchs", "matches");
    let _ = writeln!(text, "{}", styled(DIM, &format!("{found} in {of}")));
    if let Some(instead) = answer.instead {
        let _ = writeln!(text, "  → did you mean {}?", scrub::line(instead, 100));
    }
    for failed in &answer.failed {
        let (gateway, message) = (scrub::line(&failed.gateway, 100), scrub::line(&failed.error.message, 300));
        let _ = writeln!(text, "{} {gateway} was not searched: {message}", careful());
    }
    text
}

#[derive(Serialize)]
struct Priced<'a> {
    tokens: usize,
    #[serde(flatten)]
    tool: &'a Tool,
}

#[derive(Serialize)]
struct Prices<'a> {
    gateway: &'a str,
    total: usize,
    pages: u32,
    filtered_out: usize,
    filtered_because: &'a std::collections::BTreeMap<String, usize>,
    tools: Vec<Priced<'a>>,
    tokens: usize,
    /// How they are counted.
    tokens_are: &'static str,
    warnings: &'a [String],
}

/// `tools --tokens`: the most expensive first.
pub(super) fn prices(report: &Tools) -> Reply {
    let mut tools: Vec<_> = report.tools.iter().map(|tool| Priced { tokens: tokens(tool), tool }).collect();
    tools.sort_by(|a, b| b.tokens.cmp(&a.tokens).then_with(|| a.tool.name.cmp(&b.tool.name)));
    let total: usize = tools.iter().map(|tool| tool.tokens).sum();
    let mut text = String::new();
    let mut table = Table::new();
    let widest = total.to_string().len();
    for priced in &tools {
        let service = priced.tool.service.as_deref().map_or_else(|| "-".to_owned(), |name| scrub::line(name, 100));
        table.row([
            plain(format!("{:>widest$}", priced.tokens)),
            plain(scrub::line(&priced.tool.name, 100)),
            dim(service),
        ]);
    }
    table.print("  ", &mut text);
    let _ = writeln!(text, "{}", styled(BOLD, &format!("About {total} tokens for {}", count(tools.len(), "tool"))));
    if report.filtered_out > 0 {
        let _ = writeln!(text, "  {} left out, not counted", report.filtered_out);
    }
    let _ = writeln!(text, "{}", styled(DIM, &format!("  {HOW}")));
    for warning in &report.warnings {
        let _ = writeln!(text, "{} {}", careful(), scrub::line(warning, 300));
    }
    let prices = Prices {
        gateway: &report.gateway,
        total: report.total,
        pages: report.pages,
        filtered_out: report.filtered_out,
        filtered_because: &report.filtered_because,
        tools,
        tokens: total,
        tokens_are: HOW,
        warnings: &report.warnings,
    };
    Reply::good(text, &prices)
}
