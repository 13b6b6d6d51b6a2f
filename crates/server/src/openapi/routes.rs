//! Routes that describe themselves: one call adds a handler to the router and its operation to the document, so
//! neither can know a path that the other does not.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::handler::Handler;
use axum::http::Method;
use axum::response::IntoResponse;
use axum::routing::{MethodFilter, Route, on};
use tower::{Layer, Service};

use super::operation::{Documented, Operation};
use crate::app::App;

/// Routes below one base path, told of under one heading.
pub struct Routes {
    router: Router<Arc<App>>,
    base: &'static str,
    tag: &'static str,
    documented: Vec<Documented>,
}

impl Routes {
    pub fn new(tag: &'static str, base: &'static str) -> Self {
        Self { router: Router::new(), base, tag, documented: Vec::new() }
    }

    pub fn get<H: Handler<T, Arc<App>>, T: 'static>(self, path: &str, handler: H, op: Operation) -> Self {
        self.on((Method::GET, MethodFilter::GET), path, handler, op)
    }

    pub fn post<H: Handler<T, Arc<App>>, T: 'static>(self, path: &str, handler: H, op: Operation) -> Self {
        self.on((Method::POST, MethodFilter::POST), path, handler, op)
    }

    pub fn put<H: Handler<T, Arc<App>>, T: 'static>(self, path: &str, handler: H, op: Operation) -> Self {
        self.on((Method::PUT, MethodFilter::PUT), path, handler, op)
    }

    pub fn delete<H: Handler<T, Arc<App>>, T: 'static>(self, path: &str, handler: H, op: Operation) -> Self {
        self.on((Method::DELETE, MethodFilter::DELETE), path, handler, op)
    }

    fn on<H: Handler<T, Arc<App>>, T: 'static>(
        mut self,
        (method, filter): (Method, MethodFilter),
        path: &str,
        handler: H,
        operation: Operation,
    ) -> Self {
        let path = format!("{}{path}", self.base);
        self.router = self.router.route(&path, on(filter, handler));
        self.documented.push(Documented { method, path, tag: self.tag, operation });
        self
    }

    /// Routes of another part beside these.
    pub fn merge(mut self, other: Self) -> Self {
        self.router = self.router.merge(other.router);
        self.documented.extend(other.documented);
        self
    }

    /// A layer around all routes so far, which answers 406 to who does not accept JSON.
    pub fn negotiated<L>(mut self, layer: L) -> Self
    where
        L: Layer<Route> + Clone + Send + Sync + 'static,
        L::Service: Service<Request, Error = Infallible> + Clone + Send + Sync + 'static,
        <L::Service as Service<Request>>::Response: IntoResponse + 'static,
        <L::Service as Service<Request>>::Future: Send + 'static,
    {
        self.router = self.router.layer(layer);
        for documented in &mut self.documented {
            documented.operation.negotiated = true;
        }
        self
    }

    pub fn into_parts(self) -> (Router<Arc<App>>, Vec<Documented>) {
        (self.router, self.documented)
    }
}
