//! Health against the imitation gateways, with the real binary: what is remembered, what is noticed, and the monitor.
//! Takes the binary that `PFLOW_GATEWAY_BIN` names, or the one beside this test; never the network beyond loopback.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use pflow_gateway_tests::{
    context_forge::{self, ContextForge, Process, Reachable, SERVER},
    generic::{self, Generic, State},
    program::{Home, Program, Run},
    server::{Fake, Transport},
    services::numbered,
    wire::WireLog,
};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

const LONG: Duration = Duration::from_secs(120);

/// The binary, after one run that compiles the component.
async fn program() -> Program {
    static WARM: OnceCell<Program> = OnceCell::const_new();
    let warm = async {
        let program = Program::find().unwrap_or_else(|problem| panic!("{problem}"));
        let home = Home::new(&program, &json!({})).unwrap();
        let shown = home.run(&["test", "http://127.0.0.1:9/mcp", "--json"], Duration::from_secs(300)).await.unwrap();
        assert!(shown.code.is_some(), "the first run did not end: {}", shown.stderr);
        program
    };
    WARM.get_or_init(|| warm).await.clone()
}

fn entry(url: &str) -> Value {
    json!({"command": "pflow-gateway", "args": ["serve", "x"], "gateway": {"url": url}})
}

async fn generic(change: impl FnOnce(&mut generic::Config)) -> (Arc<Generic>, Fake) {
    let mut config = generic::Config::default();
    change(&mut config);
    let server = Arc::new(Generic::new(config));
    let fake = Fake::start(server.clone()).await.unwrap();
    (server, fake)
}

async fn health(home: &Home) -> (Run, Value) {
    let run = home.run(&["health", "--json"], LONG).await.unwrap();
    let json = run.json();
    assert!(json["gateways"].is_array(), "{run:?}");
    (run, json)
}

fn service<'a>(gateway: &'a Value, name: &str) -> &'a Value {
    let services = gateway["services"].as_array().unwrap();
    services.iter().find(|service| service["name"] == name).unwrap_or_else(|| panic!("no {name} in {gateway:#}"))
}

fn evidence(service: &Value) -> String {
    service["evidence"].as_array().unwrap().iter().map(|words| words.as_str().unwrap()).collect::<Vec<_>>().join("\n")
}

/// A program that is ended with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(home: &Home, program: &Program, words: &[&str]) -> Running {
    let _ = program;
    let target = std::env::current_exe().unwrap().ancestors().nth(2).unwrap().to_owned();
    let path = std::env::var_os("PFLOW_GATEWAY_BIN").map_or_else(|| target.join("pflow-gateway"), Into::into);
    let child = Command::new(path)
        .args(words)
        .env_clear()
        .env("HOME", home.path())
        .env("XDG_CACHE_HOME", target.join("tmp/pflow-gateway-cache"))
        .env("GATEWAY_TOKEN", "s3cret-of-the-gateway")
        .env("MONITOR_TOKEN", "s3cret-of-the-monitor")
        .current_dir(home.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    Running(child)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_fastmcp_would_drop_silently_is_named_with_its_tools() {
    let (server, fake) = generic(|_| {}).await;
    let home = Home::new(&program().await, &json!({"gw": entry(&fake.url())})).unwrap();
    let (run, first) = health(&home).await;
    assert_eq!(first["gateways"][0]["vanished"], json!([]), "{run:?}");
    assert_eq!(first["history_off"], Value::Null, "{run:?}");
    server.set("slack", State::Gone);
    let (run, down) = health(&home).await;
    let gateway = &down["gateways"][0];
    assert_eq!((run.code, &gateway["status"], &gateway["vanished"]), (Some(1), &json!("degraded"), &json!(["slack"])));
    let slack = service(gateway, "slack");
    assert_eq!(slack["status"], "offline");
    assert!(evidence(slack).contains("all its tools are gone: slack__"), "{slack:#}");
    assert!(!gateway["vanished_tools"].as_array().unwrap().is_empty() && slack["since"].is_string());
    // The same again, later: still gone, since the same moment.
    let (_, again) = health(&home).await;
    assert_eq!(service(&again["gateways"][0], "slack")["since"], slack["since"]);
    // `list` knows it, and asks nobody.
    drop(fake);
    let list = home.run(&["list", "--json"], LONG).await.unwrap().json();
    let last =
        list["gateways"].as_array().unwrap().iter().find(|gateway| gateway["gateway"] == "gw").unwrap()["last"].clone();
    assert_eq!(last["status"], "degraded", "{list:#}");
    assert!(last["age_seconds"].is_u64());
    let text = home.run(&["list"], LONG).await.unwrap().stdout;
    assert!(text.contains("degraded (slack offline)") && text.contains(" ago"), "{text}");
    let diff = home.run(&["snapshot", "diff", "gw", "--json"], LONG).await.unwrap().json();
    assert!(diff["gone"].as_array().unwrap().iter().all(|tool| tool["service"] == "slack"), "{diff:#}");
    let past = home.run(&["health", "--history", "--json"], LONG).await.unwrap().json();
    assert!(
        past["gateways"][0]["transitions"].as_array().unwrap().iter().any(|change| change["to"] == "offline"),
        "{past:#}"
    );
    let text = home.run(&["health", "--history", "--since", "1h"], LONG).await.unwrap().stdout;
    assert!(text.contains("% up") && text.contains("→ offline"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_gone_on_purpose_is_accepted_once() {
    let (server, fake) = generic(|_| {}).await;
    let home = Home::new(&program().await, &json!({"gw": entry(&fake.url())})).unwrap();
    health(&home).await;
    server.set("slack", State::Gone);
    assert_eq!(health(&home).await.0.code, Some(1));
    let accepted = home.run(&["snapshot", "accept", "gw"], LONG).await.unwrap();
    assert_eq!(accepted.code, Some(0), "{accepted:?}");
    let (_, after) = health(&home).await;
    assert_eq!(after["gateways"][0]["vanished"], json!([]));
    assert!(!after["gateways"][0]["services"].to_string().contains("slack"), "{after:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_catalogue_that_is_cut_at_exactly_100_is_warned_about() {
    let (server, fake) = generic(|config| config.services = vec![numbered("big", 150)]).await;
    let home = Home::new(&program().await, &json!({"gw": entry(&fake.url())})).unwrap();
    health(&home).await;
    server.change(|config| config.services = vec![numbered("big", 100)]);
    let (run, cut) = health(&home).await;
    let warnings = cut["gateways"][0]["warnings"].to_string();
    assert!(
        warnings.contains("ends at exactly 100 tools and may have been cut") && warnings.contains("there were 150"),
        "{warnings}"
    );
    assert_eq!((run.code, &cut["gateways"][0]["status"]), (Some(1), &json!("degraded")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_knows_for_certain_and_never_calls_what_may_change_something() {
    let (server, fake) = generic(|_| {}).await;
    let home = Home::new(&program().await, &json!({"gw": entry(&fake.url())})).unwrap();
    server.set("slack", State::Failing);
    let probes =
        ["health", "--json", "--probe", "slack=slack__list_channels", "--probe", "github=github__delete_branch"];
    let run = home.run(&probes, LONG).await.unwrap().json();
    let slack = service(&run["gateways"][0], "slack");
    assert!(evidence(slack).contains("probe slack__list_channels"), "{run:#}");
    assert_ne!(slack["status"], "ok");
    let github = evidence(service(&run["gateways"][0], "github"));
    assert!(github.contains("not called: it is marked as changing something"), "{github}");
    assert!(!format!("{:?}", fake.log()).contains("delete_branch"));
}

async fn forge() -> (Arc<ContextForge>, Fake, String) {
    let mut config = context_forge::Config::usual();
    config.limits.medium = 10_000;
    let token = config.token();
    let forge = Arc::new(ContextForge::new(config));
    let fake = Fake::start(forge.clone()).await.unwrap().at(&format!("/servers/{SERVER}/mcp"));
    (forge, fake, token)
}

fn ask(stdin: &mut ChildStdin, stdout: &mut BufReader<ChildStdout>, message: &Value) -> Value {
    writeln!(stdin, "{message}").unwrap();
    let mut line = String::new();
    loop {
        line.clear();
        assert!(stdout.read_line(&mut line).unwrap() > 0, "serve has ended");
        let answer: Value = serde_json::from_str(&line).unwrap();
        if answer["id"] == message["id"] {
            return answer;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_call_through_serve_makes_the_service_degraded_before_contextforge_notices() {
    let program = program().await;
    let (forge, fake, token) = forge().await;
    let entry = json!({"command": "x", "args": [], "gateway": {"url": fake.url(), "auth": {"type": "bearer", "token": "${CF_TOKEN}"}}});
    let home = Home::new(&program, &json!({"cf": entry})).unwrap().with("CF_TOKEN", &token);
    let (_, before) = health(&home).await;
    assert_eq!(service(&before["gateways"][0], "slack")["status"], "ok", "{before:#}");
    // The backend dies; ContextForge goes on saying that it is reachable.
    forge.backend("slack", |backend| backend.process = Process::Dead);
    let tool =
        home.run(&["tools", "cf", "--service", "slack", "--json"], LONG).await.unwrap().json()["tools"][0]["name"]
            .clone();
    fs::write(home.path().join(".pflow/settings.json"), json!({"env": {"CF_TOKEN": token}}).to_string()).unwrap();
    let mut serve = start(&home, &program, &["serve", "cf"]);
    let mut stdin = serve.0.stdin.take().unwrap();
    let mut stdout = BufReader::new(serve.0.stdout.take().unwrap());
    let answer = tokio::task::spawn_blocking(move || {
        let hello = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
            "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}});
        ask(&mut stdin, &mut stdout, &hello);
        writeln!(stdin, "{}", json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).unwrap();
        let call =
            json!({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": tool, "arguments": {}}});
        ask(&mut stdin, &mut stdout, &call)
    })
    .await
    .unwrap();
    drop(serve);
    let text = answer["result"]["content"].to_string();
    assert!(
        text.contains("slack: degraded since 20"),
        "the error names the service, its status and since when: {answer:#}"
    );
    let (_, after) = health(&home).await;
    let slack = service(&after["gateways"][0], "slack");
    assert_eq!(slack["status"], "degraded", "{after:#}");
    assert!(evidence(slack).contains("a call failed") && evidence(slack).contains("signals disagree"), "{slack:#}");
    // ContextForge notices; then the backend is back, and ContextForge says so.
    forge.backend("slack", |backend| backend.reachable = Reachable::No);
    let (_, down) = health(&home).await;
    assert_eq!(service(&down["gateways"][0], "slack")["status"], "offline", "{down:#}");
    forge.backend("slack", |backend| {
        backend.reachable = Reachable::Yes;
        backend.process = Process::Up;
    });
    let (_, back) = health(&home).await;
    assert_eq!(service(&back["gateways"][0], "slack")["status"], "ok", "{back:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_gateways_some_hung_some_down_are_all_reported_in_one_health() {
    let program = program().await;
    let deadline = 20;
    let mut fakes = Vec::new();
    let mut servers = json!({});
    for n in (0..200_usize).filter(|n| n % 10 != 9) {
        let fake = if n % 10 == 8 {
            let hung = Arc::new(Generic::new(generic::Config::default()));
            Fake::start_with(hung, Transport::NeverRead, WireLog::default(), 0).await.unwrap()
        } else {
            generic(|_| {}).await.1
        };
        servers[format!("gw{n:03}")] = entry(&fake.url());
        fakes.push(fake);
    }
    // Only now, so that no fake gets a port that was nobody's.
    for n in (9..200_usize).step_by(10) {
        servers[format!("gw{n:03}")] = entry(&format!("http://{}/mcp", Fake::nowhere().await.unwrap()));
    }
    let home = Home::new(&program, &servers).unwrap();
    let started = Instant::now();
    let mut running = start(&home, &program, &["health", "--json", "--timeout", &deadline.to_string()]);
    let mut stdout = running.0.stdout.take().unwrap();
    let pid = running.0.id();
    let (text, peak) = tokio::task::spawn_blocking(move || {
        let watch = std::thread::spawn(move || {
            let mut peak = 0_u64;
            while let Ok(status) = fs::read_to_string(format!("/proc/{pid}/status")) {
                let Some(line) = status.lines().find_map(|line| line.strip_prefix("VmHWM:")) else { break };
                peak = peak.max(line.trim().trim_end_matches(" kB").parse().unwrap_or(0));
                std::thread::sleep(Duration::from_millis(50));
            }
            peak
        });
        let mut text = String::new();
        stdout.read_to_string(&mut text).unwrap();
        drop(stdout);
        running.0.wait().unwrap();
        (text, watch.join().unwrap())
    })
    .await
    .unwrap();
    let took = started.elapsed();
    let report: Value = serde_json::from_str(&text).unwrap();
    let gateways = report["gateways"].as_array().unwrap();
    assert_eq!(gateways.len(), 200);
    let mut wrong = Vec::new();
    for (n, gateway) in gateways.iter().enumerate() {
        let n: usize = gateway["gateway"].as_str().unwrap().trim_start_matches("gw").parse().unwrap_or(n);
        let class = gateway["error"]["class"].as_str();
        let expected = match n % 10 {
            8 => Some("timeout"),
            9 => Some("unreachable"),
            _ => None,
        };
        if class != expected {
            wrong.push(format!("{n}: {}", gateway["error"]));
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
    let most = Duration::from_secs(deadline).mul_f64(1.5);
    assert!(took <= most, "it took {took:?}, and the slowest deadline is {deadline} s");
    if cfg!(target_os = "linux") {
        assert!(peak > 1_000 && peak <= 150 * 1024, "at most 150 MB; it was {peak} kB");
    }
    println_measured(took, peak);
}

fn println_measured(took: Duration, peak: u64) {
    println!("200 gateways: {took:?}, {peak} kB");
}

/// A GET by hand; the body, or what came of it within the time.
fn get(address: SocketAddr, path: &str, headers: &str, wait: Duration) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(wait)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n").unwrap();
    let mut all = Vec::new();
    let _ = stream.read_to_end(&mut all);
    String::from_utf8_lossy(&all).into_owned()
}

/// A monitor that listens, and what it said first.
fn monitor(home: &Home, program: &Program, more: &[&str]) -> (Running, SocketAddr) {
    let mut words = vec!["monitor", "--json", "--listen", "127.0.0.1:0", "--every", "1"];
    if !more.iter().any(|word| word.starts_with("--token")) {
        words.push("--no-token");
    }
    words.extend(more);
    let mut running = start(home, program, &words);
    let mut line = String::new();
    let mut stdout = BufReader::new(running.0.stdout.take().unwrap());
    stdout.read_line(&mut line).unwrap();
    let ready: Value = serde_json::from_str(&line).unwrap_or_else(|_| {
        let mut error = String::new();
        let _ = running.0.stderr.take().unwrap().read_to_string(&mut error);
        panic!("{line}{error}")
    });
    let address = ready["url"].as_str().unwrap().trim_start_matches("http://").trim_end_matches('/').parse().unwrap();
    running.0.stdout = Some(stdout.into_inner());
    (running, address)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_monitor_serves_page_metrics_json_and_events_and_no_secret() {
    let program = program().await;
    let (server, fake) =
        generic(|config| config.auth = generic::Auth::Bearer("s3cret-of-the-gateway".to_owned())).await;
    let entry = json!({"command": "x", "args": [], "gateway": {"url": fake.url(), "auth": {"type": "bearer", "token": "${GATEWAY_TOKEN}"}}});
    let home = Home::new(&program, &json!({"gw": entry})).unwrap();
    let changes = home.path().join("changes.jsonl");
    let on_change = format!("/usr/bin/tee -a {}", changes.display());
    let (running, address) = monitor(&home, &program, &["--on-change", &on_change]);
    tokio::task::spawn_blocking(move || {
        let until = |path: &str, words: &str| {
            let end = Instant::now() + Duration::from_secs(60);
            loop {
                let text = get(address, path, "", Duration::from_secs(10));
                if text.contains(words) {
                    return text;
                }
                assert!(Instant::now() < end, "no {words} at {path}: {text}");
                std::thread::sleep(Duration::from_millis(200));
            }
        };
        let json = until("/health.json", "\"gateway\":\"gw\"");
        assert!(json.starts_with("HTTP/1.1 200") && json.contains("\"status\":"), "{json}");
        // The change arrives on a stream that is open already.
        let stream = std::thread::spawn(move || {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
            write!(stream, "GET /events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").unwrap();
            let mut text = String::new();
            for line in BufReader::new(stream).lines() {
                let line = line.unwrap();
                text.push_str(&line);
                text.push('\n');
                if line.starts_with("data: ") && line.contains("\"to\":\"offline\"") {
                    break;
                }
            }
            text
        });
        std::thread::sleep(Duration::from_millis(500));
        server.set("slack", State::Gone);
        let events = stream.join().unwrap();
        assert!(events.contains("event: transition") && events.contains("\"service\":\"slack\""), "{events}");
        let page = until("/", "data-service=\"slack\" data-status=\"offline\"");
        let metrics = until("/metrics", "service=\"slack\",pflow_gateway_service_status=\"offline\"} 1");
        assert!(metrics.contains("application/openmetrics-text") && metrics.ends_with("# EOF\n"), "{metrics}");
        assert!(page.to_lowercase().contains("content-security-policy: default-src 'none'"));
        for (path, code) in [("/nothing", "404"), ("/part", "200")] {
            assert!(get(address, path, "", Duration::from_secs(10)).starts_with(&format!("HTTP/1.1 {code}")), "{path}");
        }
        let mut all =
            format!("{page}{metrics}{json}{events}{}", get(address, "/health.json", "", Duration::from_secs(10)));
        let end = Instant::now() + Duration::from_secs(30);
        while !fs::read_to_string(&changes).unwrap_or_default().contains("offline") {
            assert!(Instant::now() < end, "--on-change was not run");
            std::thread::sleep(Duration::from_millis(100));
        }
        all.push_str(&fs::read_to_string(&changes).unwrap());
        drop(running);
        for file in ["history.db", "history.db-wal"] {
            all.push_str(&String::from_utf8_lossy(
                &fs::read(home.path().join(".pflow/gateway").join(file)).unwrap_or_default(),
            ));
        }
        assert!(!all.contains("s3cret"));
        // Another name that leads here, as a page elsewhere could have it.
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_monitor_listens_elsewhere_only_with_a_token_and_to_nobody_by_a_foreign_name() {
    let program = program().await;
    let (_, fake) = generic(|_| {}).await;
    let home = Home::new(&program, &json!({"gw": entry(&fake.url())})).unwrap();
    let run = home.run(&["monitor", "--listen", "0.0.0.0:0", "--no-token"], LONG).await.unwrap();
    assert_eq!(run.code, Some(2), "{run:?}");
    assert!(run.stderr.contains("leave out --no-token"), "{run:?}");
    let run = home.run(&["monitor", "--listen", "0.0.0.0:0", "--token-env", "NOT_SET"], LONG).await.unwrap();
    assert_eq!(run.code, Some(2), "{run:?}");
    let (open, address) = monitor(&home, &program, &[]);
    let (locked, behind) = monitor(&home, &program, &["--token-env", "MONITOR_TOKEN"]);
    tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        write!(stream, "GET /health.json HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        assert!(text.starts_with("HTTP/1.1 421"), "{text}");
        let wait = Duration::from_secs(10);
        for path in ["/", "/metrics", "/health.json", "/events", "/part", "/nothing"] {
            assert!(get(behind, path, "", wait).starts_with("HTTP/1.1 401"), "{path}");
        }
        assert!(
            get(behind, "/metrics", "Authorization: Bearer s3cret-of-the-monitor\r\n", wait)
                .starts_with("HTTP/1.1 200")
        );
        drop((open, locked));
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_history_health_still_reports_and_says_why() {
    let (_, fake) = generic(|_| {}).await;
    let program = program().await;
    let home = Home::new(&program, &json!({"gw": entry(&fake.url())})).unwrap();
    let folder = home.path().join(".pflow/gateway");
    // No folder to be made.
    fs::write(&folder, "in the way").unwrap();
    let (run, report) = health(&home).await;
    assert!(report["history_off"].as_str().unwrap().contains("cannot be made"), "{run:?}");
    assert_eq!(report["gateways"][0]["services"].as_array().unwrap().len(), 3, "{report:#}");
    let text = home.run(&["health"], LONG).await.unwrap().stdout;
    assert!(text.contains("history is off: "), "{text}");
    let past = home.run(&["health", "--history"], LONG).await.unwrap();
    assert_eq!(past.code, Some(2), "{past:?}");
    // A file that is broken.
    fs::remove_file(&folder).unwrap();
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("history.db"), "no database at all ".repeat(500)).unwrap();
    let run = home.run(&["health", "--json"], LONG).await.unwrap();
    assert_eq!(run.json()["history_off"], Value::Null, "{run:?}");
    assert!(run.stderr.contains("is kept as"), "{run:?}");
    let kept = fs::read_dir(&folder)
        .unwrap()
        .filter(|file| file.as_ref().unwrap().file_name().to_string_lossy().contains("broken"))
        .count();
    assert_eq!(kept, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_exit_code_is_as_asked() {
    let (server, fake) = generic(|config| config.meta = generic::Meta::Outcomes).await;
    let home = Home::new(&program().await, &json!({"gw": entry(&fake.url())})).unwrap();
    let code = async |words: &[&str]| home.run(words, LONG).await.unwrap().code;
    health(&home).await;
    server.set("slack", State::Gone);
    assert_eq!(code(&["health"]).await, Some(1));
    assert_eq!(code(&["health", "--fail-on", "offline"]).await, Some(1));
    assert_eq!(code(&["health", "--fail-on", "never"]).await, Some(2));
    assert_eq!(code(&["health", "--since", "1h"]).await, Some(2), "--since is for --history");
}

#[tokio::test(flavor = "multi_thread")]
async fn watching_prints_a_line_of_json_per_report() {
    let program = program().await;
    let (server, fake) = generic(|_| {}).await;
    let home = Home::new(&program, &json!({"gw": entry(&fake.url())})).unwrap();
    let mut running = start(&home, &program, &["health", "--watch", "0.2", "--json"]);
    let stdout = BufReader::new(running.0.stdout.take().unwrap());
    let mut stderr = running.0.stderr.take().unwrap();
    tokio::task::spawn_blocking(move || {
        let mut looks = 0;
        for line in stdout.lines() {
            let report: Value = serde_json::from_str(&line.unwrap()).unwrap();
            assert_eq!(report["gateway"], "gw");
            looks += 1;
            if looks == 3 {
                server.set("slack", State::Gone);
            }
            if report["vanished"] == json!(["slack"]) {
                break;
            }
            assert!(looks < 200);
        }
        drop(running);
        let mut told = String::new();
        stderr.read_to_string(&mut told).unwrap();
        assert!(told.contains("gw slack") && told.contains("→ offline"), "{told}");
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_monitor_follows_the_server_file() {
    let program = program().await;
    let (_, one) = generic(|_| {}).await;
    let (_, two) = generic(|_| {}).await;
    let home = Home::new(&program, &json!({"one": entry(&one.url())})).unwrap();
    let (running, address) = monitor(&home, &program, &[]);
    let file = home.path().join(".pflow/mcp-servers.json");
    let configure = |servers: Value| fs::write(&file, json!({"mcpServers": servers}).to_string()).unwrap();
    let until = async |what: &str, is: &(dyn Fn(&[String]) -> bool + Sync)| {
        let end = Instant::now() + Duration::from_secs(60);
        loop {
            let get = move || get(address, "/health.json", "", Duration::from_secs(10));
            let text = tokio::task::spawn_blocking(get).await.unwrap();
            let json: Value =
                serde_json::from_str(text.split("\r\n\r\n").nth(1).unwrap_or_default()).unwrap_or_default();
            let gateways = json["gateways"].as_array().cloned().unwrap_or_default();
            let names: Vec<String> = gateways.iter().map(|gateway| gateway["gateway"].to_string()).collect();
            if is(&names) && json["waiting"] == 0 {
                return;
            }
            assert!(Instant::now() < end, "{what}: {text}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    until("the first one", &|names| names == ["\"one\""]).await;
    configure(json!({"one": entry(&one.url()), "two": entry(&two.url())}));
    until("an added one", &|names| names == ["\"one\"", "\"two\""]).await;
    fs::write(&file, "{ half").unwrap();
    configure(json!({"two": entry(&two.url())}));
    until("one that is left", &|names| names == ["\"two\""]).await;
    drop(running);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_monitor_takes_over_a_component_that_is_chosen_while_it_runs() {
    let program = program().await;
    let (_, one) = generic(|_| {}).await;
    let home = Home::new(&program, &json!({"one": entry(&one.url())})).unwrap();
    let (mut running, _) = monitor(&home, &program, &["-v"]);
    let stderr = running.0.stderr.take().unwrap();
    let (told, mut lines) = tokio::sync::mpsc::unbounded_channel();
    std::thread::spawn(move || {
        BufReader::new(stderr).lines().map_while(Result::ok).try_for_each(|line| told.send(line))
    });
    let mut until = async |words: &str| {
        let wait = tokio::time::timeout(Duration::from_secs(60), async {
            while let Some(line) = lines.recv().await {
                if line.contains(words) && line.contains("answers from now on") {
                    return;
                }
            }
            panic!("the monitor ended before it said {words:?}");
        });
        wait.await.unwrap_or_else(|_| panic!("the monitor never said {words:?}"));
    };
    // The built-in component with another digest: a custom section that means nothing.
    let mut bytes = pflow_gateway::runtime::BUILT_IN.to_vec();
    bytes.extend([0, 6, 5]);
    bytes.extend(b"other");
    fs::write(home.path().join("other.wasm"), bytes).unwrap();
    for (words, expected) in
        [(&["component", "use", "other.wasm"][..], "other.wasm"), (&["component", "reset"], "the built-in component")]
    {
        let run = home.run(words, Duration::from_secs(60)).await.unwrap();
        assert_eq!(run.code, Some(0), "{run:?}");
        until(expected).await;
    }
    let status = home.run(&["health", "one", "--json"], Duration::from_secs(60)).await.unwrap();
    assert_eq!(status.code, Some(0), "{status:?}");
}
