//! What a user is told of the errors of configuration: their class, and what to do about them.
//! Takes an error; gives class and hint. Never guesses: what is not known has no hint.

use pflow_gateway_service_settings::SettingFault;

use super::{
    error::{ConfigError, CredentialError, Encoding, EntryError, FileError, Meant, Misfit, NameError, UrlError},
    trust::VARIABLE,
};
use crate::{Advice, Class, egress::EgressLimits, runtime::Limits, scrub};

const CORRECT: &str = "correct it in mcp-servers.json";
const WRITTEN: &str = "a gateway is written as \"type\": \"http\", \"url\": \"…\"";
const BY_HAND: &str = "correct it by hand; nothing was changed";

impl Advice for ConfigError {
    fn class(&self) -> Class {
        match self {
            Self::Text { .. } | Self::Program(_) => Class::Internal,
            Self::File(error) => error.class(),
            Self::Limit(error) => error.class(),
            Self::Components(error) => error.class(),
            Self::NoHome
            | Self::Entry(_)
            | Self::Misfit(_)
            | Self::Url(_)
            | Self::Credential(_)
            | Self::Unset { .. }
            | Self::Name(_) => Class::Config,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::NoHome => Some("set HOME, or name the file with --config".to_owned()),
            Self::Unset { name } => {
                Some(format!("export {name}=…, or let pflow keep it: pflow settings set-env {name} VALUE"))
            }
            Self::File(error) => error.hint(),
            Self::Entry(error) => error.hint(),
            Self::Misfit(error) => error.hint(),
            Self::Url(error) => error.hint(),
            Self::Credential(error) => error.hint(),
            Self::Limit(error) => error.hint(),
            Self::Name(error) => error.hint(),
            Self::Components(error) => error.hint(),
            // Elsewhere it is not read anywhere.
            Self::Program(_) => {
                cfg!(target_os = "linux").then(|| "mount /proc: Linux tells it there, and nowhere else".to_owned())
            }
            Self::Text { .. } => None,
        }
    }
}

impl Advice for FileError {
    fn class(&self) -> Class {
        match self {
            Self::Lock(error) => error.class(),
            _ => Class::Config,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(
            match self {
                Self::Unread { .. } => "check its permissions, and that it is an ordinary file",
                Self::Encoding { encoding, .. } => match encoding {
                    Encoding::Utf16 => {
                        "save it as UTF-8 without a byte order mark; in PowerShell 7: Set-Content -Encoding utf8NoBOM"
                    }
                    Encoding::ByteOrderMark => {
                        "save it as UTF-8 without BOM; most editors have that as a choice when saving"
                    }
                    Encoding::Other { .. } => "save it as UTF-8",
                },
                Self::Syntax { .. } | Self::NoObject { .. } | Self::NoServers { .. } => BY_HAND,
                Self::Foreign { path, .. } => {
                    return Some(format!("if you trust it as it is: pflow-gateway trust {}", path.display()));
                }
                Self::Changed { .. } => "nothing was written; run the command again",
                Self::Unwritten { .. } => "check the folder's permissions and free space",
                Self::Lock(error) => return error.hint(),
                Self::NoPlaceForTrust => return Some(format!("set HOME, or name the file in {VARIABLE}")),
                Self::TrustUnwritten { .. } => return None,
            }
            .to_owned(),
        )
    }
}

impl Advice for EntryError {
    fn class(&self) -> Class {
        Class::Config
    }

    fn hint(&self) -> Option<String> {
        Some(
            match self {
                Self::Unknown { meant, .. } => return Some(meant.hint()),
                Self::Exists { .. } => "take another name, or --replace it",
                Self::NoObject { .. } | Self::Nothing { .. } => WRITTEN,
                Self::Started { .. } => "a gateway is an entry with \"gateway\", or with \"type\": \"http\"",
                Self::Missing { .. } => "add it to mcp-servers.json",
                Self::Wrong { milliseconds: Some(given), .. } => {
                    return Some(format!("if {given} is meant in milliseconds, write {}", given / 1_000.0));
                }
                Self::Wrong { .. } | Self::Auth { .. } => CORRECT,
                Self::HeaderName { .. } => "header names are letters, digits and hyphens, like X-API-Key",
                Self::NoLimit { .. } => {
                    let known: Vec<_> = Limits::SETTINGS.iter().map(|setting| setting.name).collect();
                    let further: Vec<_> = EgressLimits::SETTINGS.iter().map(|setting| setting.name).collect();
                    return Some(format!("there are {}, {}", known.join(", "), further.join(", ")));
                }
                Self::Origin { .. } => "an origin looks like https://status.example.com:8443",
                Self::Path { .. } => "a path looks like /status.json, POST /api/refresh or /api/*",
                Self::Setting { fault, .. } => remedy(*fault),
                Self::Settings { .. } => "let one of them name a page that the component reads",
                Self::Proxy => {
                    "write the proxy's URL, or false for none, or leave it out for what HTTPS_PROXY and the like say"
                }
                Self::NoServers | Self::Declaration { .. } => return None,
            }
            .to_owned(),
        )
    }
}

impl Meant {
    fn hint(&self) -> String {
        match self {
            Self::Elsewhere => "rename it to \"mcpServers\"".to_owned(),
            Self::Url(url) => format!("write it as a URL: http://{url}"),
            Self::Near(name) => format!("did you mean {name}?"),
            Self::Known(names) if names.is_empty() => "there are no gateways yet; `add NAME URL` makes one".to_owned(),
            Self::Known(names) => format!("known gateways: {}", scrub::line(&names.join(", "), 300)),
        }
    }
}

fn remedy(fault: SettingFault) -> &'static str {
    match fault {
        SettingFault::Name => "take letters, digits, hyphens, underscores and dots, 64 at most",
        SettingFault::Text => "put it where the component can read it, and name the place",
        SettingFault::Variable => "write the text itself; where it is a credential, it belongs in \"auth\"",
        SettingFault::Credential => {
            "a component is given no credentials; \"auth\" and \"headers\" are where they belong, and are added after the \
             request has left the component"
        }
    }
}

impl Advice for Misfit {
    fn class(&self) -> Class {
        Class::Config
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Sse { .. } => {
                "ask its documentation for a Streamable HTTP URL (often /mcp in place of /sse), and write \"type\": \"http\" with that".to_owned()
            }
            Self::UrlElsewhere { line, .. } | Self::NoType { line, .. } => format!("write {line}"),
            Self::Transport { line, .. } => format!("write {line} in place of it"),
        })
    }
}

impl Advice for UrlError {
    fn class(&self) -> Class {
        Class::Config
    }

    fn hint(&self) -> Option<String> {
        Some(
            match self {
                Self::Backslash { .. } | Self::Invalid { .. } | Self::Scheme { .. } => {
                    "a gateway's URL looks like http://127.0.0.1:8811/mcp"
                }
                Self::UserInfo { .. } => "take it out of the URL, and use --basic-env USER_VAR PASS_VAR",
                Self::Moved { .. } => "start again",
            }
            .to_owned(),
        )
    }
}

impl Advice for CredentialError {
    fn class(&self) -> Class {
        Class::Config
    }

    fn hint(&self) -> Option<String> {
        Some(
            match self {
                Self::Colon { .. } | Self::HeaderValue { .. } => return None,
                Self::Empty { .. } => "give it the credential, or remove \"auth\" from the entry",
                Self::ControlCharacter { .. } => "a credential is one line; look at how the variable is set",
                Self::NoCommand
                | Self::NotRun { .. }
                | Self::Late { .. }
                | Self::Unread { .. }
                | Self::Failed { .. }
                | Self::NoToken { .. } => "run it in a terminal; it must print the token and nothing else",
            }
            .to_owned(),
        )
    }
}

impl Advice for NameError {
    fn class(&self) -> Class {
        Class::Config
    }

    fn hint(&self) -> Option<String> {
        Some(
            match self {
                Self::Flag { .. } => "begin it with a letter or a digit",
                Self::Invalid { .. } => {
                    "names are up to 64 letters, digits, hyphens and underscores; it becomes a part of each tool's name in pflow"
                }
                Self::Twice { .. } => "leave out --per-service, or add them one by one with --include",
            }
            .to_owned(),
        )
    }
}
