//! Tools by words: BM25 over names, descriptions and arguments.
//! Takes tools and the words of a person; gives those tools in which a word stands, the best first. Ties are in the order of the names,
//! so that the same question has the same answer.
//!
//! A tool is one document of three fields. A word that stands in its name or its service's counts four times as much as one in its
//! title or description two times, and one in its arguments once (BM25F, with k1 = 1.2 and b = 0.75). A word of a question
//! stands for itself, for words that begin with it (from three letters on, at half the weight), and an `s` at the end makes no difference.

use crate::{arguments::Schema, report::Tool, spelling};

/// How much a field counts: name and service, title and description, arguments.
const WEIGHTS: [f64; 3] = [4.0, 2.0, 1.0];
/// How soon more of the same word counts no more.
const K1: f64 = 1.2;
/// How much a long description counts against a tool.
const B: f64 = 0.75;
/// What a word counts that only begins with the one asked for.
const BEGINNING: f64 = 0.5;
/// Letters from which on a word stands for those that begin with it.
const SHORTEST: usize = 3;
/// Letters of one tool that are looked at, per field.
const LONGEST: usize = 20_000;

/// Tools, ready to be searched.
pub struct Index {
    documents: Vec<Document>,
    /// Words per tool, by weight.
    average: f64,
}

struct Document {
    name: String,
    /// Words with what they count.
    words: Vec<(String, f64)>,
    length: f64,
}

/// One tool in which a word stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Found {
    /// Which of the tools.
    pub at: usize,
    /// The higher the better; to be compared within one answer only.
    pub score: f64,
}

impl Index {
    /// Reads the tools.
    pub fn new<'a>(tools: impl IntoIterator<Item = &'a Tool>) -> Self {
        let documents: Vec<_> = tools.into_iter().map(Document::of).collect();
        let total: f64 = documents.iter().map(|document| document.length).sum();
        Self { average: total / count(documents.len().max(1)), documents }
    }

    /// The tools in which one of these words stands, the best first.
    #[must_use]
    pub fn find(&self, question: &str) -> Vec<Found> {
        let mut terms = words(question);
        terms.dedup();
        let mut scores = vec![0.0_f64; self.documents.len()];
        for term in &terms {
            let counts: Vec<f64> = self.documents.iter().map(|document| document.count(term)).collect();
            let with = count(counts.iter().filter(|count| **count > 0.0).count());
            let all = count(self.documents.len());
            let rare = (1.0 + (all - with + 0.5) / (with + 0.5)).ln();
            for ((score, times), document) in scores.iter_mut().zip(&counts).zip(&self.documents) {
                let long = 1.0 - B + B * document.length / self.average.max(1.0);
                *score += rare * times * (K1 + 1.0) / (times + K1 * long);
            }
        }
        let mut found: Vec<_> = scores
            .into_iter()
            .enumerate()
            .filter(|(_, score)| *score > 0.0)
            .map(|(at, score)| Found { at, score })
            .collect();
        let name = |found: &Found| self.documents.get(found.at).map(|document| document.name.as_str());
        found.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| name(a).cmp(&name(b))).then(a.at.cmp(&b.at)));
        found
    }

    /// The question with each word that stands nowhere replaced by one that nearly is it; none when there is no such word.
    #[must_use]
    pub fn instead(&self, question: &str) -> Option<String> {
        let mut known: Vec<&str> =
            self.documents.iter().flat_map(|document| document.words.iter().map(|(word, _)| word.as_str())).collect();
        known.sort_unstable();
        known.dedup();
        let asked = words(question);
        let near: Vec<String> = asked
            .iter()
            .map(|term| {
                let there = self.documents.iter().any(|document| document.count(term) > 0.0);
                let slips =
                    known.iter().filter(|_| !there).filter_map(|word| Some((spelling::slip(term, word)?, *word)));
                slips.min().map_or_else(|| term.clone(), |(_, word)| word.to_owned())
            })
            .collect();
        (near != asked).then(|| near.join(" "))
    }
}

impl Document {
    fn of(tool: &Tool) -> Self {
        let mut arguments = String::new();
        if let Some(schema) = Schema::of(tool) {
            for argument in schema.arguments() {
                arguments.push_str(argument.name);
                arguments.push(' ');
                arguments.push_str(&argument.description().unwrap_or_default());
                arguments.push(' ');
            }
        }
        let names = [&tool.name, tool.service.as_ref().unwrap_or(&String::new())].map(String::as_str).join(" ");
        let about = [&tool.title, &tool.description].map(|text| text.as_deref().unwrap_or_default()).join(" ");
        let mut all = Vec::new();
        for (text, weight) in [names, about, arguments].iter().zip(WEIGHTS) {
            let text: String = text.chars().take(LONGEST).collect();
            all.extend(words(&text).into_iter().map(|word| (word, weight)));
        }
        let length = all.iter().map(|(_, weight)| weight).sum();
        Self { name: tool.name.clone(), words: all, length }
    }

    /// How often a word stands in it, by weight.
    fn count(&self, term: &str) -> f64 {
        let long = term.chars().count() >= SHORTEST;
        let counts = self.words.iter().map(|(word, weight)| {
            if word == term {
                *weight
            } else if long && word.starts_with(term) {
                weight * BEGINNING
            } else {
                0.0
            }
        });
        counts.sum()
    }
}

/// `getForecast_v2` is `get`, `forecast`, `v2`. In small letters, each without an `s` at its end.
fn words(text: &str) -> Vec<String> {
    let mut all = Vec::new();
    let mut word = String::new();
    let mut small = false;
    for character in text.chars() {
        // A capital behind a small letter begins a word.
        if (!character.is_alphanumeric() || (small && character.is_uppercase())) && !word.is_empty() {
            all.push(std::mem::take(&mut word));
        }
        if character.is_alphanumeric() {
            word.extend(character.to_lowercase());
        }
        small = character.is_lowercase() || character.is_numeric();
    }
    if !word.is_empty() {
        all.push(word);
    }
    for word in &mut all {
        if word.chars().count() > SHORTEST && word.ends_with('s') && !word.ends_with("ss") {
            word.pop();
        }
    }
    all
}

#[expect(clippy::cast_precision_loss, reason = "no gateway has 2^53 tools")]
fn count(number: usize) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::serve::tests_tool as listed;

    fn tool(name: &str, about: &str, argument: &str) -> Tool {
        let mut tool = listed(name, None);
        tool.description = Some(about.to_owned());
        tool.input_schema = json!({"type": "object", "properties": {argument: {"type": "string"}}}).into();
        tool
    }

    fn found(tools: &[Tool], question: &str) -> Vec<String> {
        let found = Index::new(tools).find(question);
        found.iter().filter_map(|found| tools.get(found.at)).map(|tool| tool.name.clone()).collect()
    }

    fn tools() -> Vec<Tool> {
        vec![
            tool("weather_get_forecast", "Returns the temperatures of the next days.", "city"),
            tool("list_cities", "Lists the cities that the weather is known of.", "country"),
            tool("createIssue", "Opens an issue in a repository.", "repository"),
            tool("send_message", "Sends a message to a channel.", "channel"),
        ]
    }

    #[test]
    fn a_word_in_the_name_outranks_one_in_the_description_and_that_one_in_an_argument() {
        let tools = tools();
        assert_eq!(found(&tools, "weather"), ["weather_get_forecast", "list_cities"]);
        assert_eq!(found(&tools, "city"), ["weather_get_forecast"], "an argument");
        assert_eq!(found(&tools, "CITIES"), ["list_cities"]);
        assert_eq!(found(&tools, "issues repository"), ["createIssue"], "a capital begins a word, an s ends one");
        assert_eq!(found(&tools, "repo"), ["createIssue"], "a beginning");
        assert_eq!(found(&tools, "re"), Vec::<String>::new(), "too short for a beginning");
        assert_eq!(found(&tools, "sends channel weather").first().map(String::as_str), Some("send_message"));
        assert_eq!(found(&tools, ""), Vec::<String>::new());
    }

    #[test]
    fn ties_are_in_the_order_of_the_names_whatever_the_order_of_the_tools() {
        let mut tools: Vec<_> = ["c", "a", "b"].map(|name| tool(&format!("{name}_x"), "same", "same")).into();
        assert_eq!(found(&tools, "x same"), ["a_x", "b_x", "c_x"]);
        tools.reverse();
        assert_eq!(found(&tools, "x same"), ["a_x", "b_x", "c_x"]);
    }

    #[test]
    fn a_word_that_stands_nowhere_has_one_that_it_may_have_been() {
        let index = Index::new(&tools());
        assert_eq!(index.find("wether"), []);
        assert_eq!(index.instead("wether forecast").as_deref(), Some("weather forecast"));
        assert_eq!(index.instead("weather"), None);
        assert_eq!(index.instead("zebra"), None);
    }
}
