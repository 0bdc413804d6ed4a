//! Globs over names: `*` any text, `?` one character, `[a-c]` and `[!x]` one of some, `{one,other}`, `\` before what means itself.
//! Takes a pattern once; then says of names whether they are it, whole and with case. Names are no paths: `/` is a character.
//! Must answer in steps that grow with pattern times name, whatever both are: the names are a peer's.

/// A pattern, read.
#[derive(Clone, Debug)]
pub struct Glob(Kind);

#[derive(Clone, Debug)]
enum Kind {
    /// Text and `*` alone, as most are: the texts between the stars, in order.
    Texts(Vec<String>),
    Steps(Steps),
}

#[derive(Clone, Debug)]
struct Steps {
    /// Where a name can be; a step leads to another by its number.
    steps: Vec<Step>,
    start: usize,
}

#[derive(Clone, Debug)]
enum Step {
    /// One character, then on.
    Take(One, usize),
    /// On in each of these ways, without a character.
    Fork(Vec<usize>),
    /// The end of the pattern.
    End,
}

#[derive(Clone, Debug)]
enum One {
    Char(char),
    Any,
    In(Vec<(char, char)>),
    NotIn(Vec<(char, char)>),
}

impl One {
    fn is(&self, c: char) -> bool {
        let within = |ranges: &[(char, char)]| ranges.iter().any(|(first, last)| (*first..=*last).contains(&c));
        match self {
            Self::Char(wanted) => *wanted == c,
            Self::Any => true,
            Self::In(ranges) => within(ranges),
            Self::NotIn(ranges) => !within(ranges),
        }
    }
}

/// Why a text is no pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// `[` without its end.
    #[error("'[' is not closed; write '\\[' for the character")]
    OpenClass,
    /// `[z-a]`.
    #[error("the range {0}-{1} runs backwards")]
    Backwards(char, char),
    /// `{` without its end.
    #[error("'{{' is not closed; write '\\{{' for the character")]
    OpenChoice,
    /// `}` without its beginning.
    #[error("'}}' closes nothing; write '\\}}' for the character")]
    StrayBrace,
    /// Nothing follows the last `\`.
    #[error("nothing follows the last '\\'; write '\\\\' for the character")]
    Escape,
    /// Braces within braces within braces.
    #[error("'{{' is nested more than {DEPTH} deep")]
    Deep,
}

/// Choices within choices.
const DEPTH: usize = 16;

/// What a pattern is made of.
enum Part {
    One(One),
    Many,
    Choice(Vec<Vec<Part>>),
}

impl std::str::FromStr for Glob {
    type Err = Broken;

    fn from_str(pattern: &str) -> Result<Self, Broken> {
        let mut rest = pattern.chars();
        let parts = sequence(&mut rest, 0)?.0;
        Ok(Self(texts(&parts).map_or_else(|| Kind::Steps(Steps::of(&parts)), Kind::Texts)))
    }
}

impl Glob {
    /// Whether the name, all of it, is what the pattern says.
    #[must_use]
    pub fn is_match(&self, name: &str) -> bool {
        match &self.0 {
            Kind::Texts(texts) => is_of(texts, name),
            Kind::Steps(steps) => steps.is_match(name),
        }
    }
}

/// The texts between the stars; none where there is something else.
fn texts(parts: &[Part]) -> Option<Vec<String>> {
    let mut texts = vec![String::new()];
    for part in parts {
        match part {
            Part::One(One::Char(c)) => texts.last_mut()?.push(*c),
            Part::Many => texts.push(String::new()),
            Part::One(_) | Part::Choice(_) => return None,
        }
    }
    Some(texts)
}

/// Whether a name begins with the first text, ends with the last, and has the others between them, in order: each where it comes first, since
/// that leaves most for those behind it.
fn is_of(texts: &[String], name: &str) -> bool {
    let [first, between @ .., last] = texts else { return texts.iter().all(|only| only == name) };
    let inside = name.strip_prefix(first.as_str()).and_then(|rest| rest.strip_suffix(last.as_str()));
    let behind = |rest: &str, text: &String| rest.find(text.as_str()).map(|at| at + text.len());
    inside.is_some_and(|inside| between.iter().try_fold(inside, |rest, text| rest.get(behind(rest, text)?..)).is_some())
}

impl Steps {
    fn of(parts: &[Part]) -> Self {
        let mut steps = Self { steps: vec![Step::End], start: 0 };
        steps.start = steps.lead(parts, 0);
        steps
    }

    fn is_match(&self, name: &str) -> bool {
        let (mut here, mut there) = (StateSet::new(self.steps.len()), StateSet::new(self.steps.len()));
        self.insert(&mut here, self.start);
        for c in name.chars() {
            for place in here.leave() {
                if let Some(Step::Take(one, next)) = self.steps.get(place)
                    && one.is(c)
                {
                    self.insert(&mut there, *next);
                }
            }
            if there.list.is_empty() {
                return false;
            }
            std::mem::swap(&mut here, &mut there);
        }
        here.list.iter().any(|place| matches!(self.steps.get(*place), Some(Step::End)))
    }

    /// Adds a place, and those that it leads to without a character.
    fn insert(&self, places: &mut StateSet, place: usize) {
        let mut open = vec![place];
        while let Some(place) = open.pop() {
            if places.add(place)
                && let Some(Step::Fork(ways)) = self.steps.get(place)
            {
                open.extend(ways);
            }
        }
    }

    /// The steps of these parts, before the step `next`; gives the first.
    fn lead(&mut self, parts: &[Part], next: usize) -> usize {
        parts.iter().rev().fold(next, |next, part| match part {
            Part::One(one) => self.step(Step::Take(one.clone(), next)),
            Part::Many => {
                let fork = self.step(Step::End);
                let again = self.step(Step::Take(One::Any, fork));
                if let Some(step) = self.steps.get_mut(fork) {
                    *step = Step::Fork(vec![next, again]);
                }
                fork
            }
            Part::Choice(ways) => {
                let ways = ways.iter().map(|way| self.lead(way, next)).collect();
                self.step(Step::Fork(ways))
            }
        })
    }

    fn step(&mut self, step: Step) -> usize {
        self.steps.push(step);
        self.steps.len() - 1
    }
}

/// Steps at which a name can be, each once.
struct StateSet {
    list: Vec<usize>,
    known: Vec<bool>,
}

impl StateSet {
    fn new(steps: usize) -> Self {
        Self { list: Vec::new(), known: vec![false; steps] }
    }

    /// All of them; none is left.
    fn leave(&mut self) -> impl Iterator<Item = usize> {
        let Self { list, known } = self;
        list.drain(..).inspect(|place| {
            if let Some(known) = known.get_mut(*place) {
                *known = false;
            }
        })
    }

    /// Whether it is new.
    fn add(&mut self, place: usize) -> bool {
        let new = self.known.get_mut(place).is_some_and(|known| !std::mem::replace(known, true));
        if new {
            self.list.push(place);
        }
        new
    }
}

/// What ended a sequence.
#[derive(PartialEq, Eq)]
enum Stop {
    Text,
    Comma,
    Brace,
}

fn sequence(rest: &mut std::str::Chars<'_>, depth: usize) -> Result<(Vec<Part>, Stop), Broken> {
    let mut parts = Vec::new();
    while let Some(c) = rest.next() {
        parts.push(match c {
            '?' => Part::One(One::Any),
            // Two of them say no more than one.
            '*' if matches!(parts.last(), Some(Part::Many)) => continue,
            '*' => Part::Many,
            '[' => Part::One(class(rest)?),
            '\\' => Part::One(One::Char(rest.next().ok_or(Broken::Escape)?)),
            '{' => Part::Choice(choice(rest, depth + 1)?),
            ',' if depth > 0 => return Ok((parts, Stop::Comma)),
            '}' if depth > 0 => return Ok((parts, Stop::Brace)),
            '}' => return Err(Broken::StrayBrace),
            other => Part::One(One::Char(other)),
        });
    }
    Ok((parts, Stop::Text))
}

fn choice(rest: &mut std::str::Chars<'_>, depth: usize) -> Result<Vec<Vec<Part>>, Broken> {
    if depth > DEPTH {
        return Err(Broken::Deep);
    }
    let mut ways = Vec::new();
    loop {
        let (way, stop) = sequence(rest, depth)?;
        ways.push(way);
        match stop {
            Stop::Comma => {}
            Stop::Brace => return Ok(ways),
            Stop::Text => return Err(Broken::OpenChoice),
        }
    }
}

/// What follows `[`. A `]` that comes first and a `-` at either end mean themselves.
fn class(rest: &mut std::str::Chars<'_>) -> Result<One, Broken> {
    let mut ranges = Vec::new();
    let not = rest.as_str().starts_with(['!', '^']);
    if not {
        rest.next();
    }
    let mut first = true;
    loop {
        let start = match rest.next().ok_or(Broken::OpenClass)? {
            ']' if !first => return Ok(if not { One::NotIn(ranges) } else { One::In(ranges) }),
            '\\' => rest.next().ok_or(Broken::OpenClass)?,
            other => other,
        };
        first = false;
        let mut ahead = rest.clone();
        let end = match (ahead.next(), ahead.next()) {
            (Some('-'), Some(end)) if end != ']' => {
                *rest = ahead;
                if end == '\\' { rest.next().ok_or(Broken::OpenClass)? } else { end }
            }
            _ => start,
        };
        if end < start {
            return Err(Broken::Backwards(start, end));
        }
        ranges.push((start, end));
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::*;

    fn matches(pattern: &str, name: &str) -> bool {
        pattern.parse::<Glob>().unwrap().is_match(name)
    }

    #[test]
    fn a_question_mark_and_a_class_take_one_character_however_many_bytes_it_has() {
        assert!(matches("?", "ä") && matches("a?c", "a\u{1f642}c") && !matches("??", "ä"));
        assert!(matches("[ä-ü]x", "öx") && matches("[!a]", "ä") && !matches("[!ä]", "ä"));
    }

    #[test]
    fn choices_nest_and_may_be_empty() {
        for name in ["", "a", "b1", "b2"] {
            assert!(matches("{,a,b{1,2}}", name), "{name}");
        }
        assert!(!matches("{,a,b{1,2}}", "b"));
        assert!(matches("x,y", "x,y"), "outside of braces a comma is one");
    }

    #[test]
    fn what_stands_first_or_last_in_a_class_means_itself() {
        assert!(matches("[]a]", "]") && matches("[a-]", "-") && matches("[-a]", "-") && matches("[!]]", "x"));
        assert!(
            !matches("[!]]", "]") && matches(r"[\]]", "]") && matches(r"[\[-\]]", "]") && !matches(r"[\[-\]]", "a")
        );
        assert!(matches("[^a]", "b") && !matches("[^a]", "a"));
    }

    #[test]
    fn what_is_no_pattern_says_why() {
        for (pattern, problem) in [
            ("a[b", Broken::OpenClass),
            ("[", Broken::OpenClass),
            ("[]", Broken::OpenClass),
            ("[z-a]", Broken::Backwards('z', 'a')),
            ("{a,b", Broken::OpenChoice),
            ("a}", Broken::StrayBrace),
            ("a\\", Broken::Escape),
        ] {
            assert_eq!(pattern.parse::<Glob>().unwrap_err(), problem, "{pattern}");
        }
        assert_eq!("{".repeat(100_000).parse::<Glob>().unwrap_err(), Broken::Deep);
    }

    #[test]
    fn a_pattern_made_to_be_slow_is_not() {
        let pattern = format!("{}b", "{*a,a*}*".repeat(40));
        assert!(!matches(&pattern, &"a".repeat(1_000)));
    }

    proptest! {
        #[test]
        fn any_text_is_a_pattern_or_an_error(pattern in r"[a-cä*?\[\]{},!^\\-]{0,16}", name in "[a-cä*]{0,8}") {
            if let Ok(glob) = pattern.parse::<Glob>() {
                let _ = glob.is_match(&name);
            }
        }

        #[test]
        fn texts_and_stars_mean_what_they_mean_step_by_step(pattern in "[ab*]{0,8}", name in "[ab]{0,10}") {
            let parts = sequence(&mut pattern.chars(), 0).unwrap().0;
            prop_assert_eq!(is_of(&texts(&parts).unwrap(), &name), Steps::of(&parts).is_match(&name));
        }

        #[test]
        fn an_escaped_text_is_itself_alone(name in "[a-cä*?{}\\[\\],!-]{0,8}", other in "[a-cä*?{}\\[\\],!-]{0,8}") {
            let escaped: String = name.chars().flat_map(|c| ['\\', c]).collect();
            prop_assert!(matches(&escaped, &name));
            prop_assert_eq!(matches(&escaped, &other), name == other);
        }
    }
}
