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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Attribution, Confidence};

    fn known(name: &str, status: Status) -> Service {
        Service {
            name: name.to_owned(),
            tools: 3,
            attribution: Attribution::Reported,
            confidence: Confidence::Certain,
            status,
            evidence: vec!["listed".to_owned()],
        }
    }

    #[test]
    fn what_the_api_tells_counts_and_what_it_leaves_out_is_said() {
        let told = ServiceHealth {
            name: "a".to_owned(),
            status: Status::Offline,
            tools: 3,
            evidence: vec!["told".to_owned()],
            last_seen: None,
        };
        let merged = merge(&[known("b", Status::Unknown), known("a", Status::Ok)], Some(vec![told]), "silent");
        let states: Vec<_> = merged.iter().map(|service| (service.name.as_str(), service.status)).collect();
        assert_eq!(states, [("a", Status::Offline), ("b", Status::Unknown)]);
        assert_eq!(
            merged.last().map(|service| service.evidence.clone()).unwrap_or_default(),
            ["the gateway's API does not mention it", "listed"]
        );
    }

    #[test]
    fn a_silent_gateway_keeps_the_catalogues_word_and_calls_nothing_well() {
        let merged = merge(&[known("a", Status::Timeout), known("b", Status::Unknown)], None, "silent");
        let states: Vec<_> = merged.iter().map(|service| service.status).collect();
        assert_eq!(states, [Status::Timeout, Status::Unknown]);
        assert!(merged.iter().all(|service| service.status != Status::Ok));
    }
}
