//! What must become of every attack, in the order of `attacks.in`.
//! Takes a [`Strike`] and runs it; fails when the host gave more than it should, or told it wrongly.

use pflow_gateway::runtime::{Stopped, types};

use super::{
    server::Seen,
    stand::{Outcome, Strike, TOKEN},
};

/// Attacks that end at the same limit.
macro_rules! limited {
    ($limit:literal: $($name:ident),+ $(,)?) => {
        $(pub(super) async fn $name(strike: Strike<'_>) {
            strike.run().await.limit($limit);
        })+
    };
}

/// Attacks that get an answer, and the answer is this.
macro_rules! answered {
    ($($name:ident: $answer:literal),+ $(,)?) => {
        $(pub(super) async fn $name(strike: Strike<'_>) {
            assert_eq!(strike.run().await.answer(), $answer);
        })+
    };
}

/// Attacks that end as a failure of the component, with these words in the error.
macro_rules! failed {
    ($($name:ident: $words:literal),+ $(,)?) => {
        $(pub(super) async fn $name(strike: Strike<'_>) {
            strike.run().await.failed($words);
        })+
    };
}

limited!("cpu":
    spin_in_open,
    spin_in_session,
    spin_in_renew,
    spin_in_list_tools,
    spin_in_close,
    spin_in_select,
    spin_in_check,
    spin_in_call_tool,
    spin_in_cancel,
    spin_in_destructor,
    spin_in_host_calls,
    spin_in_empty_waits,
    spin_in_bulk_copies,
);
limited!("wall": sleep_for_centuries, sleep_in_slices);
answered!(sleep_in_the_past: "awake, and time goes on");

limited!("memory": grow_memory, grow_memory_in_open);

pub(super) async fn grow_memory_and_go_on(strike: Strike<'_>) {
    let outcome = strike.run().await;
    let mib: usize =
        outcome.answer().strip_prefix("refused after ").and_then(|t| t.strip_suffix(" MiB")).unwrap().parse().unwrap();
    assert!((20..=32).contains(&mib), "{mib} MiB of 32");
}

limited!("stack": recurse, recurse_in_open);
limited!("transfer": huge_string, huge_catalogue, huge_verdicts, poll_the_same_a_million_times);

pub(super) async fn wrong_number_of_verdicts(strike: Strike<'_>) {
    let outcome = strike.run().await;
    let stopped = outcome.stopped();
    assert!(matches!(stopped, Stopped::Verdicts { given: 7, tools: 1 }), "{stopped:?}");
}

pub(super) async fn huge_error(strike: Strike<'_>) {
    // The contract allows it; whoever shows it bounds it (`gateway::explain`). It was within `transfer`.
    let outcome = strike.run().await;
    let (error, seen) = outcome.judged();
    assert!(matches!(error.code, types::FailureCode::Rejected) && error.message.len() > 100_000);
    assert!(seen.is_none());
}

limited!("handles": leak_pollables, leak_headers, leak_own_resources);
failed!(forged_handle: "unknown handle index", handle_dropped_twice: "unknown handle index");

failed!(
    panic_with_control_characters: "boom",
    panic_with_a_megabyte: "the end",
    panic_in_destructor: "in the destructor",
    panic_in_open: "not today",
    exit: "status 1",
    exit_with_success: "status 0",
);

answered!(flood_the_log: "told", flood_the_log_with_nothing: "told", flood_stdout: "told", flood_stderr: "told");

pub(super) async fn flood_events(strike: Strike<'_>) {
    let outcome = strike.run().await;
    assert_eq!(outcome.answer(), "told");
    // 64 KiB, 256 bytes each.
    assert!((200..=256).contains(&outcome.events), "{} events", outcome.events);
}

pub(super) async fn flood_events_with_megabytes(strike: Strike<'_>) {
    let outcome = strike.run().await;
    assert_eq!(outcome.answer(), "told");
    assert!(outcome.event_bytes <= 64 << 10, "{} bytes", outcome.event_bytes);
}

answered!(
    read_the_environment: "0 variables, 0 arguments, folder None",
    read_files: "0 folders, 0 files",
    write_files: "0 files",
    read_stdin: "0 bytes, its end",
    open_sockets: "opened []",
    look_names_up: "0 names",
    start_a_thread: "refused",
    find_a_terminal: "0 terminals",
);
failed!(random_without_end: "exceeds limit");

/// None of the targets was reached, and each denial says so.
fn denied(outcome: &Outcome, targets: usize) {
    let lines = outcome.lines();
    assert_eq!(lines.len(), targets, "{lines:?}");
    for (target, got) in lines {
        assert!(
            got.contains("Denied") || got.contains("Prohibited") || got.contains("refused") || got.contains("Invalid"),
            "{target}: {got}"
        );
    }
    assert!(outcome.on_the_wire.is_empty(), "{:?}", outcome.on_the_wire);
}

async fn denied_all(strike: Strike<'_>, targets: &[&str]) {
    denied(&strike.at(targets).run().await, targets.len());
}

pub(super) async fn other_host(strike: Strike<'_>) {
    strike.stand.names.set("evil.example", "127.0.0.1");
    let port = strike.stand.server.address.port();
    let targets = [
        format!("http://evil.example:{port}/"),
        format!("http://localhost:{port}/"),
        format!("http://127.0.0.2:{port}/"),
    ];
    denied_all(strike, &targets.each_ref().map(String::as_str)).await;
}

pub(super) async fn other_port(strike: Strike<'_>) {
    let targets = [strike.stand.elsewhere.url(), "http://127.0.0.1/".into(), "http://127.0.0.1:1/".into()];
    denied_all(strike, &targets.each_ref().map(String::as_str)).await;
}

pub(super) async fn other_scheme(strike: Strike<'_>) {
    let authority = strike.stand.server.address;
    let targets = ["https", "ws", "file", "ftp", "gopher", "HTTPS"].map(|scheme| format!("{scheme}://{authority}/"));
    denied_all(strike, &targets.each_ref().map(String::as_str)).await;
}

pub(super) async fn metadata_address(strike: Strike<'_>) {
    denied_all(
        strike,
        &[
            "http://169.254.169.254/latest/meta-data/",
            "http://metadata.google.internal/computeMetadata/v1/",
            "http://[fd00:ec2::254]/latest/meta-data/",
            "http://100.100.100.200/latest/meta-data/",
            "http://2852039166/latest/meta-data/",
            "http://0xa9fea9fe/",
            "http://0251.0376.0251.0376/",
        ],
    )
    .await;
}

pub(super) async fn mapped_ipv6(strike: Strike<'_>) {
    let port = strike.stand.elsewhere.address.port();
    let hosts = [
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "[::1]",
        "[::]",
    ];
    let targets = hosts.map(|host| format!("http://{host}:{port}/"));
    denied_all(strike, &targets.each_ref().map(String::as_str)).await;
}

pub(super) async fn odd_spellings(strike: Strike<'_>) {
    let (own, port) = (strike.stand.server.address, strike.stand.elsewhere.address.port());
    let targets = [
        format!("http://{own}@127.0.0.1:{port}/"),
        format!("http://user:pass@127.0.0.1:{port}/"),
        format!("http://127.1:{port}/"),
        format!("http://0x7f000001:{port}/"),
        format!("http://2130706433:{port}/"),
        format!("http://017700000001:{port}/"),
        format!("http://0:{port}/"),
        format!("http://127.0.0.1.:{port}/"),
        format!("http://127.0.0.1%2f:{port}/"),
        format!("http://127。0。0。1:{port}/"),
    ];
    denied_all(strike, &targets.each_ref().map(String::as_str)).await;
}

/// A name that the user allowed, and that its owner points at this machine, at a private network, at a metadata service.
pub(super) async fn private_name(strike: Strike<'_>) {
    let port = strike.stand.elsewhere.address.port();
    let origins: Vec<String> = (0..8).map(|n| format!("http://friendly{n}.example:{port}")).collect();
    let addresses = [
        "127.0.0.1",
        "10.0.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "::1",
        "::ffff:127.0.0.1",
        "64:ff9b::7f00:1",
        "0.0.0.0",
    ];
    for (n, address) in addresses.iter().enumerate() {
        strike.stand.names.set(&format!("friendly{n}.example"), address);
    }
    let targets: Vec<&str> = origins.iter().map(String::as_str).collect();
    let strike = targets.iter().fold(strike, |strike, origin| strike.allow(origin));
    let outcome = strike.at(&targets).run().await;
    denied(&outcome, targets.len());
    assert!(outcome.lines().iter().all(|(_, got)| got.contains("Prohibited")), "{:?}", outcome.lines());
}

pub(super) async fn redirect(strike: Strike<'_>) {
    let outcome = strike.run().await;
    let lines = outcome.lines();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].1.starts_with("status: 302"), "the host followed it: {lines:?}");
    assert!(lines[1].1.contains("Denied"), "{lines:?}");
}

/// The names of headers in all requests, lower-cased, with their values.
fn headers(requests: &[String]) -> Vec<(String, String)> {
    let lines = requests.iter().flat_map(|head| head.lines().skip(1)).filter_map(|line| line.split_once(':'));
    lines.map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim().to_owned())).collect()
}

/// Whatever was sent is one request per request, to the right host, with the host's credential and no other.
fn clean(outcome: &Outcome) {
    for request in &outcome.on_the_wire {
        assert!(
            !request.contains("evil.example") && !request.contains("forged") && !request.contains("smuggled"),
            "{request}"
        );
        let headers = headers(std::slice::from_ref(request));
        let of = |wanted: &str| {
            headers.iter().filter(|(name, _)| name == wanted).map(|(_, value)| value.as_str()).collect::<Vec<_>>()
        };
        assert_eq!(of("authorization"), [format!("Bearer {TOKEN}")], "{request}");
        assert_eq!(of("host").len(), 1, "{request}");
    }
}

pub(super) async fn smuggle_host(strike: Strike<'_>) {
    clean(&strike.run().await);
}

pub(super) async fn smuggle_authorization(strike: Strike<'_>) {
    let outcome = strike.run().await;
    assert!(outcome.answer().contains("refused"), "{}", outcome.answer());
    for request in &outcome.on_the_wire {
        // A header of which the host knows nothing is the component's own business.
        assert!(
            !request.contains("Bearer forged")
                && !request.contains("Basic forged")
                && !request.contains("session=forged"),
            "{request}"
        );
    }
}

pub(super) async fn smuggle_lines(strike: Strike<'_>) {
    let outcome = strike.run().await;
    assert!(!outcome.lines().iter().any(|(_, got)| got.starts_with("status")), "{:?}", outcome.lines());
    clean(&outcome);
}

pub(super) async fn smuggle_a_request(strike: Strike<'_>) {
    let outcome = strike.run().await;
    outcome.answer();
    clean(&outcome);
    for request in &outcome.on_the_wire {
        assert!(!request.to_ascii_lowercase().contains("h2c"), "{request}");
    }
}

pub(super) async fn smuggle_by_method(strike: Strike<'_>) {
    let outcome = strike.run().await;
    clean(&outcome);
    for request in &outcome.on_the_wire {
        assert!(
            !request.starts_with("TRACE") && !request.starts_with("CONNECT") && !request.starts_with("GET"),
            "{request}"
        );
    }
}

pub(super) async fn echoed_credentials(strike: Strike<'_>) {
    let outcome = strike.run().await;
    assert!(
        outcome.on_the_wire.iter().all(|request| request.contains(TOKEN)),
        "the host sent no credential: nothing was tried"
    );
    // `answer` looks for the token.
    let answer = outcome.answer();
    assert!(answer.to_ascii_lowercase().contains("authorization: bearer"), "nothing was echoed: {answer}");
}

/// It ended early, with these words, and egress knows why.
async fn cut(strike: Strike<'_>, words: &str) {
    let outcome = strike.run().await;
    assert!(outcome.answer().contains(words), "{}", &outcome.answer()[..outcome.answer().len().min(2_000)]);
}

pub(super) async fn endless_body(strike: Strike<'_>) {
    let outcome = strike.run().await;
    assert!(outcome.answer().len() < 2 << 20, "{} bytes", outcome.answer().len());
    assert!(outcome.answer().contains("broken:"));
}

pub(super) async fn endless_headers(strike: Strike<'_>) {
    cut(strike, "error: ").await;
}

pub(super) async fn endless_upload(strike: Strike<'_>) {
    let outcome = strike.run().await;
    let sent: u64 =
        outcome.answer().strip_prefix("ended after ").and_then(|t| t.split(':').next()).unwrap().parse().unwrap();
    // What is in flight is not counted yet when the write returns.
    assert!(sent < 2 << 20, "{sent} bytes");
}

/// The server has as long as the call: no second clock runs out before it.
pub(super) async fn silent_server(strike: Strike<'_>) {
    strike.run().await.limit("wall");
}

pub(super) async fn responses_kept_open(strike: Strike<'_>) {
    cut(strike, "8 open, then error: ").await;
}

pub(super) async fn requests_left_behind(strike: Strike<'_>) {
    let seen: &Seen = &strike.stand.server.seen;
    let outcome = strike.run().await;
    assert_eq!(outcome.answer(), "8 left");
    // That they end with the conversation is what `is_left_alone` looks at.
    assert!(seen.connections() > 0, "none was sent");
}

pub(super) async fn ten_thousand_requests(strike: Strike<'_>) {
    let outcome = strike.run().await;
    assert!(outcome.answer().starts_with("200 answered, then error: "), "{}", outcome.answer());
    assert_eq!(outcome.on_the_wire.len(), 200);
    assert_eq!(outcome.requests, 200);
    assert!(outcome.answer().contains("ConnectionLimitReached"), "{}", outcome.answer());
}

/// Nothing of it left: the path is neither the endpoint nor allowed.
async fn fenced_off(strike: Strike<'_>, paths: &[&'static str], asked: &[&str]) {
    let outcome = strike.fenced(paths).asking(asked).run().await;
    denied(&outcome, asked.len());
}

pub(super) async fn other_paths(strike: Strike<'_>) {
    let asked = [
        "GET /admin",
        "GET /v1/tools",
        "GET /mcp",
        "GET //",
        "GET /%2f",
        "GET /?",
        "GET /.",
        "GET /health/",
        "GET /Health",
    ];
    // The last but seven is the endpoint itself in another spelling of nothing: a query is no path.
    let outcome = strike.fenced(&[]).asking(&asked).run().await;
    let lines = outcome.lines();
    assert_eq!(lines.len(), asked.len(), "{lines:?}");
    for (target, got) in lines {
        assert_eq!(got.starts_with("status: 200"), target.ends_with("/?"), "{target}: {got}");
    }
    assert!(outcome.on_the_wire.iter().all(|request| request.starts_with("GET /? ")), "{:?}", outcome.on_the_wire);
}

pub(super) async fn other_methods(strike: Strike<'_>) {
    let asked = [
        "PUT /",
        "PATCH /",
        "OPTIONS /",
        "MKCOL /",
        "PROPFIND /",
        "delete /",
        "Post /",
        "POST /health",
        "DELETE /health",
        "PUT /open/a",
        "DELETE /open/a",
    ];
    fenced_off(strike, &["/open/*"], &asked).await;
}

pub(super) async fn dotted_paths(strike: Strike<'_>) {
    let asked = [
        "GET /open/..",
        "GET /open/../admin",
        "GET /open/./../admin",
        "GET /open/a/../../admin",
        "GET /open/.",
        "GET /open//admin",
        "GET /open/a//../admin",
        "GET /open",
        "GET /openly",
    ];
    fenced_off(strike, &["/open/*"], &asked).await;
}

pub(super) async fn decoded_paths(strike: Strike<'_>) {
    let asked = [
        "GET /open/%2e%2e/admin",
        "GET /open/%2E./admin",
        "GET /open/%252e%252e/admin",
        "GET /open/..%2fadmin",
        "GET /open/%2e%2e%2fadmin",
        "GET /open/..%5cadmin",
        "GET /open%2f..%2fadmin",
        "GET /open/a%00/../admin",
        "GET /%6fpen/../admin",
        "GET /open/a%0d%0aadmin",
    ];
    fenced_off(strike, &["/open/*"], &asked).await;
}

pub(super) async fn path_parameters(strike: Strike<'_>) {
    let asked = ["GET /open/..;/admin", "GET /open/..;a=b/admin", "GET /open/%2e%2e;/admin", "GET /open/.;/../admin"];
    fenced_off(strike, &["/open/*"], &asked).await;
}

pub(super) async fn targets_of_other_forms(strike: Strike<'_>) {
    let elsewhere = strike.stand.elsewhere.url();
    let targets =
        [format!("{elsewhere}/"), "*".into(), "evil.example:80".into(), "//evil.example/".into(), "admin".into()];
    let outcome = strike.fenced(&[]).at(&targets.each_ref().map(String::as_str)).run().await;
    let lines = outcome.lines();
    assert_eq!(lines.len(), 2 * targets.len(), "{lines:?}");
    assert!(lines.iter().all(|(_, got)| !got.starts_with("status")), "{lines:?}");
    assert!(outcome.on_the_wire.is_empty(), "{:?}", outcome.on_the_wire);
}

pub(super) async fn redirect_behind_the_fence(strike: Strike<'_>) {
    let outcome = strike.fenced(&["/open/*"]).asking(&["GET /open/leave"]).run().await;
    assert!(outcome.lines()[0].1.starts_with("status: 307"), "{:?}", outcome.lines());
    assert_eq!(outcome.on_the_wire.len(), 1, "{:?}", outcome.on_the_wire);
}

/// Each of these headers is refused when it is set, and none was sent.
async fn no_header(strike: Strike<'_>, count: usize) {
    let outcome = strike.run().await;
    let lines = outcome.lines();
    assert_eq!(lines.len(), count, "{lines:?}");
    assert!(lines.iter().all(|(_, got)| got.contains("header refused")), "{lines:?}");
    assert!(outcome.on_the_wire.is_empty(), "{:?}", outcome.on_the_wire);
}

pub(super) async fn override_the_method(strike: Strike<'_>) {
    no_header(strike, 5).await;
}

pub(super) async fn stand_in_addresses(strike: Strike<'_>) {
    no_header(strike, 12).await;
}

pub(super) async fn stand_in_users(strike: Strike<'_>) {
    no_header(strike, 7).await;
}

pub(super) async fn underscored_headers(strike: Strike<'_>) {
    no_header(strike, 6).await;
}

pub(super) async fn hop_by_hop_headers(strike: Strike<'_>) {
    no_header(strike, 11).await;
}

failed!(headers_without_end: "exceeds limit", header_of_a_megabyte: "exceeds limit");

pub(super) async fn other_codings_asked_for(strike: Strike<'_>) {
    let outcome = strike.run().await;
    assert_eq!(outcome.on_the_wire.len(), 2, "nothing was tried: {}", outcome.answer());
    let headers = headers(&outcome.on_the_wire);
    let asked: Vec<_> = headers.iter().filter(|(name, _)| name == "accept-encoding").collect();
    assert!(asked.len() == 2 && asked.iter().all(|(_, value)| value == "gzip, deflate, br"), "{asked:?}");
}

pub(super) async fn read_the_cookies(strike: Strike<'_>) {
    let outcome = strike.run().await;
    let sent =
        outcome.on_the_wire.iter().filter(|request| request.contains("cookie: session=c00kie-0123456789-abcdef"));
    assert_eq!(sent.count(), 2, "the host sent no cookie: nothing was tried");
    let answer = outcome.answer();
    assert!(answer.contains("session="), "nothing was echoed: {answer}");
    assert!(!answer.contains("c00kie-0123456789-abcdef") && !answer.contains("set-cookie"), "{answer}");
}

pub(super) async fn cookies_of_others(strike: Strike<'_>) {
    let outcome = strike.run().await;
    assert_eq!(outcome.on_the_wire.len(), 2);
    assert!(outcome.on_the_wire.iter().all(|request| !request.contains("forged")), "{:?}", outcome.on_the_wire);
}

pub(super) async fn cookies_without_end(strike: Strike<'_>) {
    let outcome = strike.run().await;
    assert_eq!(outcome.answer(), "all set");
    let longest = outcome.on_the_wire.iter().map(String::len).max().unwrap_or_default();
    assert!((1_000..12 << 10).contains(&longest), "{longest} bytes");
}

pub(super) async fn redirect_to_itself(strike: Strike<'_>) {
    let outcome = strike.run().await;
    assert!(outcome.answer().contains("LoopDetected"), "{}", outcome.answer());
    assert_eq!(outcome.on_the_wire.len(), 1);
}

pub(super) async fn redirect_for_ever(strike: Strike<'_>) {
    let outcome = strike.run().await;
    assert!(outcome.answer().contains("LoopDetected"), "{}", outcome.answer());
    assert_eq!((outcome.on_the_wire.len(), outcome.requests), (21, 21));
}

pub(super) async fn redirect_with_a_body(strike: Strike<'_>) {
    // That nobody else was reached is what `is_left_alone` looks at.
    let outcome = strike.asking(&["GET /away", "HEAD /away"]).run().await;
    assert!(outcome.lines().iter().all(|(_, got)| got.starts_with("status: 307")), "{:?}", outcome.lines());
}

pub(super) async fn redirect_in_odd_spellings(strike: Strike<'_>) {
    let asked: Vec<String> = (0..10).map(|n| format!("GET /odd-{n}")).collect();
    let outcome = strike.asking(&asked.iter().map(String::as_str).collect::<Vec<_>>()).run().await;
    let lines = outcome.lines();
    assert_eq!(lines.len(), 10);
    assert!(lines.iter().all(|(_, got)| got.starts_with("status: 308") || got.starts_with("error")), "{lines:?}");
    assert_eq!(outcome.on_the_wire.len(), 10, "one was followed: {:?}", outcome.on_the_wire);
}

/// Its body is cut, and before it was much.
async fn undone_in_part(strike: Strike<'_>) {
    let outcome = strike.run().await;
    let answer = outcome.answer();
    assert!(answer.len() < 2 << 20, "{} bytes", answer.len());
    assert!(answer.contains("broken:"), "{}", &answer[..answer.len().min(500)]);
}

pub(super) async fn gzip_bomb(strike: Strike<'_>) {
    undone_in_part(strike).await;
}

pub(super) async fn bomb_in_a_bomb(strike: Strike<'_>) {
    undone_in_part(strike).await;
}

pub(super) async fn gzip_head_without_end(strike: Strike<'_>) {
    undone_in_part(strike).await;
}

pub(super) async fn gzip_members_without_end(strike: Strike<'_>) {
    undone_in_part(strike).await;
}

pub(super) async fn codings_on_codings(strike: Strike<'_>) {
    let outcome = strike.asking(&["GET /codings-4", "GET /codings-3000"]).run().await;
    for (target, got) in outcome.lines() {
        assert!(got.starts_with("error: ") && got.contains("ContentCoding"), "{target}: {got}");
    }
    assert_eq!(outcome.on_the_wire.len(), 2);
}

pub(super) async fn coding_that_nobody_knows(strike: Strike<'_>) {
    let outcome = strike.run().await;
    assert!(outcome.answer().contains("broken:") && !outcome.answer().contains("hostile"), "{}", outcome.answer());
}

pub(super) async fn retry_after_centuries(strike: Strike<'_>) {
    let waits = [
        "4294967295",
        "99999999999999999999999",
        "-1",
        "1e9",
        "NaN",
        "Fri,_31_Dec_9999_23:59:59_GMT",
        "0x10",
        "Thu,_01_Jan_1970_00:00:99_GMT",
        "",
    ];
    let asked: Vec<String> = waits.iter().map(|wait| format!("GET /wait-{wait}")).collect();
    let outcome = strike.asking(&asked.iter().map(String::as_str).collect::<Vec<_>>()).run().await;
    let lines = outcome.lines();
    assert_eq!(lines.len(), waits.len());
    assert!(lines.iter().all(|(_, got)| got.starts_with("status: 503")), "{lines:?}");
    assert_eq!(outcome.on_the_wire.len(), waits.len(), "{:?}", outcome.on_the_wire);
}

pub(super) async fn retry_at_once_for_ever(strike: Strike<'_>) {
    let outcome = strike.asking(&["GET /wait-0", "GET /wait-0", "POST /wait-0"]).run().await;
    assert!(outcome.lines()[0].1.starts_with("status: 503"), "{:?}", outcome.lines());
    let gets = outcome.on_the_wire.iter().filter(|request| request.starts_with("GET")).count();
    // Each is asked once more, and no more than that; what may change something is not.
    assert_eq!((gets, outcome.on_the_wire.len()), (4, 5), "{:?}", outcome.on_the_wire);
}

/// An answer may be long in coming; the call ends when its time does.
pub(super) async fn provisional_answers_without_end(strike: Strike<'_>) {
    strike.run().await.limit("wall");
}

pub(super) async fn trailers_without_end(strike: Strike<'_>) {
    undone_in_part(strike).await;
}

pub(super) async fn chunk_extension_without_end(strike: Strike<'_>) {
    undone_in_part(strike).await;
}

pub(super) async fn two_lengths(strike: Strike<'_>) {
    cut(strike, "error: ").await;
}

pub(super) async fn answer_that_stops_short(strike: Strike<'_>) {
    undone_in_part(strike).await;
}

pub(super) async fn statuses_out_of_range(strike: Strike<'_>) {
    let asked = [
        "GET /status-099",
        "GET /status-000",
        "GET /status-1000",
        "GET /status-abc",
        "GET /status--20",
        "GET /status-999",
    ];
    let outcome = strike.asking(&asked).run().await;
    let lines = outcome.lines();
    assert_eq!(lines.len(), asked.len(), "{lines:?}");
    for (target, got) in lines {
        assert_eq!(got.starts_with("status: 999"), target.ends_with("999"), "{target}: {got}");
        assert!(got.starts_with("status: 999") || got.starts_with("error: "), "{target}: {got}");
    }
}

pub(super) async fn options_out_of_range(strike: Strike<'_>) {
    let outcome = strike.run().await;
    let lines = outcome.lines();
    assert_eq!(lines.len(), 5, "{lines:?}");
    assert!(lines[0].1.starts_with("status: 200"), "{lines:?}");
    assert!(
        lines
            .iter()
            .all(|(_, got)| got.starts_with("status: 200") || got.contains("imeout") || got.contains("refused")),
        "{lines:?}"
    );
}
