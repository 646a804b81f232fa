//! The language a peer says it is written in (protocol §1.5).

macro_rules! languages {
    ($($name:literal = $code:literal $constant:ident),*) => {
        impl Language {
            $(#[doc = concat!("`", $name, "`.")] pub const $constant: Language = Language($code);)*

            /// The member of a JSON header that says it; `None` for a code that RocketMQ does not know.
            pub(crate) fn json_member(self) -> Option<&'static str> {
                match self.0 {
                    $($code => Some(concat!(",\"language\":\"", $name, "\"")),)*
                    _ => None,
                }
            }

            /// The name used in JSON headers; `None` for a code that RocketMQ does not know.
            pub fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($code => Some($name),)*
                    _ => None,
                }
            }

            /// The language of this name; [`Language::UNKNOWN`] when there is none.
            pub fn from_name(name: &str) -> Language {
                match name {
                    $($name => Language($code),)*
                    _ => Language::UNKNOWN,
                }
            }
        }
    };
}

/// A language code. Any byte can arrive; an unknown one is kept and harms nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Language(pub u8);

impl Language {
    /// Not told, or a name that RocketMQ does not know.
    pub const UNKNOWN: Language = Language(0xFF);
}

languages! {
    "JAVA" = 0 JAVA, "CPP" = 1 CPP, "DOTNET" = 2 DOTNET, "PYTHON" = 3 PYTHON, "DELPHI" = 4 DELPHI,
    "ERLANG" = 5 ERLANG, "RUBY" = 6 RUBY, "OTHER" = 7 OTHER, "HTTP" = 8 HTTP, "GO" = 9 GO,
    "PHP" = 10 PHP, "OMS" = 11 OMS, "RUST" = 12 RUST, "NODE_JS" = 13 NODE_JS
}
