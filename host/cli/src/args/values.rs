//! Single values, as they are typed.
//! Takes a word; gives what it says, or what it should have been like.

use std::{net::SocketAddr, time::Duration};

use http::HeaderName;

use pflow_gateway::{
    config::{DeclaredService, Setting},
    report::Kind,
};

/// A product, as typed. Whether there is such a one the component knows.
pub(crate) fn product(text: &str) -> Result<Kind, String> {
    Kind::try_from(text.to_owned()).map_err(str::to_owned)
}

/// Zero and less make no deadline, and a day is longer than anyone means.
pub(super) fn seconds(text: &str) -> Result<Duration, String> {
    let number: f64 = text.parse().map_err(|_| "a number of seconds, like 30 or 2.5".to_owned())?;
    if !(0.001..=86_400.0).contains(&number) {
        return Err("a number of seconds from 0.001 to 86400".to_owned());
    }
    Duration::try_from_secs_f64(number).map_err(|error| error.to_string())
}

pub(super) fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "an address with its port, like 127.0.0.1:9464 or [::1]:9464".to_owned())
}

pub(super) fn stretch(text: &str) -> Result<Duration, String> {
    pflow_gateway::history::stretch(text)
}

pub(super) fn header(text: &str) -> Result<(HeaderName, String), String> {
    let (name, value) = text.split_once('=').ok_or("NAME=VALUE, like X-Tenant=acme")?;
    let name = HeaderName::from_bytes(name.trim().as_bytes()).map_err(|_| format!("\"{name}\" is no header name"))?;
    Ok((name, value.to_owned()))
}

pub(super) fn declared(text: &str) -> Result<DeclaredService, String> {
    text.parse()
}

pub(super) fn setting(text: &str) -> Result<Setting, String> {
    text.parse()
}
