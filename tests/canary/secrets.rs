//! The secrets that the tests plant, and the forms in which a server, a proxy or a file may repeat them.

use base64_simd::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};

/// A secret. Each differs from all others in every run of nine characters.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Secret {
    pub name: &'static str,
    pub value: &'static str,
    /// The user that is sent with the secret as `user:password` in Base64.
    pub user: Option<&'static str>,
}

const fn secret(name: &'static str, value: &'static str) -> Secret {
    Secret {
        name,
        value,
        user: None,
    }
}

const fn password(name: &'static str, value: &'static str) -> Secret {
    Secret {
        name,
        value,
        user: Some("vogel"),
    }
}

pub const API_KEY: Secret = secret("api_key", "ck-Zq7/vX+Jw9=Kp_3mT~Zb8fWh");
pub const SHORT_KEY: Secret = secret("a short api_key", "Zk#7q");
/// Can be the name of a collection.
pub const PLAIN_KEY: Secret = secret("a key like a name", "ck-Pn4Vx8Jq2Rw6Kf9Tz3Lm5");
pub const BEARER: Secret = secret("bearer_token", "eyJqOi5Q.Xk7&Vw<Gz>Pd2.yR-4uNs");
pub const PASSWORD: Secret = password("basic_auth", "Gp\"x\\Lä8w/Qv'5 tJh&Rm2k");
pub const HEADER: Secret = secret("header", "sig=\"Wq8[Yz3]\", Hf6:Dk1\\Nx9#Bt");
pub const URL_PASSWORD: Secret = secret("password in an address", "Uw3Kf8Zr6Xn1Yq5Vj7Lg");
pub const PROXY_PASSWORD: Secret = password("proxy", "Px4@Rn9/Jb2:Ks7%Ct6!Mv8");
pub const GEMINI_KEY: Secret = secret("Gemini::api_key", "AIzaSyQ7w-J3k_Xp8Vz5Rf2Nd6Hb9Gt4");
pub const ENV_API_KEY: Secret = secret("CHROMA_API_KEY", "ck-Env5Xz8Qw2Jv7Kp4Rf9Nb");
pub const ENV_PROXY_PASSWORD: Secret = password("HTTP_PROXY", "Ep6Yk3Wz9Qx5Vf8Jn2Rt");
pub const ENV_GEMINI_KEY: Secret = secret("GOOGLE_API_KEY", "AIzaEnv7Jx4Kw9Zq6Vp3Rn8Fb5Ht2");
pub const REFUSED: Secret = secret("a refused variable", "Rv2Qz9Xj6Wk3Yp8Fn5Vt7Bh4");
pub const OTHER_VARIABLE: Secret = secret("AWS_SECRET_ACCESS_KEY", "wJ8Xq/4Kz+6Rv2Yn9Fp5Bt7Hd3Gm");

pub const ALL: [Secret; 14] = [
    API_KEY,
    SHORT_KEY,
    PLAIN_KEY,
    BEARER,
    PASSWORD,
    HEADER,
    URL_PASSWORD,
    PROXY_PASSWORD,
    GEMINI_KEY,
    ENV_API_KEY,
    ENV_PROXY_PASSWORD,
    ENV_GEMINI_KEY,
    REFUSED,
    OTHER_VARIABLE,
];

/// A way to write a secret.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Form {
    Raw,
    /// As JSON writers write it in a string, also with `\/`.
    Json,
    /// Every character as `\u00xx`.
    JsonUnicode,
    JsonUnicodeUpper,
    /// Reserved characters as `%2F`.
    Percent,
    PercentLower,
    /// Every byte as `%41`.
    PercentAll,
    /// Characters with a meaning in HTML as `&lt;`.
    Html,
    /// Every character as `&#65;`.
    HtmlDecimal,
    HtmlHex,
    Base64,
    Base64Url,
}

impl Form {
    pub const ALL: [Form; 12] = [
        Form::Raw,
        Form::Json,
        Form::JsonUnicode,
        Form::JsonUnicodeUpper,
        Form::Percent,
        Form::PercentLower,
        Form::PercentAll,
        Form::Html,
        Form::HtmlDecimal,
        Form::HtmlHex,
        Form::Base64,
        Form::Base64Url,
    ];

    pub fn is_base64(self) -> bool {
        matches!(self, Form::Base64 | Form::Base64Url)
    }

    /// Whether the form is one in which a JSON text can contain a string.
    pub fn is_json(self) -> bool {
        matches!(
            self,
            Form::Json | Form::JsonUnicode | Form::JsonUnicodeUpper
        )
    }

    /// Writes a text in this form.
    pub fn write(self, text: &str) -> String {
        let each = |write: &dyn Fn(char) -> String| text.chars().map(write).collect();
        let percent = |is_plain: &dyn Fn(u8) -> bool| {
            let byte = |byte: u8| {
                if is_plain(byte) {
                    char::from(byte).to_string()
                } else {
                    format!("%{byte:02X}")
                }
            };
            text.bytes().map(byte).collect::<String>()
        };
        let is_unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        match self {
            Form::Raw => text.to_owned(),
            Form::Json => {
                let quoted = serde_json::to_string(text).unwrap();
                quoted[1..quoted.len() - 1].replace('/', "\\/")
            }
            Form::JsonUnicode => each(&|c| format!("\\u{:04x}", u32::from(c))),
            Form::JsonUnicodeUpper => each(&|c| format!("\\u{:04X}", u32::from(c))),
            Form::Percent => percent(&is_unreserved),
            Form::PercentLower => lower_escapes(&percent(&is_unreserved)),
            Form::PercentAll => percent(&|_| false),
            Form::Html => each(&|c| match c {
                '&' => "&amp;".to_owned(),
                '<' => "&lt;".to_owned(),
                '>' => "&gt;".to_owned(),
                '"' => "&quot;".to_owned(),
                '\'' => "&#39;".to_owned(),
                other => other.to_string(),
            }),
            Form::HtmlDecimal => each(&|c| format!("&#{};", u32::from(c))),
            Form::HtmlHex => each(&|c| format!("&#x{:x};", u32::from(c))),
            Form::Base64 => STANDARD.encode_to_string(text),
            Form::Base64Url => URL_SAFE.encode_to_string(text),
        }
    }
}

/// Writes the digits of `%2F` in lower case.
fn lower_escapes(text: &str) -> String {
    let mut parts = text.split('%');
    let mut lower = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        lower.push('%');
        lower.push_str(&part[..2].to_ascii_lowercase());
        lower.push_str(&part[2..]);
    }
    lower
}

impl Secret {
    /// Returns what a server can repeat of this secret in this form: the secret, and in Base64 also
    /// `user:password`.
    pub fn written(&self, form: Form) -> Vec<String> {
        let mut written = vec![form.write(self.value)];
        if let Some(user) = self.user.filter(|_| form.is_base64()) {
            written.push(form.write(&format!("{user}:{}", self.value)));
        }
        written
    }

    /// Returns all texts that no output may contain: each run of nine characters in each form. In Base64,
    /// twelve characters stand for nine bytes.
    pub fn runs(&self) -> Vec<(Form, String)> {
        let chars: Vec<char> = self.value.chars().collect();
        let mut runs = Vec::new();
        for run in chars.windows(chars.len().min(9)) {
            let run: String = run.iter().collect();
            let others = Form::ALL.into_iter().filter(|form| !form.is_base64());
            runs.extend(others.map(|form| (form, form.write(&run))));
        }
        let login = self.user.map(|user| format!("{user}:{}", self.value));
        for text in [Some(self.value.to_owned()), login].into_iter().flatten() {
            // Only the characters after those of the user are secret.
            let start = (text.len() - self.value.len()).div_ceil(3) * 4;
            let encodings = [
                (Form::Base64, STANDARD_NO_PAD.encode_to_string(&text)),
                (Form::Base64Url, URL_SAFE_NO_PAD.encode_to_string(&text)),
            ];
            for (form, encoded) in encodings {
                let encoded = &encoded[start..];
                let length = encoded.len().min(12);
                for at in 0..=encoded.len() - length {
                    runs.push((form, encoded[at..at + length].to_owned()));
                }
            }
        }
        runs
    }
}
