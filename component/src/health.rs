//! How the services behind a gateway are.
//! Takes the services of the last catalogue and what the gateway's own API told; gives one state each, with what it rests on.
//! Must not probe, and must not call a service well because nothing is known of it.

use std::collections::BTreeMap;

use crate::model::{Service, ServiceHealth, Status};

/// Joins what was known with what was told, sorted by name. What the API told counts more than what the catalogue did.
#[must_use]
pub fn merge(known: &[Service], told: Option<Vec<ServiceHealth>>, no_health: &str) -> Vec<ServiceHealth> {
    let silent = told.is_none();
    let mut all: BTreeMap<String, ServiceHealth> =
        told.unwrap_or_default().into_iter().map(|service| (service.name.clone(), service)).collect();
    for service in known {
        all.entry(service.name.clone()).or_insert_with(|| {
            let mut evidence = Vec::new();
            if service.status == Status::Unknown {
                evidence.push(if silent {
                    no_health.to_owned()
                } else {
                    "the gateway's API does not mention it".to_owned()
                });
            }
            evidence.extend(service.evidence.iter().cloned());
            ServiceHealth {
                name: service.name.clone(),
                status: service.status,
                tools: service.tools,
                evidence,
                last_seen: None,
            }
        });
    }
    all.into_values().collect()
}
