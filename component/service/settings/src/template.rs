//! A text with variables in it, `${VAR}` or `${VAR:-default}`, as in pflow's own file.
//! Takes the text; gives the names, or the text with values in place. Never resolves by itself.

use crate::{Problem, Result};

/// A text that may hold variables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(String);

enum Part<'t> {
    Text(&'t str),
    Variable { name: &'t str, default: Option<&'t str> },
}

impl Template {
    /// As it stands.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    fn parts(&self) -> Vec<Part<'_>> {
        let mut parts = Vec::new();
        let mut rest = self.0.as_str();
        while let Some((before, after)) = rest.split_once("${") {
            let Some((inside, behind)) = after.split_once('}') else { break };
            let (name, default) =
                inside.split_once(":-").map_or((inside, None), |(name, default)| (name, Some(default)));
            if is_name(name) {
                parts.extend([Part::Text(before), Part::Variable { name, default }]);
            } else {
                let end = rest.len().saturating_sub(behind.len());
                parts.extend(rest.get(..end).map(Part::Text));
            }
            rest = behind;
        }
        parts.push(Part::Text(rest));
        parts
    }

    /// Names of its variables.
    #[must_use]
    pub fn variables(&self) -> Vec<String> {
        let name = |part: &Part<'_>| match part {
            Part::Variable { name, .. } => Some((*name).to_owned()),
            Part::Text(_) => None,
        };
        self.parts().iter().filter_map(name).collect()
    }

    /// With values in place.
    ///
    /// # Errors
    ///
    /// A variable that is not set, or is empty, and has no default.
    pub fn resolve(&self, place: &str, variable: &dyn Fn(&str) -> Option<String>) -> Result<String> {
        let mut whole = String::new();
        for part in self.parts() {
            match part {
                Part::Text(text) => whole.push_str(text),
                Part::Variable { name, default } => match variable(name).filter(|value| !value.is_empty()) {
                    Some(value) => whole.push_str(&value),
                    None => whole.push_str(default.ok_or_else(|| {
                        Problem::new(place, format!("points to {name}, which is not set"))
                            .with_remedy(format!("give the service the variable {name}"))
                    })?),
                },
            }
        }
        Ok(whole)
    }
}

fn is_name(text: &str) -> bool {
    let word = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    text.chars().all(word) && text.chars().next().is_some_and(|first| !first.is_ascii_digit())
}
