//! What is kept of one request and its response?
//!
//! The table `http` and its typed record. Texts are printable and bounded; secrets (passwords, tokens, cookie values)
//! are never taken over, only that they were there.

use crate::model::record::Record;
use crate::model::rows::Row;
use crate::model::schema::{ColumnType as T, Table, col};
use crate::model::time::Timestamp;

/// One row per request with its response.
pub static HTTP: Table = Table::record(
    "http",
    "One row is one HTTP request with its response, or the one of the two that was seen. ts is the request's first byte, else the response's.",
    &[
        col(
            "trans_depth",
            T::U32,
            "",
            "Position among the transactions of its flow, from 1; in HTTP/2 in the order of their requests.",
        ),
        col("method", T::Text, "", "Request method as sent; NULL when the request was not seen."),
        col(
            "host",
            T::Text,
            "",
            "Host header, else the authority in the target (HTTP/2: :authority first); NULL without either.",
        ),
        col(
            "uri",
            T::Text,
            "",
            "Request target as sent, cut at 4096 bytes; NULL when the request was not seen.",
        ),
        col("version", T::Text, "", "HTTP version of the request, else of the response, such as 1.1 or 2."),
        col("user_agent", T::Text, "", "User-Agent of the request; NULL without one."),
        col("referrer", T::Text, "", "Referer of the request; NULL without one."),
        col("origin", T::Text, "", "Origin of the request: which site's script sent it; NULL without one."),
        col("request_content_type", T::Text, "", "Content-Type that the request declares; NULL without one."),
        col(
            "request_mime",
            T::Text,
            "",
            "What the request's body looks like by its first bytes, before decoding; NULL when they show nothing known.",
        ),
        col(
            "request_body_len",
            T::U64,
            "bytes",
            "Body bytes of the request as seen on the wire, without chunk headers.",
        ),
        col(
            "request_file_name",
            T::Text,
            "",
            "File name in the request's Content-Disposition; NULL without one.",
        ),
        col("status_code", T::U16, "", "Status of the final response; NULL when none was seen."),
        col("status_msg", T::Text, "", "Reason phrase of the response; NULL without one."),
        col(
            "info_code",
            T::U16,
            "",
            "Last interim status (1xx) before the final response; NULL without one.",
        ),
        col(
            "response_content_type",
            T::Text,
            "",
            "Content-Type that the response declares; NULL without one.",
        ),
        col(
            "response_mime",
            T::Text,
            "",
            "What the response's body looks like by its first bytes, before decoding; NULL when they show nothing known.",
        ),
        col(
            "response_body_len",
            T::U64,
            "bytes",
            "Body bytes of the response as seen on the wire, without chunk headers.",
        ),
        col(
            "response_content_length",
            T::U64,
            "bytes",
            "Content-Length that the response declares; NULL without one.",
        ),
        col(
            "response_encoding",
            T::Text,
            "",
            "Content-Encoding of the response, such as gzip; NULL without one.",
        ),
        col(
            "response_file_name",
            T::Text,
            "",
            "File name in the response's Content-Disposition; NULL without one.",
        ),
        col("location", T::Text, "", "Where the response redirects to; NULL without a Location header."),
        col("server", T::Text, "", "Server software that the response names; NULL without one."),
        col(
            "auth_scheme",
            T::Text,
            "",
            "Scheme of the request's (Proxy-)Authorization, such as Basic; NULL without one.",
        ),
        col("username", T::Text, "", "Account in Basic, Digest or NTLM authorization; NULL without one."),
        col(
            "password_seen",
            T::Bool,
            "",
            "Did the request carry a password that anyone on the path can read (Basic)? It is not stored.",
        ),
        col(
            "x_forwarded_for",
            T::Text,
            "",
            "X-Forwarded-For of the request: the client that a proxy names; NULL without one.",
        ),
        col("forwarded", T::Text, "", "Forwarded header of the request (RFC 7239); NULL without one."),
        col("via", T::Text, "", "Via header of the request: proxies on the way; NULL without one."),
        col("cookies", T::U16, "", "Cookies in the request; their values are not stored."),
        col("set_cookies", T::U16, "", "Cookies that the response sets; their values are not stored."),
        col(
            "upgrade",
            T::Text,
            "",
            "Protocol that the request asks to change to, such as websocket; NULL without an Upgrade header.",
        ),
        col(
            "switched",
            T::Bool,
            "",
            "Did the connection carry another protocol from here on (CONNECT accepted, or status 101)?",
        ),
        col(
            "response_ts",
            T::Time,
            "UTC",
            "Time of the first byte of the final response; NULL when none was seen.",
        ),
        col(
            "ttfb_s",
            T::F64,
            "seconds",
            "From the first byte of the request to the first byte of the final response; NULL unless both were seen.",
        ),
        col(
            "complete",
            T::Bool,
            "",
            "Were request and response both seen to their ends? A body that ends with the connection counts as complete.",
        ),
    ],
);

/// One request with its response.
#[derive(Clone, Debug, Default)]
pub struct HttpTransaction {
    /// Position among the transactions of its flow, from 1.
    pub trans_depth: u32,
    /// Request method; `None` when the request was not seen.
    pub method: Option<Box<str>>,
    /// Host header, else the authority in the target.
    pub host: Option<Box<str>>,
    /// Request target as sent.
    pub uri: Option<Box<str>>,
    /// Major and minor version of the request, else of the response.
    pub version: (u8, u8),
    /// User-Agent.
    pub user_agent: Option<Box<str>>,
    /// Referer.
    pub referrer: Option<Box<str>>,
    /// Origin.
    pub origin: Option<Box<str>>,
    /// What the request carried.
    pub request: Content,
    /// Status of the final response.
    pub status_code: Option<u16>,
    /// Reason phrase.
    pub status_msg: Option<Box<str>>,
    /// Last interim status (1xx).
    pub info_code: Option<u16>,
    /// What the response carried.
    pub response: Content,
    /// Location.
    pub location: Option<Box<str>>,
    /// Server.
    pub server: Option<Box<str>>,
    /// Scheme of Authorization or Proxy-Authorization.
    pub auth_scheme: Option<Box<str>>,
    /// Account in Basic, Digest or NTLM authorization.
    pub username: Option<Box<str>>,
    /// Did Basic authorization carry a password?
    pub password_seen: bool,
    /// X-Forwarded-For.
    pub x_forwarded_for: Option<Box<str>>,
    /// Forwarded (RFC 7239).
    pub forwarded: Option<Box<str>>,
    /// Via of the request.
    pub via: Option<Box<str>>,
    /// Header fields of the request whose value holds what attacks are made of (quotes, `${`, `<`, `() {`, dots that climb …), with their
    /// names: eight at most, bounded, printable. Not stored: values may be secret. Fields with a place of their own
    /// and credentials are not among them.
    pub odd_headers: Vec<(Box<str>, Box<str>)>,
    /// Cookies in the request.
    pub cookies: u16,
    /// Set-Cookie headers in the response.
    pub set_cookies: u16,
    /// Upgrade of the request.
    pub upgrade: Option<Box<str>>,
    /// Did another protocol take over?
    pub switched: bool,
    /// Was the request seen to its end? Not a column: `complete` is about both.
    pub request_complete: bool,
    /// First byte of the request.
    pub request_ts: Option<Timestamp>,
    /// First byte of the final response.
    pub response_ts: Option<Timestamp>,
    /// Were both messages seen to their ends?
    pub complete: bool,
}

/// What the body of one message was said to be, and what it was.
#[derive(Clone, Debug, Default)]
pub struct Content {
    /// Content-Type as declared.
    pub content_type: Option<Box<str>>,
    /// Content-Length as declared.
    pub content_length: Option<u64>,
    /// Content-Encoding as declared.
    pub encoding: Option<Box<str>>,
    /// File name of Content-Disposition.
    pub file_name: Option<Box<str>>,
    /// Type by the first bytes.
    pub mime: Option<&'static str>,
    /// Body bytes seen.
    pub body_len: u64,
    /// The first bytes of a request's body, 1,024 at most, when it is said to be a form or another text. Not stored: it may
    /// hold secrets.
    pub head: Vec<u8>,
}

/// Bytes of a request's text kept for a look at it: what breaks an application stands in the first fields of a form.
const HEAD_CAP: usize = 1_024;

impl Content {
    /// Keep the first bytes of a text.
    pub(super) fn keep_head(&mut self, bytes: &[u8]) {
        let room = HEAD_CAP.saturating_sub(self.head.len());
        if room > 0 && self.is_text() {
            self.head.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        }
    }

    /// Is it said to be a text, or is nothing said?
    fn is_text(&self) -> bool {
        const TEXTS: &[&str] = &[
            "application/x-www-form-urlencoded",
            "multipart/form-data",
            "text/",
            "application/json",
            "application/xml",
            "application/soap",
        ];
        let Some(said) = self.content_type.as_deref() else { return true };
        TEXTS.iter().any(|t| said.get(..t.len()).is_some_and(|s| s.eq_ignore_ascii_case(t)))
    }
}

/// `1.1`, but `2`: from then on there are no minor versions (RFC 9110 section 2.5).
struct Version((u8, u8));

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            (major @ 2.., _) => write!(f, "{major}"),
            (major, minor) => write!(f, "{major}.{minor}"),
        }
    }
}

impl Record for HttpTransaction {
    fn table(&self) -> &'static Table {
        &HTTP
    }

    fn write(&self, row: &mut Row<'_>) {
        row.u32(self.trans_depth)
            .opt_text(self.method.as_deref())
            .opt_text(self.host.as_deref())
            .opt_text(self.uri.as_deref())
            .display(&Version(self.version))
            .opt_text(self.user_agent.as_deref())
            .opt_text(self.referrer.as_deref())
            .opt_text(self.origin.as_deref())
            .opt_text(self.request.content_type.as_deref())
            .opt_text(self.request.mime)
            .u64(self.request.body_len)
            .opt_text(self.request.file_name.as_deref())
            .opt_u16(self.status_code)
            .opt_text(self.status_msg.as_deref())
            .opt_u16(self.info_code)
            .opt_text(self.response.content_type.as_deref())
            .opt_text(self.response.mime)
            .u64(self.response.body_len)
            .opt_u64(self.response.content_length)
            .opt_text(self.response.encoding.as_deref())
            .opt_text(self.response.file_name.as_deref())
            .opt_text(self.location.as_deref())
            .opt_text(self.server.as_deref())
            .opt_text(self.auth_scheme.as_deref())
            .opt_text(self.username.as_deref())
            .bool(self.password_seen)
            .opt_text(self.x_forwarded_for.as_deref())
            .opt_text(self.forwarded.as_deref())
            .opt_text(self.via.as_deref())
            .u16(self.cookies)
            .u16(self.set_cookies)
            .opt_text(self.upgrade.as_deref())
            .bool(self.switched)
            .opt_time(self.response_ts)
            .opt_f64(self.response_ts.zip(self.request_ts).map(|(to, from)| to.secs_since(from)))
            .bool(self.complete);
    }
}
