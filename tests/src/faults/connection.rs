//! Faults below HTTP: TCP and TLS.
//! Gives rows of the table. Never a fault that needs a network beyond loopback.

use pflow_gateway::Class::{Dns, NotMcp, Timeout, Tls, Unreachable};

use super::{
    Act, Connect, Family, Fault, Stage,
    acts::{bytes, ms, script},
};
use crate::reply::{Step, head};

pub(super) fn faults() -> Vec<Fault> {
    use Family::{Connection, Tls as TlsFamily};
    let at =
        |name, does, connect| Fault::new(name, Connection, Stage::Connection, does, Act::Connection).connect(connect);
    let tls =
        |name, does, connect| Fault::new(name, TlsFamily, Stage::Connection, does, Act::Connection).connect(connect);
    let raw = |name, does, act| Fault::reply(name, Connection, Stage::Every, does, act).fails(Unreachable).requests(3);
    vec![
        at("connect-refused", "Nothing listens on the port.", Connect::Refused).fails(Unreachable).requests(0),
        at("connect-never-completes", "Packets to the port are dropped.", Connect::NeverAccepted)
            .fails(Timeout)
            .at_deadline()
            .requests(0),
        at("connect-never-read", "The connection opens and nobody reads it.", Connect::NeverRead)
            .fails(Timeout)
            .at_deadline()
            .requests(0),
        at("connect-closed-at-once", "The connection is closed as soon as it is open.", Connect::ClosedAtOnce)
            .fails(Unreachable)
            .requests(0),
        at("dns-unknown-host", "The host's name has no address.", Connect::UnknownHost).fails(Dns).requests(0),
        raw("closed-after-request", "Reads the request and closes.", |_| script(vec![Step::Close])),
        raw("reset-after-request", "Reads the request and resets the connection.", |_| script(vec![Step::Reset])),
        raw("reset-mid-headers", "Resets the connection within the headers.", |_| {
            script(vec![bytes("HTTP/1.1 200 OK\r\nContent-Type: appl"), Step::Pause(ms(20)), Step::Reset])
        }),
        raw("closed-mid-headers", "Closes within the headers.", |_| {
            script(vec![bytes("HTTP/1.1 200 OK\r\nContent-Type: appl"), Step::Close])
        }),
        raw("reset-mid-body", "Resets the connection within the body.", |_| {
            let mut start = head(200, "application/json", 500);
            start.extend_from_slice(b"{\"jsonrpc\":\"2.0\",");
            script(vec![bytes(start), Step::Pause(ms(20)), Step::Reset])
        }),
        raw("closed-mid-body", "Promises 500 bytes, sends 17 and closes.", |_| {
            let mut start = head(200, "application/json", 500);
            start.extend_from_slice(b"{\"jsonrpc\":\"2.0\",");
            script(vec![bytes(start), Step::Close])
        }),
        raw("never-answers", "Reads the request and says nothing.", |_| script(vec![Step::Hang]))
            .fails(Timeout)
            .at_deadline(),
        tls("tls-self-signed", "The certificate is signed by nobody known.", Connect::SelfSigned)
            .fails(Tls)
            .requests(0),
        tls("tls-wrong-host", "The certificate is for another host.", Connect::WrongHost).fails(Tls).requests(0),
        tls(
            "tls-plain-http-behind-https",
            "The URL says https, the port speaks plain HTTP.",
            Connect::PlainBehindHttps,
        )
        .fails(Tls)
        .requests(0),
        tls("tls-behind-http", "The URL says http, the port speaks TLS.", Connect::TlsBehindHttp)
            .fails(NotMcp)
            .requests(0),
        tls(
            "tls-trusted-by-ca-file",
            "The certificate is vouched for by the configured file: no fault.",
            Connect::Trusted,
        ),
    ]
}
