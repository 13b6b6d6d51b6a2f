//! The tutorials as commands that work when pasted: addresses are this platform's own.

use ui::{Step, Tutorial};

use crate::app::App;
use crate::directory::example::REDIRECT_URIS;
use crate::extract::path_segment;

/// JSON is read with sed, which every machine has.
const MEMBER: &str = r#"member() { sed -n "s/.*\"$1\" *: *\"\([^\"]*\)\".*/\1/p" | head -n 1; }"#;

pub fn all(app: &App) -> Vec<Tutorial> {
    vec![sign_in(app), reports(), calls()]
}

fn sign_in(app: &App) -> Tutorial {
    let base = app.public_url.as_str().trim_end_matches('/');
    let redirect = REDIRECT_URIS[0];
    let scopes = wire::scope::TUTORIALS.join(" ");
    let link = format!(
        "$BASE/oauth/authorize?client_id=$OAUTH_CLIENT_ID&response_type=code&redirect_uri={}&scope={}&state=tutorial",
        path_segment(redirect),
        path_segment(&scopes)
    );
    let after = format!(
        "Sign in and allow access. The browser then goes to {redirect}, where nobody listens in this tutorial: copy \
         the value of code (up to the &) from its address bar. It works once, for ten minutes."
    );
    Tutorial {
        id: "sign-in",
        title: "Sign in",
        lead: "Both tutorials begin with a client, a person's consent and a token.",
        steps: vec![
            client(app, base),
            Step {
                title: "Open the login page",
                text: "Open the address that this prints in a browser.".into(),
                command: format!("echo \"{link}\""),
                ..Step::default()
            },
            Step {
                title: "Take the code",
                text: after,
                command: "read -r -p \"code: \" CODE".into(),
                after: "Paste the code and press Enter.",
            },
            Step {
                title: "Get a token",
                text: "The code becomes an access token, good for an hour, and a refresh token.".into(),
                command: format!(
                    "TOKENS=$(curl -s -u \"$OAUTH_CLIENT_ID:$OAUTH_CLIENT_SECRET\" \"$BASE/oauth/token\" \\\n  \
                     -d grant_type=authorization_code -d \"code=$CODE\" -d redirect_uri={redirect})\n\
                     TOKEN=$(echo \"$TOKENS\" | member access_token)\n\
                     echo \"${{TOKEN:+signed in as $(echo \"$TOKENS\" | member principal)}}\""
                ),
                after: "Nothing printed? echo \"$TOKENS\" says why.",
            },
        ],
    }
}

fn client(app: &App, base: &str) -> Step {
    let set = format!("BASE={base}\n{MEMBER}");
    if app.config.example {
        let file = app.config.data_dir.join("example.env");
        let file = std::path::absolute(&file).unwrap_or(file);
        let quoted = file.display().to_string().replace('\'', r"'\''");
        return Step {
            title: "Take a client",
            text: "The example office has one; its id and secret stand in example.env, beside the account key and \
                the people's passwords. Your own clients are made under Clients."
                .into(),
            command: format!("{set}\n. '{quoted}'\necho \"Sign in as $CALLFEED_USER with $CALLFEED_PASSWORD\""),
            ..Step::default()
        };
    }
    Step {
        title: "Make a client",
        text: format!(
            "Make one under Clients, with the redirect URI {} and the scopes {}. Put its id, its secret and \
             the account key, which stands there too, in place of the dots.",
            REDIRECT_URIS[0],
            wire::scope::TUTORIALS.join(", ")
        ),
        command: format!("{set}\nOAUTH_CLIENT_ID=…\nOAUTH_CLIENT_SECRET=…\nACCOUNT_KEY=…"),
        ..Step::default()
    }
}

const BEARER: &str = r#"-H "Authorization: Bearer $TOKEN""#;
const JSON: &str = r#"-H "Content-Type: application/json""#;

fn channel(nickname: &str) -> Step {
    Step {
        title: "Make a channel",
        text: "A channel carries notifications to you. Its WebSocket's address is a secret.".into(),
        command: format!(
            "CHANNEL=$(curl -s -X POST \"$BASE/notification-channel/v1/channels/{nickname}\" \\\n  {BEARER} {JSON} \\\n  \
             -d '{{\"channelType\": \"WebSockets\"}}')\n\
             CHANNEL_ID=$(echo \"$CHANNEL\" | member channelId)\n\
             CHANNEL_URL=$(echo \"$CHANNEL\" | member channelURL)\n\
             echo \"$CHANNEL_URL\""
        ),
        ..Step::default()
    }
}

fn listen(nickname: &str) -> Step {
    Step {
        title: "Listen",
        text: "curl knows no WebSocket, so it reads the same notifications as server-sent events, Callfeed's own \
            door. With websocat, open \"$CHANNEL_URL\" instead."
            .into(),
        command: format!(
            "curl -s -N \"$BASE/notification-channel/v1/channels/{nickname}/$CHANNEL_ID/sse\" > {nickname}.txt &"
        ),
        ..Step::default()
    }
}

fn call(scenario: &str) -> Step {
    Step {
        title: "Call",
        text: "The simulator plays a call; the command ends when the call has ended.".into(),
        command: format!(
            "CALL=$(curl -s -u \"$OAUTH_CLIENT_ID:$OAUTH_CLIENT_SECRET\" \"$BASE/simulator/v1/calls\" \\\n  {JSON} \
             -d '{{\"scenario\": \"{scenario}\", \"speed\": 10}}')\n\
             SPACE=$(echo \"$CALL\" | member conversationSpaceId)\n\
             echo \"$SPACE\""
        ),
        ..Step::default()
    }
}

fn tidy_up(nickname: &str) -> Step {
    Step {
        title: "Tidy up",
        text: "With the channel go its subscriptions, and the stream ends.".into(),
        command: format!(
            "curl -s -X DELETE -o /dev/null -w '%{{http_code}}\\n' {BEARER} \\\n  \
             \"$BASE/notification-channel/v1/channels/{nickname}/$CHANNEL_ID\""
        ),
        ..Step::default()
    }
}

fn reports() -> Tutorial {
    Tutorial {
        id: "reports",
        title: "Reports of finished calls",
        lead: "A notification tells that a call has ended and that its report is there.",
        steps: vec![
            channel("reports"),
            Step {
                title: "Subscribe",
                text: "An account's reports ask for a super admin. An empty list in the answer is a failure."
                    .into(),
                command: format!(
                    "curl -s -X POST \"$BASE/call-events-report/v1/subscriptions\" \\\n  {BEARER} {JSON} \\\n  \
                     -d \"{{\\\"channelId\\\": \\\"$CHANNEL_ID\\\", \\\"accountKeys\\\": [\\\"$ACCOUNT_KEY\\\"], \
                     \\\"eventTypes\\\": [\\\"REPORT_SUMMARY\\\"]}}\"; echo"
                ),
                ..Step::default()
            },
            listen("reports"),
            call("answered"),
            Step {
                title: "See the notification",
                text: "Its content is a summary with the conversation space id.".into(),
                command: "until grep -q \"$SPACE\" reports.txt; do sleep 1; done; cat reports.txt".into(),
                ..Step::default()
            },
            Step {
                title: "Fetch the report",
                text: "It was stored before its notification was sent.".into(),
                command: format!("curl -s {BEARER} \"$BASE/call-events-report/v1/reports/$SPACE\"; echo"),
                ..Step::default()
            },
            tidy_up("reports"),
        ],
    }
}

fn calls() -> Tutorial {
    Tutorial {
        id: "calls",
        title: "Calls as they happen",
        lead: "Each change in a call is a state with the next sequence number: what a screen pop is made of.",
        steps: vec![
            channel("calls"),
            Step {
                title: "Subscribe",
                text: "The answer is 207: look at the status of each item.".into(),
                command: format!(
                    "curl -s -X POST \"$BASE/call-events/v1/subscriptions\" \\\n  {BEARER} {JSON} \\\n  \
                     -d \"{{\\\"channelId\\\": \\\"$CHANNEL_ID\\\", \\\"accountKeys\\\": [{{\\\"id\\\": \\\"$ACCOUNT_KEY\\\", \
                     \\\"events\\\": [\\\"STARTING\\\", \\\"ACTIVE\\\", \\\"ENDING\\\"]}}]}}\"; echo"
                ),
                ..Step::default()
            },
            listen("calls"),
            call("ring-group"),
            Step {
                title: "See the states",
                text:
                    "The last one is ENDING. Who calls stands in the first, at participants[0].type.caller."
                        .into(),
                command: "until grep -q '\"ENDING\"' calls.txt; do sleep 1; done; cat calls.txt".into(),
                ..Step::default()
            },
            Step {
                title: "Read the states again",
                text: "Sequence numbers have no holes; a program that misses one fetches it here.".into(),
                command: format!(
                    "curl -s {BEARER} \\\n  \
                     \"$BASE/call-events/v1/conversation-spaces/$SPACE/events?sequenceFrom=1&sequenceTo=2\"; echo"
                ),
                ..Step::default()
            },
            tidy_up("calls"),
        ],
    }
}
