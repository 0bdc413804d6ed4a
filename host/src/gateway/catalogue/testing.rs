//! Tools for tests.

use crate::runtime::types;

/// A tool of this name, of which nothing more is known.
pub(super) fn tool(name: &str) -> types::Tool {
    types::Tool {
        name: name.to_owned(),
        title: None,
        description: None,
        input_schema: "{}".to_owned(),
        output_schema: None,
        annotations: None,
        icons: None,
        meta: None,
        provenance: types::Provenance {
            service: None,
            service_id: None,
            attribution: types::Attribution::None,
            confidence: types::Confidence::None,
            evidence: String::new(),
            original_name: None,
        },
    }
}
