"""Signs in to a running platform and lets schemathesis send it what its OpenAPI document allows, and what it does not.

Arguments: address of the platform, its example.env, a folder to write to, "short" or "full".
"""

import base64
import http.cookiejar
import json
import pathlib
import re
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from html import unescape

BASE, ENV, FOLDER, FORM = sys.argv[1:5]
# Requests for each operation, and seconds for all of them.
FORMS = {"short": ["-n", "10", "--max-time", "50"], "full": ["-n", "300"]}
REDIRECT = "http://127.0.0.1:12021/app/redirect"
# A random page marker or a webhook's address fits the schema and is refused all the same.
UNFIT = "positive_data_acceptance"
# A body that is too large or too slow is refused before it is read.
REFUSALS = [400, 401, 403, 404, 405, 406, 408, 409, 413, 415, 429]


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


BROWSER = urllib.request.build_opener(
    urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()), NoRedirect
)


def send(url, data=None, headers=()):
    body = urllib.parse.urlencode(data).encode() if isinstance(data, dict) else data
    request = urllib.request.Request(url, data=body, headers=dict(headers))
    try:
        answer = BROWSER.open(request, timeout=60)
    except urllib.error.HTTPError as error:
        answer = error
    return answer.status, answer.headers, answer.read().decode()


def sign_in(env):
    """An access token of the super admin with every scope of the client."""
    query = {"client_id": env["OAUTH_CLIENT_ID"], "response_type": "code", "redirect_uri": REDIRECT}
    url, form = f"{BASE}/oauth/authorize?{urllib.parse.urlencode(query)}", None
    for _ in range(10):
        headers = [("Origin", BASE), ("Referer", url)] if form else []
        status, headers, page = send(url, form, headers)
        if status in (302, 303):
            url, form = urllib.parse.urljoin(url, headers["Location"]), None
            if url.startswith(REDIRECT):
                return token(env, urllib.parse.parse_qs(urllib.parse.urlparse(url).query)["code"][0])
            continue
        hidden = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)"', page)
        form = {unescape(name): unescape(value) for name, value in hidden}
        if 'type="password"' in page:
            form |= {"email": env["CALLFEED_USER"], "password": env["CALLFEED_PASSWORD"]}
        else:
            form["decision"] = "allow"
        url = urllib.parse.urljoin(url, unescape(re.search(r'<form[^>]*action="([^"]*)"', page).group(1)))
    raise SystemExit("the login does not come to an end")


def basic(env):
    pair = f"{env['OAUTH_CLIENT_ID']}:{env['OAUTH_CLIENT_SECRET']}"
    return "Basic " + base64.b64encode(pair.encode()).decode()


def token(env, code):
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT}
    return json.loads(send(f"{BASE}/oauth/token", form, [("Authorization", basic(env))])[2])["access_token"]


def seed(env, bearer):
    """A channel, and a recorded call that has ended: what random ids would never meet."""
    as_json = ("Content-Type", "application/json")
    body = json.dumps({"channelType": "WebSocket", "channelLifetime": 86400}).encode()
    channel = json.loads(send(f"{BASE}/notification-channel/v1/channels/demo", body, [bearer, as_json])[2])
    body = json.dumps({"scenario": "answered", "speed": 100, "record": True}).encode()
    lines = send(f"{BASE}/simulator/v1/calls", body, [("Authorization", basic(env)), as_json])[2].split("\n")
    space = json.loads(lines[0])["conversationSpaceId"]
    report = json.loads(send(f"{BASE}/call-events-report/v1/reports/{space}", None, [bearer])[2])
    recording = next(leg["recordings"][0]["id"] for leg in report["participants"] if leg["recordings"])
    return channel["channelId"], space, recording


def config(env, bearer, channel, space, recording):
    quoted = json.dumps
    return f"""
headers = {{ Authorization = {quoted(bearer)} }}
[checks.negative_data_rejection]
expected-statuses = {REFUSALS}
[[operations]]
include-path-regex = "^/(oauth/|simulator)"
headers = {{ Authorization = {quoted(basic(env))} }}
[[operations]]
include-path-regex = "^/call-events-report/v1/reports|conversation-spaces/"
parameters = {{ "path.id" = {quoted(space)} }}
[[operations]]
include-path-regex = "^/recording/v1/(recordings|transcriptions)"
parameters = {{ "path.id" = {quoted(recording)} }}
[[operations]]
include-path-regex = "^/notification-channel/v1/channels/.name./.id.(/channel-lifetime)?$"
include-method = ["GET", "PUT"]
parameters = {{ "path.id" = {quoted(channel)}, "path.name" = "demo" }}
[parameters]
"query.accountKey" = {quoted(env["ACCOUNT_KEY"])}
"query.channelId" = {quoted(channel)}
"""


def main():
    lines = [line.strip() for line in pathlib.Path(ENV).read_text().splitlines()]
    env = dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
    document = pathlib.Path(FOLDER, "openapi.json")
    document.write_text(send(f"{BASE}/openapi.json")[2])
    programs = pathlib.Path(sys.executable).parent
    subprocess.run([programs / "openapi-spec-validator", document], check=True)
    bearer = ("Authorization", f"Bearer {sign_in(env)}")
    settings = pathlib.Path(FOLDER, "schemathesis.toml")
    settings.write_text(config(env, bearer[1], *seed(env, bearer)))
    command = [programs / "schemathesis", "--config-file", settings, "run", f"{BASE}/openapi.json"]
    # Streams of events have no end; a fault makes answers wrong on purpose.
    command += ["--exclude-operation-id", "startFault"]
    command += ["--exclude-path-regex", "/sse$", "--exclude-checks", UNFIT]
    command += ["--phases", "examples,coverage,fuzzing", "--continue-on-failure", "--request-timeout", "20"]
    command += ["--warnings", "off", *FORMS[FORM]]
    ended = subprocess.run(command, cwd=FOLDER)
    if send(f"{BASE}/healthz")[0] != 200:
        raise SystemExit("the platform does not answer any more")
    raise SystemExit(ended.returncode)


main()
