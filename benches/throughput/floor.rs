//! The floor: sends the recorded requests through bare `ureq`, and reads each answer into a `Vec` without
//! parsing it.

use std::error::Error;
use std::hint::black_box;
use std::io::Read;

use ureq::Agent;
use ureq::http::Request;

use crate::recorder::Exchange;

pub struct Floor {
    agent: Agent,
    url: String,
}

impl Floor {
    pub fn new(url: &str) -> Floor {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None);
        Floor {
            agent: config.build().new_agent(),
            url: url.to_owned(),
        }
    }

    pub fn replay(&self, recorded: &[Exchange]) -> Result<(), Box<dyn Error>> {
        for exchange in recorded {
            let sent = &exchange.request;
            let line = sent.method_and_path();
            let (method, path) = line.split_once(' ').ok_or("no path")?;
            let request = Request::builder()
                .method(method)
                .uri(format!("{}{path}", self.url));
            let response = if sent.body.is_empty() {
                self.agent.run(request.body(())?)?
            } else {
                let request = request.header("content-type", "application/json");
                self.agent.run(request.body(sent.body.as_slice())?)?
            };
            let body = response.into_body();
            let length = body.content_length().unwrap_or(0);
            let mut bytes = Vec::with_capacity(length as usize);
            body.into_with_config()
                .limit(u64::MAX)
                .reader()
                .read_to_end(&mut bytes)?;
            if bytes.len() != exchange.answer.body.len() {
                return Err(format!("the answer to {line} differs from the recorded one").into());
            }
            black_box(bytes);
        }
        Ok(())
    }
}
