//! Typed headers: one declaration gives the structure, both codecs and the documentation.
//!
//! ```
//! use ferromq_protocol::header::Header;
//! use ferromq_protocol::fields::Fields;
//!
//! ferromq_protocol::headers! {
//!     /// Asks for the weather.
//!     pub struct WeatherRequest<'a> {
//!         /// Where.
//!         pub place: &'a str = "place",
//!         /// How many days ahead.
//!         pub days: i32 = "d" or 1,
//!         /// In which unit.
//!         pub unit: Option<&'a str> = "unit",
//!     }
//! }
//! let fields: Fields = [("place", "Ghent")].into_iter().collect();
//! let request = WeatherRequest::decode(&fields).unwrap();
//! assert_eq!((request.place, request.days, request.unit), ("Ghent", 1, None));
//! assert!(WeatherRequest::decode(&Fields::new()).is_err());
//! ```

use crate::decimal;
use crate::fields::Fields;
use crate::pairs::Span;
use thiserror::Error;

/// Why a typed header could not be read from a command's fields.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum HeaderError {
    /// A field that the request needs is absent.
    #[error("the custom field <{field}> is null in {header}")]
    Missing {
        /// The header's name.
        header: &'static str,
        /// The field's name on the wire.
        field: &'static str,
    },
    /// A field does not hold what its type wants.
    #[error("the custom field <{field}> of {header} is `{value}`, expected {expected}")]
    Invalid {
        /// The header's name.
        header: &'static str,
        /// The field's name on the wire.
        field: &'static str,
        /// The text as received.
        value: String,
        /// The type that was expected.
        expected: &'static str,
    },
}

/// One field of a header as the documentation shows it.
#[derive(Clone, Copy, Debug)]
pub struct FieldSpec {
    /// The name on the wire.
    pub name: &'static str,
    /// The type: `int`, `long`, `bool`, `double` or `str`.
    pub kind: &'static str,
    /// Whether a request without it is refused.
    pub required: bool,
    /// What it means.
    pub help: &'static str,
}

/// A header without its type: for the documentation, and for tests that want every header there is.
#[derive(Clone, Copy)]
pub struct HeaderSpec {
    /// The header's name.
    pub name: &'static str,
    /// What the documentation says of it.
    pub help: &'static str,
    /// Its fields in order.
    pub fields: &'static [FieldSpec],
    /// Reads the header and writes it again.
    pub rewrite: fn(&Fields) -> Result<Fields, HeaderError>,
}

/// A typed header.
pub trait Header<'a>: FieldSource + Sized {
    /// The header's name.
    const NAME: &'static str;
    /// What the documentation says of it.
    const HELP: &'static str;
    /// Its fields in order.
    const FIELDS: &'static [FieldSpec];

    /// Reads it; unknown fields are ignored, and of a repeated field the last counts.
    fn decode(fields: &'a Fields) -> Result<Self, HeaderError>;
}

/// Takes the fields of a command one after the other: [`Fields`], or a header that is being written.
pub trait FieldSink {
    /// Takes a field of a typed header.
    fn put(&mut self, key: FieldKey, value: &str);

    /// As [`put`](Self::put), of a value that needs no escape in JSON.
    fn put_plain(&mut self, key: FieldKey, value: &str);

    /// Takes all of these.
    fn put_all(&mut self, fields: &Fields);
}

/// What a command can have for fields: those that were received or laid out, a typed header, several of
/// these one after the other, or none.
pub trait FieldSource {
    /// Hands over the fields in their order; an absent optional field of a header is left out.
    fn put_into(&self, sink: &mut impl FieldSink);
}

impl FieldSource for () {
    fn put_into(&self, _: &mut impl FieldSink) {}
}

impl<T: FieldSource> FieldSource for &T {
    fn put_into(&self, sink: &mut impl FieldSink) {
        (**self).put_into(sink);
    }
}

impl<A: FieldSource, B: FieldSource> FieldSource for (A, B) {
    fn put_into(&self, sink: &mut impl FieldSink) {
        self.0.put_into(sink);
        self.1.put_into(sink);
    }
}

/// A type that a header's field can have.
pub trait FieldType<'a>: Sized {
    /// The type's name in the documentation.
    const KIND: &'static str;
    /// Whether the field must be there.
    const REQUIRED: bool;
    /// Reads the text of a field.
    fn parse(text: FieldText<'a>) -> Option<Self>;
    /// The value of an absent field.
    fn absent() -> Option<Self>;
    /// Hands over the field.
    fn put_into(&self, key: FieldKey, sink: &mut impl FieldSink);
}

/// The text of a received field. Numbers need no look at where its characters begin.
#[derive(Clone, Copy)]
pub struct FieldText<'a> {
    pub(crate) all: &'a str,
    pub(crate) span: Span,
}

impl<'a> FieldText<'a> {
    /// The text.
    pub fn as_str(self) -> &'a str {
        self.span.of(self.all)
    }

    /// Its bytes.
    pub fn as_bytes(self) -> &'a [u8] {
        self.span.of_bytes(self.all.as_bytes())
    }
}

/// A field's name, and what comes before and behind it in JSON.
#[derive(Clone, Copy)]
pub struct FieldKey(&'static str);

impl FieldKey {
    /// For `","name":"`, where nothing in the name needs an escape.
    #[doc(hidden)]
    pub const fn new(quoted: &'static str) -> Self {
        let mut at = 3;
        while at < quoted.len() - 3 {
            let byte = quoted.as_bytes()[at];
            assert!(byte.is_ascii_alphanumeric() || byte == b'_', "a strange name of a field");
            at += 1;
        }
        FieldKey(quoted)
    }

    /// The name.
    pub(crate) fn name(self) -> &'static str {
        &self.0[3..self.0.len() - 3]
    }

    /// The name in JSON, up to where its value begins.
    pub(crate) fn quoted(self) -> &'static str {
        &self.0[2..]
    }

    /// The same behind another field.
    pub(crate) fn behind_comma(self) -> &'static str {
        &self.0[1..]
    }

    /// The same behind the end of another field's value.
    pub(crate) fn behind_value(self) -> &'static str {
        self.0
    }
}

macro_rules! integer_field {
    ($($type:ty => $kind:literal),*) => {$(
        impl<'a> FieldType<'a> for $type {
            const KIND: &'static str = $kind;
            const REQUIRED: bool = true;
            fn parse(text: FieldText<'a>) -> Option<Self> {
                decimal::parse(text.as_bytes())?.try_into().ok()
            }
            fn absent() -> Option<Self> {
                None
            }
            fn put_into(&self, key: FieldKey, sink: &mut impl FieldSink) {
                sink.put_plain(key, itoa::Buffer::new().format(*self));
            }
        }
    )*};
}

integer_field!(i32 => "int", i64 => "long");

impl<'a> FieldType<'a> for bool {
    const KIND: &'static str = "bool";
    const REQUIRED: bool = true;
    fn parse(text: FieldText<'a>) -> Option<Self> {
        Some(text.as_bytes().eq_ignore_ascii_case(b"true"))
    }
    fn absent() -> Option<Self> {
        None
    }
    fn put_into(&self, key: FieldKey, sink: &mut impl FieldSink) {
        sink.put_plain(key, if *self { "true" } else { "false" });
    }
}

impl<'a> FieldType<'a> for &'a str {
    const KIND: &'static str = "str";
    const REQUIRED: bool = true;
    fn parse(text: FieldText<'a>) -> Option<Self> {
        Some(text.as_str())
    }
    fn absent() -> Option<Self> {
        None
    }
    fn put_into(&self, key: FieldKey, sink: &mut impl FieldSink) {
        sink.put(key, self);
    }
}

impl<'a, T: FieldType<'a>> FieldType<'a> for Option<T> {
    const KIND: &'static str = T::KIND;
    const REQUIRED: bool = false;
    fn parse(text: FieldText<'a>) -> Option<Self> {
        T::parse(text).map(Some)
    }
    fn absent() -> Option<Self> {
        Some(None)
    }
    fn put_into(&self, key: FieldKey, sink: &mut impl FieldSink) {
        if let Some(value) = self {
            value.put_into(key, sink);
        }
    }
}

/// Reads one field; used by the generated code.
#[doc(hidden)]
#[inline]
pub fn parse_field<'a, T: FieldType<'a>>(
    header: &'static str,
    field: &'static str,
    text: FieldText<'a>,
) -> Result<Option<T>, HeaderError> {
    match T::parse(text) {
        Some(value) => Ok(Some(value)),
        None => {
            let value = text.as_str().to_string();
            Err(HeaderError::Invalid { header, field, value, expected: T::KIND })
        }
    }
}

/// Declares typed headers; see the [module](crate::header).
#[macro_export]
macro_rules! headers {
    ($($(#[doc = $help:literal])+ pub struct $name:ident $(<$lt:lifetime>)? {
        $($(#[doc = $field_help:literal])+ pub $field:ident : $type:ty = $key:literal $(or $default:expr)?,)*
    })*) => {$(
        $(#[doc = $help])+
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name $(<$lt>)? {
            $($(#[doc = $field_help])+ pub $field: $type,)*
        }

        impl<'a> $crate::header::Header<'a> for $name $(<$lt>)? {
            const NAME: &'static str = stringify!($name);
            const HELP: &'static str = concat!($($help,)+);
            const FIELDS: &'static [$crate::header::FieldSpec] = &[$($crate::header::FieldSpec {
                name: $key,
                kind: <$type as $crate::header::FieldType<'a>>::KIND,
                required: <$type as $crate::header::FieldType<'a>>::REQUIRED
                    $(&& !stringify!($default).is_empty() && false)?,
                help: concat!($($field_help,)+),
            },)*];

            #[allow(unused_mut, unused_variables)]
            fn decode(fields: &'a $crate::fields::Fields) -> Result<Self, $crate::header::HeaderError> {
                #[allow(non_camel_case_types)]
                enum Key { $($field,)* Other }
                // By their bytes as patterns, which the compiler makes one decision of.
                #[allow(non_upper_case_globals)]
                fn key_of(bytes: &[u8]) -> Key {
                    $(const $field: &[u8] = $key.as_bytes();)*
                    match bytes {
                        $($field => Key::$field,)*
                        _ => Key::Other,
                    }
                }
                $(let mut $field: Option<$type> = None;)*
                for (key, value) in fields.for_header() {
                    match key_of(key) {
                        $(Key::$field => $field = $crate::header::parse_field(stringify!($name), $key, value)?,)*
                        Key::Other => {}
                    }
                }
                Ok($name {
                    $($field: $field
                        .or_else(<$type as $crate::header::FieldType<'a>>::absent)
                        $(.or_else(|| Some($default)))?
                        .ok_or($crate::header::HeaderError::Missing {
                            header: stringify!($name),
                            field: $key,
                        })?,)*
                })
            }

        }

        impl $(<$lt>)? $crate::header::FieldSource for $name $(<$lt>)? {
            #[allow(unused_variables)]
            fn put_into(&self, sink: &mut impl $crate::header::FieldSink) {
                $($crate::header::FieldType::put_into(
                    &self.$field,
                    const { $crate::header::FieldKey::new(concat!("\",\"", $key, "\":\"")) },
                    sink,
                );)*
            }
        }
    )*

        /// Every header declared here.
        #[allow(dead_code)]
        pub(crate) const HEADERS: &[$crate::header::HeaderSpec] = {
            use $crate::header::{FieldSource as _, Header as _};
            &[$($crate::header::HeaderSpec {
                name: $name::NAME,
                help: $name::HELP,
                fields: $name::FIELDS,
                rewrite: |fields| {
                    let mut written = $crate::fields::Fields::new();
                    $name::decode(fields)?.put_into(&mut written);
                    Ok(written)
                },
            },)*]
        };
    };
}
