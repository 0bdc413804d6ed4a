//! A demo service in the manner of a code host: repositories, issues, pull requests.
//! Starts with the same data every time and remembers what it was told until it ends. Holds nothing real.

use pflow_gateway_base::sync::Mutex;
use serde::Serialize;
use serde_json::{Value, json};

use super::service::{Arguments, Effect, Service, Spec, Type, may, maybe_text, need, text, texts, whole};

/// The service.
pub(super) struct Github {
    state: Mutex<State>,
}

struct State {
    issues: Vec<Issue>,
    comments: Vec<Comment>,
    pulls: Vec<Pull>,
    runs: u64,
}

#[derive(Clone, Serialize)]
struct Issue {
    repo: String,
    number: u64,
    title: String,
    body: String,
    state: &'static str,
    labels: Vec<String>,
    author: String,
}

#[derive(Clone, Serialize)]
struct Comment {
    repo: String,
    number: u64,
    author: String,
    body: String,
}

#[derive(Clone, Serialize)]
struct Pull {
    repo: String,
    number: u64,
    title: String,
    state: &'static str,
    branch: String,
    author: String,
}

const REPOSITORIES: &[(&str, &str, &str, u64)] = &[
    ("acme/api", "The public API", "Rust", 412),
    ("acme/web", "The web shop", "TypeScript", 198),
    ("acme/docs", "Handbooks and guides", "Markdown", 57),
];

const FILES: &[(&str, &str, &str)] = &[
    ("acme/api", "README.md", "# api\n\nThe public API of the Acme shop.\n"),
    ("acme/api", "src/limit.rs", "pub const REQUESTS_PER_MINUTE: u32 = 600;\n"),
    ("acme/web", "README.md", "# web\n\nThe Acme web shop.\n"),
    ("acme/docs", "on-call.md", "# On call\n\nThe rota changes on Mondays at 09:00 UTC.\n"),
];

const COMMITS: &[(&str, &str, &str, &str)] = &[
    ("acme/api", "9f1c2ab", "mara", "Raise the rate limit to 600 requests a minute"),
    ("acme/api", "47d0e11", "jonas", "Answer 429 with Retry-After"),
    ("acme/web", "c0ffee5", "mara", "Show prices with two decimals"),
    ("acme/docs", "1b2a3c4", "yuki", "Say who is on call"),
];

const REPO: super::service::Parameter = need("repo", Type::Text, "Repository, like acme/api.");
const NUMBER: super::service::Parameter = need("number", Type::Whole, "Number of the issue or pull request.");
const STATE: super::service::Parameter = may("state", Type::Choice(&["open", "closed", "all"]), "Default: open.");

const TOOLS: &[Spec] = &[
    Spec {
        name: "list_repositories",
        title: "List repositories",
        about: "Lists the repositories of the organisation.",
        effect: Effect::Reads,
        parameters: &[],
    },
    Spec {
        name: "get_file",
        title: "Get a file",
        about: "Returns the text of one file of a repository.",
        effect: Effect::Reads,
        parameters: &[REPO, need("path", Type::Text, "Path inside the repository.")],
    },
    Spec {
        name: "list_commits",
        title: "List commits",
        about: "Lists the latest commits of a repository, newest first.",
        effect: Effect::Reads,
        parameters: &[REPO],
    },
    Spec {
        name: "list_issues",
        title: "List issues",
        about: "Lists issues of a repository.",
        effect: Effect::Reads,
        parameters: &[REPO, STATE, may("label", Type::Text, "Only issues with this label.")],
    },
    Spec {
        name: "get_issue",
        title: "Get an issue",
        about: "Returns one issue with its comments.",
        effect: Effect::Reads,
        parameters: &[REPO, NUMBER],
    },
    Spec {
        name: "search_issues",
        title: "Search issues",
        about: "Finds issues of all repositories by words of their title or text.",
        effect: Effect::Reads,
        parameters: &[need("query", Type::Text, "Words to look for.")],
    },
    Spec {
        name: "create_issue",
        title: "Create an issue",
        about: "Opens an issue and returns it with its number.",
        effect: Effect::Adds,
        parameters: &[
            REPO,
            need("title", Type::Text, "One line."),
            may("body", Type::Text, "The text, Markdown."),
            may("labels", Type::Texts, "Labels to set."),
        ],
    },
    Spec {
        name: "add_comment",
        title: "Comment on an issue",
        about: "Adds a comment to an issue.",
        effect: Effect::Adds,
        parameters: &[REPO, NUMBER, need("body", Type::Text, "The text, Markdown.")],
    },
    Spec {
        name: "add_labels",
        title: "Label an issue",
        about: "Sets labels on an issue; those that it has already stay.",
        effect: Effect::Changes,
        parameters: &[REPO, NUMBER, need("labels", Type::Texts, "Labels to set.")],
    },
    Spec {
        name: "close_issue",
        title: "Close an issue",
        about: "Closes an issue.",
        effect: Effect::Changes,
        parameters: &[REPO, NUMBER],
    },
    Spec {
        name: "list_pull_requests",
        title: "List pull requests",
        about: "Lists pull requests of a repository.",
        effect: Effect::Reads,
        parameters: &[REPO, STATE],
    },
    Spec {
        name: "merge_pull_request",
        title: "Merge a pull request",
        about: "Merges an open pull request. Cannot be undone.",
        effect: Effect::Destroys,
        parameters: &[REPO, NUMBER],
    },
    Spec {
        name: "run_workflow",
        title: "Run a CI workflow",
        about: "Starts a CI workflow and returns its number.",
        effect: Effect::Adds,
        parameters: &[
            REPO,
            need("workflow", Type::Text, "Its name, like release."),
            // pflow keeps an argument of this name for itself; here so that the way around it can be tried.
            may("timeout", Type::Whole, "Minutes after which the run is stopped. Default: 60."),
        ],
    },
];

impl Github {
    pub(super) fn new() -> Self {
        let issue = |repo: &str, number, title: &str, body: &str, state, labels: &[&str], author: &str| Issue {
            repo: repo.to_owned(),
            number,
            title: title.to_owned(),
            body: body.to_owned(),
            state,
            labels: labels.iter().map(|&label| label.to_owned()).collect(),
            author: author.to_owned(),
        };
        let pull = |repo: &str, number, title: &str, state, branch: &str, author: &str| Pull {
            repo: repo.to_owned(),
            number,
            title: title.to_owned(),
            state,
            branch: branch.to_owned(),
            author: author.to_owned(),
        };
        Self {
            state: Mutex::new(State {
                issues: vec![
                    issue(
                        "acme/api",
                        1,
                        "429 without Retry-After",
                        "Clients cannot tell how long to wait.",
                        "closed",
                        &["bug"],
                        "yuki",
                    ),
                    issue(
                        "acme/api",
                        2,
                        "Pagination returns one page too many",
                        "The last page is empty.",
                        "open",
                        &["bug", "api"],
                        "mara",
                    ),
                    issue(
                        "acme/api",
                        3,
                        "Document the webhook retries",
                        "How often, how long?",
                        "open",
                        &["docs"],
                        "jonas",
                    ),
                    issue(
                        "acme/web",
                        1,
                        "Cart forgets its items",
                        "After a reload the cart is empty.",
                        "open",
                        &["bug"],
                        "yuki",
                    ),
                    issue(
                        "acme/docs",
                        1,
                        "Who is on call in December?",
                        "The rota ends in November.",
                        "open",
                        &["question"],
                        "mara",
                    ),
                ],
                comments: vec![Comment {
                    repo: "acme/api".to_owned(),
                    number: 2,
                    author: "jonas".to_owned(),
                    body: "Only with page sizes that divide the total.".to_owned(),
                }],
                pulls: vec![
                    pull("acme/api", 4, "Stop after the last full page", "open", "fix-pagination", "mara"),
                    pull("acme/api", 5, "Answer 429 with Retry-After", "merged", "retry-after", "jonas"),
                    pull("acme/web", 2, "Keep the cart in local storage", "open", "keep-cart", "yuki"),
                ],
                runs: 100,
            }),
        }
    }
}

impl State {
    fn issue(&mut self, repo: &str, number: u64) -> Result<&mut Issue, String> {
        self.issues
            .iter_mut()
            .find(|issue| issue.repo == repo && issue.number == number)
            .ok_or_else(|| format!("{repo} has no issue {number}"))
    }
}

fn known(repo: &str) -> Result<(), String> {
    if REPOSITORIES.iter().any(|&(name, ..)| name == repo) {
        return Ok(());
    }
    let names: Vec<&str> = REPOSITORIES.iter().map(|&(name, ..)| name).collect();
    Err(format!("there is no repository \"{repo}\"; there are {}", names.join(", ")))
}

fn in_state(state: &str, wanted: Option<&str>) -> bool {
    match wanted.unwrap_or("open") {
        "all" => true,
        "closed" => state != "open",
        _ => state == "open",
    }
}

impl Service for Github {
    fn name(&self) -> &'static str {
        "github"
    }

    fn tools(&self) -> &'static [Spec] {
        TOOLS
    }

    fn call(&self, tool: &str, arguments: &Arguments) -> Result<Value, String> {
        let repo = text(arguments, "repo");
        if arguments.contains_key("repo") {
            known(repo)?;
        }
        let mut state = self.state.lock();
        match tool {
            "list_repositories" | "get_file" | "list_commits" => code(tool, repo, text(arguments, "path")),
            "list_pull_requests" | "merge_pull_request" => state.pulls(tool, repo, arguments),
            "list_issues" | "get_issue" | "search_issues" => state.look(tool, repo, arguments),
            "create_issue" | "add_comment" | "add_labels" | "close_issue" => state.write(tool, repo, arguments),
            "run_workflow" => {
                state.runs = state.runs.saturating_add(1);
                let minutes = arguments.get("timeout").and_then(Value::as_u64).unwrap_or(60);
                let workflow = text(arguments, "workflow");
                Ok(
                    json!({"repo": repo, "workflow": workflow, "run": state.runs, "status": "queued", "timeout_minutes": minutes}),
                )
            }
            other => Err(unknown(other)),
        }
    }
}

fn unknown(tool: &str) -> String {
    format!("github has no tool \"{tool}\"")
}

/// What never changes: repositories, files, commits.
fn code(tool: &str, repo: &str, path: &str) -> Result<Value, String> {
    match tool {
        "list_repositories" => {
            let all = REPOSITORIES.iter().map(
                |(name, about, language, stars)| json!({"name": name, "about": about, "language": language, "stars": stars}),
            );
            Ok(json!({"repositories": all.collect::<Vec<_>>()}))
        }
        "list_commits" => {
            let commits = COMMITS.iter().filter(|&&(of, ..)| of == repo);
            let commits =
                commits.map(|(_, sha, author, message)| json!({"sha": sha, "author": author, "message": message}));
            Ok(json!({"commits": commits.collect::<Vec<_>>()}))
        }
        _ => FILES
            .iter()
            .find(|&&(of, name, _)| of == repo && name == path)
            .map(|(_, _, content)| json!({"repo": repo, "path": path, "content": content}))
            .ok_or_else(|| format!("{repo} has no file \"{path}\"")),
    }
}

impl State {
    fn pulls(&mut self, tool: &str, repo: &str, arguments: &Arguments) -> Result<Value, String> {
        if tool == "list_pull_requests" {
            let wanted = maybe_text(arguments, "state");
            let pulls: Vec<&Pull> =
                self.pulls.iter().filter(|pull| pull.repo == repo && in_state(pull.state, wanted)).collect();
            return Ok(json!({"repo": repo, "total": pulls.len(), "pull_requests": pulls}));
        }
        let number = whole(arguments, "number");
        let pull = self
            .pulls
            .iter_mut()
            .find(|pull| pull.repo == repo && pull.number == number)
            .ok_or_else(|| format!("{repo} has no pull request {number}"))?;
        if pull.state != "open" {
            return Err(format!("pull request {number} of {repo} is {} already", pull.state));
        }
        pull.state = "merged";
        Ok(json!(pull))
    }

    fn look(&mut self, tool: &str, repo: &str, arguments: &Arguments) -> Result<Value, String> {
        match tool {
            "list_issues" => {
                let (wanted, label) = (maybe_text(arguments, "state"), maybe_text(arguments, "label"));
                let issues: Vec<&Issue> = self
                    .issues
                    .iter()
                    .filter(|issue| issue.repo == repo && in_state(issue.state, wanted))
                    .filter(|issue| label.is_none_or(|label| issue.labels.iter().any(|of| of == label)))
                    .collect();
                Ok(json!({"repo": repo, "total": issues.len(), "issues": issues}))
            }
            "search_issues" => {
                let query = text(arguments, "query").to_lowercase();
                let has = |words: &str| words.to_lowercase().contains(&query);
                let found: Vec<&Issue> =
                    self.issues.iter().filter(|issue| has(&issue.title) || has(&issue.body)).collect();
                Ok(json!({"total": found.len(), "issues": found}))
            }
            _ => {
                let number = whole(arguments, "number");
                let issue = self.issue(repo, number)?.clone();
                let comments: Vec<&Comment> =
                    self.comments.iter().filter(|comment| comment.repo == repo && comment.number == number).collect();
                Ok(json!({"issue": issue, "comments": comments}))
            }
        }
    }

    fn write(&mut self, tool: &str, repo: &str, arguments: &Arguments) -> Result<Value, String> {
        if tool == "create_issue" {
            let numbers = self.issues.iter().filter(|issue| issue.repo == repo).map(|issue| issue.number);
            let pulls = self.pulls.iter().filter(|pull| pull.repo == repo).map(|pull| pull.number);
            let issue = Issue {
                repo: repo.to_owned(),
                number: numbers.chain(pulls).max().unwrap_or_default().saturating_add(1),
                title: text(arguments, "title").to_owned(),
                body: text(arguments, "body").to_owned(),
                state: "open",
                labels: texts(arguments, "labels"),
                author: "demo".to_owned(),
            };
            self.issues.push(issue.clone());
            return Ok(json!(issue));
        }
        let number = whole(arguments, "number");
        let issue = self.issue(repo, number)?;
        match tool {
            "add_labels" => {
                for label in texts(arguments, "labels") {
                    if !issue.labels.contains(&label) {
                        issue.labels.push(label);
                    }
                }
            }
            "close_issue" => issue.state = "closed",
            _ => {
                let (repo, body) = (repo.to_owned(), text(arguments, "body").to_owned());
                let comment = Comment { repo, number, author: "demo".to_owned(), body };
                self.comments.push(comment.clone());
                return Ok(json!(comment));
            }
        }
        Ok(json!(issue))
    }
}
