//! Settings by name, for languages that pass them through unread.

use ferromq_client::Error;
use ferromq_model::config::{ConfigTable, SettingError};

/// Sets settings by the names of the configuration table, each in the one of two tables that has
/// it.
///
/// # Errors
/// [`Error::InvalidArgument`] for a name that neither has, with the nearest known one, and for a
/// value that does not fit.
pub fn configure<'a, A: ConfigTable, B: ConfigTable>(
    settings: impl IntoIterator<Item = (&'a str, &'a str)>,
    own: &mut A,
    common: &mut B,
) -> Result<(), Error> {
    for (key, value) in settings {
        let outcome = match own.set(key, value) {
            Err(SettingError::Unknown { nearest, .. }) => match common.set(key, value) {
                Err(SettingError::Unknown { key, nearest: other }) => {
                    Err(SettingError::Unknown { key, nearest: nearest.or(other) })
                }
                outcome => outcome,
            },
            outcome => outcome,
        };
        outcome.map_err(|error| Error::InvalidArgument(error.to_string()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use ferromq_client::{ClientConfig, ProducerConfig};

    #[test]
    fn settings_find_their_table_or_the_nearest_name() {
        let (mut own, mut common) = (ProducerConfig::default(), ClientConfig::default());
        let settings = [("producerGroup", "G"), ("namesrvAddr", "a:1")];
        configure(settings, &mut own, &mut common).expect("both are known");
        assert_eq!((own.group.as_str(), common.namesrv_addr.as_str()), ("G", "a:1"));
        for (wrong, text) in [
            (("sendMsgTimout", "1"), "did you mean `sendMsgTimeout`"),
            (("namesrvAdr", "a:1"), "did you mean `namesrvAddr`"),
            (("sendMsgTimeout", "soon"), "cannot be `soon`"),
        ] {
            let error = configure([wrong], &mut own, &mut common).expect_err("it is wrong");
            assert!(error.to_string().contains(text), "{error}");
        }
    }
}
