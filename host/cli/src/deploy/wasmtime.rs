//! `wasmtime serve` under systemd, with nginx before the replicas.
//! Takes a deployment; gives units, variables and a site. Never a secret: those go into a file that only root reads.

use super::{MARK, Piece, Pieces, nginx, wanted::Wanted};

/// Where the files go.
const ETC: &str = "/etc/pflow-gateway";

pub(super) fn pieces(wanted: &Wanted) -> Pieces {
    let files = vec![
        Piece { name: "pflow-gateway@.service".to_owned(), text: unit(wanted) },
        Piece { name: "pflow-gateway.target".to_owned(), text: target(wanted) },
        Piece { name: "settings.env".to_owned(), text: settings(wanted) },
        Piece { name: "secrets.env.example".to_owned(), text: secrets(wanted) },
        Piece { name: "nginx.conf".to_owned(), text: nginx::site(wanted) },
    ];
    let next = vec![
        format!("put the service at {}, and wasmtime 49 at /usr/local/bin/wasmtime", wanted.service),
        format!("install -d -m 0755 {ETC} && install -m 0644 settings.env {ETC}/"),
        format!("install -m 0600 secrets.env.example {ETC}/secrets.env, and write the values into it: {}", wanted.secrets.join(", ")),
        "cp pflow-gateway@.service pflow-gateway.target /etc/systemd/system/ && systemctl daemon-reload && systemctl enable --now pflow-gateway.target"
            .to_owned(),
        format!("cp nginx.conf /etc/nginx/conf.d/pflow-gateway.conf, put a certificate for {} at {ETC}/tls.crt and tls.key, and systemctl reload nginx", wanted.host),
        nginx::add(wanted),
    ];
    Pieces { files, next, warnings: Vec::new() }
}

/// The words of the command, as systemd takes them.
pub(super) fn command(wanted: &Wanted) -> Vec<String> {
    let mut words: Vec<String> = [
        "/usr/local/bin/wasmtime",
        "serve",
        "-Scli",
        // For each part of the service; and a request that computes for so long is stopped.
        "-Wmax-memory-size=268435456",
        "-Wtimeout=900s",
        // Its pool has room for 66 instances of the service, and answers the 67th request at once with 500.
        "-Opooling-allocator=n",
        "--max-concurrent-requests",
        "256",
        "--max-instance-reuse-count",
        "1000",
        "--idle-instance-timeout",
        "60s",
        "--addr",
        "127.0.0.1:%i",
    ]
    .map(str::to_owned)
    .to_vec();
    for name in wanted.variables() {
        words.extend(["--env".to_owned(), name.to_owned()]);
    }
    // What systemd would take for one of its own words.
    words.push(wanted.service.replace('%', "%%"));
    words
}

fn unit(wanted: &Wanted) -> String {
    let command = command(wanted).iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ");
    format!(
        "# {MARK}: one replica, on the port behind the @.\n\
         [Unit]\nDescription=MCP gateways behind one address, replica on port %i\n\
         After=network-online.target\nWants=network-online.target\nPartOf=pflow-gateway.target\n\n\
         [Service]\nExecStart={command}\n\
         EnvironmentFile={ETC}/settings.env\nEnvironmentFile={ETC}/secrets.env\n\
         Restart=always\nRestartSec=1\nDynamicUser=yes\nNoNewPrivileges=yes\nProtectSystem=strict\nProtectHome=yes\nPrivateTmp=yes\n\
         PrivateDevices=yes\nProtectKernelTunables=yes\nProtectControlGroups=yes\nRestrictAddressFamilies=AF_INET AF_INET6\n\
         CapabilityBoundingSet=\nLimitCORE=0\nMemoryMax=2G\n"
    )
}

/// A word of `ExecStart`. A port is written by systemd itself.
fn quoted(word: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./:=@%".contains(letter);
    if word.chars().all(plain) {
        return word.to_owned();
    }
    let mut text = String::from("\"");
    for letter in word.chars() {
        match letter {
            '"' | '\\' => text.extend(['\\', letter]),
            '$' => text.push_str("$$"),
            letter if letter.is_control() => {}
            letter => text.push(letter),
        }
    }
    text + "\""
}

fn target(wanted: &Wanted) -> String {
    let replicas: Vec<String> = wanted.ports().map(|port| format!("pflow-gateway@{port}.service")).collect();
    format!(
        "# {MARK}: all replicas.\n[Unit]\nDescription=MCP gateways behind one address\nWants={}\n\n[Install]\nWantedBy=multi-user.target\n",
        replicas.join(" ")
    )
}

fn settings(wanted: &Wanted) -> String {
    let mut text = format!("# {MARK}: nothing in here is a secret.\n");
    for (name, value) in wanted.settings() {
        let value: String = value.chars().filter(|letter| *letter != '\'' && !letter.is_control()).collect();
        text.push_str(&format!("{name}='{value}'\n"));
    }
    text
}

fn secrets(wanted: &Wanted) -> String {
    let mut text = format!(
        "# {MARK}: what is to be written into {ETC}/secrets.env (mode 0600).\n# SESSION_KEYS and tokens of clients: openssl rand -hex 32\n"
    );
    for name in &wanted.secrets {
        text.push_str(&format!("{name}=\n"));
    }
    text
}

impl Wanted {
    /// Of the replicas.
    pub(super) fn ports(&self) -> impl Iterator<Item = u16> {
        (0..self.replicas).map(|number| self.port.saturating_add(number))
    }
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn a_word_cannot_end_its_quotes_nor_start_a_variable() {
        assert_eq!(quoted("/opt/a b/\"x\"/$HOME.wasm"), r#""/opt/a b/\"x\"/$$HOME.wasm""#);
        assert_eq!(quoted("127.0.0.1:%i"), "127.0.0.1:%i");
        assert_eq!(quoted("a\nExecStartPre=x"), "\"aExecStartPre=x\"");
    }
}
