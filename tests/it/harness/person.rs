//! A person at a browser without JavaScript: follows redirects, fills in forms, presses buttons.

use reqwest::header::HeaderMap;
use url::Url;

use super::html::{self, Form};
use super::{Answer, Platform, Session, http};

/// More redirects than this in a row are a loop.
const REDIRECTS_MAX: usize = 10;

pub struct Person {
    pub email: String,
    pub password: String,
    http: reqwest::Client,
}

/// Where a person is after a click.
#[derive(Debug)]
pub enum Place {
    /// A page of the platform.
    Page(Page),
    /// The browser was sent to another site, such as the redirect URI of an app.
    Elsewhere(Url),
}

#[derive(Debug)]
pub struct Page {
    pub url: Url,
    pub status: u16,
    pub headers: HeaderMap,
    pub html: String,
}

/// What a sign-in gave to the app.
pub struct Grant {
    pub access_token: String,
    pub refresh_token: String,
    pub session: Session,
}

impl Page {
    pub fn text(&self) -> String {
        html::text(&self.html)
    }

    /// The only form of the page.
    pub fn form(&self) -> Form {
        let mut forms = html::forms(&self.html);
        assert_eq!(forms.len(), 1, "{} has not one form: {}", self.url, self.html);
        forms.remove(0)
    }

    fn has_password(&self) -> bool {
        let forms = html::forms(&self.html);
        forms.iter().any(|form| form.controls.iter().any(|control| control.kind == "password"))
    }
}

impl Place {
    pub fn page(self) -> Page {
        match self {
            Self::Page(page) => page,
            Self::Elsewhere(url) => panic!("expected a page, was sent to {url}"),
        }
    }

    pub fn elsewhere(self) -> Url {
        match self {
            Self::Elsewhere(url) => url,
            Self::Page(page) => {
                panic!("expected to leave, is at {} ({}): {}", page.url, page.status, page.text())
            }
        }
    }
}

impl Person {
    pub fn new(email: &str, password: &str) -> Self {
        Self { email: email.to_owned(), password: password.to_owned(), http: http() }
    }

    /// The super admin of the example office.
    pub fn admin(platform: &Platform) -> Self {
        Self::new(platform.setting("CALLFEED_USER"), platform.setting("CALLFEED_PASSWORD"))
    }

    /// A person with a line, no admin.
    pub fn member(platform: &Platform) -> Self {
        Self::new(platform.setting("CALLFEED_USER_2"), platform.setting("CALLFEED_PASSWORD_2"))
    }

    /// The same person at another browser: no cookies.
    pub fn elsewhere(&self) -> Self {
        Self::new(&self.email, &self.password)
    }

    /// Opens an address and follows redirects as long as they stay on the site.
    pub async fn open(&self, url: &str) -> Place {
        let url = Url::parse(url).unwrap_or_else(|error| panic!("{url}: {error}"));
        self.follow(self.http.get(url.clone()), url).await
    }

    /// Sends a form: what was typed, by type of the control, and the words on the button.
    pub async fn submit(&self, page: &Page, typed: &[(&str, &str)], button: Option<&str>) -> Place {
        let form = page.form();
        let url = page.url.join(&form.action).expect("the form has a good action");
        assert_eq!(form.method, "post", "a form with a password or a decision must be posted");
        let request = self.http.post(url.clone()).form(&form.filled(typed, button));
        let origin = page.url.origin().ascii_serialization();
        self.follow(request.header("origin", origin).header("referer", page.url.as_str()), url).await
    }

    async fn follow(&self, mut request: reqwest::RequestBuilder, mut url: Url) -> Place {
        for _ in 0..REDIRECTS_MAX {
            let answer = Answer::of(&format!("a browser at {url}"), request).await;
            if !(300..400).contains(&answer.status) {
                let Answer { status, headers, text, .. } = answer;
                return Place::Page(Page { url, status, headers, html: text });
            }
            let next = url.join(answer.header("location")).expect("a redirect has a good Location");
            if next.origin() != url.origin() {
                return Place::Elsewhere(next);
            }
            url = next;
            request = self.http.get(url.clone());
        }
        panic!("more than {REDIRECTS_MAX} redirects, the last to {url}");
    }

    /// Types address and password into the login page.
    pub async fn log_in(&self, page: &Page) -> Place {
        self.submit(page, &[("email", &self.email), ("password", &self.password)], None).await
    }

    /// From the login address (or any later step) to the redirect URI: logs in and allows where asked.
    pub async fn sign_in(&self, url: &str) -> Url {
        let mut place = self.open(url).await;
        for _ in 0..3 {
            match place {
                Place::Elsewhere(url) => return url,
                Place::Page(page) if page.has_password() => place = self.log_in(&page).await,
                Place::Page(page) => place = self.submit(&page, &[], Some("Allow")).await,
            }
        }
        place.elsewhere()
    }

    /// The whole code flow with these scopes, as an app does it.
    pub async fn grant(&self, platform: &Platform, scope: &str) -> Grant {
        let redirect_uri = super::REPORTS_REDIRECT;
        let landed = self.sign_in(platform.authorize_url(redirect_uri, scope, "grant").as_str()).await;
        let code = query(&landed, "code").unwrap_or_else(|| panic!("no code in {landed}"));
        let form = [("grant_type", "authorization_code"), ("code", &code), ("redirect_uri", redirect_uri)];
        let answer = platform.token(&form).await.is(200);
        let access_token = answer.text_of("/access_token");
        let session = platform.with_token(&access_token);
        Grant { access_token, refresh_token: answer.text_of("/refresh_token"), session }
    }

    /// Signs in at the screen pop with this address, as a browser of its own.
    pub async fn sign_in_at_desk(&self, page: &str) {
        let login = self.open(&format!("{page}/sign-in")).await.elsewhere();
        let landed = self.sign_in(login.as_str()).await;
        let answer = self.deliver(&landed).await;
        assert_eq!((answer.status, answer.header("location")), (303, "/"), "{}", answer.text);
    }

    /// A page with the cookies of this browser.
    pub async fn read(&self, url: &str) -> Answer {
        Answer::of(url, self.http.get(url)).await
    }

    /// Its requests, with its cookies.
    pub fn requests(&self) -> &reqwest::Client {
        &self.http
    }

    /// Delivers the code to an app that waits at its redirect URI, and returns the page it shows.
    pub async fn deliver(&self, landed: &Url) -> Answer {
        Answer::of("the app's redirect URI", self.http.get(landed.clone())).await
    }
}

/// A query parameter, decoded.
pub fn query(url: &Url, name: &str) -> Option<String> {
    url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}
