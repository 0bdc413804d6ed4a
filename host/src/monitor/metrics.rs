//! `/metrics`: what was seen last, as OpenMetrics 1.0.
//! Takes reports and counts; gives text. Names of gateways and services are escaped; nothing of a credential is in it.

use std::{collections::BTreeMap, fmt::Write as _};

use crate::{
    history::Moment,
    report::{GatewayHealth, Status},
};

/// What is counted since the start, by gateway.
#[derive(Clone, Debug, Default)]
pub(super) struct Counts {
    pub(super) checks: u64,
    pub(super) failed: u64,
    pub(super) changes: u64,
}

/// As <https://prometheus.io/docs/specs/om/open_metrics_spec/> wants it.
pub(super) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

struct Family<'a> {
    text: &'a mut String,
    name: &'static str,
    suffix: &'static str,
}

impl<'a> Family<'a> {
    fn new(text: &'a mut String, name: &'static str, kind: &str, unit: Option<&str>, help: &str) -> Self {
        let _ = writeln!(text, "# TYPE {name} {kind}");
        if let Some(unit) = unit {
            let _ = writeln!(text, "# UNIT {name} {unit}");
        }
        let _ = writeln!(text, "# HELP {name} {help}");
        let suffix = match kind {
            "counter" => "_total",
            "info" => "_info",
            _ => "",
        };
        Self { text, name, suffix }
    }

    /// One sample for each state that there is, so that a change ends one series at 0 and no series ever ends.
    fn states(&mut self, of: &[(&str, &str)], now: Status) {
        let name = self.name;
        for status in Status::ALL {
            let mut labels = of.to_vec();
            labels.push((name, status.as_str()));
            self.sample(&labels, u8::from(*status == now));
        }
    }

    fn sample(&mut self, labels: &[(&str, &str)], value: impl std::fmt::Display) {
        let labels: Vec<String> = labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        let _ = writeln!(self.text, "{}{}{labels} {value}", self.name, self.suffix);
    }
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// Everything.
pub(super) fn metrics(reports: &[GatewayHealth], counts: &BTreeMap<String, Counts>, history_on: bool) -> String {
    let mut all = String::new();
    let text = &mut all;
    let mut gauge = |name, unit, help, value: &dyn Fn(&GatewayHealth) -> Option<f64>| {
        let mut family = Family::new(text, name, "gauge", unit, help);
        for report in reports {
            if let Some(value) = value(report) {
                family.sample(&[("gateway", &report.gateway)], value);
            }
        }
    };
    gauge("pflow_gateway_up", None, "1 when the gateway lists its tools, even if a service is not well.", &|report| {
        Some(f64::from(u8::from(matches!(report.status, Status::Ok | Status::Degraded))))
    });
    gauge("pflow_gateway_latency_seconds", Some("seconds"), "Time until the catalogue was read.", &|report| {
        report.latency_ms.map(|ms| ms / 1_000.0)
    });
    gauge("pflow_gateway_tools", None, "Tools that the gateway lists.", &|report| {
        report.tools.and_then(|tools| u32::try_from(tools).ok()).map(f64::from)
    });
    gauge("pflow_gateway_vanished_tools", None, "Tools of the last good snapshot that are gone.", &|report| {
        u32::try_from(report.vanished_tools.len()).ok().map(f64::from)
    });
    gauge("pflow_gateway_changed_tools", None, "Tools that are not as they were accepted.", &|report| {
        let changed = report.tools.map(|_| report.changed_tools.len().saturating_add(report.more_changed_tools))?;
        u32::try_from(changed).ok().map(f64::from)
    });
    gauge(
        "pflow_gateway_checked_timestamp_seconds",
        Some("seconds"),
        "When the gateway was looked at last.",
        &|report| Moment::parse(&report.checked_at).map(Moment::seconds),
    );
    gauge(
        "pflow_gateway_token_expiry_timestamp_seconds",
        Some("seconds"),
        "When the gateway's token ends.",
        &|report| report.expires_at.as_deref().and_then(Moment::parse).map(Moment::seconds),
    );
    let mut family = Family::new(text, "pflow_gateway_status", "stateset", None, "The gateway's state.");
    for report in reports {
        family.states(&[("gateway", &report.gateway)], report.status);
    }
    let help = "1 when the service is ok or degraded, 0 when it is not, NaN when nothing is known of it.";
    let mut family = Family::new(text, "pflow_gateway_service_up", "gauge", None, help);
    for report in reports {
        for service in &report.services {
            let up = match service.status {
                Status::Ok | Status::Degraded => "1",
                Status::Unknown => "NaN",
                _ => "0",
            };
            family.sample(&[("gateway", &report.gateway), ("service", &service.name)], up);
        }
    }
    let mut family = Family::new(text, "pflow_gateway_service_status", "stateset", None, "The service's state.");
    for report in reports {
        for service in &report.services {
            family.states(&[("gateway", &report.gateway), ("service", &service.name)], service.status);
        }
    }
    let mut counter = |name, help, value: fn(&Counts) -> u64| {
        let mut family = Family::new(text, name, "counter", None, help);
        for (gateway, counts) in counts {
            family.sample(&[("gateway", gateway)], value(counts));
        }
    };
    counter("pflow_gateway_checks", "Checks of the gateway since the monitor started.", |counts| counts.checks);
    counter("pflow_gateway_failed_checks", "Checks in which the tools could not be listed.", |counts| counts.failed);
    counter("pflow_gateway_changes", "Announced changes of state, of the gateway and its services.", |counts| {
        counts.changes
    });
    let mut family = Family::new(text, "pflow_gateway_history_on", "gauge", None, "1 while the history is kept.");
    family.sample(&[], u8::from(history_on));
    all.push_str("# EOF\n");
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::ServiceHealth;

    #[test]
    fn every_family_is_described_and_labels_are_escaped() {
        let mut report = GatewayHealth::new("a\"b\\c\nd", Status::Degraded, "2026-11-23T02:00:00Z");
        report.latency_ms = Some(12.5);
        report.services.push(ServiceHealth::new("s", Status::Offline, 2));
        report.services.push(ServiceHealth::new("u", Status::Unknown, 2));
        let counts = BTreeMap::from([("gw".to_owned(), Counts { checks: 3, failed: 1, changes: 2 })]);
        let text = metrics(&[report], &counts, true);
        assert!(text.contains("pflow_gateway_up{gateway=\"a\\\"b\\\\c\\nd\"} 1\n"), "{text}");
        assert!(text.contains("pflow_gateway_latency_seconds{gateway=\"a\\\"b\\\\c\\nd\"} 0.0125\n"), "{text}");
        assert!(text.contains("pflow_gateway_checks_total{gateway=\"gw\"} 3\n"), "{text}");
        assert!(text.contains("pflow_gateway_service_up{gateway=\"a\\\"b\\\\c\\nd\",service=\"s\"} 0\n"), "{text}");
        assert!(
            text.contains("service=\"u\"} NaN\n") && text.ends_with("# EOF\n"),
            "every service has a series: {text}"
        );
        for (state, value) in [("offline", 1), ("ok", 0), ("unknown", 0)] {
            let sample = format!("service=\"s\",pflow_gateway_service_status=\"{state}\"}} {value}\n");
            assert!(text.contains(&sample), "{sample} {text}");
        }
        let types = text.lines().filter(|line| line.starts_with("# TYPE")).count();
        assert_eq!(types, text.lines().filter(|line| line.starts_with("# HELP")).count());
    }
}
