//! One HTTP/1.1 connection with JSON bodies: one call at a time.

use crate::options::Call as Kind;
use crate::protocol::{Call, Done, End};
use crate::reply;
use crate::rows::Rows;

#[derive(Default)]
pub struct Json {
    waiting: Option<Call>,
    closing: bool,
}

impl Json {
    pub fn is_usable(&self) -> bool {
        !self.closing
    }

    pub fn has_room(&self) -> bool {
        self.is_usable() && self.waiting.is_none()
    }

    pub fn send(&mut self, call: Call, rows: &Rows, out: &mut Vec<u8>) -> u32 {
        let body = rows.body(call.row);
        let path = Kind::Json.path();
        out.extend_from_slice(
            format!("POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", body.len())
                .as_bytes(),
        );
        out.extend_from_slice(body);
        self.waiting = Some(call);
        0
    }

    pub fn take(&mut self, bytes: &[u8], done: &mut Vec<Done>) -> Result<usize, String> {
        let Some(head) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(0) };
        let text = std::str::from_utf8(&bytes[..head]).map_err(|error| error.to_string())?;
        let mut lines = text.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok()).ok_or("not an HTTP/1.1 answer")?;
        let (mut length, mut closing) = (0, false);
        for (name, value) in lines.filter_map(|line| line.split_once(':')) {
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.trim().parse().map_err(|_| "a length that is not a number")?,
                "connection" => closing = value.trim().eq_ignore_ascii_case("close"),
                "transfer-encoding" => return Err("answers in chunks are not read".to_owned()),
                _ => {}
            }
        }
        let Some(body) = bytes.get(head + 4..head + 4 + length) else { return Ok(0) };
        self.closing |= closing;
        let call = self.waiting.take().ok_or("an answer to nothing")?;
        // 200 is what gRPC calls 0, so that both count in one place.
        let end = End::Status(if status == 200 { 0 } else { status });
        done.push(Done { call, end, answer: reply::read(Kind::Json, body), pushback: None });
        Ok(head + 4 + length)
    }

    pub fn gone(&mut self, done: &mut Vec<Done>) {
        self.closing = true;
        done.extend(self.waiting.take().map(|call| Done::without_answer(call, End::Lost)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows;

    #[test]
    fn an_answer_is_read_when_it_is_complete() {
        let (mut json, rows, mut out, mut done) = (Json::default(), rows::of(&[(b"{}", 0)]), Vec::new(), Vec::new());
        let call = Call { row: 0, intended: 5 };
        json.send(call, &rows, &mut out);
        assert!(!json.has_room() && out.ends_with(b"content-length: 2\r\n\r\n{}"));
        let reply = b"HTTP/1.1 200 OK\r\nserver: x\r\nContent-Length: 13\r\n\r\n{\"score\":0.5}";
        assert!((0..reply.len()).all(|end| json.take(&reply[..end], &mut done) == Ok(0)));
        assert_eq!(json.take(reply, &mut done), Ok(reply.len()));
        assert_eq!((done[0].end, done[0].answer.score, json.has_room()), (End::Status(0), Some(0.5), true));
        json.send(call, &rows, &mut out);
        json.gone(&mut done);
        assert_eq!((done[1].end, json.is_usable()), (End::Lost, false));
    }
}
