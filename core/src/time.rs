//! Points in time as the project stores and shows them: whole milliseconds, UTC.
//!
//! Owns the RFC 3339 form and the one on-screen form. Reads no clock: who needs "now" is given it.
//! Hand-written because the browser half needs only these two conversions, and a calendar library
//! would weigh more than all the rest of it.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// Milliseconds since 1970-01-01T00:00:00Z. Serialised as RFC 3339 with milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Timestamp(pub i64);

const DAY_MS: i64 = 86_400_000;

impl Timestamp {
    /// Milliseconds from `earlier` to `self`; 0 if the clock went backwards.
    #[must_use]
    pub fn since(self, earlier: Self) -> u64 {
        u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0)
    }

    /// The point `ms` milliseconds later.
    #[must_use]
    pub const fn plus_ms(self, ms: i64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// `2026-11-24T10:31:05.123Z`
    #[must_use]
    pub fn rfc3339(self) -> String {
        let (year, month, day) = civil(self.0.div_euclid(DAY_MS));
        let ms = self.0.rem_euclid(DAY_MS);
        format!(
            "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:03}Z",
            ms / 3_600_000,
            ms / 60_000 % 60,
            ms / 1_000 % 60,
            ms % 1_000
        )
    }

    /// `2026-11-24 10:31:05 UTC`: how the server writes a time on a page.
    #[must_use]
    pub fn on_screen(self) -> String {
        let (year, month, day) = civil(self.0.div_euclid(DAY_MS));
        let ms = self.0.rem_euclid(DAY_MS);
        format!(
            "{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02} UTC",
            ms / 3_600_000,
            ms / 60_000 % 60,
            ms / 1_000 % 60
        )
    }

    /// The same in a zone that lies so many minutes east of UTC: `2026-11-24 11:31:05 UTC+1`.
    #[must_use]
    pub fn in_zone(self, east_minutes: i64) -> String {
        let shifted = self
            .plus_ms(east_minutes.saturating_mul(60_000))
            .on_screen();
        if east_minutes == 0 {
            return shifted;
        }
        let sign = if east_minutes < 0 { '-' } else { '+' };
        let (hours, minutes) = (east_minutes.abs() / 60, east_minutes.abs() % 60);
        if minutes == 0 {
            format!("{shifted}{sign}{hours}")
        } else {
            format!("{shifted}{sign}{hours}:{minutes:02}")
        }
    }

    /// `2026-11-24`: the UTC day, as the list groups by it.
    #[must_use]
    pub fn day(self) -> String {
        let (year, month, day) = civil(self.0.div_euclid(DAY_MS));
        format!("{year:04}-{month:02}-{day:02}")
    }

    /// Reads `2026-11-24T10:31:05Z`, with or without a fraction. Only UTC is accepted.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.strip_suffix('Z')?;
        let (date, time) = text.split_once('T')?;
        let mut date = date.splitn(3, '-').map(|part| part.parse::<i64>().ok());
        let (year, month, day) = (date.next()??, date.next()??, date.next()??);
        let (clock, fraction) = time.split_once('.').unwrap_or((time, "0"));
        let mut clock = clock.splitn(3, ':').map(|part| part.parse::<i64>().ok());
        let (hour, minute, second) = (clock.next()??, clock.next()??, clock.next()??);
        let in_range = (1..=12).contains(&month)
            && (1..=31).contains(&day)
            && (0..24).contains(&hour)
            && (0..60).contains(&minute)
            && (0..=60).contains(&second)
            && (0..=9_999).contains(&year);
        if !in_range || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let ms = format!("{fraction:0<3}").get(..3)?.parse::<i64>().ok()?;
        let seconds = days(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second;
        Some(Self(seconds * 1_000 + ms))
    }
}

impl std::fmt::Display for Timestamp {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.rfc3339())
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.rfc3339())
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| D::Error::custom("not a UTC time in RFC 3339 form"))
    }
}

/// Year, month and day of a count of days since 1970-01-01 (proleptic Gregorian calendar).
///
/// Counts in eras of 400 years that begin on 1 March, so that the leap day is the last of a year.
const fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 {
        march_month + 3
    } else {
        march_month - 9
    };
    let year = year_of_era + era * 400 + (month <= 2) as i64;
    (year, month, day)
}

/// The inverse of [`civil`].
const fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = year - (month <= 2) as i64;
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let march_month = (month + 9) % 12;
    let day_of_year = (153 * march_month + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_zone_shifts_the_clock_and_is_named() {
        let at = Timestamp(1_795_516_265_123);
        assert_eq!(at.in_zone(0), "2026-11-24 10:31:05 UTC");
        assert_eq!(at.in_zone(60), "2026-11-24 11:31:05 UTC+1");
        assert_eq!(at.in_zone(345), "2026-11-24 16:16:05 UTC+5:45");
        assert_eq!(at.in_zone(-660), "2026-11-23 23:31:05 UTC-11");
    }

    #[test]
    fn known_dates_are_written_as_the_calendar_says() {
        assert_eq!(Timestamp(0).rfc3339(), "1970-01-01T00:00:00.000Z");
        assert_eq!(
            Timestamp(951_782_400_000).rfc3339(),
            "2000-02-29T00:00:00.000Z"
        );
        assert_eq!(
            Timestamp(1_795_516_265_123).on_screen(),
            "2026-11-24 10:31:05 UTC"
        );
    }

    #[test]
    fn a_time_without_zone_or_out_of_range_is_refused() {
        for text in [
            "",
            "2026-11-24",
            "2026-11-24T10:31:05",
            "2026-13-24T10:31:05Z",
            "2026-11-24T25:31:05Z",
        ] {
            assert_eq!(Timestamp::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_clock_that_went_backwards_gives_no_negative_duration() {
        assert_eq!(Timestamp(5).since(Timestamp(9)), 0);
    }

    proptest! {
        #[test]
        fn every_time_survives_a_round_trip(ms in 0_i64..253_402_300_799_999) {
            prop_assert_eq!(Timestamp::parse(&Timestamp(ms).rfc3339()), Some(Timestamp(ms)));
        }

        #[test]
        fn any_text_is_read_without_a_panic(text in ".{0,40}") {
            let _ = Timestamp::parse(&text);
        }
    }
}
