//! `pace calls`: how long a call takes, alone and beside others.
//! Takes a server, a tool, how many calls and how many of them at once; prints calls per second and the latencies. Never counts a
//! call that gave another answer than the server's.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use clap::Args;
use rmcp::model::{CallToolRequestParams, CallToolResult};
use serde_json::json;

use crate::{
    Result,
    client::{Connection, To},
};

#[derive(Args)]
pub(crate) struct Options {
    #[command(flatten)]
    to: To,
    #[arg(long, default_value = "github_tool_0")]
    tool: String,
    #[arg(long, default_value_t = 500)]
    count: usize,
    /// So many are under way at any time
    #[arg(long, default_value_t = 1)]
    at_once: usize,
}

pub(crate) fn calls(options: &Options) -> Result {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(measure(options))
}

async fn measure(options: &Options) -> Result {
    let started = Instant::now();
    let connection = Arc::new(options.to.connect().await?);
    let connected = started.elapsed();
    let tools = connection.list_all_tools().await?.len();
    let listed = started.elapsed();
    // Connections, caches, threads: what only the first ones pay.
    many(&connection, options, options.at_once * 2).await?;
    let begun = Instant::now();
    let mut latencies = many(&connection, options, options.count).await?;
    let took = begun.elapsed();
    latencies.sort_unstable();
    let at = |share: usize| latencies.get((latencies.len() - 1) * share / 100).copied().unwrap_or_default();
    #[expect(clippy::cast_precision_loss, reason = "some thousand calls")]
    let per_second = latencies.len() as f64 / took.as_secs_f64();
    println!(
        "{}",
        json!({
            "tools": tools, "calls": latencies.len(), "calls_per_second": per_second,
            "median_ms": ms(at(50)), "p90_ms": ms(at(90)), "max_ms": ms(at(100)),
            "connected_ms": ms(connected), "listed_ms": ms(listed),
        })
    );
    if let Some(connection) = Arc::into_inner(connection) {
        connection.cancel().await?;
    }
    Ok(())
}

/// So many calls, `at_once` of them under way at any time; how long each took.
async fn many(connection: &Arc<Connection>, options: &Options, count: usize) -> Result<Vec<Duration>> {
    let workers = options.at_once.max(1);
    let mut running = Vec::with_capacity(workers);
    for worker in 0..workers {
        let share = count / workers + usize::from(worker < count % workers);
        let (connection, tool) = (Arc::clone(connection), options.tool.clone());
        running.push(tokio::spawn(async move {
            let mut took = Vec::with_capacity(share);
            for _ in 0..share {
                let started = Instant::now();
                let answer = connection.call_tool(CallToolRequestParams::new(tool.clone())).await?;
                took.push(started.elapsed());
                if !is_right(&answer, &tool) {
                    return Err(format!("another answer than the server's: {answer:?}").into());
                }
            }
            Result::Ok(took)
        }));
    }
    let mut all = Vec::with_capacity(count);
    for worker in running {
        all.append(&mut worker.await??);
    }
    Ok(all)
}

fn is_right(answer: &CallToolResult, tool: &str) -> bool {
    let text = answer.content.first().and_then(|block| block.as_text());
    answer.is_error != Some(true) && text.is_some_and(|text| text.text == format!("{tool} ran"))
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
