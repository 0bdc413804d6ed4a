//! The services behind a gateway, as far as the catalogue tells.
//! Takes the catalogue, read anew; gives [`report::Services`]. Never names a service that is not the entry's.

use super::{claims, idle::idle, own_of, told_beside};
use crate::{
    Deadline, Result,
    gateway::{convert, parts::Parts},
    report,
    runtime::types,
};

pub(in crate::gateway) async fn services(parts: &Parts, by: Deadline) -> Result<report::Services> {
    let listed = parts.catalogue().list(by).await?;
    let own = own_of(parts, &listed, by).await?;
    let mine = |service: &&types::Service| own.has_service(&service.name);
    let services: Vec<_> = listed.catalog.services.iter().filter(mine).map(convert::service).collect();
    let strays = listed.catalog.tools.iter().filter(|tool| tool.provenance.service.is_none());
    let unattributed = strays.filter(|tool| own.has_tool(&tool.name)).count();
    let mut warnings = idle(parts, &parts.config().filter, &listed, by).await?;
    warnings.extend(claims::notes(parts, &listed));
    let told = told_beside(&listed, None, &own);
    let findings = told.iter().copied().map(convert::finding).collect();
    warnings.extend(told.into_iter().map(convert::warning));
    // Where it can be helped, the component says how.
    let told = listed.catalog.warnings.iter().any(|warning| warning.concern == types::Concern::Unattributed);
    if listed.catalog.services.is_empty() && unattributed > 0 && !told {
        warnings.insert(
            0,
            format!(
                "{} does not tell which services are behind it; declare them, like --service NAME=PREFIX, or NAME= if it is one",
                parts.config().name
            ),
        );
    }
    Ok(report::Services {
        gateway: parts.config().name.clone(),
        left_out: listed.catalog.services.len().saturating_sub(services.len()),
        services,
        unattributed,
        warnings,
        findings,
    })
}
