//! What can only be seen in a process where nothing else runs: memory, threads, descriptors, and the bytes of linear memories.
//! Each test runs this program again with one test that is otherwise ignored.

use std::{fs, os::unix::fs::FileExt as _, process::Command, sync::Arc, time::Duration};

use pflow_gateway::{
    config::GatewayConfig,
    egress::{Credentials, Egress, EgressLimits},
    runtime::{CodeStore, Conversation, Limits, Runtime, Source},
};
use pflow_gateway_tests::{
    docker::{Config, Docker},
    server::Fake,
};

use super::{
    ATTACKS, guest,
    stand::{PATIENCE, RecordedEvents, Stand, TOKEN, call, endpoint, limits},
};

fn in_a_process_of_its_own(test: &str) {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--ignored", "--nocapture", "--test-threads=1"])
        .output()
        .unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}");
    assert!(said.contains("1 passed"), "no such test: {said}");
    for line in said.lines().filter(|line| line.starts_with("  ")) {
        println!("{line}");
    }
}

#[test]
fn hundreds_of_attacks_in_a_row_leave_nothing_behind() {
    in_a_process_of_its_own("alone::all_attacks_in_rounds");
}

#[test]
fn a_token_is_nowhere_in_the_components_memory() {
    in_a_process_of_its_own("alone::memory_after_a_call_with_a_token");
}

/// What this process uses.
#[derive(Clone, Copy, Debug)]
struct Use {
    kib: u64,
    threads: u64,
    descriptors: usize,
}

impl Use {
    fn now() -> Self {
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let number = |key: &str| {
            let line = status.lines().find(|line| line.starts_with(key)).unwrap();
            line.split_whitespace().nth(1).unwrap().parse().unwrap()
        };
        Self {
            kib: number("VmRSS:"),
            threads: number("Threads:"),
            descriptors: fs::read_dir("/proc/self/fd").unwrap().count(),
        }
    }
}

/// `SANDBOX_ROUNDS` makes it longer.
#[tokio::test]
#[ignore = "run by `hundreds_of_attacks_in_a_row_leave_nothing_behind`"]
async fn all_attacks_in_rounds() {
    let rounds: usize = std::env::var("SANDBOX_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(3);
    let component = guest::component("hostile");
    let code = CodeStore { packaged: None, cache: component.parent().map(|folder| folder.join("code")) };
    let limits = Limits { cpu: Duration::from_millis(150), wall: Duration::from_millis(600), ..limits() };
    let stand = Stand::with(Runtime::with(&Source::File(component.clone()), limits, &code).unwrap()).await;
    let round = async || {
        for (name, point) in ATTACKS {
            let target = stand.elsewhere.url();
            // How it ends is tested elsewhere; that it ends, and what is left, here.
            stand.strike(name, *point).at(&[&target]).run().await;
            stand.behaves().await;
            stand.is_left_alone().await;
        }
    };
    round().await;
    let before = Use::now();
    for _ in 0..rounds {
        round().await;
    }
    let after = Use::now();
    println!("  {} attacks: {before:?} before, {after:?} after", rounds * ATTACKS.len());
    assert!(after.kib < before.kib + 32 * 1024, "memory grew: {before:?}, {after:?}");
    assert!(after.threads <= before.threads, "threads are left: {before:?}, {after:?}");
    assert!(after.descriptors <= before.descriptors, "descriptors are left: {before:?}, {after:?}");
    // And the engine's clock ends with the engine.
    drop(stand);
    for _ in 0..100 {
        if Use::now().threads < before.threads {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the engine's clock still runs: {:?}", Use::now());
}

/// The contents of all linear memories of this process.
///
/// wasmtime reserves gibibytes of addresses behind every memory, so that bounds checks are page faults: what is writable and lies right
/// before such a reservation is a linear memory.
fn linear_memories() -> Vec<Vec<u8>> {
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let maps: Vec<(u64, u64, &str)> = maps
        .lines()
        .map(|line| {
            let (range, rest) = line.split_once(' ').unwrap();
            let (start, end) = range.split_once('-').unwrap();
            let number = |hex| u64::from_str_radix(hex, 16).unwrap();
            (number(start), number(end), rest.get(..4).unwrap())
        })
        .collect();
    let memory = fs::File::open("/proc/self/mem").unwrap();
    let mut found = Vec::new();
    for (at, (start, end, rights)) in maps.iter().enumerate() {
        if *rights != "---p" || end - start < 1 << 30 {
            continue;
        }
        let mut begin = *start;
        for (start, end, rights) in maps[..at].iter().rev() {
            if *end != begin || !rights.starts_with("rw") {
                break;
            }
            begin = *start;
        }
        if begin < *start {
            let mut bytes = vec![0; usize::try_from(start - begin).unwrap()];
            memory.read_exact_at(&mut bytes, begin).unwrap();
            found.push(bytes);
        }
    }
    found
}

fn holds(memories: &[Vec<u8>], needle: &[u8]) -> bool {
    memories.iter().any(|memory| memory.windows(needle.len()).any(|window| window == needle))
}

#[tokio::test]
#[ignore = "run by `a_token_is_nowhere_in_the_components_memory`"]
async fn memory_after_a_call_with_a_token() {
    const MARK: &str = "mark-that-the-component-has-seen-7f3a";
    assert!(linear_memories().is_empty(), "something looks like a linear memory before there is one");
    let gateway = Docker::new(Config { token: Some(TOKEN.into()), ..Config::default() });
    let fake = Fake::start(Arc::new(gateway)).await.unwrap();
    let config = GatewayConfig::for_url(&fake.url()).unwrap();
    let egress = Egress::new(&config.way_out().unwrap(), &EgressLimits::default()).unwrap();
    let bearer = format!("Bearer {TOKEN}").into();
    egress.set_credentials(Credentials::none().with(http::header::AUTHORIZATION, &bearer).unwrap());
    let code =
        CodeStore { packaged: None, cache: guest::component("hostile").parent().map(|folder| folder.join("code")) };
    let runtime = Runtime::with(&Source::BuiltIn, Limits::default(), &code).unwrap();
    let mut conversation =
        Conversation::start(&runtime, egress, Arc::new(RecordedEvents::default()), PATIENCE).await.unwrap();
    conversation.open(&endpoint(fake.url()), None, PATIENCE).await.unwrap();
    let catalog = conversation.list_tools(PATIENCE).await.unwrap();
    let mut call = call(format!(r#"{{"text":"{MARK}"}}"#));
    call.tool.clone_from(&catalog.tools.first().unwrap().name);
    let _ = conversation.call_tool(&call, PATIENCE).await;

    let memories = linear_memories();
    let found: usize = memories.iter().map(Vec::len).sum();
    println!("  {} linear memories, {found} bytes", memories.len());
    assert!(holds(&memories, MARK.as_bytes()), "the memory was not found: nothing was shown");
    for secret in [TOKEN.as_bytes(), &TOKEN.as_bytes()[..16], &TOKEN.as_bytes()[16..]] {
        assert!(!holds(&memories, secret), "the token is in the component's memory");
    }
}
