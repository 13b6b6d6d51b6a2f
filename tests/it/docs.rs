//! The pages for programmers: the commands of the tutorials are pasted into bash, as they stand on the page.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, Command, Stdio};

use crate::harness::person::query;
use crate::harness::{Answer, Person, Platform, SOON, http};

/// The commands of a page in order, as a browser's clipboard gets them.
fn commands(html: &str) -> Vec<String> {
    let blocks = html.split("<div class=\"command\">").skip(1);
    let code =
        blocks.map(|block| block.split_once("<code>").and_then(|(_, rest)| rest.split_once("</code>")));
    code.map(|code| unescape(code.expect("a command is code").0)).collect()
}

fn unescape(text: &str) -> String {
    let marks = [("&#60;", "<"), ("&#62;", ">"), ("&#34;", "\""), ("&#39;", "'"), ("&#38;", "&")];
    marks.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}

/// A terminal with bash in a folder of its own.
struct Terminal {
    bash: Child,
    output: BufReader<std::process::ChildStdout>,
}

impl Terminal {
    fn open(folder: &std::path::Path) -> Self {
        let mut bash = Command::new("bash")
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("bash can be started");
        let output = BufReader::new(bash.stdout.take().expect("its output is piped"));
        Self { bash, output }
    }

    fn type_in(&mut self, text: &str) {
        let input = self.bash.stdin.as_mut().expect("its input is piped");
        writeln!(input, "{text}").expect("bash reads on");
    }

    /// Pastes commands and returns what they print.
    fn paste(&mut self, command: &str) -> String {
        const MARK: &str = "--- that was all ---";
        self.type_in(command);
        self.type_in(&format!("echo; echo '{MARK}'"));
        let mut printed = String::new();
        loop {
            let mut line = String::new();
            let count = self.output.read_line(&mut line).expect("bash prints text");
            assert!(count > 0, "bash ended after {command}: {printed}");
            if line.trim_end() == MARK {
                return printed.trim().to_owned();
            }
            printed.push_str(&line);
        }
    }

    fn close(mut self) {
        drop(self.bash.stdin.take());
        let mut rest = String::new();
        let _ = self.output.read_to_string(&mut rest);
        let _ = self.bash.wait();
    }
}

async fn paste_all(platform: &Platform) {
    let page = platform.with_token("").get("/docs").await.is(200);
    let policy = page.header("content-security-policy").to_owned();
    assert!(policy.contains("script-src 'self'") && !page.text.contains("style=\""), "{policy}");
    let commands = commands(&page.text);
    assert_eq!(commands.len(), 18, "{commands:#?}");
    let folder = platform.folder("terminal");
    let mut terminal = Terminal::open(&folder);
    let mut paste = |place: usize| terminal.paste(&commands[place]);

    let login = paste(0);
    assert!(login.contains(platform.setting("CALLFEED_USER")), "{login}");
    let link = paste(1);
    let landed = Person::admin(platform).sign_in(&link).await;
    let code = query(&landed, "code").expect("the browser is sent back with a code");
    assert_eq!(query(&landed, "state").as_deref(), Some("tutorial"));
    // What `read` reads is the next line that is typed.
    terminal.type_in(&commands[2]);
    terminal.type_in(&code);
    let mut paste = |place: usize| terminal.paste(&commands[place]);
    assert!(paste(3).starts_with("signed in as "), "the code gives a token");

    assert!(paste(4).starts_with("ws://"), "a channel has a socket");
    assert!(paste(5).contains("REPORT_SUMMARY"), "the subscription's answer names its event");
    paste(6);
    let space = paste(7);
    assert_eq!(space.len(), 36, "{space}");
    let notification = paste(8);
    assert!(notification.contains("call-events-report") && notification.contains(&space), "{notification}");
    let report: serde_json::Value = serde_json::from_str(&paste(9)).unwrap();
    assert_eq!(report["conversationSpaceId"], *space);
    assert_eq!(paste(10), "204");

    assert!(paste(11).starts_with("ws://"), "a channel has a socket");
    let results: serde_json::Value = serde_json::from_str(&paste(12)).unwrap();
    assert_eq!(results["accountKeys"][0]["status"], 200);
    paste(13);
    let space = paste(14);
    let states = paste(15);
    assert!(states.contains(&space) && states.contains("\"ENDING\""), "{states}");
    let page: serde_json::Value = serde_json::from_str(&paste(16)).unwrap();
    let numbers: Vec<_> =
        page["items"].as_array().unwrap().iter().map(|i| &i["state"]["sequenceNumber"]).collect();
    assert_eq!(numbers, [1, 2]);
    assert_eq!(paste(17), "204");
    terminal.close();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_commands_of_both_tutorials_work_when_pasted() {
    let platform = Platform::start().await;
    tokio::time::timeout(SOON, paste_all(&platform)).await.expect("the commands come to an end");
}

#[tokio::test]
async fn the_reference_shows_every_operation_of_the_document() {
    let platform = Platform::start().await;
    let nobody = platform.with_token("");
    let page = nobody.get("/docs/api").await.is(200).text;
    let document = nobody.get("/openapi.json").await.is(200).json();
    for item in document["paths"].as_object().unwrap().values() {
        for operation in item.as_object().unwrap().values() {
            let id = operation["operationId"].as_str().unwrap();
            assert!(page.contains(&format!("id=\"{id}\"")), "{id}");
        }
    }
    assert!(nobody.get("/clients").await.status < 400);
}

#[tokio::test]
async fn without_the_example_office_the_page_says_where_clients_are_made_and_tells_no_secret() {
    let mut platform = Platform::start().await;
    platform.restart_without("--example").await;
    let page = platform.with_token("").get("/docs").await.is(200).text;
    assert!(page.contains("Make a client") && !page.contains("example.env"), "{page}");
}

#[tokio::test]
async fn every_text_of_the_repository_is_a_page_and_every_link_between_them_leads_to_one() {
    let platform = Platform::start().await;
    let nobody = platform.with_token("");
    let links = |page: &str| -> Vec<String> {
        let targets = page.split("href=\"").skip(1).filter_map(|rest| rest.split_once('"'));
        let of_docs = targets.map(|(target, _)| target).filter(|target| target.starts_with("/docs"));
        of_docs.map(|target| target.split('#').next().unwrap_or_default().to_owned()).collect()
    };
    let mut known = vec!["/docs".to_owned()];
    for place in 0.. {
        let Some(path) = known.get(place).cloned() else { break };
        let page = nobody.get(&path).await.is(200);
        assert!(page.header("content-type").starts_with("text/html"), "{path}");
        assert!(!page.text.contains("```") && page.text.contains("<h1>"), "{path}");
        for link in links(&page.text) {
            if !known.contains(&link) {
                known.push(link);
            }
        }
    }
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/docs");
    for file in std::fs::read_dir(folder).unwrap() {
        let name = file.unwrap().file_name().into_string().unwrap();
        let Some(name) = name.strip_suffix(".md") else { continue };
        assert!(known.contains(&format!("/docs/{name}")), "{name} is not among {known:?}");
    }
    nobody.get("/docs/none").await.error(404, "NOT_FOUND");
    let browser =
        |path: &str| http().get(format!("{}{path}", platform.base)).header("accept", "text/html,*/*");
    let page = Answer::of("/docs/none", browser("/docs/none")).await.is(404);
    assert!(page.text.contains("All texts are listed at /docs"), "{}", page.text);
    let login = Answer::of("/login", browser("/login")).await.is(302);
    assert_eq!(login.header("location"), "/clients");
}

#[tokio::test]
async fn a_browser_that_opens_the_platform_is_led_to_the_documentation() {
    let platform = Platform::start().await;
    let open = |accept: &str| http().get(format!("{}/", platform.base)).header("accept", accept);
    let browser = Answer::of("GET /", open("text/html,application/xhtml+xml,*/*;q=0.8")).await.is(303);
    assert_eq!(browser.header("location"), "/docs");
    Answer::of("GET /", open("*/*")).await.error(404, "NOT_FOUND");
}
