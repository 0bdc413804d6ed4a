//! What is kept of a gateway: under which name, and of which gateway it is.
//! Takes configurations; gives texts for files. Never lets two gateways that are shown alike be taken for one.

use super::GatewayConfig;
use crate::digest::sha256;

impl GatewayConfig {
    /// The URL; with a digest of what is hidden of it, since two URLs that are shown alike can be two gateways.
    pub fn identity(&self) -> String {
        let written = self.address.written();
        if written == self.url.as_str() {
            return written.to_owned();
        }
        format!("{} {}", self.url, sha256(written.as_bytes()))
    }

    /// Its name as a file's name, without an ending.
    pub fn file_name(&self) -> String {
        file_name(&self.name)
    }
}

/// Names of entries may hold anything.
fn file_name(name: &str) -> String {
    use std::fmt::Write as _;

    let mut file = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_' {
            file.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(file, "%{byte:02x}");
        }
    }
    file
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_leads_out_of_its_folder() {
        assert_eq!(file_name("docker_github-2"), "docker_github-2");
        assert_eq!(file_name("../../etc/x"), "%2e%2e%2f%2e%2e%2fetc%2fx");
        assert_eq!(file_name("my gw/ü"), "my%20gw%2f%c3%bc");
    }
}
