//! nginx before the replicas: TLS, round robin, and no call that is made twice.
//! Takes a deployment; gives a file for `conf.d`. Never lets nginx repeat what may have run.

use super::{MARK, wanted::Wanted};

/// What a client reads then.
const LOST: &str = r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"the answer is lost: a call may have run; check before calling it again"}}"#;

pub(super) fn site(wanted: &Wanted) -> String {
    let servers: Vec<String> =
        wanted.ports().map(|port| format!("    server 127.0.0.1:{port} max_fails=1 fail_timeout=1s;\n")).collect();
    let (servers, host) = (servers.concat(), &wanted.host);
    format!(
        "# {MARK}.\n\
         upstream pflow_gateway {{\n{servers}    keepalive 32;\n}}\n\n\
         server {{\n    listen 443 ssl;\n    server_name {host};\n\
         \x20   ssl_certificate /etc/pflow-gateway/tls.crt;\n    ssl_certificate_key /etc/pflow-gateway/tls.key;\n\n\
         \x20   client_max_body_size 8m;\n    client_body_timeout 30s;\n    client_header_timeout 10s;\n\n\
         \x20   location / {{\n        proxy_pass http://pflow_gateway;\n        proxy_http_version 1.1;\n\
         \x20       proxy_set_header Connection \"\";\n        proxy_set_header Host $host;\n\
         \x20       # A request goes to another replica only where none has begun to read it: nginx repeats no POST that was sent, and must not be told to.\n\
         \x20       proxy_next_upstream error timeout;\n        proxy_connect_timeout 2s;\n        proxy_read_timeout 650s;\n\
         \x20       # Progress comes while a call runs.\n        proxy_buffering off;\n\n\
         \x20       # Where a replica is gone, nobody else can say what became of a call.\n\
         \x20       error_page 502 504 @lost;\n    }}\n\n\
         \x20   location @lost {{\n        default_type application/json;\n        return 502 '{LOST}';\n    }}\n}}\n"
    )
}

/// The last step: how a user adds it.
pub(super) fn add(wanted: &Wanted) -> String {
    let name = wanted.names.first().map_or("NAME", String::as_str);
    format!(
        "on each user's machine: pflow mcp gateway add team https://{}/{name}/mcp --bearer-env TEAM_TOKEN",
        wanted.host
    )
}
