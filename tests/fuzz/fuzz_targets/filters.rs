//! Filters: the verdicts are those of a plain matcher that tries every way, and of the rules read one after the other.

use crate::arbitrary;
use derive_arbitrary::Arbitrary;
use pflow_gateway_component::{
    filter::select,
    model::{Annotations, Attribution, Candidate, Confidence, Reason, Rules},
};

/// What is tried.
#[derive(Arbitrary, Debug)]
pub struct Input {
    include_services: Vec<Glob>,
    exclude_services: Vec<Glob>,
    include_tools: Vec<Glob>,
    exclude_tools: Vec<Glob>,
    read_only: bool,
    no_destructive: bool,
    control_tools: bool,
    candidates: Vec<Tool>,
    /// Any text as a pattern: a glob or an error.
    wild: String,
}

#[derive(Arbitrary, Debug)]
struct Tool {
    name: Vec<Letter>,
    service: Option<Vec<Letter>>,
    control: bool,
    hints: Option<(Option<bool>, Option<bool>)>,
}

/// A pattern by its parts.
#[derive(Arbitrary, Clone, Debug)]
struct Glob(Vec<Token>);

#[derive(Arbitrary, Clone, Debug)]
enum Token {
    Letter(Letter),
    Escaped(Letter),
    One,
    Many,
    Of(Class),
    Either(Vec<Vec<Simple>>),
}

#[derive(Arbitrary, Clone, Debug)]
enum Simple {
    Letter(Letter),
    One,
    Many,
}

#[derive(Arbitrary, Clone, Debug)]
struct Class {
    not: bool,
    ranges: Vec<(u8, u8)>,
}

#[derive(Arbitrary, Clone, Copy, Debug, PartialEq, Eq)]
enum Letter {
    A,
    B,
    C,
    CapitalA,
    Underscore,
    Hyphen,
    Dot,
    Slash,
    Star,
    Question,
    Bracket,
    Brace,
    Backslash,
    Umlaut,
    Emoji,
}

impl Letter {
    fn char(self) -> char {
        match self {
            Self::A => 'a',
            Self::B => 'b',
            Self::C => 'c',
            Self::CapitalA => 'A',
            Self::Underscore => '_',
            Self::Hyphen => '-',
            Self::Dot => '.',
            Self::Slash => '/',
            Self::Star => '*',
            Self::Question => '?',
            Self::Bracket => '[',
            Self::Brace => '{',
            Self::Backslash => '\\',
            Self::Umlaut => 'ä',
            Self::Emoji => '🙂',
        }
    }

    /// As a pattern that means just it.
    fn literal(self) -> String {
        match self.char() {
            special @ ('*' | '?' | '[' | '{' | '\\') => format!("\\{special}"),
            plain => plain.to_string(),
        }
    }
}

fn word(letters: &[Letter]) -> String {
    letters.iter().take(10).map(|letter| letter.char()).collect()
}

/// One step of the plain matcher.
enum Step {
    Char(char),
    One,
    Many,
    Of(bool, Vec<(char, char)>),
    Either(Vec<Vec<Step>>),
}

impl Glob {
    /// As a user writes it, and as the plain matcher takes it. `**` is left out: it means more in paths, and names are no paths.
    fn both(&self) -> (String, Vec<Step>) {
        let (mut text, mut steps) = (String::new(), Vec::new());
        for token in self.0.iter().take(6) {
            match token {
                Token::Letter(letter) => {
                    text += &letter.literal();
                    steps.push(Step::Char(letter.char()));
                }
                Token::Escaped(letter) => {
                    text.extend(['\\', letter.char()]);
                    steps.push(Step::Char(letter.char()));
                }
                Token::One => {
                    text.push('?');
                    steps.push(Step::One);
                }
                Token::Many if !text.ends_with('*') => {
                    text.push('*');
                    steps.push(Step::Many);
                }
                Token::Many => {}
                Token::Of(class) => {
                    let ranges: Vec<(char, char)> = class
                        .ranges
                        .iter()
                        .take(3)
                        .map(|(from, to)| (char::from(b'a' + from % 4), char::from(b'a' + to % 4)))
                        .map(|(from, to)| (from.min(to), from.max(to)))
                        .collect();
                    if ranges.is_empty() {
                        continue;
                    }
                    text.push('[');
                    if class.not {
                        text.push('!');
                    }
                    for (from, to) in &ranges {
                        text.extend([*from, '-', *to]);
                    }
                    text.push(']');
                    steps.push(Step::Of(class.not, ranges));
                }
                Token::Either(ways) => {
                    let ways: Vec<_> =
                        ways.iter().take(3).filter(|way| !way.is_empty()).map(|way| simple(way)).collect();
                    if ways.is_empty() {
                        continue;
                    }
                    text +=
                        &format!("{{{}}}", ways.iter().map(|(text, _)| text.as_str()).collect::<Vec<_>>().join(","));
                    steps.push(Step::Either(ways.into_iter().map(|(_, steps)| steps).collect()));
                }
            }
        }
        (text, steps)
    }
}

fn simple(way: &[Simple]) -> (String, Vec<Step>) {
    let (mut text, mut steps) = (String::new(), Vec::new());
    for one in way.iter().take(3) {
        match one {
            Simple::Letter(letter) => {
                text += &letter.literal();
                steps.push(Step::Char(letter.char()));
            }
            Simple::One => {
                text.push('?');
                steps.push(Step::One);
            }
            Simple::Many if !text.ends_with('*') => {
                text.push('*');
                steps.push(Step::Many);
            }
            Simple::Many => {}
        }
    }
    (text, steps)
}

/// Whether the steps can take the whole name; `then` is asked for what is left.
fn takes(steps: &[Step], name: &[char], then: &dyn Fn(&[char]) -> bool) -> bool {
    let Some((step, rest)) = steps.split_first() else { return then(name) };
    let next = |name: &[char]| takes(rest, name, then);
    let one = |fits: &dyn Fn(char) -> bool| name.split_first().is_some_and(|(first, left)| fits(*first) && next(left));
    match step {
        Step::Char(wanted) => one(&|c| c == *wanted),
        Step::One => one(&|_| true),
        Step::Of(not, ranges) => one(&|c| ranges.iter().any(|(from, to)| (*from..=*to).contains(&c)) != *not),
        Step::Many => (0..=name.len()).any(|taken| next(&name[taken..])),
        Step::Either(ways) => ways.iter().any(|way| takes(way, name, &|left| next(left))),
    }
}

struct Globs(Vec<(String, Vec<Step>)>);

impl Globs {
    fn of(globs: &[Glob]) -> Self {
        Self(globs.iter().take(3).map(Glob::both).collect())
    }

    fn texts(&self) -> Vec<String> {
        self.0.iter().map(|(text, _)| text.clone()).collect()
    }

    fn take(&self, name: &str) -> bool {
        let name: Vec<char> = name.chars().collect();
        self.0.iter().any(|(_, steps)| takes(steps, &name, &<[char]>::is_empty))
    }
}

/// One input.
pub fn run(input: &Input) {
    let (services, no_services) = (Globs::of(&input.include_services), Globs::of(&input.exclude_services));
    let (tools, no_tools) = (Globs::of(&input.include_tools), Globs::of(&input.exclude_tools));
    let rules = Rules {
        include_services: services.texts(),
        exclude_services: no_services.texts(),
        include_tools: tools.texts(),
        exclude_tools: no_tools.texts(),
        read_only: input.read_only,
        no_destructive: input.no_destructive,
        control_tools: input.control_tools,
        // What is not certain is the ladder's; here everything is.
        claims: false,
    };
    let candidates: Vec<Candidate> = input
        .candidates
        .iter()
        .take(8)
        .map(|tool| Candidate {
            name: word(&tool.name),
            service: tool.service.as_deref().map(word),
            attribution: if tool.control { Attribution::Control } else { Attribution::Reported },
            confidence: Confidence::Certain,
            annotations: tool.hints.map(|(read_only, destructive)| Annotations {
                read_only,
                destructive,
                ..Annotations::default()
            }),
            title: None,
            description: None,
            input_schema: None,
            meta: None,
            original_name: None,
        })
        .collect();
    let verdicts = select(&rules, &candidates).unwrap_or_else(|error| panic!("{error:?}: {rules:?}"));
    assert_eq!(verdicts.len(), candidates.len());
    for (candidate, verdict) in candidates.iter().zip(verdicts) {
        let mut expected = None;
        let mut say = |applies: bool, reason: Reason| {
            if applies && expected.is_none() {
                expected = Some(reason);
            }
        };
        let control = candidate.attribution == Attribution::Control;
        let hints = candidate.annotations.clone().unwrap_or_default();
        let read_only = hints.read_only == Some(true);
        say(control && !rules.control_tools && !rules.include_tools.contains(&candidate.name), Reason::ControlTool);
        if let Some(service) = &candidate.service {
            say(no_services.take(service), Reason::ServiceExcluded);
        }
        if !control && !rules.include_services.is_empty() {
            say(
                !candidate.service.as_deref().is_some_and(|service| services.take(service)),
                Reason::ServiceNotIncluded,
            );
        }
        say(no_tools.take(&candidate.name), Reason::ToolExcluded);
        say(!rules.include_tools.is_empty() && !tools.take(&candidate.name), Reason::ToolNotIncluded);
        say(rules.read_only && !read_only, Reason::NotReadOnly);
        say(rules.no_destructive && !read_only && hints.destructive != Some(false), Reason::Destructive);
        assert_eq!(verdict, expected, "{candidate:?} {rules:?}");
    }

    let wild = Rules { include_tools: vec![input.wild.clone()], ..Rules::default() };
    match select(&wild, &candidates) {
        Ok(verdicts) => assert_eq!(verdicts.len(), candidates.len()),
        Err(error) => assert!(error.pattern == input.wild && !error.problem.is_empty(), "{error:?}"),
    }
}
