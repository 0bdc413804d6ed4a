//! What a user sets for the gateway component: texts by name, in a gateway's `settings`, as in an entry of `mcp-servers.json`.
//! Takes the member; gives names and texts, sorted. Never a credential, and never what a variable holds: the component reads all of it.

use crate::{
    Problem, Result,
    member::Member,
    setting::{LONGEST_TEXT, MOST_SETTINGS, SettingFault, setting_fault},
};

pub(crate) fn read(settings: &Member) -> Result<Vec<(String, String)>> {
    let mut all = Vec::new();
    for (name, member) in settings.members()? {
        let text = member.string()?;
        let (place, problem, remedy) = match setting_fault(&name, text) {
            None => {
                all.push((name, text.to_owned()));
                continue;
            }
            Some(SettingFault::Name) => (
                settings.path(),
                "has a name with other characters than it may have".to_owned(),
                "take letters, digits, hyphens, underscores and dots, 64 at most",
            ),
            Some(SettingFault::Text) => (
                member.path(),
                format!("is longer than {LONGEST_TEXT} bytes, or has control characters"),
                "put it where the component can read it, and name the place",
            ),
            Some(SettingFault::Variable) => (
                member.path(),
                "names a variable, and variables are not put in here".to_owned(),
                "write the text itself; where it is a credential, it belongs in auth",
            ),
            Some(SettingFault::Credential) => (
                member.path(),
                "looks like a credential".to_owned(),
                "the gateway component is given none: write it into auth or headers",
            ),
        };
        return Err(Problem::new(place, problem).with_remedy(remedy));
    }
    if all.len() > MOST_SETTINGS {
        return Err(Problem::new(settings.path(), format!("has more than {MOST_SETTINGS} settings"))
            .with_remedy("let one of them name a page that the component reads"));
    }
    all.sort();
    Ok(all)
}
