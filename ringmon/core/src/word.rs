//! The word for each value of an enum: the one that people type, read and script against, everywhere.
//!
//! serde has a name for each variant as well. It is the same word; the tests below hold the two together.

use core::fmt::Debug;

/// An enum whose values each have a word.
pub trait Word: Copy + PartialEq + Debug + 'static {
    /// All values, in the order in which they are shown to people.
    const ALL: &'static [Self];

    /// The word of this value.
    #[must_use]
    fn word(self) -> &'static str;

    /// The value with this word.
    #[must_use]
    fn read(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|value| value.word() == word)
    }
}

/// Gives an enum its words: `words!(Mode: Act = "act", Observe = "observe")`. If one is missing, it does not compile.
#[macro_export]
macro_rules! words {
    ($type:ty: $($variant:ident = $word:literal),+ $(,)?) => {
        impl $crate::Word for $type {
            const ALL: &'static [Self] = &[$(Self::$variant),+];

            fn word(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde::Serialize;
    use serde::de::DeserializeOwned;

    use super::Word;
    use crate::blindness::Blindness;
    use crate::detector::State;
    use crate::evidence::{LocalFault, Purpose};
    use crate::outcome::Held;
    use crate::route::Standing;
    use crate::row::{Alone, Health, Mode, Quorum, Side, VoteKind};
    use crate::{EventKind, Profile, Rule};

    fn each_is_read_as_itself<T: Word>() {
        for &value in T::ALL {
            assert_eq!(T::read(value.word()), Some(value));
        }
        assert_eq!(T::read(""), None);
    }

    fn serde_has_the_same<T: Word + Serialize + DeserializeOwned>() {
        each_is_read_as_itself::<T>();
        for &value in T::ALL {
            assert_eq!(serde_json::to_value(value).unwrap(), value.word(), "{value:?}");
            assert_eq!(serde_json::from_value::<T>(value.word().into()).unwrap(), value);
        }
        let words: BTreeSet<_> = T::ALL.iter().map(|value| value.word()).collect();
        assert_eq!(words.len(), T::ALL.len());
    }

    #[test]
    fn a_value_has_one_word_and_serde_has_the_same() {
        serde_has_the_same::<Alone>();
        serde_has_the_same::<Blindness>();
        serde_has_the_same::<EventKind>();
        serde_has_the_same::<Health>();
        serde_has_the_same::<Held>();
        serde_has_the_same::<LocalFault>();
        serde_has_the_same::<Mode>();
        serde_has_the_same::<Profile>();
        serde_has_the_same::<Purpose>();
        serde_has_the_same::<Quorum>();
        serde_has_the_same::<Side>();
        serde_has_the_same::<Standing>();
        serde_has_the_same::<VoteKind>();
        // Written nowhere by serde, or by its variant's name, which only recordings have.
        each_is_read_as_itself::<Rule>();
        each_is_read_as_itself::<State>();
    }
}
